//! Ways around the rules that this field has known, each as a test that names it.

mod claims;
mod joining;
mod proofs;
mod scopes;
mod second_factors;
mod switching;
mod tokens;

use vestibule::pb;

use super::answers::{Answer, Tried, enter, tried};
use super::settings::Settings;
use crate::harness::clients::Clients;
use crate::harness::fixtures::magic_link;
use crate::harness::logins::{exchange, explanation, listing, switch};

/// An organization with these settings, where somebody has a verified address on acme.com.
async fn acme(clients: &Clients, settings: &Settings) -> String {
    let organization = clients.organization("Acme").await.organization_id;
    clients.member(&organization, "peer@acme.com").await;
    super::answers::log_in(clients, "peer@acme.com", vec![magic_link()], &organization).await;
    set(clients, &organization, settings).await;
    organization
}

async fn set(clients: &Clients, organization: &str, settings: &Settings) {
    clients.update_organization(settings.update(organization)).await.unwrap();
}

/// Goes from a session to an organization.
async fn go(clients: &Clients, session: &str, organization: &str) -> Tried {
    tried(clients.switch(switch(session, organization)).await)
}

/// What comes of these factors of ada@acme.com, and the token.
async fn try_as_ada(
    clients: &Clients,
    factors: Vec<pb::VouchedFactor>,
    organization: &str,
) -> (Tried, String) {
    let token = clients.token_with("ada@acme.com", factors).await;
    (enter(clients, &token, organization).await, token)
}

/// The ids of the organizations that are listed for a token.
async fn listed(clients: &Clients, token: &str) -> Vec<String> {
    let listed = clients.discovered(listing(token)).await.unwrap().into_inner().discovered_organizations;
    listed.into_iter().map(|found| found.organization.unwrap().organization_id).collect()
}

/// The one organization that is listed for a token.
async fn listing_of(clients: &Clients, token: &str, organization: &str) -> pb::DiscoveredOrganization {
    let listed = clients.discovered(listing(token)).await.unwrap().into_inner().discovered_organizations;
    let [found] = <[_; 1]>::try_from(listed).unwrap();
    let explained = clients.explain(explanation(token, organization)).await.unwrap().into_inner();
    assert_eq!(explained.discovered_organization.as_ref(), Some(&found));
    found
}

/// A token that is out of a creation which owes a second factor, and the answer.
async fn unfinished_creation(clients: &Clients, factors: Vec<pb::VouchedFactor>) -> (String, Answer) {
    let token = clients.token_with("ada@acme.com", factors).await;
    let created = tried(clients.spend(Settings::mfa().creation(&token)).await).unwrap();
    assert!(created.owed.mfa);
    (token, created)
}

/// Deletes a member.
async fn delete(clients: &Clients, organization: &str, member_id: &str) {
    let request = pb::DeleteMemberRequest {
        organization_id: organization.to_owned(),
        member_id: member_id.to_owned(),
        ..pb::DeleteMemberRequest::default()
    };
    clients.delete_member(request).await.unwrap();
}

/// What is refused for a token that is not there any more.
async fn is_spent(clients: &Clients, token: &str, organization: &str) {
    let refused = crate::harness::refusal::refused(
        clients.exchange(exchange(token, organization)).await,
        tonic::Code::NotFound,
        "INTERMEDIATE_SESSION_NOT_FOUND",
    );
    assert!(refused.fields.is_empty());
}
