//! What becomes of calls when more come than can be served.
//!
//! `cargo bench --bench overload` starts a private Postgres and a private Redis with default durability and
//! the service in this process, and finds out how many organizations a second it creates when 32 calls are
//! always in flight. Then calls come at fixed rates, whether or not earlier ones have been answered, each
//! with a deadline of a second: at half of that, at that, at twice and at four times that. It does so for a
//! server as it is by default, and for one that sends nobody away.
//!
//! Client and server share the machine, so calls that are sent away cost the calls that are not.

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

#[path = "rpc/load.rs"]
#[expect(dead_code, reason = "another benchmark wants to know more of a load")]
mod load;
#[path = "rpc/server.rs"]
#[expect(dead_code, reason = "the control of another benchmark needs it")]
mod server;

#[path = "overload/arrivals.rs"]
mod arrivals;

use load::Call;
use server::Server;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many times what can be served comes.
const TIMES: [f64; 4] = [0.5, 1.0, 2.0, 4.0];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    println!(
        "| sends away beyond | served/s | comes | offered/s | in time/s | of served | sent away/s | late/s | p50 ms | p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for max_calls_in_flight in ["256", "65535"] {
        let server = Server::with(&["--max-calls-in-flight", max_calls_in_flight]).await;
        server.load(Call::CreateOrganization, 32, 5_000).await;
        let capacity = server.load(Call::CreateOrganization, 32, 20_000).await.per_second;
        for times in TIMES {
            let seen = arrivals::come(&server.channels, capacity * times).await;
            println!(
                "| {max_calls_in_flight} | {capacity:.0} | {times} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {:.1} | {:.1} |",
                seen.offered,
                seen.in_time,
                seen.in_time / capacity,
                seen.sent_away,
                seen.late,
                seen.p50_ms,
                seen.p99_ms,
            );
        }
    }
}
