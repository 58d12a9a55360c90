//! A Redis master and its replica, and three Sentinels that watch them.

use std::fmt::Write as _;
use std::mem::swap;

use super::redis::RedisServer;
use super::redis_replica::USER;
use super::supervised::free_port;
use crate::faults::until;

/// What the Sentinels call the two servers.
const NAME: &str = "main";

/// Two servers and three Sentinels, two of which must agree that the master is gone: after a second of silence.
#[derive(Debug)]
pub(crate) struct RedisSentinel {
    /// The master.
    pub(crate) master: RedisServer,
    /// Its replica, or what was the master and is gone.
    pub(crate) replica: RedisServer,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinel {
    /// Starts them, and waits until each Sentinel would promote the replica.
    pub(crate) async fn start() -> Self {
        let master = RedisServer::start_with(&USER).await;
        let replica = RedisServer::start_with(&USER).await;
        replica.copies(&master).await;
        let mut sentinels = Vec::new();
        let ports = [free_port(), free_port(), free_port()];
        for own in ports {
            let configuration = configuration(own, ports, [master.port(), replica.port()]);
            sentinels.push(RedisServer::start_sentinel(own, &configuration).await);
        }
        let this = Self { master, replica, sentinels };
        until("the Sentinels to know the replica", async || this.is_watched().await).await;
        this
    }

    /// Where the service finds the master.
    pub(crate) fn url(&self) -> String {
        let sentinels: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        format!("redis-sentinel://{}/?master={NAME}", sentinels.join(","))
    }

    /// From now on the replica misses what is written.
    pub(crate) async fn make_stale(&self) {
        self.master.keep_from_replicas().await;
    }

    /// Asks the Sentinels to make the replica the master. The old one lives on, as its replica.
    pub(crate) async fn fail_over(&self) {
        let last = self.sentinels.last().unwrap();
        let () = last.ask(&["SENTINEL", "FAILOVER", NAME]).await.unwrap();
    }

    /// Waits until the replica is the master, and all Sentinels that live say so.
    pub(crate) async fn promoted(&mut self) {
        let promoted = self.replica.port().to_string();
        until("the replica to be promoted", async || {
            if !self.replica.is_master().await {
                return false;
            }
            for sentinel in self.sentinels.iter().filter(|sentinel| sentinel.runs()) {
                let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
                let (_, port): (String, String) = sentinel.ask(&words).await.unwrap();
                if port != promoted {
                    return false;
                }
            }
            true
        })
        .await;
        swap(&mut self.master, &mut self.replica);
    }

    /// Starts the killed master again, empty, as whoever does that must: as a replica. Waits until Sentinels could
    /// promote it.
    pub(crate) async fn start_again(&mut self) {
        self.replica.start_again().await;
        self.replica.copies(&self.master).await;
        until("the Sentinels to know the replica", async || self.is_watched().await).await;
    }

    /// Waits until the old master is a replica.
    pub(crate) async fn rejoined(&self) {
        until("the old master to be a replica", async || self.replica.is_replica().await).await;
    }

    /// Ends one of the Sentinels: two are enough.
    pub(crate) async fn kill_sentinel(&mut self) {
        self.sentinels[0].kill().await;
    }

    /// Ends all Sentinels that are left.
    pub(crate) async fn kill_sentinels(&mut self) {
        for sentinel in self.sentinels.iter_mut().filter(|sentinel| sentinel.runs()) {
            sentinel.kill().await;
        }
    }

    async fn is_watched(&self) -> bool {
        for sentinel in self.sentinels.iter().filter(|sentinel| sentinel.runs()) {
            let replicas: Vec<Vec<String>> = sentinel.ask(&["SENTINEL", "REPLICAS", NAME]).await.unwrap();
            let well = |replica: &Vec<String>| {
                replica.chunks(2).any(|pair| pair[0] == "master-link-status" && pair[1] == "ok")
            };
            if !replicas.iter().any(well) {
                return false;
            }
        }
        true
    }
}

/// As a Sentinel writes it once it has found the others: it takes some seconds to find them.
fn configuration(own: u16, all: [u16; 3], [master, replica]: [u16; 2]) -> String {
    let mut text = format!(
        "port {own}\n\
         bind 127.0.0.1\n\
         dir .\n\
         sentinel myid {own:040}\n\
         sentinel monitor {NAME} 127.0.0.1 {master} 2\n\
         sentinel down-after-milliseconds {NAME} 1000\n\
         sentinel failover-timeout {NAME} 3000\n\
         sentinel known-replica {NAME} 127.0.0.1 {replica}\n"
    );
    for other in all.into_iter().filter(|other| *other != own) {
        writeln!(text, "sentinel known-sentinel {NAME} 127.0.0.1 {other} {other:040}").unwrap();
    }
    text
}
