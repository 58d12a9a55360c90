//! Holding calls at a chosen moment of their transaction, for as long as a test wants.

use sea_orm::QueryResult;
use sqlx::{Connection as _, PgConnection};

use super::until;
use crate::harness::Harness;
use crate::harness::database::rows;

/// Loops while the test says so, as long as the server that was told so runs. Not a wait for a lock: that would
/// end after the service's lock timeout, and a server that is stopped ends the sessions that hold locks in any
/// order, so that the held transaction might be let go first.
const INSTALL: &str = "
    CREATE TABLE IF NOT EXISTS holds (server_since timestamptz NOT NULL);
    CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        WHILE EXISTS (SELECT FROM holds WHERE server_since = pg_postmaster_start_time()) LOOP
            PERFORM pg_sleep(0.005);
        END LOOP;
        RETURN NEW;
    END $$;
    DROP TRIGGER IF EXISTS hold ON intermediate_session_receipts;
    INSERT INTO holds VALUES (pg_postmaster_start_time());
";

/// Where a transaction that records a purchase is held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// After the claim, before the receipt is written.
    BeforeReceipt,
    /// When the receipt is written, with everything that the same statement writes, and nothing committed.
    BeforeCommit,
    /// While the transaction commits: everything is written.
    InCommit,
}

/// Holds every transaction that writes the receipt of a purchase, until it is released.
#[derive(Debug)]
pub(crate) struct Hold {
    connection: PgConnection,
}

impl Hold {
    /// Holds from now on.
    pub(crate) async fn at(t: &Harness, moment: Moment) -> Self {
        let mut connection = PgConnection::connect(&t.database_url()).await.unwrap();
        let (trigger, deferred) = match moment {
            Moment::BeforeReceipt => ("CREATE TRIGGER hold BEFORE", ""),
            // Runs at the end of the statement, when all its links are written.
            Moment::BeforeCommit => ("CREATE TRIGGER hold AFTER", ""),
            Moment::InCommit => ("CREATE CONSTRAINT TRIGGER hold AFTER", "DEFERRABLE INITIALLY DEFERRED"),
        };
        // An update finishes the login that a token is bound to.
        let sql = format!(
            "{INSTALL} {trigger} INSERT OR UPDATE ON intermediate_session_receipts {deferred} FOR EACH ROW \
             WHEN (NOT NEW.revoked) EXECUTE FUNCTION hold()"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        Self { connection }
    }

    /// Lets everything go on, and holds nothing any more.
    pub(crate) async fn release(mut self) {
        sqlx::query("DELETE FROM holds").execute(&mut self.connection).await.unwrap();
        self.connection.close().await.unwrap();
    }

    /// Forgets what went with a server that is no more.
    pub(crate) fn lost(self) {
        drop(self);
    }
}

/// Waits until a transaction is held, and tells its backend.
pub(crate) async fn held(t: &Harness) -> i32 {
    backend(t, "wait_event = 'PgSleep'").await
}

/// Waits until so many transactions are held at once.
pub(crate) async fn all_held(t: &Harness, count: i64) {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'vestibule' \
               AND wait_event = 'PgSleep' AND datname = current_database()";
    let connection = t.database().await;
    until("all to be held", async || {
        let found: i64 = rows(&connection, sql, vec![]).await[0].try_get("", "n").unwrap();
        found == count
    })
    .await;
    connection.close().await.unwrap();
}

/// Waits until a transaction waits for a lock, and tells its backend.
pub(crate) async fn blocked(t: &Harness) -> i32 {
    backend(t, "wait_event_type = 'Lock'").await
}

async fn backend(t: &Harness, condition: &str) -> i32 {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'vestibule' AND {condition} \
         AND datname = current_database()"
    );
    let connection = t.database().await;
    let mut found: Vec<QueryResult> = Vec::new();
    until(condition, async || {
        found = rows(&connection, &sql, vec![]).await;
        !found.is_empty()
    })
    .await;
    connection.close().await.unwrap();
    found[0].try_get("", "pid").unwrap()
}
