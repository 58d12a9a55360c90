//! Intermediate sessions: verified factors of one person, before any organization is known.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

use super::authentication_factor::VerifiedFactor;
use super::email_address::EmailAddress;
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
    /// The address that the person claims.
    pub email_address: EmailAddress,
    /// What was verified, oldest first.
    pub factors: Vec<VerifiedFactor>,
    /// The login it can finish; `None`: open.
    pub binding: Option<Binding>,
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

impl IntermediateSession {
    /// Whether a factor proves that the person controls the address.
    #[must_use]
    pub fn email_address_verified(&self) -> bool {
        self.factors.iter().any(|factor| factor.verifies(&self.email_address))
    }

    /// The person's name, from the latest factor that carries one.
    #[must_use]
    pub fn full_name(&self) -> Option<&str> {
        self.factors.iter().rev().find_map(|factor| factor.full_name.as_deref())
    }
}
