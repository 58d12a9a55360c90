//! A Redis cluster, whose slots move from one server to another.

use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::{Past, in_the_end, on_redis, tells, works_soon};
use crate::faults::{login, until};
use crate::harness::fixtures::{creation, factor};
use crate::harness::redis_cluster::RedisCluster;
use crate::harness::refusal::refused;

/// The master that is lost.
const LOST: usize = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_replica_takes_over() {
    let mut redis = RedisCluster::start().await;
    let site = on_redis(redis.url()).await;
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    let tokens = Past::tokens_on(&clients, &redis.masters[LOST], &redis.replicas[LOST]).await;
    redis.make_stale(LOST).await;
    let past = Past::happens(&clients, tokens).await;
    redis.masters[LOST].kill().await;
    redis.promoted(LOST).await;
    past.stays(&clients, &redis.masters[LOST]).await;
    works_soon(&clients).await;
    // Whoever comes now finds the same, and needs not all of those that the URL names.
    works_soon(&site.program(&[]).await.clients().await).await;
    redis.start_again(LOST).await;
    works_soon(&clients).await;
    works_soon(&site.program(&[]).await.clients().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_hangs() {
    let mut redis = RedisCluster::start().await;
    let site = on_redis(redis.url()).await;
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    works_soon(&clients).await;
    redis.masters[LOST].hang().await;
    redis.promoted(LOST).await;
    works_soon(&clients).await;
    redis.replicas[LOST].go_on().await;
    redis.complete().await;
    works_soon(&clients).await;
    for node in redis.masters.iter().chain(&redis.replicas) {
        until("a connection to each node at most", async || node.clients().await.len() <= 1).await;
    }
}

/// As for an upgrade of Redis: the replica becomes the master, and the old master its replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_and_its_replica_change_places() {
    let mut redis = RedisCluster::start().await;
    let site = on_redis(redis.url()).await;
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    let tokens = Past::tokens_on(&clients, &redis.masters[LOST], &redis.replicas[LOST]).await;
    let () = redis.replicas[LOST].ask(&["CLUSTER", "FAILOVER"]).await.unwrap();
    redis.promoted(LOST).await;
    redis.complete().await;
    for token in tokens {
        login(in_the_end(async || clients.spend(creation(&token)).await).await);
    }
    works_soon(&clients).await;
}

/// Nobody has some of the slots: a cluster then serves none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_and_its_replica_are_killed() {
    let mut redis = RedisCluster::start().await;
    let site = on_redis(redis.url()).await;
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    let tokens = [clients.token("ada@acme.example").await, clients.token("bob@acme.example").await];
    let service = "vestibule.v1.DiscoveryService";
    redis.masters[LOST].kill().await;
    redis.replicas[LOST].kill().await;
    tells(&clients, service, ServingStatus::NotServing).await;
    for token in &tokens {
        let refusal = refused(clients.spend(creation(token)).await, Code::Unavailable, "SERVER_UNAVAILABLE");
        assert!(refusal.retry_after.is_some(), "{refusal:?}");
    }
    redis.masters[LOST].start_again().await;
    redis.replicas[LOST].start_again().await;
    redis.complete().await;
    works_soon(&clients).await;
    tells(&clients, service, ServingStatus::Serving).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_servers_are_restarted_empty() {
    let mut redis = RedisCluster::start().await;
    let site = on_redis(redis.url()).await;
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    works_soon(&clients).await;
    for node in redis.masters.iter_mut().chain(&mut redis.replicas) {
        node.kill().await;
    }
    for node in redis.masters.iter_mut().chain(&mut redis.replicas) {
        node.start_again().await;
    }
    redis.complete().await;
    works_soon(&clients).await;
}

/// As when servers are added: while a slot moves, some of its keys are here and others there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_moves_to_another_master() {
    let redis = RedisCluster::start().await;
    let site = on_redis(redis.url()).await;
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    let token = clients.token("ada@acme.example").await;
    let mut keys = Vec::new();
    for (number, master) in redis.masters.iter().enumerate() {
        keys.extend(master.entries().await.into_iter().map(|key| (number, key)));
    }
    let (number, key) = keys.pop().unwrap();
    let (from, to) = (&redis.masters[number], &redis.masters[(number + 1) % redis.masters.len()]);
    let slot: u16 = from.ask(&["CLUSTER", "KEYSLOT", &key]).await.unwrap();
    let slot = slot.to_string();
    let from_id: String = from.ask(&["CLUSTER", "MYID"]).await.unwrap();
    let to_id: String = to.ask(&["CLUSTER", "MYID"]).await.unwrap();
    let () = to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await.unwrap();
    let () = from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await.unwrap();
    clients.inspect(&token).await.unwrap();
    let port = to.port().to_string();
    let () = from.ask(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]).await.unwrap();
    clients.inspect(&token).await.unwrap();
    clients.add_factor(&token, factor("totp", "authenticator_app")).await.unwrap();
    for node in [to, from] {
        let () = node.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await.unwrap();
    }
    login(in_the_end(async || clients.spend(creation(&token)).await).await);
    assert!(to.entries().await.is_empty());
    works_soon(&clients).await;
}
