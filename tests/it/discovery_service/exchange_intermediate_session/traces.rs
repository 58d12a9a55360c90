//! The events of every outcome: ids and names of fields, and no more.

use serde_json::{Value, json};
use tonic::Request;
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, magic_link};
use crate::harness::logins::exchange;
use crate::harness::members::{invitation, member_update};
use crate::harness::values::object;
use crate::harness::{Harness, on_both_backends};

use super::super::people::{account, password, totp};
use super::Response;
use super::written::{Told, told, uuid};

on_both_backends!(
    a_login_of_a_member_is_told_with_what_it_changed,
    joining_is_told,
    coming_back_is_told,
    what_is_owed_is_no_event,
    finishing_is_told_as_a_login,
    the_device_is_on_every_event,
);

/// Enters, with a telling token; and what is told of it: types, changed fields, and whether the session is
/// named. Whose, where and by which call is asserted here.
async fn entering(t: &Harness, token: &str, acme: &str) -> (Response, Vec<(String, Value, bool)>) {
    let request = super::Request {
        session_custom_claims: Some(object(&json!({"claim": "cl41m"}))),
        ..exchange(token, acme)
    };
    let answer = t.clients().exchange(request).await.unwrap().into_inner();
    let events = told(t, &answer.request_id).await;
    let session = answer.member_session.as_ref().map(|session| uuid(&session.member_session_id));
    for event in &events {
        assert_eq!(event.member, Some(uuid(&answer.member_id)), "{event:?}");
        assert_eq!(event.organization, uuid(&answer.organization.as_ref().unwrap().organization_id));
        assert_eq!(event.caller, "anonymous");
        assert!(event.session.is_none() || event.session == session, "{event:?}");
        // The ids are left out: random digits spell "ada" now and then, and hold nothing else.
        let said = format!("{} {}", event.kind, event.data);
        for private in
            ["ada", "acme.com", "Lovelace", "cl41m", "subject-1", "T1", token, &answer.session_token]
        {
            assert!(private.is_empty() || !said.contains(private), "{private} in {said}");
        }
    }
    let row = |event: Told| (event.kind, event.data, event.session.is_some());
    (answer, events.into_iter().map(row).collect())
}

fn updated(fields: &[&str]) -> (String, Value, bool) {
    ("member.updated".to_owned(), json!({"changed_fields": fields}), false)
}

fn session_created() -> (String, Value, bool) {
    ("session.created".to_owned(), json!({}), true)
}

fn github() -> pb::VouchedFactor {
    pb::VouchedFactor { full_name: Some("Ada Lovelace".to_owned()), ..account("github", &["octo"]) }
}

async fn invited(clients: &Clients, acme: &str) {
    clients.invite_member(invitation(acme, "ada@acme.com")).await.unwrap();
}

async fn a_login_of_a_member_is_told_with_what_it_changed(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    invited(&clients, &acme).await;
    for (factors, changed) in [
        (vec![magic_link()], Some(&["email_address_verified", "status"][..])),
        (vec![magic_link()], None),
        (vec![magic_link(), github()], Some(&["oauth_registrations"])),
        (vec![github()], None),
    ] {
        let token = clients.token_with("ada@acme.com", factors).await;
        let (_, events) = entering(&t, &token, &acme).await;
        let expected: Vec<_> = changed.map(updated).into_iter().chain([session_created()]).collect();
        assert_eq!(events, expected);
    }
    let other = clients.organization("Other").await.organization_id;
    clients.member(&other, "ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let (_, events) = entering(&t, &token, &other).await;
    assert_eq!(events, [updated(&["email_address_verified"]), session_created()]);
}

async fn joining_is_told(t: Harness) {
    let clients = t.clients();
    let by_domain = clients.open_to("By domain", "acme.com").await.organization_id;
    let by_tenant = clients.open_to_slack("By tenant", "T1").await.organization_id;
    for (acme, factors) in
        [(by_domain, vec![magic_link(), github()]), (by_tenant, vec![account("slack", &["T1"])])]
    {
        let token = clients.token_with("ada@acme.com", factors).await;
        let (_, events) = entering(&t, &token, &acme).await;
        assert_eq!(events, [("member.created".to_owned(), json!({}), false), session_created()]);
    }
}

async fn coming_back_is_told(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to("Acme", "acme.com").await.organization_id;
    let token = clients.token("ada@acme.com").await;
    let (joined, _) = entering(&t, &token, &acme).await;
    let admin = pb::UpdateMemberRequest {
        roles: vec!["stytch_admin".to_owned()],
        is_breakglass: Some(true),
        ..member_update(&acme, &joined.member_id)
    };
    clients.update_member(admin).await.unwrap();
    clients.expel(&acme, &joined.member_id).await;
    let token = clients.token("ada@acme.com").await;
    let (back, events) = entering(&t, &token, &acme).await;
    assert_eq!(back.member_id, joined.member_id);
    let fields = json!({"changed_fields": ["status", "is_breakglass", "roles"]});
    assert_eq!(events, [("member.reactivated".to_owned(), fields, false), session_created()]);
}

async fn what_is_owed_is_no_event(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to("Acme", "acme.com").await.organization_id;
    clients.ask_for_second_factors(&acme).await;
    let primary = clients.token_with("ada@acme.com", vec![password()]).await;
    let (_, events) = entering(&t, &primary, &acme).await;
    assert_eq!(events, []);
    // Who joins is there from now on, whatever is owed.
    let second = clients.token("ada@acme.com").await;
    let (_, events) = entering(&t, &second, &acme).await;
    assert_eq!(events, [("member.created".to_owned(), json!({}), false)]);
    let (_, events) = entering(&t, &second, &acme).await;
    assert_eq!(events, []);
    clients.add_factor(&second, totp()).await.unwrap();
    let (_, events) = entering(&t, &second, &acme).await;
    assert_eq!(events, [updated(&["email_address_verified", "status"]), session_created()]);
}

async fn finishing_is_told_as_a_login(t: Harness) {
    let clients = t.clients();
    let token = clients.token_with("ada@acme.com", vec![password()]).await;
    let created = clients.spend(creation(&token)).await.unwrap().into_inner();
    let acme = created.organization.unwrap().organization_id;
    let (_, events) = entering(&t, &token, &acme).await;
    assert_eq!(events, []);
    clients.add_factor(&token, magic_link()).await.unwrap();
    let (_, events) = entering(&t, &token, &acme).await;
    assert_eq!(events, [updated(&["email_address_verified", "status"]), session_created()]);
}

async fn the_device_is_on_every_event(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    invited(&clients, &acme).await;
    let token = clients.token("ada@acme.com").await;
    let mut request =
        Request::new(super::Request { telemetry_id: Some("device-1".to_owned()), ..exchange(&token, &acme) });
    request.metadata_mut().insert("x-request-id", "call-1".parse().unwrap());
    let answer = clients.exchange(request).await.unwrap().into_inner();
    assert_eq!(answer.request_id, "call-1");
    let (member, session) = (uuid(&answer.member_id), answer.member_session.unwrap().member_session_id);
    let event = |kind: &str, session, data| Told {
        kind: kind.to_owned(),
        organization: uuid(&acme),
        member: Some(member),
        session,
        caller: "anonymous".to_owned(),
        request_id: "call-1".to_owned(),
        data,
    };
    let fields = json!({"changed_fields": ["email_address_verified", "status"], "telemetry_id": "device-1"});
    let expected = [
        event("member.updated", None, fields),
        event("session.created", Some(uuid(&session)), json!({"telemetry_id": "device-1"})),
    ];
    assert_eq!(told(&t, "call-1").await, expected);
}
