//! Rules between fields, and how violations are told.

use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::rows_written;
use crate::harness::fixtures::organization;
use crate::harness::json::object;
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    restricted_needs_a_list,
    somebody_must_be_able_to_join,
    restricted_sso_and_apps_need_no_list,
    a_rule_about_an_unreadable_field_is_not_judged,
    a_rule_about_readable_fields_is_judged_all_the_same,
    everything_is_told_at_once_in_the_order_of_the_fields,
);

type Request = pb::CreateOrganizationRequest;

const ENTRY: &str = "INVALID_ORGANIZATION_AUTH_FACTOR_SETTING";
const EMAIL: &str = "INVALID_RESTRICTED_EMAIL_SETTING";
const DOMAIN: &str = "ORGANIZATION_SETTINGS_INVALID_DOMAIN";

fn request(change: impl FnOnce(&mut Request)) -> Request {
    let mut request = organization("Acme");
    change(&mut request);
    request
}

/// Asserts exactly these violations.
async fn violates(t: &Harness, request: Request, expected: &[(&str, &str)]) -> Refusal {
    let what = format!("{request:?}");
    let refusal = refused(t.clients().create(request).await, Code::InvalidArgument, expected[0].1);
    assert_eq!(refusal.violations(), expected, "{what}");
    refusal
}

async fn restricted_needs_a_list(t: Harness) {
    let jit = request(|sent| {
        sent.email_jit_provisioning = Some(pb::EmailJitProvisioning::Restricted.into());
    });
    violates(&t, jit, &[("email_jit_provisioning", EMAIL)]).await;
    let invites = request(|sent| sent.email_invites = Some(pb::EmailInvites::Restricted.into()));
    violates(&t, invites, &[("email_invites", EMAIL)]).await;
    let both = request(|sent| {
        sent.email_jit_provisioning = Some(pb::EmailJitProvisioning::Restricted.into());
        sent.email_invites = Some(pb::EmailInvites::Restricted.into());
    });
    violates(&t, both, &[("email_jit_provisioning", EMAIL), ("email_invites", EMAIL)]).await;
    let auth = request(|sent| sent.auth_methods = Some(pb::AuthMethods::Restricted.into()));
    violates(&t, auth, &[("auth_methods", "ALLOWED_AUTH_METHODS_REQUIRED_FOR_RESTRICTED")]).await;
    let mfa = request(|sent| sent.mfa_methods = Some(pb::MfaMethods::Restricted.into()));
    violates(&t, mfa, &[("mfa_methods", "ALLOWED_MFA_METHODS_REQUIRED_FOR_RESTRICTED")]).await;
    for tenants in [None, Some(object(json!({}))), Some(object(json!({"slack": []})))] {
        let tenants = request(|sent| {
            sent.oauth_tenant_jit_provisioning = Some(pb::OauthTenantJitProvisioning::Restricted.into());
            sent.allowed_oauth_tenants = tenants;
        });
        let expected = [("oauth_tenant_jit_provisioning", "INVALID_RESTRICTED_OAUTH_TENANTS_SETTING")];
        violates(&t, tenants, &expected).await;
    }
    assert_eq!(rows_written(&t).await, [0; 6]);
}

async fn somebody_must_be_able_to_join(t: Harness) {
    let closed = |sent: &mut Request| {
        sent.sso_jit_provisioning = Some(pb::SsoJitProvisioning::NotAllowed.into());
        sent.email_jit_provisioning = Some(pb::EmailJitProvisioning::NotAllowed.into());
        sent.email_invites = Some(pb::EmailInvites::NotAllowed.into());
    };
    let refusal = violates(&t, request(closed), &[("sso_jit_provisioning", ENTRY)]).await;
    assert!(!refusal.metadata.contains_key("defaulted_fields"), "{refusal:?}");
    // What tenants may do counts for nothing here.
    let tenants = request(|sent| {
        closed(sent);
        sent.oauth_tenant_jit_provisioning = Some(pb::OauthTenantJitProvisioning::Restricted.into());
        sent.allowed_oauth_tenants = Some(object(json!({"slack": ["T1"]})));
    });
    violates(&t, tenants, &[("sso_jit_provisioning", ENTRY)]).await;
    let defaulted = request(|sent| {
        sent.sso_jit_provisioning = Some(pb::SsoJitProvisioning::NotAllowed.into());
    });
    let refusal = violates(&t, defaulted, &[("sso_jit_provisioning", ENTRY)]).await;
    assert_eq!(refusal.metadata["defaulted_fields"], "email_jit_provisioning,email_invites");
    let one_defaulted = request(|sent| {
        closed(sent);
        sent.email_invites = None;
    });
    let refusal = violates(&t, one_defaulted, &[("sso_jit_provisioning", ENTRY)]).await;
    assert_eq!(refusal.metadata["defaulted_fields"], "email_invites");
}

async fn restricted_sso_and_apps_need_no_list(t: Harness) {
    let request = request(|sent| {
        sent.sso_jit_provisioning = Some(pb::SsoJitProvisioning::Restricted.into());
        sent.first_party_connected_apps_allowed_type =
            Some(pb::FirstPartyConnectedAppsAllowedType::Restricted.into());
        sent.third_party_connected_apps_allowed_type =
            Some(pb::ThirdPartyConnectedAppsAllowedType::Restricted.into());
    });
    super::created(&t, request).await;
}

async fn a_rule_about_an_unreadable_field_is_not_judged(t: Harness) {
    let domains = request(|sent| {
        sent.email_allowed_domains = vec!["acme".to_owned()];
        sent.email_jit_provisioning = Some(pb::EmailJitProvisioning::Restricted.into());
        sent.email_invites = Some(pb::EmailInvites::Restricted.into());
    });
    violates(&t, domains, &[("email_allowed_domains[0]", DOMAIN)]).await;
    let methods = request(|sent| {
        sent.auth_methods = Some(pb::AuthMethods::Restricted.into());
        sent.allowed_auth_methods = vec!["sms".to_owned()];
        sent.mfa_methods = Some(pb::MfaMethods::Restricted.into());
        sent.allowed_mfa_methods = vec!["sms".to_owned()];
        sent.oauth_tenant_jit_provisioning = Some(pb::OauthTenantJitProvisioning::Restricted.into());
        sent.allowed_oauth_tenants = Some(object(json!({"slack": [""]})));
    });
    let expected = [
        ("allowed_auth_methods[0]", "INVALID_ORGANIZATION_ALLOWED_AUTH_METHODS"),
        ("allowed_mfa_methods[0]", "INVALID_ORGANIZATION_ALLOWED_MFA_METHODS"),
        ("allowed_oauth_tenants.slack[0]", "INVALID_OAUTH_ALLOWED_TENANTS_FORMAT"),
    ];
    violates(&t, methods, &expected).await;
    let entry = request(|sent| {
        sent.sso_jit_provisioning = Some(pb::SsoJitProvisioning::NotAllowed.into());
        sent.email_jit_provisioning = Some(9);
    });
    violates(&t, entry, &[("email_jit_provisioning", ENTRY)]).await;
}

async fn a_rule_about_readable_fields_is_judged_all_the_same(t: Harness) {
    // Which connections may provision has nothing to do with who may be invited.
    let sso = request(|sent| {
        sent.sso_jit_provisioning = Some(9);
        sent.email_invites = Some(pb::EmailInvites::Restricted.into());
    });
    violates(&t, sso, &[("sso_jit_provisioning", ENTRY), ("email_invites", EMAIL)]).await;
    let jit = request(|sent| {
        sent.email_jit_provisioning = Some(9);
        sent.email_invites = Some(pb::EmailInvites::Restricted.into());
    });
    violates(&t, jit, &[("email_jit_provisioning", ENTRY), ("email_invites", EMAIL)]).await;
    // Nobody can join, whatever the domains were meant to be.
    let closed = request(|sent| {
        sent.sso_jit_provisioning = Some(pb::SsoJitProvisioning::NotAllowed.into());
        sent.email_allowed_domains = vec!["acme".to_owned()];
        sent.email_invites = Some(pb::EmailInvites::NotAllowed.into());
    });
    let expected = [("sso_jit_provisioning", ENTRY), ("email_allowed_domains[0]", DOMAIN)];
    violates(&t, closed, &expected).await;
}

async fn everything_is_told_at_once_in_the_order_of_the_fields(t: Harness) {
    let word = || vec!["?".to_owned()];
    let broken = Request {
        organization_name: Some("\n".to_owned() + "x"),
        organization_slug: Some("?".to_owned()),
        organization_external_id: Some("?".to_owned()),
        organization_logo_url: Some("?".to_owned()),
        trusted_metadata: Some(object(json!({"k": "x".repeat(5000)}))),
        sso_jit_provisioning: Some(9),
        email_allowed_domains: vec!["gmail.com".to_owned(), "?".to_owned()],
        email_jit_provisioning: Some(9),
        email_invites: Some(9),
        auth_methods: Some(pb::AuthMethods::Restricted.into()),
        allowed_auth_methods: vec![],
        mfa_policy: Some(9),
        mfa_methods: Some(pb::MfaMethods::Restricted.into()),
        allowed_mfa_methods: vec![],
        rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
            domain: "?".to_owned(),
            role_id: "?".to_owned(),
        }],
        oauth_tenant_jit_provisioning: Some(pb::OauthTenantJitProvisioning::Restricted.into()),
        allowed_oauth_tenants: None,
        claimed_email_domains: word(),
        first_party_connected_apps_allowed_type: Some(9),
        allowed_first_party_connected_apps: word(),
        third_party_connected_apps_allowed_type: Some(9),
        allowed_third_party_connected_apps: word(),
    };
    let expected = [
        ("organization_name", "INVALID_ORGANIZATION_NAME"),
        ("organization_slug", "INVALID_ORGANIZATION_SLUG"),
        ("organization_external_id", "INVALID_ORGANIZATION_EXTERNAL_ID"),
        ("organization_logo_url", "INVALID_URL"),
        ("trusted_metadata", "METADATA_TOO_LARGE"),
        ("sso_jit_provisioning", ENTRY),
        ("email_allowed_domains[0]", "ORGANIZATION_SETTINGS_DOMAIN_TOO_COMMON"),
        ("email_allowed_domains[1]", DOMAIN),
        ("email_jit_provisioning", ENTRY),
        ("email_invites", ENTRY),
        ("auth_methods", "ALLOWED_AUTH_METHODS_REQUIRED_FOR_RESTRICTED"),
        ("mfa_policy", "INVALID_ORGANIZATION_MFA_POLICY"),
        ("mfa_methods", "ALLOWED_MFA_METHODS_REQUIRED_FOR_RESTRICTED"),
        ("rbac_email_implicit_role_assignments[0].domain", "RBAC_INVALID_DOMAIN"),
        ("rbac_email_implicit_role_assignments[0].role_id", "INVALID_RBAC_ROLE_ID"),
        ("oauth_tenant_jit_provisioning", "INVALID_RESTRICTED_OAUTH_TENANTS_SETTING"),
        ("claimed_email_domains[0]", "ORGANIZATION_SETTINGS_INVALID_CLAIMED_DOMAIN"),
        ("first_party_connected_apps_allowed_type", "INVALID_ARGUMENT"),
        ("allowed_first_party_connected_apps[0]", "INVALID_ARGUMENT"),
        ("third_party_connected_apps_allowed_type", "INVALID_ARGUMENT"),
        ("allowed_third_party_connected_apps[0]", "INVALID_ARGUMENT"),
    ];
    let refusal = violates(&t, broken, &expected).await;
    assert_eq!(refusal.message, "the request breaks 21 rules; see the field violations");
    // Whether a name is taken is asked only once everything else is right.
    super::created(&t, organization("Acme")).await;
    let taken = request(|sent| {
        sent.organization_slug = Some("acme".to_owned());
        sent.mfa_policy = Some(9);
    });
    violates(&t, taken, &[("mfa_policy", "INVALID_ORGANIZATION_MFA_POLICY")]).await;
}
