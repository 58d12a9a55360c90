//! What is owed in the other organization, and how it goes on.

use std::time::Duration;

use serde_json::json;
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::super::common::{Login, checked, entered_with, event_count, events_after, founder, written};
use super::{Request, Switched, inviting, switch};
use crate::harness::fixtures::{creation, factor, magic_link, oauth, organization, with_key};
use crate::harness::logins::{exchange, listing};
use crate::harness::members::{new_member, organization_update};
use crate::harness::refusal::refused;
use crate::harness::values::{object, seconds};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_unfinished_switch_is_answered_to_the_last_field,
    what_is_owed_is_what_the_settings_ask,
    a_member_can_be_asked_for_more_than_others,
    the_token_holds_what_went_along_and_the_hint,
    the_login_goes_on_with_the_token,
    the_token_creates_an_organization,
    the_token_joins_no_organization_by_domain,
    a_repeat_makes_a_second_token,
);

/// The methods that can verify an address.
const ANY: [&str; 4] = ["magic_link", "email_otp", "google_oauth", "microsoft_oauth"];

fn strict(methods: &[&str], mfa: bool) -> pb::CreateOrganizationRequest {
    let auth_methods =
        if methods.is_empty() { pb::AuthMethods::AllAllowed } else { pb::AuthMethods::Restricted };
    let mfa_policy = if mfa { pb::MfaPolicy::RequiredForAll } else { pb::MfaPolicy::Optional };
    pb::CreateOrganizationRequest {
        auth_methods: Some(auth_methods.into()),
        allowed_auth_methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        mfa_policy: Some(mfa_policy.into()),
        ..organization("Globex")
    }
}

/// Goes to where something is owed, and asserts that nothing is written.
async fn unfinished(t: &Harness, request: Request) -> Switched {
    let before = written(t).await;
    let answer = t.clients().switch(request).await.unwrap().into_inner();
    assert!(!answer.member_authenticated, "{answer:?}");
    assert_eq!(written(t).await, before);
    answer
}

#[expect(clippy::unnecessary_wraps, reason = "as answers have it")]
fn primary(methods: &[&str]) -> Option<pb::PrimaryRequired> {
    let allowed_auth_methods = methods.iter().map(|method| (*method).to_owned()).collect();
    Some(pb::PrimaryRequired { allowed_auth_methods })
}

/// A second factor of which nothing is known.
const MFA: pb::MfaRequired = pb::MfaRequired { member_options: None, secondary_auth_initiated: None };

async fn an_unfinished_switch_is_answered_to_the_last_field(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let globex = inviting(&t, "ada@acme.com", strict(&[], true)).await;
    let events = event_count(&t).await;
    let asked = Request {
        session_duration_minutes: Some(5),
        session_custom_claims: Some(object(&json!({"a": 1}))),
        locale: Some("es".to_owned()),
        ..switch(&ada.token, &globex.organization_id)
    };
    let answer = unfinished(&t, asked).await;
    let found = pb::GetMemberRequest {
        organization_id: globex.organization_id.clone(),
        member_id: None,
        email_address: Some("ada@acme.com".to_owned()),
    };
    let member = t.clients().get_member(found).await.unwrap().into_inner().member.unwrap();
    assert_eq!((member.status.as_str(), member.email_address_verified), ("invited", false));
    assert_eq!(answer.intermediate_session_token.len(), 44);
    let kept = t.clients().inspect(&answer.intermediate_session_token).await.unwrap().into_inner();
    let expected = Switched {
        request_id: answer.request_id.clone(),
        member_id: member.member_id.clone(),
        session_token: String::new(),
        session_jwt: String::new(),
        member: Some(member),
        organization: Some(globex),
        intermediate_session_token: answer.intermediate_session_token.clone(),
        intermediate_session_token_expires_at: kept
            .intermediate_session
            .unwrap()
            .intermediate_session_token_expires_at,
        member_authenticated: false,
        mfa_required: Some(MFA),
        primary_required: None,
        member_session: None,
    };
    assert_eq!(answer, expected);
    assert_eq!(events_after(&t, events).await, []);
    checked(&t, &ada.token).await;
}

async fn what_is_owed_is_what_the_settings_ask(t: Harness) {
    let home = founder(&t, "ada@acme.com").await;
    let github = vec![magic_link(), oauth("oauth_github", true)];
    entered_with(&t, home.organization_id(), "ada@acme.com", github).await;
    let by_link = entered_with(&t, home.organization_id(), "ada@acme.com", vec![magic_link()]).await;
    let by_github = vec![oauth("oauth_github", true)];
    let by_github = entered_with(&t, home.organization_id(), "ada@acme.com", by_github).await;
    let by_totp = vec![magic_link(), factor("totp", "authenticator_app")];
    let by_totp = entered_with(&t, home.organization_id(), "ada@acme.com", by_totp).await;
    let cases = [
        (&by_link, strict(&[], true), None, true),
        (&by_link, strict(&["google_oauth", "sso"], false), primary(&["google_oauth", "sso"]), false),
        (&by_link, strict(&["google_oauth"], true), primary(&["google_oauth"]), true),
        // A second factor belongs to where it was given.
        (&by_totp, strict(&[], true), None, true),
        // An account that nobody knows there proves no address.
        (&by_github, strict(&[], false), primary(&ANY), false),
        (&by_github, strict(&["github_oauth"], false), primary(&[]), false),
        (&by_github, strict(&["github_oauth", "magic_link"], true), primary(&["magic_link"]), true),
    ];
    for (from, request, expected, mfa) in cases {
        let shown = format!("{request:?}");
        let globex = inviting(&t, "ada@acme.com", request).await;
        let answer = unfinished(&t, switch(&from.token, &globex.organization_id)).await;
        assert_eq!(answer.primary_required, expected, "{shown}");
        assert_eq!(answer.mfa_required, mfa.then_some(MFA), "{shown}");
        assert_eq!(answer.member.unwrap().status, "invited", "{shown}");
    }
    // Google's word about its own addresses counts when it is fresh.
    let gmail = founder(&t, "ada@gmail.com").await;
    let google = vec![oauth("oauth_google", true)];
    let google = entered_with(&t, gmail.organization_id(), "ada@gmail.com", google).await;
    let globex = inviting(&t, "ada@gmail.com", strict(&[], false)).await;
    let answer = unfinished(&t, switch(&google.token, &globex.organization_id)).await;
    assert_eq!(answer.primary_required, primary(&ANY));
}

async fn a_member_can_be_asked_for_more_than_others(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let globex = t.clients().create(strict(&["google_oauth"], false)).await.unwrap().into_inner();
    let globex = globex.organization.unwrap();
    let enrolled = pb::CreateMemberRequest {
        mfa_enrolled: true,
        mfa_phone_number: Some("+14155550123".to_owned()),
        is_breakglass: true,
        ..new_member(&globex.organization_id, "ada@acme.com")
    };
    t.clients().create_member(enrolled).await.unwrap();
    let answer = unfinished(&t, switch(&ada.token, &globex.organization_id)).await;
    let options = pb::MfaMemberOptions {
        mfa_phone_number: "+14155550123".to_owned(),
        totp_registration_id: String::new(),
    };
    assert_eq!(answer.mfa_required, Some(pb::MfaRequired { member_options: Some(options), ..MFA }));
    assert_eq!(answer.primary_required, None, "the member is exempt");
}

async fn the_token_holds_what_went_along_and_the_hint(t: Harness) {
    let home = founder(&t, "ada@acme.com").await;
    let verified = seconds(t.clock.now());
    let hosted =
        pb::VouchedFactor { hosted_domain: Some("acme.com".to_owned()), ..oauth("oauth_google", true) };
    let slack =
        pb::VouchedFactor { provider_tenant_ids: vec!["T1".to_owned()], ..oauth("oauth_slack", true) };
    let left = [factor("password", "knowledge"), factor("totp", "authenticator_app")];
    let gone = [magic_link(), hosted.clone(), slack.clone()];
    let factors = [&left[..], &gone[..]].concat();
    let ada = entered_with(&t, home.organization_id(), "ada@acme.com", factors).await;
    t.clock.advance(Duration::from_mins(1));
    let globex = inviting(&t, "ada@acme.com", strict(&[], true)).await;
    let answer = unfinished(&t, switch(&ada.token, &globex.organization_id)).await;
    let token = &answer.intermediate_session_token;
    let kept = t.clients().inspect(token).await.unwrap().into_inner().intermediate_session.unwrap();
    let carried = |factor: pb::VouchedFactor, verifies| pb::VerifiedFactor {
        factor: Some(pb::VouchedFactor { email_address: Some("ada@acme.com".to_owned()), ..factor }),
        verified_at: Some(verified),
        verifies_email_address: verifies,
        carried: true,
    };
    let slack = pb::VouchedFactor { email_verified: None, ..slack };
    let factors = vec![carried(magic_link(), true), carried(hosted, true), carried(slack, false)];
    let created = kept.created_at.unwrap();
    let expected = pb::IntermediateSession {
        email_address: "ada@acme.com".to_owned(),
        email_address_verified: true,
        factors,
        organization_id: None,
        member_id: None,
        created_at: Some(created),
        intermediate_session_token_expires_at: Some(prost_types::Timestamp {
            seconds: created.seconds + 600,
            ..created
        }),
        organization_id_hint: Some(globex.organization_id.clone()),
    };
    assert_eq!(kept, expected);
    let listed = t.clients().discovered(listing(token)).await.unwrap().into_inner();
    assert_eq!(listed.organization_id_hint, Some(globex.organization_id));
}

async fn the_login_goes_on_with_the_token(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    for (request, missing, methods) in [
        (strict(&[], true), factor("totp", "authenticator_app"), ["email", "authenticator_app"]),
        (strict(&["slack_oauth"], false), oauth("oauth_slack", false), ["email", "oauth_slack"]),
    ] {
        let globex = inviting(&t, "ada@acme.com", request).await;
        let answer = unfinished(&t, switch(&ada.token, &globex.organization_id)).await;
        let token = &answer.intermediate_session_token;
        let early =
            t.clients().exchange(exchange(token, &globex.organization_id)).await.unwrap().into_inner();
        assert!(!early.member_authenticated);
        t.clients().add_factor(token, missing).await.unwrap();
        let done = t.clients().exchange(exchange(token, &globex.organization_id)).await.unwrap().into_inner();
        assert!(done.member_authenticated, "{done:?}");
        let member = done.member.unwrap();
        assert_eq!((member.status.as_str(), member.email_address_verified), ("active", true));
        assert_eq!(Some(member.member_id), answer.member.map(|member| member.member_id));
        let session = checked(&t, &done.session_token).await;
        let shown: Vec<_> =
            session.authentication_factors.iter().map(|factor| &factor.delivery_method).collect();
        assert_eq!(shown, methods);
        let spent = t.clients().exchange(exchange(token, &globex.organization_id)).await;
        refused(spent, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    }
    checked(&t, &ada.token).await;
}

async fn the_token_creates_an_organization(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let globex = inviting(&t, "ada@acme.com", strict(&[], true)).await;
    let answer = unfinished(&t, switch(&ada.token, &globex.organization_id)).await;
    let created = t.clients().spend(creation(&answer.intermediate_session_token)).await.unwrap().into_inner();
    assert!(created.member_authenticated, "{created:?}");
    assert_eq!(created.member.unwrap().email_address, "ada@acme.com");
    assert_ne!(created.organization.unwrap().organization_id, globex.organization_id);
    checked(&t, &created.session_token).await;
}

/// An organization that whoever has an address on acme.com may join.
async fn joinable(t: &Harness) -> Login {
    let boss = founder(t, "boss@acme.com").await;
    let open = pb::UpdateOrganizationRequest {
        email_allowed_domains: vec!["acme.com".to_owned()],
        email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
        ..organization_update(boss.organization_id())
    };
    t.clients().update_organization(open).await.unwrap();
    boss
}

async fn the_token_joins_no_organization_by_domain(t: Harness) {
    let boss = joinable(&t).await;
    let ada = founder(&t, "ada@acme.com").await;
    let globex = inviting(&t, "ada@acme.com", strict(&[], true)).await;
    let answer = unfinished(&t, switch(&ada.token, &globex.organization_id)).await;
    let token = &answer.intermediate_session_token;
    let before = written(&t).await;
    let owing = t.clients().exchange(exchange(token, boss.organization_id())).await.unwrap().into_inner();
    assert_eq!(owing.primary_required, primary(&ANY));
    assert_eq!((owing.member_authenticated, owing.member, owing.member_session), (false, None, None));
    assert_eq!(written(&t).await, before);
    // Accounts and second factors are no proof of the address either.
    for more in [oauth("oauth_github", true), factor("totp", "authenticator_app")] {
        t.clients().add_factor(token, more).await.unwrap();
        let owing = t.clients().exchange(exchange(token, boss.organization_id())).await.unwrap().into_inner();
        assert!(!owing.member_authenticated && owing.member.is_none(), "{owing:?}");
    }
    assert_eq!(written(&t).await, before);
    // A proof from now is.
    t.clients().add_factor(token, magic_link()).await.unwrap();
    let joined = t.clients().exchange(exchange(token, boss.organization_id())).await.unwrap().into_inner();
    assert!(joined.member_authenticated, "{joined:?}");
}

async fn a_repeat_makes_a_second_token(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let globex = inviting(&t, "ada@acme.com", strict(&[], true)).await;
    let call = || with_key(switch(&ada.token, &globex.organization_id), "key");
    let before = written(&t).await;
    let first = t.clients().switch(call()).await.unwrap().into_inner();
    let second = t.clients().switch(call()).await.unwrap().into_inner();
    assert_ne!(first.intermediate_session_token, second.intermediate_session_token);
    for answer in [&first, &second] {
        assert!(answer.mfa_required.is_some());
        t.clients().inspect(&answer.intermediate_session_token).await.unwrap();
    }
    assert_eq!(written(&t).await, before);
    // The key is not used up: once nothing is owed, the same call succeeds, and then it is.
    let lenient = pb::UpdateOrganizationRequest {
        mfa_policy: Some(pb::MfaPolicy::Optional.into()),
        ..organization_update(&globex.organization_id)
    };
    t.clients().update_organization(lenient).await.unwrap();
    let third = t.clients().switch(call()).await.unwrap().into_inner();
    let fourth = t.clients().switch(call()).await.unwrap().into_inner();
    assert!(third.member_authenticated);
    assert_eq!(third.session_token, fourth.session_token);
}
