//! A primary of Postgres and its standby.

use std::net::{Ipv4Addr, SocketAddr};

use sqlx::{Connection as _, PgConnection};

use super::chaos::ChaosProxy;
use super::postgres::{Durability, PostgresServer};
use crate::faults::until;

/// Whether a commit waits for the standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replication {
    /// It does: the standby has everything that was acknowledged.
    Synchronous,
    /// It does not.
    Asynchronous,
}

/// Two servers that keep what they promised when they are killed.
#[derive(Debug)]
pub(crate) struct PostgresPair {
    /// The primary at first.
    pub(crate) first: PostgresServer,
    /// Its standby at first.
    pub(crate) second: PostgresServer,
    /// Over which the standby gets what it repeats.
    link: ChaosProxy,
}

impl PostgresPair {
    /// Starts both empty, and waits until the standby follows.
    pub(crate) async fn start(replication: Replication) -> Self {
        let names = match replication {
            Replication::Synchronous => "synchronous_standby_names = '*'\n",
            Replication::Asynchronous => "",
        };
        let first = PostgresServer::start_with(Durability::Default, &[(SETTINGS, names)]).await;
        let link = ChaosProxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, first.port()))).await;
        let follow = following(link.address().port());
        let second =
            PostgresServer::start_with(Durability::Default, &[(SETTINGS, &follow), (STANDBY, "")]).await;
        let this = Self { first, second, link };
        let state = match replication {
            Replication::Synchronous => "sync",
            Replication::Asynchronous => "async",
        };
        this.first.is_followed(state).await;
        this
    }

    /// Where to find a database, on whichever server takes writes.
    pub(crate) fn url(&self, database: &str) -> String {
        let [first, second] = [self.first.port(), self.second.port()];
        format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/{database}")
    }

    /// The same, with the servers the other way round.
    pub(crate) fn url_reversed(&self, database: &str) -> String {
        let [first, second] = [self.first.port(), self.second.port()];
        format!("postgres://postgres@127.0.0.1:{second},127.0.0.1:{first}/{database}")
    }

    /// From now on the standby misses what is written.
    pub(crate) async fn make_stale(&self) {
        self.link.refuse();
        until("the standby to be cut off", async || {
            self.first.ask::<i64>("SELECT count(*) FROM pg_stat_replication").await == Ok(0)
        })
        .await;
    }

    /// Makes the second server a primary, whatever becomes of the first.
    pub(crate) async fn promote(&self) {
        let promoted = self.second.ask::<bool>("SELECT pg_promote()").await;
        assert_eq!(promoted, Ok(true), "{}", self.second.log());
    }

    /// The ended first server comes back as the standby of the second.
    pub(crate) async fn follow(&mut self) {
        let follow = following(self.second.port());
        self.first.copy_of(&self.second, &[(SETTINGS, &follow), (STANDBY, "")]).await;
        self.first.start_again().await;
        self.second.is_followed("async").await;
    }
}

/// What `ALTER SYSTEM` writes into.
const SETTINGS: &str = "postgresql.auto.conf";

/// Says that a server is a standby.
const STANDBY: &str = "standby.signal";

/// The settings of a standby. A lost connection is tried again at once.
fn following(port: u16) -> String {
    format!(
        "primary_conninfo = 'host=127.0.0.1 port={port} user=postgres'\n\
         wal_retrieve_retry_interval = '100ms'\n"
    )
}

impl PostgresServer {
    /// Asks the server itself one question.
    pub(crate) async fn ask<T>(&self, sql: &str) -> Result<T, String>
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        self.ask_in("postgres", sql).await
    }

    /// The same, in a database.
    pub(crate) async fn ask_in<T>(&self, database: &str, sql: &str) -> Result<T, String>
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let asking = async {
            let mut connection = PgConnection::connect(&self.url(database)).await?;
            let answer = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok::<T, sqlx::Error>(answer)
        };
        asking.await.map_err(|error| error.to_string())
    }

    /// Changes something on the server, statement by statement.
    pub(crate) async fn execute(&self, statements: &[&str]) {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        for statement in statements {
            sqlx::raw_sql(sqlx::AssertSqlSafe(*statement)).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    }

    /// How many connections of the service there are.
    pub(crate) async fn connections(&self) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vestibule'";
        self.ask(sql).await.unwrap()
    }

    /// Waits until a standby repeats everything.
    async fn is_followed(&self, state: &str) {
        until(format!("a standby to follow:\n{}", self.log()), async || {
            let sql = "SELECT coalesce(max(sync_state), '') FROM pg_stat_replication WHERE state = 'streaming'";
            self.ask::<String>(sql).await.as_deref() == Ok(state)
        })
        .await;
    }
}
