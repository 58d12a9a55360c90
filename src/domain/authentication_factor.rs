//! Factors: what an authenticator has verified about a person, and what each of them proves.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::email_address::EmailAddress;
use super::ids::{EmailId, OauthRegistrationId, OrganizationId, PhoneId, SessionId};
use super::organization_settings::{
    AuthMethod, MfaMethod, OauthTenant, TenantProvider, UnknownValue, published,
};

published! {
    /// A kind of factor, by its published delivery method, which names it alone except for `email`.
    FactorKind {
        MagicLink = "magic_link",
        EmailOtp = "email_otp",
        Password = "password",
        GoogleOauth = "oauth_google",
        MicrosoftOauth = "oauth_microsoft",
        GithubOauth = "oauth_github",
        SlackOauth = "oauth_slack",
        HubspotOauth = "oauth_hubspot",
        SmsOtp = "sms",
        Totp = "authenticator_app",
        RecoveryCode = "recovery_code",
    }
}

/// Whether a factor counts as the first or as the second of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceOrder {
    /// A first factor.
    Primary,
    /// A second factor; never enough alone.
    Secondary,
}

impl SequenceOrder {
    /// The published value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Secondary => "SECONDARY",
        }
    }
}

impl FactorKind {
    /// The kind of a published pair of `type` and `delivery_method`.
    #[must_use]
    pub fn from_published(r#type: &str, delivery_method: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.published_type() == r#type && kind.delivery_method() == delivery_method)
    }

    /// The published `type`.
    #[must_use]
    pub fn published_type(self) -> &'static str {
        match self {
            Self::MagicLink => "magic_link",
            Self::EmailOtp => "email_otp",
            Self::Password => "password",
            Self::GoogleOauth
            | Self::MicrosoftOauth
            | Self::GithubOauth
            | Self::SlackOauth
            | Self::HubspotOauth => "oauth",
            Self::SmsOtp => "otp",
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_codes",
        }
    }

    /// The published `delivery_method`.
    #[must_use]
    pub fn delivery_method(self) -> &'static str {
        match self {
            Self::MagicLink | Self::EmailOtp => "email",
            Self::Password => "knowledge",
            other => other.as_str(),
        }
    }

    /// First or second factor.
    #[must_use]
    pub fn sequence_order(self) -> SequenceOrder {
        if self.auth_method().is_some() { SequenceOrder::Primary } else { SequenceOrder::Secondary }
    }

    /// The authentication method that organizations allow or forbid. `None` for second factors.
    #[must_use]
    pub fn auth_method(self) -> Option<AuthMethod> {
        match self {
            Self::MagicLink => Some(AuthMethod::MagicLink),
            Self::EmailOtp => Some(AuthMethod::EmailOtp),
            Self::Password => Some(AuthMethod::Password),
            Self::GoogleOauth => Some(AuthMethod::GoogleOauth),
            Self::MicrosoftOauth => Some(AuthMethod::MicrosoftOauth),
            Self::GithubOauth => Some(AuthMethod::GithubOauth),
            Self::SlackOauth => Some(AuthMethod::SlackOauth),
            Self::HubspotOauth => Some(AuthMethod::HubspotOauth),
            Self::SmsOtp | Self::Totp | Self::RecoveryCode => None,
        }
    }

    /// The second factor that organizations allow or forbid. Recovery codes stand in for a lost
    /// authenticator app. `None` for first factors.
    #[must_use]
    pub fn mfa_method(self) -> Option<MfaMethod> {
        match self {
            Self::SmsOtp => Some(MfaMethod::SmsOtp),
            Self::Totp | Self::RecoveryCode => Some(MfaMethod::Totp),
            _ => None,
        }
    }

    /// The published name of the OAuth provider. `None` for other factors.
    #[must_use]
    pub fn provider_type(self) -> Option<&'static str> {
        match self {
            Self::GoogleOauth => Some("Google"),
            Self::MicrosoftOauth => Some("Microsoft"),
            Self::GithubOauth => Some("GitHub"),
            Self::SlackOauth => Some("Slack"),
            Self::HubspotOauth => Some("HubSpot"),
            _ => None,
        }
    }

    /// Whether it is an account at an OAuth provider.
    #[must_use]
    pub fn is_oauth(self) -> bool {
        self.provider_type().is_some()
    }

    /// The provider whose tenants a person can belong to. `None`: it has none, or is none.
    #[must_use]
    pub fn tenant_provider(self) -> Option<TenantProvider> {
        match self {
            Self::GithubOauth => Some(TenantProvider::Github),
            Self::SlackOauth => Some(TenantProvider::Slack),
            Self::HubspotOauth => Some(TenantProvider::Hubspot),
            _ => None,
        }
    }
}

/// The methods that can prove control of an address on their own.
pub const VERIFYING_METHODS: [AuthMethod; 4] =
    [AuthMethod::MagicLink, AuthMethod::EmailOtp, AuthMethod::GoogleOauth, AuthMethod::MicrosoftOauth];

/// A factor in an intermediate session, as an authenticator vouched for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "documented by the proto message VouchedFactor")]
pub struct VerifiedFactor {
    pub kind: FactorKind,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub email_verified: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted_domain: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_subject: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provider_tenant_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub verified_at: OffsetDateTime,
    /// The only organization that it counts in; `None`: it counts in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_in: Option<OrganizationId>,
    /// The session that it came along from; `None`: it was vouched for. It ends with the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_from: Option<SessionId>,
}

impl VerifiedFactor {
    /// Whether it proves that the person controls the address. A mailbox does. An OAuth provider's
    /// word counts only where the provider controls the mailbox or its tenant's administrators do:
    /// Google with a hosted domain or on its own domains, and Microsoft, each saying so. What came along
    /// from a session counts for Google only with a hosted domain.
    #[must_use]
    pub fn verifies(&self, address: &EmailAddress) -> bool {
        match self.kind {
            FactorKind::MagicLink | FactorKind::EmailOtp => true,
            FactorKind::MicrosoftOauth | FactorKind::Password => self.email_verified,
            FactorKind::GoogleOauth => {
                self.email_verified
                    && (self.hosted_domain.is_some()
                        || self.carried_from.is_none()
                            && matches!(address.domain().as_str(), "gmail.com" | "googlemail.com"))
            }
            FactorKind::GithubOauth
            | FactorKind::SlackOauth
            | FactorKind::HubspotOauth
            | FactorKind::SmsOtp
            | FactorKind::Totp
            | FactorKind::RecoveryCode => false,
        }
    }

    /// The tenants that the account belongs to.
    #[must_use]
    pub fn tenants(&self) -> Vec<OauthTenant> {
        let Some(provider) = self.kind.tenant_provider() else {
            return Vec::new();
        };
        let tenant = |tenant_id: &String| OauthTenant { provider, tenant_id: tenant_id.clone() };
        self.provider_tenant_ids.iter().map(tenant).collect()
    }
}

/// A factor of a member session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "documented by the proto message AuthenticationFactor")]
pub struct AuthenticationFactor {
    pub kind: FactorKind,
    #[serde(with = "time::serde::rfc3339")]
    pub last_authenticated_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    pub detail: FactorDetail,
}

impl AuthenticationFactor {
    /// The published `delivery_method`, which says of an OAuth account whether it came along from another
    /// organization.
    #[must_use]
    pub fn delivery_method(&self) -> String {
        let method = self.kind.delivery_method();
        match self.detail {
            FactorDetail::OauthExchange { .. } => method.replacen("oauth_", "oauth_exchange_", 1),
            _ => method.to_owned(),
        }
    }
}

/// What a factor of a session is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "documented by the proto messages EmailFactor, PhoneNumberFactor, OauthFactor and OauthExchangeFactor"
)]
pub enum FactorDetail {
    Email {
        email_id: EmailId,
        email_address: EmailAddress,
    },
    Phone {
        phone_id: PhoneId,
        phone_number: String,
    },
    Oauth {
        id: OauthRegistrationId,
        provider_subject: String,
        email_id: Option<EmailId>,
        tenant_ids: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hosted_domain: Option<String>,
    },
    /// An account that came along from another organization and is not registered in this one.
    OauthExchange {
        email_id: EmailId,
        provider_subject: String,
        tenant_ids: Vec<String>,
    },
    None,
}

#[cfg(test)]
mod tests;
