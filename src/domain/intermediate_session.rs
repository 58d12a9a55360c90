//! Intermediate sessions: verified factors of one person, before any organization is known.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

use super::evidence::Evidence;
use super::ids::{MemberId, OrganizationId};

/// How long an intermediate session lives from its creation. Nothing extends it.
pub const LIFETIME: Duration = Duration::from_mins(10);

/// The most factors that a token holds.
pub const MAX_FACTORS: usize = 16;

/// The SHA-256 of a token: what both stores know it by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenHash(<redacted>)")
    }
}

/// What a token stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct IntermediateSession {
    /// Whom it is about.
    pub evidence: Evidence,
    /// The login it can finish; `None`: open.
    pub binding: Option<Binding>,
    /// The organization that the person was on the way to. It binds nothing.
    pub hint: Option<OrganizationId>,
    /// When it was made, by the clock of the store that keeps it.
    pub created_at: OffsetDateTime,
    /// When it ends, by the same clock.
    pub expires_at: OffsetDateTime,
}

/// The one login that a bound token can finish.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Binding {
    /// The organization.
    pub organization_id: OrganizationId,
    /// The member.
    pub member_id: MemberId,
}
