//! A Redis cluster of three masters, each with a replica.

use std::mem::swap;

use super::redis::RedisServer;
use super::redis_replica::USER;
use super::supervised::free_port;
use crate::faults::until;

/// How many masters there are.
const MASTERS: usize = 3;

/// How many slots a cluster has (Redis Cluster specification).
const SLOTS: usize = 16_384;

/// Six servers. A master that is silent for a second is replaced.
#[derive(Debug)]
pub(crate) struct RedisCluster {
    /// The masters.
    pub(crate) masters: Vec<RedisServer>,
    /// The replica of each, or what was its master and is gone.
    pub(crate) replicas: Vec<RedisServer>,
    url: String,
}

impl RedisCluster {
    /// Starts it, and waits until every node says that all is well.
    pub(crate) async fn start() -> Self {
        let (mut nodes, mut buses) = (Vec::new(), Vec::new());
        for _ in 0..2 * MASTERS {
            let bus = free_port().to_string();
            let own = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "1000"];
            // A replica that was kept from its master for long may take over all the same.
            let lenient = ["--cluster-replica-validity-factor", "0"];
            nodes.push(RedisServer::start_with(&[&USER[..], &own, &lenient].concat()).await);
            buses.push(bus);
        }
        for (number, node) in nodes.iter().enumerate() {
            let epoch = (number + 1).to_string();
            let () = node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await.unwrap();
        }
        for (number, node) in nodes.iter().enumerate() {
            // Everybody meets everybody: gossip takes seconds.
            for (other, bus) in nodes.iter().zip(&buses).skip(number + 1) {
                let port = other.port().to_string();
                let () = node.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]).await.unwrap();
            }
        }
        let replicas = nodes.split_off(MASTERS);
        let addresses: Vec<_> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        let url = format!("redis-cluster://{}", addresses.join(","));
        let this = Self { masters: nodes, replicas, url };
        for (number, master) in this.masters.iter().enumerate() {
            let first = (number * SLOTS / MASTERS).to_string();
            let last = ((number + 1) * SLOTS / MASTERS - 1).to_string();
            let () = master.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await.unwrap();
            let id: String = master.ask(&["CLUSTER", "MYID"]).await.unwrap();
            until("the replica to know its master", async || {
                this.replicas[number].ask::<()>(&["CLUSTER", "REPLICATE", &id]).await.is_ok()
            })
            .await;
        }
        this.complete().await;
        this
    }

    /// Where the service finds it: the masters of the beginning.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on the replica of a master misses what is written.
    pub(crate) async fn make_stale(&self, number: usize) {
        self.masters[number].keep_from_replicas().await;
    }

    /// Waits until a master's replica has taken over, and all others know.
    pub(crate) async fn promoted(&mut self, number: usize) {
        until("the replica to take over", async || {
            let others = self.masters.iter().enumerate().filter(|(other, _)| *other != number);
            for node in others.map(|(_, node)| node).chain(&self.replicas) {
                if !node.is_well().await {
                    return false;
                }
            }
            self.replicas[number].is_master().await
        })
        .await;
        swap(&mut self.masters[number], &mut self.replicas[number]);
    }

    /// Starts a killed master again. It finds out by itself that it is a replica now.
    pub(crate) async fn start_again(&mut self, number: usize) {
        self.replicas[number].start_again().await;
        self.complete().await;
    }

    /// Waits until all nodes are there and well, and all replicas have everything.
    pub(crate) async fn complete(&self) {
        until("the cluster to be complete", async || {
            for replica in &self.replicas {
                if !replica.is_replica().await {
                    return false;
                }
            }
            for node in self.masters.iter().chain(&self.replicas) {
                if !node.is_well().await {
                    return false;
                }
            }
            true
        })
        .await;
    }
}

impl RedisServer {
    /// Whether all slots are served, as far as this node knows.
    async fn is_well(&self) -> bool {
        let info = self.ask::<String>(&["CLUSTER", "INFO"]).await;
        info.is_ok_and(|info| info.contains("cluster_state:ok"))
    }
}
