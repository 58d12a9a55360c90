//! What the program does not start with, and how it says so.

use secrecy::ExposeSecret as _;

use crate::harness::Harness;
use crate::harness::database;
use crate::harness::program::{Folder, run};

/// A key that no server of these tests uses.
const OTHER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Nobody listens there, and nobody may.
const NOWHERE: &str = "127.0.0.1:1";

/// Asserts that the program ends with exit code 1 (2 for what the command line can't be read as) and
/// says this.
async fn refuses(folder: &Folder, arguments: &[&str], code: i32, sentence: &str) -> String {
    let ports = ["--listen-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"];
    let given = |name: &str| arguments.contains(&name);
    let ports: &[&str] = match (given("--listen-address"), given("--http-address")) {
        (false, false) => &ports,
        (false, true) => &ports[..2],
        (true, false) => &ports[2..],
        (true, true) => &[],
    };
    let output = run(folder.path(), &[ports, arguments].concat()).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(sentence), "{arguments:?} should say {sentence:?}:\n{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_do_not_go_together() {
    let folder = Folder::new();
    let key = folder.file("sealing.key", OTHER_KEY);
    let one_url = "--database-url and --redis-url go together: give both, or neither";
    refuses(&folder, &["--database-url", "postgres://localhost/x"], 1, one_url).await;
    refuses(&folder, &["--redis-url", "redis://localhost"], 1, one_url).await;
    refuses(
        &folder,
        &["--environment", "live"],
        1,
        "--environment live needs --database-url and --redis-url",
    )
    .await;
    let live = ["--environment", "live", "--sealing-key-file", &key];
    refuses(&folder, &live, 1, "--environment live needs --database-url and --redis-url").await;
    let urls = ["--database-url", "postgres://localhost/x", "--redis-url", "redis://localhost"];
    let live = [&["--environment", "live"], &urls[..]].concat();
    refuses(&folder, &live, 1, "--environment live needs --sealing-key-file").await;
    for flag in ["--listen-address", "--http-address"] {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let sentence = format!("{flag} must be a loopback address");
            refuses(&folder, &[flag, address], 1, &sentence).await;
        }
    }
    refuses(&folder, &["--log-filter", "vestibule=loud"], 1, "--log-filter is neither a level nor").await;
    assert!(!folder.path().join("vestibule-data").exists(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_can_not_be_read() {
    let folder = Folder::new();
    refuses(&folder, &["--listen-adress", "127.0.0.1:1"], 2, "unexpected argument '--listen-adress'").await;
    refuses(&folder, &["dance"], 2, "unrecognized subcommand 'dance'").await;
    refuses(&folder, &["--listen-address", "here"], 2, "invalid value 'here' for '--listen-address").await;
    refuses(&folder, &["--environment", "prod"], 2, "[possible values: test, live]").await;
    refuses(&folder, &["--claim-lease", "2s"], 2, "not within 3s to 60s").await;
    refuses(&folder, &["--claim-lease", "61s"], 2, "not within 3s to 60s").await;
    refuses(&folder, &["--database-max-connections", "0"], 2, "0 is not in 1..=1000").await;
    refuses(&folder, &["--jwt-algorithm", "none"], 2, "[possible values: ES256, RS256]").await;
    let missing = folder.path().join("missing").display().to_string();
    let sentence = "the file of --common-email-domains-file can't be read";
    refuses(&folder, &["--common-email-domains-file", &missing], 1, sentence).await;
    refuses(&folder, &["--sealing-key-file", &missing], 1, "the file of --sealing-key-file can't be read")
        .await;
    let short = folder.file("short.key", "c2hvcnQ=");
    refuses(&folder, &["--sealing-key-file", &short], 1, "a sealing key is 32 bytes in base64").await;
    let occupied = folder.file("occupied", "a file where the folder should be");
    refuses(&folder, &["--data-dir", &occupied], 1, "the data directory can't be used").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_taken() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refuses(&folder, &["--listen-address", &address], 1, &format!("{address} can't be listened on")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_sealing_key_than_before() {
    let t = Harness::postgres().await;
    let folder = Folder::new();
    let key = folder.file("sealing.key", OTHER_KEY);
    let database = t.config.database_url.as_ref().unwrap().expose_secret();
    let redis = t.config.redis_url.as_ref().unwrap().expose_secret();
    let arguments = ["--database-url", database, "--redis-url", redis, "--sealing-key-file", &key];
    let said =
        refuses(&folder, &arguments, 1, "is this the sealing key that the database was used with").await;
    assert!(said.contains("the signing keys are not usable"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_the_other_environment() {
    let t = Harness::postgres().await;
    let folder = Folder::new();
    let key = t.config.data_dir.join("sealing.key").display().to_string();
    let database = t.config.database_url.as_ref().unwrap().expose_secret();
    let redis = t.config.redis_url.as_ref().unwrap().expose_secret();
    let servers = ["--database-url", database, "--redis-url", redis, "--sealing-key-file", &key];
    let live = [&servers[..], &["--environment", "live"]].concat();
    refuses(&folder, &live, 1, "the database belongs to the other environment").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_its_schema_and_servers_that_are_away() {
    let t = Harness::postgres().await;
    let folder = Folder::new();
    let mut url = url::Url::parse(t.config.database_url.as_ref().unwrap().expose_secret()).unwrap();
    let redis = t.config.redis_url.as_ref().unwrap().expose_secret();
    let migrated = url.to_string();
    let empty = format!("{}_empty", url.path().trim_start_matches('/'));
    database::create_on(&migrated, &empty).await;
    url.set_path(&empty);
    let given = url.to_string();
    let sentence = "the database schema is at version 0, this program needs 13: run `vestibule migrate`";
    refuses(&folder, &["--database-url", &given, "--redis-url", redis], 1, sentence).await;

    let secret = "postgres://vestibule:hunter2@127.0.0.1:1/vestibule";
    let arguments = ["--database-url", secret, "--redis-url", redis];
    let said = refuses(&folder, &arguments, 1, "the database could not be reached").await;
    assert!(!said.contains("hunter2"), "{said}");
    let secret = format!("redis://:hunter2@{NOWHERE}");
    let data_dir = t.config.data_dir.display().to_string();
    let arguments = ["--database-url", &migrated, "--redis-url", &secret, "--data-dir", &data_dir];
    let said = refuses(&folder, &arguments, 1, "Redis could not be reached").await;
    assert!(!said.contains("hunter2"), "{said}");
    for (database, redis, sentence) in [
        ("mysql://x:hunter2@h/d", redis, "the database URL is not a valid postgres:// URL"),
        ("hunter2", redis, "the database URL is not a valid postgres:// URL"),
        (
            &migrated,
            "http://:hunter2@h",
            "the Redis URL is not a valid redis://, redis-sentinel:// or redis-cluster:// URL",
        ),
        (
            &migrated,
            "redis://:hunter2@",
            "the Redis URL is not a valid redis://, redis-sentinel:// or redis-cluster:// URL",
        ),
    ] {
        let arguments = ["--database-url", database, "--redis-url", redis, "--data-dir", &data_dir];
        let said = refuses(&folder, &arguments, 1, sentence).await;
        assert!(!said.contains("hunter2"), "{said}");
    }
    t.execute(&format!("DROP DATABASE \"{empty}\"")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_needs_a_database() {
    let folder = Folder::new();
    refuses(&folder, &["migrate"], 1, "migrate needs --database-url").await;
    let secret = "postgres://vestibule:hunter2@127.0.0.1:1/vestibule";
    let said =
        refuses(&folder, &["migrate", "--database-url", secret], 1, "the database could not be reached")
            .await;
    assert!(!said.contains("hunter2"), "{said}");
}
