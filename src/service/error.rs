//! Why a use case did not do what it was asked, in terms of what the caller can do about it.

use std::time::Duration;

use crate::domain::reason::{Reason, Violation};
use crate::{kv, store};

/// The cause of a fault. For the log only.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// When a fault is probably over.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Send something else.
    #[error("the request is not acceptable")]
    Invalid(Vec<Violation>),
    /// It is not there.
    #[error("{message}")]
    NotFound {
        /// Why.
        reason: Reason,
        /// Why, in words.
        message: &'static str,
    },
    /// Somebody else has it; choose another. Never empty.
    #[error("something of the request is taken")]
    AlreadyExists(Vec<Violation>),
    /// These fields can't be what they are as things stand; change what stands first. Never empty.
    #[error("what stands forbids something of the request")]
    Unfit(Vec<Violation>),
    /// Change what stands first.
    #[error("{message}")]
    Precondition {
        /// Why.
        reason: Reason,
        /// Why, in words.
        message: &'static str,
    },
    /// Be somebody who may.
    #[error("{message}")]
    Denied {
        /// Why.
        reason: Reason,
        /// Why, in words.
        message: &'static str,
    },
    /// It is not what it was when it was read; read it again and decide anew.
    #[error("the etag is stale")]
    Stale,
    /// Search for something more specific.
    #[error("the search took too long")]
    SearchTimeout,
    /// Another call is in the way; try again shortly.
    #[error("{message}")]
    Busy {
        /// Why.
        reason: Reason,
        /// Why, in words.
        message: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// Too much of it; try again later.
    #[error("{message}")]
    Limited {
        /// What there was too much of, in words.
        message: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// Something that is needed is away; try again later.
    #[error("the service is not available")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// The cause.
        source: Source,
    },
    /// A fault of the program or of what it stores.
    #[error("the service failed")]
    Internal(#[source] Source),
}

impl Error {
    /// One violation of one field.
    pub(super) fn invalid(violation: Violation) -> Self {
        Self::Invalid(vec![violation])
    }

    /// Something of one field is taken.
    pub(super) fn taken(violation: Violation) -> Self {
        Self::AlreadyExists(vec![violation])
    }

    pub(super) fn precondition(reason: Reason, message: &'static str) -> Self {
        Self::Precondition { reason, message }
    }

    pub(super) fn member_not_found() -> Self {
        Self::NotFound {
            reason: Reason::MemberNotFound,
            message: "there is no such member in the organization",
        }
    }

    pub(super) fn intermediate_session_not_found() -> Self {
        Self::NotFound {
            reason: Reason::IntermediateSessionNotFound,
            message: "the intermediate session is unknown, has ended, was spent or was revoked",
        }
    }

    pub(super) fn in_use(retry_after: Duration) -> Self {
        Self::Busy {
            reason: Reason::IntermediateSessionInUse,
            message: "another call is spending the intermediate session",
            // A living holder needs milliseconds, whatever is left of its lease.
            retry_after: retry_after.min(RETRY_AFTER),
        }
    }

    pub(super) fn organization_not_found() -> Self {
        Self::NotFound { reason: Reason::OrganizationNotFound, message: "there is no such organization" }
    }

    pub(super) fn concurrent() -> Self {
        Self::Busy {
            reason: Reason::ConcurrentRequest,
            message: "another call is changing the same thing",
            retry_after: RETRY_AFTER,
        }
    }

    /// Whether the answer tells the caller something about what stands: what guessing is done for.
    pub(super) fn tells(&self) -> bool {
        match self {
            Self::NotFound { .. }
            | Self::AlreadyExists(_)
            | Self::Unfit(_)
            | Self::Precondition { .. }
            | Self::Denied { .. } => true,
            Self::Invalid(_)
            | Self::Stale
            | Self::SearchTimeout
            | Self::Busy { .. }
            | Self::Limited { .. }
            | Self::Unavailable { .. }
            | Self::Internal(_) => false,
        }
    }

    pub(super) fn internal(source: impl Into<Source>) -> Self {
        Self::Internal(source.into())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Conflict(_) => Self::concurrent(),
            store::Error::Unavailable(_)
            | store::Error::ReadOnly(_)
            | store::Error::TooSlow(_)
            | store::Error::UnknownOutcome(_) => {
                Self::Unavailable { retry_after: RETRY_AFTER, source: Box::new(error) }
            }
            // A use case that can break a rule answers for it before it comes here.
            store::Error::Violates(_) | store::Error::Corrupt(_) | store::Error::Database(_) => {
                Self::Internal(Box::new(error))
            }
        }
    }
}

impl Error {
    /// The error of a search: what takes too long is the caller's to narrow.
    pub(super) fn of_search(error: store::Error) -> Self {
        match error {
            store::Error::TooSlow(_) => Self::SearchTimeout,
            error => error.into(),
        }
    }
}

impl From<kv::Error> for Error {
    fn from(error: kv::Error) -> Self {
        match error {
            kv::Error::Unavailable(_) => {
                Self::Unavailable { retry_after: RETRY_AFTER, source: Box::new(error) }
            }
            kv::Error::Corrupt(_) => Self::Internal(Box::new(error)),
        }
    }
}
