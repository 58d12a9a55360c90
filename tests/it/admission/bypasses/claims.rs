//! Domains that one organization has claimed.

use vestibule::pb;

use super::super::answers::{enter, kept_out, log_in};
use super::super::factors::github;
use super::super::settings::Settings;
use super::{acme, go, listed, try_as_ada};
use crate::harness::fixtures::{magic_link, organization};
use crate::harness::members::invitation;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(a_claim_keeps_newcomers_from_elsewhere_and_leaves_members);

async fn a_claim_keeps_newcomers_from_elsewhere_and_leaves_members(t: Harness) {
    let clients = t.clients();
    let by_all = Settings { tenants: &["octo"], ..Settings::joined_by("acme.com") };
    let elsewhere = acme(&clients, &by_all).await;
    let of_ada = acme(&clients, &Settings::default()).await;
    clients.member(&of_ada, "ada@acme.com").await;
    let invited = clients.organization("Inviting").await.organization_id;
    clients.invite_member(invitation(&invited, "ada@acme.com")).await.unwrap();
    let session = log_in(&clients, "ada@acme.com", vec![magic_link()], &of_ada).await.session_token;
    let claim = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["acme.com".to_owned()],
        ..organization("Owner")
    };
    let owner = clients.create(claim).await.unwrap().into_inner().organization.unwrap().organization_id;

    let claimed = || kept_out::<()>("ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED").unwrap_err();
    let factors = vec![magic_link(), github("ada", &["octo"])];
    for organization in [&elsewhere, &invited] {
        let (tried, token) = try_as_ada(&clients, factors.clone(), organization).await;
        assert_eq!(tried.unwrap_err(), claimed());
        assert_eq!(listed(&clients, &token).await, [of_ada.as_str()]);
        let created = super::tried(clients.spend(Settings::default().creation(&token)).await);
        assert_eq!(created.unwrap_err(), claimed());
        // The same token still opens where its holder is a member.
        assert!(enter(&clients, &token, &of_ada).await.unwrap().owed.nothing());
        assert_eq!(go(&clients, &session, organization).await.unwrap_err(), claimed());
    }
    assert!(go(&clients, &session, &of_ada).await.unwrap().owed.nothing());
    // Subdomains are domains of their own.
    clients.invite_member(invitation(&invited, "ada@mail.acme.com")).await.unwrap();
    log_in(&clients, "ada@mail.acme.com", vec![magic_link()], &invited).await;
    // At the owner's the claim is no obstacle, and no door either.
    let (tried, _) = try_as_ada(&clients, factors.clone(), &owner).await;
    assert_eq!(tried.unwrap_err(), kept_out::<()>("OAUTH_TENANT_JIT_PROVISIONING_NOT_ALLOWED").unwrap_err());
    clients.invite_member(invitation(&owner, "ada@acme.com")).await.unwrap();
    log_in(&clients, "ada@acme.com", factors, &owner).await;
}
