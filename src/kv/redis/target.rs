//! What a Redis URL names.

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo, TlsMode};
use tokio::sync::Mutex;
use url::Url;

use super::{ConnectError, tcp_settings};
use crate::domain::server_urls::one_by_one;

/// Redis Sentinel's default.
const SENTINEL_PORT: u16 = 26379;

/// While the driver asks a node which hangs where the slots are, all commands wait. Twice this and once the next,
/// and a call may still be answered within its two seconds.
const NODE_CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
const NODE_RESPONSE_TIMEOUT: Duration = Duration::from_millis(700);

/// A slot that nobody serves, or that moves, is asked for again within the time for the answer.
const NODE_RETRIES: u32 = 5;
const NODE_RETRY_MILLISECONDS: Range<u64> = 50..250;

/// Where intermediate sessions are kept.
pub(super) enum Target {
    /// `redis://` or `rediss://`: one server, or what stands before several.
    Server(Client),
    /// `redis-sentinel://` or `rediss-sentinel://`: the master that these Sentinels name.
    Sentinels(Mutex<SentinelClient>),
    /// `redis-cluster://` or `rediss-cluster://`: the nodes to begin with.
    Cluster(ClusterClient),
}

impl Target {
    /// Reads the URL. Several servers are written `user:password@one:6379,two:6379`.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        // The driver's own message can quote the URL, and with it the password.
        Self::read(url).ok_or(ConnectError::Url)
    }

    fn read(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (tls, topology) = match scheme.split_once('-') {
            Some((tls, topology)) => (tls, Some(topology)),
            None => (scheme, None),
        };
        match topology {
            None => Client::open(server(url)?).ok().map(Self::Server),
            Some("sentinel") => sentinels(tls, &one_by_one(tls, rest)).map(Mutex::new).map(Self::Sentinels),
            Some("cluster") => cluster(&one_by_one(tls, rest)).map(Self::Cluster),
            Some(_) => None,
        }
    }
}

fn server(url: &str) -> Option<ConnectionInfo> {
    let info = url.into_connection_info().ok()?;
    Some(info.set_tcp_settings(tcp_settings()))
}

/// User and password are those of every node. A cluster has one database.
fn cluster(urls: &[String]) -> Option<ClusterClient> {
    let nodes: Vec<ConnectionInfo> = urls.iter().map(|url| server(url)).collect::<Option<_>>()?;
    if nodes.iter().any(|node| node.redis_settings().db() != 0) {
        return None;
    }
    let client = ClusterClientBuilder::new(nodes)
        .connection_timeout(NODE_CONNECT_TIMEOUT)
        .response_timeout(NODE_RESPONSE_TIMEOUT)
        .overall_response_timeout(Some(NODE_RESPONSE_TIMEOUT))
        .retries(NODE_RETRIES)
        .min_retry_wait(NODE_RETRY_MILLISECONDS.start)
        .max_retry_wait(NODE_RETRY_MILLISECONDS.end)
        .tcp_settings(tcp_settings());
    client.build().ok()
}

/// User, password and database are those of the master; what Sentinels want to see stands in the query.
fn sentinels(scheme: &str, urls: &[String]) -> Option<SentinelClient> {
    let first = Url::parse(urls.first()?).ok()?;
    let asked =
        |name: &str| first.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let known = ["master", "sentinel_username", "sentinel_password"];
    if first.query_pairs().any(|(name, _)| !known.contains(&&*name)) {
        return None;
    }
    let mut credentials = RedisConnectionInfo::default();
    if let Some(password) = asked("sentinel_password") {
        credentials = credentials.set_password(password);
    }
    if let Some(username) = asked("sentinel_username") {
        credentials = credentials.set_username(username);
    }
    let mut sentinels = Vec::new();
    let mut of_master = SentinelNodeConnectionInfo::default().set_tcp_settings(tcp_settings());
    for url in urls {
        // Without the query, which the driver has no words for.
        let info = server(url.split('?').next()?)?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            of_master = of_master.set_tls_mode(TlsMode::Secure);
        }
        of_master = of_master.set_redis_connection_info(info.redis_settings().clone());
        sentinels.push(sentinel(scheme, url)?.set_redis_settings(credentials.clone()));
    }
    SentinelClient::build(sentinels, asked("master")?, Some(of_master), SentinelServerType::Master).ok()
}

/// Sentinels listen on a port of their own unless it is named.
fn sentinel(scheme: &str, url: &str) -> Option<ConnectionInfo> {
    let url = Url::parse(url).ok()?;
    let (host, port) = (url.host_str()?, url.port().unwrap_or(SENTINEL_PORT));
    server(&format!("{scheme}://{host}:{port}"))
}
