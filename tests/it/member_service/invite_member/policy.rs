//! Whom the organization lets in.

use tonic::Code;
use vestibule::pb;

use super::invited;
use crate::harness::fixtures::{organization, with_key};
use crate::harness::members::invitation;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};
use crate::member_service::written::written;

on_both_backends!(
    all_allowed_lets_everybody_in,
    restricted_lets_the_allowed_domains_in,
    not_allowed_lets_nobody_in,
    a_claimed_domain_is_for_its_organization,
);

/// An organization with a policy, and `acme.com` and `bücher.de` as its allowed domains.
async fn with_policy(t: &Harness, policy: pb::EmailInvites) -> String {
    let request = pb::CreateOrganizationRequest {
        email_invites: Some(policy.into()),
        email_allowed_domains: vec!["acme.com".to_owned(), "bücher.de".to_owned()],
        ..organization("Acme")
    };
    t.clients().create(request).await.unwrap().into_inner().organization.unwrap().organization_id
}

/// Asserts that addresses can't be invited, and that nothing is written.
async fn refuses(t: &Harness, organization_id: &str, addresses: &[&str], reason: &str) {
    let before = written(t).await;
    for address in addresses {
        let request = with_key(invitation(organization_id, address), "refused");
        refused(t.clients().invite_member(request).await, Code::FailedPrecondition, reason);
    }
    assert_eq!(written(t).await, before);
}

async fn all_allowed_lets_everybody_in(t: Harness) {
    let id = with_policy(&t, pb::EmailInvites::AllAllowed).await;
    for address in ["ada@acme.com", "ada@elsewhere.com"] {
        invited(&t, invitation(&id, address)).await;
    }
}

async fn restricted_lets_the_allowed_domains_in(t: Harness) {
    let id = with_policy(&t, pb::EmailInvites::Restricted).await;
    for address in ["ada@acme.com", "bob@ACME.COM.", "ada@BÜCHER.de"] {
        invited(&t, invitation(&id, address)).await;
    }
    let others = ["ada@elsewhere.com", "ada@mail.acme.com", "ada@notacme.com", "acme.com@evil.org"];
    refuses(&t, &id, &others, "INVALID_EMAIL_FOR_INVITES").await;
    // The policy is asked before the member is.
    t.clients().member(&id, "eve@elsewhere.com").await;
    refuses(&t, &id, &["eve@elsewhere.com"], "INVALID_EMAIL_FOR_INVITES").await;
}

async fn not_allowed_lets_nobody_in(t: Harness) {
    let id = with_policy(&t, pb::EmailInvites::NotAllowed).await;
    refuses(&t, &id, &["ada@acme.com", "ada@elsewhere.com"], "EMAIL_INVITES_NOT_ALLOWED").await;
}

async fn a_claimed_domain_is_for_its_organization(t: Harness) {
    let clients = t.clients();
    let other = clients.organization("Other").await.organization_id;
    invited(&t, invitation(&other, "early@acme.com")).await;
    let owner = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["acme.com".to_owned()],
        ..organization("Owner")
    };
    let owner = clients.create(owner).await.unwrap().into_inner().organization.unwrap().organization_id;
    let reason = "ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED";
    refuses(&t, &other, &["ada@acme.com", "Ada@ACME.com.", "early@acme.com"], reason).await;
    invited(&t, invitation(&owner, "ada@acme.com")).await;
    invited(&t, invitation(&other, "ada@mail.acme.com")).await;
}
