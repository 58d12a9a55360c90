//! Addresses that nobody has proved.

use super::super::answers::{Owed, enter, log_in, members};
use super::super::factors::{VERIFYING, github, google, microsoft, password, totp};
use super::super::settings::Settings;
use super::{acme, listing_of, try_as_ada};
use crate::harness::fixtures::{magic_link, oauth};
use crate::harness::members::{invitation, member_update};
use crate::harness::{Harness, on_both_backends};
use vestibule::pb;

on_both_backends!(
    an_invitation_is_not_accepted_with_an_unverified_address,
    nobody_enters_by_what_a_provider_merely_says_about_an_address,
    a_password_that_was_set_before_proves_no_address,
    an_unverified_members_account_proves_nothing,
    an_account_of_another_provider_is_another_account,
);

async fn an_invitation_is_not_accepted_with_an_unverified_address(t: Harness) {
    let clients = t.clients();
    let organization = acme(&clients, &Settings::default()).await;
    clients.invite_member(invitation(&organization, "ada@acme.com")).await.unwrap();
    let before = members(&clients, &organization).await;
    let events = t.count("events").await;

    let (tried, token) = try_as_ada(&clients, vec![github("ada", &["octo"]), totp()], &organization).await;
    let answer = tried.unwrap();
    assert_eq!(answer.owed, Owed::primary(&VERIFYING));
    assert_eq!(answer.member().status, "invited");
    assert_eq!(answer.member().oauth_registrations, Vec::<pb::OauthRegistration>::new());
    let found = listing_of(&clients, &token, &organization).await;
    assert_eq!(found.membership.unwrap().r#type, "invited_member");
    assert!(!found.member_authenticated && found.primary_required.is_some());
    assert_eq!(members(&clients, &organization).await, before);
    assert_eq!(t.count("events").await, events);

    clients.add_factor(&token, magic_link()).await.unwrap();
    let member = enter(&clients, &token, &organization).await.unwrap().member.unwrap();
    assert_eq!((member.status.as_str(), member.email_address_verified), ("active", true));
}

/// What anybody can say to a provider about their address ("nOAuth").
fn sayings() -> Vec<pb::VouchedFactor> {
    vec![
        microsoft(false),
        google(false, Some("acme.com")),
        google(true, None),
        github("ada", &[]),
        oauth("oauth_slack", true),
        oauth("oauth_hubspot", true),
    ]
}

async fn nobody_enters_by_what_a_provider_merely_says_about_an_address(t: Harness) {
    let clients = t.clients();
    let joined = acme(&clients, &Settings::joined_by("acme.com")).await;
    let of_ada = acme(&clients, &Settings::default()).await;
    clients.member(&of_ada, "ada@acme.com").await;
    for factor in sayings() {
        for (organization, is_member) in [(&joined, false), (&of_ada, true)] {
            let (tried, token) = try_as_ada(&clients, vec![factor.clone()], organization).await;
            let answer = tried.unwrap();
            assert_eq!(answer.owed, Owed::primary(&VERIFYING), "{factor:?}");
            assert_eq!(answer.member.is_some(), is_member, "{factor:?}");
            assert!(
                !clients
                    .inspect(&token)
                    .await
                    .unwrap()
                    .into_inner()
                    .intermediate_session
                    .unwrap()
                    .email_address_verified
            );
        }
    }
    assert_eq!(members(&clients, &joined).await.len(), 1);
    // All of them together prove no more, and a creator who says it gets no session either.
    let (tried, token) = try_as_ada(&clients, sayings(), &of_ada).await;
    assert_eq!(tried.unwrap().owed, Owed::primary(&VERIFYING));
    let created = super::tried(clients.spend(Settings::default().creation(&token)).await).unwrap();
    assert_eq!(
        (created.owed.clone(), created.member().status.as_str()),
        (Owed::primary(&VERIFYING), "pending")
    );

    // At its own domains Google's word is that of who has the mailbox.
    for address in ["ada@gmail.com", "ada@googlemail.com"] {
        clients.invite_member(invitation(&of_ada, address)).await.unwrap();
        log_in(&clients, address, vec![google(true, None)], &of_ada).await;
    }
    // Those are names of domains, not endings.
    clients.invite_member(invitation(&of_ada, "ada@notgmail.com")).await.unwrap();
    let token = clients.token_with("ada@notgmail.com", vec![google(true, None)]).await;
    assert_eq!(enter(&clients, &token, &of_ada).await.unwrap().owed, Owed::primary(&VERIFYING));
}

async fn a_password_that_was_set_before_proves_no_address(t: Harness) {
    let clients = t.clients();
    let organization = acme(&clients, &Settings::joined_by("acme.com")).await;
    let (stranger, _) = try_as_ada(&clients, vec![password(false)], &organization).await;
    assert_eq!(stranger.unwrap().owed, Owed::primary(&VERIFYING));
    clients.member(&organization, "ada@acme.com").await;
    let (unverified, _) = try_as_ada(&clients, vec![password(false)], &organization).await;
    assert_eq!(unverified.unwrap().owed, Owed::primary(&VERIFYING));
    log_in(&clients, "ada@acme.com", vec![password(true)], &organization).await;
    log_in(&clients, "ada@acme.com", vec![password(false)], &organization).await;
}

/// Whoever joins by a tenant leaves an account with an address that nobody has proved: it opens the
/// organization as long as the tenant does.
async fn an_unverified_members_account_proves_nothing(t: Harness) {
    let clients = t.clients();
    let by_tenant = Settings { tenants: &["octo"], ..Settings::default() };
    let organization = acme(&clients, &by_tenant).await;
    let account = github("mallory", &["octo"]);
    let joined = log_in(&clients, "ada@acme.com", vec![account.clone()], &organization).await;
    assert!(!joined.member().email_address_verified);
    log_in(&clients, "ada@acme.com", vec![account.clone()], &organization).await;
    let (elsewhere, _) = try_as_ada(&clients, vec![github("mallory", &["cat"])], &organization).await;
    assert_eq!(elsewhere.unwrap().owed, Owed::primary(&VERIFYING));
    // Another account of the tenant is not this member's.
    let (other, _) = try_as_ada(&clients, vec![github("eve", &["octo"])], &organization).await;
    assert_eq!(other.unwrap().owed, Owed::primary(&VERIFYING));
    super::set(&clients, &organization, &Settings::default()).await;
    let (closed, _) = try_as_ada(&clients, vec![account], &organization).await;
    assert_eq!(closed.unwrap().owed, Owed::primary(&VERIFYING));
}

async fn an_account_of_another_provider_is_another_account(t: Harness) {
    let clients = t.clients();
    let organization = acme(&clients, &Settings::default()).await;
    let member = clients.member(&organization, "ada@acme.com").await;
    log_in(&clients, "ada@acme.com", vec![magic_link(), oauth("oauth_github", false)], &organization).await;
    log_in(&clients, "ada@acme.com", vec![oauth("oauth_github", false)], &organization).await;
    let same_subject = oauth("oauth_slack", true);
    let (tried, _) = try_as_ada(&clients, vec![same_subject], &organization).await;
    assert_eq!(tried.unwrap().owed, Owed::primary(&VERIFYING));
    // With a new address that nobody has proved, the account is known no more.
    let update = pb::UpdateMemberRequest {
        email_address: Some("grace@acme.com".to_owned()),
        ..member_update(&organization, &member.member_id)
    };
    clients.update_member(update).await.unwrap();
    let token = clients.token_with("grace@acme.com", vec![oauth("oauth_github", false)]).await;
    assert_eq!(enter(&clients, &token, &organization).await.unwrap().owed, Owed::primary(&VERIFYING));
}
