mod accounts;
mod finishing;
mod joining;
mod refusals;
mod replays;
mod requests;
mod sessions;
mod traces;
mod written;

use std::time::Duration;

use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::logins::{by_token, exchange};
use crate::harness::members::invitation;
use crate::harness::refusal::refused;
use crate::harness::values::seconds;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_member_is_let_in_and_answered_to_the_last_field,
    the_organization_is_named_by_id_slug_or_external_id,
    an_invitation_is_accepted_with_its_roles,
    a_pending_member_becomes_active,
    a_token_buys_one_thing,
);

type Request = pb::ExchangeIntermediateSessionRequest;
type Response = pb::ExchangeIntermediateSessionResponse;

/// What entering comes to.
async fn entered(clients: &Clients, token: &str, organization: &str) -> Response {
    clients.exchange(exchange(token, organization)).await.unwrap().into_inner()
}

/// A factor as a session shows it.
fn shown(kind: [&str; 3], at: prost_types::Timestamp) -> pb::AuthenticationFactor {
    let [r#type, delivery_method, sequence_order] = kind.map(str::to_owned);
    pb::AuthenticationFactor {
        r#type,
        delivery_method,
        sequence_order,
        last_authenticated_at: Some(at),
        created_at: Some(at),
        updated_at: Some(at),
        ..pb::AuthenticationFactor::default()
    }
}

async fn a_member_is_let_in_and_answered_to_the_last_field(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await;
    let member = clients.member(&acme.organization_id, "ada@acme.com").await;
    let token = clients.token("Ada@ACME.com").await;
    let verified_at = seconds(t.clock.now());
    t.clock.advance(Duration::from_secs(90));
    let now = seconds(t.clock.now());
    let answer = clients.exchange(exchange(&token, &acme.organization_id)).await.unwrap();
    let header = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let answer = answer.into_inner();

    let session = answer.member_session.clone().unwrap();
    assert!(session.member_session_id.starts_with("session-test-"), "{session:?}");
    let email = session.authentication_factors[0].email_factor.clone().unwrap();
    assert!(email.email_id.starts_with("email-test-"), "{session:?}");
    assert_eq!(answer.session_token.len(), 44);
    let etag = answer.member.as_ref().unwrap().etag.clone();
    assert_ne!(etag, member.etag);
    let expected = Response {
        request_id: header,
        member_id: member.member_id.clone(),
        session_token: answer.session_token.clone(),
        session_jwt: answer.session_jwt.clone(),
        member: Some(pb::Member {
            email_address_verified: true,
            updated_at: Some(now),
            etag,
            ..member.clone()
        }),
        organization: Some(acme.clone()),
        intermediate_session_token: String::new(),
        intermediate_session_token_expires_at: None,
        member_authenticated: true,
        mfa_required: None,
        primary_required: None,
        member_session: Some(pb::MemberSession {
            member_session_id: session.member_session_id.clone(),
            member_id: member.member_id.clone(),
            organization_id: acme.organization_id.clone(),
            organization_slug: acme.organization_slug.clone(),
            started_at: Some(now),
            last_accessed_at: Some(now),
            expires_at: Some(prost_types::Timestamp { seconds: now.seconds + 3_600, nanos: 0 }),
            authentication_factors: vec![pb::AuthenticationFactor {
                email_factor: Some(pb::EmailFactor {
                    email_id: email.email_id,
                    email_address: "ada@acme.com".to_owned(),
                }),
                ..shown(["magic_link", "email", "PRIMARY"], verified_at)
            }],
            roles: vec!["stytch_member".to_owned()],
            custom_claims: None,
        }),
    };
    assert_eq!(answer, expected);
    let read = clients.member_by_id(&acme.organization_id, &member.member_id).await.unwrap();
    assert_eq!(Some(read), expected.member);
    let read = clients.authenticate(by_token(&answer.session_token)).await.unwrap().into_inner();
    assert_eq!(read.member_session, expected.member_session);
    let sessions = clients.sessions_of(&acme.organization_id, &member.member_id).await.unwrap();
    assert_eq!(sessions.into_inner().member_sessions, [session]);
    refused(clients.inspect(&token).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
}

async fn the_organization_is_named_by_id_slug_or_external_id(t: Harness) {
    let clients = t.clients();
    let request = pb::CreateOrganizationRequest {
        organization_slug: Some("Acme.Corp".to_owned()),
        organization_external_id: Some("CRM|Acme-1".to_owned()),
        ..organization("Acme")
    };
    let acme = clients.create(request).await.unwrap().into_inner().organization.unwrap();
    let member = clients.member(&acme.organization_id, "ada@acme.com").await;
    for name in [&acme.organization_id, "Acme.Corp", "acme.corp", "CRM|Acme-1"] {
        let token = clients.token("ada@acme.com").await;
        let answer = entered(&clients, &token, name).await;
        assert_eq!(answer.organization, Some(acme.clone()), "{name}");
        assert_eq!(answer.member_id, member.member_id, "{name}");
        assert!(answer.member_authenticated, "{name}");
    }
}

async fn an_invitation_is_accepted_with_its_roles(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    let request = pb::InviteMemberRequest {
        roles: vec!["stytch_admin".to_owned()],
        name: Some("Ada Lovelace".to_owned()),
        ..invitation(&acme, "ada@acme.com")
    };
    let invited = clients.invite_member(request).await.unwrap().into_inner().member.unwrap();
    assert_eq!((invited.status.as_str(), invited.email_address_verified), ("invited", false));
    let token = clients.token("ada@acme.com").await;
    let answer = entered(&clients, &token, &acme).await;
    let member = answer.member.unwrap();
    let expected = pb::Member {
        status: "active".to_owned(),
        email_address_verified: true,
        etag: member.etag.clone(),
        updated_at: Some(seconds(t.clock.now())),
        ..invited
    };
    assert_eq!(member, expected);
    assert_eq!(answer.member_session.unwrap().roles, ["stytch_member", "stytch_admin"]);
    assert_eq!(clients.member_by_id(&acme, &answer.member_id).await.unwrap(), member);
}

async fn a_pending_member_becomes_active(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    let pending = clients.pending(&acme, "ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let answer = entered(&clients, &token, &acme).await;
    assert_eq!(answer.member_id, pending.member_id);
    let read = clients.member_by_id(&acme, &answer.member_id).await.unwrap();
    assert_eq!((read.status.as_str(), read.email_address_verified), ("active", true));
    assert_eq!(t.count("members").await, 1);
}

async fn a_token_buys_one_thing(t: Harness) {
    let clients = t.clients();
    let spent = clients.token("ada@acme.com").await;
    let created = clients.spend(creation(&spent)).await.unwrap().into_inner();
    let acme = created.organization.unwrap().organization_id;
    let exchanged = clients.token("ada@acme.com").await;
    entered(&clients, &exchanged, &acme).await;
    for token in [&spent, &exchanged] {
        for key in ["first", "second"] {
            let reason = "INTERMEDIATE_SESSION_NOT_FOUND";
            refused(clients.exchange(exchange(token, &acme)).await, Code::NotFound, reason);
            let key = format!("{key}-{token}");
            refused(clients.exchange(with_key(exchange(token, &acme), &key)).await, Code::NotFound, reason);
            refused(clients.spend(creation(token)).await, Code::NotFound, reason);
            refused(clients.spend(with_key(creation(token), &key)).await, Code::NotFound, reason);
        }
    }
    assert_eq!(t.count("sessions").await, 2);
    assert_eq!(t.count("organizations").await, 1);
    let receipts = t.count("intermediate_session_receipts WHERE session_id IS NOT NULL AND NOT revoked");
    assert_eq!(receipts.await, 2);
}
