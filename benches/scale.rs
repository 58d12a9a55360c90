//! What the number of tenants costs the calls that read: nothing, is the aim.
//!
//! `cargo bench --bench scale -- --small 10000 --large 100000 --members 10` starts a private Postgres and
//! a private Redis, seeds a database of each size, and serves both from this process. Each call is
//! measured on both in turn, one in flight, so that whatever disturbs the machine disturbs both alike.
//! Machines differ: only the ratio of the two medians means anything.

// The servers are those of the tests, which are compiled as tests.
#![cfg(test)]
#![expect(clippy::print_stdout, reason = "the table is the result")]

#[path = "../tests/it/harness/postgres.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod postgres;
#[path = "../tests/it/harness/redis.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod redis;
#[path = "../tests/it/harness/supervised.rs"]
mod supervised;

#[path = "scale/calls.rs"]
mod calls;
#[path = "scale/measure.rs"]
mod measure;
#[path = "scale/samples.rs"]
mod samples;
#[path = "scale/server.rs"]
mod server;

use clap::Parser as _;

use measure::compare;
use postgres::{Durability, PostgresServer};
use redis::RedisServer;
use server::Server;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How large the databases are.
#[derive(Clone, Copy, Debug, clap::Parser)]
struct Sizes {
    /// The organizations of the small database.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..))]
    small: u64,
    /// The organizations of the large one.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..))]
    large: u64,
    /// The members of each organization.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..))]
    members: u64,
    /// What Cargo tells every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let sizes = Sizes::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(sizes));
}

async fn run(Sizes { small, large, members, .. }: Sizes) {
    let postgres = PostgresServer::start(Durability::Default).await;
    let redis = RedisServer::start().await;
    // The page that both are measured at: the thousandth, or the last that the small one has.
    let page = (small / calls::PAGE).min(1_000);
    let small = Server::start(&postgres, &redis, "small", (small, members), page).await;
    let large = Server::start(&postgres, &redis, "large", (large, members), page).await;
    println!("The page far behind is that of number {page}.\n");
    println!("| call | matches | small ms | p99 | large ms | p99 | large/small | aim | |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for case in calls::CASES {
        println!("{}", compare(case, &small, &large).await);
    }
}
