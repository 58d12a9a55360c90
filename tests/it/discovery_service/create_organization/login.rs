//! A login that is complete, to the last field.

use std::time::Duration;

use serde_json::json;
use vestibule::clock::Clock as _;
use vestibule::pb;

use crate::harness::fixtures::{creation, factor, magic_link, oauth};
use crate::harness::values::{object, seconds};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_login_is_answered_to_the_last_field,
    every_kind_of_factor_is_shown_with_its_own_detail,
    a_factor_verified_twice_is_one_factor,
    the_name_comes_from_the_latest_factor_that_carries_one,
    roles_come_with_their_sources,
);

/// Whether an id is `prefix` and a UUID of version 7.
fn is_id(text: &str, prefix: &str) -> bool {
    let uuid = text.strip_prefix(prefix).and_then(|uuid| uuid::Uuid::try_parse(uuid).ok());
    uuid.is_some_and(|uuid| {
        uuid.get_version_num() == 7 && uuid.hyphenated().to_string() == text[prefix.len()..]
    })
}

fn is_session_token(text: &str) -> bool {
    text.len() == 44 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn role(role_id: &str, sources: &[(&str, serde_json::Value)]) -> pb::MemberRole {
    let source = |(kind, details): &(&str, serde_json::Value)| pb::MemberRoleSource {
        r#type: (*kind).to_owned(),
        details: Some(object(details)),
    };
    pb::MemberRole { role_id: role_id.to_owned(), sources: sources.iter().map(source).collect() }
}

async fn a_login_is_answered_to_the_last_field(t: Harness) {
    let clients = t.clients();
    let token = clients.token("Ada.Lovelace+math@ACME.com").await;
    let response = clients.spend(creation(&token)).await.unwrap();
    let header = response.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let created = response.into_inner();
    let now = seconds(t.clock.now());

    let organization = created.organization.clone().unwrap();
    let session = created.member_session.clone().unwrap();
    let email = session.authentication_factors[0].email_factor.clone().unwrap();
    assert!(is_id(&created.request_id, "request-id-test-"), "{created:?}");
    assert!(is_id(&created.member_id, "member-test-"), "{created:?}");
    assert!(is_id(&organization.organization_id, "organization-test-"), "{created:?}");
    assert!(is_id(&session.member_session_id, "session-test-"), "{created:?}");
    assert!(is_id(&email.email_id, "email-test-"), "{created:?}");
    assert!(is_session_token(&created.session_token), "{created:?}");
    assert_eq!(created.session_jwt.split('.').count(), 3);

    let roles = ["stytch_member", "stytch_admin"];
    let expected = pb::DiscoveryServiceCreateOrganizationResponse {
        request_id: header,
        member_id: created.member_id.clone(),
        session_token: created.session_token.clone(),
        session_jwt: created.session_jwt.clone(),
        intermediate_session_token: String::new(),
        intermediate_session_token_expires_at: None,
        member_authenticated: true,
        mfa_required: None,
        primary_required: None,
        member_session: Some(pb::MemberSession {
            member_session_id: session.member_session_id,
            member_id: created.member_id.clone(),
            organization_id: organization.organization_id.clone(),
            organization_slug: "acme".to_owned(),
            started_at: Some(now),
            last_accessed_at: Some(now),
            expires_at: Some(prost_types::Timestamp { seconds: now.seconds + 3_600, nanos: 0 }),
            authentication_factors: vec![pb::AuthenticationFactor {
                last_authenticated_at: Some(now),
                created_at: Some(now),
                updated_at: Some(now),
                email_factor: Some(pb::EmailFactor {
                    email_id: email.email_id,
                    email_address: "ada.lovelace+math@acme.com".to_owned(),
                }),
                ..shown("magic_link", "email", "PRIMARY")
            }],
            roles: roles.map(str::to_owned).to_vec(),
            custom_claims: None,
        }),
        member: Some(pb::Member {
            etag: created.member.clone().unwrap().etag,
            ..first_member(&organization.organization_id, &created.member_id, now)
        }),
        organization: Some(pb::Organization {
            etag: organization.etag.clone(),
            ..fresh_organization(&organization.organization_id, now)
        }),
    };
    assert_eq!(created, expected);
    let read = clients.get(&organization.organization_id).await.unwrap().into_inner();
    assert_eq!(read.organization, Some(organization));
}

fn first_member(organization_id: &str, member_id: &str, now: prost_types::Timestamp) -> pb::Member {
    let direct = ("direct_assignment", json!({}));
    pb::Member {
        organization_id: organization_id.to_owned(),
        member_id: member_id.to_owned(),
        email_address: "ada.lovelace+math@acme.com".to_owned(),
        status: "active".to_owned(),
        email_address_verified: true,
        is_admin: true,
        roles: vec![
            role("stytch_member", std::slice::from_ref(&direct)),
            role("stytch_admin", std::slice::from_ref(&direct)),
        ],
        trusted_metadata: Some(object(&json!({}))),
        untrusted_metadata: Some(object(&json!({}))),
        created_at: Some(now),
        updated_at: Some(now),
        ..pb::Member::default()
    }
}

fn fresh_organization(organization_id: &str, now: prost_types::Timestamp) -> pb::Organization {
    pb::Organization {
        organization_id: organization_id.to_owned(),
        organization_name: "acme".to_owned(),
        organization_slug: "acme".to_owned(),
        trusted_metadata: Some(object(&json!({}))),
        sso_jit_provisioning: pb::SsoJitProvisioning::AllAllowed.into(),
        email_jit_provisioning: pb::EmailJitProvisioning::NotAllowed.into(),
        email_invites: pb::EmailInvites::AllAllowed.into(),
        auth_methods: pb::AuthMethods::AllAllowed.into(),
        mfa_policy: pb::MfaPolicy::Optional.into(),
        mfa_methods: pb::MfaMethods::AllAllowed.into(),
        oauth_tenant_jit_provisioning: pb::OauthTenantJitProvisioning::NotAllowed.into(),
        allowed_oauth_tenants: Some(object(&json!({}))),
        first_party_connected_apps_allowed_type: pb::FirstPartyConnectedAppsAllowedType::AllAllowed.into(),
        third_party_connected_apps_allowed_type: pb::ThirdPartyConnectedAppsAllowedType::AllAllowed.into(),
        created_at: Some(now),
        updated_at: Some(now),
        ..pb::Organization::default()
    }
}

/// A factor as a session shows it, without its times and its detail.
fn shown(r#type: &str, delivery_method: &str, order: &str) -> pb::AuthenticationFactor {
    pb::AuthenticationFactor {
        r#type: r#type.to_owned(),
        delivery_method: delivery_method.to_owned(),
        sequence_order: order.to_owned(),
        ..pb::AuthenticationFactor::default()
    }
}

fn tenants(ids: &[&str], factor: pb::VouchedFactor) -> pb::VouchedFactor {
    pb::VouchedFactor { provider_tenant_ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..factor }
}

/// Every kind of factor: type, delivery method, order.
const KINDS: [(&str, &str, &str); 11] = [
    ("magic_link", "email", "PRIMARY"),
    ("email_otp", "email", "PRIMARY"),
    ("password", "knowledge", "PRIMARY"),
    ("oauth", "oauth_google", "PRIMARY"),
    ("oauth", "oauth_microsoft", "PRIMARY"),
    ("oauth", "oauth_github", "PRIMARY"),
    ("oauth", "oauth_slack", "PRIMARY"),
    ("oauth", "oauth_hubspot", "PRIMARY"),
    ("otp", "sms", "SECONDARY"),
    ("totp", "authenticator_app", "SECONDARY"),
    ("recovery_codes", "recovery_code", "SECONDARY"),
];

async fn every_kind_of_factor_is_shown_with_its_own_detail(t: Harness) {
    let clients = t.clients();
    let sms = pb::VouchedFactor { phone_number: Some("+14155550123".to_owned()), ..factor("otp", "sms") };
    let factors = vec![
        magic_link(),
        factor("email_otp", "email"),
        factor("password", "knowledge"),
        oauth("oauth_google", true),
        oauth("oauth_microsoft", true),
        tenants(&["octo", "cat"], oauth("oauth_github", true)),
        tenants(&["T1"], oauth("oauth_slack", true)),
        oauth("oauth_hubspot", true),
        sms,
        factor("totp", "authenticator_app"),
        factor("recovery_codes", "recovery_code"),
    ];
    let token = clients.token_with("ada@acme.com", factors).await;
    let created = clients.spend(creation(&token)).await.unwrap().into_inner();
    let now = Some(seconds(t.clock.now()));
    let mut seen = created.member_session.unwrap().authentication_factors;
    let registrations = created.member.unwrap().oauth_registrations;
    let id = |provider: &str| {
        let of = registrations.iter().find(|known| known.provider_type == provider).unwrap();
        assert!(is_id(&of.member_oauth_registration_id, "oauth-member-test-"), "{of:?}");
        assert_eq!(of.provider_subject, "subject-1");
        of.member_oauth_registration_id.clone()
    };
    let providers = registrations.iter().map(|known| known.provider_type.as_str()).collect::<Vec<_>>();
    assert_eq!(providers, ["Google", "Microsoft", "GitHub", "Slack", "HubSpot"]);
    let email = seen[0].email_factor.clone();
    let email_id = email.clone().unwrap().email_id;
    let phone_id = seen[8].phone_number_factor.clone().unwrap().phone_id;
    assert!(is_id(&phone_id, "phone-number-test-"), "{phone_id}");
    let account = |provider: &str| pb::OauthFactor {
        id: id(provider),
        provider_subject: "subject-1".to_owned(),
        ..pb::OauthFactor::default()
    };
    let mut expected = KINDS.map(|(kind, method, order)| shown(kind, method, order));
    expected[0].email_factor.clone_from(&email);
    expected[1].email_factor = email;
    // Google says so, but without a hosted domain its word does not count for this address.
    expected[3].google_oauth_factor = Some(account("Google"));
    expected[4].microsoft_oauth_factor =
        Some(pb::OauthFactor { email_id: Some(email_id), ..account("Microsoft") });
    expected[5].github_oauth_factor = Some(pb::OauthFactor {
        provider_tenant_ids: vec!["octo".to_owned(), "cat".to_owned()],
        ..account("GitHub")
    });
    expected[6].slack_oauth_factor =
        Some(pb::OauthFactor { provider_tenant_id: Some("T1".to_owned()), ..account("Slack") });
    expected[7].hubspot_oauth_factor = Some(account("HubSpot"));
    expected[8].phone_number_factor =
        Some(pb::PhoneNumberFactor { phone_id, phone_number: "+14155550123".to_owned() });
    for factor in &mut seen {
        assert_eq!((factor.created_at, factor.updated_at, factor.last_authenticated_at), (now, now, now));
        (factor.created_at, factor.updated_at, factor.last_authenticated_at) = (None, None, None);
    }
    assert_eq!(seen, expected);
}

async fn a_factor_verified_twice_is_one_factor(t: Harness) {
    let clients = t.clients();
    let token = clients.token_with("ada@acme.com", vec![magic_link(), oauth("oauth_slack", false)]).await;
    let first = seconds(t.clock.now());
    t.clock.advance(Duration::from_secs(90));
    for factor in [magic_link(), oauth("oauth_slack", false), oauth("oauth_github", false)] {
        clients.add_factor(&token, factor).await.unwrap();
    }
    let created = clients.spend(creation(&token)).await.unwrap().into_inner();
    let again = seconds(t.clock.now());
    let factors = created.member_session.unwrap().authentication_factors;
    let times = factors.iter().map(|factor| {
        let Some(created_at) = factor.created_at else { panic!("{factor:?}") };
        (factor.delivery_method.as_str(), created_at, factor.last_authenticated_at, factor.updated_at)
    });
    assert_eq!(
        times.collect::<Vec<_>>(),
        [
            ("email", first, Some(again), Some(again)),
            ("oauth_slack", first, Some(again), Some(again)),
            ("oauth_github", again, Some(again), Some(again)),
        ]
    );
    assert_eq!(created.member.unwrap().oauth_registrations.len(), 2);
}

async fn the_name_comes_from_the_latest_factor_that_carries_one(t: Harness) {
    let clients = t.clients();
    let named = |provider: &str, name: &str| pb::VouchedFactor {
        full_name: Some(name.to_owned()),
        ..oauth(provider, false)
    };
    let ada = "Ada King, Countess of Lovelace";
    let all_of_them = vec![
        named("oauth_github", "ada"),
        named("oauth_slack", ada),
        named("oauth_hubspot", ""),
        magic_link(),
    ];
    for (factors, name) in [(vec![magic_link()], ""), (all_of_them, ada)] {
        let token = clients.token_with("ada@acme.com", factors).await;
        let created = clients.spend(creation(&token)).await.unwrap().into_inner();
        assert_eq!(created.member.unwrap().name, name);
    }
}

async fn roles_come_with_their_sources(t: Harness) {
    let clients = t.clients();
    let admins = |domain: &str| pb::EmailImplicitRoleAssignment {
        domain: domain.to_owned(),
        role_id: "stytch_admin".to_owned(),
    };
    let direct = ("direct_assignment", json!({}));
    let by_domain = ("email_assignment", json!({"email_domain": "acme.com"}));
    let both = [direct.clone(), by_domain];
    // An address that is not verified gives no role.
    let cases = [(magic_link(), both.as_slice()), (factor("password", "knowledge"), &both[..1])];
    for (factor, sources) in cases {
        let token = clients.token_with("ada@acme.com", vec![factor]).await;
        let created = clients
            .spend(pb::DiscoveryServiceCreateOrganizationRequest {
                rbac_email_implicit_role_assignments: vec![admins("acme.com"), admins("notacme.com")],
                ..creation(&token)
            })
            .await
            .unwrap()
            .into_inner();
        let member = created.member.unwrap();
        assert!(member.is_admin);
        assert_eq!(
            member.roles,
            [role("stytch_member", std::slice::from_ref(&direct)), role("stytch_admin", sources)]
        );
        if let Some(session) = created.member_session {
            assert_eq!(session.roles, ["stytch_member", "stytch_admin"]);
        }
    }
}
