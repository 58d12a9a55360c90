//! Refusals to make tokens and to spend them.

use tokio::task::JoinSet;
use tonic::Status;
use vestibule::pb;

use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::{Harness, Setup};

pub(super) async fn vouching(t: &Harness, email_address: &str, factor: pb::VouchedFactor) -> Status {
    let request = pb::CreateIntermediateSessionRequest {
        email_address: email_address.to_owned(),
        factors: vec![factor],
    };
    t.clients().intermediate_sessions.create_intermediate_session(request).await.unwrap_err()
}

pub(super) async fn spending(
    t: &Harness,
    change: impl FnOnce(&mut pb::DiscoveryServiceCreateOrganizationRequest),
) -> Status {
    let mut request = creation(&t.clients().token("ada@acme.com").await);
    change(&mut request);
    t.clients().spend(request).await.unwrap_err()
}

pub(super) async fn a_token_is_bound(t: &Harness) -> Status {
    let token = t.clients().token("bound@acme.com").await;
    let owing = pb::DiscoveryServiceCreateOrganizationRequest { mfa_policy: Some(2), ..creation(&token) };
    t.clients().spend(owing).await.unwrap();
    t.clients().spend(creation(&token)).await.unwrap_err()
}

pub(super) async fn a_domain_is_claimed(t: &Harness) -> Status {
    let request = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["claimed.com".to_owned()],
        ..organization("Acme")
    };
    t.clients().create(request).await.unwrap();
    let token = t.clients().token("ada@claimed.com").await;
    t.clients().spend(creation(&token)).await.unwrap_err()
}

/// Two calls want one token while neither can be recorded.
pub(super) async fn a_token_is_in_use() -> Status {
    let t = Harness::embedded().await;
    let token = t.clients().token("ada@acme.com").await;
    let blockade = t.block_organizations().await;
    let mut spending = JoinSet::new();
    for _ in 0..2 {
        let (clients, request) = (t.clients(), creation(&token));
        spending.spawn(async move { clients.spend(request).await });
    }
    let first = spending.join_next().await.unwrap().unwrap().unwrap_err();
    blockade.lift().await;
    spending.join_next().await.unwrap().unwrap().unwrap();
    first
}

pub(super) async fn creation_is_disabled() -> Status {
    let setup = Setup::embedded().with(|config| config.discovery_organization_creation = false);
    let t = setup.start().await;
    let token = t.clients().token("ada@acme.com").await;
    t.clients().spend(creation(&token)).await.unwrap_err()
}

/// A repeated call whose first answer speaks of what is gone since.
pub(super) async fn a_repeat_finds_nothing(gone: &str) -> Status {
    let t = Harness::embedded().await;
    let token = t.clients().token("ada@acme.com").await;
    t.clients().spend(with_key(creation(&token), "key")).await.unwrap();
    t.execute(gone).await;
    t.clients().spend(with_key(creation(&token), "key")).await.unwrap_err()
}
