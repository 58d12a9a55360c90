//! Factors, by what they are worth.

use vestibule::pb;

use crate::harness::fixtures::{factor, oauth};

/// The methods that can prove an address.
pub(super) const VERIFYING: [&str; 4] = ["magic_link", "email_otp", "google_oauth", "microsoft_oauth"];

/// An account at GitHub, which calls every address verified.
pub(super) fn github(subject: &str, tenants: &[&str]) -> pb::VouchedFactor {
    pb::VouchedFactor {
        provider_subject: Some(subject.to_owned()),
        provider_tenant_ids: tenants.iter().map(|tenant| (*tenant).to_owned()).collect(),
        ..oauth("oauth_github", true)
    }
}

/// An account at Google.
pub(super) fn google(email_verified: bool, hosted_domain: Option<&str>) -> pb::VouchedFactor {
    let hosted_domain = hosted_domain.map(str::to_owned);
    pb::VouchedFactor { hosted_domain, ..oauth("oauth_google", email_verified) }
}

/// An account at Microsoft.
pub(super) fn microsoft(email_verified: bool) -> pb::VouchedFactor {
    oauth("oauth_microsoft", email_verified)
}

/// A password; `just_set`: through a link sent to the address.
pub(super) fn password(just_set: bool) -> pb::VouchedFactor {
    pb::VouchedFactor { email_verified: Some(just_set), ..factor("password", "knowledge") }
}

/// A code by e-mail.
pub(super) fn email_otp() -> pb::VouchedFactor {
    factor("email_otp", "email")
}

/// A code of an authenticator app.
pub(super) fn totp() -> pb::VouchedFactor {
    factor("totp", "authenticator_app")
}

/// A recovery code.
pub(super) fn recovery_code() -> pb::VouchedFactor {
    factor("recovery_codes", "recovery_code")
}

/// A code to a phone.
pub(super) fn sms(number: &str) -> pb::VouchedFactor {
    pb::VouchedFactor { phone_number: Some(number.to_owned()), ..factor("otp", "sms") }
}
