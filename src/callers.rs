//! Who may call: the callers file, and what callers prove themselves with: API keys, JWTs of other issuers,
//! client certificates.

mod directory;
mod fetch;
mod file;
mod issuer;
mod jwks;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::domain::call::Caller;
use crate::domain::ids::Environment;
use crate::telemetry::metrics::{Gauge, Metrics};
use crate::tokens::api_key::ApiKey;
use crate::tokens::bearer::{BearerRefusal, UnverifiedBearer};

pub use file::{CallersFile, FileError, key_line};
pub use issuer::IssuerError;

use directory::{Directory, Grant};
use issuer::{Found, Issuers};

/// How often the callers file is to be read again, so that a key that was taken out of it is refused soon.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// The largest callers file that is read, in bytes: some ten thousand callers.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// What a caller shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presented<'a> {
    /// The values of the `authorization` metadata, each as it was sent.
    pub authorization: &'a [&'a [u8]],
    /// The DNS names in the client certificate that the connection was opened with.
    pub dns_names: &'a [String],
    /// The URIs in it.
    pub uris: &'a [String],
}

/// Why nobody knows who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Nothing was shown.
    #[error("the call carries no credential")]
    Missing,
    /// The metadata is not a credential, or there are several.
    #[error("the authorization metadata is not one \"Bearer\" and an API key or a JWT")]
    Malformed,
    /// There is no such key, or its secret is another.
    #[error("the API key is unknown")]
    UnknownKey,
    /// Nobody has been told to trust the issuer.
    #[error("the JWT is not one of an issuer that is trusted here")]
    UnknownIssuer,
    /// The issuer has no such key, or it did not sign this.
    #[error("the JWT is not one of an issuer that is trusted here")]
    Signature,
    /// The JWT is for another service.
    #[error("the JWT is for another audience")]
    Audience,
    /// The credential is over.
    #[error("the credential has expired")]
    Expired,
    /// The credential's time has not begun.
    #[error("the credential is not valid yet")]
    NotYetValid,
    /// The subject of the JWT is nobody's in the callers file.
    #[error("the callers file does not name the subject of the JWT")]
    UnknownSubject,
    /// The names of the certificate are nobody's in the callers file, or belong to several callers.
    #[error("the callers file names no caller, or several, with the names of the client certificate")]
    UnknownCertificate,
    /// The keys of the issuer could not be read: nobody can say.
    #[error("the keys of the JWT's issuer can't be read at the moment")]
    IssuerAway,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 11] = [
        Self::Missing,
        Self::Malformed,
        Self::UnknownKey,
        Self::UnknownIssuer,
        Self::Signature,
        Self::Audience,
        Self::Expired,
        Self::NotYetValid,
        Self::UnknownSubject,
        Self::UnknownCertificate,
        Self::IssuerAway,
    ];

    /// A word for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::UnknownIssuer => "unknown_issuer",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnknownSubject => "unknown_subject",
            Self::UnknownCertificate => "unknown_certificate",
            Self::IssuerAway => "issuer_away",
        }
    }
}

impl From<BearerRefusal> for Refusal {
    fn from(refusal: BearerRefusal) -> Self {
        match refusal {
            BearerRefusal::Signature => Self::Signature,
            BearerRefusal::Audience => Self::Audience,
            BearerRefusal::Expired => Self::Expired,
            BearerRefusal::NotYetValid => Self::NotYetValid,
        }
    }
}

/// Why nobody can be told apart.
#[derive(Debug, thiserror::Error)]
pub enum CallersError {
    /// The callers file can't be read.
    #[error("the callers file can't be read: {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The callers file is not understood.
    #[error("the callers file is not usable: {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FileError,
    },
    /// The keys of an issuer.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
}

/// Tells who calls. Without a callers file everybody is the anonymous caller, who may do everything.
#[derive(Debug)]
pub struct Callers {
    registered: Option<Registered>,
    clock: Arc<dyn Clock>,
    environment: Environment,
    /// Reading an issuer's keys goes on when the call is gone that asked for them.
    tasks: TaskTracker,
    /// Whether the callers file could be used when it was last read.
    valid: AtomicBool,
}

#[derive(Debug)]
struct Registered {
    path: PathBuf,
    known: RwLock<Arc<Known>>,
}

/// The callers file as it was last read.
#[derive(Debug)]
struct Known {
    text: String,
    directory: Directory,
    issuers: Issuers,
}

impl Callers {
    /// Reads the callers file and what it names. Issuers whose keys are at a URL are asked later, in `tasks`.
    ///
    /// # Errors
    /// [`CallersError`].
    pub fn open(
        file: Option<&Path>,
        environment: Environment,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
    ) -> Result<Self, CallersError> {
        let registered = file
            .map(|path| {
                let known = understand(read(path)?, path, environment, None, clock.monotonic())?;
                Ok::<_, CallersError>(Registered {
                    path: path.to_owned(),
                    known: RwLock::new(Arc::new(known)),
                })
            })
            .transpose()?;
        Ok(Self { registered, clock, environment, tasks, valid: AtomicBool::new(true) })
    }

    /// Tells how old and how fit for use is what decides who may call, whenever metrics are read.
    pub fn watch(self: &Arc<Self>, metrics: &Metrics) {
        let this = Arc::downgrade(self);
        metrics.observe(Gauge::CallersFileValid, move |gauge| {
            if let Some(this) = this.upgrade() {
                gauge.observe(if this.valid.load(Ordering::Relaxed) { 1.0 } else { 0.0 }, &[]);
            }
        });
        let this = Arc::downgrade(self);
        metrics.observe(Gauge::IssuerKeysAge, move |gauge| {
            let Some(this) = this.upgrade() else {
                return;
            };
            let known = this.registered.as_ref().map(Registered::known);
            for issuer in known.iter().flat_map(|known| known.issuers.iter()) {
                if let Some(age) = issuer.keys_age(&*this.clock) {
                    let name = KeyValue::new("issuer", issuer.settings().issuer.clone());
                    gauge.observe(age.as_secs_f64(), &[name]);
                }
            }
        });
    }

    /// Tells who calls. What is in the metadata goes before the certificate, and if it is wrong the
    /// certificate does not help. Waits only for the keys of an issuer that have not been read yet.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn authenticate(&self, presented: Presented<'_>) -> Result<Caller, Refusal> {
        let Some(registered) = &self.registered else {
            return Ok(Caller::anonymous());
        };
        let known = registered.known();
        let outcome = match presented.authorization {
            [] => known.directory.by_certificate(presented.dns_names, presented.uris),
            [one] => self.by_authorization(&known, one).await,
            _ => Err(Refusal::Malformed),
        };
        outcome.and_then(|grant| {
            if grant.expires_at.is_some_and(|expires_at| expires_at <= self.clock.now()) {
                return Err(Refusal::Expired);
            }
            Ok(grant.caller.clone())
        })
    }

    async fn by_authorization<'k>(&self, known: &'k Known, value: &[u8]) -> Result<&'k Grant, Refusal> {
        let credential = bearer(value).ok_or(Refusal::Malformed)?;
        if let Some(key) = ApiKey::parse(credential, self.environment) {
            return known.directory.by_key(&key);
        }
        let jwt = UnverifiedBearer::parse(credential).ok_or(Refusal::Malformed)?;
        let issuer = known.issuers.get(jwt.issuer()).ok_or(Refusal::UnknownIssuer)?;
        let keys = match issuer.keys_with(jwt.key_id(), &self.clock, &self.tasks).await {
            Found::Keys(keys) => keys,
            Found::NoSuchKey => return Err(Refusal::Signature),
            Found::Away => return Err(Refusal::IssuerAway),
        };
        let subject = jwt.verify(&keys, &issuer.settings().audience, self.clock.now())?;
        known.directory.by_subject(jwt.issuer(), subject)
    }

    /// Reads the callers file again, and takes it if it has changed and is fine.
    ///
    /// # Errors
    /// [`CallersError`]; the callers stay as they were.
    pub fn reload(&self) -> Result<(), CallersError> {
        let Some(registered) = &self.registered else {
            return Ok(());
        };
        let outcome = self.reload_from(registered);
        self.valid.store(outcome.is_ok(), Ordering::Relaxed);
        outcome
    }

    fn reload_from(&self, registered: &Registered) -> Result<(), CallersError> {
        let Registered { path, known } = registered;
        let (before, text) = (registered.known(), read(path)?);
        if text != before.text {
            let issuers = Some(&before.issuers);
            let new = understand(text, path, self.environment, issuers, self.clock.monotonic())?;
            *known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
            tracing::info!("the callers file has changed and is in use");
        }
        Ok(())
    }

    /// Reads the keys of every issuer for which it is time, ahead of the calls that need them. What can't be
    /// read is logged, and the keys that are known go on being used.
    pub async fn refresh_issuers(&self) {
        let Some(registered) = &self.registered else {
            return;
        };
        let known = registered.known();
        let refreshing = known.issuers.iter().map(|issuer| issuer.refresh_if_due(&*self.clock));
        futures_util::future::join_all(refreshing).await;
    }
}

impl Registered {
    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(path: &Path) -> Result<String, CallersError> {
    bounded(path, MAX_FILE_BYTES).map_err(|source| CallersError::Read { path: path.to_owned(), source })
}

fn understand(
    text: String,
    path: &Path,
    environment: Environment,
    before: Option<&Issuers>,
    now: Duration,
) -> Result<Known, CallersError> {
    let unusable = |source| CallersError::File { path: path.to_owned(), source };
    let CallersFile { directory, issuers } = CallersFile::parse(&text, environment).map_err(unusable)?;
    let issuers = Issuers::open(issuers, before, now)?;
    Ok(Known { text, directory, issuers })
}

/// Reads a text file of at most so many bytes.
fn bounded(path: &Path, most: u64) -> std::io::Result<String> {
    use std::io::{Error, Read as _};
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= most) {
        Ok(text)
    } else {
        Err(Error::other("it is too large"))
    }
}

/// What stands behind `Bearer` (RFC 6750, section 2.1).
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, credential) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(credential)
}

#[cfg(test)]
mod tests;
