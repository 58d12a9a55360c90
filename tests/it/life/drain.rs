//! Replicas are drained while people log in.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use super::site;
use crate::faults::until;
use crate::harness::program::Program;
use crate::storm::Storm;
use crate::storm::balanced::now;
use crate::storm::judge::Allowing;
use crate::storm::report::Report;
use crate::storm::site::Site;

/// Two replicas are replaced by turns, and clients go on calling each until it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_replica_fails_no_call() {
    let (site, _redis) = site().await;
    let site = site.with_default_lease();
    let drain = async |program: &mut Program| {
        program.signal("TERM").await;
        assert_eq!(program.ended().await.code(), Some(0));
    };
    let report = replaced_by_turns(&site, drain, "a replica is drained").await;
    assert!(report.says_that_it_ends(), "{:?}", report.endings);
}

/// Ends the older of two replicas and starts another, as often as the length of the storm asks for. Clients call who
/// is ended until another one is there, and the mesh's retries hide it.
async fn replaced_by_turns(site: &Site, end: impl AsyncFn(&mut Program), fault: &str) -> Report {
    let (mut old, mut other) = (site.program(&[]).await, site.program(&[]).await);
    let mut storm = Storm::over(&[old.grpc, other.grpc]).await;
    let faults = storm.faults();
    for turn in 1..=faults {
        storm.raced(turn, faults + 2).await;
        storm.fault();
        end(&mut old).await;
        storm.goes_on().await;
        let new = site.program(&[]).await;
        storm.clients().join(new.grpc);
        storm.clients().leave(old.grpc);
        old = std::mem::replace(&mut other, new);
    }
    let report = storm.end().await.judge(site.database_url(), Allowing::default()).await;
    report.tell(fault);
    assert_eq!(report.failed_calls, 0, "{report}");
    assert!(report.failed_attempts > 0, "the replicas were called until they were gone: {report}");
    assert!(old.runs() && other.runs());
    site.is_quiet(2).await;
    site.redis_is_quiet(2).await;
    report
}

/// Clients that look after the health of replicas, with time to do it, are not even refused a connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lame_duck_fails_no_attempt() {
    let (site, _redis) = site().await;
    let site = site.with_default_lease();
    let (mut one, mut other) = (site.program(&["--lame-duck", "5s"]).await, site.program(&[]).await);
    let mut storm = Storm::over(&[one.grpc, other.grpc]).await;
    storm.raced(1, 3).await;
    let health = one.clients().await.health;
    storm.fault();
    one.signal("TERM").await;
    until("NOT_SERVING", async || {
        let request = HealthCheckRequest { service: String::new() };
        let answer = health.clone().check(request).await.unwrap();
        answer.into_inner().status() == ServingStatus::NotServing
    })
    .await;
    storm.clients().leave(one.grpc);
    drop(health);
    assert_eq!(one.ended().await.code(), Some(0));
    storm.goes_on().await;
    let report = storm.end().await.judge(site.database_url(), Allowing::default()).await;
    report.tell("a lame duck is left");
    assert_eq!((report.failed_calls, report.failed_attempts), (0, 0), "{report}");
    assert!(other.runs());
    site.is_quiet(1).await;
    site.redis_is_quiet(1).await;
}

/// Holds every spend, so that there are calls in flight for as long as this lives.
async fn hold(site: &Site) -> PgConnection {
    let mut connection = PgConnection::connect(site.database_url()).await.unwrap();
    let lock = "BEGIN; LOCK TABLE intermediate_session_receipts IN EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut connection).await.unwrap();
    until("calls to be held", async || {
        let held = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vestibule' \
                    AND datname = current_database() AND wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i64>(held).fetch_one(&mut connection).await.unwrap() >= 4
    })
    .await;
    connection
}

/// Ends a replica with calls in flight: it exits with 1, soon, and the mesh's retries hide it.
async fn ends_hard(end: impl AsyncFnOnce(&mut Program), arguments: &[&str], fault: &str) {
    let (site, _redis) = site().await;
    // Calls that are held give up by themselves, but not so soon.
    let site = site.with_default_lease();
    let (mut one, mut other) = (site.program(arguments).await, site.program(&[]).await);
    // What is held is held here.
    let mut storm = Storm::over(&[one.grpc]).await;
    storm.raced(1, 3).await;
    let held = hold(&site).await;
    storm.clients().join(other.grpc);
    storm.fault();
    let began = now();
    end(&mut one).await;
    assert_eq!(one.ended().await.code(), Some(1), "calls were in flight");
    let took = now() - began;
    assert!(took < Duration::from_secs(10), "{took:?}");
    held.close().await.unwrap();
    storm.clients().leave(one.grpc);
    storm.goes_on().await;
    let report = storm.end().await.judge(site.database_url(), Allowing::default()).await;
    report.tell(fault);
    assert_eq!(report.failed_calls, 0, "{report}");
    assert!(report.refused("SERVER_UNAVAILABLE") > 0, "calls were cut: {report}");
    assert!(report.says_that_it_ends(), "{:?}", report.endings);
    assert!(other.runs());
    site.is_quiet(1).await;
    site.redis_is_quiet(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_fails_no_call() {
    let twice = async |program: &mut Program| {
        program.signal("TERM").await;
        program.line(|line| line["message"] == "shutting down" && line["hard"] == false).await;
        program.signal("TERM").await;
    };
    ends_hard(twice, &["--drain-timeout", "1h"], "a replica is ended by a second signal").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_that_takes_too_long_fails_no_call() {
    let once = async |program: &mut Program| program.signal("TERM").await;
    ends_hard(once, &["--drain-timeout", "300ms"], "a drain takes too long").await;
}

/// What nothing can soften.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_replica_fails_no_call() {
    let (site, _redis) = site().await;
    replaced_by_turns(&site, async |program: &mut Program| program.kill().await, "a replica is killed").await;
}
