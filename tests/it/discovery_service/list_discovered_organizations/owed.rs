//! What each organization still asks of the person, as entering it says it.

use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::{magic_link, organization};
use crate::harness::logins::{exchange, listing};
use crate::harness::members::{invitation, new_member};
use crate::harness::{Harness, on_both_backends};

use super::super::people::{account, password, totp};
use super::listed;

on_both_backends!(what_is_owed_is_told_as_entering_tells_it, a_second_factor_may_be_enrolled_already);

/// The methods that can prove an address.
const VERIFYING: &[&str] = &["magic_link", "email_otp", "google_oauth", "microsoft_oauth"];

#[expect(clippy::unnecessary_wraps, reason = "as answers have it")]
fn primary(methods: &[&str]) -> Option<pb::PrimaryRequired> {
    let allowed_auth_methods = methods.iter().map(|method| (*method).to_owned()).collect();
    Some(pb::PrimaryRequired { allowed_auth_methods })
}

fn restricted(name: &str, methods: &[&str]) -> pb::CreateOrganizationRequest {
    pb::CreateOrganizationRequest {
        auth_methods: Some(pb::AuthMethods::Restricted.into()),
        allowed_auth_methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        ..organization(name)
    }
}

/// Organizations with a member of this address each: nothing special, restricted to GitHub, restricted to
/// passwords, one that asks for a second factor; and one to join by domain.
async fn organizations(clients: &Clients, address: &str) {
    for request in [
        organization("Plain"),
        restricted("GitHub only", &["github_oauth"]),
        restricted("Passwords only", &["password"]),
    ] {
        let created = clients.create(request).await.unwrap().into_inner().organization.unwrap();
        clients.create_member(new_member(&created.organization_id, address)).await.unwrap();
    }
    let mut strict = organization("Two factors");
    strict.set_mfa_policy(pb::MfaPolicy::RequiredForAll);
    let strict = clients.create(strict).await.unwrap().into_inner().organization.unwrap();
    clients.create_member(new_member(&strict.organization_id, address)).await.unwrap();
    clients.open_to("Joinable", "acme.com").await;
}

async fn what_is_owed_is_told_as_entering_tells_it(t: Harness) {
    type Case = (Vec<pb::VouchedFactor>, [(&'static str, Option<pb::PrimaryRequired>, bool); 5]);
    let clients = t.clients();
    organizations(&clients, "ada@acme.com").await;
    let cases: [Case; 4] = [
        (
            vec![magic_link()],
            [
                ("Plain", None, false),
                ("GitHub only", primary(&["github_oauth"]), false),
                ("Passwords only", primary(&["password"]), false),
                ("Two factors", None, true),
                ("Joinable", None, false),
            ],
        ),
        (
            vec![magic_link(), totp(), account("github", &[])],
            [
                ("Plain", None, false),
                ("GitHub only", None, false),
                ("Passwords only", primary(&["password"]), false),
                ("Two factors", None, false),
                ("Joinable", None, false),
            ],
        ),
        // Nothing proves the address, and no allowed method could.
        (
            vec![account("github", &[])],
            [
                ("Plain", primary(VERIFYING), false),
                ("GitHub only", primary(&[]), false),
                ("Passwords only", primary(&[]), false),
                ("Two factors", primary(VERIFYING), true),
                ("Joinable", primary(VERIFYING), false),
            ],
        ),
        (
            vec![password(), totp()],
            [
                ("Plain", primary(VERIFYING), false),
                ("GitHub only", primary(&[]), false),
                ("Passwords only", primary(&[]), false),
                ("Two factors", primary(VERIFYING), false),
                ("Joinable", primary(VERIFYING), false),
            ],
        ),
    ];
    for (factors, expected) in cases {
        let token = clients.token_with("ada@acme.com", factors.clone()).await;
        let found = listed(&clients, listing(&token)).await;
        assert_eq!(found.len(), expected.len());
        for (name, primary, mfa) in expected {
            let of_name = |found: &&pb::DiscoveredOrganization| {
                found.organization.as_ref().unwrap().organization_name == name
            };
            let found = found.iter().find(of_name).unwrap();
            assert_eq!(found.primary_required, primary, "{name} {factors:?}");
            let second = pb::MfaRequired { member_options: None, secondary_auth_initiated: None };
            assert_eq!(found.mfa_required, mfa.then_some(second), "{name} {factors:?}");
            assert_eq!(found.member_authenticated, primary.is_none() && !mfa, "{name} {factors:?}");
            if found.member_authenticated {
                continue;
            }
            let organization_id = &found.organization.as_ref().unwrap().organization_id;
            let entered = clients.exchange(exchange(&token, organization_id)).await.unwrap().into_inner();
            assert!(!entered.member_authenticated, "{name} {factors:?}");
            assert_eq!(entered.primary_required, found.primary_required, "{name} {factors:?}");
            assert_eq!(entered.mfa_required, found.mfa_required, "{name} {factors:?}");
        }
    }
}

async fn a_second_factor_may_be_enrolled_already(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    let enrolled = |address: &str, number: Option<&str>| pb::CreateMemberRequest {
        mfa_enrolled: true,
        mfa_phone_number: number.map(str::to_owned),
        ..new_member(&acme, address)
    };
    clients.create_member(enrolled("ada@acme.com", Some("+14155550123"))).await.unwrap();
    clients.create_member(enrolled("bob@acme.com", None)).await.unwrap();
    clients.invite_member(invitation(&acme, "eve@acme.com")).await.unwrap();
    let options = pb::MfaMemberOptions {
        mfa_phone_number: "+14155550123".to_owned(),
        totp_registration_id: String::new(),
    };
    let owed = |member_options| pb::MfaRequired { member_options, secondary_auth_initiated: None };
    for (address, expected) in [
        ("ada@acme.com", Some(owed(Some(options)))),
        ("bob@acme.com", Some(owed(None))),
        ("eve@acme.com", None),
    ] {
        let token = clients.token(address).await;
        let found = listed(&clients, listing(&token)).await.remove(0);
        assert_eq!(found.mfa_required, expected, "{address}");
        assert_eq!(found.member_authenticated, expected.is_none(), "{address}");
        assert_eq!(found.primary_required, None, "{address}");
    }
}
