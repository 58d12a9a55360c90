//! Redis with Sentinels: a replica becomes the master.

use super::{Past, on_redis, works_soon};
use crate::faults::until;
use crate::harness::redis_sentinel::RedisSentinel;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_replica_is_promoted() {
    let mut redis = RedisSentinel::start().await;
    let site = on_redis(&redis.url()).await;
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    let tokens = Past::tokens_on(&clients, &redis.master, &redis.replica).await;
    redis.make_stale().await;
    let past = Past::happens(&clients, tokens).await;
    redis.master.kill().await;
    redis.promoted().await;
    past.stays(&clients, &redis.master).await;
    works_soon(&clients).await;
    // And back, to a server that was empty when it came back.
    redis.start_again().await;
    let token = clients.token("ada@acme.example").await;
    until("the replica to have it", async || redis.replica.entries().await.len() == 1).await;
    redis.master.kill().await;
    redis.promoted().await;
    works_soon(&clients).await;
    crate::faults::spend_in_the_end(&clients, &token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_hangs() {
    let mut redis = RedisSentinel::start().await;
    let site = on_redis(&redis.url()).await;
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    works_soon(&clients).await;
    redis.master.hang().await;
    redis.promoted().await;
    works_soon(&clients).await;
    // For some seconds it takes itself for the master.
    redis.replica.go_on().await;
    works_soon(&clients).await;
    until("nobody to use it", async || redis.replica.clients().await.is_empty()).await;
    redis.rejoined().await;
    works_soon(&clients).await;
    assert!(redis.replica.clients().await.is_empty());
}

/// As for an upgrade of Redis. Sentinels break the connections to a server that they make a replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_master_lives_on_as_a_replica() {
    let mut redis = RedisSentinel::start().await;
    let site = on_redis(&redis.url()).await;
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    works_soon(&clients).await;
    // Two Sentinels are enough.
    redis.kill_sentinel().await;
    redis.fail_over().await;
    redis.promoted().await;
    works_soon(&clients).await;
    redis.rejoined().await;
    works_soon(&clients).await;
    until("nobody to use it", async || redis.replica.clients().await.is_empty()).await;
    // Whoever comes now finds the same.
    let newcomer = site.program(&[]).await;
    works_soon(&newcomer.clients().await).await;
    assert!(redis.replica.clients().await.is_empty());
    // Whoever has found the master does without Sentinels.
    redis.kill_sentinels().await;
    works_soon(&clients).await;
}
