//! Who invites.

use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::{Request, invited};
use crate::harness::fixtures::with_key;
use crate::harness::members::{invitation, new_member};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};
use crate::member_service::written::{events, written};

on_both_backends!(
    whoever_invites_is_named_by_id_or_external_id,
    a_member_of_the_organization_invites,
    members_invite_themselves_again,
);

fn by(organization_id: &str, member: &str) -> Request {
    Request { invited_by_member_id: Some(member.to_owned()), ..invitation(organization_id, "ada@acme.com") }
}

async fn whoever_invites_is_named_by_id_or_external_id(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let bob = pb::CreateMemberRequest {
        external_id: Some("HR|1a".to_owned()),
        create_member_as_pending: true,
        ..new_member(&id, "bob@acme.com")
    };
    let bob = clients.create_member(bob).await.unwrap().into_inner().member_id;
    for name in [bob.as_str(), "HR|1a"] {
        invited(&t, by(&id, name)).await;
    }
    let told = events(&t, "member.invited").await;
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|told| told.data == json!({"invited_by_member_id": bob})), "{told:?}");
}

async fn a_member_of_the_organization_invites(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let external = |organization_id: &str, external_id: &str, address| pb::CreateMemberRequest {
        external_id: Some(external_id.to_owned()),
        ..new_member(organization_id, address)
    };
    let elsewhere = clients.organization("Other").await.organization_id;
    let stranger = clients.create_member(external(&elsewhere, "HR-1", "bob@acme.com")).await.unwrap();
    let deleted = clients.create_member(external(&id, "HR-2", "bob@acme.com")).await.unwrap();
    let deleted = deleted.into_inner().member_id;
    let request = pb::DeleteMemberRequest {
        organization_id: id.clone(),
        member_id: deleted.clone(),
        ..pb::DeleteMemberRequest::default()
    };
    clients.delete_member(request).await.unwrap();
    clients.create_member(external(&id, "HR-3", "eve@acme.com")).await.unwrap();
    let before = written(&t).await;
    let unknown = "member-test-01890a5d-ac96-774b-bcce-b302099a8057";
    let stranger = stranger.into_inner().member_id;
    for nobody in [unknown, &stranger, &deleted, "HR-1", "HR-2", "hr-3", "nobody"] {
        let answer = clients.invite_member(with_key(by(&id, nobody), "key")).await;
        refused(answer, Code::NotFound, "MEMBER_NOT_FOUND");
    }
    for (bad, reason) in [
        ("", "INVALID_MEMBER_ID"),
        ("bob@acme.com", "INVALID_MEMBER_ID"),
        ("member-live-01890a5d-ac96-774b-bcce-b302099a8057", "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
    ] {
        let answer = clients.invite_member(with_key(by(&id, bad), "key")).await;
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [("invited_by_member_id", reason)]);
    }
    assert_eq!(written(&t).await, before);
}

async fn members_invite_themselves_again(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let ada = invited(&t, invitation(&id, "ada@acme.com")).await.member_id;
    assert_eq!(invited(&t, by(&id, &ada)).await.member_id, ada);
}
