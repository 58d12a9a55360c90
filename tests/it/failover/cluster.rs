//! A Redis cluster: a replica takes the slots of its master over.

use super::{Past, on_redis, works_soon};
use crate::faults::until;
use crate::harness::redis_cluster::RedisCluster;

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
