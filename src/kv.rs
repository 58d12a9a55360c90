//! Intermediate sessions for their ten minutes, and token buckets: in Redis, or in the process for the embedded
//! default.
//!
//! What is kept here may vanish at any moment, or come back from a stale copy: the receipts of the
//! store decide what a token can still buy.

mod buckets;
mod process;
mod redis;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

pub use buckets::{BucketKey, Buckets};
pub use process::ProcessKeeper;
pub use redis::{ConnectError, RedisKeeper};

use crate::domain::authentication_factor::VerifiedFactor;
use crate::domain::evidence::Evidence;
use crate::domain::ids::OrganizationId;
use crate::domain::intermediate_session::{Binding, IntermediateSession, TokenHash};

/// The keeper could not be asked, or answered nonsense.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer in time. What was asked may have been done.
    #[error("the keeper of intermediate sessions is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An entry is none that this program writes.
    #[error("the entry of an intermediate session can't be read: {0}")]
    Corrupt(&'static str),
}

impl Error {
    /// What it is in a word, for spans and metrics.
    fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Corrupt(_) => "corrupt",
        }
    }
}

/// The outcome of a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// The entry is ours for the lease.
    Claimed(IntermediateSession),
    /// There is no such entry, or its ten minutes are over.
    Absent,
    /// Another call holds it.
    InUse {
        /// The rest of that call's lease.
        retry_after: Duration,
    },
    /// Too many attempts with it have failed.
    Limited {
        /// When there may be another.
        retry_after: Duration,
    },
    /// It can only finish one login, and the claim was for open ones.
    Bound(Binding),
}

/// Which entries a claim is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimable {
    /// Open ones.
    Open,
    /// Open ones, and those that can only finish one login.
    Any,
}

/// The outcome of adding a factor.
#[derive(Clone, Debug, PartialEq)]
pub enum Added {
    /// The entry with the factor.
    Added(IntermediateSession),
    /// There is no such entry, or its ten minutes are over.
    Absent,
    /// A call is spending it.
    InUse {
        /// The rest of that call's lease.
        retry_after: Duration,
    },
    /// It holds as many factors as it may.
    Full,
}

/// Keeps intermediate sessions. Every operation on one entry is atomic, compares the entry's age by
/// one clock, and never extends its life.
#[async_trait]
pub trait Keeper: Debug + Send + Sync {
    /// Keeps a new entry, perhaps with the organization that the person is on the way to, and tells what
    /// it became.
    async fn insert(
        &self,
        token: TokenHash,
        evidence: Evidence,
        hint: Option<OrganizationId>,
    ) -> Result<IntermediateSession, Error>;

    /// Reads an entry.
    async fn get(&self, token: TokenHash) -> Result<Option<IntermediateSession>, Error>;

    /// Adds a factor to an entry that nobody holds. The addition's id is the caller's, so that a repeat, which
    /// the driver of a cluster may make, finds that it was done.
    async fn add_factor(
        &self,
        token: TokenHash,
        addition: Uuid,
        factor: VerifiedFactor,
    ) -> Result<Added, Error>;

    /// Takes an entry for the length of the lease. The claim's id is the caller's, so that a repeat
    /// finds its own claim.
    async fn claim(
        &self,
        token: TokenHash,
        claim: Uuid,
        lease: Duration,
        claimable: Claimable,
    ) -> Result<Claim, Error>;

    /// Gives an entry back as it was, if it is still held by this claim.
    async fn release(&self, token: TokenHash, claim: Uuid) -> Result<(), Error>;

    /// Gives an entry back as [`Keeper::release`] does, after an attempt that failed by its caller's doing: each
    /// takes a token from the entry's bucket, and while that is empty the entry can't be claimed.
    async fn fail(&self, token: TokenHash, claim: Uuid) -> Result<(), Error>;

    /// Binds an entry to the one login it can still finish, if it is still held by this claim.
    async fn bind(&self, token: TokenHash, claim: Uuid, binding: Binding) -> Result<(), Error>;

    /// Removes an entry that was spent, if it is still held by this claim.
    async fn spend(&self, token: TokenHash, claim: Uuid) -> Result<(), Error>;

    /// Removes an entry, whoever holds it.
    async fn remove(&self, token: TokenHash) -> Result<(), Error>;

    /// Writes nothing of meaning, to learn whether the keeper takes writes: one that has become a replica reads well.
    async fn ping(&self) -> Result<(), Error>;
}
