//! Whether the server is well, as probes ask.

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use super::beside;
use crate::faults::until;
use crate::harness::clients::Clients;
use crate::harness::exposition::{Exposition, page};
use crate::harness::{Harness, Setup, on_both_backends};

on_both_backends!(a_server_that_is_well);

async fn liveness(clients: &Clients) -> ServingStatus {
    let request = HealthCheckRequest { service: "liveness".to_owned() };
    clients.health.clone().check(request).await.unwrap().into_inner().status()
}

async fn a_server_that_is_well(t: Harness) {
    assert_eq!(page(t.http, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(page(t.http, "/readyz").await, (200, "database: up\nkeeper: up\n".to_owned()));
    assert_eq!(page(t.http, "/nothing").await.0, 404);
    assert_eq!(liveness(&t.clients()).await, ServingStatus::Serving);
    let metrics = Exposition::of(t.http).await;
    for dependency in ["database", "keeper"] {
        assert!(metrics.value("vestibule_dependency_up", &[("dependency", dependency)]) > 0.5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_away_makes_it_unready_and_not_dead() {
    let t = Setup::stage().await.start().await;
    let stage = t.stage.as_ref().unwrap();
    let clients = t.clients();
    for (proxy, dependency, status, body) in [
        (&stage.postgres_proxy, "database", 503, "database: down\nkeeper: up\n"),
        (&stage.redis_proxy, "keeper", 200, "database: up\nkeeper: down\n"),
    ] {
        proxy.refuse();
        let expected = (status, body.to_owned());
        until(body, async || page(t.http, "/readyz").await == expected).await;
        assert_eq!(page(t.http, "/healthz").await.0, 200);
        assert_eq!(liveness(&clients).await, ServingStatus::Serving);
        let metrics = Exposition::of(t.http).await;
        assert!(metrics.value("vestibule_dependency_up", &[("dependency", dependency)]) < 0.5);
        proxy.pass();
        until("both to be up", async || page(t.http, "/readyz").await.1 == "database: up\nkeeper: up\n")
            .await;
        assert_eq!(page(t.http, "/readyz").await.0, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_lives_while_it_drains() {
    let t = Harness::postgres().await;
    let mut program = beside(&t, &["--lame-duck", "20s"], &[]).await;
    let clients = program.clients().await;
    program.signal("TERM").await;
    let draining = (503, "database: up\nkeeper: up\ndraining\n".to_owned());
    until("it to drain", async || page(program.http, "/readyz").await == draining).await;
    assert_eq!(page(program.http, "/healthz").await.0, 200);
    assert_eq!(liveness(&clients).await, ServingStatus::Serving);
    drop(clients);
    program.signal("TERM").await;
    program.ended().await;
}
