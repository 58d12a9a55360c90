//! How much of what the database can do reaches the caller.
//!
//! `cargo bench --bench rpc` starts a private Postgres and a private Redis with default durability
//! and the service in this process, and measures, at 1, 8 and 32 calls in flight:
//!
//! - *echo*: a bare unary call without any of our layers: the ceiling of the transport;
//! - *control*: pgbench sending the very statement that the call sends, taken from the server's log;
//! - the call itself.
//!
//! Machines drift from minute to minute: only ratios within one run mean anything.

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

#[path = "rpc/control.rs"]
mod control;
#[path = "rpc/load.rs"]
#[expect(dead_code, reason = "another benchmark calls more")]
mod load;
#[path = "rpc/server.rs"]
mod server;

use load::Call;
use server::Server;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Calls in flight, and how many calls each level is measured with.
const LEVELS: [(usize, usize); 3] = [(1, 3_000), (8, 15_000), (32, 30_000)];

/// How much of its control each call should reach with 32 in flight.
const AIMS: [(Call, f64); 2] = [(Call::CreateOrganization, 0.7), (Call::DiscoveryCreateOrganization, 0.5)];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let server = Server::with(&[]).await;
    let statements = [
        server.statement_of(Call::CreateOrganization).await,
        server.statement_of(Call::DiscoveryCreateOrganization).await,
    ];
    println!(
        "| in flight | echo/s | call | control/s | call/s | call/control | call/echo | p50 ms | p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (run, (in_flight, calls)) in LEVELS.into_iter().enumerate() {
        let echo = server.load(Call::Echo, in_flight, calls).await;
        for ((call, _), statement) in AIMS.iter().zip(&statements) {
            let control = control::run(&server, statement, in_flight, run).await;
            let measured = server.load(*call, in_flight, calls).await;
            println!(
                "| {in_flight} | {:.0} | {call:?} | {control:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} |",
                echo.per_second,
                measured.per_second,
                measured.per_second / control,
                measured.per_second / echo.per_second,
                measured.p50_ms,
                measured.p99_ms,
            );
        }
    }
    for (call, aim) in AIMS {
        println!("aim for {call:?} with 32 in flight: call/control of {aim}");
    }
}
