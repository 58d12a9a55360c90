//! Several statements as one: all of them take effect, or none.

use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::{
    ConnectionTrait as _, DatabaseTransaction, DbErr, QueryResult, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _, Value,
};

use super::chain::{Chain, Column};
use super::{Engine, Error, Store};
use crate::telemetry::spans::observed;

/// The most rows of one statement.
const INSERTED_AT_ONCE: usize = 50;

/// How firmly a row is held until the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// It is not deleted meanwhile; it may be changed. Enough for whoever only refers to it.
    Refer,
    /// Nobody changes it meanwhile; others may hold it like this as well. For whoever decides by it: those
    /// who hold it one after another can make a change wait for long.
    Share,
    /// It is about to be changed: others wait.
    Change,
    /// It is about to be deleted: others wait, those too that only refer to it.
    Delete,
}

/// A transaction. Dropped before its body has ended, it is rolled back.
#[derive(Debug)]
pub struct Transaction {
    inner: DatabaseTransaction,
    pub(super) engine: Engine,
    /// Whether a statement's connection broke, nobody knows what became of it, or the server takes no writes.
    lost: AtomicBool,
    /// How a statement failed.
    failed: OnceLock<&'static str>,
}

impl Store {
    /// Runs the body in a transaction of this name, commits when it is fine and rolls back when it is not. Bounded by
    /// the store's timeout as a whole. The body does nothing but talk to the database.
    ///
    /// # Errors
    /// What the body fails with; [`Error::UnknownOutcome`] when the commit itself was not answered, as
    /// [`Error`] says otherwise.
    pub async fn transaction<T, E: From<Error>>(
        &self,
        name: &'static str,
        body: impl AsyncFnOnce(&Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = OnceLock::new();
        let work = self.unobserved(&failed, body);
        // What the body refuses is no failure of the database.
        observed(&self.metrics, self.operation(name), |_| failed.get().copied(), work).await
    }

    async fn unobserved<T, E: From<Error>>(
        &self,
        failed: &OnceLock<&'static str>,
        body: impl AsyncFnOnce(&Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let fail = |error: Error| {
            note(failed, &error);
            E::from(error)
        };
        let lost = AtomicBool::new(false);
        let committing = AtomicBool::new(false);
        let work = async {
            let transaction = self.begin().await.map_err(|error| {
                // That none is free says nothing about the others.
                lost.store(error.casts_suspicion(), Ordering::Relaxed);
                let error = known(error);
                self.note_unavailable(&self.pool, &error);
                fail(error)
            })?;
            lost.store(true, Ordering::Relaxed);
            let outcome = body(&transaction).await;
            if let Some(kind) = transaction.failed.get() {
                failed.get_or_init(|| kind);
            }
            lost.store(transaction.lost.load(Ordering::Relaxed), Ordering::Relaxed);
            match outcome {
                Ok(value) => {
                    committing.store(true, Ordering::Relaxed);
                    let committed = transaction.inner.commit().await.map_err(Error::from);
                    let suspicious = committed.as_ref().is_err_and(Error::casts_suspicion);
                    lost.store(suspicious, Ordering::Relaxed);
                    committed.map(|()| value).map_err(fail)
                }
                Err(error) => {
                    // The body's error tells more than what a failing rollback could add; the server rolls
                    // back by itself when the connection ends.
                    if transaction.inner.rollback().await.is_err() {
                        lost.store(true, Ordering::Relaxed);
                    }
                    Err(error)
                }
            }
        };
        // Declared before its guard, so that the guard speaks before the connection goes back.
        let mut work = pin!(tokio::time::timeout(self.timeout, work));
        let guard = self.pool.suspicion.guard();
        let outcome = match (&mut work).await {
            Ok(outcome) => outcome,
            Err(elapsed) if committing.load(Ordering::Relaxed) => {
                return Err(fail(Error::UnknownOutcome(Box::new(elapsed))));
            }
            Err(elapsed) => return Err(fail(Error::Unavailable(Box::new(elapsed)))),
        };
        if !lost.load(Ordering::Relaxed) {
            guard.disarm();
        }
        outcome
    }

    async fn begin(&self) -> Result<Transaction, Error> {
        // On SQLite a transaction that begins by reading can't always go on to write.
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let inner = self.pool.connection.begin_with_options(options).await?;
        let (engine, lost, failed) = (self.engine, AtomicBool::new(false), OnceLock::new());
        Ok(Transaction { inner, engine, lost, failed })
    }
}

impl Transaction {
    /// Reads rows.
    pub(super) async fn query(&self, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, Error> {
        let statement = self.engine.statement(sql, values);
        self.inner.query_all_raw(statement).await.map_err(|error| self.note(error))
    }

    /// Reads at most one row.
    pub(super) async fn query_one(
        &self,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Option<QueryResult>, Error> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// Runs one writing statement and tells how many rows it touched.
    pub(super) async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<u64, Error> {
        let statement = self.engine.statement(sql, values);
        let outcome = self.inner.execute_raw(statement).await.map_err(|error| self.note(error))?;
        Ok(outcome.rows_affected())
    }

    /// Writes the chain. `Ok(false)`: its guard refused it, and nothing was written.
    pub(super) async fn insert(&self, chain: Chain) -> Result<bool, Error> {
        match self.engine {
            Engine::Postgres => {
                let expected = chain.last_rows();
                let (sql, values) = chain.postgres();
                Ok(self.execute(&sql, values).await? == expected)
            }
            Engine::Sqlite => {
                let (guard, inserts) = chain.sqlite();
                if let Some((sql, values)) = guard
                    && self.query_one(&sql, values).await?.is_some()
                {
                    return Ok(false);
                }
                for (sql, values) in inserts {
                    self.execute(&sql, values).await?;
                }
                Ok(true)
            }
        }
    }

    /// Adds rows, if there are any, some at a time: a statement is prepared for each number of rows, and
    /// a batch would otherwise fill the connection's memory with statements of every length.
    pub(super) async fn insert_rows(
        &self,
        table: &'static str,
        columns: &'static [Column],
        rows: Vec<Vec<Value>>,
    ) -> Result<(), Error> {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut chain = Chain::default();
            chain.rows(table, columns, rows.by_ref().take(INSERTED_AT_ONCE).collect());
            self.insert(chain).await?;
        }
        Ok(())
    }

    /// The words that make a query hold the rows it reads. SQLite's transactions hold everything.
    pub(super) fn holding(&self, lock: Lock) -> &'static str {
        match (self.engine, lock) {
            (Engine::Sqlite, _) => "",
            (Engine::Postgres, Lock::Refer) => "FOR KEY SHARE",
            (Engine::Postgres, Lock::Share) => "FOR SHARE",
            (Engine::Postgres, Lock::Change) => "FOR NO KEY UPDATE",
            (Engine::Postgres, Lock::Delete) => "FOR UPDATE",
        }
    }

    fn note(&self, error: DbErr) -> Error {
        let error = Error::from(error);
        if error.casts_suspicion() {
            self.lost.store(true, Ordering::Relaxed);
        }
        note(&self.failed, &error);
        known(error)
    }
}

/// Remembers the first failure.
fn note(failed: &OnceLock<&'static str>, error: &Error) {
    if let Some(kind) = error.kind() {
        failed.get_or_init(|| kind);
    }
}

/// What is not committed has not happened.
fn known(error: Error) -> Error {
    match error {
        Error::UnknownOutcome(source) => Error::Unavailable(source),
        error => error,
    }
}
