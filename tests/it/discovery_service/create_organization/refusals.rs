//! A call that is refused leaves the token as it was, and nothing behind.

use serde_json::json;
use tonic::Code;
use vestibule::pb;

use crate::harness::fixtures::{creation, magic_link, organization, with_key};
use crate::harness::refusal::refused;
use crate::harness::values::object;
use crate::harness::{Harness, Setup, on_both_backends};

on_both_backends!(
    a_refused_request_leaves_the_token_as_it_was,
    every_violation_is_reported_at_once,
    a_refused_request_uses_up_no_idempotency_key,
    a_claimed_domain_refuses_its_people_and_nobody_else,
);

type Request = pb::DiscoveryServiceCreateOrganizationRequest;

/// A change that makes a request unacceptable, the field at fault, and the reason.
type Fault = (fn(&mut Request), &'static str, &'static str);

const FAULTS: &[Fault] = &[
    (
        |r| r.session_duration_minutes = Some(4),
        "session_duration_minutes",
        "INVALID_SESSION_DURATION_MINUTES",
    ),
    (
        |r| r.session_custom_claims = Some(object(&json!({"https://stytch.com/a": 1}))),
        "session_custom_claims",
        "STYTCH_CLAIMS_IN_CUSTOM_CLAIMS",
    ),
    (
        |r| r.session_custom_claims = Some(object(&json!({"a": "b".repeat(5000)}))),
        "session_custom_claims",
        "CUSTOM_CLAIMS_TOO_LARGE",
    ),
    (|r| r.organization_name = Some(String::new()), "organization_name", "INVALID_ORGANIZATION_NAME"),
    (|r| r.organization_name = Some("n".repeat(129)), "organization_name", "INVALID_ORGANIZATION_NAME"),
    (|r| r.organization_slug = Some("s".to_owned()), "organization_slug", "INVALID_ORGANIZATION_SLUG"),
    (|r| r.organization_slug = Some("a b".to_owned()), "organization_slug", "INVALID_ORGANIZATION_SLUG"),
    (
        |r| r.organization_external_id = Some("~".to_owned()),
        "organization_external_id",
        "INVALID_ORGANIZATION_EXTERNAL_ID",
    ),
    (|r| r.organization_logo_url = Some("ftp://a.b".to_owned()), "organization_logo_url", "INVALID_URL"),
    (
        |r| r.organization_logo_url = Some(format!("https://a.b/{}", "c".repeat(2048))),
        "organization_logo_url",
        "ORGANIZATION_LOGO_URL_TOO_LONG",
    ),
    (
        |r| r.trusted_metadata = Some(object(&json!({"a": "b".repeat(5000)}))),
        "trusted_metadata",
        "METADATA_TOO_LARGE",
    ),
    (
        |r| r.sso_jit_provisioning = Some(99),
        "sso_jit_provisioning",
        "INVALID_ORGANIZATION_AUTH_FACTOR_SETTING",
    ),
    (
        |r| r.email_allowed_domains = vec!["gmail.com".to_owned()],
        "email_allowed_domains[0]",
        "ORGANIZATION_SETTINGS_DOMAIN_TOO_COMMON",
    ),
    (
        |r| r.set_email_jit_provisioning(pb::EmailJitProvisioning::Restricted),
        "email_jit_provisioning",
        "INVALID_RESTRICTED_EMAIL_SETTING",
    ),
    (
        |r| r.set_auth_methods(pb::AuthMethods::Restricted),
        "auth_methods",
        "ALLOWED_AUTH_METHODS_REQUIRED_FOR_RESTRICTED",
    ),
    (
        |r| r.allowed_auth_methods = vec!["carrier_pigeon".to_owned()],
        "allowed_auth_methods[0]",
        "INVALID_ORGANIZATION_ALLOWED_AUTH_METHODS",
    ),
    (|r| r.mfa_policy = Some(-1), "mfa_policy", "INVALID_ORGANIZATION_MFA_POLICY"),
    (
        |r| r.set_mfa_methods(pb::MfaMethods::Restricted),
        "mfa_methods",
        "ALLOWED_MFA_METHODS_REQUIRED_FOR_RESTRICTED",
    ),
    (
        |r| {
            r.rbac_email_implicit_role_assignments = vec![pb::EmailImplicitRoleAssignment {
                domain: "acme.com".to_owned(),
                role_id: "stytch_member".to_owned(),
            }];
        },
        "rbac_email_implicit_role_assignments[0].role_id",
        "CANNOT_ASSIGN_DEFAULT_RBAC_ROLE_ID",
    ),
    (
        |r| r.set_oauth_tenant_jit_provisioning(pb::OauthTenantJitProvisioning::Restricted),
        "oauth_tenant_jit_provisioning",
        "INVALID_RESTRICTED_OAUTH_TENANTS_SETTING",
    ),
    (
        |r| r.allowed_oauth_tenants = Some(object(&json!({"google": ["a"]}))),
        "allowed_oauth_tenants",
        "INVALID_OAUTH_PROVIDER",
    ),
    (
        |r| r.allowed_first_party_connected_apps = vec!["app".to_owned()],
        "allowed_first_party_connected_apps[0]",
        "INVALID_ARGUMENT",
    ),
    (|r| r.telemetry_id = Some("a b".to_owned()), "telemetry_id", "INVALID_ARGUMENT"),
];

/// Everything that a call could leave behind.
async fn written(t: &Harness) -> Vec<i64> {
    let tables = [
        "organizations",
        "organization_names",
        "organization_domains",
        "organization_oauth_tenants",
        "members",
        "member_email_addresses",
        "sessions",
        "intermediate_session_receipts",
        "idempotency_records",
        "events",
    ];
    let mut counts = Vec::new();
    for table in tables {
        counts.push(t.count(table).await);
    }
    counts
}

async fn a_refused_request_leaves_the_token_as_it_was(t: Harness) {
    let clients = t.clients();
    clients.create(organization("Taken")).await.unwrap();
    let token = clients.token("ada@acme.com").await;
    let before =
        (written(&t).await, clients.inspect(&token).await.unwrap().into_inner().intermediate_session);
    for (change, field, reason) in FAULTS {
        let mut request = creation(&token);
        change(&mut request);
        let refusal = refused(clients.spend(request).await, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [(*field, *reason)]);
    }
    let used = Request { organization_slug: Some("taken".to_owned()), ..creation(&token) };
    refused(clients.spend(used.clone()).await, Code::AlreadyExists, "ORGANIZATION_SLUG_ALREADY_USED");
    let keyed = with_key(used, "a key");
    refused(clients.spend(keyed).await, Code::InvalidArgument, "INVALID_IDEMPOTENCY_KEY");
    let after = (written(&t).await, clients.inspect(&token).await.unwrap().into_inner().intermediate_session);
    assert_eq!(after, before);
    assert!(clients.spend(creation(&token)).await.unwrap().into_inner().member_authenticated);
}

async fn every_violation_is_reported_at_once(t: Harness) {
    let clients = t.clients();
    let request = Request {
        telemetry_id: Some(" ".to_owned()),
        organization_slug: Some("!".to_owned()),
        session_duration_minutes: Some(1),
        mfa_policy: Some(7),
        ..creation("not a token")
    };
    let refusal = refused(clients.spend(request).await, Code::InvalidArgument, "INVALID_SESSION_TOKEN");
    assert_eq!(
        refusal.violations(),
        [
            ("intermediate_session_token", "INVALID_SESSION_TOKEN"),
            ("session_duration_minutes", "INVALID_SESSION_DURATION_MINUTES"),
            ("organization_slug", "INVALID_ORGANIZATION_SLUG"),
            ("mfa_policy", "INVALID_ORGANIZATION_MFA_POLICY"),
            ("telemetry_id", "INVALID_ARGUMENT"),
        ]
    );
}

async fn a_refused_request_uses_up_no_idempotency_key(t: Harness) {
    let clients = t.clients();
    clients.create(organization("Taken")).await.unwrap();
    let token = clients.token("ada@acme.com").await;
    let named = |slug: &str| Request { organization_slug: Some(slug.to_owned()), ..creation(&token) };
    let refusal = clients.spend(with_key(named("taken"), "key")).await;
    refused(refusal, Code::AlreadyExists, "ORGANIZATION_SLUG_ALREADY_USED");
    let created = clients.spend(with_key(named("free"), "key")).await.unwrap().into_inner();
    assert_eq!(created.organization.unwrap().organization_slug, "free");
}

async fn a_claimed_domain_refuses_its_people_and_nobody_else(t: Harness) {
    let clients = t.clients();
    let claim = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["acme.com".to_owned(), "bücher.example".to_owned()],
        ..organization("Owner")
    };
    clients.create(claim).await.unwrap();
    let before = written(&t).await;
    let mut tokens = Vec::new();
    for address in ["ada@ACME.com", "ada@xn--bcher-kva.example", "ada@bücher。example"] {
        let token = clients.token(address).await;
        for request in
            [tonic::Request::new(creation(&token)), with_key(creation(&token), address_key(address))]
        {
            refused(
                clients.spend(request).await,
                Code::FailedPrecondition,
                "ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED",
            );
        }
        tokens.push(token);
    }
    assert_eq!(written(&t).await, before);
    // Another domain, whatever it looks like.
    for address in ["ada@mail.acme.com", "ada@notacme.com", "ada@acme.com.evil.io", "ada@acme.co"] {
        let token = clients.token(address).await;
        assert!(clients.spend(creation(&token)).await.is_ok(), "{address}");
    }
    t.execute("DELETE FROM organization_domains WHERE kind = 'claimed'").await;
    for token in tokens {
        assert!(clients.spend(creation(&token)).await.unwrap().into_inner().member_authenticated);
    }
}

/// A key of its own for each address; keys are ASCII.
fn address_key(address: &str) -> &'static str {
    if address.contains("ACME") {
        "one"
    } else if address.is_ascii() {
        "two"
    } else {
        "three"
    }
}

/// Where people may not create organizations, nothing is claimed: the token is free for another
/// call at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_can_refuse_all_creations() {
    let setup = Setup::postgres().await;
    let mut t = setup.with(|config| config.discovery_organization_creation = false).start().await;
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let entry = t.entry(&token).await;
    for request in [tonic::Request::new(creation(&token)), with_key(creation(&token), "key")] {
        refused(
            clients.spend(request).await,
            Code::FailedPrecondition,
            "DISCOVERY_ORGANIZATION_CREATION_DISABLED",
        );
    }
    // Faults of the request come first.
    refused(clients.spend(creation("")).await, Code::InvalidArgument, "INVALID_SESSION_TOKEN");
    assert_eq!(t.entry(&token).await, entry);
    assert_eq!(written(&t).await, vec![0; 10]);
    assert!(clients.add_factor(&token, magic_link()).await.is_ok());
    t.config.discovery_organization_creation = true;
    let elsewhere = t.replica().await;
    assert!(elsewhere.spend(with_key(creation(&token), "key")).await.is_ok());
}
