//! Spending a token exactly once, and only for something.
//!
//! 1. *Claim*: the keeper hands out what the token stands for and holds it for the lease.
//! 2. *Decide*: pure rules.
//! 3. *Record*: one transaction in the store, over before the lease is; its receipt is the truth.
//! 4. *Finish*: the keeper's entry is made to match. Best effort: the receipt guards.
//! 5. *Release*: whatever failed before anything was recorded gives the token back at once. A failure that was
//!    the caller's doing counts: a token that many attempts have failed with rests for a while, so that nobody
//!    guesses slugs and organizations with it.
//!
//! All of it runs in a task of its own, which the caller's cancellation does not stop.

use std::time::Duration;

use uuid::Uuid;

use crate::clock::Clock;
use crate::domain::intermediate_session::{Binding, IntermediateSession, TokenHash};
use crate::domain::reason::Reason;
use crate::kv::{self, Claim, Claimable};
use crate::service::Service;
use crate::service::admission::refusal;
use crate::service::error::Error;
use crate::store::Receipt;
use crate::telemetry::chain;
use crate::telemetry::metrics::{Decider, Limit, Transition};

/// How long a call waits for the keeper to hand out a token. A caller is told soon that it is away.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the answer waits for the keeper's entry to be finished or released.
const FINISH_TIMEOUT: Duration = Duration::from_millis(500);

/// How long before the end of the lease everything must be recorded.
const RECORD_MARGIN: Duration = Duration::from_secs(1);

/// A claim that is held.
#[derive(Debug)]
pub(super) struct Held {
    token: TokenHash,
    claim: Uuid,
    /// When the lease ends at the earliest, on the monotonic clock.
    lease_ends: Duration,
    /// What the token stands for.
    pub(super) person: IntermediateSession,
}

/// The lease was about to end.
#[derive(Debug)]
pub(super) enum LeaseOver {
    /// Nothing was begun.
    BeforeRecording,
    /// Something may have been recorded.
    WhileRecording,
}

impl Held {
    /// Runs what records the purchase, unless the lease is about to end, and no longer than it lasts.
    pub(super) async fn within_lease<T>(
        &self,
        clock: &dyn Clock,
        record: impl Future<Output = T>,
    ) -> Result<T, LeaseOver> {
        let left = self.lease_ends.saturating_sub(RECORD_MARGIN).saturating_sub(clock.monotonic());
        if left.is_zero() {
            return Err(LeaseOver::BeforeRecording);
        }
        tokio::time::timeout(left, record).await.map_err(|_| LeaseOver::WhileRecording)
    }
}

/// What became of a held token.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It bought a session.
    Spent,
    /// It can finish one login.
    Bound(Binding),
    /// Nothing was recorded.
    Untouched,
    /// Nothing was recorded, by the caller's doing.
    Failed,
    /// Another call may have recorded something: the receipt says what.
    AskReceipt {
        /// Whether the call is refused by its caller's doing, unless the receipt has another reason.
        failed: bool,
    },
    /// Nobody knows: what was asked may have been recorded, or may still be.
    Unknown,
}

impl Service {
    /// Claims a token.
    ///
    /// # Errors
    /// What a call without an earlier answer is refused with: `INTERMEDIATE_SESSION_NOT_FOUND`,
    /// `INTERMEDIATE_SESSION_IN_USE`, `INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION`, `Limited`, or
    /// `ORGANIZATION_NOT_FOUND` for an entry that is bound without a receipt; or `Unavailable`.
    pub(super) async fn claim(&self, token: TokenHash, claimable: Claimable) -> Result<Held, Error> {
        let parts = &self.parts;
        let claim = parts.entropy.uuid(parts.clock.now());
        let lease_ends = parts.clock.monotonic() + parts.claim_lease;
        let claiming = async {
            let claiming = || parts.keeper.claim(token, claim, parts.claim_lease, claimable);
            let first = claiming().await;
            // The first attempt may have claimed and only its answer was lost: the same claim id
            // finds its own claim.
            if first.is_err() { claiming().await } else { first }
        };
        let outcome = tokio::time::timeout(CLAIM_TIMEOUT, claiming).await;
        match outcome.unwrap_or_else(|elapsed| Err(kv::Error::Unavailable(Box::new(elapsed)))) {
            Ok(Claim::Claimed(person)) => {
                parts.metrics.token(Transition::Claimed);
                Ok(Held { token, claim, lease_ends, person })
            }
            Ok(Claim::Absent) => Err(Error::intermediate_session_not_found()),
            Ok(Claim::InUse { retry_after }) => {
                parts.metrics.race_lost(Decider::Claim);
                Err(Error::in_use(retry_after))
            }
            Ok(Claim::Limited { retry_after }) => {
                parts.metrics.call_limited(Limit::FailedSpends);
                let message = "too many attempts with this token have failed";
                Err(Error::Limited { message, retry_after })
            }
            Ok(Claim::Bound(_)) => Err(match parts.store.receipt_find(token).await? {
                // Revoked, or its login finished, and the entry is a stale copy.
                Some(Receipt::Gone) => Error::intermediate_session_not_found(),
                Some(Receipt::Bound(_)) => bound_elsewhere(),
                None => Error::organization_not_found(),
            }),
            Err(error) => {
                log_failure("release", shortly(parts.keeper.release(token, claim)).await);
                Err(error.into())
            }
        }
    }

    /// Makes the keeper's entry match what became of the token. Best effort.
    ///
    /// With `AskReceipt`, answers what the receipt of an earlier purchase says to this call.
    pub(super) async fn finish(&self, held: &Held, outcome: Outcome) -> Option<Error> {
        let Held { token, claim, .. } = *held;
        let asked = matches!(outcome, Outcome::AskReceipt { .. });
        let (outcome, refusal) = match outcome {
            Outcome::AskReceipt { failed } => match self.parts.store.receipt_find(token).await {
                Ok(Some(Receipt::Gone)) => (Outcome::Spent, Some(Error::intermediate_session_not_found())),
                Ok(Some(Receipt::Bound(binding))) => {
                    let known = failed && held.person.binding == Some(binding);
                    let outcome = if known { Outcome::Failed } else { Outcome::Bound(binding) };
                    (outcome, Some(bound_elsewhere()))
                }
                Ok(None) if failed => (Outcome::Failed, None),
                Ok(None) => (Outcome::Untouched, None),
                Err(error) => (Outcome::Untouched, Some(error.into())),
            },
            other => (other, None),
        };
        let keeper = &self.parts.keeper;
        let finish = || async {
            match &outcome {
                Outcome::Spent => keeper.spend(token, claim).await,
                Outcome::Bound(binding) => keeper.bind(token, claim, *binding).await,
                Outcome::Untouched => keeper.release(token, claim).await,
                Outcome::Failed => keeper.fail(token, claim).await,
                Outcome::AskReceipt { .. } | Outcome::Unknown => Ok(()),
            }
        };
        // The first command after a lost connection always fails: the second finds it mended.
        let finished = shortly(async {
            match finish().await {
                Err(_) => finish().await,
                done => done,
            }
        });
        let finished = finished.await;
        let transition = match &outcome {
            // What the receipt tells is another call's doing.
            Outcome::Spent | Outcome::Bound(_) | Outcome::AskReceipt { .. } if asked => None,
            Outcome::Spent => Some(Transition::Spent),
            Outcome::Bound(binding) if held.person.binding != Some(*binding) => Some(Transition::Bound),
            Outcome::Unknown | Outcome::AskReceipt { .. } => Some(Transition::Unknown),
            // As long as the keeper does not know, the lease goes on.
            _ if finished.is_err() => None,
            Outcome::Failed => Some(Transition::Failed),
            Outcome::Bound(_) | Outcome::Untouched => Some(Transition::Released),
        };
        if let Some(transition) = transition {
            self.parts.metrics.token(transition);
        }
        log_failure("finish", finished);
        refusal
    }

    /// What a call is answered with when nobody knows whether it was recorded. By the time of a
    /// retry the lease is over, and the receipt knows.
    pub(super) fn unknown_outcome(&self, source: impl Into<crate::service::error::Source>) -> Error {
        Error::Unavailable { retry_after: self.parts.claim_lease, source: source.into() }
    }
}

fn bound_elsewhere() -> Error {
    refusal(Reason::InvalidIntermediateSessionTokenForOrganization)
}

/// Waits for what the keeper does, but not for long.
async fn shortly(work: impl Future<Output = Result<(), kv::Error>>) -> Result<(), kv::Error> {
    let ended = tokio::time::timeout(FINISH_TIMEOUT, work).await;
    ended.unwrap_or_else(|elapsed| Err(kv::Error::Unavailable(Box::new(elapsed))))
}

fn log_failure(what: &'static str, result: Result<(), kv::Error>) {
    if let Err(error) = result {
        tracing::warn!(
            what,
            error = chain(&error),
            "the entry of an intermediate session stays as it is for now"
        );
    }
}
