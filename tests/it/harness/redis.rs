//! A private Redis, started from the binary on the machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use redis::{FromRedisValue, RedisResult};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::supervised::{Patience, Signal, Supervised, free_port, program_folders};

/// Where packages put their programs apart from `PATH`: Homebrew.
const PLACES: &[(&str, &str)] = &[("/opt/homebrew/opt", "redis"), ("/usr/local/opt", "redis")];

/// A private Redis on a port of 127.0.0.1 that keeps nothing on disk. It goes when it is dropped or
/// the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct RedisServer {
    server: Supervised,
    port: u16,
}

impl RedisServer {
    /// Starts an empty server and waits until it answers.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with more arguments.
    pub(super) async fn start_with(settings: &[&str]) -> Self {
        // Only a port that somebody took in between is worth another try.
        let mut tries = 3;
        loop {
            let port = free_port();
            let port_text = port.to_string();
            let mut arguments = vec!["--port", &port_text, "--bind", "127.0.0.1", "--dir", "."];
            arguments.extend(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
            arguments.extend(settings);
            let mut this = Self::prepare(port, &arguments);
            this.server.start().await;
            if this.comes_up().await {
                return this;
            }
            tries -= 1;
            assert!(tries > 0, "Redis does not start:\n{}", this.server.log());
        }
    }

    /// Starts a Sentinel with this configuration on this port, and waits until it answers.
    pub(super) async fn start_sentinel(port: u16, configuration: &str) -> Self {
        let mut this = Self::prepare(port, &["sentinel.conf", "--sentinel"]);
        this.server.write("sentinel.conf", configuration);
        this.server.start().await;
        assert!(this.comes_up().await, "the Sentinel does not start:\n{}", this.server.log());
        this
    }

    fn prepare(port: u16, arguments: &[&str]) -> Self {
        Self { server: Supervised::new("redis", Signal::Kill, &program(), arguments), port }
    }

    /// Where to find the server.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The port on 127.0.0.1; it stays the same over [`start_again`](Self::start_again).
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server with SIGKILL; returns when it is gone, and all it held with it.
    pub(crate) async fn kill(&mut self) {
        self.server.end(Signal::Kill).await;
    }

    /// Starts the killed server on its old port, empty, and waits until it answers.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.server.status().is_some(), "this Redis is still running");
        self.server.start().await;
        assert!(self.comes_up().await, "Redis does not start again:\n{}", self.server.log());
    }

    /// Lets the server hang: its connections stay, and nothing is answered.
    pub(crate) async fn hang(&mut self) {
        self.server.hang().await;
    }

    /// Lets it go on.
    pub(crate) async fn go_on(&mut self) {
        self.server.go_on().await;
    }

    /// Asks the server past the service.
    pub(crate) async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut connection = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut connection).await
    }

    /// Whether `INFO` about something has a line: `role:master` about `replication`.
    pub(super) async fn says(&self, section: &str, line: &str) -> bool {
        let info: RedisResult<String> = self.ask(&["INFO", section]).await;
        info.is_ok_and(|info| info.lines().any(|found| found == line))
    }

    /// The keys of the intermediate sessions of all deployments.
    pub(crate) async fn entries(&self) -> Vec<String> {
        self.ask(&["KEYS", "vestibule:*:intermediate-session:*"]).await.unwrap()
    }

    /// The connections that are neither other servers' nor this one.
    pub(crate) async fn clients(&self) -> Vec<String> {
        let list: String = self.ask(&["CLIENT", "LIST", "TYPE", "normal"]).await.unwrap();
        let others = list
            .lines()
            .filter(|client| !["name=sentinel-", "cmd=client"].iter().any(|own| client.contains(own)));
        others.map(str::to_owned).collect()
    }

    /// Whether the server has not ended.
    pub(super) fn runs(&self) -> bool {
        self.server.status().is_none()
    }

    /// True once the server answers, false if it ended instead.
    async fn comes_up(&self) -> bool {
        let mut patience = Patience::new();
        while self.server.status().is_none() {
            if matches!(timeout(Duration::from_secs(1), self.ping()).await, Ok(Ok(()))) {
                return true;
            }
            patience.turn(|| format!("Redis to start:\n{}", self.server.log())).await;
        }
        false
    }

    async fn ping(&self) -> std::io::Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await?;
        if &answer == b"+PONG\r\n" { Ok(()) } else { Err(std::io::Error::other("no PONG")) }
    }
}

fn program() -> PathBuf {
    program_folders(PLACES)
        .into_iter()
        .map(|folder| folder.join("redis-server"))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!(
                "no Redis server on this machine: install Debian's `redis-server` or Homebrew's \
                 `redis`, or give TEST_DATABASE_URL and TEST_REDIS_URL"
            )
        })
}
