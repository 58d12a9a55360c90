//! Flags, environment variables, and the commands that only look or prepare.

use clap::CommandFactory as _;
use secrecy::ExposeSecret as _;
use vestibule::config::CommandLine;

use super::beside;
use crate::harness::Harness;
use crate::harness::callers::Key;
use crate::harness::certificates::Authority;
use crate::harness::database;
use crate::harness::program::{Folder, command, finish, run};

/// Every flag of a setting with its environment variable.
fn flags() -> Vec<(String, Option<String>)> {
    let program = CommandLine::command();
    let own = ["help", "version"];
    program
        .get_arguments()
        .filter(|argument| !own.contains(&argument.get_id().as_str()))
        .map(|argument| {
            let flag = argument.get_long().unwrap_or_else(|| panic!("{argument:?} has no flag")).to_owned();
            (flag, argument.get_env().map(|name| name.to_str().unwrap().to_owned()))
        })
        .collect()
}

#[test]
fn every_flag_has_its_environment_variable() {
    let flags = flags();
    assert!(flags.len() >= 19, "{flags:?}");
    for (flag, variable) in flags {
        let expected = format!("VESTIBULE_{}", flag.replace('-', "_").to_uppercase());
        assert_eq!(variable, Some(expected), "--{flag}");
    }
}

/// Rows of the README: | `--flag` | `VESTIBULE_FLAG` | ...
#[test]
fn every_flag_is_in_the_readme() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let mut rows: Vec<_> = readme
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `--")?.split(" | ");
            let flag = cells.next()?.strip_suffix('`')?;
            let variable = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            Some((flag.to_owned(), Some(variable.to_owned())))
        })
        .collect();
    let mut flags = flags();
    rows.sort();
    flags.sort();
    assert_eq!(rows, flags, "the table of settings in README.md");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_config_prints_every_setting_and_no_secret() {
    let folder = Folder::new();
    let arguments = [
        "check-config",
        "--database-url",
        "postgres://vestibule:hunter2@db.internal/vestibule",
        "--redis-url",
        "rediss://:hunter3@redis.internal",
    ];
    let output = run(folder.path(), &arguments).await;
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<_> = said.lines().map(|line| line.split_once(" = ").unwrap().0.to_owned()).collect();
    assert_eq!(printed, flags().into_iter().map(|(flag, _)| flag).collect::<Vec<_>>());
    let all = said + &String::from_utf8(output.stderr).unwrap();
    assert!(!all.contains("hunter") && !all.contains("internal"), "{all}");
    assert!(all.contains("\ndatabase-url = <redacted>\n"), "{all}");
    assert!(!folder.path().join("vestibule-data").exists(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "a line for each setting")]
async fn the_environment_sets_what_flags_set_and_flags_win() {
    let folder = Folder::new();
    folder.file("key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    folder.file("domains", "example");
    folder.file("policy", "{}");
    folder.file("callers", &Key::live("billing").line);
    let authority = Authority::new("ca");
    let server = authority.server();
    folder.file("tls.crt", &server.certificate);
    folder.file("tls.key", &server.key);
    folder.file("ca.crt", &authority.certificate);
    folder.file("headers", "authorization: Bearer of-the-collector");
    let values = [
        ("listen-address", "127.0.0.1:1234"),
        ("http-address", "[::1]:4321"),
        ("callers-file", "callers"),
        ("environment", "live"),
        ("database-max-connections", "7"),
        ("data-dir", "elsewhere"),
        ("sealing-key-file", "key"),
        ("jwt-algorithm", "RS256"),
        ("jwt-key-period", "90days"),
        ("jwt-key-overlap", "7days"),
        ("jwt-issuer", "https://issuer.example"),
        ("discovery-organization-creation", "false"),
        ("common-email-domains-file", "domains"),
        ("rbac-policy-file", "policy"),
        ("claim-lease", "5s"),
        ("max-call-duration", "7s"),
        ("max-calls-in-flight", "9"),
        ("lame-duck", "9s"),
        ("drain-timeout", "11s"),
        ("log-format", "json"),
        ("log-filter", "warn"),
        ("otlp-endpoint", "https://collector.example:4317"),
        ("otlp-ca-file", "ca.crt"),
        ("otlp-headers-file", "headers"),
        ("otlp-metrics-interval", "13s"),
        ("trace-sample-ratio", "0.25"),
        ("caller-rate", "100"),
        ("caller-burst", "1000"),
        ("vouches-per-minute", "3"),
        ("failed-spends-per-minute", "4"),
        ("tls-certificate-file", "tls.crt"),
        ("tls-key-file", "tls.key"),
        ("tls-client-ca-file", "ca.crt"),
        ("max-connections", "12"),
        ("handshake-timeout", "13s"),
        ("write-timeout", "14s"),
        ("keep-alive-interval", "15s"),
        ("keep-alive-timeout", "16s"),
        ("max-connection-age", "17m"),
        ("max-concurrent-streams", "118"),
        ("max-header-bytes", "1900"),
        ("max-message-bytes", "100000"),
        ("max-pending-accept-reset-streams", "21"),
        ("max-local-error-reset-streams", "22"),
    ];
    let urls = [("database-url", "postgres://h/d"), ("redis-url", "redis://h")];
    let all: Vec<_> = values.into_iter().chain(urls).collect();
    assert_eq!(all.len(), flags().len(), "a value for every setting");
    let mut from_environment = command(folder.path(), &["check-config"]);
    let mut from_flags = command(folder.path(), &["check-config"]);
    let mut from_both = command(folder.path(), &["check-config"]);
    for (flag, value) in &all {
        let variable = format!("VESTIBULE_{}", flag.replace('-', "_").to_uppercase());
        from_environment.env(&variable, value);
        from_both.env(&variable, value);
        from_flags.arg(format!("--{flag}")).arg(value);
    }
    from_both.args(["--claim-lease", "6s"]);
    let mut said = Vec::new();
    for command in [from_environment, from_flags, from_both] {
        let output = finish(command).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        said.push(String::from_utf8(output.stdout).unwrap());
    }
    assert_eq!(said[0], said[1]);
    for (flag, value) in values {
        assert!(said[0].contains(&format!("{flag} = {value}\n")), "--{flag}: {}", said[0]);
    }
    assert_eq!(said[2], said[0].replace("claim-lease = 5s", "claim-lease = 6s"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_may_run_twice_and_twice_at_once() {
    let t = Harness::postgres().await;
    let folder = Folder::new();
    let migrated = t.config.database_url.as_ref().unwrap().expose_secret();
    let again = run(folder.path(), &["migrate", "--database-url", migrated]).await;
    assert_eq!(again.status.code(), Some(0), "{again:?}");

    let mut url = url::Url::parse(migrated).unwrap();
    let empty = format!("{}_empty", url.path().trim_start_matches('/'));
    database::create_on(migrated, &empty).await;
    url.set_path(&empty);
    let arguments = ["migrate", "--database-url", url.as_str()];
    let outputs = tokio::join!(
        run(folder.path(), &arguments),
        run(folder.path(), &arguments),
        run(folder.path(), &arguments)
    );
    for output in [outputs.0, outputs.1, outputs.2] {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    t.execute(&format!("DROP DATABASE \"{empty}\"")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn healthcheck_tells_by_its_exit_code() {
    let t = Harness::postgres().await;
    let folder = Folder::new();
    let mut program = beside(&t, &["--lame-duck", "1h"]).await;
    let address = program.grpc.to_string();
    let arguments = ["healthcheck", "--listen-address", &address];
    assert_eq!(run(folder.path(), &arguments).await.status.code(), Some(0));
    program.signal("TERM").await;
    program.line(|line| line["message"] == "shutting down").await;
    crate::faults::until("the server to say that it goes", async || {
        run(folder.path(), &arguments).await.status.code() == Some(1)
    })
    .await;
    program.signal("TERM").await;
    program.ended().await;
    let away = run(folder.path(), &arguments).await;
    assert_eq!(away.status.code(), Some(1));
}
