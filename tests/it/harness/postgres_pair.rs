//! A primary of Postgres and its standby.

use std::mem::swap;
use std::net::{Ipv4Addr, SocketAddr};

use sqlx::{Connection as _, PgConnection};

use super::chaos::ChaosProxy;
use super::postgres::{Durability, PostgresServer};
use crate::faults::until;

/// The user of the service.
pub(crate) const USER: &str = "vestibule";

/// Whether a commit waits for the standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replication {
    /// It does: the standby has everything that was acknowledged.
    Synchronous,
    /// It does not.
    Asynchronous,
}

impl Replication {
    /// What the primary calls the standby.
    fn state(self) -> &'static str {
        match self {
            Self::Synchronous => "sync",
            Self::Asynchronous => "async",
        }
    }
}

/// Two servers that keep what they promised when they are killed.
#[derive(Debug)]
pub(crate) struct PostgresPair {
    /// The primary.
    pub(crate) primary: PostgresServer,
    /// Its standby, or what was the primary and is left behind.
    pub(crate) standby: PostgresServer,
    replication: Replication,
    ports: [u16; 2],
    /// Over which the standby gets what it repeats.
    link: ChaosProxy,
}

impl PostgresPair {
    /// Starts both empty, and waits until the standby follows.
    pub(crate) async fn start(replication: Replication) -> Self {
        let primary = PostgresServer::start(Durability::Default).await;
        let link = link_to(&primary).await;
        let files = standby_of(&link);
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        let standby = PostgresServer::start_with(Durability::Default, &files).await;
        let ports = [primary.port(), standby.port()];
        let this = Self { primary, standby, replication, ports, link };
        this.is_followed().await;
        this
    }

    /// Where to find a database, on whichever server takes writes. Who began as the primary is named first.
    pub(crate) fn url(&self, database: &str) -> String {
        let [first, second] = self.ports;
        format!("postgres://{USER}@127.0.0.1:{first},127.0.0.1:{second}/{database}")
    }

    /// The same, with the servers the other way round.
    pub(crate) fn url_reversed(&self, database: &str) -> String {
        let [first, second] = self.ports;
        format!("postgres://{USER}@127.0.0.1:{second},127.0.0.1:{first}/{database}")
    }

    /// From now on the standby misses what is written.
    pub(crate) async fn make_stale(&self) {
        self.link.refuse();
        until("the standby to be cut off", async || {
            self.primary.ask::<i64>("SELECT count(*) FROM pg_stat_replication").await == 0
        })
        .await;
    }

    /// The standby that was cut off gets what it has missed.
    pub(crate) async fn rejoins(&self) {
        self.link.pass();
        self.standby_is(self.replication.state()).await;
    }

    /// Makes the standby a primary, whatever becomes of the old one.
    pub(crate) async fn promote(&mut self) {
        assert!(self.standby.ask::<bool>("SELECT pg_promote()").await, "{}", self.standby.log());
        swap(&mut self.primary, &mut self.standby);
    }

    /// The ended old primary comes back as the standby, with a copy of what there is now.
    pub(crate) async fn follow(&mut self) {
        self.link = link_to(&self.primary).await;
        let files = standby_of(&self.link);
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        self.standby.copy_of(&self.primary, &files).await;
        self.standby.start_again().await;
        self.is_followed().await;
    }

    /// Waits until the standby repeats everything, and commits wait for it if they are to.
    async fn is_followed(&self) {
        self.standby_is(Replication::Asynchronous.state()).await;
        if self.replication == Replication::Synchronous {
            let waits = "ALTER SYSTEM SET synchronous_standby_names = '*'";
            self.primary.execute(&[waits, "SELECT pg_reload_conf()"]).await;
            self.standby_is(self.replication.state()).await;
        }
    }

    async fn standby_is(&self, state: &str) {
        until(format!("a standby to follow:\n{}", self.standby.log()), async || {
            let sql =
                "SELECT coalesce(max(sync_state), '') FROM pg_stat_replication WHERE state = 'streaming'";
            self.primary.ask::<String>(sql).await == state
        })
        .await;
    }
}

async fn link_to(primary: &PostgresServer) -> ChaosProxy {
    ChaosProxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, primary.port()))).await
}

/// The files that make a server a standby. It tries a lost connection again at once.
fn standby_of(link: &ChaosProxy) -> [(&'static str, String); 2] {
    let port = link.address().port();
    let settings = format!(
        "primary_conninfo = 'host=127.0.0.1 port={port} user=postgres'\n\
         wal_retrieve_retry_interval = '100ms'\n"
    );
    [("postgresql.auto.conf", settings), ("standby.signal", String::new())]
}

impl PostgresServer {
    /// Asks the server itself one question.
    pub(crate) async fn ask<T>(&self, sql: &'static str) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        let answer = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        answer
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
        self.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vestibule'").await
    }
}
