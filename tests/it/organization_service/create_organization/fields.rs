//! Each field, invalid by itself.

use prost_types::value::Kind;
use prost_types::{Struct, Value as ProtoValue};
use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::rows_written;
use crate::harness::fixtures::{organization, with_key};
use crate::harness::json::{field, kind, object};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_invalid_name_slug_or_external_id_is_refused,
    an_invalid_logo_or_metadata_is_refused,
    an_unknown_number_or_word_is_refused,
    an_invalid_domain_is_refused,
    an_invalid_role_assignment_is_refused,
    an_invalid_tenant_or_app_is_refused,
    the_largest_of_everything_is_accepted,
);

type Request = pb::CreateOrganizationRequest;

/// A change that makes a good request bad, the path of the field at fault, and the reason.
type Case = (fn(&mut Request), &'static str, &'static str);

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Asserts that each change has its one violation, and that nothing was written.
async fn check(t: &Harness, cases: &[Case]) {
    for (number, (change, path, reason)) in cases.iter().enumerate() {
        let mut request = organization("Acme");
        change(&mut request);
        let what = format!("case {number}: {request:?}");
        let answer = t.clients().create(with_key(request, &format!("key-{number}"))).await;
        assert!(answer.is_err(), "{what}");
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [(*path, *reason)], "{what}");
        assert_eq!(refusal.metadata["http_status"], "400");
    }
    assert_eq!(rows_written(t).await, [0; 6]);
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn an_invalid_name_slug_or_external_id_is_refused(t: Harness) {
    const NAME: &str = "organization_name";
    const SLUG: &str = "organization_slug";
    const EXTERNAL_ID: &str = "organization_external_id";
    const BAD_NAME: &str = "INVALID_ORGANIZATION_NAME";
    const BAD_SLUG: &str = "INVALID_ORGANIZATION_SLUG";
    const BAD_EXTERNAL_ID: &str = "INVALID_ORGANIZATION_EXTERNAL_ID";
    check(
        &t,
        &[
            (|sent| sent.organization_name = None, NAME, "ORGANIZATION_NAME_MISSING"),
            (|sent| sent.organization_name = Some(String::new()), NAME, "ORGANIZATION_NAME_MISSING"),
            (|sent| sent.organization_name = Some("   ".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("\u{2003}\u{3000}".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("x".repeat(129)), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("é".repeat(129)), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("Ac\0me".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("Ac\nme".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("Ac\u{7f}me".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("Ac\u{85}me".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("Acme\u{202e}evil".into()), NAME, BAD_NAME),
            (|sent| sent.organization_name = Some("Acme\u{2066}evil".into()), NAME, BAD_NAME),
            (|sent| sent.organization_slug = Some(String::new()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("a".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("a".repeat(129)), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("a b".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("a/b".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("a|b".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("ab\n".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("äcme".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some("-._~".into()), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some(format!("organization-test-{ID}")), SLUG, BAD_SLUG),
            (|sent| sent.organization_slug = Some(format!("organization-live-{ID}")), SLUG, BAD_SLUG),
            (
                |sent| sent.organization_slug = Some(format!("Organization-TEST-{}", ID.to_uppercase())),
                SLUG,
                BAD_SLUG,
            ),
            (
                |sent| {
                    sent.organization_slug = Some(format!("organization-test-{}", ID.replace('-', "")));
                },
                SLUG,
                BAD_SLUG,
            ),
            (|sent| sent.organization_external_id = Some(String::new()), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (|sent| sent.organization_external_id = Some("a".repeat(129)), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (|sent| sent.organization_external_id = Some("a~b".into()), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (|sent| sent.organization_external_id = Some("a b".into()), EXTERNAL_ID, BAD_EXTERNAL_ID),
            (
                |sent| sent.organization_external_id = Some(format!("organization-live-{ID}")),
                EXTERNAL_ID,
                BAD_EXTERNAL_ID,
            ),
        ],
    )
    .await;
}

async fn an_invalid_logo_or_metadata_is_refused(t: Harness) {
    const LOGO: &str = "organization_logo_url";
    const METADATA: &str = "trusted_metadata";
    const FORMAT: &str = "METADATA_INVALID_FORMAT";
    fn number(number: f64) -> Option<Struct> {
        Some(field("key", kind(Kind::NumberValue(number))))
    }
    check(
        &t,
        &[
            (
                |sent| sent.organization_logo_url = Some(format!("https://acme.com/{}", "x".repeat(2032))),
                LOGO,
                "ORGANIZATION_LOGO_URL_TOO_LONG",
            ),
            (|sent| sent.organization_logo_url = Some("logo.png".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("//acme.com/logo".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("ftp://acme.com/logo".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("javascript:alert(1)".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("data:image/png;base64,".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("https://".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some(" https://acme.com".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("https://acme.com/\n".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("https://acme.com/a b".into()), LOGO, "INVALID_URL"),
            (|sent| sent.organization_logo_url = Some("java\tscript:x".into()), LOGO, "INVALID_URL"),
            (
                |sent| {
                    let keys = (0..21).map(|number| (format!("key {number}"), json!(1))).collect();
                    sent.trusted_metadata = Some(object(serde_json::Value::Object(keys)));
                },
                METADATA,
                "METADATA_TOO_MANY_KEYS",
            ),
            // {"k":"..."} has eight bytes around the text.
            (
                |sent| sent.trusted_metadata = Some(object(json!({"k": "x".repeat(4089)}))),
                METADATA,
                "METADATA_TOO_LARGE",
            ),
            (
                |sent| sent.trusted_metadata = Some(object(json!({"k": "é".repeat(2045)}))),
                METADATA,
                "METADATA_TOO_LARGE",
            ),
            (|sent| sent.trusted_metadata = number(f64::NAN), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = number(f64::INFINITY), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = number(f64::NEG_INFINITY), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = Some(object(json!({"key": "a\0b"}))), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = Some(object(json!({"a\0b": 1}))), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = Some(object(json!({"k": [{"a": ["\0"]}]}))), METADATA, FORMAT),
            (|sent| sent.trusted_metadata = Some(field("key", ProtoValue { kind: None })), METADATA, FORMAT),
        ],
    )
    .await;
}

async fn an_unknown_number_or_word_is_refused(t: Harness) {
    const ENTRY: &str = "INVALID_ORGANIZATION_AUTH_FACTOR_SETTING";
    const AUTH: &str = "INVALID_ORGANIZATION_ALLOWED_AUTH_METHODS";
    const MFA: &str = "INVALID_ORGANIZATION_ALLOWED_MFA_METHODS";
    const OTHER: &str = "INVALID_ARGUMENT";
    check(
        &t,
        &[
            (|sent| sent.sso_jit_provisioning = Some(4), "sso_jit_provisioning", ENTRY),
            (|sent| sent.email_jit_provisioning = Some(3), "email_jit_provisioning", ENTRY),
            (|sent| sent.email_invites = Some(-1), "email_invites", ENTRY),
            (|sent| sent.auth_methods = Some(3), "auth_methods", "INVALID_ORGANIZATION_AUTH_METHOD_SETTINGS"),
            (|sent| sent.mfa_policy = Some(3), "mfa_policy", "INVALID_ORGANIZATION_MFA_POLICY"),
            (
                |sent| sent.mfa_methods = Some(i32::MAX),
                "mfa_methods",
                "INVALID_ORGANIZATION_MFA_FACTOR_SETTING",
            ),
            (|sent| sent.oauth_tenant_jit_provisioning = Some(3), "oauth_tenant_jit_provisioning", ENTRY),
            (
                |sent| sent.first_party_connected_apps_allowed_type = Some(4),
                "first_party_connected_apps_allowed_type",
                OTHER,
            ),
            (
                |sent| sent.third_party_connected_apps_allowed_type = Some(i32::MIN),
                "third_party_connected_apps_allowed_type",
                OTHER,
            ),
            (|sent| sent.allowed_auth_methods = texts(&["sso", "sms"]), "allowed_auth_methods[1]", AUTH),
            (|sent| sent.allowed_auth_methods = texts(&["SSO"]), "allowed_auth_methods[0]", AUTH),
            (|sent| sent.allowed_auth_methods = texts(&["sso", "sso"]), "allowed_auth_methods[1]", AUTH),
            (|sent| sent.allowed_mfa_methods = texts(&["webauthn"]), "allowed_mfa_methods[0]", MFA),
            (|sent| sent.allowed_mfa_methods = texts(&["totp", "totp"]), "allowed_mfa_methods[1]", MFA),
        ],
    )
    .await;
    for field in ["email_jit_provisioning", "oauth_tenant_jit_provisioning"] {
        let mut request = organization("Acme");
        match field {
            "email_jit_provisioning" => request.email_jit_provisioning = Some(9),
            _ => request.oauth_tenant_jit_provisioning = Some(9),
        }
        let refusal = refused(t.clients().create(request).await, Code::InvalidArgument, ENTRY);
        let published = format!("invalid_organization_auth_factor_setting_for_{field}");
        assert_eq!(refusal.metadata["error_type"], published);
    }
}

async fn an_invalid_domain_is_refused(t: Harness) {
    const MALFORMED: [&str; 13] = [
        "",
        "acme",
        "acme .com",
        "acme..com",
        ".acme.com",
        "-acme.com",
        "acme_corp.com",
        "@acme.com",
        "ada@acme.com",
        "https://acme.com",
        "192.0.2.1",
        "ac\u{200d}me.com",
        "аcme.com",
    ];
    const CASES: [(&[&str], usize, &str); 11] = [
        (&["co.uk"], 0, "INVALID"),
        (&["acme.com", "github.io"], 1, "INVALID"),
        (&["acme.com", "acme.com"], 1, "DUPLICATE"),
        (&["acme.com", "ACME.com."], 1, "DUPLICATE"),
        (&["acme.com", "acme．com"], 1, "DUPLICATE"),
        (&["bücher.de", "xn--bcher-kva.de"], 1, "DUPLICATE"),
        (&["gmail.com"], 0, "COMMON"),
        (&["GMAIL.com."], 0, "COMMON"),
        (&["acme.com", "yahoo.co.uk"], 1, "COMMON"),
        (&["mail.gmx.net"], 0, "COMMON"),
        (&["acme.com", "mailinator.com"], 1, "DISPOSABLE"),
    ];
    let malformed = MALFORMED.iter().map(|domain| (vec![*domain], 0, "INVALID"));
    let cases = CASES.into_iter().map(|(domains, index, rule)| (domains.to_vec(), index, rule));
    for (domains, index, rule) in malformed.chain(cases) {
        for list in ["email_allowed_domains", "claimed_email_domains"] {
            let mut request = organization("Acme");
            let reason = match list {
                "email_allowed_domains" => {
                    request.email_allowed_domains = texts(&domains);
                    match rule {
                        "INVALID" => "ORGANIZATION_SETTINGS_INVALID_DOMAIN",
                        "DUPLICATE" => "ORGANIZATION_SETTINGS_DUPLICATE_DOMAIN",
                        "COMMON" => "ORGANIZATION_SETTINGS_DOMAIN_TOO_COMMON",
                        _ => "ORGANIZATION_SETTINGS_DISPOSABLE_DOMAIN",
                    }
                }
                _ => {
                    request.claimed_email_domains = texts(&domains);
                    match rule {
                        "INVALID" => "ORGANIZATION_SETTINGS_INVALID_CLAIMED_DOMAIN",
                        "DUPLICATE" => "ORGANIZATION_SETTINGS_DUPLICATE_CLAIMED_DOMAIN",
                        "COMMON" => "ORGANIZATION_SETTINGS_CLAIMED_DOMAIN_TOO_COMMON",
                        _ => "ORGANIZATION_SETTINGS_DISPOSABLE_DOMAIN",
                    }
                }
            };
            let answer = t.clients().create(request).await;
            assert!(answer.is_err(), "{list}: {domains:?}");
            let refusal = refused(answer, Code::InvalidArgument, reason);
            assert_eq!(refusal.violations(), [(format!("{list}[{index}]").as_str(), reason)]);
        }
    }
    let many = || (0..101).map(|number| format!("acme-{number}.com")).collect::<Vec<_>>();
    let mut request = organization("Acme");
    (request.email_allowed_domains, request.claimed_email_domains) = (many(), many());
    let refusal = refused(t.clients().create(request).await, Code::InvalidArgument, "TOO_MANY_DOMAINS");
    let expected =
        [("email_allowed_domains", "TOO_MANY_DOMAINS"), ("claimed_email_domains", "TOO_MANY_DOMAINS")];
    assert_eq!(refusal.violations(), expected);
    assert_eq!(rows_written(&t).await, [0; 6]);
}

fn roles(roles: &[(&str, &str)]) -> Vec<pb::EmailImplicitRoleAssignment> {
    let assignment = |(domain, role_id): &(&str, &str)| pb::EmailImplicitRoleAssignment {
        domain: (*domain).to_owned(),
        role_id: (*role_id).to_owned(),
    };
    roles.iter().map(assignment).collect()
}

async fn an_invalid_role_assignment_is_refused(t: Harness) {
    const ADMIN: &str = "stytch_admin";
    check(
        &t,
        &[
            (
                |sent| sent.rbac_email_implicit_role_assignments = roles(&[("acme", ADMIN)]),
                "rbac_email_implicit_role_assignments[0].domain",
                "RBAC_INVALID_DOMAIN",
            ),
            (
                |sent| sent.rbac_email_implicit_role_assignments = roles(&[("", ADMIN)]),
                "rbac_email_implicit_role_assignments[0].domain",
                "RBAC_INVALID_DOMAIN",
            ),
            (
                |sent| sent.rbac_email_implicit_role_assignments = roles(&[("co.uk", ADMIN)]),
                "rbac_email_implicit_role_assignments[0].domain",
                "RBAC_INVALID_DOMAIN",
            ),
            (
                |sent| {
                    sent.rbac_email_implicit_role_assignments =
                        roles(&[("acme.com", ADMIN), ("yahoo.co.uk", ADMIN)]);
                },
                "rbac_email_implicit_role_assignments[1].domain",
                "RBAC_DOMAIN_TOO_COMMON",
            ),
            (
                |sent| sent.rbac_email_implicit_role_assignments = roles(&[("acme.com", "stytch_member")]),
                "rbac_email_implicit_role_assignments[0].role_id",
                "CANNOT_ASSIGN_DEFAULT_RBAC_ROLE_ID",
            ),
            (
                |sent| sent.rbac_email_implicit_role_assignments = roles(&[("acme.com", "Stytch_Admin")]),
                "rbac_email_implicit_role_assignments[0].role_id",
                "INVALID_RBAC_ROLE_ID",
            ),
            (
                |sent| sent.rbac_email_implicit_role_assignments = roles(&[("acme.com", "")]),
                "rbac_email_implicit_role_assignments[0].role_id",
                "INVALID_RBAC_ROLE_ID",
            ),
            (
                |sent| {
                    sent.rbac_email_implicit_role_assignments =
                        roles(&[("acme.com", ADMIN), ("ACME.com.", ADMIN)]);
                },
                "rbac_email_implicit_role_assignments[1]",
                "INVALID_RBAC_ROLE_ASSIGNMENT",
            ),
            (
                |sent| sent.rbac_email_implicit_role_assignments = roles(&[("acme.com", ADMIN); 101]),
                "rbac_email_implicit_role_assignments",
                "INVALID_RBAC_ROLE_ASSIGNMENT",
            ),
        ],
    )
    .await;
}

async fn an_invalid_tenant_or_app_is_refused(t: Harness) {
    const FORMAT: &str = "INVALID_OAUTH_ALLOWED_TENANTS_FORMAT";
    const TENANTS: &str = "allowed_oauth_tenants";
    const SLACK: &str = "allowed_oauth_tenants.slack[0]";
    const APP: &str = "allowed_first_party_connected_apps[0]";
    const OTHER: &str = "INVALID_ARGUMENT";
    fn tenants(tenants: serde_json::Value) -> Option<Struct> {
        Some(object(tenants))
    }
    fn app(environment: &str, id: &str) -> String {
        format!("connected-app-{environment}-{id}")
    }
    check(
        &t,
        &[
            (
                |sent| sent.allowed_oauth_tenants = tenants(json!({"gitlab": []})),
                TENANTS,
                "INVALID_OAUTH_PROVIDER",
            ),
            (
                |sent| sent.allowed_oauth_tenants = tenants(json!({"Slack": ["T1"]})),
                TENANTS,
                "INVALID_OAUTH_PROVIDER",
            ),
            (
                |sent| sent.allowed_oauth_tenants = tenants(json!({"slack": "T1"})),
                "allowed_oauth_tenants.slack",
                FORMAT,
            ),
            (
                |sent| sent.allowed_oauth_tenants = Some(field("github", ProtoValue { kind: None })),
                "allowed_oauth_tenants.github",
                FORMAT,
            ),
            (|sent| sent.allowed_oauth_tenants = tenants(json!({"slack": [1]})), SLACK, FORMAT),
            (|sent| sent.allowed_oauth_tenants = tenants(json!({"slack": [""]})), SLACK, FORMAT),
            (|sent| sent.allowed_oauth_tenants = tenants(json!({"slack": [null]})), SLACK, FORMAT),
            (|sent| sent.allowed_oauth_tenants = tenants(json!({"slack": ["a\0"]})), SLACK, FORMAT),
            (|sent| sent.allowed_oauth_tenants = tenants(json!({"slack": ["x".repeat(256)]})), SLACK, FORMAT),
            (
                |sent| sent.allowed_oauth_tenants = tenants(json!({"slack": ["T1"], "hubspot": ["1", "1"]})),
                "allowed_oauth_tenants.hubspot[1]",
                FORMAT,
            ),
            (
                |sent| {
                    let ids: Vec<_> = (0..101).map(|number| format!("T{number}")).collect();
                    sent.allowed_oauth_tenants = tenants(json!({"slack": ids[..50], "github": ids[50..]}));
                },
                TENANTS,
                FORMAT,
            ),
            (|sent| sent.allowed_first_party_connected_apps = texts(&["x"]), APP, OTHER),
            (|sent| sent.allowed_first_party_connected_apps = vec![app("live", ID)], APP, OTHER),
            (|sent| sent.allowed_first_party_connected_apps = vec![app("test", "1")], APP, OTHER),
            (
                |sent| sent.allowed_first_party_connected_apps = vec![app("test", &ID.to_uppercase())],
                APP,
                OTHER,
            ),
            (
                |sent| sent.allowed_third_party_connected_apps = vec![app("test", ID); 2],
                "allowed_third_party_connected_apps[1]",
                OTHER,
            ),
            (
                |sent| sent.allowed_third_party_connected_apps = vec![app("test", ID); 101],
                "allowed_third_party_connected_apps",
                OTHER,
            ),
        ],
    )
    .await;
}

async fn the_largest_of_everything_is_accepted(t: Harness) {
    let ids: Vec<_> = (0..100).map(|number| format!("{number:0>255}")).collect();
    let domains: Vec<_> = (0..100).map(|number| format!("acme-{number}.com")).collect();
    let app = |number| format!("connected-app-test-01890a5d-ac96-774b-bcce-b302099a8{number:03}");
    let apps: Vec<_> = (0..100).map(app).collect();
    let request = Request {
        organization_name: Some("\u{1f3db}".repeat(128)),
        organization_slug: Some("s".repeat(128)),
        organization_external_id: Some("|".repeat(128)),
        organization_logo_url: Some(format!("https://acme.com/{}", "x".repeat(2031))),
        trusted_metadata: Some(object(json!({"k": "x".repeat(4088)}))),
        email_allowed_domains: domains.clone(),
        claimed_email_domains: domains.clone(),
        rbac_email_implicit_role_assignments: domains
            .iter()
            .flat_map(|domain| roles(&[(domain, "stytch_admin")]))
            .collect(),
        allowed_oauth_tenants: Some(object(json!({"slack": ids[..50], "github": ids[50..]}))),
        allowed_first_party_connected_apps: apps.clone(),
        allowed_third_party_connected_apps: apps.clone(),
        ..Request::default()
    };
    let organization = super::created(&t, request.clone()).await;
    assert_eq!(organization.email_allowed_domains, domains);
    assert_eq!(organization.claimed_email_domains, domains);
    assert_eq!(organization.trusted_metadata, request.trusted_metadata);
    assert_eq!(organization.allowed_oauth_tenants, request.allowed_oauth_tenants);
    assert_eq!(organization.allowed_third_party_connected_apps, apps);
    let shortest = Request {
        organization_name: Some("A".to_owned()),
        organization_slug: Some("~0".to_owned()),
        organization_external_id: Some(".".to_owned()),
        ..Request::default()
    };
    super::created(&t, shortest).await;
}
