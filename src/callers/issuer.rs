//! The issuers of the JWTs that callers show, and their keys: read ahead of the calls that need them, kept
//! while the issuer is away, and asked for once, however many calls need a key that is new.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use super::jwks::{ReadError, Source};
use crate::clock::Clock;
use crate::telemetry::chain;
use crate::telemetry::spans::continued;
use crate::tokens::bearer::Jwks;

/// How often keys at a URL are read again. Issuers publish a key for longer than that before they sign with
/// it; whoever does not costs the first call a wait.
const URL_INTERVAL: Duration = Duration::from_mins(5);

/// How often keys in a file are read again.
const FILE_INTERVAL: Duration = Duration::from_secs(2);

/// How soon after a failure keys are asked for again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// How soon after it was asked a JWT with an unknown key makes the issuer be asked again: anybody can make up
/// such JWTs.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(10);

/// How long keys are used that could not be read again. A key that the issuer has withdrawn since is believed
/// for as long.
const MAX_AGE: Duration = Duration::from_hours(24);

/// How many calls wait for one answer of the issuer. Others are told to come again.
const MAX_WAITING: usize = 256;

/// What the callers file says of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IssuerSettings {
    /// The `iss` of its JWTs.
    pub(super) issuer: String,
    /// What must be in their `aud`.
    pub(super) audience: String,
    /// Where its keys are.
    pub(super) source: Source,
}

/// The keys of an issuer can't be read from the file that the callers file names.
#[derive(Debug, thiserror::Error)]
#[error("the keys of the issuer {issuer} can't be read")]
pub struct IssuerError {
    issuer: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Every issuer by its name.
#[derive(Debug)]
pub(super) struct Issuers(HashMap<String, Arc<Issuer>>);

/// An issuer, and its keys as far as they are known.
#[derive(Debug)]
pub(super) struct Issuer {
    settings: IssuerSettings,
    keys: RwLock<Option<Read>>,
    /// Held by whoever reads the keys; when that was last tried.
    tried: Arc<Mutex<Option<Duration>>>,
    waiting: AtomicUsize,
}

#[derive(Clone, Debug)]
struct Read {
    keys: Arc<Jwks>,
    text: Arc<str>,
    at: Duration,
}

/// The keys to verify a JWT with.
#[derive(Debug)]
pub(super) enum Found {
    /// The one it names is among them.
    Keys(Arc<Jwks>),
    /// The issuer has no such key.
    NoSuchKey,
    /// The issuer's keys are not known.
    Away,
}

impl Issuers {
    /// Takes over what is known of those that have not changed, and reads the keys of others where they are in
    /// files.
    pub(super) fn open(
        settings: Vec<IssuerSettings>,
        before: Option<&Self>,
        now: Duration,
    ) -> Result<Self, IssuerError> {
        let open = |settings: IssuerSettings| {
            let known = before.and_then(|before| before.0.get(&settings.issuer));
            let issuer = match known.filter(|known| known.settings == settings) {
                Some(known) => Arc::clone(known),
                None => Arc::new(Issuer::open(settings, now)?),
            };
            Ok((issuer.settings.issuer.clone(), issuer))
        };
        Ok(Self(settings.into_iter().map(open).collect::<Result<_, _>>()?))
    }

    pub(super) fn get(&self, issuer: &str) -> Option<&Arc<Issuer>> {
        self.0.get(issuer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.0.values().map(AsRef::as_ref)
    }
}

impl Issuer {
    fn open(settings: IssuerSettings, now: Duration) -> Result<Self, IssuerError> {
        let read = || settings.source.read_file()?.map(|text| Read::parse(&text, None, now)).transpose();
        let keys = read()
            .map_err(|error| IssuerError { issuer: settings.issuer.clone(), source: Box::new(error) })?;
        Ok(Self { settings, keys: RwLock::new(keys), tried: Arc::default(), waiting: AtomicUsize::new(0) })
    }

    pub(super) fn settings(&self) -> &IssuerSettings {
        &self.settings
    }

    /// The keys, read anew if the one that is wanted is not among them: by a task of its own, so that nobody
    /// can keep the keys from everybody by asking and hanging up.
    pub(super) async fn keys_with(
        self: &Arc<Self>,
        key_id: &str,
        clock: &Arc<dyn Clock>,
        tasks: &TaskTracker,
    ) -> Found {
        match self.known(&**clock) {
            Some(read) if read.keys.has(key_id) => return Found::Keys(read.keys),
            _ => {}
        }
        let Some(_waiting) = Waiting::begin(&self.waiting) else {
            return Found::Away;
        };
        let mut tried = Arc::clone(&self.tried).lock_owned().await;
        // Whoever held the lock before may have read them.
        let known = self.known(&**clock);
        let recently = tried.is_some_and(|tried| clock.monotonic() < tried + UNKNOWN_KEY_INTERVAL);
        let missing = known.as_ref().is_none_or(|read| !read.keys.has(key_id));
        if missing && !recently {
            let (issuer, clock) = (Arc::clone(self), Arc::clone(clock));
            let reading = async move { issuer.read(&mut tried, &*clock).await };
            let reading = tasks.spawn(continued(reading));
            if reading.await.is_err() {
                return Found::Away;
            }
        }
        match self.known(&**clock) {
            Some(read) if read.keys.has(key_id) => Found::Keys(read.keys),
            Some(_) => Found::NoSuchKey,
            None => Found::Away,
        }
    }

    /// Reads the keys if it is time.
    pub(super) async fn refresh_if_due(&self, clock: &dyn Clock) {
        let interval = match self.settings.source {
            Source::File(_) => FILE_INTERVAL,
            Source::Url { .. } => URL_INTERVAL,
        };
        let mut tried = self.tried.lock().await;
        let now = clock.monotonic();
        // What was read before anybody tried was read at the start, which may be long ago.
        let fresh = self.known(clock).is_some_and(|read| tried.is_some() && now < read.at + interval);
        if !fresh && tried.is_none_or(|tried| now >= tried + RETRY_INTERVAL.min(interval)) {
            self.read(&mut tried, clock).await;
        }
    }

    /// How long ago the keys were read. `None`: never, or too long ago to be used.
    pub(super) fn keys_age(&self, clock: &dyn Clock) -> Option<Duration> {
        Some(clock.monotonic().saturating_sub(self.known(clock)?.at))
    }

    fn known(&self, clock: &dyn Clock) -> Option<Read> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        keys.filter(|read| clock.monotonic() < read.at + MAX_AGE)
    }

    /// Reads the keys. `tried` is set first: what is cancelled meanwhile counts as an attempt.
    async fn read(&self, tried: &mut Option<Duration>, clock: &dyn Clock) {
        *tried = Some(clock.monotonic());
        let before = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let text = self.settings.source.read().await;
        match text.and_then(|text| Read::parse(&text, before, clock.monotonic())) {
            Ok(read) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(read),
            Err(error) => self.warn(&error),
        }
    }

    fn warn(&self, error: &ReadError) {
        let issuer = &self.settings.issuer;
        tracing::warn!(issuer, error = chain(error), "the keys of an issuer could not be read; trying again");
    }
}

impl Read {
    /// Keys that have not changed stay, with the signatures that they remember.
    fn parse(text: &str, before: Option<Self>, at: Duration) -> Result<Self, ReadError> {
        if let Some(before) = before.filter(|before| *before.text == *text) {
            return Ok(Self { at, ..before });
        }
        Ok(Self { keys: Arc::new(Jwks::parse(text)?), text: text.into(), at })
    }
}

/// One of the calls that wait for an issuer.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
