//! Redis servers that copy one another, and a replica that is kept from it.

use super::redis::RedisServer;

/// The settings of all: the user that replicas are, who needs no password, and that copies begin at once.
pub(super) const USER: [&str; 13] = [
    "--user",
    "replica",
    "on",
    "nopass",
    "+psync",
    "+replconf",
    "+ping",
    "--masteruser",
    "replica",
    "--masterauth",
    "replica",
    // Copies begin at once.
    "--repl-diskless-sync-delay",
    "0",
];

impl RedisServer {
    /// From now on replicas of this server get nothing more: what is written here is missing there.
    pub(super) async fn keep_from_replicas(&self) {
        let () = self.ask(&["ACL", "SETUSER", "replica", "off"]).await.unwrap();
        let _: u64 = self.ask(&["CLIENT", "KILL", "TYPE", "replica"]).await.unwrap();
    }

    /// Makes this server a replica of another.
    pub(super) async fn copies(&self, master: &Self) {
        let () = self.ask(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]).await.unwrap();
    }

    /// Whether the server is a replica that has everything its master has.
    pub(crate) async fn is_replica(&self) -> bool {
        self.says("replication", "role:slave").await
            && self.says("replication", "master_link_status:up").await
    }

    /// Whether the server takes writes.
    pub(crate) async fn is_master(&self) -> bool {
        self.says("replication", "role:master").await
    }
}
