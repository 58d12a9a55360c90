//! Proto enums and the published values behind them: the name of each proto value is the enum's
//! prefix followed by the published value.

use crate::domain::organization_settings as domain;
use crate::pb;

/// A number that is no value of the enum.
#[derive(Debug)]
pub(super) struct UnknownNumber;

/// A domain enum that travels as a proto enum.
pub(super) trait ProtoEnum: Sized {
    /// Reads a number. `Ok(None)`: unspecified, which is "not sent".
    fn from_number(number: i32) -> Result<Option<Self>, UnknownNumber>;

    /// The number of the value.
    fn number(self) -> i32;
}

macro_rules! proto_enums {
    ($($domain:ty, $proto:ty, $prefix:literal;)*) => {$(
        impl ProtoEnum for ($domain, std::marker::PhantomData<$proto>) {
            fn from_number(number: i32) -> Result<Option<Self>, UnknownNumber> {
                let value = <$proto>::try_from(number).map_err(|_| UnknownNumber)?;
                let published = value.as_str_name().strip_prefix($prefix).ok_or(UnknownNumber)?;
                if published == "UNSPECIFIED" {
                    return Ok(None);
                }
                let value = <$domain>::try_from(published).map_err(|_| UnknownNumber)?;
                Ok(Some((value, std::marker::PhantomData)))
            }

            fn number(self) -> i32 {
                let name = format!("{}{}", $prefix, self.0.as_str());
                <$proto>::from_str_name(&name).map_or(0, i32::from)
            }
        }
    )*};
}

proto_enums! {
    domain::SsoJitProvisioning, pb::SsoJitProvisioning, "SSO_JIT_PROVISIONING_";
    domain::EmailJitProvisioning, pb::EmailJitProvisioning, "EMAIL_JIT_PROVISIONING_";
    domain::EmailInvites, pb::EmailInvites, "EMAIL_INVITES_";
    domain::AuthMethods, pb::AuthMethods, "AUTH_METHODS_";
    domain::MfaPolicy, pb::MfaPolicy, "MFA_POLICY_";
    domain::MfaMethods, pb::MfaMethods, "MFA_METHODS_";
    domain::OauthTenantJitProvisioning, pb::OauthTenantJitProvisioning, "OAUTH_TENANT_JIT_PROVISIONING_";
    domain::ConnectedAppsAllowedType, pb::FirstPartyConnectedAppsAllowedType, "FIRST_PARTY_CONNECTED_APPS_ALLOWED_TYPE_";
    domain::ConnectedAppsAllowedType, pb::ThirdPartyConnectedAppsAllowedType, "THIRD_PARTY_CONNECTED_APPS_ALLOWED_TYPE_";
}
