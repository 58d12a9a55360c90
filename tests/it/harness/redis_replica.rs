//! Redis servers that copy one another, and a replica that is kept from it.

use super::redis::RedisServer;

/// The user that replicas are, who needs no password. As any server may become a master, all know the user.
pub(super) const USER: [&str; 12] = [
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
    "--repl-diskless-sync-delay=0",
];

impl RedisServer {
    /// From now on replicas of this server get nothing more: what is written here is missing there.
    pub(super) async fn keep_from_replicas(&self) {
        let () = self.ask(&["ACL", "SETUSER", "replica", "off"]).await.unwrap();
        let _: u64 = self.ask(&["CLIENT", "KILL", "TYPE", "replica"]).await.unwrap();
    }

    /// Whether the server is a replica that has everything its master has.
    pub(super) async fn is_replica(&self) -> bool {
        self.says("replication", "role:slave").await
            && self.says("replication", "master_link_status:up").await
    }

    /// Whether the server takes writes.
    pub(super) async fn is_master(&self) -> bool {
        self.says("replication", "role:master").await
    }
}
