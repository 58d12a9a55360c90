use std::time::Duration;

use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::common::{ABSENT, Login, checked, entered, founder, written};
use crate::harness::fixtures::organization;
use crate::harness::logins::by_token;
use crate::harness::members::{mask, member_update, organization_update};
use crate::harness::refusal::refused;
use crate::harness::values::{object, seconds};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    sessions_are_listed_whole_the_newest_first,
    a_member_without_sessions_has_none,
    every_name_leads_to_the_same_sessions,
    sessions_that_have_ended_are_left_out,
    sessions_show_what_holds_now,
    at_most_a_thousand_are_listed,
    a_member_who_is_not_there_is_not_found,
    an_organization_that_is_not_there_is_not_found,
    what_can_name_nobody_is_refused,
    listing_writes_nothing,
);

async fn listed(t: &Harness, organization: &str, member: &str) -> Vec<pb::MemberSession> {
    t.clients().sessions_of(organization, member).await.unwrap().into_inner().member_sessions
}

async fn revoke(t: &Harness, login: &Login) {
    let request = pb::RevokeSessionRequest {
        member_session_id: Some(login.session_id().to_owned()),
        ..pb::RevokeSessionRequest::default()
    };
    t.clients().revoke_session(request).await.unwrap();
}

async fn sessions_are_listed_whole_the_newest_first(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let mut expected = vec![ada.session.clone()];
    for _ in 0..3 {
        t.clock.advance(Duration::from_secs(1));
        let login = entered(&t, ada.organization_id(), "ada@acme.com").await;
        assert_eq!(login.session.started_at, Some(seconds(t.clock.now())));
        expected.insert(0, login.session);
    }
    // Somebody else's, in the same organization, and one's own in another.
    t.clients().member(ada.organization_id(), "bob@acme.com").await;
    let bob = entered(&t, ada.organization_id(), "bob@acme.com").await;
    let elsewhere = founder(&t, "ada@acme.com").await;
    let answer = t.clients().sessions_of(ada.organization_id(), ada.member_id()).await.unwrap();
    let request_id = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let expected = pb::GetSessionsResponse { request_id, member_sessions: expected };
    assert_eq!(answer.into_inner(), expected);
    assert_eq!(listed(&t, ada.organization_id(), bob.member_id()).await, [bob.session]);
    assert_eq!(listed(&t, elsewhere.organization_id(), elsewhere.member_id()).await, [elsewhere.session]);
}

async fn a_member_without_sessions_has_none(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let bob = t.clients().member(ada.organization_id(), "bob@acme.com").await;
    assert_eq!(listed(&t, ada.organization_id(), &bob.member_id).await, []);
    revoke(&t, &ada).await;
    assert_eq!(listed(&t, ada.organization_id(), ada.member_id()).await, []);
}

async fn every_name_leads_to_the_same_sessions(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let named = pb::UpdateOrganizationRequest {
        organization_slug: Some("Acme-Corp".to_owned()),
        organization_external_id: Some("ERP|42".to_owned()),
        ..organization_update(ada.organization_id())
    };
    t.clients().update_organization(named).await.unwrap();
    let named = pb::UpdateMemberRequest {
        external_id: Some("HR|42".to_owned()),
        ..member_update(ada.organization_id(), ada.member_id())
    };
    t.clients().update_member(named).await.unwrap();
    let session = pb::MemberSession { organization_slug: "Acme-Corp".to_owned(), ..ada.session.clone() };
    for organization in [ada.organization_id(), "Acme-Corp", "acme-corp", "ERP|42"] {
        for member in [ada.member_id(), "HR|42"] {
            let sessions = listed(&t, organization, member).await;
            assert_eq!(sessions, std::slice::from_ref(&session), "{organization} {member}");
        }
    }
    let answer = t.clients().sessions_of("acme-corp", "hr|42").await;
    refused(answer, Code::NotFound, "MEMBER_NOT_FOUND");
}

async fn sessions_that_have_ended_are_left_out(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clock.advance(Duration::from_mins(20));
    let second = entered(&t, ada.organization_id(), "ada@acme.com").await;
    t.clock.advance(Duration::from_mins(20));
    let third = entered(&t, ada.organization_id(), "ada@acme.com").await;
    let ids = async || {
        let sessions = listed(&t, ada.organization_id(), ada.member_id()).await;
        sessions.into_iter().map(|session| session.member_session_id).collect::<Vec<_>>()
    };
    assert_eq!(ids().await, [third.session_id(), second.session_id(), ada.session_id()]);
    t.clock.advance(Duration::from_mins(20) - Duration::from_millis(1));
    assert_eq!(ids().await.len(), 3);
    t.clock.advance(Duration::from_millis(1));
    assert_eq!(ids().await, [third.session_id(), second.session_id()]);
    // One that was extended stays, one that was revoked goes.
    let extend =
        pb::AuthenticateSessionRequest { session_duration_minutes: Some(90), ..by_token(&second.token) };
    t.clients().authenticate(extend).await.unwrap();
    revoke(&t, &third).await;
    t.clock.advance(Duration::from_hours(1));
    assert_eq!(ids().await, [second.session_id()]);
}

async fn sessions_show_what_holds_now(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clients().member(ada.organization_id(), "bob@acme.com").await;
    let bob = entered(&t, ada.organization_id(), "bob@acme.com").await;
    t.clock.advance(Duration::from_mins(2));
    let claims = object(&serde_json::json!({"plan": {"seats": 3}}));
    let change = pb::AuthenticateSessionRequest {
        session_duration_minutes: Some(90),
        session_custom_claims: Some(claims),
        ..by_token(&bob.token)
    };
    t.clients().authenticate(change).await.unwrap();
    let promoted = pb::UpdateMemberRequest {
        roles: vec!["stytch_admin".to_owned()],
        update_mask: mask(&["roles"]),
        ..member_update(bob.organization_id(), bob.member_id())
    };
    t.clients().update_member(promoted).await.unwrap();
    let session = checked(&t, &bob.token).await;
    assert_eq!(session.roles, ["stytch_member", "stytch_admin"]);
    assert_eq!(listed(&t, bob.organization_id(), bob.member_id()).await, [session]);
}

async fn at_most_a_thousand_are_listed(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let columns = "organization_id, member_id, started_at, last_accessed_at, expires_at, \
                   authentication_factors, custom_claims";
    let (numbers, id, hash) = if t.on_servers() {
        ("generate_series(1, 1001) AS numbers (n)", "gen_random_uuid()", "sha256(numbers.n::text::bytea)")
    } else {
        (
            "(WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1001) \
              SELECT n FROM numbers) AS numbers",
            "randomblob(16)",
            "randomblob(32)",
        )
    };
    let copies = format!(
        "INSERT INTO sessions (id, token_hash, {columns}) SELECT {id}, {hash}, {columns} FROM sessions, {numbers}"
    );
    t.execute(&copies).await;
    assert_eq!(t.count("sessions").await, 1_002);
    let sessions = listed(&t, ada.organization_id(), ada.member_id()).await;
    assert_eq!(sessions.len(), 1_000);
}

async fn a_member_who_is_not_there_is_not_found(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let eve = founder(&t, "eve@globex.com").await;
    let named = pb::UpdateMemberRequest {
        external_id: Some("HR|43".to_owned()),
        ..member_update(eve.organization_id(), eve.member_id())
    };
    t.clients().update_member(named).await.unwrap();
    t.clients().member(ada.organization_id(), "bob@acme.com").await;
    let bob = entered(&t, ada.organization_id(), "bob@acme.com").await;
    let delete = pb::DeleteMemberRequest {
        organization_id: bob.organization_id().to_owned(),
        member_id: bob.member_id().to_owned(),
        ..pb::DeleteMemberRequest::default()
    };
    t.clients().delete_member(delete).await.unwrap();
    let absent = format!("member-test-{ABSENT}");
    let mut told = Vec::new();
    for member in [absent.as_str(), "nobody", "HR|43", eve.member_id(), bob.member_id()] {
        let answer = t.clients().sessions_of(ada.organization_id(), member).await;
        let mut refusal = refused(answer, Code::NotFound, "MEMBER_NOT_FOUND");
        refusal.metadata.remove("request_id");
        told.push((refusal.message, refusal.metadata, refusal.fields));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}

async fn an_organization_that_is_not_there_is_not_found(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let globex = t.clients().create(organization("Globex")).await.unwrap().into_inner().organization.unwrap();
    let delete =
        pb::DeleteOrganizationRequest { organization_id: globex.organization_id.clone(), etag: None };
    t.clients().delete_organization(delete).await.unwrap();
    let absent = format!("organization-test-{ABSENT}");
    for organization in [absent.as_str(), "nobody", "ERP|42", &globex.organization_id] {
        let answer = t.clients().sessions_of(organization, ada.member_id()).await;
        refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    }
}

async fn what_can_name_nobody_is_refused(t: Harness) {
    const ORGANIZATION: (&str, &str) = ("organization_id", "INVALID_ORGANIZATION_ID");
    const MEMBER: (&str, &str) = ("member_id", "INVALID_MEMBER_ID");
    const LIVE: &str = "LIVE_ID_USED_IN_TEST_ENVIRONMENT";
    let ada = founder(&t, "ada@acme.com").await;
    let (organization, member) = (ada.organization_id(), ada.member_id());
    let live = |id: &str| id.replace("-test-", "-live-");
    let cases = [
        (String::new(), String::new(), vec![ORGANIZATION, MEMBER]),
        ("acme corp".to_owned(), member.to_owned(), vec![ORGANIZATION]),
        (organization.to_owned(), "a b".to_owned(), vec![MEMBER]),
        (organization.to_owned(), "ada@acme.com ".to_owned(), vec![MEMBER]),
        (organization.to_owned(), "a\0".to_owned(), vec![MEMBER]),
        (live(organization), live(member), vec![("organization_id", LIVE), ("member_id", LIVE)]),
    ];
    for (organization, member, expected) in cases {
        let answer = t.clients().sessions_of(&organization, &member).await;
        let refusal = refused(answer, Code::InvalidArgument, expected[0].1);
        assert_eq!(refusal.violations(), expected, "{organization:?} {member:?}");
    }
}

async fn listing_writes_nothing(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.clock.advance(Duration::from_mins(59));
    let before = written(&t).await;
    listed(&t, ada.organization_id(), ada.member_id()).await;
    assert_eq!(written(&t).await, before);
}
