//! The servers that a database URL names, and which of them is the primary.

#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::time::{sleep, timeout};

use crate::domain::server_urls::one_by_one;
use crate::telemetry::chain;

/// How long a server may take to say what it is, where another may be asked. What is between it and us may swallow
/// everything.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long servers that are just starting, or changing places, are waited for, and the only one for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_millis(200);

/// A standby takes no writes, nor does one that was fenced.
macro_rules! takes_writes {
    () => {
        "SELECT NOT (pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean) AS writes"
    };
}

/// Whether the server takes writes.
pub(super) const TAKES_WRITES: &str = takes_writes!();

/// The same in the form of the next.
const OF_ONE: &str = concat!(takes_writes!(), ", 0::bigint, 0");

/// The same, with what tells two that take writes apart: the cluster that the data began as, and the timeline, which
/// each promotion makes greater (the first digits of the name of a WAL file).
const OF_SEVERAL: &str = concat!(
    takes_writes!(),
    ", (SELECT system_identifier FROM pg_control_system()), CASE WHEN pg_is_in_recovery() THEN 0 ",
    "ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer END"
);

/// What the driver reads in the query of a URL. What else libpq knows there it would only log, with its value.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Why there is no primary.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// The URL is not one of Postgres.
    #[error("the database URL is not a valid postgres:// URL")]
    Url,
    /// No server answers, or all refuse.
    #[error("the database could not be reached")]
    Unreachable(#[source] sqlx::Error),
    /// Servers answer, and each is a standby or set to take no writes.
    #[error("the database takes no writes")]
    ReadOnly,
    /// A server takes writes though another one was promoted in its place.
    #[error("the only server of the database that takes writes was left behind by a promotion")]
    LeftBehind,
}

/// The history of what a server holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct History {
    /// Which cluster it began as.
    system: i64,
    /// How often one of its servers was promoted.
    timeline: i32,
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug)]
struct Said {
    takes_writes: bool,
    history: History,
}

/// What a round has found.
struct Round {
    found: Result<PgConnectOptions, HostsError>,
    /// Whether a server may be there that did not answer in time.
    doubtful: bool,
}

/// The servers, in the order of the URL. Cheap to clone; clones share what they have seen.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    options: Vec<PgConnectOptions>,
    /// That of the primary: who has an older one was left behind.
    history: Arc<Mutex<History>>,
}

impl Hosts {
    /// Reads the URL, which names servers as libpq does: `postgres://user@one:5432,two:5432/name`
    /// (PostgreSQL, "Connection URIs").
    pub(super) fn parse(url: &SecretString) -> Result<Self, HostsError> {
        let options = each(&understood(url.expose_secret()))
            .ok_or(HostsError::Url)?
            .iter()
            // The driver's own message can quote the URL, and with it the password.
            .map(|url| PgConnectOptions::from_str(url).map_err(|_| HostsError::Url))
            .map(|options| Ok(options?.application_name("vestibule")))
            .collect::<Result<_, HostsError>>()?;
        Ok(Self { options, history: Arc::default() })
    }

    /// Whether there is a choice.
    pub(super) fn are_several(&self) -> bool {
        self.options.len() > 1
    }

    /// Whether the server at the other end is the primary.
    pub(super) async fn primary_answers(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let Said { takes_writes, history } = self.ask(connection).await?;
        let mut latest = self.history();
        let primary = takes_writes && history.system == latest.system && history.timeline >= latest.timeline;
        if primary {
            *latest = history;
        }
        Ok(primary)
    }

    /// Looks for the primary, for a while.
    pub(super) async fn primary(&self) -> Result<PgConnectOptions, HostsError> {
        let mut round = self.round().await;
        let trying = async {
            while round.found.is_err() || round.doubtful {
                sleep(PAUSE).await;
                round = self.round().await;
            }
        };
        // What the last round found is as good as it gets.
        drop(timeout(PATIENCE, trying).await);
        round.found
    }

    /// Looks for the primary, once.
    pub(super) async fn look(&self) -> Result<PgConnectOptions, HostsError> {
        self.round().await.found
    }

    /// Asks all servers at once.
    async fn round(&self) -> Round {
        let within = if self.are_several() { ANSWER_TIMEOUT } else { PATIENCE };
        let asking = self.options.iter().map(|options| async move {
            let late = |_| Err(sqlx::Error::Io(ErrorKind::TimedOut.into()));
            timeout(within, self.connect_and_ask(options)).await.unwrap_or_else(late)
        });
        let answers = futures_util::future::join_all(asking).await;
        let (mut writable, mut why, mut doubtful) = (Vec::new(), HostsError::ReadOnly, false);
        for (options, answer) in self.options.iter().zip(answers) {
            match answer {
                Ok(Said { takes_writes: true, history }) => writable.push((options, history)),
                Ok(Said { takes_writes: false, .. }) => {}
                Err(error) => {
                    doubtful |= silent(&error);
                    // What a server says tells more than its silence.
                    if error.as_database_error().is_some() || matches!(why, HostsError::ReadOnly) {
                        why = HostsError::Unreachable(error);
                    }
                }
            }
        }
        Round { found: self.choose(&writable).unwrap_or(Err(why)), doubtful }
    }

    /// Of those that take writes the one that was promoted last. Others than before, perhaps restored from a backup,
    /// are taken where nobody of before is left.
    fn choose(
        &self,
        writable: &[(&PgConnectOptions, History)],
    ) -> Option<Result<PgConnectOptions, HostsError>> {
        let mut latest = self.history();
        let as_before = writable.iter().any(|(_, history)| history.system == latest.system);
        let system = if as_before { latest.system } else { writable.first()?.1.system };
        let of_system = writable.iter().rev().filter(|(_, history)| history.system == system);
        let (options, history) = of_system.max_by_key(|(_, history)| history.timeline)?;
        if as_before && history.timeline < latest.timeline {
            return Some(Err(HostsError::LeftBehind));
        }
        *latest = *history;
        Some(Ok((*options).clone()))
    }

    async fn connect_and_ask(&self, options: &PgConnectOptions) -> Result<Said, sqlx::Error> {
        let mut connection = PgConnection::connect_with(options).await?;
        let said = self.ask(&mut connection).await;
        if let Err(error) = connection.close().await {
            tracing::debug!(error = chain(&error), "a connection did not close");
        }
        said
    }

    async fn ask(&self, connection: &mut PgConnection) -> Result<Said, sqlx::Error> {
        let question = if self.are_several() { OF_SEVERAL } else { OF_ONE };
        let (takes_writes, system, timeline) = sqlx::query_as(question).fetch_one(connection).await?;
        Ok(Said { takes_writes, history: History { system, timeline } })
    }

    fn history(&self) -> MutexGuard<'_, History> {
        // Nobody panics while holding the lock.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn silent(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == ErrorKind::TimedOut)
}

/// The URL without the parameters that the driver does not know. Their values may be secrets.
fn understood(url: &str) -> String {
    let Some((base, query)) = url.split_once('?') else { return url.to_owned() };
    let (known, unknown): (Vec<&str>, Vec<&str>) = query.split('&').partition(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        PARAMETERS.contains(&name) || name.starts_with("options[")
    });
    for parameter in unknown {
        let name = parameter.split('=').next().unwrap_or_default();
        // The one that is asked for is always found.
        if name != "target_session_attrs" {
            tracing::warn!(name, "the database URL has a parameter that is not known");
        }
    }
    format!("{base}?{}", known.join("&"))
}

/// A URL for each server. The driver knows URLs of one server, and takes any scheme for its own.
fn each(url: &str) -> Option<Vec<String>> {
    let (scheme, rest) = url.split_once("://")?;
    ["postgres", "postgresql"].contains(&scheme).then(|| one_by_one(scheme, rest))
}
