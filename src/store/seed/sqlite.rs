//! The embedded database: inserts of many rows, in transactions of some thousand.

use sea_orm::{
    ConnectionTrait as _, SqliteTransactionMode, TransactionOptions, TransactionTrait as _, Value,
};

use super::SeedError;
use super::batch::{Batch, Table};
use crate::domain::seed::{Refused, Seeded};
use crate::store::{Store, column};

/// How many rows of all tables one transaction writes.
const BATCH: usize = 10_000;

/// The most parameters that one statement may have.
const MAX_PARAMETERS: usize = 32_766;

impl Store {
    /// Fills the embedded database. When it fails, what was written before stays, and the database is
    /// not empty any more: begin with another. Tells how many rows were written.
    ///
    /// # Errors
    /// [`SeedError`].
    pub async fn seed_embedded(
        &self,
        rows: impl Iterator<Item = Result<Seeded, Refused>>,
    ) -> Result<u64, SeedError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM organizations) AS filled";
        if let Some(row) = self.query_one("seed", sql, Vec::new()).await?
            && column::<bool>(&row, "filled")?
        {
            return Err(SeedError::NotEmpty);
        }
        let mut written = 0;
        let mut batch = Batch::default();
        for row in rows {
            batch.add(&row?);
            if batch.rows() >= BATCH {
                written += self.write(std::mem::take(&mut batch)).await?;
            }
        }
        Ok(written + self.write(batch).await?)
    }

    async fn write(&self, batch: Batch) -> Result<u64, SeedError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.pool.connection.begin_with_options(options).await?;
        let mut written = 0;
        for (name, Table { columns, rows }) in batch.into_tables() {
            let most = MAX_PARAMETERS / columns.len().max(1);
            let mut rows = rows.into_iter().peekable();
            while rows.peek().is_some() {
                let part: Vec<Vec<Value>> = rows.by_ref().take(most).collect();
                let row = format!("({})", vec!["?"; columns.len()].join(", "));
                let sql = format!(
                    "INSERT INTO {name} ({}) VALUES {}",
                    columns.join(", "),
                    vec![row; part.len()].join(", ")
                );
                let statement = self.engine.statement(&sql, part.into_iter().flatten().collect());
                written += transaction.execute_raw(statement).await?.rows_affected();
            }
        }
        transaction.commit().await?;
        Ok(written)
    }
}
