use redis::ConnectionAddr;

use super::{Target, server};
use crate::domain::server_urls::one_by_one;

#[test]
fn a_url_names_a_server() {
    for url in ["redis://one", "rediss://u:p@one:6380/2", "redis://[::1]:6380"] {
        assert!(matches!(Target::parse(url), Ok(Target::Server(_))), "{url}");
    }
}

#[test]
fn a_url_names_the_nodes_of_a_cluster() {
    for url in ["redis-cluster://u:p@one:7000,two:7001,three", "rediss-cluster://one,two:7001/0"] {
        assert!(matches!(Target::parse(url), Ok(Target::Cluster(_))), "{url}");
    }
    let addresses: Vec<_> = one_by_one("redis", "u:p@one:7000,two")
        .iter()
        .map(|url| server(url).unwrap().addr().clone())
        .collect();
    let tcp = |host: &str, port| ConnectionAddr::Tcp(host.to_owned(), port);
    assert_eq!(addresses, [tcp("one", 7000), tcp("two", 6379)]);
}

#[test]
fn a_url_names_sentinels() {
    for url in [
        "redis-sentinel://one,two:26380/?master=main",
        "redis-sentinel://u:p@one:26379,two/1?master=main&sentinel_username=s&sentinel_password=q",
        "rediss-sentinel://one/1?master=main",
    ] {
        assert!(matches!(Target::parse(url), Ok(Target::Sentinels(_))), "{url}");
    }
}

#[test]
fn other_urls_are_refused() {
    for url in [
        "",
        "one:6379",
        "http://one",
        "redis-ring://one",
        "redis-sentinel://one",
        "redis-sentinel://one/?master=main&sentinel=two",
        "redis-cluster://one,two:port",
        "redis-cluster://",
        "redis-cluster://one,two/1",
        "redis-sentinel://?master=main",
    ] {
        assert!(Target::parse(url).is_err(), "{url}");
    }
}
