//! Rules between settings are judged on what comes out of the update.

use serde_json::json;
use vestibule::pb;

use super::{Request, change, created, roles, texts, updated, violates};
use crate::harness::fixtures::{creation, organization};
use crate::harness::json::object;
use crate::harness::members::mask;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    restricted_needs_a_list_that_is_there_afterwards,
    a_list_is_not_taken_from_under_a_restriction,
    somebody_must_be_able_to_join_afterwards,
    restricted_sso_needs_connections_from_who_changes_it,
    an_organization_that_breaks_no_rule_of_creation_can_be_renamed,
    everything_is_told_at_once,
    sessions_stay_valid,
);

const EMAIL: &str = "INVALID_RESTRICTED_EMAIL_SETTING";
const ENTRY: &str = "INVALID_ORGANIZATION_AUTH_FACTOR_SETTING";
const SSO: (&str, &str) = ("sso_jit_provisioning", "INVALID_RESTRICTED_SSO_SETTING");

/// A setting that may only be RESTRICTED with a list: what restricts it, what fills the list, the name of
/// the list, and the violation.
type Restriction = (fn(&mut Request), fn(&mut Request), &'static str, (&'static str, &'static str));

const RESTRICTIONS: [Restriction; 5] = [
    (
        |sent| sent.email_jit_provisioning = Some(pb::EmailJitProvisioning::Restricted.into()),
        |sent| sent.email_allowed_domains = texts(&["acme.com"]),
        "email_allowed_domains",
        ("email_jit_provisioning", EMAIL),
    ),
    (
        |sent| sent.email_invites = Some(pb::EmailInvites::Restricted.into()),
        |sent| sent.email_allowed_domains = texts(&["acme.com"]),
        "email_allowed_domains",
        ("email_invites", EMAIL),
    ),
    (
        |sent| sent.auth_methods = Some(pb::AuthMethods::Restricted.into()),
        |sent| sent.allowed_auth_methods = texts(&["sso"]),
        "allowed_auth_methods",
        ("auth_methods", "ALLOWED_AUTH_METHODS_REQUIRED_FOR_RESTRICTED"),
    ),
    (
        |sent| sent.mfa_methods = Some(pb::MfaMethods::Restricted.into()),
        |sent| sent.allowed_mfa_methods = texts(&["totp"]),
        "allowed_mfa_methods",
        ("mfa_methods", "ALLOWED_MFA_METHODS_REQUIRED_FOR_RESTRICTED"),
    ),
    (
        |sent| {
            sent.oauth_tenant_jit_provisioning = Some(pb::OauthTenantJitProvisioning::Restricted.into());
        },
        |sent| sent.allowed_oauth_tenants = Some(object(json!({"slack": ["T1"]}))),
        "allowed_oauth_tenants",
        ("oauth_tenant_jit_provisioning", "INVALID_RESTRICTED_OAUTH_TENANTS_SETTING"),
    ),
];

async fn restricted_needs_a_list_that_is_there_afterwards(t: Harness) {
    for (restrict, fill, _, violation) in RESTRICTIONS {
        let acme = created(&t, organization("Acme")).await;
        violates(&t, change(&acme, restrict), &[violation]).await;
        let after = updated(&t, change(&acme, fill)).await;
        updated(&t, change(&after, restrict)).await;
        // Both at once will do as well.
        let other = created(&t, organization("Other")).await;
        let both = change(&other, |sent| {
            restrict(sent);
            fill(sent);
        });
        updated(&t, both).await;
    }
}

async fn a_list_is_not_taken_from_under_a_restriction(t: Harness) {
    for (restrict, fill, list, violation) in RESTRICTIONS {
        let acme = created(&t, organization("Acme")).await;
        let restricted = change(&acme, |sent| {
            restrict(sent);
            fill(sent);
        });
        let acme = updated(&t, restricted).await;
        let emptied = change(&acme, |sent| sent.update_mask = mask(&[list]));
        violates(&t, emptied.clone(), &[violation]).await;
        // What restricts may be given up with it.
        let opened = Request {
            update_mask: mask(&[list, violation.0]),
            email_jit_provisioning: Some(pb::EmailJitProvisioning::NotAllowed.into()),
            email_invites: Some(pb::EmailInvites::AllAllowed.into()),
            auth_methods: Some(pb::AuthMethods::AllAllowed.into()),
            mfa_methods: Some(pb::MfaMethods::AllAllowed.into()),
            oauth_tenant_jit_provisioning: Some(pb::OauthTenantJitProvisioning::NotAllowed.into()),
            ..emptied
        };
        updated(&t, opened).await;
    }
    let acme = created(&t, organization("Acme")).await;
    let restricted = change(&acme, |sent| {
        (RESTRICTIONS[0].0)(sent);
        (RESTRICTIONS[0].1)(sent);
        (RESTRICTIONS[1].0)(sent);
    });
    let acme = updated(&t, restricted).await;
    let emptied = change(&acme, |sent| sent.update_mask = mask(&["email_allowed_domains"]));
    violates(&t, emptied, &[("email_jit_provisioning", EMAIL), ("email_invites", EMAIL)]).await;
}

async fn somebody_must_be_able_to_join_afterwards(t: Harness) {
    let closing: [fn(&mut Request); 3] = [
        |sent| sent.sso_jit_provisioning = Some(pb::SsoJitProvisioning::NotAllowed.into()),
        |sent| sent.email_jit_provisioning = Some(pb::EmailJitProvisioning::NotAllowed.into()),
        |sent| sent.email_invites = Some(pb::EmailInvites::NotAllowed.into()),
    ];
    // Whichever comes last is refused, and what is told does not depend on who sent it.
    for last in 0..3 {
        let open = pb::CreateOrganizationRequest {
            email_allowed_domains: texts(&["acme.com"]),
            email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
            email_invites: Some(pb::EmailInvites::AllAllowed.into()),
            ..organization("Acme")
        };
        let mut acme = created(&t, open).await;
        for step in (0..3).filter(|step| *step != last) {
            acme = updated(&t, change(&acme, closing[step])).await;
        }
        let refusal = violates(&t, change(&acme, closing[last]), &[("sso_jit_provisioning", ENTRY)]).await;
        assert!(!refusal.metadata.contains_key("defaulted_fields"), "{refusal:?}");
        let all = change(&acme, |sent| closing.iter().for_each(|close| close(sent)));
        violates(&t, all, &[("sso_jit_provisioning", ENTRY)]).await;
    }
}

async fn restricted_sso_needs_connections_from_who_changes_it(t: Harness) {
    const CONNECTIONS: &str = "sso_jit_provisioning_allowed_connections";
    let connection = || vec![format!("saml-connection-test-{}11", super::UUID)];
    let restrict = |sent: &mut Request| {
        sent.sso_jit_provisioning = Some(pb::SsoJitProvisioning::Restricted.into());
    };
    let acme = created(&t, organization("Acme")).await;
    violates(&t, change(&acme, restrict), &[SSO]).await;
    let both = change(&acme, |sent| {
        restrict(sent);
        sent.sso_jit_provisioning_allowed_connections = connection();
    });
    let acme = updated(&t, both).await;
    violates(&t, change(&acme, |sent| sent.update_mask = mask(&[CONNECTIONS])), &[SSO]).await;
    // Who says the same again has to mind as well.
    let early = pb::CreateOrganizationRequest {
        sso_jit_provisioning: Some(pb::SsoJitProvisioning::Restricted.into()),
        email_invites: Some(pb::EmailInvites::AllAllowed.into()),
        ..organization("Early")
    };
    let early = created(&t, early).await;
    violates(&t, change(&early, restrict), &[SSO]).await;
    let connected = change(&early, |sent| sent.sso_jit_provisioning_allowed_connections = connection());
    updated(&t, connected).await;
}

async fn an_organization_that_breaks_no_rule_of_creation_can_be_renamed(t: Harness) {
    let early = created(&t, super::super::everything()).await;
    assert_eq!(early.sso_jit_provisioning(), pb::SsoJitProvisioning::Restricted);
    assert!(early.sso_jit_provisioning_allowed_connections.is_empty());
    let renamed = change(&early, |sent| {
        sent.organization_name = Some("Renamed".to_owned());
        sent.email_allowed_domains = texts(&["acme.dev"]);
    });
    let after = updated(&t, renamed).await;
    assert_eq!(after.organization_name, "Renamed");
    assert_eq!(after.sso_jit_provisioning(), pb::SsoJitProvisioning::Restricted);
}

async fn everything_is_told_at_once(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    let broken = change(&acme, |sent| {
        for (restrict, ..) in RESTRICTIONS {
            restrict(sent);
        }
        sent.sso_jit_provisioning = Some(pb::SsoJitProvisioning::Restricted.into());
    });
    let mut expected = vec![SSO];
    expected.extend(RESTRICTIONS.map(|(.., violation)| violation));
    violates(&t, broken, &expected).await;
    // Rules between fields are judged once each is right by itself.
    let unreadable = change(&acme, |sent| {
        sent.email_invites = Some(pb::EmailInvites::Restricted.into());
        sent.email_allowed_domains = texts(&["acme"]);
    });
    violates(&t, unreadable, &[("email_allowed_domains[0]", "ORGANIZATION_SETTINGS_INVALID_DOMAIN")]).await;
}

async fn sessions_stay_valid(t: Harness) {
    let token = t.clients().token("ada@acme.com").await;
    let answer = t.clients().spend(creation(&token)).await.unwrap().into_inner();
    let acme = answer.organization.unwrap();
    let strict = change(&acme, |sent| {
        sent.mfa_policy = Some(pb::MfaPolicy::RequiredForAll.into());
        sent.auth_methods = Some(pb::AuthMethods::Restricted.into());
        sent.allowed_auth_methods = texts(&["sso"]);
        sent.email_allowed_domains = texts(&["acme.dev"]);
        sent.email_invites = Some(pb::EmailInvites::Restricted.into());
        sent.rbac_email_implicit_role_assignments = roles(&["acme.dev"]);
    });
    updated(&t, strict).await;
    assert_eq!(t.count("sessions").await, 1);
    let member = t.clients().member_by_id(&acme.organization_id, &answer.member_id).await.unwrap();
    assert_eq!(member.status, "active");
}
