//! `grpc.health.v1`: what serves, and what does not while something it needs is away.

use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::harness::clients::{Authorization, Clients};
use crate::harness::fixtures::{creation, organization};
use crate::harness::{Harness, Setup, on_both_backends};

on_both_backends!(everything_serves, a_stranger_is_not_found);

/// The overall status, and those of the services that need no Redis.
const WITHOUT_REDIS: [&str; 4] =
    ["", "vestibule.v1.MemberService", "vestibule.v1.OrganizationService", "vestibule.v1.SessionService"];

/// The services that need Redis.
const WITH_REDIS: [&str; 2] = ["vestibule.v1.DiscoveryService", "vestibule.v1.IntermediateSessionService"];

fn named(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn status(clients: &Clients, service: &str) -> ServingStatus {
    clients.health.clone().check(named(service)).await.unwrap().into_inner().status()
}

/// Watches of everything.
struct Watches(Vec<(&'static str, Streaming<HealthCheckResponse>)>);

impl Watches {
    async fn start(clients: &Clients) -> Self {
        let mut watches = Vec::new();
        for service in WITHOUT_REDIS.into_iter().chain(WITH_REDIS) {
            let stream = clients.health.clone().watch(named(service)).await.unwrap().into_inner();
            watches.push((service, stream));
        }
        Self(watches)
    }

    /// Waits until these watches have told a status.
    async fn tell(&mut self, services: &[&str], awaited: ServingStatus) {
        for (service, stream) in self.0.iter_mut().filter(|(service, _)| services.contains(service)) {
            let told = async {
                while let Some(answer) = stream.message().await.unwrap() {
                    if answer.status() == awaited {
                        return;
                    }
                }
                panic!("the watch of {service:?} ended");
            };
            let in_time = timeout(Duration::from_secs(30), told).await.is_ok();
            assert!(in_time, "{service:?} never told {awaited:?}");
        }
    }
}

async fn everything_serves(t: Harness) {
    let clients = t.clients();
    for service in WITHOUT_REDIS.into_iter().chain(WITH_REDIS) {
        assert_eq!(status(&clients, service).await, ServingStatus::Serving, "{service}");
    }
    let all = [&WITHOUT_REDIS[..], &WITH_REDIS].concat();
    Watches::start(&clients).await.tell(&all, ServingStatus::Serving).await;
}

async fn a_stranger_is_not_found(t: Harness) {
    let mut client = t.clients().health;
    for service in ["vestibule.v1.Nobody", "vestibule.v1.discoveryservice", "DiscoveryService", " "] {
        let status = client.check(named(service)).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{service}");
        let status = client.watch(named(service)).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{service}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_serves_while_what_it_needs_is_there() {
    let t = Setup::stage().await.start().await;
    let clients = t.clients();
    let stage = t.stage.as_ref().unwrap();
    let all = [&WITHOUT_REDIS[..], &WITH_REDIS].concat();
    let mut watches = Watches::start(&clients).await;
    watches.tell(&all, ServingStatus::Serving).await;

    stage.redis_proxy.refuse();
    watches.tell(&WITH_REDIS, ServingStatus::NotServing).await;
    for service in WITHOUT_REDIS {
        assert_eq!(status(&clients, service).await, ServingStatus::Serving, "{service}");
    }
    // It is true: what needs no Redis works.
    assert!(clients.create(organization("Acme")).await.is_ok());
    stage.redis_proxy.pass();
    watches.tell(&WITH_REDIS, ServingStatus::Serving).await;
    let token = clients.token("ada@acme.com").await;

    stage.postgres_proxy.refuse();
    watches.tell(&all, ServingStatus::NotServing).await;
    stage.postgres_proxy.pass();
    watches.tell(&all, ServingStatus::Serving).await;
    assert!(clients.spend(creation(&token)).await.is_ok());

    // Silence is no service either.
    stage.redis_proxy.stall();
    watches.tell(&WITH_REDIS, ServingStatus::NotServing).await;
    stage.redis_proxy.pass();
    watches.tell(&WITH_REDIS, ServingStatus::Serving).await;
    stage.postgres_proxy.stall();
    watches.tell(&all, ServingStatus::NotServing).await;
    stage.postgres_proxy.pass();
    watches.tell(&all, ServingStatus::Serving).await;
}

/// Load balancers hear of the shutdown first; callers who have not noticed are still served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_serves_once_the_shutdown_begins_and_calls_still_work() {
    let setup = Setup::postgres().await;
    let t = setup.with(|config| config.lame_duck = Duration::from_mins(5)).start().await;
    let clients = t.clients();
    let all = [&WITHOUT_REDIS[..], &WITH_REDIS].concat();
    let mut watches = Watches::start(&clients).await;
    watches.tell(&all, ServingStatus::Serving).await;
    t.begin_shutdown();
    watches.tell(&all, ServingStatus::NotServing).await;
    for service in all {
        assert_eq!(status(&clients, service).await, ServingStatus::NotServing, "{service}");
    }
    let token = clients.token("ada@acme.com").await;
    assert!(clients.spend(creation(&token)).await.unwrap().into_inner().member_authenticated);
    // New connections too.
    assert!(
        Clients::new(crate::harness::connect(t.grpc).await, Authorization::default())
            .create(organization("Acme"))
            .await
            .is_ok()
    );
}

/// Who watches holds a call open that never ends by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_does_not_hold_up_the_shutdown() {
    let mut t =
        Setup::postgres().await.with(|config| config.drain_timeout = Duration::from_mins(5)).start().await;
    let mut watches = Watches::start(&t.clients()).await;
    let all = [&WITHOUT_REDIS[..], &WITH_REDIS].concat();
    watches.tell(&all, ServingStatus::Serving).await;
    timeout(Duration::from_secs(30), t.stop()).await.expect("it does not wait for those who watch");
    watches.tell(&all, ServingStatus::NotServing).await;
}
