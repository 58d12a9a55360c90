//! What strangers leave to callers, and callers to each other.

use tonic::Code;
use vestibule::domain::permission::Permission;
use vestibule::pb;

use crate::harness::callers::Key;
use crate::harness::raw::{RawClient, frame};
use crate::harness::refusal::refused;
use crate::harness::{Harness, Setup};

/// What needs no credential is not read beyond what it could have to say.
#[tokio::test]
async fn strangers_say_little() {
    let t = Harness::embedded().await;
    let client = RawClient::connect(t.grpc).await;
    for path in ["/vestibule.v1.SessionService/GetJwks", "/grpc.health.v1.Health/Check"] {
        client.call(path, &[], frame(&[])).await.unwrap();
        let answer = client.call(path, &[], frame(&vec![0; 5_000])).await;
        let refusal = refused(answer, Code::ResourceExhausted, "REQUEST_TOO_LARGE");
        assert_eq!(refusal.metadata["max_bytes"], "4096");
    }
}

/// Whoever acts for a person ends the sessions whose tokens it holds, and no others.
#[tokio::test]
async fn sessions_of_others_are_ended_by_administrators_alone() {
    let [front, office] = [("front", Permission::Discover), ("office", Permission::Write)]
        .map(|(name, permission)| Key::new(name, &[permission]));
    let t = Setup::embedded().callers(&[&front.line, &office.line]).start().await;
    let id = "00000000-0000-7000-8000-000000000001";
    let by_member = pb::RevokeSessionRequest {
        member_id: Some(format!("member-test-{id}")),
        ..pb::RevokeSessionRequest::default()
    };
    let by_id = pb::RevokeSessionRequest {
        member_session_id: Some(format!("session-test-{id}")),
        ..pb::RevokeSessionRequest::default()
    };
    let by_token = pb::RevokeSessionRequest {
        session_token: Some("A".repeat(44)),
        ..pb::RevokeSessionRequest::default()
    };
    for request in [by_member, by_id] {
        let mut sessions = t.clients_with(&front.text).sessions;
        let answer = sessions.revoke_session(request.clone()).await;
        let refusal = refused(answer, Code::PermissionDenied, "CALLER_NOT_PERMITTED");
        assert_eq!(refusal.metadata["permissions"], "write");
        t.clients_with(&office.text).sessions.revoke_session(request).await.unwrap();
    }
    t.clients_with(&front.text).sessions.revoke_session(by_token).await.unwrap();
}
