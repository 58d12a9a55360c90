//! It is upgraded while people log in: the last release serves on the schema of the next while that takes over.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};
use tokio::process::Command;

use crate::harness::database;
use crate::harness::program::{Folder, Program, command_of, finish};
use crate::harness::supervised::Patience;
use crate::storm::Storm;
use crate::storm::judge::Allowing;
use crate::storm::site::Site;

/// The steps that a next version may bring: columns wherever a login writes, a table, and an index that is built
/// concurrently. Each waits for one table at most: two in a transaction are a deadlock with logins.
const STEPS: [&str; 9] = [
    "ALTER TABLE organizations ADD COLUMN later text",
    "ALTER TABLE members ADD COLUMN later text",
    "ALTER TABLE member_email_addresses ADD COLUMN later text",
    "ALTER TABLE sessions ADD COLUMN later jsonb",
    "ALTER TABLE intermediate_session_receipts ADD COLUMN later timestamptz",
    "ALTER TABLE idempotency_records ADD COLUMN later text",
    "ALTER TABLE events ADD COLUMN later text",
    "CREATE TABLE laters (id uuid PRIMARY KEY, organization_id uuid REFERENCES organizations (id))",
    "CREATE INDEX CONCURRENTLY sessions_later_idx ON sessions (organization_id, started_at)",
];

/// The binary of the last release, built once; none where there is no release.
async fn last_release() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/last-release");
    // Building takes minutes, the first time.
    let output = Command::new(script).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = String::from_utf8(output.stdout).unwrap();
    let path = path.trim();
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// The release that a binary is of: the name of its folder.
fn tag(binary: &Path) -> String {
    binary.parent().and_then(Path::file_name).unwrap().to_string_lossy().into_owned()
}

async fn migrate(binary: &Path, database_url: &str) {
    let folder = Folder::new();
    let output =
        finish(command_of(binary, folder.path(), &["migrate", "--database-url", database_url])).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Brings the schema further than this version does: its own steps, and `STEPS`.
async fn go_further(database_url: &str) {
    let folder = Folder::new();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let mut last = 0;
    for entry in fs::read_dir(own).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        fs::copy(entry.path(), folder.path().join(&name)).unwrap();
        last = last.max(name[..4].parse().unwrap());
    }
    for (number, step) in (last + 1..).zip(STEPS) {
        let before =
            if step.contains("CONCURRENTLY") { "-- no-transaction" } else { "SET lock_timeout = '2s';" };
        folder.file(&format!("{number:04}_expand_later.sql"), &format!("{before}\n{step};\n"));
    }
    let mut migrator = Migrator::new(folder.path()).await.unwrap();
    migrator.set_locking(false);
    let mut connection = PgConnection::connect(database_url).await.unwrap();
    // A step that does not get its locks in time is tried again.
    let mut patience = Patience::new();
    while let Err(error) = migrator.run(&mut connection).await {
        assert!(format!("{error:?}").contains("55P03"), "{error:?}");
        patience.turn(|| "the locks of a migration").await;
    }
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_fails_no_call() {
    let new = Path::new(env!("CARGO_BIN_EXE_vestibule"));
    let release = last_release().await;
    let (old, kind) = match &release {
        Some(binary) => (binary.as_path(), format!("from {}", tag(binary))),
        None => (new, "no release yet: this version, and a schema that is further".to_owned()),
    };
    // Past what the test is captured in: whoever reads the output of CI is to know.
    writeln!(std::io::stderr(), "storm: an upgrade: {kind}").unwrap();
    let database_url = database::create_empty().await;
    migrate(old, &database_url).await;
    // A step waits for logins that are under way, and those that come wait behind it.
    let site = Site::new(&database_url, &database::redis_url().await).with_default_lease();
    let mut leaving = vec![site.program_of(old, &[]).await, site.program_of(old, &[]).await];
    let mut storm = Storm::over(&[leaving[0].grpc, leaving[1].grpc]).await;
    storm.raced(1, 4).await;

    storm.fault();
    migrate(new, &database_url).await;
    go_further(&database_url).await;
    storm.goes_on().await;
    let mut staying = Vec::new();
    for _ in 0..2 {
        let program = site.program(&[]).await;
        storm.clients().join(program.grpc);
        staying.push(program);
    }
    storm.goes_on().await;
    for program in &mut leaving {
        assert!(program.runs());
        program.signal("TERM").await;
        assert_eq!(program.ended().await.code(), Some(0));
        storm.goes_on().await;
        storm.clients().leave(program.grpc);
    }
    // Who goes back to this version finds a schema that is further than it knows.
    migrate(new, &database_url).await;

    let report = storm.end().await.judge(&database_url, Allowing::default()).await;
    report.tell("an upgrade");
    assert_eq!(report.failed_calls, 0, "{report}");
    assert!(report.failed_attempts > 0, "the old replicas were called until they were gone: {report}");
    assert!(report.says_that_it_ends(), "{:?}", report.endings);
    assert_eq!(report.refused("CONCURRENT_REQUEST"), 0, "no login was in the way of a step: {report}");
    assert!(staying.iter_mut().all(Program::runs));
    site.is_quiet(2).await;
}
