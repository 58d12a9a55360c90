//! The servers that a database URL names, and which of them is the primary.

#[cfg(test)]
mod tests;

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::time::{sleep, timeout};

/// How long a server may take to say what it is. What is between it and us may swallow everything.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long servers that are just starting, or changing places, are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_millis(200);

/// Whether the server takes writes. A standby does not, nor does one that was fenced.
const OF_ONE: &str = "SELECT CASE WHEN pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean \
                      THEN NULL ELSE 0 END";

/// The same, with the timeline, which each promotion makes greater: the first digits of the name of a WAL file.
const OF_SEVERAL: &str = "SELECT CASE WHEN pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean \
                          THEN NULL ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer END";

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
}

/// The servers, in the order of the URL. Cheap to clone; clones share what they have seen.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    options: Vec<PgConnectOptions>,
    /// The greatest timeline of a primary: one with a lesser was left behind by a promotion.
    timeline: Arc<AtomicI32>,
}

impl Hosts {
    /// Reads the URL, which names servers as libpq does: `postgres://user@one:5432,two:5432/name`
    /// (PostgreSQL, "Connection URIs").
    pub(super) fn parse(url: &SecretString) -> Result<Self, HostsError> {
        let options = one_by_one(url.expose_secret())
            .ok_or(HostsError::Url)?
            .iter()
            // The driver's own message can quote the URL, and with it the password.
            .map(|url| PgConnectOptions::from_str(url).map_err(|_| HostsError::Url))
            .map(|options| Ok(options?.application_name("vestibule")))
            .collect::<Result<_, HostsError>>()?;
        Ok(Self { options, timeline: Arc::default() })
    }

    /// Whether there is a choice.
    pub(super) fn are_several(&self) -> bool {
        self.options.len() > 1
    }

    /// Whether the server at the other end is the primary.
    pub(super) async fn primary_answers(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let timeline = self.timeline(connection).await?;
        Ok(timeline.is_some_and(|timeline| self.timeline.fetch_max(timeline, Ordering::Relaxed) <= timeline))
    }

    /// Looks for the primary, for a while.
    pub(super) async fn primary(&self) -> Result<PgConnectOptions, HostsError> {
        let mut found = self.look().await;
        let trying = async {
            while found.is_err() {
                sleep(PAUSE).await;
                found = self.look().await;
            }
        };
        // What the last round found is as good as it gets.
        drop(timeout(PATIENCE, trying).await);
        found
    }

    /// Asks all servers at once.
    pub(super) async fn look(&self) -> Result<PgConnectOptions, HostsError> {
        let asking = self.options.iter().map(|options| async move {
            match timeout(ANSWER_TIMEOUT, self.ask(options)).await {
                Ok(answer) => answer,
                Err(_) => Err(sqlx::Error::PoolTimedOut),
            }
        });
        let mut silent = None;
        let mut primary: Option<(i32, &PgConnectOptions)> = None;
        for (options, answer) in self.options.iter().zip(futures_util::future::join_all(asking).await) {
            match answer {
                Ok(Some(timeline)) if primary.is_none_or(|(greatest, _)| greatest < timeline) => {
                    primary = Some((timeline, options));
                }
                Ok(_) => {}
                Err(error) => silent = Some(error),
            }
        }
        match (primary, silent) {
            (Some((timeline, primary)), _) => {
                self.timeline.fetch_max(timeline, Ordering::Relaxed);
                Ok(primary.clone())
            }
            (None, Some(error)) => Err(HostsError::Unreachable(error)),
            (None, None) => Err(HostsError::ReadOnly),
        }
    }

    async fn ask(&self, options: &PgConnectOptions) -> Result<Option<i32>, sqlx::Error> {
        let mut connection = PgConnection::connect_with(options).await?;
        let timeline = self.timeline(&mut connection).await;
        connection.close().await?;
        timeline
    }

    /// `None`: the server takes no writes.
    async fn timeline(&self, connection: &mut PgConnection) -> Result<Option<i32>, sqlx::Error> {
        let question = if self.are_several() { OF_SEVERAL } else { OF_ONE };
        sqlx::query_scalar(question).fetch_one(connection).await
    }
}

/// A URL for each server. The driver knows URLs of one server, and takes any scheme for its own.
fn one_by_one(url: &str) -> Option<Vec<String>> {
    let (scheme, rest) = url.split_once("://")?;
    if !["postgres", "postgresql"].contains(&scheme) {
        return None;
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    Some(hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}")).collect())
}
