//! `vestibule keys`: beside running servers, which know within seconds what it has changed.

use std::path::Path;

use super::beside;
use crate::faults::until;
use crate::harness::program::{Folder, Program, run};
use crate::harness::{Harness, Setup};
use crate::signing_keys::{jwks, jwt, kid, kids, published, publishing, verifies};

/// What the server says, once, when it can't read the keys again.
const AWAY: &str = "the signing keys could not be read again; trying until they can";

/// Runs the command to its end, and tells its exit code, what it printed and what it logged.
async fn keys(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = run(folder, &[&["keys"], arguments].concat()).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs the command on the database of the harness, with its sealing key.
async fn beside_server(t: &Harness, arguments: &[&str]) -> (i32, String, String) {
    let (url, data_dir) = (t.database_url(), t.config.data_dir.display().to_string());
    let settings = ["--database-url", &url, "--data-dir", &data_dir];
    keys(&t.config.data_dir, &[arguments, &settings].concat()).await
}

/// Asserts that the command succeeds, and tells what it printed.
pub(crate) async fn done(t: &Harness, arguments: &[&str]) -> String {
    let (code, printed, logged) = beside_server(t, arguments).await;
    assert_eq!((code, logged.as_str()), (0, ""), "{printed}");
    printed
}

/// The rows of the list: id, algorithm, state, and three times.
async fn listed(t: &Harness) -> Vec<[String; 6]> {
    rows(&done(t, &["list"]).await)
}

fn rows(printed: &str) -> Vec<[String; 6]> {
    let mut lines = printed.lines();
    let titles = lines.next().unwrap();
    let places = ["KID", "ALGORITHM", "STATE", "PUBLISHED", "SIGNS FROM", "UNTIL"]
        .map(|title| titles.find(title).unwrap());
    let cells = |line: &str| {
        let end = |column: usize| places.get(column + 1).copied().unwrap_or(line.len());
        std::array::from_fn(|column| line[places[column]..end(column)].trim_end().to_owned())
    };
    lines.map(cells).collect()
}

fn states(rows: &[[String; 6]]) -> Vec<(&str, &str)> {
    rows.iter().map(|row| (row[0].as_str(), row[2].as_str())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotating_publishes_first_and_twice_is_once() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let [first] = kids(&clients).await.try_into().unwrap();
    assert_eq!(states(&listed(&t).await), [(first.as_str(), "signing")]);
    let said = done(&t, &["rotate"]).await;
    let [_, second] = published(&clients, 2).await.try_into().unwrap();
    assert!(
        said.starts_with(&format!("{second} is made, and published from now on.\nIt signs from ")),
        "{said}"
    );
    assert!(said.ends_with(&format!(" Until then {first} does.\n")), "{said}");
    let [one, two] = listed(&t).await.try_into().unwrap();
    assert_eq!(states(&[one.clone(), two.clone()]), [(first.as_str(), "signing"), (second.as_str(), "next")]);
    assert_eq!(one[5], two[4], "one until the other");
    let again = done(&t, &["rotate"]).await;
    assert_eq!(
        again,
        format!(
            "{second} is published since {}.\nIt signs from {}. Until then {first} does.\n",
            two[3], two[4]
        )
    );
    assert_eq!(kid(&jwt(&clients, "before").await), first);
    // The command goes by the real time, which is ahead of the test's by less than a minute.
    t.clock.advance(std::time::Duration::from_mins(16));
    let cached = jwks(&clients).await;
    let after = jwt(&clients, "after").await;
    assert_eq!(kid(&after), second);
    assert!(verifies(&cached, &after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_people_at_once_make_one_key() {
    let t = Harness::postgres().await;
    let rotate = || done(&t, &["rotate"]);
    let said = tokio::join!(rotate(), rotate(), rotate(), rotate());
    let said = [said.0, said.1, said.2, said.3];
    assert_eq!(said.iter().filter(|said| said.contains(" is made, ")).count(), 1, "{said:?}");
    assert_eq!(published(&t.clients(), 2).await.len(), 2);
    assert_eq!(t.count("signing_keys").await, 2);
}

/// A key that was published for its overlap needs no more time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_next_key_that_is_known_signs_at_once() {
    let t = Harness::postgres().await;
    let (first, _) = (kids(&t.clients()).await, done(&t, &["rotate"]).await);
    t.execute(
        "UPDATE signing_keys SET created_at = created_at - interval '1 day', \
         signs_from = signs_from + interval '1 day' WHERE generation = 2",
    )
    .await;
    let said = done(&t, &["rotate"]).await;
    let [one, two] = listed(&t).await.try_into().unwrap();
    assert_eq!(states(&[one, two.clone()]), [(first[0].as_str(), "published"), (two[0].as_str(), "signing")]);
    assert!(said.contains(&format!("It signs from {}.", two[4])), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_the_key_that_signs_has_another_sign_at_once() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let before = jwt(&clients, "before").await;
    let first = kid(&before);
    let said = done(&t, &["revoke", &first]).await;
    assert!(
        said.starts_with(&format!("{first} is revoked. Servers refuse its JWTs from now on; ")),
        "{said}"
    );
    assert!(
        said.contains(" signs at once. Verifiers that hold on to the keys they have read refuse"),
        "{said}"
    );
    let kids = publishing(&clients, |kids| !kids.contains(&first)).await;
    let [second] = kids.try_into().unwrap();
    assert!(said.contains(&format!("\n{second} signs at once.")), "{said}");
    assert!(!verifies(&jwks(&clients).await, &before));
    assert_eq!(kid(&jwt(&clients, "after").await), second);
    let rows = listed(&t).await;
    assert_eq!(states(&rows), [(first.as_str(), "revoked"), (second.as_str(), "signing")]);
    assert_eq!(rows[0][5], rows[1][4], "revoked when the other began");

    let again = done(&t, &["revoke", &first]).await;
    assert_eq!(again, format!("{first} was revoked at {} and stays so.\n", rows[0][5]));
    assert_eq!(listed(&t).await, rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_brings_the_next_key_forward() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    done(&t, &["rotate"]).await;
    let [first, second] = published(&clients, 2).await.try_into().unwrap();
    t.execute("UPDATE signing_keys SET created_at = created_at - interval '1 day'").await;
    let said = done(&t, &["revoke", &first]).await;
    assert!(said.ends_with(&format!("\n{second} signs at once.\n")), "verifiers know it: {said}");
    assert_eq!(published(&clients, 1).await, [second.as_str()]);
    assert_eq!(t.count("signing_keys").await, 2);

    // One that does not sign leaves the one that does.
    done(&t, &["rotate"]).await;
    let [_, third] = published(&clients, 2).await.try_into().unwrap();
    let said = done(&t, &["revoke", &third]).await;
    assert!(said.starts_with(&format!("{third} is revoked.")) && said.lines().count() == 1, "{said}");
    assert_eq!(published(&clients, 1).await, [second.as_str()]);
    let listed = listed(&t).await;
    let expected = [(first.as_str(), "revoked"), (second.as_str(), "signing"), (third.as_str(), "revoked")];
    assert_eq!(states(&listed), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_done_is_refused_in_words() {
    let t = Harness::postgres().await;
    let [first] = kids(&t.clients()).await.try_into().unwrap();
    let before = listed(&t).await;
    let unknown = "jwk-test-01234567-0123-7123-8123-012345678901";
    let live = first.replace("-test-", "-live-");
    let another = t.config.data_dir.join("another.key").display().to_string();
    std::fs::write(&another, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    for (arguments, code, sentence) in [
        (&["revoke", unknown][..], 1, "there is no such signing key; `vestibule keys list` lists them"),
        (&["revoke", "../../etc/passwd"], 1, "the kid is not one of this deployment's: not an id"),
        (&["revoke", &live], 1, "the kid is not one of this deployment's: an id of the other environment"),
        (&["revoke"], 2, "the following required arguments were not provided"),
        (&["list", "--environment", "live"], 1, "the database belongs to the other environment"),
        (
            &["rotate", "--sealing-key-file", &another],
            1,
            "is this the sealing key that the database was used with",
        ),
        (&["revoke", &first, "--sealing-key-file", &another], 1, "is this the sealing key that the database"),
        (&["rotate", "--jwt-key-overlap", "14m"], 2, "shorter than 15m"),
        (&["rotate", "--jwt-key-period", "11years"], 2, "longer than 10 years"),
        (
            &["rotate", "--jwt-key-period", "59days"],
            1,
            "--jwt-key-period must be at least twice --jwt-key-overlap",
        ),
        (&["forget"], 2, "unrecognized subcommand 'forget'"),
    ] {
        let (ended, printed, logged) = beside_server(&t, arguments).await;
        assert_eq!((ended, printed.as_str()), (code, ""), "{arguments:?}: {logged}");
        assert!(logged.contains(sentence), "{arguments:?} should say {sentence:?}:\n{logged}");
    }
    // No sealing key is made where the servers' is missing.
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("vestibule-data")).unwrap();
    let url = t.database_url();
    for arguments in [&["rotate", "--database-url", &url][..], &["revoke", &first, "--database-url", &url]] {
        let (code, _, logged) = keys(folder.path(), arguments).await;
        assert_eq!(code, 1);
        assert!(logged.contains("the servers' sealing key is needed"), "{logged}");
    }
    assert_eq!(std::fs::read_dir(folder.path().join("vestibule-data")).unwrap().count(), 0);
    let (code, printed, _) = keys(folder.path(), &["list", "--database-url", &url]).await;
    assert_eq!((code, rows(&printed)), (0, before.clone()), "a list needs no sealing key");
    assert_eq!(listed(&t).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_servers_are_refused_too() {
    let folder = Folder::new();
    for (arguments, code, sentence) in [
        (["--jwt-key-overlap", "14m 59s"], 2, "shorter than 15m"),
        (["--jwt-key-period", "59days"], 1, "--jwt-key-period must be at least twice --jwt-key-overlap"),
    ] {
        let output = run(folder.path(), &arguments).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(sentence), "{said}");
    }
    assert!(!folder.path().join("vestibule-data").exists(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_default_while_no_server_runs_on_it() {
    let folder = Folder::new();
    let path = folder.path();
    let (code, _, logged) = keys(path, &["list"]).await;
    assert_eq!(code, 1);
    assert!(logged.contains("there is no data directory yet"), "{logged}");
    assert!(!path.join("vestibule-data").exists());

    let mut program = Program::serve(path, &[]).await;
    let [first] = kids(&program.clients().await).await.try_into().unwrap();
    for arguments in [&["list"][..], &["rotate"], &["revoke", &first]] {
        let (code, printed, logged) = keys(path, arguments).await;
        assert_eq!((code, printed.as_str()), (1, ""));
        assert!(logged.contains("the data directory is in use by another process"), "{logged}");
    }
    program.kill().await;
    for (arguments, expected) in
        [(&["rotate"][..], vec!["signing", "next"]), (&["revoke", &first], vec!["revoked", "signing"])]
    {
        let (code, _, logged) = keys(path, arguments).await;
        assert_eq!((code, logged.as_str()), (0, ""));
        let listed = rows(&keys(path, &["list"]).await.1);
        assert_eq!(states(&listed).iter().map(|row| row.1).collect::<Vec<_>>(), expected);
        assert_eq!(listed[0][0], first);
    }
    let program = Program::serve(path, &[]).await;
    let clients = program.clients().await;
    let [second] = kids(&clients).await.try_into().unwrap();
    assert_ne!(second, first);
    assert_eq!(kid(&jwt(&clients, "acme").await), second);
}

fn outages(program: &Program) -> usize {
    program.log().iter().filter(|line| line["message"] == AWAY).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_servers_keep_what_they_know() {
    let t = Setup::stage().await.start().await;
    let stage = t.stage.as_ref().unwrap();
    let program = beside(&t, &[]).await;
    let clients = program.clients().await;
    let known = jwks(&clients).await;
    stage.postgres_proxy.refuse();
    until("the outage to be told", async || outages(&program) > 0).await;
    assert_eq!(jwks(&clients).await, known);
    // The command goes past the proxy.
    done(&t, &["rotate"]).await;
    assert_eq!(jwks(&clients).await, known);
    stage.postgres_proxy.pass();
    published(&clients, 2).await;
    assert_eq!(outages(&program), 1, "each outage is told once");
}
