//! Fills an empty database with made-up organizations and members.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::data_dir::{DataDir, DataDirError};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, SeedArgs};
use crate::domain::ids::Environment;
use crate::domain::seed::{Plan, Refused, Rows, Seeded};
use crate::store;
use crate::telemetry::metrics::Metrics;

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// How many rows are made between two looks at the clock.
const LOOK_INTERVAL: u64 = 10_000;

/// How long a statement about the embedded database's schema may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why the database was not filled.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// Made-up people among real ones.
    #[error("seed fills databases of tests only: --environment live is refused")]
    Live,
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::SeedError),
}

/// Fills the database that the settings name, Postgres or the embedded one, which is created when
/// there is none.
///
/// # Errors
/// [`SeedError`]; nothing was written then to Postgres, and what came before the fault to the embedded
/// database.
pub async fn seed(config: &Config, arguments: SeedArgs) -> Result<(), SeedError> {
    if config.environment == Environment::Live {
        return Err(SeedError::Live);
    }
    let SeedArgs { organizations, members, random_seed } = arguments;
    let clock = SystemClock::new();
    let began = clock.monotonic();
    let plan = Plan { organizations, members, seed: random_seed };
    let rows = Progress::new(plan, SystemClock::new());
    // An empty variable is how some orchestrators say that there is none.
    let url = config.database_url.as_ref().filter(|url| !url.expose_secret().is_empty());
    let written = if let Some(url) = url {
        store::seed_postgres(url, rows).await?
    } else {
        let data_dir = DataDir::open(&config.data_dir, true)?;
        let opened = store::open_sqlite(&data_dir.database(), TIMEOUT, Metrics::unread()).await;
        let store = opened.map_err(store::SeedError::from)?;
        let written = store.seed_embedded(rows).await?;
        store.close().await;
        written
    };
    let seconds = clock.monotonic().saturating_sub(began).as_secs_f64();
    tracing::info!(rows = written, organizations, members = organizations * members, seconds, "seeded");
    Ok(())
}

/// The rows of a plan; tells now and then how far they are.
#[derive(Debug)]
struct Progress {
    plan: Plan,
    rows: Rows,
    clock: SystemClock,
    organizations: u64,
    members: u64,
    told: Duration,
}

impl Progress {
    fn new(plan: Plan, clock: SystemClock) -> Self {
        let told = clock.monotonic();
        Self { plan, rows: plan.rows(), clock, organizations: 0, members: 0, told }
    }

    fn tell(&mut self) {
        let now = self.clock.monotonic();
        if now.saturating_sub(self.told) >= PROGRESS_INTERVAL {
            self.told = now;
            let (organizations, members, of) = (self.organizations, self.members, self.plan.organizations);
            tracing::info!(organizations, of, members, "seeding");
        }
    }
}

impl Iterator for Progress {
    type Item = Result<Seeded, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        match &row {
            Ok(Seeded::Organization(_)) => self.organizations += 1,
            Ok(Seeded::Member(_)) => self.members += 1,
            Err(_) => {}
        }
        if (self.organizations + self.members).is_multiple_of(LOOK_INTERVAL) {
            self.tell();
        }
        Some(row)
    }
}
