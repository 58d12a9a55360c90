//! The table. Each row: a rule, what must be the case (nothing said: anything), and the verdict.
//! Exactly one row of a rule fits whatever is the case; unit tests hold that, and generated tests run
//! every row through the public API.

use super::Verdict;
use super::{Claim, DomainPath, Door, Entry, Facts, Method, Proof, Rule, SecondFactor, Standing, TenantPath};
use crate::domain::reason::Reason;

/// One row. An empty list: anything.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each is documented by its type")]
pub struct Row {
    pub rule: Rule,
    pub door: &'static [Door],
    pub claim: &'static [Claim],
    pub standing: &'static [Standing],
    pub domain: &'static [DomainPath],
    pub tenant: &'static [TenantPath],
    /// As what the person enters, by the rules before.
    pub entry: &'static [Entry],
    pub proof: &'static [Proof],
    pub method: &'static [Method],
    pub second: &'static [SecondFactor],
    pub verdict: Verdict,
}

macro_rules! value {
    (door $value:ident) => {
        Door::$value
    };
    (claim $value:ident) => {
        Claim::$value
    };
    (standing $value:ident) => {
        Standing::$value
    };
    (domain $value:ident) => {
        DomainPath::$value
    };
    (tenant $value:ident) => {
        TenantPath::$value
    };
    (entry $value:ident) => {
        Entry::$value
    };
    (proof $value:ident) => {
        Proof::$value
    };
    (method $value:ident) => {
        Method::$value
    };
    (second $value:ident) => {
        SecondFactor::$value
    };
}

macro_rules! rows {
    ($($rule:ident: $([$column:ident $($value:ident)+])* => $verdict:ident $(($what:ident))?;)*) => {
        /// Every row.
        pub const TABLE: &[Row] = &[$(Row {
            $($column: &[$(value!($column $value)),+],)*
            ..empty(Rule::$rule, Verdict::$verdict $((rows!(@ $verdict $what)))?)
        }),*];
    };
    (@ Enter $what:ident) => { Entry::$what };
    (@ Refuse $what:ident) => { Reason::$what };
}

/// A row of a rule that asks for nothing.
const fn empty(rule: Rule, verdict: Verdict) -> Row {
    Row {
        rule,
        door: &[],
        claim: &[],
        standing: &[],
        domain: &[],
        tenant: &[],
        entry: &[],
        proof: &[],
        method: &[],
        second: &[],
        verdict,
    }
}

rows! {
    BoundToken: [door BoundElsewhere] => Refuse(InvalidIntermediateSessionTokenForOrganization);
    BoundToken: [door Create Exchange Finish Switch] => Pass;

    // A claim ends nobody's membership, and finishing a login makes none.
    ClaimedEmailDomain: [claim Unclaimed] => Pass;
    ClaimedEmailDomain: [claim ClaimedElsewhere] [door Finish] => Pass;
    ClaimedEmailDomain: [claim ClaimedElsewhere] [door Create] => Refuse(ActionNotAllowedEmailDomainIsClaimed);
    ClaimedEmailDomain: [claim ClaimedElsewhere] [door Exchange Switch] [standing Active] => Pass;
    ClaimedEmailDomain: [claim ClaimedElsewhere] [door Exchange Switch] [standing Invited Pending Retired Stranger] => Refuse(ActionNotAllowedEmailDomainIsClaimed);

    Membership: [door Create] => Enter(Creator);
    Membership: [door Finish] => Enter(Member);
    Membership: [door Exchange Switch] [standing Active Invited Pending] => Enter(Member);
    Membership: [door Exchange Switch] [standing Retired] => Refuse(RetiredMemberEmail);
    Membership: [door Exchange] [standing Stranger] => NotMet;
    // A switch never makes a member.
    Membership: [door Switch] [standing Stranger] => Refuse(MemberNotFound);

    EmailJitProvisioning: [domain Open] => Enter(ByDomain);
    EmailJitProvisioning: [domain Off NotListed NoPeer] => NotMet;

    OauthTenantJitProvisioning: [tenant Open] => Enter(ByTenant);
    OauthTenantJitProvisioning: [tenant Off NotListed NoTenant] [domain Open NotListed NoPeer] => Refuse(InvalidEmailForJitProvisioning);
    OauthTenantJitProvisioning: [tenant NoTenant] [domain Off] => Refuse(EmailJitProvisioningNotAllowed);
    OauthTenantJitProvisioning: [tenant Off] [domain Off] => Refuse(OauthTenantJitProvisioningNotAllowed);
    OauthTenantJitProvisioning: [tenant NotListed] [domain Off] => Refuse(InvalidOauthTenantForJitProvisioning);

    // An address that nobody has proved opens nothing: not an invitation, not a membership, not a domain.
    EmailVerification: [entry Creator] [proof Fresh Carried] => Pass;
    EmailVerification: [entry Creator] [proof Account Unproven] => OweVerification;
    EmailVerification: [entry Member] [proof Fresh Carried Account] => Pass;
    EmailVerification: [entry Member] [proof Unproven] => OweVerification;
    // A proof from a session of long ago makes no member: the domain may have another owner now.
    EmailVerification: [entry ByDomain] [proof Fresh] => Pass;
    EmailVerification: [entry ByDomain] [proof Carried Account Unproven] => OweVerification;
    // The tenant is the proof.
    EmailVerification: [entry ByTenant] => Pass;

    AuthMethods: [method Allowed] => Pass;
    AuthMethods: [method Forbidden] => OweMethod;

    MfaPolicy: [second NotAsked Given] => Pass;
    MfaPolicy: [second Owed] => OweSecondFactor;
}

impl Row {
    /// Whether this is the row for what is the case.
    #[must_use]
    pub fn fits(&self, rule: Rule, entry: Option<Entry>, facts: &Facts) -> bool {
        fn among<T: PartialEq>(list: &[T], value: &T) -> bool {
            list.is_empty() || list.contains(value)
        }
        self.rule == rule
            && among(self.door, &facts.door)
            && among(self.claim, &facts.claim)
            && among(self.standing, &facts.standing)
            && among(self.domain, &facts.domain)
            && among(self.tenant, &facts.tenant)
            && (self.entry.is_empty() || entry.is_some_and(|entry| self.entry.contains(&entry)))
            && among(self.proof, &facts.proof)
            && among(self.method, &facts.method)
            && among(self.second, &facts.second)
    }
}

/// What a rule says. Where the table says nothing, nobody gets in.
pub(super) fn verdict(rule: Rule, entry: Option<Entry>, facts: &Facts) -> Verdict {
    let row = TABLE.iter().find(|row| row.fits(rule, entry, facts));
    row.map_or(Verdict::Refuse(Reason::MemberNotFound), |row| row.verdict)
}
