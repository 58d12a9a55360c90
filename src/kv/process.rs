//! Intermediate sessions in the process, for the embedded default. A restart loses them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Added, Claim, Claimable, Error, Keeper};
use crate::clock::Clock;
use crate::domain::authentication_factor::VerifiedFactor;
use crate::domain::evidence::Evidence;
use crate::domain::ids::OrganizationId;
use crate::domain::intermediate_session::{Binding, IntermediateSession, LIFETIME, MAX_FACTORS, TokenHash};
use crate::domain::rate::Rate;

/// Keeps intermediate sessions in the process. Ages are measured on the monotonic clock.
#[derive(Debug)]
pub struct ProcessKeeper {
    clock: Arc<dyn Clock>,
    /// How many attempts on one entry may fail.
    failed_spends: Rate,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_token: HashMap<TokenHash, Entry>,
    /// Every entry in the order of its end, which is the order it came in.
    by_end: VecDeque<(Duration, TokenHash)>,
}

#[derive(Debug)]
struct Entry {
    session: IntermediateSession,
    claim: Option<(Uuid, Duration)>,
    /// When the bucket is full that failed attempts take tokens from.
    attempts: Duration,
}

impl Entry {
    /// The rest of the lease of a claim other than `ours`.
    fn held(&self, now: Duration, ours: Option<Uuid>) -> Option<Duration> {
        let (claim, until) = self.claim?;
        (Some(claim) != ours && until > now).then(|| until.saturating_sub(now))
    }
}

impl ProcessKeeper {
    /// Keeps nothing yet. `failed_spends` is how many attempts on one entry may fail.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, failed_spends: Rate) -> Self {
        Self { clock, failed_spends, entries: Mutex::default() }
    }

    /// The entries whose time is not over, and the time.
    fn entries(&self) -> (MutexGuard<'_, Entries>, Duration) {
        // Whoever panicked while holding the lock left no entry half changed.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        while let Some((ends, token)) = entries.by_end.front().copied()
            && ends <= now
        {
            entries.by_end.pop_front();
            entries.by_token.remove(&token);
        }
        (entries, now)
    }

    fn finish(&self, token: TokenHash, claim: Uuid, change: impl FnOnce(&mut Entry, Duration)) {
        let (mut entries, now) = self.entries();
        if let Some(entry) = entries.by_token.get_mut(&token)
            && entry.claim.is_some_and(|(holder, _)| holder == claim)
        {
            entry.claim = None;
            change(entry, now);
        }
    }
}

#[async_trait]
impl Keeper for ProcessKeeper {
    async fn insert(
        &self,
        token: TokenHash,
        evidence: Evidence,
        hint: Option<OrganizationId>,
    ) -> Result<IntermediateSession, Error> {
        let created_at = self.clock.now();
        let session = IntermediateSession {
            evidence,
            binding: None,
            hint,
            created_at,
            expires_at: created_at + LIFETIME,
        };
        let (mut entries, now) = self.entries();
        entries.by_end.push_back((now + LIFETIME, token));
        entries
            .by_token
            .insert(token, Entry { session: session.clone(), claim: None, attempts: Duration::ZERO });
        Ok(session)
    }

    async fn get(&self, token: TokenHash) -> Result<Option<IntermediateSession>, Error> {
        let (entries, _) = self.entries();
        Ok(entries.by_token.get(&token).map(|entry| entry.session.clone()))
    }

    async fn add_factor(&self, token: TokenHash, _: Uuid, factor: VerifiedFactor) -> Result<Added, Error> {
        let (mut entries, now) = self.entries();
        let Some(entry) = entries.by_token.get_mut(&token) else {
            return Ok(Added::Absent);
        };
        if let Some(retry_after) = entry.held(now, None) {
            return Ok(Added::InUse { retry_after });
        }
        if entry.session.evidence.factors.len() >= MAX_FACTORS {
            return Ok(Added::Full);
        }
        entry.session.evidence.factors.push(factor);
        Ok(Added::Added(entry.session.clone()))
    }

    async fn claim(
        &self,
        token: TokenHash,
        claim: Uuid,
        lease: Duration,
        claimable: Claimable,
    ) -> Result<Claim, Error> {
        let (mut entries, now) = self.entries();
        let Some(entry) = entries.by_token.get_mut(&token) else {
            return Ok(Claim::Absent);
        };
        if let Some(retry_after) = entry.held(now, Some(claim)) {
            return Ok(Claim::InUse { retry_after });
        }
        if claimable == Claimable::Open
            && let Some(binding) = entry.session.binding
        {
            return Ok(Claim::Bound(binding));
        }
        let retry_after = self.failed_spends.until_next(entry.attempts, now);
        if !retry_after.is_zero() {
            return Ok(Claim::Limited { retry_after });
        }
        entry.claim = Some((claim, now + lease));
        Ok(Claim::Claimed(entry.session.clone()))
    }

    async fn release(&self, token: TokenHash, claim: Uuid) -> Result<(), Error> {
        self.finish(token, claim, |_, _| ());
        Ok(())
    }

    async fn fail(&self, token: TokenHash, claim: Uuid) -> Result<(), Error> {
        self.finish(token, claim, |entry, now| {
            // Empty already when the settings allow fewer than when it was claimed.
            self.failed_spends.take(&mut entry.attempts, now, 1);
        });
        Ok(())
    }

    async fn bind(&self, token: TokenHash, claim: Uuid, binding: Binding) -> Result<(), Error> {
        self.finish(token, claim, |entry, _| entry.session.binding = Some(binding));
        Ok(())
    }

    async fn spend(&self, token: TokenHash, claim: Uuid) -> Result<(), Error> {
        let (mut entries, _) = self.entries();
        if entries
            .by_token
            .get(&token)
            .and_then(|entry| entry.claim)
            .is_some_and(|(holder, _)| holder == claim)
        {
            entries.by_token.remove(&token);
        }
        Ok(())
    }

    async fn remove(&self, token: TokenHash) -> Result<(), Error> {
        self.entries().0.by_token.remove(&token);
        Ok(())
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }
}
