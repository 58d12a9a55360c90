//! What `update_mask` does.

use serde_json::json;
use vestibule::pb;

use super::{
    Request, change, changed, created, every_field, keep_all, roles, send_all, texts, updated, violates,
};
use crate::harness::fixtures::organization;
use crate::harness::json::object;
use crate::harness::members::mask;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    what_the_mask_does_not_name_is_ignored,
    an_empty_mask_is_none,
    metadata_that_is_named_and_not_sent_stays,
    what_can_be_empty_becomes_empty_when_it_is_not_sent,
    what_can_be_empty_becomes_empty_when_it_is_sent_empty,
    what_cannot_be_empty_is_refused_when_it_is_not_sent,
    only_fields_can_be_named,
    without_a_mask_an_empty_list_is_not_sent,
);

/// An organization with something in everything that can be empty, and no setting that needs it.
async fn filled(t: &Harness) -> pb::Organization {
    let open = pb::CreateOrganizationRequest {
        sso_jit_provisioning: None,
        email_jit_provisioning: None,
        email_invites: Some(pb::EmailInvites::AllAllowed.into()),
        auth_methods: None,
        mfa_methods: None,
        oauth_tenant_jit_provisioning: None,
        ..super::super::everything()
    };
    let organization = created(t, open).await;
    let connections = change(&organization, |sent| {
        sent.sso_default_connection_id = Some(format!("saml-connection-test-{}11", super::UUID));
        sent.sso_jit_provisioning_allowed_connections =
            vec![format!("oidc-connection-test-{}12", super::UUID)];
    });
    updated(t, connections).await
}

/// What can be empty: the name, what sends it empty, and what the organization is then.
fn clearable() -> Vec<super::Field> {
    use super::field;
    vec![
        field(
            "organization_external_id",
            |sent| sent.organization_external_id = None,
            |kept| kept.organization_external_id = None,
        ),
        field(
            "organization_logo_url",
            |sent| sent.organization_logo_url = Some(String::new()),
            |kept| kept.organization_logo_url.clear(),
        ),
        field(
            "sso_default_connection_id",
            |sent| sent.sso_default_connection_id = Some(String::new()),
            |kept| kept.sso_default_connection_id = None,
        ),
        field(
            "allowed_oauth_tenants",
            |sent| sent.allowed_oauth_tenants = Some(object(json!({}))),
            |kept| kept.allowed_oauth_tenants = Some(object(json!({}))),
        ),
        field(
            "sso_jit_provisioning_allowed_connections",
            |_| (),
            |kept| kept.sso_jit_provisioning_allowed_connections.clear(),
        ),
        field("email_allowed_domains", |_| (), |kept| kept.email_allowed_domains.clear()),
        field("allowed_auth_methods", |_| (), |kept| kept.allowed_auth_methods.clear()),
        field("allowed_mfa_methods", |_| (), |kept| kept.allowed_mfa_methods.clear()),
        field(
            "rbac_email_implicit_role_assignments",
            |_| (),
            |kept| kept.rbac_email_implicit_role_assignments.clear(),
        ),
        field("claimed_email_domains", |_| (), |kept| kept.claimed_email_domains.clear()),
        field(
            "allowed_first_party_connected_apps",
            |_| (),
            |kept| kept.allowed_first_party_connected_apps.clear(),
        ),
        field(
            "allowed_third_party_connected_apps",
            |_| (),
            |kept| kept.allowed_third_party_connected_apps.clear(),
        ),
    ]
}

async fn what_the_mask_does_not_name_is_ignored(t: Harness) {
    let mut before = created(&t, super::super::everything()).await;
    for (name, _, keep) in every_field() {
        let request = change(&before, |sent| {
            send_all(&every_field(), sent);
            sent.update_mask = mask(&[name]);
        });
        let after = updated(&t, request).await;
        let mut expected = changed(&t, &before, &after.etag);
        keep(&mut expected);
        assert_eq!(after, expected, "{name}");
        before = after;
    }
    // Not even looked at.
    let request = change(&before, |sent| {
        sent.organization_name = Some("Acme".to_owned());
        sent.organization_slug = Some("?".to_owned());
        sent.email_allowed_domains = texts(&["?"; 101]);
        sent.mfa_policy = Some(9);
        sent.trusted_metadata = Some(object(json!({"k": "x".repeat(5000)})));
        sent.update_mask = mask(&["organization_name", "organization_name"]);
    });
    let after = updated(&t, request).await;
    let expected =
        pb::Organization { organization_name: "Acme".to_owned(), ..changed(&t, &before, &after.etag) };
    assert_eq!(after, expected);
}

async fn an_empty_mask_is_none(t: Harness) {
    let before = created(&t, super::super::everything()).await;
    let nothing = change(&before, |sent| sent.update_mask = mask(&[]));
    let rows = super::super::counts(&t).await;
    assert_eq!(updated(&t, nothing).await, before);
    assert_eq!(super::super::counts(&t).await, rows);
    let request = change(&before, |sent| {
        send_all(&every_field(), sent);
        sent.update_mask = mask(&[]);
    });
    let after = updated(&t, request).await;
    let mut expected = changed(&t, &before, &after.etag);
    keep_all(&every_field(), &mut expected);
    assert_eq!(after, expected);
}

async fn metadata_that_is_named_and_not_sent_stays(t: Harness) {
    let before = created(&t, super::super::everything()).await;
    let request = change(&before, |sent| sent.update_mask = mask(&["trusted_metadata"]));
    assert_eq!(updated(&t, request).await, before);
}

async fn what_can_be_empty_becomes_empty_when_it_is_not_sent(t: Harness) {
    let mut before = filled(&t).await;
    for (name, _, keep) in clearable() {
        let after = updated(&t, change(&before, |sent| sent.update_mask = mask(&[name]))).await;
        let mut expected = changed(&t, &before, &after.etag);
        keep(&mut expected);
        assert_eq!(after, expected, "{name}");
        // What is empty stays as it is.
        assert_eq!(updated(&t, change(&after, |sent| sent.update_mask = mask(&[name]))).await, after);
        before = after;
    }
    // Names and domains are free again, at once.
    let heir = pb::CreateOrganizationRequest { organization_slug: None, ..super::super::everything() };
    created(&t, heir).await;
}

async fn what_can_be_empty_becomes_empty_when_it_is_sent_empty(t: Harness) {
    let before = filled(&t).await;
    let names: Vec<_> = clearable().iter().map(|(name, ..)| *name).collect();
    let request = change(&before, |sent| {
        send_all(&clearable(), sent);
        sent.update_mask = mask(&names);
    });
    let after = updated(&t, request).await;
    let mut expected = changed(&t, &before, &after.etag);
    keep_all(&clearable(), &mut expected);
    assert_eq!(after, expected);
}

async fn what_cannot_be_empty_is_refused_when_it_is_not_sent(t: Harness) {
    const ENTRY: &str = "INVALID_ORGANIZATION_AUTH_FACTOR_SETTING";
    let before = created(&t, super::super::everything()).await;
    let required = [
        ("organization_name", "ORGANIZATION_NAME_MISSING"),
        ("organization_slug", "INVALID_ORGANIZATION_SLUG"),
        ("sso_jit_provisioning", ENTRY),
        ("email_jit_provisioning", ENTRY),
        ("email_invites", ENTRY),
        ("auth_methods", "INVALID_ORGANIZATION_AUTH_METHOD_SETTINGS"),
        ("mfa_policy", "INVALID_ORGANIZATION_MFA_POLICY"),
        ("mfa_methods", "INVALID_ORGANIZATION_MFA_FACTOR_SETTING"),
        ("oauth_tenant_jit_provisioning", ENTRY),
        ("first_party_connected_apps_allowed_type", "INVALID_ARGUMENT"),
        ("third_party_connected_apps_allowed_type", "INVALID_ARGUMENT"),
    ];
    for (name, reason) in required {
        let request = change(&before, |sent| sent.update_mask = mask(&[name]));
        violates(&t, request, &[(name, reason)]).await;
    }
    // Everything is told at once, and 0 is not sent.
    let request = change(&before, |sent| {
        sent.update_mask = mask(&required.map(|(name, _)| name));
        sent.sso_jit_provisioning = Some(0);
        sent.mfa_policy = Some(0);
    });
    violates(&t, request, &required).await;
}

async fn only_fields_can_be_named(t: Harness) {
    let before = created(&t, organization("Acme")).await;
    let unknown = [
        "organization_id",
        "update_mask",
        "etag",
        "allow_removing_last_admin",
        "name",
        "Organization_Name",
        "organizationName",
        "organization_name ",
        "trusted_metadata.plan",
        "email_allowed_domains[0]",
        "custom_roles",
        "created_at",
        "*",
        "",
    ];
    for path in unknown {
        let request = change(&before, |sent| {
            sent.organization_name = Some("Other".to_owned());
            sent.update_mask = mask(&["organization_name", path]);
        });
        violates(&t, request, &[("update_mask.paths[1]", "INVALID_ARGUMENT")]).await;
    }
    let request = change(&before, |sent| {
        sent.organization_slug = Some("?".to_owned());
        sent.update_mask = mask(&["etag", "organization_slug", "?"]);
    });
    let expected = [
        ("update_mask.paths[0]", "INVALID_ARGUMENT"),
        ("update_mask.paths[2]", "INVALID_ARGUMENT"),
        ("organization_slug", "INVALID_ORGANIZATION_SLUG"),
    ];
    violates(&t, request, &expected).await;
}

async fn without_a_mask_an_empty_list_is_not_sent(t: Harness) {
    let before = filled(&t).await;
    let request = change(&before, |sent| sent.rbac_email_implicit_role_assignments = roles(&[]));
    assert_eq!(updated(&t, request).await, before);
    // What is no list is sent when it is there.
    let request = change(&before, |sent| send_all(&clearable(), sent));
    let after = updated(&t, request).await;
    let expected = pb::Organization {
        organization_logo_url: String::new(),
        sso_default_connection_id: None,
        allowed_oauth_tenants: Some(object(json!({}))),
        ..changed(&t, &before, &after.etag)
    };
    assert_eq!(after, expected);
    // An external id has no empty form.
    let request = change(&after, |sent| sent.organization_external_id = Some(String::new()));
    violates(&t, request, &[("organization_external_id", "INVALID_ORGANIZATION_EXTERNAL_ID")]).await;
    let request: Request = change(&after, |sent| sent.organization_name = Some(String::new()));
    violates(&t, request, &[("organization_name", "INVALID_ORGANIZATION_NAME")]).await;
    let request = change(&after, |sent| sent.organization_slug = Some(String::new()));
    violates(&t, request, &[("organization_slug", "INVALID_ORGANIZATION_SLUG")]).await;
}
