//! OAuth accounts: registered by a login, and enough for the next one.

use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::{factor, magic_link};
use crate::harness::logins::by_token;
use crate::harness::members::organization_update;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

use super::super::people::{account, password};
use super::{Response, entered};

on_both_backends!(
    an_account_that_a_login_registers_is_enough_for_the_next,
    an_account_is_registered_once,
    an_account_known_by_its_tenant_alone_is_worth_what_the_tenant_is,
    a_password_is_enough_for_a_verified_member,
    the_name_is_that_of_the_latest_factor_and_never_replaced,
);

fn github(subject: &str) -> pb::VouchedFactor {
    pb::VouchedFactor { provider_subject: Some(subject.to_owned()), ..account("github", &[]) }
}

async fn login(clients: &Clients, acme: &str, factors: Vec<pb::VouchedFactor>) -> Response {
    let token = clients.token_with("ada@acme.com", factors).await;
    entered(clients, &token, acme).await
}

async fn an_account_that_a_login_registers_is_enough_for_the_next(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    // Nobody knows whose account it is.
    let owing = login(&clients, &acme, vec![github("1")]).await;
    assert!(owing.primary_required.is_some() && !owing.member_authenticated);
    let complete = login(&clients, &acme, vec![magic_link(), github("1")]).await;
    assert!(complete.member_authenticated);
    let registrations = complete.member.unwrap().oauth_registrations;
    assert_eq!(registrations.len(), 1);
    let alone = login(&clients, &acme, vec![github("1")]).await;
    assert!(alone.member_authenticated);
    assert_eq!(alone.member.unwrap().oauth_registrations, registrations);
    let factors = alone.member_session.unwrap().authentication_factors;
    let shown = factors[0].github_oauth_factor.clone().unwrap();
    assert_eq!(shown.id, registrations[0].member_oauth_registration_id);
    assert_eq!((factors.len(), shown.email_id), (1, None));
    // Another account, or the same number at another provider, is somebody else's.
    let slack = pb::VouchedFactor { provider_subject: Some("1".to_owned()), ..account("slack", &[]) };
    for stranger in [github("2"), slack] {
        let owing = login(&clients, &acme, vec![stranger]).await;
        assert!(owing.primary_required.is_some() && !owing.member_authenticated);
    }
    // Nor does it open another organization, whatever address is claimed with it.
    let other = clients.organization("Other").await.organization_id;
    clients.member(&other, "ada@acme.com").await;
    assert!(!login(&clients, &other, vec![github("1")]).await.member_authenticated);
}

async fn an_account_is_registered_once(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    for (factors, registered) in [
        (vec![magic_link()], &[][..]),
        (vec![magic_link(), github("1")], &["1"]),
        (vec![magic_link(), github("1"), github("1")], &["1"]),
        (vec![magic_link(), github("2")], &["1", "2"]),
        (vec![github("2"), github("3")], &["1", "2", "3"]),
    ] {
        let answer = login(&clients, &acme, factors).await;
        assert!(answer.member_authenticated);
        let member = clients.member_by_id(&acme, &answer.member_id).await.unwrap();
        let subjects: Vec<_> =
            member.oauth_registrations.iter().map(|known| known.provider_subject.as_str()).collect();
        assert_eq!(subjects, registered);
    }
}

async fn an_account_known_by_its_tenant_alone_is_worth_what_the_tenant_is(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to_slack("Acme", "T1").await.organization_id;
    let slack = |tenants: &[&str]| vec![account("slack", tenants)];
    let joined = login(&clients, &acme, slack(&["T1"])).await;
    assert!(joined.member_authenticated && !joined.member.as_ref().unwrap().email_address_verified);
    let again = login(&clients, &acme, slack(&["T1"])).await;
    assert!(again.member_authenticated);
    assert_eq!(again.member_id, joined.member_id);
    // Nobody has proved the address: without the tenant the account shows nothing.
    assert!(!login(&clients, &acme, slack(&["T2"])).await.member_authenticated);
    let mut closed = organization_update(&acme);
    closed.set_oauth_tenant_jit_provisioning(pb::OauthTenantJitProvisioning::NotAllowed);
    clients.update_organization(closed).await.unwrap();
    assert!(!login(&clients, &acme, slack(&["T1"])).await.member_authenticated);
    // Whoever proves the address may be somebody else: the account and its sessions are out.
    assert!(login(&clients, &acme, vec![magic_link()]).await.member_authenticated);
    assert!(!login(&clients, &acme, slack(&["T2"])).await.member_authenticated);
    for session in [&joined.session_token, &again.session_token] {
        let gone = clients.authenticate(by_token(session)).await;
        refused(gone, tonic::Code::NotFound, "SESSION_NOT_FOUND");
    }
    // Shown together with the proof, it is the owner's.
    let both = vec![magic_link(), account("slack", &["T2"])];
    assert!(login(&clients, &acme, both).await.member_authenticated);
    assert!(login(&clients, &acme, slack(&["T2"])).await.member_authenticated);
}

async fn a_password_is_enough_for_a_verified_member(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    assert!(!login(&clients, &acme, vec![password()]).await.member_authenticated);
    let just_set = pb::VouchedFactor { email_verified: Some(true), ..password() };
    let complete = login(&clients, &acme, vec![just_set]).await;
    assert!(complete.member_authenticated && complete.member.unwrap().email_address_verified);
    assert!(login(&clients, &acme, vec![password()]).await.member_authenticated);
}

async fn the_name_is_that_of_the_latest_factor_and_never_replaced(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to("Acme", "acme.com").await.organization_id;
    let named = |name: &str, factor: pb::VouchedFactor| pb::VouchedFactor {
        full_name: Some(name.to_owned()),
        ..factor
    };
    let factors = vec![
        named("Ada Byron", github("1")),
        named("Ada Lovelace", account("slack", &[])),
        factor("email_otp", "email"),
    ];
    assert_eq!(login(&clients, &acme, factors).await.member.unwrap().name, "Ada Lovelace");
    let renamed = vec![magic_link(), named("Countess", github("1"))];
    assert_eq!(login(&clients, &acme, renamed).await.member.unwrap().name, "Ada Lovelace");
    // Whoever was a member already keeps the name they have, also none.
    let other = clients.organization("Other").await.organization_id;
    clients.member(&other, "ada@acme.com").await;
    let factors = vec![magic_link(), named("Ada Lovelace", github("1"))];
    assert_eq!(login(&clients, &other, factors).await.member.unwrap().name, "");
}
