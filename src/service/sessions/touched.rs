//! When sessions were last used: gathered, and written down from time to time, so that using one writes
//! nothing.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::domain::ids::SessionId;
use crate::domain::session::MemberSession;
use crate::service::Service;
use crate::service::error::Error;

/// How far behind what is stored may be before a use is noted.
const PRECISION: Duration = Duration::seconds(30);

/// The most sessions that are written down at once.
const BATCH: usize = 1_000;

/// The most sessions that are remembered. More in one interval: the rest is noted when next used.
const MOST: usize = 100_000;

/// Sessions that were used since they were last written down.
#[derive(Debug)]
pub struct Touched {
    inner: Mutex<Gathered>,
}

#[derive(Debug)]
struct Gathered {
    sessions: HashSet<Uuid>,
    /// When gathering began: all of them were used at this time or later.
    since: OffsetDateTime,
}

impl Touched {
    /// None yet.
    #[must_use]
    pub fn since(since: OffsetDateTime) -> Self {
        Self { inner: Mutex::new(Gathered { sessions: HashSet::new(), since }) }
    }

    /// Notes that a session is used now.
    pub(super) fn note(&self, session: &MemberSession, now: OffsetDateTime) {
        if now - session.last_accessed_at < PRECISION {
            return;
        }
        let mut gathered = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.sessions.len() < MOST {
            gathered.sessions.insert(session.id.uuid());
        }
    }

    /// Takes what was gathered, with a time that is not later than any of the uses.
    fn take(&self, now: OffsetDateTime) -> (Vec<SessionId>, OffsetDateTime) {
        let mut gathered = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let since = std::mem::replace(&mut gathered.since, now);
        let sessions = std::mem::take(&mut gathered.sessions);
        (sessions.into_iter().map(SessionId::new).collect(), since)
    }
}

impl Service {
    /// Writes down which sessions were used since the last time.
    ///
    /// # Errors
    /// `Unavailable`: what was gathered is lost, which makes sessions look unused for that long.
    pub async fn write_touched(&self) -> Result<(), Error> {
        let (sessions, since) = self.parts.touched.take(self.parts.clock.now());
        for batch in sessions.chunks(BATCH) {
            self.parts.store.sessions_touch(batch, since).await?;
        }
        Ok(())
    }
}
