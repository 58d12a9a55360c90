//! Each field, invalid by itself. The rules of values are those of creation and tested there in full.

use serde_json::json;

use super::{Request, UUID, change, created, roles, texts, violates};
use crate::harness::fixtures::organization;
use crate::harness::json::object;
use crate::harness::members::mask;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_invalid_field_is_refused,
    an_invalid_connection_is_refused,
    everything_is_told_at_once_in_the_order_of_the_fields,
);

/// A change that makes a good request bad, the path of the field at fault, and the reason.
type Case = (fn(&mut Request), &'static str, &'static str);

const ENTRY: &str = "INVALID_ORGANIZATION_AUTH_FACTOR_SETTING";

const CASES: &[Case] = &[
    (|sent| sent.organization_name = Some("x".repeat(129)), "organization_name", "INVALID_ORGANIZATION_NAME"),
    (
        |sent| sent.organization_name = Some("Acme\u{202e}evil".to_owned()),
        "organization_name",
        "INVALID_ORGANIZATION_NAME",
    ),
    (|sent| sent.organization_slug = Some("a".to_owned()), "organization_slug", "INVALID_ORGANIZATION_SLUG"),
    (
        |sent| sent.organization_slug = Some(format!("organization-live-{UUID}11")),
        "organization_slug",
        "INVALID_ORGANIZATION_SLUG",
    ),
    (
        |sent| sent.organization_external_id = Some("a~b".to_owned()),
        "organization_external_id",
        "INVALID_ORGANIZATION_EXTERNAL_ID",
    ),
    (
        |sent| sent.organization_logo_url = Some("ftp://acme.com".to_owned()),
        "organization_logo_url",
        "INVALID_URL",
    ),
    (
        |sent| sent.organization_logo_url = Some(format!("https://acme.com/{}", "x".repeat(2032))),
        "organization_logo_url",
        "ORGANIZATION_LOGO_URL_TOO_LONG",
    ),
    (|sent| sent.sso_jit_provisioning = Some(9), "sso_jit_provisioning", ENTRY),
    (|sent| sent.email_jit_provisioning = Some(-1), "email_jit_provisioning", ENTRY),
    (|sent| sent.email_invites = Some(4), "email_invites", ENTRY),
    (|sent| sent.oauth_tenant_jit_provisioning = Some(3), "oauth_tenant_jit_provisioning", ENTRY),
    (|sent| sent.auth_methods = Some(3), "auth_methods", "INVALID_ORGANIZATION_AUTH_METHOD_SETTINGS"),
    (
        |sent| sent.allowed_auth_methods = texts(&["sso", "sso"]),
        "allowed_auth_methods[1]",
        "INVALID_ORGANIZATION_ALLOWED_AUTH_METHODS",
    ),
    (|sent| sent.mfa_policy = Some(3), "mfa_policy", "INVALID_ORGANIZATION_MFA_POLICY"),
    (|sent| sent.mfa_methods = Some(3), "mfa_methods", "INVALID_ORGANIZATION_MFA_FACTOR_SETTING"),
    (
        |sent| sent.allowed_mfa_methods = texts(&["webauthn"]),
        "allowed_mfa_methods[0]",
        "INVALID_ORGANIZATION_ALLOWED_MFA_METHODS",
    ),
    (
        |sent| sent.email_allowed_domains = texts(&["acme.com", "gmail.com"]),
        "email_allowed_domains[1]",
        "ORGANIZATION_SETTINGS_DOMAIN_TOO_COMMON",
    ),
    (
        |sent| sent.email_allowed_domains = texts(&["acme.com", "ACME.com"]),
        "email_allowed_domains[1]",
        "ORGANIZATION_SETTINGS_DUPLICATE_DOMAIN",
    ),
    (
        |sent| sent.claimed_email_domains = texts(&["co.uk"]),
        "claimed_email_domains[0]",
        "ORGANIZATION_SETTINGS_INVALID_CLAIMED_DOMAIN",
    ),
    (
        |sent| sent.claimed_email_domains = texts(&["acme.com", "acme.com"]),
        "claimed_email_domains[1]",
        "ORGANIZATION_SETTINGS_DUPLICATE_CLAIMED_DOMAIN",
    ),
    (
        |sent| sent.claimed_email_domains = (0..101).map(|number| format!("a{number}.com")).collect(),
        "claimed_email_domains",
        "TOO_MANY_DOMAINS",
    ),
    (
        |sent| sent.rbac_email_implicit_role_assignments = roles(&["acme.dev", "gmail.com"]),
        "rbac_email_implicit_role_assignments[1].domain",
        "RBAC_DOMAIN_TOO_COMMON",
    ),
    (
        |sent| sent.rbac_email_implicit_role_assignments = roles(&["acme.dev", "acme.dev"]),
        "rbac_email_implicit_role_assignments[1]",
        "INVALID_RBAC_ROLE_ASSIGNMENT",
    ),
    (
        |sent| sent.allowed_oauth_tenants = Some(object(json!({"google": ["T1"]}))),
        "allowed_oauth_tenants",
        "INVALID_OAUTH_PROVIDER",
    ),
    (
        |sent| sent.allowed_oauth_tenants = Some(object(json!({"slack": ["T1", "T1"]}))),
        "allowed_oauth_tenants.slack[1]",
        "INVALID_OAUTH_ALLOWED_TENANTS_FORMAT",
    ),
    (
        |sent| sent.first_party_connected_apps_allowed_type = Some(4),
        "first_party_connected_apps_allowed_type",
        "INVALID_ARGUMENT",
    ),
    (
        |sent| sent.allowed_third_party_connected_apps = texts(&["app"]),
        "allowed_third_party_connected_apps[0]",
        "INVALID_ARGUMENT",
    ),
];

async fn check(t: &Harness, cases: &[Case]) {
    let acme = created(t, super::super::everything()).await;
    for (spoil, path, reason) in cases {
        violates(t, change(&acme, spoil), &[(*path, *reason)]).await;
        // A mask that names the field changes nothing about that.
        let field = path.split(['.', '[']).next().unwrap();
        let masked = change(&acme, |sent| {
            spoil(sent);
            sent.update_mask = mask(&[field]);
        });
        violates(t, masked, &[(*path, *reason)]).await;
    }
}

async fn an_invalid_field_is_refused(t: Harness) {
    check(&t, CASES).await;
}

async fn an_invalid_connection_is_refused(t: Harness) {
    const DEFAULT: (&str, &str) = ("sso_default_connection_id", "INVALID_SSO_DEFAULT_CONNECTION_ID");
    const LIST: &str = "sso_jit_provisioning_allowed_connections";
    const REASON: &str = "INVALID_CONNECTION_FOR_JIT_PROVISIONING";
    let acme = created(&t, organization("Acme")).await;
    let bad = [
        "saml".to_owned(),
        format!("saml-connection-live-{UUID}11"),
        format!("saml-connection-test-{UUID}1"),
        format!("SAML-connection-test-{UUID}11"),
        format!("scim-connection-test-{UUID}11"),
        format!(" oidc-connection-test-{UUID}11"),
        format!("connected-app-test-{UUID}11"),
    ];
    let good = format!("external-connection-test-{UUID}11");
    for id in bad {
        let default = change(&acme, |sent| sent.sso_default_connection_id = Some(id.clone()));
        violates(&t, default, &[DEFAULT]).await;
        let list = change(&acme, |sent| {
            sent.sso_jit_provisioning_allowed_connections = vec![good.clone(), id];
        });
        violates(&t, list, &[(format!("{LIST}[1]").as_str(), REASON)]).await;
    }
    for list in [vec![String::new(), good.clone()], vec![good.clone(), good.clone()]] {
        let at = usize::from(list[0] == good);
        let request = change(&acme, |sent| sent.sso_jit_provisioning_allowed_connections = list);
        violates(&t, request, &[(format!("{LIST}[{at}]").as_str(), REASON)]).await;
    }
    let many = |count: u16| {
        let id = |number| format!("oidc-connection-test-01890a5d-ac96-774b-bcce-b302099a{number:04}");
        change(&acme, |sent| sent.sso_jit_provisioning_allowed_connections = (0..count).map(id).collect())
    };
    violates(&t, many(101), &[(LIST, REASON)]).await;
    let after = super::updated(&t, many(100)).await;
    assert_eq!(after.sso_jit_provisioning_allowed_connections.len(), 100);
}

async fn everything_is_told_at_once_in_the_order_of_the_fields(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    created(&t, super::super::everything()).await;
    let broken = change(&acme, |sent| {
        sent.allowed_mfa_methods = texts(&["?"]);
        sent.mfa_policy = Some(9);
        sent.sso_jit_provisioning_allowed_connections = texts(&["?"]);
        sent.sso_default_connection_id = Some("?".to_owned());
        sent.organization_external_id = Some("?".to_owned());
        sent.organization_slug = Some("Acme.Corp_1~x-Y".to_owned());
        sent.organization_name = Some("\n".to_owned());
        // Not judged before each is right by itself.
        sent.auth_methods = Some(2);
        sent.etag = Some("stale".to_owned());
    });
    let expected = [
        ("organization_name", "INVALID_ORGANIZATION_NAME"),
        ("organization_external_id", "INVALID_ORGANIZATION_EXTERNAL_ID"),
        ("sso_default_connection_id", "INVALID_SSO_DEFAULT_CONNECTION_ID"),
        ("sso_jit_provisioning_allowed_connections[0]", "INVALID_CONNECTION_FOR_JIT_PROVISIONING"),
        ("mfa_policy", "INVALID_ORGANIZATION_MFA_POLICY"),
        ("allowed_mfa_methods[0]", "INVALID_ORGANIZATION_ALLOWED_MFA_METHODS"),
    ];
    violates(&t, broken, &expected).await;
}
