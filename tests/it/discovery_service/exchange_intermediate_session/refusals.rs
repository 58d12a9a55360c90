//! Who is kept out, and that it changes nothing: neither the token nor anything else.

use tonic::Code;
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::{magic_link, organization, with_key};
use crate::harness::logins::exchange;
use crate::harness::members::{invitation, member_update};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

use super::super::people::account;
use super::entered;
use super::written::written;

on_both_backends!(
    a_refusal_changes_nothing,
    the_settings_of_the_moment_decide,
    a_refusal_keeps_no_key,
    a_token_that_is_worth_nothing_is_not_found,
);

const ABSENT: &str = "organization-test-01890a5d-ac96-774b-bcce-b302099a8057";

/// An organization by the name of the situation that the person is in.
async fn situations(clients: &Clients) -> Vec<(String, Code, &'static str)> {
    let refused = Code::FailedPrecondition;
    let mut situations = vec![
        ("nowhere".to_owned(), Code::NotFound, "ORGANIZATION_NOT_FOUND"),
        (ABSENT.to_owned(), Code::NotFound, "ORGANIZATION_NOT_FOUND"),
    ];
    let deleted = clients.open_to("Deleted", "acme.com").await.organization_id;
    clients.dissolve(&deleted).await;
    situations.push((deleted, Code::NotFound, "ORGANIZATION_NOT_FOUND"));
    let closed = clients.organization("Closed").await.organization_id;
    situations.push((closed, refused, "OAUTH_TENANT_JIT_PROVISIONING_NOT_ALLOWED"));
    let elsewhere = clients.open_to("Elsewhere", "globex.com").await.organization_id;
    situations.push((elsewhere, refused, "INVALID_EMAIL_FOR_JIT_PROVISIONING"));
    let another = clients.open_to_slack("Another tenant", "T9").await.organization_id;
    situations.push((another, refused, "INVALID_OAUTH_TENANT_FOR_JIT_PROVISIONING"));
    let given_up = clients.open_to("Given up", "acme.com").await.organization_id;
    let member = clients.member(&given_up, "ada@acme.com").await;
    let renamed = pb::UpdateMemberRequest {
        email_address: Some("lovelace@acme.com".to_owned()),
        ..member_update(&given_up, &member.member_id)
    };
    clients.update_member(renamed).await.unwrap();
    situations.push((given_up, refused, "RETIRED_MEMBER_EMAIL"));
    situations
}

async fn a_refusal_changes_nothing(t: Harness) {
    let clients = t.clients();
    let home = clients.organization("Home").await.organization_id;
    clients.member(&home, "ada@acme.com").await;
    let factors = vec![magic_link(), account("slack", &["T1"])];
    let token = clients.token_with("ada@acme.com", factors).await;
    let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session;
    let situations = situations(&clients).await;
    let wrote = written(&t).await;
    for (organization, code, reason) in situations {
        for request in [
            tonic::Request::new(exchange(&token, &organization)),
            with_key(exchange(&token, &organization), "key"),
        ] {
            let refusal = refused(clients.exchange(request).await, code, reason);
            assert!(refusal.fields.is_empty() && refusal.retry_after.is_none(), "{refusal:?}");
            for private in ["ada", "acme", "globex", "T9", token.as_str()] {
                assert!(!refusal.message.contains(private), "{refusal:?}");
            }
        }
        assert_eq!(written(&t).await, wrote, "{organization}");
        assert_eq!(clients.inspect(&token).await.unwrap().into_inner().intermediate_session, before);
    }
    // Without a tenant that could do.
    let plain = clients.token("ada@acme.com").await;
    let closed = clients.exchange(exchange(&plain, "closed")).await;
    refused(closed, Code::FailedPrecondition, "EMAIL_JIT_PROVISIONING_NOT_ALLOWED");
    // A domain that somebody has claimed lets nobody become a member elsewhere.
    let invited = clients.organization("Invited").await.organization_id;
    clients.invite_member(invitation(&invited, "ada@acme.com")).await.unwrap();
    let joinable = clients.open_to_slack("Joinable", "T1").await.organization_id;
    let claim = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["acme.com".to_owned()],
        ..organization("Owner")
    };
    clients.create(claim).await.unwrap();
    let wrote = written(&t).await;
    for organization in [invited, joinable] {
        let answer = clients.exchange(exchange(&token, &organization)).await;
        refused(answer, Code::FailedPrecondition, "ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED");
    }
    assert_eq!(written(&t).await, wrote);
    // After all of that, the token is worth what it was.
    assert!(entered(&clients, &token, &home).await.member_authenticated);
}

async fn the_settings_of_the_moment_decide(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to("Acme", "acme.com").await.organization_id;
    let token = clients.token("ada@acme.com").await;
    let listed = clients.discovered(crate::harness::logins::listing(&token)).await.unwrap().into_inner();
    assert_eq!(listed.discovered_organizations.len(), 1);
    let mut closed = crate::harness::members::organization_update(&acme);
    closed.set_email_jit_provisioning(pb::EmailJitProvisioning::NotAllowed);
    clients.update_organization(closed).await.unwrap();
    let answer = clients.exchange(exchange(&token, &acme)).await;
    refused(answer, Code::FailedPrecondition, "EMAIL_JIT_PROVISIONING_NOT_ALLOWED");
    let mut open = crate::harness::members::organization_update(&acme);
    open.set_email_jit_provisioning(pb::EmailJitProvisioning::Restricted);
    clients.update_organization(open).await.unwrap();
    assert!(entered(&clients, &token, &acme).await.member_authenticated);
}

async fn a_refusal_keeps_no_key(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    let token = clients.token("ada@acme.com").await;
    let request = || with_key(exchange(&token, &acme), "key");
    let answer = clients.exchange(request()).await;
    refused(answer, Code::FailedPrecondition, "EMAIL_JIT_PROVISIONING_NOT_ALLOWED");
    clients.member(&acme, "ada@acme.com").await;
    assert!(clients.exchange(request()).await.unwrap().into_inner().member_authenticated);
}

async fn a_token_that_is_worth_nothing_is_not_found(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    let unknown = format!("{}=", "A".repeat(43));
    let revoked = clients.token("ada@acme.com").await;
    clients.revoke(&revoked).await.unwrap();
    let expired = clients.token("ada@acme.com").await;
    t.outlive(&expired).await;
    let wrote = written(&t).await;
    for token in [unknown, revoked, expired] {
        // Whether the organization exists is not told to whoever has no token.
        for organization in [acme.as_str(), ABSENT] {
            for request in [
                tonic::Request::new(exchange(&token, organization)),
                with_key(exchange(&token, organization), "k"),
            ] {
                refused(clients.exchange(request).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
            }
        }
    }
    assert_eq!(written(&t).await, wrote);
}
