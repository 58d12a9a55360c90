//! A server that belongs to the test process and cannot outlive it, not even a test process ended
//! by SIGKILL.
//!
//! A small shell stands between the two. Its standard input is a pipe that the test process alone
//! holds: words on it start and end the server, and its end, for whatever reason, ends the server
//! and removes its folder.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Interval;

/// The account for servers when the tests run as root, as which Postgres refuses to: `nobody`, whom
/// every system has.
const NOBODY: u32 = 65_534;

/// Runs in the server's folder as `sh -c SHELL sh LAST_SIGNAL SERVER ARGUMENTS...`. Every wait in it
/// has a bound. The files it keeps: `pid`, `ended` (the exit status), `log`, and `answers`, one line
/// for each word that it has carried out.
const SHELL: &str = r#"
last=$1
folder=$(pwd)
shared=
shift
nap() { sleep 0.01 2>/dev/null || sleep 1; }
children() { cat "/proc/$1/task/$1/children" 2>/dev/null || pgrep -P "$1"; }
alive() { kill -0 "$1" && ! grep -qs '^State:.*Z' "/proc/$1/status"; }
within() {
  turns=1000
  until "$@"; do
    turns=$((turns - 1))
    [ "$turns" -gt 0 ] || return 1
    nap
  done
}
gone() { ! alive "$1"; }
start() {
  rm -f pid ended
  { "$@" >>log 2>&1 & echo $! >pid; wait $!; echo $? >ended; } &
  within [ -s pid ]
}
everybody() {
  server=$(cat pid)
  # A server that hangs starts no further children.
  kill "-$1" "$server"
  kill "-$1" $(children "$server")
}
end() {
  [ -s pid ] && [ ! -s ended ] || return
  server=$(cat pid)
  if [ "$1" != KILL ]; then
    kill "-$1" "$server"
    within [ -s ended ] && return
  fi
  # Stopped, it starts no further children while these are killed.
  kill -STOP "$server"
  family=$(children "$server")
  maps=$(for member in $family "$server"; do echo "/proc/$member/maps"; done)
  shared="$shared $(grep -hos '/dev/shm/PostgreSQL[.0-9]*' $maps | sort -u)"
  kill -KILL $family
  family="$family $(children "$server")"
  kill -KILL $family "$server"
  for member in $family; do within gone "$member"; done
  within [ -s ended ]
}
clear() {
  trap '' HUP INT TERM
  end "$last"
  cd /
  # What a killed Postgres had shared is removed by its next start, if there is one.
  rm -rf "$folder" $shared
}
trap clear EXIT
trap 'exit 1' HUP INT TERM
while read -r word; do
  case "$word" in
    start) start "$@" ;;
    hang) everybody STOP ;;
    go-on) everybody CONT ;;
    *) end "$word" ;;
  esac
  echo "$word" >>answers
done
"#;

/// The signal that ends a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT.
    Interrupt,
    /// SIGQUIT.
    Quit,
    /// SIGKILL, to the server and all its children at once.
    Kill,
}

impl Signal {
    fn word(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
        }
    }
}

/// One server, its folder, and the shell that guards both.
#[derive(Debug)]
pub(crate) struct Supervised {
    shell: Child,
    orders: Option<ChildStdin>,
    given: usize,
    folder: PathBuf,
    account: Option<u32>,
}

impl Supervised {
    /// Makes an empty private folder and the shell; nothing is started yet. The server will run in
    /// that folder, so relative paths in its `arguments` mean places in it. When the test process
    /// ends, the server gets `last`.
    pub(crate) fn new(kind: &str, last: Signal, program: &Path, arguments: &[&str]) -> Self {
        let folder = private_folder(kind);
        let owner = fs::metadata(&folder).unwrap_or_else(fault("look at", &folder)).uid();
        let account = (owner == 0).then_some(NOBODY);
        if let Some(id) = account {
            chown(&folder, Some(id), Some(id)).unwrap_or_else(fault("give away", &folder));
        }
        let mut command = command_in(&folder, account, Path::new("/bin/sh"));
        command.args(["-c", SHELL, "sh", last.word()]).arg(program).args(arguments);
        // In a group of its own, Ctrl-C in a terminal reaches the test process alone.
        command.process_group(0).stdin(Stdio::piped());
        let mut shell = command.spawn().unwrap_or_else(fault(
            "start a shell (may its account enter the folder? else set TMPDIR) in",
            &folder,
        ));
        let orders = shell.stdin.take();
        Self { shell, orders, given: 0, folder, account }
    }

    /// The server's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command to be run in the server's folder, with the server's rights and no streams.
    pub(crate) fn command(&self, program: &Path) -> Command {
        command_in(&self.folder, self.account, program)
    }

    /// Puts a file into the folder, for the server to read and to change.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap_or_else(fault("write", &path));
        chown(&path, self.account, self.account).unwrap_or_else(fault("give away", &path));
    }

    /// Stops the server and its children in their tracks, as when their machine hangs: connections stay, and nothing
    /// is answered.
    pub(crate) async fn hang(&mut self) {
        self.order("hang").await;
    }

    /// Lets them go on.
    pub(crate) async fn go_on(&mut self) {
        self.order("go-on").await;
    }

    /// Starts the server. Whether it serves yet is the caller's to find out.
    pub(crate) async fn start(&mut self) {
        self.order("start").await;
    }

    /// Ends the server and waits until it is gone.
    pub(crate) async fn end(&mut self, signal: Signal) {
        self.order(signal.word()).await;
        assert!(self.status().is_some(), "{} does not end:\n{}", self.folder.display(), self.log());
    }

    /// The server's process, once it was started.
    pub(crate) fn process(&self) -> Option<u32> {
        self.read("pid").trim().parse().ok()
    }

    /// The exit status of a server that has ended, by itself or by a signal.
    pub(crate) fn status(&self) -> Option<i32> {
        self.read("ended").trim().parse().ok()
    }

    /// The last lines of what the server wrote.
    pub(crate) fn log(&self) -> String {
        let log = self.read("log");
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    async fn order(&mut self, word: &str) {
        self.given += 1;
        let told = self.orders.as_mut().map(|orders| writeln!(orders, "{word}"));
        assert!(
            matches!(told, Some(Ok(()))),
            "the shell that guards {} is gone: {told:?}",
            self.folder.display()
        );
        let mut patience = Patience::new();
        while self.read("answers").lines().count() < self.given {
            patience.turn(|| format!("'{word}' in {}", self.folder.display())).await;
        }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }
}

impl Drop for Supervised {
    #[expect(clippy::print_stderr, reason = "a panic here would hide the one that ends the test")]
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Err(error) = self.shell.wait() {
            eprintln!("cannot wait for the shell that guards {}: {error}", self.folder.display());
        }
        // Left over where the server's account may not write beside its folder.
        if self.folder.exists()
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            eprintln!("cannot remove {}: {error}", self.folder.display());
        }
    }
}

/// Polling with a bound: a turn each 5 ms, for 30 seconds.
#[derive(Debug)]
pub(crate) struct Patience {
    interval: Interval,
    turns: u32,
}

impl Patience {
    /// The full patience.
    pub(crate) fn new() -> Self {
        Self { interval: tokio::time::interval(Duration::from_millis(5)), turns: 6_000 }
    }

    /// Waits for the next turn. Panics after the last one, naming what was waited for.
    pub(crate) async fn turn<T: Display>(&mut self, awaited: impl FnOnce() -> T) {
        assert!(self.turns > 0, "waited 30 seconds for {}", awaited());
        self.turns -= 1;
        self.interval.tick().await;
    }
}

/// A port of 127.0.0.1 that nobody listens on. It lies below the ports that systems give to outgoing
/// connections, so that none of these takes it while the server is down.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = process::id().wrapping_mul(61);
    (0..COUNT)
        .map(|_| start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT + FIRST)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .unwrap_or_else(|| panic!("no free port on 127.0.0.1 from {FIRST} on"))
}

/// The folders where programs may be: those on `PATH`, then the `bin` of each folder in `parents`
/// whose name begins with the word beside it, the highest version first.
pub(crate) fn program_folders(parents: &[(&str, &str)]) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    for (parent, prefix) in parents {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let mut found: Vec<(Vec<u32>, PathBuf)> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(|entry| (version(&entry.file_name()), entry.path().join("bin")))
            .collect();
        found.sort();
        folders.extend(found.into_iter().rev().map(|(_, folder)| folder));
    }
    folders
}

/// The numbers in a folder's name: `postgresql@16` is `[16]`, `9.6` is `[9, 6]`.
fn version(name: &OsStr) -> Vec<u32> {
    name.to_string_lossy()
        .split(|character: char| !character.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

fn private_folder(kind: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let place = env::temp_dir();
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = place.join(format!("vestibule-{kind}-{}-{number}", process::id()));
        match fs::create_dir(&folder) {
            Ok(()) => return folder,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => panic!("cannot make {}: {error}", folder.display()),
        }
    }
}

fn command_in(folder: &Path, account: Option<u32>, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(id) = account {
        command.uid(id).gid(id);
    }
    command
}

fn fault<T>(verb: &str, folder: &Path) -> impl FnOnce(std::io::Error) -> T {
    move |error| panic!("cannot {verb} {}: {error}", folder.display())
}
