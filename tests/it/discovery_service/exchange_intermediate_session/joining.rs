//! Joining an organization by the domain of an address, or by a tenant of an account.

use vestibule::clock::Clock as _;
use vestibule::pb;

use serde_json::json;

use crate::harness::fixtures::magic_link;
use crate::harness::json::object;
use crate::harness::logins::by_token;
use crate::harness::members::{member_update, organization_update};
use crate::harness::values::seconds;
use crate::harness::{Harness, on_both_backends};

use super::super::people::{account, password, totp};
use super::written::written;
use super::{Response, entered, shown};

on_both_backends!(
    somebody_joins_by_domain,
    somebody_joins_by_tenant,
    who_owes_a_second_factor_is_pending_from_then_on,
    who_owes_a_first_factor_is_nobody_yet,
    a_member_who_owes_stays_as_they_are,
    a_deleted_member_comes_back_with_nothing,
);

/// A new member, as far as every way of joining makes the same.
fn newcomer(t: &Harness, organization_id: &str, made: &pb::Member) -> pb::Member {
    let now = seconds(t.clock.now());
    pb::Member {
        organization_id: organization_id.to_owned(),
        member_id: made.member_id.clone(),
        email_address: "ada@acme.com".to_owned(),
        status: "active".to_owned(),
        roles: vec![pb::MemberRole {
            role_id: "stytch_member".to_owned(),
            sources: vec![pb::MemberRoleSource {
                r#type: "direct_assignment".to_owned(),
                details: Some(object(json!({}))),
            }],
        }],
        trusted_metadata: Some(object(json!({}))),
        untrusted_metadata: Some(object(json!({}))),
        created_at: Some(now),
        updated_at: Some(now),
        etag: made.etag.clone(),
        ..pb::Member::default()
    }
}

fn named(name: &str, factor: pb::VouchedFactor) -> pb::VouchedFactor {
    pb::VouchedFactor { full_name: Some(name.to_owned()), ..factor }
}

async fn somebody_joins_by_domain(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to("Acme", "acme.com").await;
    let organization_id = acme.organization_id.clone();
    let token = clients.token("ada@acme.com").await;
    let answer = entered(&clients, &token, &organization_id).await;
    let now = seconds(t.clock.now());
    let (member, session) = (answer.member.clone().unwrap(), answer.member_session.clone().unwrap());
    assert!(member.member_id.starts_with("member-test-"), "{member:?}");
    let email = session.authentication_factors[0].email_factor.clone().unwrap();
    assert_eq!(email.email_address, "ada@acme.com");
    let joined = pb::Member { email_address_verified: true, ..newcomer(&t, &organization_id, &member) };
    let expected = Response {
        request_id: answer.request_id.clone(),
        member_id: member.member_id.clone(),
        session_token: answer.session_token.clone(),
        session_jwt: answer.session_jwt.clone(),
        member: Some(joined.clone()),
        organization: Some(acme.clone()),
        member_authenticated: true,
        member_session: Some(pb::MemberSession {
            member_session_id: session.member_session_id.clone(),
            member_id: member.member_id.clone(),
            organization_id: organization_id.clone(),
            organization_slug: acme.organization_slug,
            started_at: Some(now),
            last_accessed_at: Some(now),
            expires_at: Some(prost_types::Timestamp { seconds: now.seconds + 3_600, nanos: 0 }),
            authentication_factors: vec![pb::AuthenticationFactor {
                email_factor: Some(email),
                ..shown(["magic_link", "email", "PRIMARY"], now)
            }],
            roles: vec!["stytch_member".to_owned()],
            custom_claims: None,
        }),
        ..Response::default()
    };
    assert_eq!(answer, expected);
    assert_eq!(clients.member_by_id(&organization_id, &member.member_id).await.unwrap(), joined);
    let read = clients.authenticate(by_token(&answer.session_token)).await.unwrap().into_inner();
    assert_eq!(read.member_session, Some(session));
}

async fn somebody_joins_by_tenant(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to_slack("Acme", "T2").await.organization_id;
    let factor = named("Ada Lovelace", account("slack", &["T1", "T2"]));
    let token = clients.token_with("ada@acme.com", vec![factor]).await;
    let answer = entered(&clients, &token, &acme).await;
    assert!(answer.member_authenticated);
    let member = answer.member.clone().unwrap();
    let registration = member.oauth_registrations[0].member_oauth_registration_id.clone();
    assert!(registration.starts_with("oauth-member-test-"), "{member:?}");
    // The tenant is the proof of who it is, and none of the address.
    let joined = pb::Member {
        name: "Ada Lovelace".to_owned(),
        oauth_registrations: vec![pb::OauthRegistration {
            provider_type: "Slack".to_owned(),
            provider_subject: "subject-1".to_owned(),
            member_oauth_registration_id: registration.clone(),
            ..pb::OauthRegistration::default()
        }],
        ..newcomer(&t, &acme, &member)
    };
    assert_eq!(member, joined);
    assert_eq!(clients.member_by_id(&acme, &member.member_id).await.unwrap(), joined);
    let factor = pb::AuthenticationFactor {
        slack_oauth_factor: Some(pb::OauthFactor {
            id: registration,
            provider_subject: "subject-1".to_owned(),
            email_id: None,
            provider_tenant_id: Some("T1".to_owned()),
            provider_tenant_ids: Vec::new(),
        }),
        ..shown(["oauth", "oauth_slack", "PRIMARY"], seconds(t.clock.now()))
    };
    assert_eq!(answer.member_session.unwrap().authentication_factors, [factor]);
}

async fn who_owes_a_second_factor_is_pending_from_then_on(t: Harness) {
    let clients = t.clients();
    let by_domain = clients.open_to("By domain", "acme.com").await.organization_id;
    let by_tenant = clients.open_to_slack("By tenant", "T1").await.organization_id;
    for (acme, factors) in
        [(by_domain, vec![magic_link()]), (by_tenant, vec![named("Ada", account("slack", &["T1"]))])]
    {
        clients.ask_for_second_factors(&acme).await;
        let token = clients.token_with("ada@acme.com", factors).await;
        let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
        let (receipts, sessions) =
            (t.count("intermediate_session_receipts").await, t.count("sessions").await);
        let answer = entered(&clients, &token, &acme).await;
        let member = answer.member.clone().unwrap();
        let expected = Response {
            request_id: answer.request_id.clone(),
            member_id: member.member_id.clone(),
            member: Some(pb::Member {
                status: "pending".to_owned(),
                name: member.name.clone(),
                oauth_registrations: member.oauth_registrations.clone(),
                ..newcomer(&t, &acme, &member)
            }),
            organization: clients.get(&acme).await.unwrap().into_inner().organization,
            intermediate_session_token: token.clone(),
            intermediate_session_token_expires_at: before.intermediate_session_token_expires_at,
            mfa_required: Some(pb::MfaRequired { member_options: None, secondary_auth_initiated: None }),
            ..Response::default()
        };
        assert_eq!(answer, expected);
        assert_eq!(clients.member_by_id(&acme, &member.member_id).await.unwrap(), member);
        // Still as open as it was, and nothing was bought with it.
        let after = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
        assert_eq!(after, before);
        assert_eq!(t.count("intermediate_session_receipts").await, receipts);
        assert_eq!(t.count("sessions").await, sessions);
        // Asking again makes nobody else.
        let wrote = written(&t).await;
        let again = entered(&clients, &token, &acme).await;
        assert_eq!(again.member, Some(member));
        assert_eq!(written(&t).await, wrote);
    }
}

async fn who_owes_a_first_factor_is_nobody_yet(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to("Acme", "acme.com").await.organization_id;
    let token = clients.token_with("ada@acme.com", vec![password()]).await;
    let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    let wrote = written(&t).await;
    for mfa in [false, true] {
        if mfa {
            clients.ask_for_second_factors(&acme).await;
        }
        let wrote = written(&t).await;
        let answer = entered(&clients, &token, &acme).await;
        let methods = ["magic_link", "email_otp", "google_oauth", "microsoft_oauth"];
        let expected = Response {
            request_id: answer.request_id.clone(),
            organization: clients.get(&acme).await.unwrap().into_inner().organization,
            intermediate_session_token: token.clone(),
            intermediate_session_token_expires_at: before.intermediate_session_token_expires_at,
            primary_required: Some(pb::PrimaryRequired {
                allowed_auth_methods: methods.map(str::to_owned).to_vec(),
            }),
            mfa_required: mfa.then(pb::MfaRequired::default),
            ..Response::default()
        };
        assert_eq!(answer, expected);
        assert_eq!(written(&t).await, wrote);
    }
    assert_eq!(written(&t).await[1], wrote[1]);
    let after = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    assert_eq!(after, before);
}

async fn a_member_who_owes_stays_as_they_are(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    let enrolled = pb::CreateMemberRequest {
        create_member_as_pending: true,
        mfa_phone_number: Some("+14155550123".to_owned()),
        ..crate::harness::members::new_member(&acme, "ada@acme.com")
    };
    let member = clients.create_member(enrolled).await.unwrap().into_inner().member.unwrap();
    clients.ask_for_second_factors(&acme).await;
    let options = pb::MfaMemberOptions {
        mfa_phone_number: "+14155550123".to_owned(),
        totp_registration_id: String::new(),
    };
    for (factors, primary) in [(vec![magic_link()], false), (vec![password()], true)] {
        let token = clients.token_with("ada@acme.com", factors).await;
        let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
        let wrote = written(&t).await;
        let answer = entered(&clients, &token, &acme).await;
        assert_eq!(answer.primary_required.is_some(), primary);
        let expected = Response {
            request_id: answer.request_id.clone(),
            member_id: member.member_id.clone(),
            member: Some(member.clone()),
            organization: clients.get(&acme).await.unwrap().into_inner().organization,
            intermediate_session_token: token.clone(),
            intermediate_session_token_expires_at: before.intermediate_session_token_expires_at,
            primary_required: answer.primary_required.clone(),
            mfa_required: Some(pb::MfaRequired {
                // Who has not shown to be the member does not learn its number.
                member_options: (!primary).then(|| options.clone()),
                secondary_auth_initiated: None,
            }),
            ..Response::default()
        };
        assert_eq!(answer, expected);
        assert_eq!(written(&t).await, wrote);
        let after = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
        assert_eq!(after, before);
    }
}

async fn a_deleted_member_comes_back_with_nothing(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to("Acme", "acme.com").await.organization_id;
    let token = clients.token_with("ada@acme.com", vec![magic_link(), account("github", &["octo"])]).await;
    let joined = entered(&clients, &token, &acme).await.member.unwrap();
    let promoted = pb::UpdateMemberRequest {
        name: Some("Ada".to_owned()),
        roles: vec!["stytch_admin".to_owned()],
        is_breakglass: Some(true),
        ..member_update(&acme, &joined.member_id)
    };
    clients.update_member(promoted).await.unwrap();
    clients.expel(&acme, &joined.member_id).await;
    // Owing a second factor, they are not active, and nothing proves the address.
    clients.ask_for_second_factors(&acme).await;
    let token = clients.token("ada@acme.com").await;
    let pending = entered(&clients, &token, &acme).await.member.unwrap();
    assert_eq!(pending.member_id, joined.member_id);
    assert_eq!((pending.status.as_str(), pending.email_address_verified), ("pending", false));
    clients.add_factor(&token, totp()).await.unwrap();
    let back = entered(&clients, &token, &acme).await.member.unwrap();
    let expected = pb::Member {
        oauth_registrations: Vec::new(),
        updated_at: back.updated_at,
        etag: back.etag.clone(),
        ..joined
    };
    assert_eq!(back, expected);
    assert!(!back.is_admin && !back.is_breakglass && back.email_address_verified);
    assert_eq!(clients.member_by_id(&acme, &back.member_id).await.unwrap(), back);
    // Without a way to join, a deleted member is nobody.
    clients.expel(&acme, &back.member_id).await;
    let mut closed = organization_update(&acme);
    closed.set_email_jit_provisioning(pb::EmailJitProvisioning::NotAllowed);
    clients.update_organization(closed).await.unwrap();
    let token = clients.token_with("ada@acme.com", vec![magic_link(), totp()]).await;
    let refusal = clients.exchange(crate::harness::logins::exchange(&token, &acme)).await;
    crate::harness::refusal::refused(
        refusal,
        tonic::Code::FailedPrecondition,
        "EMAIL_JIT_PROVISIONING_NOT_ALLOWED",
    );
}
