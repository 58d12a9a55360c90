//! One Redis, which takes no writes for a while though it answers.

use std::net::{Ipv4Addr, SocketAddr};

use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::{on_redis, tells, works_soon};
use crate::faults::until;
use crate::harness::chaos::ChaosProxy;
use crate::harness::fixtures::creation;
use crate::harness::redis::RedisServer;
use crate::harness::refusal::refused;

/// As when the address of a server moves to one that is a replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_becomes_a_replica_and_a_master_again() {
    let redis = RedisServer::start().await;
    // Whose master can't be reached. It serves what it has.
    refuses_writes_between(&redis, &["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]).await;
}

/// As a service of Kubernetes does it: new connections lead to the new master, and old ones stay where they are, with
/// one that is a replica now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_moves_to_another_server() {
    let (old, new) = (RedisServer::start().await, RedisServer::start().await);
    let address = |server: &RedisServer| SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
    let proxy = ChaosProxy::start(address(&old)).await;
    let program = on_redis(&format!("redis://{}", proxy.address())).await.program(&[]).await;
    let clients = program.clients().await;
    works_soon(&clients).await;
    proxy.lead_to(address(&new));
    let () = old.ask(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]).await.unwrap();
    works_soon(&clients).await;
    until("nobody to use the old master", async || old.clients().await.is_empty()).await;
    assert!(!new.clients().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_full() {
    let redis = RedisServer::start().await;
    let full = |bytes| ["CONFIG", "SET", "maxmemory", bytes];
    refuses_writes_between(&redis, &full("1"), &full("0")).await;
}

/// Gives a server a command from which on it takes no writes, and one that ends it.
async fn refuses_writes_between(redis: &RedisServer, begin: &[&str], end: &[&str]) {
    let program = on_redis(&redis.url()).await.program(&[]).await;
    let clients = program.clients().await;
    let token = clients.token("ada@acme.example").await;
    let service = "vestibule.v1.DiscoveryService";
    tells(&clients, service, ServingStatus::Serving).await;
    let () = redis.ask(begin).await.unwrap();
    tells(&clients, service, ServingStatus::NotServing).await;
    tells(&clients, "", ServingStatus::Serving).await;
    let refusal = refused(clients.spend(creation(&token)).await, Code::Unavailable, "SERVER_UNAVAILABLE");
    assert!(refusal.retry_after.is_some(), "{refusal:?}");
    let () = redis.ask(end).await.unwrap();
    works_soon(&clients).await;
    tells(&clients, service, ServingStatus::Serving).await;
    clients.spend(creation(&token)).await.unwrap();
}
