//! Lists: their entries, and how many there may be.

use prost_types::Value as ProtoValue;
use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::fields::{ID, Request, check, nested, texts};
use super::rows_written;
use crate::harness::fixtures::organization;
use crate::harness::json::{field, object};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_invalid_domain_is_refused,
    an_invalid_role_assignment_is_refused,
    an_invalid_tenant_is_refused,
    an_invalid_app_is_refused,
    the_most_of_everything_is_accepted,
    a_flood_of_mistakes_is_answered,
);

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
            let claimed = if list == "claimed_email_domains" {
                request.claimed_email_domains = texts(&domains);
                "CLAIMED_"
            } else {
                request.email_allowed_domains = texts(&domains);
                ""
            };
            let reason = match rule {
                "INVALID" => format!("ORGANIZATION_SETTINGS_INVALID_{claimed}DOMAIN"),
                "DUPLICATE" => format!("ORGANIZATION_SETTINGS_DUPLICATE_{claimed}DOMAIN"),
                "COMMON" => format!("ORGANIZATION_SETTINGS_{claimed}DOMAIN_TOO_COMMON"),
                _ => "ORGANIZATION_SETTINGS_DISPOSABLE_DOMAIN".to_owned(),
            };
            let answer = t.clients().create(request).await;
            assert!(answer.is_err(), "{list}: {domains:?}");
            let refusal = refused(answer, Code::InvalidArgument, &reason);
            assert_eq!(refusal.violations(), [(format!("{list}[{index}]").as_str(), reason.as_str())]);
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

async fn an_invalid_tenant_is_refused(t: Harness) {
    const FORMAT: &str = "INVALID_OAUTH_ALLOWED_TENANTS_FORMAT";
    const TENANTS: &str = "allowed_oauth_tenants";
    const SLACK: &str = "allowed_oauth_tenants.slack[0]";
    check(
        &t,
        &[
            (
                |sent| sent.allowed_oauth_tenants = Some(object(json!({"gitlab": []}))),
                TENANTS,
                "INVALID_OAUTH_PROVIDER",
            ),
            (
                |sent| sent.allowed_oauth_tenants = Some(object(json!({"Slack": ["T1"]}))),
                TENANTS,
                "INVALID_OAUTH_PROVIDER",
            ),
            (
                |sent| sent.allowed_oauth_tenants = Some(object(json!({"slack": "T1"}))),
                "allowed_oauth_tenants.slack",
                FORMAT,
            ),
            (
                |sent| sent.allowed_oauth_tenants = Some(field("github", ProtoValue { kind: None })),
                "allowed_oauth_tenants.github",
                FORMAT,
            ),
            (|sent| sent.allowed_oauth_tenants = Some(object(json!({"slack": [1]}))), SLACK, FORMAT),
            (|sent| sent.allowed_oauth_tenants = Some(object(json!({"slack": [""]}))), SLACK, FORMAT),
            (|sent| sent.allowed_oauth_tenants = Some(object(json!({"slack": [null]}))), SLACK, FORMAT),
            (|sent| sent.allowed_oauth_tenants = Some(object(json!({"slack": ["a\0"]}))), SLACK, FORMAT),
            (
                |sent| sent.allowed_oauth_tenants = Some(object(json!({"slack": ["x".repeat(256)]}))),
                SLACK,
                FORMAT,
            ),
            (
                |sent| {
                    sent.allowed_oauth_tenants =
                        Some(object(json!({"slack": ["T1"], "hubspot": ["1", "1"]})));
                },
                "allowed_oauth_tenants.hubspot[1]",
                FORMAT,
            ),
            (
                |sent| {
                    let ids: Vec<_> = (0..101).map(|number| format!("T{number}")).collect();
                    sent.allowed_oauth_tenants =
                        Some(object(json!({"slack": ids[..50], "github": ids[50..]})));
                },
                TENANTS,
                FORMAT,
            ),
        ],
    )
    .await;
}

async fn an_invalid_app_is_refused(t: Harness) {
    const APP: &str = "allowed_first_party_connected_apps[0]";
    const OTHER: &str = "INVALID_ARGUMENT";
    fn app(environment: &str, id: &str) -> String {
        format!("connected-app-{environment}-{id}")
    }
    check(
        &t,
        &[
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

async fn the_most_of_everything_is_accepted(t: Harness) {
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
        trusted_metadata: Some(nested(30, 0)),
        ..Request::default()
    };
    super::created(&t, shortest).await;
}

/// Details travel in a header, which has a limit; and looking at a list must not take for ever.
async fn a_flood_of_mistakes_is_answered(t: Harness) {
    let clients = t.clients();
    let bad =
        |count: usize| (0..count).map(|number| format!("-{number}.{}", "x".repeat(60))).collect::<Vec<_>>();
    let request = pb::CreateOrganizationRequest {
        email_allowed_domains: bad(100),
        claimed_email_domains: bad(100),
        allowed_auth_methods: bad(100),
        allowed_first_party_connected_apps: bad(100),
        ..organization("Acme")
    };
    let refusal =
        refused(clients.create(request).await, Code::InvalidArgument, "ORGANIZATION_SETTINGS_INVALID_DOMAIN");
    assert!(!refusal.fields.is_empty() && refusal.fields.len() < 400, "{}", refusal.fields.len());
    let told = format!("the request breaks 400 rules; the first {} are told", refusal.fields.len());
    assert_eq!(refusal.message, told);
    let ids: Vec<_> = (0..150_000).map(|number| format!("T{number}")).collect();
    let request = pb::CreateOrganizationRequest {
        allowed_oauth_tenants: Some(object(json!({"slack": ids}))),
        ..organization("Acme")
    };
    refused(clients.create(request).await, Code::InvalidArgument, "INVALID_OAUTH_ALLOWED_TENANTS_FORMAT");
    let request = pb::CreateOrganizationRequest {
        allowed_auth_methods: vec![String::new(); 1_000_000],
        ..organization("Acme")
    };
    refused(
        clients.create(request).await,
        Code::InvalidArgument,
        "INVALID_ORGANIZATION_ALLOWED_AUTH_METHODS",
    );
}
