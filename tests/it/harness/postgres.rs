//! A private Postgres, started from the binaries on the machine.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::sync::OnceCell;

use super::supervised::{Patience, Signal, Supervised, free_port, program_folders};

/// Where packages put their programs apart from `PATH`: Debian and its like, Homebrew.
const PLACES: &[(&str, &str)] =
    &[("/usr/lib/postgresql", ""), ("/opt/homebrew/opt", "postgresql"), ("/usr/local/opt", "postgresql")];

/// The empty data folder that every server of this process is a copy of.
static TEMPLATE: OnceCell<Supervised> = OnceCell::const_new();

/// What a server does so that a commit outlives a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing: quick, and a killed server may come back with less than it promised.
    Off,
    /// What Postgres does unless told otherwise: for benchmarks, and for tests that kill the server.
    Default,
}

/// A private Postgres on a port of 127.0.0.1, with one superuser, `postgres`, who needs no
/// password. Its folder goes when it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    server: Supervised,
    port: u16,
}

impl PostgresServer {
    /// Starts an empty server and waits until it answers.
    pub(crate) async fn start(durability: Durability) -> Self {
        Self::start_with(durability, &[]).await
    }

    /// The same, with these files in its data folder. All empty servers begin with the same history, so that one
    /// can be the standby of another.
    pub(super) async fn start_with(durability: Durability, files: &[(&str, &str)]) -> Self {
        let template = TEMPLATE.get_or_init(initialize).await;
        // Only a port that somebody took in between is worth another try.
        let mut tries = 3;
        loop {
            let mut this = Self::prepare(template, durability).await;
            this.write(files);
            this.server.start().await;
            if this.comes_up().await {
                return this;
            }
            tries -= 1;
            assert!(tries > 0, "Postgres does not start:\n{}", this.log());
        }
    }

    /// Where to find `database`.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The last lines of its log.
    pub(crate) fn log(&self) -> String {
        self.server.log()
    }

    /// The port on 127.0.0.1; it stays the same over [`start_again`](Self::start_again).
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The program `name`, say `pgbench`: where a whole server is, of the newest version, or else
    /// anywhere.
    pub(crate) fn bin(name: &str) -> Option<PathBuf> {
        let (servers, others): (Vec<_>, Vec<_>) = program_folders(PLACES).into_iter().partition(|folder| {
            let needed = ["initdb", "postgres"];
            needed.iter().all(|name| folder.join(name).is_file())
        });
        let mut programs = servers.into_iter().chain(others).map(|folder| folder.join(name));
        programs.find(|program| program.is_file())
    }

    /// Kills the server and all its children with SIGKILL; returns when none of them is left.
    pub(crate) async fn kill(&mut self) {
        self.server.end(Signal::Kill).await;
    }

    /// Ends the server in good order: transactions are rolled back, connections closed, all is written.
    pub(crate) async fn stop(&mut self) {
        self.server.end(Signal::Interrupt).await;
    }

    /// Lets the server hang: its connections stay, and nothing is answered.
    pub(crate) async fn hang(&mut self) {
        self.server.hang().await;
    }

    /// Lets it go on.
    pub(crate) async fn go_on(&mut self) {
        self.server.go_on().await;
    }

    /// Takes a copy of a running server in place of the ended server's own data, and adds these files.
    pub(super) async fn copy_of(&mut self, source: &Self, files: &[(&str, &str)]) {
        assert!(self.server.status().is_some(), "this Postgres is still running");
        fs::remove_dir_all(self.server.folder().join("data")).unwrap();
        let port = source.port.to_string();
        let copied = Command::from(self.server.command(&program("pg_basebackup")))
            .args(["-D", "data", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-c", "fast", "--no-sync"])
            .status()
            .await;
        assert!(copied.as_ref().is_ok_and(std::process::ExitStatus::success), "pg_basebackup: {copied:?}");
        self.write(files);
    }

    fn write(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            self.server.write(&format!("data/{name}"), text);
        }
    }

    /// Starts the ended server on its old port and data, and waits until it answers.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.server.status().is_some(), "this Postgres is still running");
        self.server.start().await;
        assert!(self.comes_up().await, "Postgres does not start again:\n{}", self.server.log());
    }

    async fn prepare(template: &Supervised, durability: Durability) -> Self {
        let port = free_port();
        let port_text = port.to_string();
        let mut arguments = vec!["-D", "data", "-p", &port_text];
        let mut settings =
            vec!["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=500"];
        if durability == Durability::Off {
            settings.extend(["fsync=off", "full_page_writes=off", "synchronous_commit=off"]);
        }
        for setting in settings {
            arguments.extend(["-c", setting]);
        }
        let server = Supervised::new("postgres", Signal::Quit, &program("postgres"), &arguments);
        let copied = Command::from(server.command(Path::new("cp")))
            .arg("-a")
            .arg(template.folder().join("data"))
            .arg("data")
            .status()
            .await;
        assert!(
            copied.as_ref().is_ok_and(std::process::ExitStatus::success),
            "cannot copy the empty database to {}: {copied:?}",
            server.folder().display()
        );
        Self { server, port }
    }

    /// True once the server takes queries, false if it ended instead. The eighth line of its file
    /// tells, as it tells `pg_ctl`; the first one whether an earlier server left the file.
    async fn comes_up(&self) -> bool {
        let file = self.server.folder().join("data/postmaster.pid");
        let process = self.server.process().map(|id| id.to_string());
        let mut patience = Patience::new();
        while self.server.status().is_none() {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let mut lines = text.lines().map(str::trim);
            if lines.next() == process.as_deref() && lines.nth(6) == Some("ready") {
                return true;
            }
            patience.turn(|| format!("Postgres to start:\n{}", self.server.log())).await;
        }
        false
    }
}

async fn initialize() -> Supervised {
    let mut template = Supervised::new(
        "postgres-template",
        Signal::Kill,
        &program("initdb"),
        &["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
    );
    template.start().await;
    let mut patience = Patience::new();
    while template.status().is_none() {
        patience.turn(|| format!("initdb to end:\n{}", template.log())).await;
    }
    assert_eq!(template.status(), Some(0), "initdb failed:\n{}", template.log());
    template
}

fn program(name: &str) -> PathBuf {
    PostgresServer::bin(name).unwrap_or_else(|| {
        panic!(
            "no Postgres server on this machine: install Debian's `postgresql` or Homebrew's \
             `postgresql`, or give TEST_DATABASE_URL and TEST_REDIS_URL"
        )
    })
}
