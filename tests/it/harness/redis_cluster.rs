//! A Redis cluster of three masters, each with a replica.

use super::redis::RedisServer;
use super::redis_replica::USER;
use super::supervised::free_port;
use crate::faults::until;

/// How many masters there are.
pub(crate) const MASTERS: usize = 3;

/// How many slots a cluster has (Redis Cluster specification).
const SLOTS: usize = 16_384;

/// Six servers. A master that is silent for a second is replaced.
#[derive(Debug)]
pub(crate) struct RedisCluster {
    /// The masters at first, then the replica of each.
    pub(crate) nodes: Vec<RedisServer>,
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
        let this = Self { nodes };
        for (number, node) in this.nodes.iter().enumerate() {
            let epoch = (number + 1).to_string();
            let () = node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await.unwrap();
            // Everybody meets everybody: gossip takes seconds.
            for (other, bus) in this.nodes.iter().zip(&buses).skip(number + 1) {
                let port = other.port().to_string();
                let () = node.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]).await.unwrap();
            }
        }
        for (number, master) in this.nodes[..MASTERS].iter().enumerate() {
            let first = (number * SLOTS / MASTERS).to_string();
            let last = ((number + 1) * SLOTS / MASTERS - 1).to_string();
            let () = master.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await.unwrap();
            let id: String = master.ask(&["CLUSTER", "MYID"]).await.unwrap();
            until("the replica to know its master", async || {
                this.nodes[number + MASTERS].ask::<()>(&["CLUSTER", "REPLICATE", &id]).await.is_ok()
            })
            .await;
        }
        until("the cluster to be complete", async || {
            for (number, node) in this.nodes.iter().enumerate() {
                if !node.is_well().await || (number >= MASTERS && !node.is_replica().await) {
                    return false;
                }
            }
            true
        })
        .await;
        this
    }

    /// Where the service finds it: the masters of the beginning.
    pub(crate) fn url(&self) -> String {
        let nodes: Vec<String> =
            self.nodes[..MASTERS].iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://{}", nodes.join(","))
    }

    /// Which of the masters of the beginning has a key.
    pub(crate) async fn master_of(&self, key: &str) -> usize {
        let slot: usize = self.nodes[0].ask(&["CLUSTER", "KEYSLOT", key]).await.unwrap();
        // The last master's share is the one that is rounded up.
        (0..MASTERS).rev().find(|number| number * SLOTS / MASTERS <= slot).unwrap_or_default()
    }

    /// From now on the replica of a master misses what is written.
    pub(crate) async fn make_stale(&self, master: usize) {
        self.nodes[master].keep_from_replicas().await;
    }

    /// Waits until a master's replica has taken over, and every node that lives knows.
    pub(crate) async fn promoted(&self, master: usize) {
        until("the replica to take over", async || {
            for (number, node) in self.nodes.iter().enumerate() {
                if number != master && !node.is_well().await {
                    return false;
                }
            }
            self.nodes[master + MASTERS].is_master().await
        })
        .await;
    }

    /// Starts a killed master again, and waits until it is the replica of the one that has taken over.
    pub(crate) async fn rejoined(&mut self, master: usize) {
        self.nodes[master].start_again().await;
        until("the old master to be a replica", async || self.nodes[master].is_replica().await).await;
    }
}

impl RedisServer {
    /// Whether all slots are served, as far as this node knows.
    async fn is_well(&self) -> bool {
        let info = self.ask::<String>(&["CLUSTER", "INFO"]).await;
        let nodes = self.ask::<String>(&["CLUSTER", "NODES"]).await;
        info.is_ok_and(|info| info.contains("cluster_state:ok"))
            && nodes.is_ok_and(|nodes| nodes.matches("slave").count() >= MASTERS - 1)
    }
}
