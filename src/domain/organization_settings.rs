//! The settings of an organization: who may enter it, and how.

use serde::{Deserialize, Serialize};

use super::email_domain::EmailDomain;
use super::reason::{Reason, Violation};

/// A text that is none of an enum's published values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a published value")]
pub struct UnknownValue;

macro_rules! published {
    ($($(#[$doc:meta])* $name:ident { $($value:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $value,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$value,)*];

            /// The published value, which is also what is stored.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)*
                }
            }
        }

        impl From<$name> for &'static str {
            fn from(value: $name) -> Self {
                value.as_str()
            }
        }

        impl TryFrom<&str> for $name {
            type Error = UnknownValue;

            fn try_from(text: &str) -> Result<Self, UnknownValue> {
                match text {
                    $($text => Ok(Self::$value),)*
                    _ => Err(UnknownValue),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnknownValue;

            fn try_from(text: String) -> Result<Self, UnknownValue> {
                Self::try_from(text.as_str())
            }
        }
    )*};
}
pub(crate) use published;

published! {
    /// Who may become a member by logging in through SSO.
    SsoJitProvisioning {
        AllAllowed = "ALL_ALLOWED",
        Restricted = "RESTRICTED",
        NotAllowed = "NOT_ALLOWED",
    }
    /// Who may become a member by verifying an e-mail address.
    EmailJitProvisioning {
        Restricted = "RESTRICTED",
        NotAllowed = "NOT_ALLOWED",
    }
    /// Who may be invited by e-mail.
    EmailInvites {
        AllAllowed = "ALL_ALLOWED",
        Restricted = "RESTRICTED",
        NotAllowed = "NOT_ALLOWED",
    }
    /// Whether every authentication method may be used.
    AuthMethods {
        AllAllowed = "ALL_ALLOWED",
        Restricted = "RESTRICTED",
    }
    /// An authentication method.
    AuthMethod {
        Sso = "sso",
        MagicLink = "magic_link",
        EmailOtp = "email_otp",
        Password = "password",
        GoogleOauth = "google_oauth",
        MicrosoftOauth = "microsoft_oauth",
        SlackOauth = "slack_oauth",
        GithubOauth = "github_oauth",
        HubspotOauth = "hubspot_oauth",
    }
    /// Whether every member owes a second factor.
    MfaPolicy {
        Optional = "OPTIONAL",
        RequiredForAll = "REQUIRED_FOR_ALL",
    }
    /// Whether every second factor may be used.
    MfaMethods {
        AllAllowed = "ALL_ALLOWED",
        Restricted = "RESTRICTED",
    }
    /// A second factor.
    MfaMethod {
        SmsOtp = "sms_otp",
        Totp = "totp",
    }
    /// Who may become a member by belonging to an OAuth provider's tenant.
    OauthTenantJitProvisioning {
        Restricted = "RESTRICTED",
        NotAllowed = "NOT_ALLOWED",
    }
    /// An OAuth provider whose tenants can be allowed.
    TenantProvider {
        Slack = "slack",
        Hubspot = "hubspot",
        Github = "github",
    }
    /// Which connected apps members may use.
    ConnectedAppsAllowedType {
        AllAllowed = "ALL_ALLOWED",
        Restricted = "RESTRICTED",
        NotAllowed = "NOT_ALLOWED",
    }
}

/// The most domains, role assignments, tenants and apps that one list may have.
pub const MAX_LIST: usize = 100;

/// The most characters of a tenant id, or of a provider's subject.
pub const MAX_FOREIGN_ID: usize = 255;

/// Gives a role to every member whose address is on a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleAssignment {
    /// The domain.
    pub domain: EmailDomain,
    /// The role.
    pub role_id: String,
}

/// A tenant of an OAuth provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OauthTenant {
    /// The provider.
    pub provider: TenantProvider,
    /// The provider's identifier of the tenant.
    pub tenant_id: String,
}

/// The settings of an organization, whole and consistent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "each is documented by the field of the same name of the proto message Organization"
)]
pub struct OrganizationSettings {
    pub sso_jit_provisioning: SsoJitProvisioning,
    pub email_allowed_domains: Vec<EmailDomain>,
    pub email_jit_provisioning: EmailJitProvisioning,
    pub email_invites: EmailInvites,
    pub auth_methods: AuthMethods,
    pub allowed_auth_methods: Vec<AuthMethod>,
    pub mfa_policy: MfaPolicy,
    pub mfa_methods: MfaMethods,
    pub allowed_mfa_methods: Vec<MfaMethod>,
    pub rbac_email_implicit_role_assignments: Vec<RoleAssignment>,
    pub oauth_tenant_jit_provisioning: OauthTenantJitProvisioning,
    pub allowed_oauth_tenants: Vec<OauthTenant>,
    pub claimed_email_domains: Vec<EmailDomain>,
    pub first_party_connected_apps_allowed_type: ConnectedAppsAllowedType,
    pub allowed_first_party_connected_apps: Vec<String>,
    pub third_party_connected_apps_allowed_type: ConnectedAppsAllowedType,
    pub allowed_third_party_connected_apps: Vec<String>,
}

/// The settings that a caller sent, each valid by itself. An empty list is "not sent".
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(
    missing_docs,
    reason = "each is documented by the field of the same name of the proto message Organization"
)]
pub struct SentSettings {
    pub sso_jit_provisioning: Option<SsoJitProvisioning>,
    pub email_allowed_domains: Vec<EmailDomain>,
    pub email_jit_provisioning: Option<EmailJitProvisioning>,
    pub email_invites: Option<EmailInvites>,
    pub auth_methods: Option<AuthMethods>,
    pub allowed_auth_methods: Vec<AuthMethod>,
    pub mfa_policy: Option<MfaPolicy>,
    pub mfa_methods: Option<MfaMethods>,
    pub allowed_mfa_methods: Vec<MfaMethod>,
    pub rbac_email_implicit_role_assignments: Vec<RoleAssignment>,
    pub oauth_tenant_jit_provisioning: Option<OauthTenantJitProvisioning>,
    pub allowed_oauth_tenants: Option<Vec<OauthTenant>>,
    pub claimed_email_domains: Vec<EmailDomain>,
    pub first_party_connected_apps_allowed_type: Option<ConnectedAppsAllowedType>,
    pub allowed_first_party_connected_apps: Vec<String>,
    pub third_party_connected_apps_allowed_type: Option<ConnectedAppsAllowedType>,
    pub allowed_third_party_connected_apps: Vec<String>,
}

impl SentSettings {
    /// Whether a setting was sent that makes the default of `email_invites` stricter. Those about
    /// second factors, roles, apps and claimed domains do not: they let nobody in.
    fn restricts_entry(&self) -> bool {
        self.sso_jit_provisioning.is_some()
            || !self.email_allowed_domains.is_empty()
            || self.email_jit_provisioning.is_some()
            || self.auth_methods.is_some()
            || !self.allowed_auth_methods.is_empty()
            || self.oauth_tenant_jit_provisioning.is_some()
            || self.allowed_oauth_tenants.is_some()
    }

    /// Fills in the defaults of a new organization.
    ///
    /// # Errors
    /// Every cross-field rule that the result breaks.
    pub fn with_defaults(self) -> Result<OrganizationSettings, Vec<Violation>> {
        let mut defaulted = Vec::new();
        let default_invites =
            if self.restricts_entry() { EmailInvites::NotAllowed } else { EmailInvites::AllAllowed };
        if self.sso_jit_provisioning.is_none() {
            defaulted.push("sso_jit_provisioning");
        }
        if self.email_jit_provisioning.is_none() {
            defaulted.push("email_jit_provisioning");
        }
        if self.email_invites.is_none() {
            defaulted.push("email_invites");
        }
        let settings = OrganizationSettings {
            sso_jit_provisioning: self.sso_jit_provisioning.unwrap_or(SsoJitProvisioning::AllAllowed),
            email_allowed_domains: self.email_allowed_domains,
            email_jit_provisioning: self.email_jit_provisioning.unwrap_or(EmailJitProvisioning::NotAllowed),
            email_invites: self.email_invites.unwrap_or(default_invites),
            auth_methods: self.auth_methods.unwrap_or(AuthMethods::AllAllowed),
            allowed_auth_methods: self.allowed_auth_methods,
            mfa_policy: self.mfa_policy.unwrap_or(MfaPolicy::Optional),
            mfa_methods: self.mfa_methods.unwrap_or(MfaMethods::AllAllowed),
            allowed_mfa_methods: self.allowed_mfa_methods,
            rbac_email_implicit_role_assignments: self.rbac_email_implicit_role_assignments,
            oauth_tenant_jit_provisioning: self
                .oauth_tenant_jit_provisioning
                .unwrap_or(OauthTenantJitProvisioning::NotAllowed),
            allowed_oauth_tenants: self.allowed_oauth_tenants.unwrap_or_default(),
            claimed_email_domains: self.claimed_email_domains,
            first_party_connected_apps_allowed_type: self
                .first_party_connected_apps_allowed_type
                .unwrap_or(ConnectedAppsAllowedType::AllAllowed),
            allowed_first_party_connected_apps: self.allowed_first_party_connected_apps,
            third_party_connected_apps_allowed_type: self
                .third_party_connected_apps_allowed_type
                .unwrap_or(ConnectedAppsAllowedType::AllAllowed),
            allowed_third_party_connected_apps: self.allowed_third_party_connected_apps,
        };
        let violations = settings.violations(&defaulted);
        if violations.is_empty() { Ok(settings) } else { Err(violations) }
    }
}

impl OrganizationSettings {
    /// The cross-field rules that these settings break. `defaulted` names the fields whose value
    /// nobody sent, so that an error says so.
    fn violations(&self, defaulted: &[&'static str]) -> Vec<Violation> {
        let mut violations = Vec::new();
        if self.sso_jit_provisioning == SsoJitProvisioning::NotAllowed
            && self.email_jit_provisioning == EmailJitProvisioning::NotAllowed
            && self.email_invites == EmailInvites::NotAllowed
        {
            violations.push(nobody_can_join(defaulted));
        }
        if self.email_jit_provisioning == EmailJitProvisioning::Restricted
            && self.email_allowed_domains.is_empty()
        {
            violations.push(needs(
                "email_jit_provisioning",
                Reason::InvalidRestrictedEmailSetting,
                "email_allowed_domains",
            ));
        }
        if self.email_invites == EmailInvites::Restricted && self.email_allowed_domains.is_empty() {
            violations.push(needs(
                "email_invites",
                Reason::InvalidRestrictedEmailSetting,
                "email_allowed_domains",
            ));
        }
        if self.auth_methods == AuthMethods::Restricted && self.allowed_auth_methods.is_empty() {
            violations.push(needs(
                "auth_methods",
                Reason::AllowedAuthMethodsRequiredForRestricted,
                "allowed_auth_methods",
            ));
        }
        if self.mfa_methods == MfaMethods::Restricted && self.allowed_mfa_methods.is_empty() {
            violations.push(needs(
                "mfa_methods",
                Reason::AllowedMfaMethodsRequiredForRestricted,
                "allowed_mfa_methods",
            ));
        }
        if self.oauth_tenant_jit_provisioning == OauthTenantJitProvisioning::Restricted
            && self.allowed_oauth_tenants.is_empty()
        {
            violations.push(needs(
                "oauth_tenant_jit_provisioning",
                Reason::InvalidRestrictedOauthTenantsSetting,
                "allowed_oauth_tenants",
            ));
        }
        violations
    }
}

fn needs(field: &'static str, reason: Reason, list: &'static str) -> Violation {
    Violation::new(field, reason, format!("RESTRICTED needs at least one entry in {list}"))
}

fn nobody_can_join(defaulted: &[&'static str]) -> Violation {
    const FIELDS: [&str; 3] = ["sso_jit_provisioning", "email_jit_provisioning", "email_invites"];
    let field = FIELDS.into_iter().find(|field| !defaulted.contains(field)).unwrap_or(FIELDS[0]);
    let mut description = String::from(
        "sso_jit_provisioning, email_jit_provisioning and email_invites may not all be NOT_ALLOWED",
    );
    let at_fault: Vec<_> = FIELDS.into_iter().filter(|field| defaulted.contains(field)).collect();
    let reason = Reason::InvalidOrganizationAuthFactorSetting;
    if at_fault.is_empty() {
        return Violation::new(field, reason, description);
    }
    description.push_str("; defaulted to NOT_ALLOWED because other settings were sent: ");
    description.push_str(&at_fault.join(", "));
    Violation::new(field, reason, description).with("defaulted_fields", at_fault.join(","))
}

#[cfg(test)]
mod tests;
