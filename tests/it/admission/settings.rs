//! The settings that decide who gets in, all of them, as a change and as a creation.

use serde_json::json;
use vestibule::pb;

use crate::harness::fixtures::creation;
use crate::harness::json::object;
use crate::harness::members::organization_update;

/// What an organization asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// `email_allowed_domains`.
    pub(super) domains: Vec<String>,
    /// Whether people join by these.
    pub(super) by_domain: bool,
    /// The tenants at GitHub by which people join.
    pub(super) tenants: &'static [&'static str],
    /// The only methods. Empty: every method.
    pub(super) methods: Vec<&'static str>,
    /// Whether everybody owes a second factor.
    pub(super) mfa: bool,
    /// The only second factors. Empty: each.
    pub(super) mfa_methods: &'static [&'static str],
}

macro_rules! fill {
    ($settings:expr, $request:expr) => {{
        let (settings, mut request) = ($settings, $request);
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        request.email_allowed_domains.clone_from(&settings.domains);
        request.email_jit_provisioning = Some(if settings.by_domain {
            pb::EmailJitProvisioning::Restricted.into()
        } else {
            pb::EmailJitProvisioning::NotAllowed.into()
        });
        request.email_invites = Some(pb::EmailInvites::AllAllowed.into());
        request.oauth_tenant_jit_provisioning = Some(if settings.tenants.is_empty() {
            pb::OauthTenantJitProvisioning::NotAllowed.into()
        } else {
            pb::OauthTenantJitProvisioning::Restricted.into()
        });
        request.allowed_oauth_tenants =
            (!settings.tenants.is_empty()).then(|| object(json!({"github": settings.tenants})));
        request.auth_methods = Some(if settings.methods.is_empty() {
            pb::AuthMethods::AllAllowed.into()
        } else {
            pb::AuthMethods::Restricted.into()
        });
        request.allowed_auth_methods = owned(&settings.methods);
        request.mfa_policy = Some(if settings.mfa {
            pb::MfaPolicy::RequiredForAll.into()
        } else {
            pb::MfaPolicy::Optional.into()
        });
        request.mfa_methods = Some(if settings.mfa_methods.is_empty() {
            pb::MfaMethods::AllAllowed.into()
        } else {
            pb::MfaMethods::Restricted.into()
        });
        request.allowed_mfa_methods = owned(settings.mfa_methods);
        request
    }};
}

impl Settings {
    /// Gives an organization these settings.
    pub(super) fn update(&self, organization: &str) -> pb::UpdateOrganizationRequest {
        fill!(self, organization_update(organization))
    }

    /// Creates an organization with these settings.
    pub(super) fn creation(&self, token: &str) -> pb::DiscoveryServiceCreateOrganizationRequest {
        fill!(self, creation(token))
    }

    /// A second factor from everybody.
    pub(super) fn mfa() -> Self {
        Self { mfa: true, ..Self::default() }
    }

    /// Whoever has an address on the domain may join.
    pub(super) fn joined_by(domain: &str) -> Self {
        Self { domains: vec![domain.to_owned()], by_domain: true, ..Self::default() }
    }
}
