//! The real binary, as a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::clients::{Authorization, Clients};
use super::connect;
use super::supervised::Patience;
use super::told::{self, Listener};

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command of the binary in `folder`, with nothing configured by the environment.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    command_of(Path::new(env!("CARGO_BIN_EXE_vestibule")), folder, arguments)
}

/// The same of another binary.
pub(crate) fn command_of(binary: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.env_clear().current_dir(folder).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs the binary to its end.
pub(crate) async fn run(folder: &Path, arguments: &[&str]) -> Output {
    finish(command(folder, arguments)).await
}

/// Runs a command to its end.
pub(crate) async fn finish(mut command: Command) -> Output {
    let told = told::listen();
    let output = timeout(PATIENCE, command.output()).await.expect("the process ends").unwrap();
    told::hear(&String::from_utf8_lossy(&output.stderr));
    told.check();
    output
}

/// A folder that goes with the test.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vestibule-program-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Puts a file into the folder, and tells its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.0);
        // A test that fails says why itself.
        assert!(removed.is_ok() || std::thread::panicking(), "{}: {removed:?}", self.0.display());
    }
}

/// A server process. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reading: JoinSet<()>,
    told: Listener,
    /// Where gRPC is served.
    pub(crate) grpc: SocketAddr,
    /// Where HTTP is served.
    pub(crate) http: SocketAddr,
}

impl Program {
    /// Starts a server on free ports, and waits until it says that it serves.
    pub(crate) async fn serve(folder: &Path, arguments: &[&str]) -> Self {
        Self::serve_in(folder, arguments, &[]).await
    }

    /// The same, with these variables in its environment.
    pub(crate) async fn serve_in(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::serve_of(Path::new(env!("CARGO_BIN_EXE_vestibule")), folder, arguments, environment).await
    }

    /// The same, of another binary.
    pub(crate) async fn serve_of(
        binary: &Path,
        folder: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let ports = ["--listen-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"];
        let arguments = [&["serve", "--log-format", "json"], &ports[..], arguments].concat();
        let told = told::listen();
        let mut command = command_of(binary, folder, &arguments);
        command.envs(environment.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let mut reading = JoinSet::new();
        let mut output = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&lines);
        reading.spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                told::hear(&line);
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut this = Self { child, lines, reading, told, grpc: unknown, http: unknown };
        let serving = this.line(|line| line["message"] == "serving").await;
        let address = |name: &str| serving[name].as_str().unwrap().parse().unwrap();
        (this.grpc, this.http) = (address("grpc"), address("http"));
        this
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// How much memory it has, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Connects to it.
    pub(crate) async fn clients(&self) -> Clients {
        Clients::new(connect(self.grpc).await, Authorization::default())
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it has written so far, line by line.
    pub(crate) fn log(&self) -> Vec<serde_json::Value> {
        let parse = |line: &String| serde_json::from_str(line);
        self.output()
            .iter()
            .map(parse)
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("a line is no JSON ({error}):\n{}", self.output().join("\n")))
    }

    /// Waits for a line of its log.
    pub(crate) async fn line(&mut self, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let mut patience = Patience::new();
        loop {
            if let Some(line) = self.log().into_iter().find(&wanted) {
                return line;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the process ended, {ended:?}:\n{}", self.output().join("\n"));
            patience.turn(|| format!("a line of the log:\n{}", self.output().join("\n"))).await;
        }
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal: `TERM`, `KILL`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), id.as_str()]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Waits until it has ended and all it wrote is read.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the process ends").unwrap();
        while self.reading.join_next().await.is_some() {}
        status
    }

    /// Kills it with SIGKILL.
    pub(crate) async fn kill(&mut self) {
        self.signal("KILL").await;
        self.ended().await;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.told.check();
    }
}
