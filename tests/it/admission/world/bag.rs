//! What a case asks of the person's factors and of the organization's settings.

use vestibule::domain::admission::{
    DomainPath, Door, Facts, Method, Proof, SecondFactor, Standing, TenantPath,
};
use vestibule::pb;

use crate::admission::factors::{github, google, microsoft, recovery_code, sms, totp};
use crate::admission::settings::Settings;
use crate::harness::fixtures::{magic_link, oauth};

/// The subject of the account that is registered with the member, where one is.
const ACCOUNT: &str = "account-of-the-member";

/// The tenant that accounts belong to.
const TENANT: &str = "octo";

/// A phone that is not the member's.
const STRANGERS_PHONE: &str = "+14155559999";

/// Methods that no factor of a world is of. One of them could prove an address.
const OTHERS: [&str; 2] = ["email_otp", "sso"];

/// A case with its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) number: usize,
    pub(super) facts: Facts,
}

impl Plan {
    /// A case, in which some members are exempt, which the table does not ask about.
    pub(super) fn of(number: usize, facts: Facts) -> Self {
        let mut plan = Self { number, facts };
        plan.facts.exempt = plan.is_member() && facts.method == Method::Allowed && number.is_multiple_of(3);
        plan
    }

    pub(super) fn is_member(self) -> bool {
        matches!(self.facts.standing, Standing::Active | Standing::Invited | Standing::Pending)
    }

    /// Whether the case, as far as nothing is asked, is of one kind or of another.
    pub(super) fn odd(self) -> bool {
        self.number % 2 == 1
    }

    pub(super) fn domain(self) -> String {
        format!("world{}.com", self.number)
    }

    pub(super) fn address(self) -> String {
        format!("ada@{}", self.domain())
    }

    /// The phone of the member. `None`: not known.
    pub(super) fn phone(self) -> Option<String> {
        (self.is_member() && self.number % 4 == 2).then(|| format!("+1415555{:04}", self.number))
    }

    /// Whether a second factor is asked of the member alone.
    pub(super) fn enrolled(self) -> bool {
        self.is_member() && self.facts.second != SecondFactor::NotAsked && !self.odd()
    }

    fn tenants(self) -> &'static [&'static str] {
        if self.facts.tenant == TenantPath::NoTenant { &[] } else { &[TENANT] }
    }

    /// The account that is the member's, where one is.
    pub(super) fn account(self) -> pb::VouchedFactor {
        github(ACCOUNT, self.tenants())
    }

    /// The account that belongs to a tenant, where the case asks for one.
    pub(super) fn tenant_account(self) -> Option<pb::VouchedFactor> {
        (self.facts.tenant != TenantPath::NoTenant).then(|| self.account())
    }

    /// A factor that proves the address, and its method.
    fn proving(self) -> (pb::VouchedFactor, &'static str) {
        match (self.facts.proof, self.number % 3) {
            (Proof::Fresh, 1) => (microsoft(true), "microsoft_oauth"),
            (Proof::Fresh, 2) => (google(true, Some(&self.domain())), "google_oauth"),
            _ => (magic_link(), "magic_link"),
        }
    }

    /// A factor that proves nothing, and its method. Only GitHub's accounts have a tenant here.
    fn unproving(self) -> (pb::VouchedFactor, &'static str) {
        let any = self.facts.tenant == TenantPath::NoTenant && self.facts.door != Door::Switch;
        match self.number % 4 {
            1 if any => (google(true, None), "google_oauth"),
            2 if any => (microsoft(false), "microsoft_oauth"),
            3 if any => (oauth("oauth_slack", true), "slack_oauth"),
            _ => (github("somebody", self.tenants()), "github_oauth"),
        }
    }

    /// The first factors, and the method of one of them.
    pub(super) fn first_factors(self) -> (Vec<pb::VouchedFactor>, &'static str) {
        match self.facts.proof {
            Proof::Fresh | Proof::Carried => {
                let (factor, method) = self.proving();
                ([Some(factor), self.tenant_account()].into_iter().flatten().collect(), method)
            }
            Proof::Account => (vec![self.account()], "github_oauth"),
            Proof::Unproven => {
                let (factor, method) = self.unproving();
                (vec![factor], method)
            }
        }
    }

    /// The second factor, and the only methods of one that the organization accepts (empty: each).
    pub(super) fn second_factor(self) -> (Option<pb::VouchedFactor>, &'static [&'static str]) {
        let Facts { second, door, exempt, .. } = self.facts;
        let number = format!("+1415555{:04}", self.number);
        match (second, self.number % 4) {
            (SecondFactor::Given, 1) => (Some(recovery_code()), &["totp"]),
            (SecondFactor::Given, 2) => (Some(sms(&number)), &["sms_otp"]),
            (SecondFactor::Given, _) => (Some(totp()), &[]),
            // From one organization to another none goes along.
            (_, _) if door == Door::Switch => (None, &[]),
            (SecondFactor::NotAsked, 1) => (Some(totp()), &[]),
            (SecondFactor::Owed, 1) if !exempt => (Some(sms(&number)), &["totp"]),
            (SecondFactor::Owed, 2) if self.is_member() => (Some(sms(STRANGERS_PHONE)), &[]),
            (SecondFactor::NotAsked | SecondFactor::Owed, _) => (None, &[]),
        }
    }

    /// The settings of the organization.
    pub(super) fn settings(self) -> Settings {
        let Facts { domain, tenant, method, second, exempt, .. } = self.facts;
        let (_, used) = self.first_factors();
        let (_, mfa_methods) = self.second_factor();
        Settings {
            domains: match domain {
                DomainPath::Off => Vec::new(),
                DomainPath::NotListed => vec![format!("elsewhere{}.com", self.number)],
                DomainPath::Open | DomainPath::NoPeer => vec![self.domain()],
            },
            by_domain: domain != DomainPath::Off,
            tenants: match tenant {
                TenantPath::Open => &[TENANT],
                TenantPath::NotListed => &["cat"],
                TenantPath::NoTenant if self.odd() => &[TENANT],
                TenantPath::Off | TenantPath::NoTenant => &[],
            },
            methods: match method {
                Method::Forbidden => OTHERS.to_vec(),
                Method::Allowed if exempt => OTHERS.to_vec(),
                Method::Allowed if self.number % 3 == 1 => vec![used, "sso"],
                Method::Allowed => Vec::new(),
            },
            mfa: second != SecondFactor::NotAsked && !self.enrolled(),
            mfa_methods,
        }
    }
}
