//! What it costs to tell a collector everything.
//!
//! `cargo bench --bench telemetry` starts a private Postgres and a private Redis with default durability, a
//! receiver of OTLP, and the program itself several times on one database: alone, and sending its metrics, its
//! log lines and a trace of every call, or of one in ten, to the receiver. With 32 calls in flight these take
//! turns in short slices, so that whatever disturbs the machine disturbs all alike; what is compared is
//! the slices of one round, and the median of that is told.
//!
//! A second table has what the processes take up: how long they took to start, and their memory before and
//! after the calls.
//!
//! The receiver shares the machine, as the client does, and only counts: what a collector does with what it gets
//! is not the program's cost. Beside the throughput stands what arrived of the spans that were made: what comes
//! faster than it is sent is dropped.

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

#[path = "telemetry/receiver.rs"]
mod receiver;
#[path = "telemetry/server.rs"]
mod server;

use std::time::Duration;

use load::Call;
use receiver::Receiver;
use server::{Server, Stores};

/// How often each server has its turn, and with how many calls.
const ROUNDS: usize = 15;

/// What is called, and how many times in a slice.
const CALLS: [(Call, usize); 3] = [
    (Call::AuthenticateSession, 8_000),
    (Call::CreateOrganization, 3_000),
    (Call::DiscoveryCreateOrganization, 2_000),
];

/// How long servers do nothing before their memory is looked at.
const AT_EASE: Duration = Duration::from_secs(5);

/// How many calls, one after another, tell how many spans a call makes when none is dropped.
const AT_REST: usize = 100;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let stores = Stores::start().await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let alone = Server::start(&stores, &[]).await;
    let all = Server::start(&stores, &["--otlp-endpoint", &receiver.endpoint()]).await;
    let tenth = ["--otlp-endpoint", &other.endpoint(), "--trace-sample-ratio", "0.1"];
    let some = Server::start(&stores, &tenth).await;
    let servers = [("alone", &alone), ("traced", &all), ("a tenth traced", &some)];
    tokio::time::sleep(AT_EASE).await;
    let idle = servers.map(|(_, server)| server.memory());
    println!(
        "| call | alone/s | traced/s | traced/alone | spans arrived | a tenth/s | a tenth/alone | p50 ms alone | traced |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (call, calls) in CALLS {
        for server in [&alone, &all, &some] {
            server.load(call, 32, calls).await;
        }
        receiver.settled().await;
        let before = receiver.spans();
        all.load(call, 1, AT_REST).await;
        receiver.settled().await;
        let at_rest = receiver.spans() - before;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let quiet = alone.load(call, 32, calls).await;
            let told = all.load(call, 32, calls).await;
            let part = some.load(call, 32, calls).await;
            rounds.push((quiet, told, part));
        }
        receiver.settled().await;
        let spans = u32::try_from(receiver.spans() - before - at_rest).unwrap();
        let times = u32::try_from(calls * ROUNDS / AT_REST).unwrap();
        let made = f64::from(u32::try_from(at_rest).unwrap()) * f64::from(times);
        let median = |value: &dyn Fn(&(load::Measured, load::Measured, load::Measured)) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        println!(
            "| {call:?} | {:.0} | {:.0} | {:.2} | {:.2} | {:.0} | {:.2} | {:.2} | {:.2} |",
            median(&|(quiet, _, _)| quiet.per_second),
            median(&|(_, told, _)| told.per_second),
            median(&|(quiet, told, _)| told.per_second / quiet.per_second),
            f64::from(spans) / made,
            median(&|(_, _, part)| part.per_second),
            median(&|(quiet, _, part)| part.per_second / quiet.per_second),
            median(&|(quiet, _, _)| quiet.p50_ms),
            median(&|(_, told, _)| told.p50_ms),
        );
    }
    let binary = std::fs::metadata(env!("CARGO_BIN_EXE_vestibule")).unwrap().len();
    println!("\nThe program has {} MiB.\n", binary / 1024 / 1024);
    println!("| server | start ms | idle MiB | after the calls MiB |");
    println!("|---|---|---|---|");
    for ((name, server), idle) in servers.into_iter().zip(idle) {
        println!("| {name} | {} | {idle} | {} |", server.start.as_millis(), server.memory());
    }
}
