use super::*;

fn domain() -> EmailDomain {
    EmailDomain::parse("acme.com").unwrap()
}

#[test]
fn the_default_of_email_invites_depends_on_what_else_is_sent() {
    let strict = [
        SentSettings { sso_jit_provisioning: Some(SsoJitProvisioning::AllAllowed), ..Default::default() },
        SentSettings { email_allowed_domains: Some(vec![domain()]), ..Default::default() },
        SentSettings { email_jit_provisioning: Some(EmailJitProvisioning::NotAllowed), ..Default::default() },
        SentSettings { auth_methods: Some(AuthMethods::AllAllowed), ..Default::default() },
        SentSettings { allowed_auth_methods: Some(vec![AuthMethod::Sso]), ..Default::default() },
        SentSettings {
            oauth_tenant_jit_provisioning: Some(OauthTenantJitProvisioning::NotAllowed),
            ..Default::default()
        },
        SentSettings { allowed_oauth_tenants: Some(Vec::new()), ..Default::default() },
    ];
    for sent in strict {
        let settings = sent.clone().with_defaults().unwrap();
        assert_eq!(settings.email_invites, EmailInvites::NotAllowed, "{sent:?}");
    }
    let lenient = [
        SentSettings::default(),
        SentSettings { mfa_policy: Some(MfaPolicy::RequiredForAll), ..Default::default() },
        SentSettings { mfa_methods: Some(MfaMethods::AllAllowed), ..Default::default() },
        SentSettings { allowed_mfa_methods: Some(vec![MfaMethod::Totp]), ..Default::default() },
        SentSettings {
            rbac_email_implicit_role_assignments: Some(vec![RoleAssignment {
                domain: domain(),
                role_id: "stytch_admin".into(),
            }]),
            ..Default::default()
        },
        SentSettings { claimed_email_domains: Some(vec![domain()]), ..Default::default() },
        SentSettings {
            first_party_connected_apps_allowed_type: Some(ConnectedAppsAllowedType::NotAllowed),
            ..Default::default()
        },
    ];
    for sent in lenient {
        let settings = sent.clone().with_defaults().unwrap();
        assert_eq!(settings.email_invites, EmailInvites::AllAllowed, "{sent:?}");
    }
}

#[test]
fn an_error_of_a_default_says_that_it_is_one() {
    let sent =
        SentSettings { sso_jit_provisioning: Some(SsoJitProvisioning::NotAllowed), ..Default::default() };
    let violations = sent.with_defaults().unwrap_err();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].field, "sso_jit_provisioning");
    assert_eq!(violations[0].reason, Reason::InvalidOrganizationAuthFactorSetting);
    assert_eq!(
        violations[0].metadata,
        [("defaulted_fields", "email_jit_provisioning,email_invites".to_owned())]
    );
}

#[test]
fn every_cross_field_rule_is_reported_at_once() {
    let sent = SentSettings {
        email_jit_provisioning: Some(EmailJitProvisioning::Restricted),
        email_invites: Some(EmailInvites::Restricted),
        auth_methods: Some(AuthMethods::Restricted),
        mfa_methods: Some(MfaMethods::Restricted),
        oauth_tenant_jit_provisioning: Some(OauthTenantJitProvisioning::Restricted),
        ..Default::default()
    };
    let fields: Vec<_> =
        sent.with_defaults().unwrap_err().into_iter().map(|violation| violation.field).collect();
    assert_eq!(
        fields,
        [
            "email_jit_provisioning",
            "email_invites",
            "auth_methods",
            "mfa_methods",
            "oauth_tenant_jit_provisioning"
        ]
    );
}

#[test]
fn sso_restricted_is_accepted_without_connections() {
    let sent =
        SentSettings { sso_jit_provisioning: Some(SsoJitProvisioning::Restricted), ..Default::default() };
    assert!(sent.with_defaults().is_ok());
}
