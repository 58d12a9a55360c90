//! Recording a create costs one round trip, whatever it records.

use std::time::Duration;

use crate::harness::Setup;
use crate::harness::fixtures::{creation, organization, with_key};

/// The statement, and what the pool asks of a connection that comes back, after the answer has left.
const STATEMENT_AND_RETURN: u64 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creates_are_recorded_in_one_round_trip() {
    let t = Setup::stage().await.with(|config| config.database_max_connections = 1).start().await;
    let clients = t.clients();
    let proxy = &t.stage.as_ref().unwrap().postgres_proxy;
    let mut fewest = [u64::MAX; 2];
    // The first of each prepares its statement; others may meet a health check or a sweep.
    for number in 0..8 {
        let before = quiet(proxy).await;
        clients
            .create(with_key(organization(&format!("Acme {number}")), &format!("back-office-{number}")))
            .await
            .unwrap();
        let between = quiet(proxy).await;
        let token = clients.token(&format!("ada@company-{number}.com")).await;
        clients.spend(with_key(creation(&token), &format!("signup-{number}"))).await.unwrap();
        let after = quiet(proxy).await;
        fewest = [fewest[0].min(between - before), fewest[1].min(after - between)];
    }
    assert!(fewest.iter().all(|trips| *trips <= STATEMENT_AND_RETURN), "{fewest:?}");
}

/// The round trips so far, once nothing is under way.
async fn quiet(proxy: &crate::harness::chaos::ChaosProxy) -> u64 {
    let mut trips = proxy.round_trips();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = proxy.round_trips();
        if now == trips {
            break;
        }
        trips = now;
    }
    trips
}
