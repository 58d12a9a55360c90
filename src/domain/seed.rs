//! Made-up organizations and members for an empty database: for load tests, and for trying things out.
//!
//! A [`Plan`] determines every row, ids and times included: nothing is read from a clock or from the
//! system's randomness. An organization depends on its number alone, so rows are made one at a time
//! and forgotten, however many there are.

mod member;
mod organization;
mod random;
mod words;

use time::OffsetDateTime;
use time::macros::datetime;

use super::member::Member;
use super::organization::Organization;

use organization::Profile;

/// Stands in the name and slug of the last of every [`NEEDLE_INTERVAL`] organizations: something rare
/// for searches to find.
pub const NEEDLE: &str = "Zyxwort";

/// How many organizations there are to a [`NEEDLE`].
pub const NEEDLE_INTERVAL: u64 = 1_000;

/// When the first organization was created.
const BEGINNING: OffsetDateTime = datetime!(2024-01-01 00:00 UTC);

/// Nothing happened after it.
const END: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

/// What is to be made up. The same plan gives the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many organizations.
    pub organizations: u64,
    /// How many members each of them has.
    pub members: u64,
    /// Another number gives other names, ids and settings.
    pub seed: u64,
}

/// What the next rows are about. The members of an organization follow it.
#[derive(Clone, Debug, PartialEq)]
pub enum Seeded {
    /// An organization.
    Organization(Box<Organization>),
    /// A member of the organization before it.
    Member(Box<Member>),
}

/// A value that the rules of the domain refuse: a fault of the word lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a made-up {0} breaks the rules of real ones")]
pub struct Refused(pub &'static str);

impl Plan {
    /// Everything, in order: each organization, followed by its members.
    #[must_use]
    pub fn rows(self) -> Rows {
        Rows { plan: self, organization: 0, current: None }
    }

    /// When an organization was created: evenly spread, so that a later one has a later id.
    fn created_at(self, number: u64) -> OffsetDateTime {
        let window = (END - BEGINNING).whole_milliseconds();
        let elapsed = window * i128::from(number) / i128::from(self.organizations.max(1));
        BEGINNING + time::Duration::milliseconds(i64::try_from(elapsed).unwrap_or(0))
    }
}

/// A moment some way between an earlier one and [`END`], in whole milliseconds.
fn later(moment: OffsetDateTime, part: u64, whole: u64) -> OffsetDateTime {
    let rest = (END - moment).whole_milliseconds();
    let elapsed = rest * i128::from(part) / i128::from(whole.max(1));
    moment + time::Duration::milliseconds(i64::try_from(elapsed).unwrap_or(0))
}

/// The rows of a [`Plan`], made as they are asked for.
#[derive(Debug)]
pub struct Rows {
    plan: Plan,
    organization: u64,
    /// The organization whose members come next, and the number of the next one.
    current: Option<(Profile, u64)>,
}

impl Iterator for Rows {
    type Item = Result<Seeded, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((profile, number)) = &mut self.current
            && *number < self.plan.members
        {
            let member = member::make(self.plan, profile, *number);
            *number += 1;
            return Some(member.map(|member| Seeded::Member(Box::new(member))));
        }
        if self.organization >= self.plan.organizations {
            return None;
        }
        let made = Profile::of(self.plan, self.organization).and_then(|profile| {
            let organization = profile.organization()?;
            self.current = Some((profile, 0));
            Ok(Seeded::Organization(Box::new(organization)))
        });
        self.organization += 1;
        Some(made)
    }
}

#[cfg(test)]
mod tests;
