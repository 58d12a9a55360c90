//! What can be the case, what the table says of it, and which cases are worth a world of their own.

use std::collections::HashSet;

use vestibule::domain::admission::{
    Claim, DomainPath, Door, Entry, Facts, Method, Proof, Rule, SecondFactor, Standing, TABLE, TenantPath,
    Verdict,
};
use vestibule::domain::reason::Reason;

/// What the table says of a case.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// For each rule, in their order, the row that fits and the entry by the rules before it; `None`: the
    /// rule is not applied.
    pub(super) rows: Vec<Option<(usize, Option<Entry>)>>,
    pub(super) entry: Result<Entry, Reason>,
}

impl Said {
    /// Reads the table from the top: each rule has one row that fits; a refusal ends it, and nobody needs
    /// to join who is in.
    pub(super) fn of(facts: &Facts) -> Self {
        let mut said = Self { rows: Vec::new(), entry: Err(Reason::MemberNotFound) };
        let mut entry = None;
        for rule in Rule::ALL {
            let joins = matches!(rule, Rule::EmailJitProvisioning | Rule::OauthTenantJitProvisioning);
            if joins && entry.is_some() {
                said.rows.push(None);
                continue;
            }
            let fitting: Vec<_> =
                (0..TABLE.len()).filter(|row| TABLE[*row].fits(rule, entry, facts)).collect();
            assert_eq!(fitting.len(), 1, "{rule:?} {entry:?} {facts:?}");
            said.rows.push(Some((fitting[0], entry)));
            match TABLE[fitting[0]].verdict {
                Verdict::Enter(as_what) => entry = Some(as_what),
                Verdict::Refuse(reason) => {
                    said.rows.resize(Rule::ALL.len(), None);
                    said.entry = Err(reason);
                    return said;
                }
                _ => {}
            }
        }
        said.entry = Ok(entry.unwrap_or_else(|| panic!("nobody is let in or kept out: {facts:?}")));
        said
    }

    /// The verdicts, rule by rule.
    pub(super) fn verdicts(&self) -> Vec<Option<Verdict>> {
        self.rows.iter().map(|row| row.map(|(row, _)| TABLE[row].verdict)).collect()
    }

    /// Whether a rule has said this.
    pub(super) fn has(&self, verdict: Verdict) -> bool {
        self.verdicts().contains(&Some(verdict))
    }

    /// Whether the person becomes a member by joining.
    pub(super) fn joins(&self) -> bool {
        matches!(self.entry, Ok(Entry::ByDomain | Entry::ByTenant))
    }

    /// Whether the login is complete.
    pub(super) fn complete(&self) -> bool {
        self.entry.is_ok() && !self.owes_primary() && !self.has(Verdict::OweSecondFactor)
    }

    /// Whether a first factor is owed.
    pub(super) fn owes_primary(&self) -> bool {
        self.has(Verdict::OweVerification) || self.has(Verdict::OweMethod)
    }
}

/// Why the facts can't meet. `None`: they can, and a world can be built of them.
pub(super) fn impossible(facts: &Facts) -> Option<&'static str> {
    let Facts { door, standing, domain, tenant, proof, second, .. } = *facts;
    let is_member = matches!(standing, Standing::Active | Standing::Invited | Standing::Pending);
    let why = match door {
        Door::Create if standing != Standing::Stranger => "nobody is a member of what is not there yet",
        Door::Create if domain == DomainPath::Open => "what is not there yet has no member on the domain",
        Door::Finish if !is_member => "a binding is to a member; who is none any more is not found",
        Door::Finish if standing == Standing::Active && proof == Proof::Unproven => {
            "a creator is active by the proof of the address, which the token still has"
        }
        Door::Finish if standing != Standing::Active && proof == Proof::Carried => {
            "a creator is active by the proof that came along"
        }
        Door::Finish if standing != Standing::Active && proof == Proof::Account => {
            "a creator's account is known once the address is proved"
        }
        Door::Switch if proof == Proof::Fresh => "everything that a session has came along",
        Door::Switch if standing != Standing::Active && proof == Proof::Account => {
            "a tenant that came along shows nothing"
        }
        Door::Switch if second == SecondFactor::Given && standing != Standing::Active => {
            "second factors go as far as the organization of the session"
        }
        Door::Switch if second == SecondFactor::Given && proof == Proof::Unproven => {
            "in its own organization a session says who the member is"
        }
        _ if proof == Proof::Account && !is_member => "who is no member has no account of the member's",
        _ if proof == Proof::Account && standing != Standing::Active && tenant != TenantPath::Open => {
            "who never proved the address is known by an account of an allowed tenant only"
        }
        _ => return None,
    };
    Some(why)
}

/// Every combination of values of columns.
fn all() -> Vec<Facts> {
    let mut facts = vec![Facts {
        door: Door::Create,
        claim: Claim::Unclaimed,
        standing: Standing::Stranger,
        domain: DomainPath::Off,
        tenant: TenantPath::Off,
        proof: Proof::Unproven,
        method: Method::Allowed,
        second: SecondFactor::NotAsked,
        exempt: false,
    }];
    macro_rules! each {
        ($($column:ident $values:ident),*) => {$(
            let each = |facts: Facts| $values::ALL.iter().map(move |$column| Facts { $column: *$column, ..facts });
            facts = facts.into_iter().flat_map(each).collect();
        )*};
    }
    each!(door Door, claim Claim, standing Standing, domain DomainPath, tenant TenantPath, proof Proof,
          method Method, second SecondFactor);
    facts
}

/// Every value of a case, with the name of its column.
fn values(facts: &Facts, entry: Option<Entry>) -> Vec<(&'static str, String)> {
    vec![
        ("door", format!("{:?}", facts.door)),
        ("claim", format!("{:?}", facts.claim)),
        ("standing", format!("{:?}", facts.standing)),
        ("domain", format!("{:?}", facts.domain)),
        ("tenant", format!("{:?}", facts.tenant)),
        ("entry", format!("{entry:?}")),
        ("proof", format!("{:?}", facts.proof)),
        ("method", format!("{:?}", facts.method)),
        ("second", format!("{:?}", facts.second)),
    ]
}

/// A row with a value, or a value with another.
type Goal = (String, String);

/// What a case shows: each value under each row that decides in it, and each value with each other.
fn goals(facts: &Facts) -> Vec<Goal> {
    let said = Said::of(facts);
    let mut goals = Vec::new();
    for (row, entry) in said.rows.iter().flatten() {
        let under = values(facts, *entry);
        goals
            .extend(under.into_iter().map(|(column, value)| (format!("{row}"), format!("{column} {value}"))));
    }
    let values = values(facts, said.entry.ok());
    for (position, (column, value)) in values.iter().enumerate() {
        let others = values[position + 1..].iter();
        let pair = |(other, its): &(&str, String)| (format!("{column} {value}"), format!("{other} {its}"));
        goals.extend(others.map(pair));
    }
    goals
}

/// Cases that together show every row with every value that can meet it, and every two values that can
/// meet each other. In the order of a walk with long steps, so that neighbours differ in many columns.
pub(super) fn chosen() -> Vec<Facts> {
    /// Has no divisor in common with the number of cases, so the walk meets each once.
    const STEP: usize = 7_919;
    let all = all();
    let mut seen = HashSet::new();
    let mut chosen = Vec::new();
    for position in 0..all.len() {
        let facts = all[position * STEP % all.len()];
        if impossible(&facts).is_none()
            && goals(&facts).into_iter().filter(|goal| seen.insert(goal.clone())).count() > 0
        {
            chosen.push(facts);
        }
    }
    chosen
}

/// The rows that no chosen case reaches.
pub(super) fn rows_without_a_case(chosen: &[Facts]) -> Vec<usize> {
    let reached: HashSet<_> =
        chosen.iter().flat_map(|facts| Said::of(facts).rows).flatten().map(|(row, _)| row).collect();
    (0..TABLE.len()).filter(|row| !reached.contains(row)).collect()
}

/// What rows name that no chosen case has, as `rule [entry] verdict: column value`.
pub(super) fn values_without_a_case(chosen: &[Facts]) -> Vec<String> {
    let shown: HashSet<Goal> = chosen.iter().flat_map(goals).collect();
    let mut missing = Vec::new();
    for (number, row) in TABLE.iter().enumerate() {
        macro_rules! named {
            ($($column:ident)*) => {$(
                for value in row.$column {
                    let value = format!("{} {value:?}", stringify!($column));
                    if !shown.contains(&(format!("{number}"), value.clone())) {
                        missing.push(format!("{:?} {:?} {:?}: {value}", row.rule, row.entry, row.verdict));
                    }
                }
            )*};
        }
        named!(door claim standing domain tenant proof method second);
        for entry in row.entry {
            let value = format!("entry {:?}", Some(entry));
            if !shown.contains(&(format!("{number}"), value.clone())) {
                missing.push(format!("{:?} {:?} {:?}: {value}", row.rule, row.entry, row.verdict));
            }
        }
    }
    missing
}
