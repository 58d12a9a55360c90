//! What searches look for, and where a page ends.

use serde::Serialize;
use uuid::Uuid;

use super::email_address::EmailAddress;
use super::email_domain::EmailDomain;
use super::ids::MemberId;
use super::member::MemberStatus;
use super::organization::OrganizationName;
use super::phone_number::PhoneNumber;
use super::slug::ExternalId;

/// The most rows of a page.
pub const MAX_LIMIT: u32 = 1_000;

/// The rows of a page when nobody says.
pub const DEFAULT_LIMIT: u32 = 100;

/// The most operands of a query.
pub const MAX_OPERANDS: usize = 20;

/// The most values of one filter.
pub const MAX_VALUES: usize = 1_000;

/// The fewest characters of a text that is looked for inside other texts: an index of trigrams finds
/// nothing shorter. Three letters or digits in a row, that is; without them a rare text takes long.
pub const MIN_SUBSTRING: usize = 3;

/// The most characters of such a text.
pub const MAX_SUBSTRING: usize = 255;

/// The most organizations whose members can be searched at once.
pub const MAX_ORGANIZATIONS: usize = 100;

/// Up to how many matches a total is exact.
pub const MAX_TOTAL: u32 = 10_000;

/// How the operands of a query combine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Operator {
    /// Every operand.
    #[default]
    And,
    /// At least one operand.
    Or,
}

/// One operand of a query.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Operand<F> {
    /// Matches everything, or nothing: what it asks for is the same for every row.
    Constant(bool),
    /// Looks at the row.
    Filter(F),
}

/// Which rows are wanted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Query<F> {
    /// How the operands combine.
    pub operator: Operator,
    /// The operands; none: everything.
    pub operands: Vec<Operand<F>>,
}

/// A query without its constants. The lists are never empty.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection<F> {
    /// Every row.
    Everything,
    /// No row.
    Nothing,
    /// The rows that match every filter.
    All(Vec<F>),
    /// The rows that match at least one filter.
    Any(Vec<F>),
}

impl<F> Selection<F> {
    /// The filters, and whether a row must match every one of them; `None`: no row matches.
    #[must_use]
    pub fn filters(&self) -> Option<(&[F], bool)> {
        match self {
            Self::Nothing => None,
            Self::Everything => Some((&[], true)),
            Self::All(filters) => Some((filters, true)),
            Self::Any(filters) => Some((filters, false)),
        }
    }
}

impl<F> Query<F> {
    /// Decides the constants.
    #[must_use]
    pub fn select(self) -> Selection<F> {
        let sent = !self.operands.is_empty();
        let mut filters = Vec::new();
        let decisive = self.operator == Operator::Or;
        for operand in self.operands {
            match operand {
                Operand::Constant(constant) if constant == decisive => {
                    return if constant { Selection::Everything } else { Selection::Nothing };
                }
                Operand::Constant(_) => {}
                Operand::Filter(filter) => filters.push(filter),
            }
        }
        match self.operator {
            Operator::Or if filters.is_empty() && sent => Selection::Nothing,
            _ if filters.is_empty() => Selection::Everything,
            Operator::And => Selection::All(filters),
            Operator::Or => Selection::Any(filters),
        }
    }
}

/// A text to be found inside another, without regard to case: [`MIN_SUBSTRING`] to [`MAX_SUBSTRING`]
/// characters.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Substring(pub String);

/// What is looked for may be part of an address, which never reaches logs.
impl std::fmt::Debug for Substring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Substring(<redacted>)")
    }
}

/// What an organization is looked for by. Lists match any of their values.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "documented by the filters of the rpc SearchOrganizations")]
pub enum OrganizationFilter {
    OrganizationIds(Vec<OrganizationName>),
    /// In lower case.
    OrganizationSlugs(Vec<String>),
    MemberEmails(Vec<EmailAddress>),
    AllowedDomains(Vec<EmailDomain>),
    ClaimedEmailDomains(Vec<EmailDomain>),
    OrganizationSlugFuzzy(Substring),
    OrganizationNameFuzzy(Substring),
    MemberEmailFuzzy(Substring),
    AllowedDomainFuzzy(Substring),
}

/// What a member is looked for by. Lists match any of their values.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "documented by the filters of the rpc SearchMembers")]
pub enum MemberFilter {
    MemberIds(Vec<MemberId>),
    ExternalIds(Vec<ExternalId>),
    MemberEmails(Vec<EmailAddress>),
    Statuses(Vec<MemberStatus>),
    MemberMfaPhoneNumbers(Vec<PhoneNumber>),
    MemberRoles(Vec<String>),
    MemberEmailFuzzy(Substring),
    MemberMfaPhoneNumberFuzzy(Substring),
    MemberIsBreakglass(bool),
}

impl Query<MemberFilter> {
    /// Whether a filter `statuses` names deleted members, who are left out otherwise.
    #[must_use]
    pub fn names_deleted(&self) -> bool {
        self.operands.iter().any(|operand| {
            matches!(
                operand,
                Operand::Filter(MemberFilter::Statuses(statuses)) if statuses.contains(&MemberStatus::Deleted)
            )
        })
    }
}

/// Where a page begins, and what is known of the whole result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The id of the last row of the page before. Rows come in descending order of their ids, which is
    /// the order of their creation backwards.
    pub after: Uuid,
    /// How many rows matched when the first page was read.
    pub total: Total,
}

/// How many rows match; `None`: more than [`MAX_TOTAL`], or nobody knows.
pub type Total = Option<u32>;

/// Which page of a result is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The most rows: 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// Where it begins; `None`: at the beginning.
    pub position: Option<Position>,
}

/// One page of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many there are in all.
    pub total: Total,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<Position>,
}

#[cfg(test)]
mod tests;
