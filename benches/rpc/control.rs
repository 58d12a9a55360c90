//! The control: pgbench sending the statement that a call sends.

use std::collections::HashMap;
use std::fmt::Write as _;

use tokio::process::Command;

use crate::postgres::PostgresServer;
use crate::server::Server;

/// How long pgbench runs, in seconds.
const SECONDS: &str = "5";

/// Runs the statement with `clients` connections and tells how often a second it was committed.
/// What must be unique (ids, hashes, slugs) is made anew for each transaction, in the order it is
/// made in, as the service's own ids are; everything else is what the service sent.
pub(crate) async fn run(server: &Server, statement: &(String, String), clients: usize, run: usize) -> f64 {
    let script = std::env::temp_dir().join(format!("vestibule-bench-{}.sql", std::process::id()));
    std::fs::write(&script, transaction(statement)).unwrap();
    let pgbench = PostgresServer::bin("pgbench").expect("pgbench is installed with Postgres");
    let clients = clients.to_string();
    // Each run and each statement starts its numbers where no other does.
    let start = (run + 1) * 1_000_000_000 + statement.0.len() * 10_000_000_000;
    let output = Command::new(pgbench)
        .args([
            "--no-vacuum",
            "--protocol",
            "prepared",
            "--jobs",
            "2",
            "--time",
            SECONDS,
            "--client",
            &clients,
        ])
        .args(["--define", "n=0", "--define", &format!("start={start}")])
        .arg("--file")
        .arg(&script)
        .arg(server.postgres.url("bench"))
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    tps.unwrap_or_else(|| panic!("pgbench failed: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// The statement as a pgbench script.
fn transaction((sql, parameters): &(String, String)) -> String {
    let values = values(parameters);
    let mut names = HashMap::new();
    let mut script = String::from("\\set n :n + 1\n\\set u :start + :client_id * 10000000 + :n\n");
    let mut rest = sql.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        let digits = after.find(|character: char| !character.is_ascii_digit()).unwrap_or(after.len());
        let position: usize = after[..digits].parse().unwrap();
        let value = &values[position - 1];
        let number = names.len();
        let number = *names.entry(value.clone()).or_insert(number);
        write!(script, "{before}{}", expression(value, number)).unwrap();
        rest = &after[digits..];
    }
    script + rest + ";\n"
}

/// What stands in the place of a parameter. Equal values stay equal, so that references hold.
fn expression(value: &str, number: usize) -> String {
    let text = value.trim_matches('\'');
    if uuid::Uuid::try_parse(text).is_ok() {
        format!("(lpad(:u::text, 29, '0') || '{number:03}')")
    } else if text.starts_with("\\x") && text.len() == 66 {
        // As scattered as a hash is.
        format!("(sha256((:u::text || '-{number}')::bytea))")
    } else if text.starts_with("created-") || text.starts_with("company-") {
        "('bench-' || :u::text)".to_owned()
    } else {
        value.to_owned()
    }
}

/// The values of a log line: `$1 = 'a', $2 = NULL, ...`.
fn values(parameters: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut rest = parameters;
    loop {
        let head = format!("${} = ", values.len() + 1);
        let next = format!(", ${} = ", values.len() + 2);
        let body = rest.strip_prefix(head.as_str()).expect("a parameter");
        let Some(end) = body.find(&next) else {
            values.push(body.to_owned());
            return values;
        };
        values.push(body[..end].to_owned());
        rest = &body[end + 2..];
    }
}
