//! What checking a session costs, and finding and entering organizations.
//!
//! `cargo bench --bench sessions` starts a private Postgres and a private Redis with default durability
//! and the service in this process, and prints two tables:
//!
//! - *checks*: `AuthenticateSession` by JWT, by token, and by token with an extension, at 1, 8 and 32 calls
//!   in flight. Beside each stands its *floor*, a bare unary call of the same messages without any of our
//!   layers that does no more than it has to: for a JWT, verify one and sign one; for a token, read the row
//!   of the session and sign; for an extension, write that row and sign. Call and floor take turns in short
//!   slices, so that whatever disturbs the machine disturbs both alike.
//! - *discovery*: `ListDiscoveredOrganizations`, `ExplainDiscovery` and `ExchangeIntermediateSession` in
//!   databases of two sizes, by turns: what they cost should not depend on how many organizations exist.
//!
//! `-- --only checks` and `-- --only discovery` print one of them; `-- --large` measures discovery among a
//! million organizations instead of a hundred thousand. Machines drift from minute to minute: only ratios
//! within one run mean anything.

// The servers are those of the tests, which are compiled as tests.
#![cfg(test)]
#![expect(clippy::print_stdout, reason = "the tables are the result")]

#[path = "../tests/it/harness/postgres.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod postgres;
#[path = "../tests/it/harness/redis.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod redis;
#[path = "../tests/it/harness/supervised.rs"]
mod supervised;

#[path = "sessions/checks.rs"]
mod checks;
#[path = "sessions/discovery.rs"]
mod discovery;
#[path = "sessions/floor.rs"]
mod floor;
#[path = "sessions/logins.rs"]
mod logins;
#[path = "sessions/persons.rs"]
mod persons;
#[path = "sessions/server.rs"]
mod server;
#[path = "sessions/slices.rs"]
mod slices;

use clap::Parser as _;

use postgres::{Durability, PostgresServer};
use redis::RedisServer;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is measured.
#[derive(Clone, Copy, Debug, clap::Parser)]
struct Arguments {
    /// One table alone. Absent: both.
    #[arg(long)]
    only: Option<Table>,
    /// Discovery among a million organizations instead of a hundred thousand.
    #[arg(long)]
    large: bool,
    /// What Cargo tells every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Table {
    Checks,
    Discovery,
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(arguments));
}

async fn measure(Arguments { only, large, .. }: Arguments) {
    let postgres = PostgresServer::start(Durability::Default).await;
    let redis = RedisServer::start().await;
    if only != Some(Table::Discovery) {
        checks::measure(&postgres, &redis).await;
    }
    if only != Some(Table::Checks) {
        discovery::measure(&postgres, &redis, large).await;
    }
}
