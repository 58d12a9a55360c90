//! The rules in plain words: what somebody shows, what an organization asks, what they are to each other,
//! and what comes of it. Written from what is promised, not from the table.

use vestibule::pb;

use super::answers::Owed;
use super::factors::{VERIFYING, email_otp, github, google, microsoft, password, sms, totp};
use crate::harness::fixtures::magic_link;

/// The tenant of accounts that have one.
const TENANT: &str = "octo";

/// A second factor in a bag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Second {
    Totp,
    /// A code to a phone that is not the member's.
    OtherPhone,
}

/// What somebody shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bag {
    pub(super) name: &'static str,
    method: &'static str,
    /// Whether a factor proves the address.
    verifies: bool,
    pub(super) second: Option<Second>,
    tenant: bool,
    /// Whether the account is registered with the member, if that one has ever logged in.
    pub(super) registered: bool,
}

const fn bag(name: &'static str, method: &'static str, verifies: bool) -> Bag {
    Bag { name, method, verifies, second: None, tenant: false, registered: false }
}

pub(super) const BAGS: [Bag; 12] = [
    bag("magic link", "magic_link", true),
    bag("code by e-mail", "email_otp", true),
    bag("Google with a hosted domain", "google_oauth", true),
    bag("Google without a hosted domain", "google_oauth", false),
    bag("Microsoft, verified", "microsoft_oauth", true),
    bag("GitHub", "github_oauth", false),
    Bag { registered: true, ..bag("GitHub, the member's account", "github_oauth", false) },
    bag("password", "password", false),
    bag("password, just set", "password", true),
    Bag { second: Some(Second::Totp), ..bag("magic link and authenticator app", "magic_link", true) },
    Bag { second: Some(Second::OtherPhone), ..bag("magic link and a code to a phone", "magic_link", true) },
    Bag { tenant: true, ..bag("GitHub with a tenant", "github_oauth", false) },
];

impl Bag {
    /// The factors of a person of this number.
    pub(super) fn factors(&self, person: usize) -> Vec<pb::VouchedFactor> {
        let first = match self.name {
            "code by e-mail" => email_otp(),
            "Google with a hosted domain" => google(true, Some("company.com")),
            "Google without a hosted domain" => google(true, None),
            "Microsoft, verified" => microsoft(true),
            "GitHub" => github("somebody-else", &[]),
            "GitHub, the member's account" => account(person),
            "password" => password(false),
            "password, just set" => password(true),
            "GitHub with a tenant" => github("somebody-else", &["cat", TENANT]),
            _ => magic_link(),
        };
        let second = self.second.map(|second| match second {
            Second::Totp => totp(),
            Second::OtherPhone => sms("+14155559999"),
        });
        [Some(first), second].into_iter().flatten().collect()
    }
}

/// The account that a person of this number has registered.
pub(super) fn account(person: usize) -> pb::VouchedFactor {
    github(&format!("person-{person}"), &[])
}

/// By what people join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joining {
    Off,
    /// By domain; the domain has a member with a verified address, or has not.
    Domain {
        peer: bool,
    },
    /// By domain; the organization allows other domains.
    OtherDomain,
    /// By these tenants.
    Tenant(&'static [&'static str]),
    /// By domain, which has such a member, and by these tenants.
    DomainAndTenant(&'static [&'static str]),
}

/// What an organization asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// The only methods. Empty: each.
    pub(super) methods: &'static [&'static str],
    pub(super) mfa: bool,
    /// The only second factors. Empty: each.
    pub(super) mfa_methods: &'static [&'static str],
    pub(super) joining: Joining,
}

const OPEN: Policy = Policy { methods: &[], mfa: false, mfa_methods: &[], joining: Joining::Off };

/// What each asks is asked of members and of others, except that joining alone is nothing to members: one
/// kind of them stands for all.
pub(super) const POLICIES: [Policy; 13] = [
    OPEN,
    Policy { methods: &["email_otp"], ..OPEN },
    Policy { methods: &["sso"], ..OPEN },
    Policy { methods: &["github_oauth"], ..OPEN },
    Policy { mfa: true, ..OPEN },
    Policy { mfa: true, mfa_methods: &["sms_otp"], ..OPEN },
    Policy { joining: Joining::Domain { peer: true }, ..OPEN },
    Policy { joining: Joining::Domain { peer: false }, ..OPEN },
    Policy { joining: Joining::OtherDomain, ..OPEN },
    Policy { joining: Joining::Tenant(&[TENANT]), ..OPEN },
    Policy { joining: Joining::Tenant(&["another"]), ..OPEN },
    Policy {
        methods: &["email_otp", "password"],
        mfa: true,
        joining: Joining::Domain { peer: true },
        ..OPEN
    },
    Policy {
        methods: &["magic_link", "github_oauth"],
        mfa: true,
        mfa_methods: &["totp"],
        joining: Joining::DomainAndTenant(&[TENANT]),
    },
];

impl Policy {
    /// Whose outcome it can change.
    pub(super) fn is_about(&self, membership: Membership) -> bool {
        let asks = self.joining == Joining::Off || !self.methods.is_empty() || self.mfa;
        asks || !membership.is_member() || membership == Membership::Verified
    }
}

/// What the person is to the organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    Nobody,
    Invited,
    Pending,
    /// Active, the address verified.
    Verified,
    /// Active by the word of the back office; the address is not verified.
    Unverified,
    /// Active, verified, and asked for a second factor at every login.
    Enrolled,
    /// Active, verified, and exempt.
    Breakglass,
    Deleted,
    /// The address is one that a member had before.
    Retired,
}

pub(super) const MEMBERSHIPS: [Membership; 9] = [
    Membership::Nobody,
    Membership::Invited,
    Membership::Pending,
    Membership::Verified,
    Membership::Unverified,
    Membership::Enrolled,
    Membership::Breakglass,
    Membership::Deleted,
    Membership::Retired,
];

impl Membership {
    /// Whether the person has logged in before, which proved the address and registered their account.
    pub(super) fn has_logged_in(self) -> bool {
        matches!(self, Self::Verified | Self::Enrolled | Self::Breakglass | Self::Deleted)
    }

    fn is_member(self) -> bool {
        !matches!(self, Self::Nobody | Self::Deleted | Self::Retired)
    }
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Kept out, with this reason.
    Refused(String),
    /// Sent for a factor; `member`: with a membership.
    Owes { owed: Owed, member: bool },
    /// In; `verified`: with a proved address.
    In { verified: bool },
}

/// Who somebody is to an organization that lets them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum As {
    Member,
    ByDomain,
    ByTenant,
}

fn lets_in(bag: Bag, policy: Policy, membership: Membership) -> Result<As, &'static str> {
    if membership.is_member() {
        return Ok(As::Member);
    }
    if membership == Membership::Retired {
        return Err("RETIRED_MEMBER_EMAIL");
    }
    let listed = |tenants: &[&str]| bag.tenant && tenants.contains(&TENANT);
    match policy.joining {
        Joining::Domain { peer: true } | Joining::DomainAndTenant(_) => Ok(As::ByDomain),
        Joining::Tenant(tenants) if listed(tenants) => Ok(As::ByTenant),
        Joining::Domain { peer: false } | Joining::OtherDomain => Err("INVALID_EMAIL_FOR_JIT_PROVISIONING"),
        Joining::Off | Joining::Tenant(_) if !bag.tenant => Err("EMAIL_JIT_PROVISIONING_NOT_ALLOWED"),
        Joining::Off => Err("OAUTH_TENANT_JIT_PROVISIONING_NOT_ALLOWED"),
        Joining::Tenant(_) => Err("INVALID_OAUTH_TENANT_FOR_JIT_PROVISIONING"),
    }
}

/// What comes of it when somebody shows this bag.
pub(super) fn outcome(bag: Bag, policy: Policy, membership: Membership) -> Outcome {
    let entry = match lets_in(bag, policy, membership) {
        Err(reason) => return Outcome::Refused(reason.to_owned()),
        Ok(entry) => entry,
    };
    let is_known =
        membership.is_member() && membership.has_logged_in() && (bag.registered || bag.method == "password");
    let proved = bag.verifies || is_known || entry == As::ByTenant;
    let is_exempt = membership == Membership::Breakglass;
    let allows = |method: &str| is_exempt || policy.methods.is_empty() || policy.methods.contains(&method);
    let primary: Option<Vec<&str>> = if !proved {
        Some(VERIFYING.into_iter().filter(|method| allows(method)).collect())
    } else if !allows(bag.method) {
        Some(policy.methods.to_vec())
    } else {
        None
    };
    let accepts = |method| is_exempt || policy.mfa_methods.is_empty() || policy.mfa_methods.contains(&method);
    let has_second = match bag.second {
        None => false,
        Some(Second::Totp) => accepts("totp"),
        // Members have a phone of their own here; whoever is none yet has none.
        Some(Second::OtherPhone) => !membership.is_member() && accepts("sms_otp"),
    };
    let asked = policy.mfa || membership == Membership::Enrolled;
    let mfa = asked && !has_second;
    let primary = primary.map(|methods| methods.into_iter().map(str::to_owned).collect());
    let owed = Owed { primary, mfa };
    if owed.nothing() {
        let was_verified = membership.is_member() && membership.has_logged_in();
        return Outcome::In { verified: bag.verifies || was_verified };
    }
    let member = entry == As::Member || owed.primary.is_none();
    Outcome::Owes { owed, member }
}
