//! The entry of an intermediate session in Redis, past the service: for states that only a clean-up
//! that comes late, a failover or a restored copy makes.

use std::collections::HashMap;
use std::time::Duration;

use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use secrecy::ExposeSecret as _;
use uuid::Uuid;
use vestibule::tokens::opaque::sha256;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Harness;
use super::database::rows;

/// The ten minutes of an intermediate session.
const LIFETIME: Duration = Duration::from_mins(10);

impl Harness {
    /// A connection to Redis.
    pub(crate) async fn redis(&self) -> MultiplexedConnection {
        let url = self.config.redis_url.as_ref().expect("a server on Redis").expose_secret();
        redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    /// What every key of this server in Redis begins with.
    pub(crate) async fn key_prefix(&self) -> String {
        let connection = self.database().await;
        let project = rows(&connection, "SELECT id FROM project", vec![]).await;
        connection.close().await.unwrap();
        let project: Uuid = project[0].try_get("", "id").unwrap();
        format!("vestibule:{project}:")
    }

    /// Every entry of this server in Redis, but for what comes and goes with time: buckets that are not full, and
    /// what the health check writes.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let prefix = self.key_prefix().await;
        let mut keys: Vec<String> = self.redis().await.keys(format!("{prefix}*")).await.unwrap();
        let passing =
            |key: &str| ["ping:", "bucket:"].iter().any(|kind| key[prefix.len()..].starts_with(kind));
        keys.retain(|key| !passing(key));
        keys
    }

    /// Where a token's entry is.
    pub(crate) async fn entry_key(&self, token: &str) -> String {
        let hash = URL_SAFE_NO_PAD.encode(sha256(token.as_bytes()));
        format!("{}intermediate-session:{hash}", self.key_prefix().await)
    }

    /// The fields of a token's entry; none when there is no entry.
    pub(crate) async fn entry(&self, token: &str) -> HashMap<String, String> {
        self.redis().await.hgetall(self.entry_key(token).await).await.unwrap()
    }

    /// A copy of a token's entry, to bring back later.
    pub(crate) async fn copy_entry(&self, token: &str) -> Vec<u8> {
        let key = self.entry_key(token).await;
        redis::cmd("DUMP").arg(key).query_async(&mut self.redis().await).await.unwrap()
    }

    /// Brings a copy of a token's entry back, as a failover to a replica that was behind does.
    pub(crate) async fn restore_entry(&self, token: &str, copy: &[u8]) {
        let mut command = redis::cmd("RESTORE");
        command.arg(self.entry_key(token).await).arg(0).arg(copy).arg("REPLACE");
        command.exec_async(&mut self.redis().await).await.unwrap();
    }

    /// Lets the ten minutes of a token pass. In Redis, whose clock no test sets, the entry becomes
    /// ten minutes older and the clean-up, which could hide that nobody compares its age, is off.
    pub(crate) async fn outlive(&self, token: &str) {
        self.clock.advance(LIFETIME);
        if self.on_servers() {
            let (key, mut redis) = (self.entry_key(token).await, self.redis().await);
            let earlier = -i64::try_from(LIFETIME.as_millis()).unwrap();
            let () = redis.persist(&key).await.unwrap();
            let () = redis.hincr(&key, "expires_at", earlier).await.unwrap();
        }
    }
}
