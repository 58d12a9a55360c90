//! Second factors that are not given.

use vestibule::pb;

use super::super::answers::{Owed, enter, log_in};
use super::super::factors::{recovery_code, sms, totp};
use super::super::settings::Settings;
use super::{acme, go, set, try_as_ada};
use crate::harness::fixtures::magic_link;
use crate::harness::logins::by_token;
use crate::harness::members::{member_update, new_member};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_code_to_a_strangers_phone_is_no_second_factor,
    a_policy_that_changes_leaves_sessions_and_asks_every_new_login,
    a_second_factor_that_is_not_allowed_does_not_count,
    an_exempt_member_still_owes_a_proof_and_a_second_factor,
);

async fn a_code_to_a_strangers_phone_is_no_second_factor(t: Harness) {
    let clients = t.clients();
    let organization = acme(&clients, &Settings::mfa()).await;
    let ada = pb::CreateMemberRequest {
        mfa_phone_number: Some("+14155550123".to_owned()),
        ..new_member(&organization, "ada@acme.com")
    };
    clients.create_member(ada).await.unwrap();
    let (tried, token) = try_as_ada(&clients, vec![magic_link(), sms("+14155550199")], &organization).await;
    assert_eq!(tried.unwrap().owed, Owed::mfa());
    clients.add_factor(&token, sms("+14155550123")).await.unwrap();
    assert!(enter(&clients, &token, &organization).await.unwrap().owed.nothing());
}

async fn a_policy_that_changes_leaves_sessions_and_asks_every_new_login(t: Harness) {
    let clients = t.clients();
    let organization = acme(&clients, &Settings::default()).await;
    clients.member(&organization, "ada@acme.com").await;
    let plain = log_in(&clients, "ada@acme.com", vec![magic_link()], &organization).await.session_token;
    let strong =
        log_in(&clients, "ada@acme.com", vec![magic_link(), totp()], &organization).await.session_token;
    set(&clients, &organization, &Settings::mfa()).await;

    for session in [&plain, &strong] {
        clients.authenticate(by_token(session)).await.unwrap();
    }
    let (tried, _) = try_as_ada(&clients, vec![magic_link()], &organization).await;
    assert_eq!(tried.unwrap().owed, Owed::mfa());
    // A new session of the own organization is a new login, whatever the old one is worth.
    let sent_on = go(&clients, &plain, &organization).await.unwrap();
    assert_eq!(sent_on.owed, Owed::mfa());
    assert_eq!(enter(&clients, &sent_on.token, &organization).await.unwrap().owed, Owed::mfa());
    clients.add_factor(&sent_on.token, totp()).await.unwrap();
    assert!(enter(&clients, &sent_on.token, &organization).await.unwrap().owed.nothing());
    assert!(go(&clients, &strong, &organization).await.unwrap().owed.nothing());
    // The session that could not be renewed lives on.
    clients.authenticate(by_token(&plain)).await.unwrap();
    set(&clients, &organization, &Settings { mfa_methods: &["sms_otp"], ..Settings::mfa() }).await;
    assert_eq!(go(&clients, &strong, &organization).await.unwrap().owed, Owed::mfa());
}

async fn a_second_factor_that_is_not_allowed_does_not_count(t: Harness) {
    let clients = t.clients();
    let organization = acme(&clients, &Settings { mfa_methods: &["totp"], ..Settings::mfa() }).await;
    clients.member(&organization, "ada@acme.com").await;
    let (tried, token) = try_as_ada(&clients, vec![magic_link(), sms("+14155550123")], &organization).await;
    assert_eq!(tried.unwrap().owed, Owed::mfa());
    // A recovery code stands in for the app that was lost.
    clients.add_factor(&token, recovery_code()).await.unwrap();
    assert!(enter(&clients, &token, &organization).await.unwrap().owed.nothing());
    set(&clients, &organization, &Settings { mfa_methods: &["sms_otp"], ..Settings::mfa() }).await;
    let (tried, _) = try_as_ada(&clients, vec![magic_link(), recovery_code()], &organization).await;
    assert_eq!(tried.unwrap().owed, Owed::mfa());
}

async fn an_exempt_member_still_owes_a_proof_and_a_second_factor(t: Harness) {
    let clients = t.clients();
    let settings = Settings { methods: vec!["sso"], mfa_methods: &["sms_otp"], ..Settings::mfa() };
    let organization = acme(&clients, &settings).await;
    let member = clients.member(&organization, "ada@acme.com").await;
    let (ordinary, _) = try_as_ada(&clients, vec![magic_link(), totp()], &organization).await;
    assert_eq!(ordinary.unwrap().owed, Owed { mfa: true, ..Owed::primary(&["sso"]) });
    let update = pb::UpdateMemberRequest {
        is_breakglass: Some(true),
        ..member_update(&organization, &member.member_id)
    };
    clients.update_member(update).await.unwrap();
    let unproven = vec![super::super::factors::github("ada", &[]), totp()];
    let (tried, _) = try_as_ada(&clients, unproven, &organization).await;
    assert_eq!(tried.unwrap().owed, Owed::primary(&super::super::factors::VERIFYING));
    let (tried, _) = try_as_ada(&clients, vec![magic_link()], &organization).await;
    assert_eq!(tried.unwrap().owed, Owed::mfa());
    log_in(&clients, "ada@acme.com", vec![magic_link(), totp()], &organization).await;
}
