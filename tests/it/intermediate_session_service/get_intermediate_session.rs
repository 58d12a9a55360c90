use tonic::Code;

use crate::harness::fixtures::{creation, factor, malformed_tokens};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(inspecting_never_spends, a_token_that_is_over_shows_nothing);

async fn inspecting_never_spends(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let first = clients.inspect(&token).await.unwrap().into_inner();
    assert!(first.request_id.starts_with("request-id-test-"), "{first:?}");
    for _ in 0..20 {
        let again = clients.inspect(&token).await.unwrap().into_inner();
        assert_eq!(again.intermediate_session, first.intermediate_session);
        assert_ne!(again.request_id, first.request_id);
    }
    assert_eq!(t.count("intermediate_session_receipts").await, 0);
    assert!(clients.spend(creation(&token)).await.unwrap().into_inner().member_authenticated);
}

async fn a_token_that_is_over_shows_nothing(t: Harness) {
    let clients = t.clients();
    let (spent, over) = (clients.token("ada@acme.com").await, clients.token("bob@acme.com").await);
    for text in malformed_tokens(&spent) {
        let refusal = refused(clients.inspect(&text).await, Code::InvalidArgument, "INVALID_SESSION_TOKEN");
        assert_eq!(refusal.violations(), [("intermediate_session_token", "INVALID_SESSION_TOKEN")]);
    }
    clients.spend(creation(&spent)).await.unwrap();
    t.outlive(&over).await;
    for token in [spent, over, format!("{}=", "A".repeat(43))] {
        refused(clients.inspect(&token).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    }
}

/// What comes back from a stale copy of Redis is judged by the receipt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_comes_back_shows_what_became_of_it() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let spent = clients.token("ada@acme.com").await;
    let bound = clients.token_with("ada@acme.com", vec![factor("password", "knowledge")]).await;
    for token in [&spent, &bound] {
        let copy = t.copy_entry(token).await;
        clients.spend(creation(token)).await.unwrap();
        t.restore_entry(token, &copy).await;
    }
    refused(clients.inspect(&spent).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    let session = clients.inspect(&bound).await.unwrap().into_inner().intermediate_session.unwrap();
    assert!(session.organization_id.is_some() && session.member_id.is_some(), "{session:?}");
}
