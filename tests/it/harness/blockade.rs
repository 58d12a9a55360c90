//! A transaction of the test that no write of the service gets past.

use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode,
    TransactionOptions, TransactionTrait as _,
};

use super::Harness;
use super::database::rows;
use super::supervised::Patience;

/// Holds up the service until it is lifted.
#[derive(Debug)]
pub(crate) struct Blockade {
    transaction: DatabaseTransaction,
}

impl Blockade {
    /// Ends the transaction, and takes back what it wrote.
    pub(crate) async fn lift(self) {
        self.transaction.rollback().await.unwrap();
    }
}

impl Harness {
    /// Holds up every creation of an organization; reads go on.
    pub(crate) async fn block_organizations(&self) -> Blockade {
        match self.engine() {
            DbBackend::Postgres => {
                self.block_by(&["LOCK TABLE organizations IN EXCLUSIVE MODE".to_owned()]).await
            }
            // There is one writer at a time.
            _ => self.block_by(&[]).await,
        }
    }

    /// Holds up whatever runs into what these statements write or lock.
    pub(crate) async fn block_by(&self, statements: &[String]) -> Blockade {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.database().await.begin_with_options(options).await.unwrap();
        for statement in statements {
            transaction.execute_unprepared(statement).await.unwrap();
        }
        Blockade { transaction }
    }

    /// Waits until so many statements wait for a lock. Postgres only: nothing tells it of SQLite.
    pub(crate) async fn blocked(&self, count: i64) {
        let connection: DatabaseConnection = self.database().await;
        let mut patience = Patience::new();
        loop {
            let sql = "SELECT count(*) AS n FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let waiting: i64 = rows(&connection, sql, vec![]).await[0].try_get("", "n").unwrap();
            if waiting == count {
                break;
            }
            patience.turn(|| format!("{count} statements to wait for a lock; {waiting} do")).await;
        }
        connection.close().await.unwrap();
    }
}
