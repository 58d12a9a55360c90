//! One Redis, which takes no writes for a while.

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
    let program = on_redis(&redis.url()).await.program(&[]).await;
    let clients = program.clients().await;
    let token = clients.token("ada@acme.example").await;
    let service = "vestibule.v1.DiscoveryService";
    tells(&clients, service, ServingStatus::Serving).await;
    // It serves what it has while there is no master to be reached.
    let () = redis.ask(&["REPLICAOF", "127.0.0.1", "1"]).await.unwrap();
    tells(&clients, service, ServingStatus::NotServing).await;
    refused(clients.spend(creation(&token)).await, Code::Unavailable, "SERVER_UNAVAILABLE");
    let () = redis.ask(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    works_soon(&clients).await;
    tells(&clients, service, ServingStatus::Serving).await;
    clients.spend(creation(&token)).await.unwrap();
}
