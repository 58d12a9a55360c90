//! Postgres: one transaction of COPYs, with indexes and references made anew at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::Value;
use secrecy::SecretString;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, Postgres, Transaction,
};
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendError;
use tokio::task::JoinSet;

use super::SeedError;
use super::batch::{Batch, TABLES, Table};
use crate::domain::seed::{Refused, Seeded};
use crate::store::ConnectError;
use crate::store::connect::connect_postgres;
use crate::store::hosts::Hosts;
use crate::telemetry::chain;
use crate::telemetry::metrics::Metrics;

/// How many rows are made before they are encoded.
const BATCH: usize = 2_000;

/// How many bytes of a table are copied at once. Each copying ends with a small packet that the network
/// holds back until the one before is acknowledged, tens of milliseconds: few large copyings beat many.
const ENOUGH: usize = 16 << 20;

/// How many bytes are handed to the driver, which buffers them, at once.
const CHUNK: usize = 64 << 10;

/// How many copies may be ready before they are sent. Bounds the memory.
const AHEAD: usize = 1;

/// How long looking at the database may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// How each copying begins: the signature, no flags, no extension. PostgreSQL, "COPY", "Binary Format".
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// How each copying ends.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// What times are counted from, in microseconds.
const EPOCH: OffsetDateTime = datetime!(2000-01-01 00:00 UTC);

/// What is dropped and made anew: references and indexes other than those of primary keys. With each,
/// how to drop it and how to make it; references come first, and are made anew last.
const DEFINITIONS: &str = "
    WITH filled AS (
        SELECT oid FROM pg_class
        WHERE relnamespace = to_regnamespace(current_schema()) AND relname = ANY ($1)
    )
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS remove,
           format('ALTER TABLE %s ADD CONSTRAINT %I %s',
                  conrelid::regclass, conname, pg_get_constraintdef(oid)) AS make,
           1 AS turn, conname::text AS name
    FROM pg_constraint WHERE contype = 'f' AND conrelid IN (SELECT oid FROM filled)
    UNION ALL
    SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid),
           2, indexrelid::regclass::text
    FROM pg_index
    WHERE indrelid IN (SELECT oid FROM filled)
    AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
    ORDER BY turn, name";

/// A table with its columns, and the bytes to copy into it.
type Copy = (String, Vec<u8>);

/// Fills an empty database, wholly or not at all, and gathers the statistics that plans are made from.
/// Tells how many rows were written.
///
/// Other connections can't use the tables meanwhile: indexes and references are dropped and made anew
/// within the transaction, so that copying doesn't keep them up row by row, and they are as they were
/// when anything fails. The role must own the tables.
///
/// # Errors
/// [`SeedError`].
pub async fn seed_postgres(
    url: &SecretString,
    rows: impl Iterator<Item = Result<Seeded, Refused>> + Send + 'static,
) -> Result<u64, SeedError> {
    // Refuses a schema that is too old.
    connect_postgres(url, 1, LOOK_TIMEOUT, Metrics::unread()).await?.close().await;
    // Statements that take minutes are no news here.
    let primary =
        Hosts::parse(url).map_err(ConnectError::from)?.primary().await.map_err(ConnectError::from)?;
    let options = primary.disable_statement_logging();
    let mut connection = PgConnection::connect_with(&options).await?;
    let mut transaction = connection.begin().await?;
    check(&mut transaction).await?;
    let definitions: Vec<(String, String, i32, String)> = sqlx::query_as(DEFINITIONS)
        .bind(TABLES.map(str::to_owned).to_vec())
        .fetch_all(&mut *transaction)
        .await?;
    for (remove, ..) in &definitions {
        transaction.execute(AssertSqlSafe(remove.clone())).await?;
    }
    let written = copy(&mut transaction, rows).await?;
    tracing::info!(rows = written, "copied; making indexes and references");
    for (_, make, ..) in definitions.iter().rev() {
        transaction.execute(AssertSqlSafe(make.clone())).await?;
    }
    transaction.commit().await?;
    for table in TABLES {
        // The rows are there; the database looks after them by itself, only later.
        if let Err(error) = connection.execute(AssertSqlSafe(format!("VACUUM (ANALYZE) {table}"))).await {
            tracing::warn!(error = chain(&error), table, "a table could not be analyzed");
        }
    }
    connection.close().await?;
    Ok(written)
}

/// Locks the tables, so that what is looked at stays so.
async fn check(transaction: &mut Transaction<'_, Postgres>) -> Result<(), SeedError> {
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", TABLES.join(", "));
    // Whoever serves with this database holds locks for moments only.
    transaction.execute("SET LOCAL lock_timeout = '10s'").await?;
    // Sorting in memory is what making indexes spends its time on.
    transaction.execute("SET LOCAL maintenance_work_mem = '256MB'").await?;
    transaction.execute(AssertSqlSafe(lock)).await?;
    let environment: Option<String> =
        sqlx::query_scalar("SELECT environment FROM project").fetch_optional(&mut **transaction).await?;
    if environment.is_some_and(|environment| environment != "test") {
        return Err(SeedError::Live);
    }
    let filled: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM organizations)")
        .fetch_one(&mut **transaction)
        .await?;
    if filled { Err(SeedError::NotEmpty) } else { Ok(()) }
}

/// Makes rows on one thread while the batch before is copied.
async fn copy(
    transaction: &mut Transaction<'_, Postgres>,
    rows: impl Iterator<Item = Result<Seeded, Refused>> + Send + 'static,
) -> Result<u64, SeedError> {
    let (sender, mut batches) = mpsc::channel(AHEAD);
    let mut making = JoinSet::new();
    making.spawn_blocking(move || make(rows, &sender));
    let mut written = 0;
    while let Some((sql, bytes)) = batches.recv().await {
        let mut copying = transaction.copy_in_raw(&sql).await?;
        for chunk in bytes.chunks(CHUNK) {
            copying.send(chunk).await?;
        }
        written += copying.finish().await?;
    }
    while let Some(made) = making.join_next().await {
        made??;
    }
    Ok(written)
}

fn make(
    rows: impl Iterator<Item = Result<Seeded, Refused>>,
    sender: &mpsc::Sender<Copy>,
) -> Result<(), SeedError> {
    let mut copies = BTreeMap::new();
    let mut batch = Batch::default();
    for row in rows {
        batch.add(&row?);
        if batch.rows() >= BATCH {
            encode(std::mem::take(&mut batch), &mut copies)?;
            for (_, copy) in copies.extract_if(.., |_, (_, bytes)| bytes.len() >= ENOUGH) {
                // Nobody takes it when copying has failed, which tells why.
                if send(sender, copy).is_err() {
                    return Ok(());
                }
            }
        }
    }
    encode(batch, &mut copies)?;
    if let Err(error) = copies.into_values().try_for_each(|copy| send(sender, copy)) {
        tracing::debug!(%error, "nobody takes the last rows");
    }
    Ok(())
}

fn send(sender: &mpsc::Sender<Copy>, (sql, mut bytes): Copy) -> Result<(), SendError<Copy>> {
    bytes.extend(TRAILER);
    sender.blocking_send((sql, bytes))
}

/// Appends rows to what is copied into their tables next.
fn encode(batch: Batch, copies: &mut BTreeMap<&'static str, Copy>) -> Result<(), SeedError> {
    for (name, Table { columns, rows }) in batch.into_tables() {
        let (_, bytes) = copies.entry(name).or_insert_with(|| {
            let sql = format!("COPY {name} ({}) FROM STDIN (FORMAT binary)", columns.join(", "));
            (sql, HEADER.to_vec())
        });
        for row in &rows {
            bytes.extend(i16::try_from(row.len()).unwrap_or(0).to_be_bytes());
            for value in row {
                field(bytes, value).ok_or(SeedError::Value(name))?;
            }
        }
    }
    Ok(())
}

/// Appends a value in the binary form of its column's type: what the length is, and the bytes.
fn field(bytes: &mut Vec<u8>, value: &Value) -> Option<()> {
    let mut put = |content: &[&[u8]]| {
        let length: usize = content.iter().map(|part| part.len()).sum();
        bytes.extend(i32::try_from(length).ok()?.to_be_bytes());
        for part in content {
            bytes.extend_from_slice(part);
        }
        Some(())
    };
    match value {
        Value::Uuid(Some(uuid)) => put(&[uuid.as_bytes()]),
        Value::String(Some(text)) => put(&[text.as_bytes()]),
        Value::Bool(Some(flag)) => put(&[&[u8::from(*flag)]]),
        Value::BigInt(Some(number)) => put(&[&number.to_be_bytes()]),
        // The version of the form of `jsonb`, and the text.
        Value::Json(Some(json)) => put(&[&[1], &serde_json::to_vec(json).ok()?]),
        Value::TimeDateTimeWithTimeZone(Some(at)) => {
            put(&[&i64::try_from((*at - EPOCH).whole_microseconds()).ok()?.to_be_bytes()])
        }
        Value::String(None) => {
            bytes.extend((-1_i32).to_be_bytes());
            Some(())
        }
        _ => None,
    }
}
