mod factors;
mod home;
mod owed;
mod parameters;
mod refusals;
mod replays;

use std::time::Duration;

use serde_json::json;
use tonic::{Response, Status};
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::common::{Login, checked, event_count, events_after, founder, minutes, part};
use crate::harness::fixtures::organization;
use crate::harness::logins::{by_jwt, by_token, switch};
use crate::harness::members::{invitation, organization_update};
use crate::harness::values::seconds;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_session_goes_along_to_the_last_field,
    an_invited_member_becomes_active_and_verified,
    a_pending_member_becomes_active,
    a_jwt_goes_as_well_as_a_token,
    every_name_leads_to_the_organization,
    both_sessions_live_and_end_on_their_own,
);

type Request = pb::ExchangeSessionRequest;
type Switched = pb::ExchangeSessionResponse;

/// The same request by the session's JWT.
fn by_its_jwt(jwt: &str, organization: &str) -> Request {
    Request { session_token: None, session_jwt: Some(jwt.to_owned()), ..switch("", organization) }
}

async fn switched(t: &Harness, request: Request) -> Switched {
    let switched = t.clients().switch(request).await.unwrap().into_inner();
    assert!(switched.member_authenticated, "{switched:?}");
    switched
}

/// An organization that has invited the address.
async fn inviting(t: &Harness, address: &str, request: pb::CreateOrganizationRequest) -> pb::Organization {
    let clients = t.clients();
    let request =
        pb::CreateOrganizationRequest { email_invites: Some(pb::EmailInvites::AllAllowed.into()), ..request };
    let created = clients.create(request).await.unwrap().into_inner().organization.unwrap();
    clients.invite_member(invitation(&created.organization_id, address)).await.unwrap();
    created
}

/// The answer of a call that must have succeeded, whose request id must be that of the header.
fn answered(answer: Result<Response<Switched>, Status>) -> Switched {
    let answer = answer.unwrap();
    let header = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let answer = answer.into_inner();
    assert_eq!(answer.request_id, header);
    answer
}

async fn a_session_goes_along_to_the_last_field(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let verified = seconds(t.clock.now());
    t.clock.advance(Duration::from_mins(10));
    let events = event_count(&t).await;
    let answer = answered(t.clients().switch(switch(&ada.token, there.organization_id())).await);
    let session = answer.member_session.clone().unwrap();
    assert!(session.member_session_id.starts_with("session-test-"), "{session:?}");
    assert_ne!(session.member_session_id, ada.session_id());
    assert_ne!(session.member_session_id, there.session_id());
    assert_eq!((answer.session_token.len(), answer.session_token == ada.token), (44, false));
    let now = seconds(t.clock.now());
    let factor = pb::AuthenticationFactor {
        r#type: "magic_link".to_owned(),
        delivery_method: "email".to_owned(),
        sequence_order: "PRIMARY".to_owned(),
        // When it was verified, not when it came along.
        last_authenticated_at: Some(verified),
        created_at: Some(verified),
        updated_at: Some(verified),
        email_factor: there.session.authentication_factors[0].email_factor.clone(),
        ..pb::AuthenticationFactor::default()
    };
    let expected = Switched {
        request_id: answer.request_id.clone(),
        member_id: there.member_id().to_owned(),
        session_token: answer.session_token.clone(),
        session_jwt: answer.session_jwt.clone(),
        member: Some(there.member.clone()),
        organization: Some(there.organization.clone()),
        intermediate_session_token: String::new(),
        intermediate_session_token_expires_at: None,
        member_authenticated: true,
        mfa_required: None,
        primary_required: None,
        member_session: Some(pb::MemberSession {
            member_session_id: session.member_session_id.clone(),
            member_id: there.member_id().to_owned(),
            organization_id: there.organization_id().to_owned(),
            organization_slug: there.organization.organization_slug.clone(),
            started_at: Some(now),
            last_accessed_at: Some(now),
            expires_at: Some(minutes(&t, 60)),
            authentication_factors: vec![factor],
            roles: vec!["stytch_member".to_owned(), "stytch_admin".to_owned()],
            custom_claims: None,
        }),
    };
    assert_eq!(answer, expected);

    // The token, the JWT and the list tell of the same session.
    let read = t.clients().authenticate(by_token(&answer.session_token)).await.unwrap().into_inner();
    assert_eq!((&read.member_session, &read.member), (&answer.member_session, &answer.member));
    let read = t.clients().authenticate(by_jwt(&answer.session_jwt)).await.unwrap().into_inner();
    assert_eq!((&read.member_session, &read.organization), (&answer.member_session, &answer.organization));
    let listed = t.clients().sessions_of(there.organization_id(), there.member_id()).await.unwrap();
    assert_eq!(listed.into_inner().member_sessions, [session.clone(), there.session.clone()]);
    let claims = part(&answer.session_jwt, 1);
    assert_eq!(claims["sub"], there.member_id());
    assert_eq!(claims["https://stytch.com/organization"]["organization_id"], there.organization_id());

    let [event] = events_after(&t, events).await.try_into().unwrap();
    assert_eq!(
        (event.kind.as_str(), event.request_id.as_str()),
        ("session.created", answer.request_id.as_str())
    );
    assert_eq!(event.organization_id, there.organization_id());
    assert_eq!(event.member_id.as_deref(), Some(there.member_id()));
    assert_eq!((event.session_id, event.data), (Some(session.member_session_id), json!({})));
}

async fn an_invited_member_becomes_active_and_verified(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let globex = inviting(&t, "ada@acme.com", organization("Globex")).await;
    let events = event_count(&t).await;
    let answer = switched(&t, switch(&ada.token, &globex.organization_id)).await;
    let member = answer.member.clone().unwrap();
    assert_eq!((member.status.as_str(), member.email_address_verified), ("active", true));
    let read = t.clients().member_by_id(&globex.organization_id, &answer.member_id).await.unwrap();
    assert_eq!(read, member);
    let session = answer.member_session.unwrap();
    assert_eq!(session.roles, ["stytch_member"]);
    let told = events_after(&t, events).await;
    let kinds: Vec<_> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["member.updated", "session.created"]);
    for event in &told {
        assert_eq!(event.member_id.as_deref(), Some(answer.member_id.as_str()));
        assert_eq!(
            (&event.organization_id, &event.request_id),
            (&globex.organization_id, &answer.request_id)
        );
        assert!(!event.data.to_string().contains("acme"), "{event:?}");
    }
    assert_eq!(told[0].session_id, None);
    assert_eq!(told[1].session_id, Some(session.member_session_id));
}

async fn a_pending_member_becomes_active(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let globex = t.clients().organization("Globex").await;
    let pending = pb::CreateMemberRequest {
        create_member_as_pending: true,
        ..crate::harness::members::new_member(&globex.organization_id, "ada@acme.com")
    };
    let pending = t.clients().create_member(pending).await.unwrap().into_inner().member.unwrap();
    assert_eq!(pending.status, "pending");
    let answer = switched(&t, switch(&ada.token, &globex.organization_id)).await;
    assert_eq!((answer.member_id, answer.member.unwrap().status), (pending.member_id, "active".to_owned()));
}

async fn a_jwt_goes_as_well_as_a_token(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let by_token = switched(&t, switch(&ada.token, there.organization_id())).await;
    // It has expired, its session has not.
    t.clock.advance(Duration::from_mins(30));
    let by_jwt = switched(&t, by_its_jwt(&ada.jwt, there.organization_id())).await;
    assert_ne!(by_jwt.session_token, by_token.session_token);
    assert_eq!(by_jwt.member, by_token.member);
    let (one, two) = (by_jwt.member_session.unwrap(), by_token.member_session.unwrap());
    assert_ne!(one.member_session_id, two.member_session_id);
    assert_eq!(one.authentication_factors, two.authentication_factors);
    assert_eq!(checked(&t, &by_jwt.session_token).await, one);
}

async fn every_name_leads_to_the_organization(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there = founder(&t, "ada@acme.com").await;
    let named = pb::UpdateOrganizationRequest {
        organization_slug: Some("Globex-Corp".to_owned()),
        organization_external_id: Some("ERP|42".to_owned()),
        ..organization_update(there.organization_id())
    };
    let named = t.clients().update_organization(named).await.unwrap().into_inner().organization;
    for name in [there.organization_id(), "Globex-Corp", "globex-corp", "ERP|42"] {
        let answer = switched(&t, switch(&ada.token, name)).await;
        assert_eq!(answer.organization, named, "{name}");
        assert_eq!(answer.member_id, there.member_id(), "{name}");
    }
}

async fn both_sessions_live_and_end_on_their_own(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let there: Login = founder(&t, "ada@acme.com").await;
    t.clock.advance(Duration::from_mins(30));
    let answer = switched(&t, switch(&ada.token, there.organization_id())).await;
    let old = checked(&t, &ada.token).await;
    assert_eq!(old, pb::MemberSession { last_accessed_at: old.last_accessed_at, ..ada.session.clone() });
    let revoke = |token: &str| pb::RevokeSessionRequest {
        session_token: Some(token.to_owned()),
        ..pb::RevokeSessionRequest::default()
    };
    t.clients().revoke_session(revoke(&ada.token)).await.unwrap();
    assert!(t.clients().authenticate(by_token(&ada.token)).await.is_err());
    assert_eq!(Some(checked(&t, &answer.session_token).await), answer.member_session);
    // From there it goes back, and the other one's end is not felt.
    let back = switched(&t, switch(&answer.session_token, ada.organization_id())).await;
    t.clients().revoke_session(revoke(&answer.session_token)).await.unwrap();
    let session = checked(&t, &back.session_token).await;
    assert_eq!(session.member_id, ada.member_id());
    let times = |session: &pb::MemberSession| session.authentication_factors[0].last_authenticated_at;
    assert_eq!(times(&session), times(&ada.session), "the factor is as old as it was");
}
