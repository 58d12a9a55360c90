//! One Redis, which takes no writes for a while though it answers.

use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::{on_redis, tells, works_soon};
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
