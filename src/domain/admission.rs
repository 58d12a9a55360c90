//! Who may enter an organization, and what they still owe it: one table of rules decides, for every way
//! in. A way that asked another question would be a way around.

mod explain;
mod facts;
mod table;

use serde::{Deserialize, Serialize};

pub use explain::{Explained, explain, explain_unseen};
pub use facts::{
    Claim, DomainPath, Door, Facts, Method, Proof, SecondFactor, Situation, Standing, TenantPath,
};
pub use table::{Row, TABLE};

use super::authentication_factor::VERIFYING_METHODS;
use super::organization_settings::{AuthMethod, AuthMethods, OrganizationSettings};
use super::reason::Reason;

/// A rule. They are applied in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A token that is bound enters the organization it is bound to and no other.
    BoundToken,
    /// A domain that one organization has claimed lets nobody become a member elsewhere.
    ClaimedEmailDomain,
    /// Members enter as what they are.
    Membership,
    /// Others may join by the domain of their address.
    EmailJitProvisioning,
    /// Others may join by a tenant of their OAuth account.
    OauthTenantJitProvisioning,
    /// The person has proved to be who has the address, or who the member is.
    EmailVerification,
    /// A factor is of a method that the organization allows.
    AuthMethods,
    /// A second factor is there where one is asked for.
    MfaPolicy,
}

impl Rule {
    /// Every rule, in the order of their application.
    pub const ALL: [Self; 8] = [
        Self::BoundToken,
        Self::ClaimedEmailDomain,
        Self::Membership,
        Self::EmailJitProvisioning,
        Self::OauthTenantJitProvisioning,
        Self::EmailVerification,
        Self::AuthMethods,
        Self::MfaPolicy,
    ];

    /// Whether the rule lets people join who are no members.
    fn is_about_joining(self) -> bool {
        matches!(self, Self::EmailJitProvisioning | Self::OauthTenantJitProvisioning)
    }
}

/// As what somebody enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// As the creator of the organization.
    Creator,
    /// As the member that they are.
    Member,
    /// By joining through the domain of their address.
    ByDomain,
    /// By joining through a tenant of their OAuth account.
    ByTenant,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Pass,
    /// Go in, if the factors suffice.
    Enter(Entry),
    /// Not by this rule; a later one may let the person in.
    NotMet,
    /// Stay out.
    Refuse(Reason),
    /// Prove the address first, by one of the methods that can.
    OweVerification,
    /// Use one of the allowed methods first.
    OweMethod,
    /// Give a second factor first.
    OweSecondFactor,
}

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

/// What the rules have decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What they were asked about.
    pub facts: Facts,
    /// As what the person enters, or why not.
    pub entry: Result<Entry, Reason>,
    /// What they owe first. Nothing for those who stay out.
    pub owed: Owed,
    /// What each rule said, in their order; `None`: it was not applied.
    pub rulings: [(Rule, Option<Verdict>); Rule::ALL.len()],
}

/// Applies the rules.
#[must_use]
pub fn decide(facts: Facts, settings: &OrganizationSettings) -> Decision {
    let mut rulings = Rule::ALL.map(|rule| (rule, None));
    let mut entry = None;
    let mut owed = Owed::default();
    for (rule, ruling) in &mut rulings {
        if rule.is_about_joining() && entry.is_some() {
            continue;
        }
        let verdict = table::verdict(*rule, entry, &facts);
        *ruling = Some(verdict);
        match verdict {
            Verdict::Pass | Verdict::NotMet => {}
            Verdict::Enter(as_what) => entry = Some(as_what),
            Verdict::Refuse(reason) => {
                return Decision { facts, entry: Err(reason), owed: Owed::default(), rulings };
            }
            Verdict::OweVerification => owed.primary = Some(verifying_methods(&facts, settings)),
            // Who owes a proof of the address gives one by an allowed method.
            Verdict::OweMethod => {
                owed.primary = owed.primary.or_else(|| Some(settings.allowed_auth_methods.clone()));
            }
            Verdict::OweSecondFactor => owed.mfa = true,
        }
    }
    // The table lets nobody come here without an entry; if it did, they would stay out.
    Decision { facts, entry: entry.ok_or(Reason::MemberNotFound), owed, rulings }
}

/// The methods that prove an address, of those that the person may use.
fn verifying_methods(facts: &Facts, settings: &OrganizationSettings) -> Vec<AuthMethod> {
    let allowed = |method: &AuthMethod| {
        facts.exempt
            || settings.auth_methods == AuthMethods::AllAllowed
            || settings.allowed_auth_methods.contains(method)
    };
    VERIFYING_METHODS.into_iter().filter(allowed).collect()
}

#[cfg(test)]
mod tests;
