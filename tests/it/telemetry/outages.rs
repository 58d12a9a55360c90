//! A collector that is away, silent, slow or refuses: no call notices.

use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Code;
use vestibule::clock::{Clock as _, SystemClock};

use super::telling;
use crate::faults::until;
use crate::harness::Harness;
use crate::harness::clients::Clients;
use crate::harness::collector::{Collector, Manner};
use crate::harness::program::Program;

/// Several times what the queues of these tests hold: each call makes a span for itself and one for its statement,
/// and a log record.
const CALLS: usize = 1_000;
const AT_ONCE: usize = 8;

/// Exports are made often, but not all the time, and queues are short.
const DELAYS: [(&str, &str); 6] = [
    ("OTEL_BSP_SCHEDULE_DELAY", "500"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "256"),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "128"),
    ("OTEL_BLRP_SCHEDULE_DELAY", "500"),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", "256"),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "128"),
];

/// Makes the calls, of which none may fail, and tells how long the one in the middle took.
async fn median(clients: &Clients) -> Duration {
    let mut callers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let clients = clients.clone();
        callers.spawn(async move {
            let (clock, mut durations) = (SystemClock::new(), Vec::new());
            for _ in 0..CALLS / AT_ONCE {
                let started = clock.monotonic();
                let answer = clients.get("nobody").await;
                assert_eq!(answer.unwrap_err().code(), Code::NotFound);
                durations.push(clock.monotonic().saturating_sub(started));
            }
            durations
        });
    }
    let mut durations = callers.join_all().await.concat();
    durations.sort();
    durations[durations.len() / 2]
}

/// How often the log says that something can't be sent.
fn complaints(program: &Program) -> usize {
    program.log().iter().filter(|line| line["target"].as_str().unwrap().starts_with("opentelemetry")).count()
}

/// Asserts that calls go on as before, in bounded memory, while the collector is like this, and that it hears again
/// of calls when it is well.
async fn nobody_notices(trouble: impl FnOnce(&Collector)) {
    const MIB: u64 = 1024 * 1024;
    let t = Harness::postgres().await;
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let arguments = ["--otlp-endpoint", &endpoint, "--otlp-metrics-interval", "1s"];
    let mut program = super::beside(&t, &arguments, &DELAYS).await;
    let clients = program.clients().await;
    let well = median(&clients).await;
    until("spans", async || !collector.spans().is_empty()).await;
    trouble(&collector);
    let before = program.memory();
    let ill = median(&clients).await;
    // A call that waited for an export would wait for seconds; a busy machine may be slower than it was.
    assert!(ill < well * 5 + Duration::from_millis(250), "{well:?}, and now {ill:?}");
    let grown = program.memory().saturating_sub(before);
    assert!(grown < 48 * MIB, "{} MiB more", grown / MIB);
    until("a word in the log", async || complaints(&program) > 0).await;
    let said = complaints(&program);
    // Each batch that is lost may have one.
    assert!(said < CALLS / 2, "{said} lines say that something can't be sent");

    collector.proxy.pass();
    collector.be(Manner::Take);
    let heard = collector.spans().len();
    until("spans again", async || {
        clients.get("nobody").await.unwrap_err();
        collector.spans().len() > heard
    })
    .await;
    drop(clients);
    program.signal("TERM").await;
    assert!(program.ended().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn away() {
    nobody_notices(|collector| collector.proxy.refuse()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent() {
    nobody_notices(|collector| collector.proxy.stall()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow() {
    nobody_notices(|collector| collector.be(Manner::Hold)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_available() {
    nobody_notices(|collector| collector.be(Manner::Refuse(Code::Unavailable))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full() {
    nobody_notices(|collector| collector.be(Manner::Refuse(Code::ResourceExhausted))).await;
}

/// What is left is offered for five seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_waits_five_seconds_at_most() {
    for trouble in [
        |collector: &Collector| collector.proxy.refuse(),
        |collector: &Collector| collector.proxy.stall(),
        |collector: &Collector| collector.be(Manner::Hold),
    ] {
        let t = Harness::postgres().await;
        let collector = Collector::start().await;
        trouble(&collector);
        let mut program = telling(&t, &collector, &[]).await;
        let clients = program.clients().await;
        clients.get("nobody").await.unwrap_err();
        drop(clients);
        program.signal("TERM").await;
        let (clock, ending) = (SystemClock::new(), program.ended());
        let started = clock.monotonic();
        assert!(ending.await.success());
        let took = clock.monotonic().saturating_sub(started);
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
}

/// What was told last arrives too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_sends_what_is_left() {
    let t = Harness::postgres().await;
    let collector = Collector::start().await;
    // Nothing is sent before the end.
    let endpoint = collector.endpoint();
    let late = [("OTEL_BSP_SCHEDULE_DELAY", "3600000"), ("OTEL_BLRP_SCHEDULE_DELAY", "3600000")];
    let arguments = ["--otlp-endpoint", &endpoint, "--otlp-metrics-interval", "1h"];
    let mut program = super::beside(&t, &arguments, &late).await;
    let clients = program.clients().await;
    clients.get("nobody").await.unwrap_err();
    assert_eq!(collector.exports(), 0);
    drop(clients);
    program.signal("TERM").await;
    assert!(program.ended().await.success());
    assert!(!collector.spans().is_empty() && !collector.logs().is_empty() && !collector.metrics().is_empty());
}
