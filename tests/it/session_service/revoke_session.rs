use std::time::Duration;

use serde_json::json;
use tonic::{Code, Response};
use vestibule::pb;

use super::common::{
    ABSENT, Event, Login, checked, entered, event_count, events_after, founder, is_gone, written,
};
use crate::harness::fixtures::with_key;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_session_ends_by_whatever_names_it,
    an_expired_jwt_ends_its_session,
    every_session_of_a_member_ends,
    what_is_not_there_is_no_error,
    a_member_who_is_not_there_is_no_error,
    exactly_one_name_is_sent,
    what_can_be_no_name_is_refused,
    a_repeat_ends_nothing_more,
    a_key_is_bound_to_its_request,
    a_revoked_session_neither_switches_nor_lists,
);

type Request = pb::RevokeSessionRequest;

fn by_id(id: &str) -> Request {
    Request { member_session_id: Some(id.to_owned()), ..Request::default() }
}

fn of_token(token: &str) -> Request {
    Request { session_token: Some(token.to_owned()), ..Request::default() }
}

fn of_jwt(jwt: &str) -> Request {
    Request { session_jwt: Some(jwt.to_owned()), ..Request::default() }
}

fn of_member(member_id: &str) -> Request {
    Request { member_id: Some(member_id.to_owned()), ..Request::default() }
}

/// The id of a call that must have succeeded, and says nothing more.
fn request_id(answer: Response<pb::RevokeSessionResponse>) -> String {
    let header = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let pb::RevokeSessionResponse { request_id } = answer.into_inner();
    assert_eq!(request_id, header);
    request_id
}

async fn revoked(t: &Harness, request: Request) -> String {
    request_id(t.clients().revoke_session(request).await.unwrap())
}

/// The event of sessions that a call has ended.
fn event(login: &Login, one: bool, request_id: &str, data: serde_json::Value) -> Event {
    Event {
        kind: "session.revoked".to_owned(),
        organization_id: login.organization_id().to_owned(),
        member_id: Some(login.member_id().to_owned()),
        session_id: one.then(|| login.session_id().to_owned()),
        caller: "anonymous".to_owned(),
        request_id: request_id.to_owned(),
        data,
    }
}

async fn a_session_ends_by_whatever_names_it(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let bystanders = [
        entered(&t, ada.organization_id(), "ada@acme.com").await,
        founder(&t, "ada@acme.com").await,
        founder(&t, "eve@globex.com").await,
    ];
    for number in 0..3 {
        let login = entered(&t, ada.organization_id(), "ada@acme.com").await;
        let names = [by_id(login.session_id()), of_token(&login.token), of_jwt(&login.jwt)];
        let events = event_count(&t).await;
        let sessions = t.count("sessions").await;
        let call = revoked(&t, names[number].clone()).await;
        is_gone(&t, &login).await;
        assert_eq!(t.count("sessions").await, sessions - 1);
        assert_eq!(events_after(&t, events).await, [event(&login, true, &call, json!({}))]);
        // Ended is ended, by whatever name.
        for name in names {
            revoked(&t, name).await;
        }
        assert_eq!(event_count(&t).await, events + 1);
    }
    for login in bystanders {
        assert_eq!(checked(&t, &login.token).await.member_session_id, login.session_id());
    }
    checked(&t, &ada.token).await;
}

async fn an_expired_jwt_ends_its_session(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clock.advance(Duration::from_mins(30));
    revoked(&t, of_jwt(&ada.jwt)).await;
    is_gone(&t, &ada).await;
}

async fn every_session_of_a_member_ends(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let second = entered(&t, ada.organization_id(), "ada@acme.com").await;
    let third = entered(&t, ada.organization_id(), "ada@acme.com").await;
    t.clients().member(ada.organization_id(), "bob@acme.com").await;
    let bob = entered(&t, ada.organization_id(), "bob@acme.com").await;
    let elsewhere = founder(&t, "ada@acme.com").await;
    let events = event_count(&t).await;
    let call = revoked(&t, of_member(ada.member_id())).await;
    for login in [&ada, &second, &third] {
        is_gone(&t, login).await;
    }
    assert_eq!(events_after(&t, events).await, [event(&ada, false, &call, json!({"sessions": 3}))]);
    for login in [&bob, &elsewhere] {
        checked(&t, &login.token).await;
    }
    // There is nothing left to end, and the member can come back.
    revoked(&t, of_member(ada.member_id())).await;
    assert_eq!(event_count(&t).await, events + 1);
    let again = entered(&t, ada.organization_id(), "ada@acme.com").await;
    let listed = t.clients().sessions_of(ada.organization_id(), ada.member_id()).await.unwrap();
    assert_eq!(listed.into_inner().member_sessions, [again.session]);
}

async fn what_is_not_there_is_no_error(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let gone = entered(&t, ada.organization_id(), "ada@acme.com").await;
    revoked(&t, by_id(gone.session_id())).await;
    let before = written(&t).await;
    let absent = format!("session-test-{ABSENT}");
    let requests = [
        by_id(&absent),
        of_token(&"A".repeat(44)),
        by_id(gone.session_id()),
        of_token(&gone.token),
        of_jwt(&gone.jwt),
    ];
    for request in requests {
        revoked(&t, request).await;
    }
    assert_eq!(written(&t).await, before);
    // One that has expired is none either.
    t.clock.advance(Duration::from_hours(1));
    for request in [of_jwt(&ada.jwt), of_token(&ada.token), by_id(ada.session_id())] {
        revoked(&t, request).await;
    }
    is_gone(&t, &ada).await;
}

async fn a_member_who_is_not_there_is_no_error(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let bob = t.clients().member(ada.organization_id(), "bob@acme.com").await;
    let delete = pb::DeleteMemberRequest {
        organization_id: ada.organization_id().to_owned(),
        member_id: bob.member_id.clone(),
        ..pb::DeleteMemberRequest::default()
    };
    t.clients().delete_member(delete).await.unwrap();
    let idle = t.clients().member(ada.organization_id(), "joe@acme.com").await.member_id;
    let before = written(&t).await;
    for member in [format!("member-test-{ABSENT}"), bob.member_id, idle] {
        revoked(&t, of_member(&member)).await;
    }
    assert_eq!(written(&t).await, before);
    checked(&t, &ada.token).await;
}

async fn exactly_one_name_is_sent(t: Harness) {
    const NONE: &str = "NO_SESSION_REVOKE_ARGUMENTS";
    const SEVERAL: &str = "TOO_MANY_SESSION_REVOKE_ARGUMENTS";
    const FIELDS: [&str; 4] = ["member_session_id", "session_token", "session_jwt", "member_id"];
    let ada = founder(&t, "ada@acme.com").await;
    let before = written(&t).await;
    let texts = [ada.session_id(), ada.token.as_str(), ada.jwt.as_str(), ada.member_id()];
    for set in 0..16_u32 {
        if set.is_power_of_two() {
            continue;
        }
        let sent = |field: usize| (set & (1 << field) != 0).then(|| texts[field].to_owned());
        let request = Request {
            member_session_id: sent(0),
            session_token: sent(1),
            session_jwt: sent(2),
            member_id: sent(3),
        };
        let reason = if set == 0 { NONE } else { SEVERAL };
        let refusal = refused(t.clients().revoke_session(request).await, Code::InvalidArgument, reason);
        let expected: Vec<_> = if set == 0 {
            vec![(FIELDS[0], NONE)]
        } else {
            (0..4).filter(|field| sent(*field).is_some()).map(|field| (FIELDS[field], SEVERAL)).collect()
        };
        assert_eq!(refusal.violations(), expected, "{set:04b}");
    }
    // Sent empty is sent.
    let empty = Request { member_id: Some(String::new()), ..by_id(ada.session_id()) };
    refused(t.clients().revoke_session(empty).await, Code::InvalidArgument, SEVERAL);
    assert_eq!(written(&t).await, before);
}

async fn what_can_be_no_name_is_refused(t: Harness) {
    const LIVE: &str = "LIVE_ID_USED_IN_TEST_ENVIRONMENT";
    let ada = founder(&t, "ada@acme.com").await;
    let (session, member) = (ada.session_id(), ada.member_id());
    let live = |id: &str| id.replace("-test-", "-live-");
    let uuid = &session["session-test-".len()..];
    let mut cases = vec![
        (by_id(&live(session)), "member_session_id", LIVE),
        (of_member(&live(member)), "member_id", LIVE),
        // The external id of a member names it in one organization only.
        (of_member("HR|42"), "member_id", "INVALID_MEMBER_ID"),
        (of_member(session), "member_id", "INVALID_MEMBER_ID"),
        (by_id(member), "member_session_id", "INVALID_ARGUMENT"),
        (by_id(uuid), "member_session_id", "INVALID_ARGUMENT"),
        (by_id(&session.to_uppercase()), "member_session_id", "INVALID_ARGUMENT"),
        (of_token(&ada.jwt), "session_token", "INVALID_SESSION_TOKEN"),
        (of_token(&ada.token[1..]), "session_token", "INVALID_SESSION_TOKEN"),
        (of_jwt(&ada.token), "session_jwt", "UNABLE_TO_PARSE_SESSION_JWT"),
    ];
    for text in ["", " ", "?", "a\0b", "é", "*", "' OR '1'='1"] {
        cases.push((by_id(text), "member_session_id", "INVALID_ARGUMENT"));
        cases.push((of_token(text), "session_token", "INVALID_SESSION_TOKEN"));
        cases.push((of_jwt(text), "session_jwt", "UNABLE_TO_PARSE_SESSION_JWT"));
        cases.push((of_member(text), "member_id", "INVALID_MEMBER_ID"));
    }
    let before = written(&t).await;
    for (request, field, reason) in cases {
        let answer = t.clients().revoke_session(request.clone()).await;
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [(field, reason)], "{request:?}");
    }
    assert_eq!(written(&t).await, before);
    checked(&t, &ada.token).await;
}

async fn a_repeat_ends_nothing_more(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let second = entered(&t, ada.organization_id(), "ada@acme.com").await;
    let call = || with_key(of_member(ada.member_id()), "key");
    let first = request_id(t.clients().revoke_session(call()).await.unwrap());
    for login in [&ada, &second] {
        is_gone(&t, login).await;
    }
    let since = entered(&t, ada.organization_id(), "ada@acme.com").await;
    let wrote = written(&t).await;
    let again = request_id(t.clients().revoke_session(call()).await.unwrap());
    assert_ne!(again, first);
    assert_eq!(written(&t).await, wrote);
    checked(&t, &since.token).await;
    // Under another key it is another call.
    t.clients().revoke_session(with_key(of_member(ada.member_id()), "other")).await.unwrap();
    is_gone(&t, &since).await;
}

async fn a_key_is_bound_to_its_request(t: Harness) {
    const REUSED: &str = "IDEMPOTENCY_KEY_REUSED";
    let ada = founder(&t, "ada@acme.com").await;
    let second = entered(&t, ada.organization_id(), "ada@acme.com").await;
    // A key is also kept for a call that found nothing to end.
    let absent = format!("session-test-{ABSENT}");
    for (key, id) in [("one", second.session_id()), ("none", absent.as_str())] {
        t.clients().revoke_session(with_key(by_id(id), key)).await.unwrap();
        let wrote = written(&t).await;
        for request in [by_id(ada.session_id()), of_member(ada.member_id())] {
            let answer = t.clients().revoke_session(with_key(request, key)).await;
            let refusal = refused(answer, Code::InvalidArgument, REUSED);
            assert_eq!(refusal.violations(), [("idempotency-key", REUSED)]);
        }
        assert_eq!(written(&t).await, wrote);
    }
    checked(&t, &ada.token).await;
}

async fn a_revoked_session_neither_switches_nor_lists(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    revoked(&t, by_id(ada.session_id())).await;
    let by_its_token = crate::harness::logins::switch(&ada.token, there.organization_id());
    let by_its_jwt = pb::ExchangeSessionRequest {
        session_token: None,
        session_jwt: Some(ada.jwt.clone()),
        ..by_its_token.clone()
    };
    for request in [by_its_token, by_its_jwt] {
        refused(t.clients().switch(request).await, Code::NotFound, "SESSION_NOT_FOUND");
    }
    let listing = pb::ListDiscoveredOrganizationsRequest {
        session_jwt: Some(ada.jwt.clone()),
        ..pb::ListDiscoveredOrganizationsRequest::default()
    };
    refused(t.clients().discovered(listing).await, Code::NotFound, "SESSION_NOT_FOUND");
    assert_eq!(checked(&t, &there.token).await.member_session_id, there.session_id());
}
