//! People log in while it happens: what they were told holds, and it is over in seconds.

use std::time::Duration;

use super::on_redis;
use super::postgres::{DATABASE, pair};
use crate::faults::until;
use crate::harness::database;
use crate::harness::postgres::{Durability, PostgresServer};
use crate::harness::postgres_pair::Replication;
use crate::harness::program::Program;
use crate::harness::redis::RedisServer;
use crate::harness::redis_cluster::RedisCluster;
use crate::harness::redis_sentinel::RedisSentinel;
use crate::storm::Storm;
use crate::storm::judge::Allowing;
use crate::storm::site::{Site, quiet};

/// The longest time without a call that works. Redis takes two seconds or three to agree that a master is gone, and
/// Postgres as long to start after a crash; more on a machine that does other things as well.
const LONGEST: Duration = Duration::from_secs(15);

/// How long a replica misses what is written.
const STALE: Duration = Duration::from_millis(500);

/// Redis copies what was answered already: what it had not copied is lost.
const LOSES_TOKENS: Allowing = Allowing { lost_tokens: true, lost_acknowledged: false };

/// Replicas of the service, and people who log in there.
struct Weather {
    replicas: Vec<Program>,
    storm: Storm,
}

impl Weather {
    async fn over(site: &Site) -> Self {
        let replicas = vec![site.program(&[]).await, site.program(&[]).await];
        let addresses: Vec<_> = replicas.iter().map(|replica| replica.grpc).collect();
        Self { storm: Storm::over(&addresses).await, replicas }
    }

    /// Lets something break, as often as the length of the storm asks for.
    async fn breaks(&mut self, mut fault: impl AsyncFnMut()) {
        let faults = self.storm.faults();
        for number in 1..=faults {
            self.storm.raced(number, faults + 2).await;
            self.storm.fault();
            fault().await;
            self.storm.goes_on().await;
        }
    }

    /// Judges it.
    async fn passes(self, name: &str, database_url: &str, allowing: Allowing) {
        let Self { mut replicas, storm } = self;
        let report = storm.end().await.judge(database_url, allowing).await;
        report.tell(name);
        assert!(report.nothing_works < LONGEST, "{report}");
        assert!(report.failing < LONGEST * 2, "{report}");
        assert!(replicas.iter_mut().all(Program::runs));
        quiet(database_url, 32).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_restarted_empty() {
    let mut redis = RedisServer::start().await;
    let site = on_redis(&redis.url()).await;
    let mut weather = Weather::over(&site).await;
    weather
        .breaks(async || {
            redis.kill().await;
            redis.start_again().await;
        })
        .await;
    site.redis_is_quiet(2).await;
    weather.passes("Redis restarted empty", site.database_url(), LOSES_TOKENS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_of_a_cluster_is_killed() {
    let mut redis = RedisCluster::start().await;
    let site = on_redis(redis.url()).await;
    let mut weather = Weather::over(&site).await;
    let mut number = 0;
    weather
        .breaks(async || {
            redis.masters[number].kill().await;
            redis.promoted(number).await;
            redis.start_again(number).await;
            number = (number + 1) % redis.masters.len();
        })
        .await;
    weather.passes("a master of a Redis cluster killed", site.database_url(), LOSES_TOKENS).await;
}

/// The replica lacks the last spends: to it their tokens are as good as new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_promote_a_stale_replica() {
    let mut redis = RedisSentinel::start().await;
    let site = on_redis(&redis.url()).await;
    let mut weather = Weather::over(&site).await;
    weather
        .breaks(async || {
            redis.make_stale().await;
            tokio::time::sleep(STALE).await;
            redis.master.kill().await;
            redis.promoted().await;
            redis.start_again().await;
        })
        .await;
    weather.passes("a stale replica promoted by Sentinels", site.database_url(), LOSES_TOKENS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_of_sentinels_hangs() {
    let mut redis = RedisSentinel::start().await;
    let site = on_redis(&redis.url()).await;
    let mut weather = Weather::over(&site).await;
    weather
        .breaks(async || {
            redis.master.hang().await;
            redis.promoted().await;
            redis.replica.go_on().await;
            redis.rejoined().await;
        })
        .await;
    weather.passes("a hanging master replaced by Sentinels", site.database_url(), LOSES_TOKENS).await;
    until("nobody to use the old master", async || redis.replica.clients().await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_killed_and_restarted() {
    let mut postgres = PostgresServer::start(Durability::Default).await;
    let url = postgres.url(DATABASE);
    database::create_on(&postgres.url("postgres"), DATABASE).await;
    vestibule::app::migrate(&url.clone().into()).await.unwrap();
    let site = Site::new(&url, &database::redis_url().await);
    let mut weather = Weather::over(&site).await;
    weather
        .breaks(async || {
            postgres.kill().await;
            postgres.start_again().await;
        })
        .await;
    weather.passes("Postgres killed and restarted", &url, Allowing::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_standby_is_promoted() {
    let mut pair = pair(Replication::Synchronous).await;
    let site = Site::new(&pair.url(DATABASE), &database::redis_url().await);
    let mut weather = Weather::over(&site).await;
    weather
        .breaks(async || {
            pair.primary.kill().await;
            pair.promote().await;
            pair.follow().await;
        })
        .await;
    let url = pair.primary.url(DATABASE);
    weather.passes("a synchronous standby promoted", &url, Allowing::default()).await;
    assert_eq!(pair.standby.connections().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_standby_is_promoted() {
    let mut pair = pair(Replication::Asynchronous).await;
    let site = Site::new(&pair.url(DATABASE), &database::redis_url().await);
    let mut weather = Weather::over(&site).await;
    weather
        .breaks(async || {
            pair.make_stale().await;
            tokio::time::sleep(STALE).await;
            pair.primary.kill().await;
            pair.promote().await;
            pair.follow().await;
        })
        .await;
    let url = pair.primary.url(DATABASE);
    let allowing = Allowing { lost_acknowledged: true, lost_tokens: true };
    weather.passes("a stale standby promoted", &url, allowing).await;
    assert_eq!(pair.standby.connections().await, 0);
}
