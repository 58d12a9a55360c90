//! Changing a member.

use time::OffsetDateTime;

use super::email_address::EmailAddress;
use super::ids::EmailId;
use super::json::JsonObject;
use super::member::{Member, RetiredEmailAddress};
use super::organization_settings::MfaMethod;
use super::organization_update::merged;
use super::phone_number::PhoneNumber;
use super::reason::Violation;
use super::slug::ExternalId;

/// The most retired addresses of a member: all of them are part of every answer about it.
pub const MAX_RETIRED: usize = 100;

/// What is to change. `None`: stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberUpdate {
    /// The name.
    pub name: Option<String>,
    /// What is merged into the product's metadata.
    pub trusted_metadata: Option<JsonObject>,
    /// What is merged into the member's own metadata.
    pub untrusted_metadata: Option<JsonObject>,
    /// The exemption from restricted methods.
    pub is_breakglass: Option<bool>,
    /// The phone number.
    pub mfa_phone_number: Option<PhoneNumber>,
    /// Whether a second factor is owed at every login.
    pub mfa_enrolled: Option<bool>,
    /// All assigned roles.
    pub roles: Option<Vec<String>>,
    /// The second factor asked for first; `Some(None)`: to be taken away.
    pub default_mfa_method: Option<Option<MfaMethod>>,
    /// The address.
    pub email_address: Option<EmailAddress>,
    /// Whether the old address becomes free.
    pub unlink_email: bool,
    /// The external id; `Some(None)`: to be taken away.
    pub external_id: Option<Option<ExternalId>>,
}

/// Why a member can't be changed like this.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MemberUpdateError {
    /// Metadata would break its rules.
    #[error("the merged metadata is not acceptable")]
    Invalid(Vec<Violation>),
    /// The member has another phone number.
    #[error("the member has another phone number")]
    SecondPhoneNumber,
    /// The member has as many retired addresses as it may.
    #[error("the member has {MAX_RETIRED} retired addresses")]
    TooManyAddresses,
    /// The member does not have the factor that is to be the default.
    #[error("the member lacks the default factor")]
    MissingFactor,
}

impl MemberUpdate {
    /// Whether the update can take the role of an admin away.
    #[must_use]
    pub fn concerns_roles(&self) -> bool {
        self.roles.is_some() || self.email_address.is_some()
    }

    /// The member after the update, and the names of the fields that it changes. None: it stays as it is,
    /// version and time included. `email_id` is for an address that the member never had.
    ///
    /// # Errors
    /// [`MemberUpdateError`].
    pub fn apply(
        self,
        before: &Member,
        email_id: EmailId,
        now: OffsetDateTime,
    ) -> Result<(Member, Vec<&'static str>), MemberUpdateError> {
        let mut after = before.clone();
        let mut violations = Vec::new();
        if let Some(name) = self.name {
            after.name = name;
        }
        if let Some(sent) = self.trusted_metadata {
            after.trusted_metadata =
                merged(&mut violations, "trusted_metadata", after.trusted_metadata, sent);
        }
        if let Some(sent) = self.untrusted_metadata {
            after.untrusted_metadata =
                merged(&mut violations, "untrusted_metadata", after.untrusted_metadata, sent);
        }
        if !violations.is_empty() {
            return Err(MemberUpdateError::Invalid(violations));
        }
        after.is_breakglass = self.is_breakglass.unwrap_or(after.is_breakglass);
        after.mfa_enrolled = self.mfa_enrolled.unwrap_or(after.mfa_enrolled);
        after.assigned_roles = self.roles.unwrap_or(after.assigned_roles);
        after.external_id = self.external_id.unwrap_or(after.external_id);
        if let Some(number) =
            self.mfa_phone_number.filter(|number| Some(number) != before.mfa_phone_number.as_ref())
        {
            if before.mfa_phone_number.is_some() {
                return Err(MemberUpdateError::SecondPhoneNumber);
            }
            after.mfa_phone_number = Some(number);
            after.mfa_phone_number_verified = false;
        }
        if let Some(method) = self.default_mfa_method {
            if !method.is_none_or(|method| after.has(method)) {
                return Err(MemberUpdateError::MissingFactor);
            }
            after.default_mfa_method = method;
        }
        if let Some(address) = self.email_address {
            after.move_to(address, email_id, self.unlink_email);
            if after.retired_email_addresses.len() > MAX_RETIRED {
                return Err(MemberUpdateError::TooManyAddresses);
            }
        }
        Ok(after.changed_since(before, now))
    }
}

impl Member {
    /// Whether the member has the second factor.
    fn has(&self, method: MfaMethod) -> bool {
        match method {
            MfaMethod::SmsOtp => self.mfa_phone_number.is_some(),
            // Authenticator apps are not registered here yet.
            MfaMethod::Totp => false,
        }
    }

    /// Makes an address the current one. It is not verified, whatever it was before.
    fn move_to(&mut self, address: EmailAddress, email_id: EmailId, unlink: bool) {
        if address == self.email_address {
            return;
        }
        let own = self.retired_email_addresses.iter().position(|retired| retired.email_address == address);
        let email_id = own.map_or(email_id, |own| self.retired_email_addresses.remove(own).email_id);
        let old = RetiredEmailAddress {
            email_id: std::mem::replace(&mut self.email_id, email_id),
            email_address: std::mem::replace(&mut self.email_address, address),
        };
        self.email_address_verified = false;
        if !unlink {
            self.retired_email_addresses.push(old);
            self.retired_email_addresses.sort_by_key(|retired| retired.email_id.uuid());
        }
    }

    /// The member with the next version, and the names of the fields, as callers know them, that have
    /// changed. None: the version stays.
    #[must_use]
    pub fn changed_since(mut self, before: &Self, now: OffsetDateTime) -> (Self, Vec<&'static str>) {
        let differs = [
            ("email_address", self.email_address != before.email_address),
            ("email_address_verified", self.email_address_verified != before.email_address_verified),
            ("status", self.status != before.status),
            ("name", self.name != before.name),
            ("external_id", self.external_id != before.external_id),
            ("retired_email_addresses", self.retired_email_addresses != before.retired_email_addresses),
            ("is_breakglass", self.is_breakglass != before.is_breakglass),
            ("roles", self.assigned_roles != before.assigned_roles),
            ("mfa_enrolled", self.mfa_enrolled != before.mfa_enrolled),
            ("mfa_phone_number", self.mfa_phone_number != before.mfa_phone_number),
            ("default_mfa_method", self.default_mfa_method != before.default_mfa_method),
            ("oauth_registrations", self.oauth_registrations != before.oauth_registrations),
            ("trusted_metadata", self.trusted_metadata != before.trusted_metadata),
            ("untrusted_metadata", self.untrusted_metadata != before.untrusted_metadata),
        ];
        let changed: Vec<_> =
            differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
        if !changed.is_empty() {
            self.version += 1;
            self.updated_at = now;
        }
        (self, changed)
    }
}
