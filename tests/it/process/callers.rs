//! `vestibule callers`, and the callers file at start, when settings are checked, and while the server runs.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use vestibule::domain::permission::Permission::Admin;
use vestibule::pb;

use crate::faults::until;
use crate::harness::callers::Key;
use crate::harness::clients::{Authorization, Clients};
use crate::harness::connect;
use crate::harness::fixtures::organization;
use crate::harness::logins::by_token;
use crate::harness::program::{Folder, Program, run};

/// What is logged when the file can't be used.
const UNUSABLE: &str = "the callers file can't be used; the callers stay as they were";

/// Runs the command to its end, and tells its exit code, what it printed and what it logged.
async fn program(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run(folder, arguments).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Makes a key, and tells it and its line.
async fn new(folder: &Path, arguments: &[&str]) -> (String, String) {
    let (code, printed, logged) = program(folder, &[&["callers", "new"], arguments].concat()).await;
    assert_eq!((code, logged.as_str()), (Some(0), ""), "{printed}");
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines.len(), 5, "{printed}");
    (lines[1].to_owned(), lines[4].to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_good_for_what_was_asked_for() {
    let folder = Folder::new();
    let arguments = ["billing", "--permissions", "read,verify", "--expires-in", "90days"];
    let (key, line) = new(folder.path(), &arguments).await;
    let (admin, admin_line) = new(folder.path(), &["admin", "--permissions", "admin"]).await;
    assert!(!folder.path().join("vestibule-data").exists(), "nothing was begun");
    let read: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&read["caller"], &read["permissions"]),
        (&"billing".into(), &serde_json::json!(["read", "verify"]))
    );
    let ends = read["expires_at"].as_str().unwrap();
    assert!(ends.len() == "2027-01-31T00:00:00Z".len() && ends.ends_with('Z'), "{ends}");
    assert!(!line.contains(key.split_once('.').unwrap().1));
    let unending: Value = serde_json::from_str(&admin_line).unwrap();
    assert_eq!(unending.get("expires_at"), None);

    let callers = folder.file("callers", &format!("# who calls\n{line}\n{admin_line}\n"));
    let server = Program::serve(folder.path(), &["--callers-file", &callers]).await;
    let channel = connect(server.grpc).await;
    let (billing, admin) = (
        Clients::new(channel.clone(), Authorization::bearer(&key)),
        Clients::new(channel, Authorization::bearer(&admin)),
    );
    let founded = admin.founded("ada@acme.com").await;
    billing.authenticate(by_token(&founded.session_token)).await.unwrap();
    billing.get(&founded.organization.unwrap().organization_id).await.unwrap();
    assert!(billing.create(organization("Acme")).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_have_the_environment_in_them() {
    let folder = Folder::new();
    let arguments = ["billing", "--permissions", "read", "--environment", "live"];
    let (key, line) = new(folder.path(), &arguments).await;
    assert!(key.starts_with("api-key-live-") && line.contains("api-key-live-"), "{line}");
    let callers = folder.file("callers", &line);
    let (code, _, logged) = program(folder.path(), &["check-config", "--callers-file", &callers]).await;
    assert_eq!(code, Some(1));
    assert!(logged.contains("line 1: api_key.id is not an id of this environment"), "{logged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_not_made() {
    let folder = Folder::new();
    for (arguments, code, expected) in [
        (&["billing"][..], 2, "--permissions"),
        (&["--permissions", "read"], 2, "<NAME>"),
        (&["billing", "--permissions", ""], 2, "a value is required for '--permissions"),
        (&["billing", "--permissions", "everything"], 2, "possible values: read, write, verify"),
        (&["billing", "--permissions", "READ"], 2, "invalid value"),
        (&["bill ing", "--permissions", "read"], 1, "the name of a caller is 1 to 128"),
        (&["", "--permissions", "read"], 1, "the name of a caller is 1 to 128"),
        (&["anonymous", "--permissions", "read"], 1, "no caller can be named anonymous"),
        (&["billing", "--permissions", "read", "--expires-in", "soon"], 2, "invalid value"),
        (&["billing", "--permissions", "read", "--expires-in", "9000years"], 1, "goes beyond the year 9999"),
    ] {
        let (status, printed, logged) =
            program(folder.path(), &[&["callers", "new"], arguments].concat()).await;
        assert_eq!((status, printed.as_str()), (Some(code), ""), "{arguments:?}: {logged}");
        assert!(logged.contains(expected), "{arguments:?} should say {expected:?}: {logged}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_is_refused_with_what_is_wrong() {
    let (folder, key) = (Folder::new(), Key::new("ada", &[Admin]));
    let issuer = r#"{"issuer": "i", "audience": "a", "jwks_file": "nowhere.json"}"#;
    let ports = ["--listen-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"];
    for (text, expected) in [
        (String::new(), "it names no caller"),
        ("# nobody\n".to_owned(), "it names no caller"),
        (format!("{}\n{{", key.line), "line 2: column 1: EOF"),
        (key.line.replace("admin", "root"), "line 1: permissions are at least one of"),
        (format!("{0}\n{0}", key.line), "line 2: another line has the same credential"),
        (
            format!("{}\n{issuer}", key.line),
            "the keys of the issuer i can't be read: nowhere.json can't be read",
        ),
        ("\u{0}".to_owned(), "line 1: it is not a JSON object"),
        ("#".repeat(5 << 20), "it is too large"),
    ] {
        let path = folder.file("callers", &text);
        for command in ["serve", "check-config"] {
            let arguments = [&[command, "--callers-file", &path], &ports[..]].concat();
            let (code, _, logged) = program(folder.path(), &arguments).await;
            assert_eq!(code, Some(1), "{command}: {logged}");
            assert!(logged.contains("who may call is not known"), "{command}: {logged}");
            assert!(logged.contains(expected), "{command} should say {expected:?}: {logged}");
        }
    }
    let arguments = [&["serve", "--callers-file", "nowhere"], &ports[..]].concat();
    let (code, _, logged) = program(folder.path(), &arguments).await;
    assert!(code == Some(1) && logged.contains("the callers file can't be read: nowhere"), "{logged}");
    assert!(!folder.path().join("vestibule-data").exists(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_can_reach_a_server_that_knows_its_callers() {
    let (folder, key) = (Folder::new(), Key::new("ada", &[Admin]));
    let callers = folder.file("callers", &key.line);
    for flag in ["--listen-address", "--http-address"] {
        let open = ["check-config", flag, "0.0.0.0:0"];
        let (code, _, logged) = program(folder.path(), &open).await;
        assert_eq!(code, Some(1), "{logged}");
        assert!(logged.contains("or --callers-file must say who may call"), "{logged}");
        let (code, printed, logged) =
            program(folder.path(), &[&open[..], &["--callers-file", &callers]].concat()).await;
        assert_eq!(code, Some(0), "{logged}");
        assert!(printed.contains(&format!("\ncallers-file = {callers}\n")), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_breaks_changes_nothing_and_is_told_once() {
    let (folder, key, new) = (Folder::new(), Key::new("ada", &[Admin]), Key::new("bob", &[Admin]));
    let callers = folder.file("callers", &key.line);
    let mut server = Program::serve(folder.path(), &["--callers-file", &callers]).await;
    let channel = connect(server.grpc).await;
    let call = async |key: &Key| {
        let mut clients = Clients::new(channel.clone(), Authorization::bearer(&key.text)).organizations;
        clients.search_organizations(pb::SearchOrganizationsRequest::default()).await
    };
    folder.file("callers", &format!("{}\n{{", new.line));
    let told = server.line(|line| line["message"] == UNUSABLE).await;
    assert_eq!(told["level"], "ERROR");
    assert!(
        told["error"].as_str().unwrap().ends_with("line 2: column 1: EOF while parsing an object"),
        "{told}"
    );
    call(&key).await.unwrap();
    assert!(call(&new).await.is_err());
    // Read again twice.
    tokio::time::sleep(2 * Duration::from_secs(2) + Duration::from_millis(500)).await;
    call(&key).await.unwrap();
    folder.file("callers", &new.line);
    until("the file that is whole again", async || call(&new).await.is_ok()).await;
    assert!(call(&key).await.is_err());
    let lines = server.log();
    let times = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
    assert_eq!((times(UNUSABLE), times("the callers file has changed and is in use")), (1, 1));
    // Another fault is told too; so is a file that is gone.
    folder.file("callers", "");
    server
        .line(|line| line["error"].as_str().is_some_and(|error| error.ends_with("it names no caller")))
        .await;
    std::fs::remove_file(&callers).unwrap();
    server.line(|line| line["error"].as_str().is_some_and(|error| error.contains("can't be read"))).await;
    call(&new).await.unwrap();
}
