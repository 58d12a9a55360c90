//! What a person who holds an intermediate session still owes an organization.

use serde::{Deserialize, Serialize};

use super::authentication_factor::VERIFYING_METHODS;
use super::intermediate_session::IntermediateSession;
use super::organization_settings::{AuthMethod, AuthMethods, MfaMethods, MfaPolicy, OrganizationSettings};

/// What is owed before a login is complete.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Owed {
    /// The methods of which one is owed as a first factor. Empty inside `Some`: the organization
    /// leaves none, so the login can't be completed.
    pub primary: Option<Vec<AuthMethod>>,
    /// Whether a second factor is owed.
    pub mfa: bool,
}

impl Owed {
    /// Whether the login is complete.
    #[must_use]
    pub fn nothing(&self) -> bool {
        self.primary.is_none() && !self.mfa
    }
}

/// What the creator of an organization with these settings still owes it.
///
/// The address must be verified, one first factor must be of an allowed method (not necessarily the
/// same one), and under `REQUIRED_FOR_ALL` there must be a second factor of an allowed method.
#[must_use]
pub fn owed_by_creator(person: &IntermediateSession, settings: &OrganizationSettings) -> Owed {
    let allowed = |method: &AuthMethod| {
        settings.auth_methods == AuthMethods::AllAllowed || settings.allowed_auth_methods.contains(method)
    };
    let method_met =
        person.factors.iter().filter_map(|factor| factor.kind.auth_method()).any(|method| allowed(&method));
    let primary = if !person.email_address_verified() {
        Some(VERIFYING_METHODS.into_iter().filter(allowed).collect())
    } else if method_met {
        None
    } else {
        Some(settings.allowed_auth_methods.clone())
    };
    let mfa_met = person.factors.iter().filter_map(|factor| factor.kind.mfa_method()).any(|method| {
        settings.mfa_methods == MfaMethods::AllAllowed || settings.allowed_mfa_methods.contains(&method)
    });
    Owed { primary, mfa: settings.mfa_policy == MfaPolicy::RequiredForAll && !mfa_met }
}

#[cfg(test)]
mod tests;
