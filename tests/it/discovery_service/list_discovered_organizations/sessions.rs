//! With a session: memberships alone, and what the session's factors are worth elsewhere.

use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, magic_link};
use crate::harness::members::{invitation, organization_update};
use crate::harness::{Harness, on_both_backends};

use super::super::people::{account, password, totp};
use super::listed;

on_both_backends!(
    a_session_shows_memberships_alone,
    second_factors_and_passwords_count_at_home_only,
    an_account_comes_along,
);

fn asking(session_token: &str) -> pb::ListDiscoveredOrganizationsRequest {
    pb::ListDiscoveredOrganizationsRequest {
        session_token: Some(session_token.to_owned()),
        ..pb::ListDiscoveredOrganizationsRequest::default()
    }
}

/// A session that rests on these factors.
async fn session(clients: &Clients, factors: Vec<pb::VouchedFactor>) -> String {
    let token = clients.token_with("ada@acme.com", factors).await;
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        organization_name: Some("Home".to_owned()),
        ..creation(&token)
    };
    clients.spend(request).await.unwrap().into_inner().session_token
}

/// For each organization: its name, how the person stands to it, and whether nothing is owed.
async fn seen(clients: &Clients, session_token: &str) -> Vec<(String, String, bool)> {
    let found = listed(clients, asking(session_token)).await.into_iter();
    let row = |found: pb::DiscoveredOrganization| {
        let (name, kind) = (found.organization.unwrap().organization_name, found.membership.unwrap().r#type);
        (name, kind, found.member_authenticated)
    };
    found.map(row).collect()
}

fn row(name: &str, kind: &str, complete: bool) -> (String, String, bool) {
    (name.to_owned(), kind.to_owned(), complete)
}

async fn a_session_shows_memberships_alone(t: Harness) {
    let clients = t.clients();
    clients.open_to("By domain", "acme.com").await;
    clients.open_to_slack("By tenant", "T1").await;
    let pending = clients.organization("Pending").await;
    clients.pending(&pending.organization_id, "ada@acme.com").await;
    let invited = clients.organization("Invited").await;
    clients.invite_member(invitation(&invited.organization_id, "ada@acme.com")).await.unwrap();
    let token = session(&clients, vec![magic_link(), account("slack", &["T1"])]).await;
    let expected = [
        row("Home", "active_member", true),
        row("Invited", "invited_member", true),
        row("Pending", "pending_member", true),
    ];
    assert_eq!(seen(&clients, &token).await, expected);
}

async fn second_factors_and_passwords_count_at_home_only(t: Harness) {
    let clients = t.clients();
    let token = session(&clients, vec![magic_link(), password(), totp()]).await;
    let home = listed(&clients, asking(&token)).await.remove(0).organization.unwrap().organization_id;
    let other = clients.organization("Other").await.organization_id;
    clients.invite_member(invitation(&other, "ada@acme.com")).await.unwrap();
    for organization_id in [&home, &other] {
        let mut strict = organization_update(organization_id);
        strict.set_auth_methods(pb::AuthMethods::Restricted);
        strict.allowed_auth_methods = vec!["password".to_owned()];
        strict.set_mfa_policy(pb::MfaPolicy::RequiredForAll);
        clients.update_organization(strict).await.unwrap();
    }
    let expected = [row("Home", "active_member", true), row("Other", "invited_member", false)];
    assert_eq!(seen(&clients, &token).await, expected);
    let other = listed(&clients, asking(&token)).await.remove(1);
    assert_eq!(other.primary_required.unwrap().allowed_auth_methods, ["password"]);
    assert!(other.mfa_required.is_some());
}

async fn an_account_comes_along(t: Harness) {
    let clients = t.clients();
    let token = session(&clients, vec![magic_link(), account("github", &["octo"])]).await;
    let other = clients.organization("Other").await.organization_id;
    clients.invite_member(invitation(&other, "ada@acme.com")).await.unwrap();
    let mut strict = organization_update(&other);
    strict.set_auth_methods(pb::AuthMethods::Restricted);
    strict.allowed_auth_methods = vec!["github_oauth".to_owned()];
    clients.update_organization(strict).await.unwrap();
    let expected = [row("Home", "active_member", true), row("Other", "invited_member", true)];
    assert_eq!(seen(&clients, &token).await, expected);
}
