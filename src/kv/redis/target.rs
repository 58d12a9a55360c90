//! What a Redis URL names.

use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo, TlsMode};
use url::Url;

use super::{ConnectError, tcp_settings};

/// Where intermediate sessions are kept.
pub(super) enum Target {
    /// `redis://` or `rediss://`: one server, or what stands before several.
    Server(Client),
    /// `redis-sentinel://` or `rediss-sentinel://`: the master that these Sentinels name.
    Sentinels(SentinelClient),
    /// `redis-cluster://` or `rediss-cluster://`: the nodes to begin with.
    Cluster(Vec<ConnectionInfo>),
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
            Some("sentinel") => sentinels(tls, &one_by_one(tls, rest)).map(Self::Sentinels),
            Some("cluster") => {
                let nodes = one_by_one(tls, rest);
                nodes.iter().map(|node| server(node)).collect::<Option<_>>().map(Self::Cluster)
            }
            Some(_) => None,
        }
    }
}

/// A URL for each server.
fn one_by_one(scheme: &str, rest: &str) -> Vec<String> {
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}")).collect()
}

fn server(url: &str) -> Option<ConnectionInfo> {
    let info = url.into_connection_info().ok()?;
    Some(info.set_tcp_settings(tcp_settings()))
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

/// Redis Sentinel's default.
const SENTINEL_PORT: u16 = 26379;
