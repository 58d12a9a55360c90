//! Filling an empty database with made-up rows. What a real creation writes, written in bulk.

mod batch;
mod postgres;
mod sqlite;

use sea_orm::DbErr;

use super::{ConnectError, Error};
use crate::domain::seed::Refused;

pub use postgres::seed_postgres;

/// Why the database was not filled.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// Made-up rows among real ones could never be told apart.
    #[error("the database has organizations already: seed fills empty databases only")]
    NotEmpty,
    /// The database of real people.
    #[error("the database belongs to the environment live: seed fills databases of tests only")]
    Live,
    /// The database can't be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The generator is at fault.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A value that the copying format has no form for.
    #[error("a value of {0} can't be copied")]
    Value(&'static str),
    /// The database refused.
    #[error("the database could not be filled")]
    Driver(#[from] sqlx::Error),
    /// The database refused.
    #[error("the database could not be filled")]
    Database(#[from] DbErr),
    /// The database can't be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// The task that makes rows ended early.
    #[error("the task that makes rows failed")]
    Task(#[from] tokio::task::JoinError),
}
