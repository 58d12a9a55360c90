//! Which factors go along to another organization, and how they look there.

use serde_json::{Value as Json, json};
use vestibule::pb;

use super::super::common::{Login, checked, entered_with, founder, part};
use super::{Switched, switch, switched};
use crate::harness::fixtures::{creation, factor, magic_link, oauth};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    what_goes_along_is_what_the_table_says,
    a_registered_account_is_itself_again,
    an_account_goes_on_from_organization_to_organization,
    an_account_goes_to_where_it_is_known,
);

/// What a factor of the first organization is in the second.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Becomes {
    /// It stays behind.
    Nothing,
    /// A factor about the address.
    Address,
    /// An account that is registered there from now on, because it proves the address.
    Account(&'static str),
    /// An account that came along.
    Exchanged(&'static str),
}

fn hosted() -> pb::VouchedFactor {
    pb::VouchedFactor { hosted_domain: Some("acme.com".to_owned()), ..oauth("oauth_google", true) }
}

fn tenants(provider: &str) -> pb::VouchedFactor {
    pb::VouchedFactor { provider_tenant_ids: vec!["T1".to_owned(), "T2".to_owned()], ..oauth(provider, true) }
}

fn table() -> Vec<(pb::VouchedFactor, Becomes)> {
    let phone = Some("+14155550123".to_owned());
    vec![
        (factor("email_otp", "email"), Becomes::Address),
        (hosted(), Becomes::Account("google")),
        (pb::VouchedFactor { email_verified: Some(false), ..hosted() }, Becomes::Exchanged("google")),
        (oauth("oauth_google", true), Becomes::Exchanged("google")),
        (oauth("oauth_microsoft", true), Becomes::Account("microsoft")),
        (oauth("oauth_microsoft", false), Becomes::Nothing),
        (tenants("oauth_github"), Becomes::Exchanged("github")),
        (tenants("oauth_slack"), Becomes::Exchanged("slack")),
        (tenants("oauth_hubspot"), Becomes::Exchanged("hubspot")),
        (factor("password", "knowledge"), Becomes::Nothing),
        (
            pb::VouchedFactor { email_verified: Some(true), ..factor("password", "knowledge") },
            Becomes::Nothing,
        ),
        (pb::VouchedFactor { phone_number: phone, ..factor("otp", "sms") }, Becomes::Nothing),
        (factor("totp", "authenticator_app"), Becomes::Nothing),
        (factor("recovery_codes", "recovery_code"), Becomes::Nothing),
    ]
}

/// The detail of an account that the factor shows, under whatever provider.
fn account(factor: &pb::AuthenticationFactor) -> Option<pb::OauthFactor> {
    let pb::AuthenticationFactor {
        google_oauth_factor,
        microsoft_oauth_factor,
        github_oauth_factor,
        slack_oauth_factor,
        hubspot_oauth_factor,
        ..
    } = factor.clone();
    let mut shown = [
        google_oauth_factor,
        microsoft_oauth_factor,
        github_oauth_factor,
        slack_oauth_factor,
        hubspot_oauth_factor,
    ]
    .into_iter()
    .flatten();
    let first = shown.next();
    assert_eq!(shown.next(), None, "{factor:?}");
    first
}

/// Likewise of one that came along.
fn exchanged(factor: &pb::AuthenticationFactor) -> Option<pb::OauthExchangeFactor> {
    let details = [
        ("google", &factor.google_oauth_exchange_factor),
        ("github", &factor.github_oauth_exchange_factor),
        ("slack", &factor.slack_oauth_exchange_factor),
        ("hubspot", &factor.hubspot_oauth_exchange_factor),
    ];
    let mut shown =
        details.into_iter().filter_map(|(provider, detail)| detail.clone().map(|detail| (provider, detail)));
    let first = shown.next();
    assert_eq!(shown.next(), None, "{factor:?}");
    first.map(|(provider, detail)| {
        assert_eq!(factor.delivery_method, format!("oauth_exchange_{provider}"));
        detail
    })
}

/// The factors as the session and its JWT have them, beside the first.
fn beside_the_first(answer: &Switched) -> (Vec<pb::AuthenticationFactor>, Vec<Json>) {
    let shown = answer.member_session.as_ref().unwrap().authentication_factors[1..].to_vec();
    let claims = part(&answer.session_jwt, 1);
    let signed = claims["https://stytch.com/session"]["authentication_factors"].as_array().unwrap();
    (shown, signed[1..].to_vec())
}

async fn what_goes_along_is_what_the_table_says(t: Harness) {
    for (number, (vouched, becomes)) in table().into_iter().enumerate() {
        let address = format!("ada-{number}@acme.com");
        let (home, there) = (founder(&t, &address).await, founder(&t, &address).await);
        let email = there.session.authentication_factors[0].email_factor.clone().unwrap();
        let ada =
            entered_with(&t, home.organization_id(), &address, vec![magic_link(), vouched.clone()]).await;
        assert_eq!(ada.session.authentication_factors.len(), 2, "{vouched:?}");
        let answer = switched(&t, switch(&ada.token, there.organization_id())).await;
        let session = answer.member_session.as_ref().unwrap();
        assert_eq!(session.authentication_factors[0].email_factor, Some(email.clone()), "{vouched:?}");
        assert_eq!(checked(&t, &answer.session_token).await, *session, "{vouched:?}");
        let (shown, signed) = beside_the_first(&answer);
        assert_eq!(shown.len(), signed.len());
        let providers: Vec<_> = answer
            .member
            .as_ref()
            .unwrap()
            .oauth_registrations
            .iter()
            .map(|known| known.provider_type.to_lowercase())
            .collect();
        assert_eq!(
            shown.first().map_or("", |factor| &factor.r#type),
            if becomes == Becomes::Nothing { "" } else { &vouched.r#type }
        );
        match becomes {
            Becomes::Nothing => assert_eq!((shown.len(), providers.len()), (0, 0), "{vouched:?}"),
            Becomes::Address => {
                assert_eq!(
                    (shown[0].delivery_method.as_str(), shown[0].email_factor.as_ref()),
                    ("email", Some(&email))
                );
                let detail = json!({"email_id": email.email_id, "email_address": address});
                assert_eq!(signed[0]["email_factor"], detail, "{vouched:?}");
            }
            Becomes::Account(provider) => {
                assert_eq!(shown[0].delivery_method, format!("oauth_{provider}"), "{vouched:?}");
                let detail = account(&shown[0]).unwrap();
                assert_eq!(
                    (detail.provider_subject.as_str(), detail.email_id.as_ref()),
                    ("subject-1", Some(&email.email_id))
                );
                assert_eq!(providers, [provider]);
                assert_eq!(
                    detail.id,
                    answer.member.as_ref().unwrap().oauth_registrations[0].member_oauth_registration_id
                );
                assert_eq!(exchanged(&shown[0]), None);
                assert_eq!(signed[0]["delivery_method"], shown[0].delivery_method.as_str());
                assert_eq!(signed[0][format!("{provider}_oauth_factor")]["id"], detail.id.as_str());
            }
            Becomes::Exchanged(provider) => {
                assert_eq!(shown[0].delivery_method, format!("oauth_exchange_{provider}"), "{vouched:?}");
                assert_eq!(exchanged(&shown[0]).unwrap().email_id, email.email_id, "{vouched:?}");
                assert_eq!((account(&shown[0]), providers.len()), (None, 0), "{vouched:?}");
                assert_eq!(signed[0]["delivery_method"], shown[0].delivery_method.as_str());
                let name = format!("{provider}_oauth_exchange_factor");
                assert_eq!(signed[0][name], json!({"email_id": email.email_id}), "{vouched:?}");
                assert!(!signed[0].to_string().contains("subject-1"), "{signed:?}");
            }
        }
    }
}

/// An organization whose first member has registered the account there.
async fn knowing(t: &Harness, account: pb::VouchedFactor) -> Login {
    let token = t.clients().token_with("ada@acme.com", vec![magic_link(), account]).await;
    let founded = t.clients().spend(creation(&token)).await.unwrap().into_inner();
    Login {
        organization: founded.organization.unwrap(),
        member: founded.member.unwrap(),
        session: founded.member_session.unwrap(),
        token: founded.session_token,
        jwt: founded.session_jwt,
    }
}

async fn a_registered_account_is_itself_again(t: Harness) {
    for (account_there, provider) in [
        (tenants("oauth_github"), "github"),
        (tenants("oauth_slack"), "slack"),
        (oauth("oauth_google", true), "google"),
    ] {
        let there = knowing(&t, account_there.clone()).await;
        let home = founder(&t, "ada@acme.com").await;
        let both = vec![magic_link(), account_there];
        let ada = entered_with(&t, home.organization_id(), "ada@acme.com", both).await;
        let answer = switched(&t, switch(&ada.token, there.organization_id())).await;
        let (shown, _) = beside_the_first(&answer);
        assert_eq!(shown[0].delivery_method, format!("oauth_{provider}"));
        let of_there = account(&there.session.authentication_factors[1]).unwrap();
        assert_eq!(account(&shown[0]), Some(of_there));
        assert_eq!(exchanged(&shown[0]), None);
        assert_eq!(answer.member, Some(there.member.clone()), "nothing is registered twice");
        // Another account at the same provider is another one.
        let other = pb::VouchedFactor {
            provider_subject: Some("subject-2".to_owned()),
            ..oauth(&format!("oauth_{provider}"), true)
        };
        let eve = entered_with(&t, home.organization_id(), "ada@acme.com", vec![magic_link(), other]).await;
        let answer = switched(&t, switch(&eve.token, there.organization_id())).await;
        assert!(exchanged(&beside_the_first(&answer).0[0]).is_some());
    }
}

async fn an_account_goes_on_from_organization_to_organization(t: Harness) {
    let home = knowing(&t, tenants("oauth_github")).await;
    let (second, third) = (founder(&t, "ada@acme.com").await, founder(&t, "ada@acme.com").await);
    let mut token = home.token.clone();
    for there in [&second, &third, &second] {
        let answer = switched(&t, switch(&token, there.organization_id())).await;
        let (shown, _) = beside_the_first(&answer);
        let email = there.session.authentication_factors[0].email_factor.clone().unwrap();
        assert_eq!(exchanged(&shown[0]).unwrap().email_id, email.email_id);
        token = answer.session_token;
    }
    // Home again it is the account that it was.
    let answer = switched(&t, switch(&token, home.organization_id())).await;
    let (shown, _) = beside_the_first(&answer);
    assert_eq!(shown[0], home.session.authentication_factors[1]);
}

/// An account whose provider's word does not count proves who somebody is where it is registered, and there
/// alone.
async fn an_account_goes_to_where_it_is_known(t: Harness) {
    let home = knowing(&t, tenants("oauth_github")).await;
    let known = knowing(&t, tenants("oauth_github")).await;
    let unknown = founder(&t, "ada@acme.com").await;
    let alone = vec![tenants("oauth_github")];
    let ada = entered_with(&t, home.organization_id(), "ada@acme.com", alone).await;
    let answer = switched(&t, switch(&ada.token, known.organization_id())).await;
    let session = answer.member_session.unwrap();
    let [factor] = session.authentication_factors.try_into().unwrap();
    assert_eq!(account(&factor), account(&known.session.authentication_factors[1]));
    let answer =
        t.clients().switch(switch(&ada.token, unknown.organization_id())).await.unwrap().into_inner();
    assert!(!answer.member_authenticated && answer.primary_required.is_some(), "{answer:?}");
}
