//! A replica is drained while people log in.

use crate::harness::database;
use crate::storm::Storm;
use crate::storm::judge::Allowing;
use crate::storm::site::Site;

/// What is never removed from the balance before it has gone is found gone by clients: the mesh's retries hide it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_replica_fails_no_call() {
    let site = Site::new(&database::create().await, &database::redis_url().await);
    let (mut one, mut other) = (site.program(&[]).await, site.program(&[]).await);
    let mut storm = Storm::over(&[one.grpc, other.grpc]).await;
    storm.raced(1, 3).await;
    storm.fault();
    one.signal("TERM").await;
    assert_eq!(one.ended().await.code(), Some(0));
    storm.goes_on().await;
    storm.clients().leave(one.grpc);
    let ledger = storm.end().await;
    let report = ledger.judge(site.database_url(), Allowing::default()).await;
    report.tell("a replica is drained");
    assert_eq!(report.failed_calls, 0, "{report}");
    assert!(report.failed_attempts > 0, "the replica was called until it was gone: {report}");
    assert!(other.runs());
    site.is_quiet(1).await;
}
