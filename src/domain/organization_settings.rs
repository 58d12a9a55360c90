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
    #[serde(default)]
    pub sso_default_connection_id: Option<String>,
    pub sso_jit_provisioning: SsoJitProvisioning,
    #[serde(default)]
    pub sso_jit_provisioning_allowed_connections: Vec<String>,
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

/// The settings that a caller sent, each valid by itself.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(
    missing_docs,
    reason = "each is documented by the field of the same name of the proto message Organization"
)]
pub struct SentSettings {
    /// `Some(None)`: to be taken away.
    pub sso_default_connection_id: Option<Option<String>>,
    pub sso_jit_provisioning: Option<SsoJitProvisioning>,
    pub sso_jit_provisioning_allowed_connections: Option<Vec<String>>,
    pub email_allowed_domains: Option<Vec<EmailDomain>>,
    pub email_jit_provisioning: Option<EmailJitProvisioning>,
    pub email_invites: Option<EmailInvites>,
    pub auth_methods: Option<AuthMethods>,
    pub allowed_auth_methods: Option<Vec<AuthMethod>>,
    pub mfa_policy: Option<MfaPolicy>,
    pub mfa_methods: Option<MfaMethods>,
    pub allowed_mfa_methods: Option<Vec<MfaMethod>>,
    pub rbac_email_implicit_role_assignments: Option<Vec<RoleAssignment>>,
    pub oauth_tenant_jit_provisioning: Option<OauthTenantJitProvisioning>,
    pub allowed_oauth_tenants: Option<Vec<OauthTenant>>,
    pub claimed_email_domains: Option<Vec<EmailDomain>>,
    pub first_party_connected_apps_allowed_type: Option<ConnectedAppsAllowedType>,
    pub allowed_first_party_connected_apps: Option<Vec<String>>,
    pub third_party_connected_apps_allowed_type: Option<ConnectedAppsAllowedType>,
    pub allowed_third_party_connected_apps: Option<Vec<String>>,
}

/// The fields that decide together whether anybody can join.
const ENTRY: [&str; 3] = ["sso_jit_provisioning", "email_jit_provisioning", "email_invites"];

impl SentSettings {
    /// Whether a setting was sent that makes the default of `email_invites` stricter. Those about
    /// second factors, roles, apps and claimed domains do not: they let nobody in.
    fn restricts_entry(&self) -> bool {
        self.sso_jit_provisioning.is_some()
            || self.email_allowed_domains.is_some()
            || self.email_jit_provisioning.is_some()
            || self.auth_methods.is_some()
            || self.allowed_auth_methods.is_some()
            || self.oauth_tenant_jit_provisioning.is_some()
            || self.allowed_oauth_tenants.is_some()
    }

    /// Fills in the defaults of a new organization.
    ///
    /// # Errors
    /// Every cross-field rule that the result breaks.
    pub fn with_defaults(self) -> Result<OrganizationSettings, Vec<Violation>> {
        let sent = [
            self.sso_jit_provisioning.is_some(),
            self.email_jit_provisioning.is_some(),
            self.email_invites.is_some(),
        ];
        let defaulted: Vec<_> =
            ENTRY.into_iter().zip(sent).filter(|(_, sent)| !sent).map(|(field, _)| field).collect();
        let email_invites =
            if self.restricts_entry() { EmailInvites::NotAllowed } else { EmailInvites::AllAllowed };
        let settings = self.over(OrganizationSettings { email_invites, ..OrganizationSettings::default() });
        let violations = settings.violations(&defaulted);
        if violations.is_empty() { Ok(settings) } else { Err(violations) }
    }

    /// Changes the settings of an organization.
    ///
    /// # Errors
    /// Every cross-field rule that the result breaks.
    pub fn update(self, stored: OrganizationSettings) -> Result<OrganizationSettings, Vec<Violation>> {
        // An organization can be created RESTRICTED and without connections; only who changes these two
        // has to mind.
        let about_sso =
            self.sso_jit_provisioning.is_some() || self.sso_jit_provisioning_allowed_connections.is_some();
        let settings = self.over(stored);
        let mut violations = settings.violations(&[]);
        if about_sso
            && settings.sso_jit_provisioning == SsoJitProvisioning::Restricted
            && settings.sso_jit_provisioning_allowed_connections.is_empty()
        {
            let rule = needs(
                "sso_jit_provisioning",
                Reason::InvalidRestrictedSsoSetting,
                "sso_jit_provisioning_allowed_connections",
            );
            // In the order of the fields.
            violations.insert(0, rule);
        }
        if violations.is_empty() { Ok(settings) } else { Err(violations) }
    }

    /// What was sent, and the rest from `below`.
    fn over(self, below: OrganizationSettings) -> OrganizationSettings {
        macro_rules! over {
            ($($field:ident)*) => {
                OrganizationSettings { $($field: self.$field.unwrap_or(below.$field),)* }
            };
        }
        over!(
            sso_default_connection_id sso_jit_provisioning sso_jit_provisioning_allowed_connections
            email_allowed_domains email_jit_provisioning email_invites auth_methods allowed_auth_methods
            mfa_policy mfa_methods allowed_mfa_methods rbac_email_implicit_role_assignments
            oauth_tenant_jit_provisioning allowed_oauth_tenants claimed_email_domains
            first_party_connected_apps_allowed_type allowed_first_party_connected_apps
            third_party_connected_apps_allowed_type allowed_third_party_connected_apps
        )
    }
}

/// The settings of an organization for which nobody has sent any.
impl Default for OrganizationSettings {
    fn default() -> Self {
        Self {
            sso_default_connection_id: None,
            sso_jit_provisioning: SsoJitProvisioning::AllAllowed,
            sso_jit_provisioning_allowed_connections: Vec::new(),
            email_allowed_domains: Vec::new(),
            email_jit_provisioning: EmailJitProvisioning::NotAllowed,
            email_invites: EmailInvites::AllAllowed,
            auth_methods: AuthMethods::AllAllowed,
            allowed_auth_methods: Vec::new(),
            mfa_policy: MfaPolicy::Optional,
            mfa_methods: MfaMethods::AllAllowed,
            allowed_mfa_methods: Vec::new(),
            rbac_email_implicit_role_assignments: Vec::new(),
            oauth_tenant_jit_provisioning: OauthTenantJitProvisioning::NotAllowed,
            allowed_oauth_tenants: Vec::new(),
            claimed_email_domains: Vec::new(),
            first_party_connected_apps_allowed_type: ConnectedAppsAllowedType::AllAllowed,
            allowed_first_party_connected_apps: Vec::new(),
            third_party_connected_apps_allowed_type: ConnectedAppsAllowedType::AllAllowed,
            allowed_third_party_connected_apps: Vec::new(),
        }
    }
}

impl OrganizationSettings {
    /// The tenants whose people may join.
    #[must_use]
    pub fn joinable_tenants(&self) -> &[OauthTenant] {
        match self.oauth_tenant_jit_provisioning {
            OauthTenantJitProvisioning::Restricted => &self.allowed_oauth_tenants,
            OauthTenantJitProvisioning::NotAllowed => &[],
        }
    }

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
    let field = ENTRY.into_iter().find(|field| !defaulted.contains(field)).unwrap_or(ENTRY[0]);
    let mut description = String::from(
        "sso_jit_provisioning, email_jit_provisioning and email_invites may not all be NOT_ALLOWED",
    );
    let at_fault: Vec<_> = ENTRY.into_iter().filter(|field| defaulted.contains(field)).collect();
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
