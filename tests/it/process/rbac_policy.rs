//! The file of `--rbac-policy-file`, at start and when settings are checked.

use crate::harness::program::{Folder, run};

/// A file that is refused, and what is said about it.
const REFUSED: [(&str, &str); 4] = [
    ("{\"roles\": [\n", "it has not the form of a policy: EOF while parsing a list at line 2 column 0"),
    (r#"{"scopes": []}"#, "it has not the form of a policy: unknown field `scopes`"),
    (
        r#"{"resources": [{"resource_id": "stytch.self", "actions": ["read"]}]}"#,
        r#"the resource "stytch.self" has an id that begins with "stytch""#,
    ),
    (
        r#"{"roles": [{"role_id": "editor", "permissions": [{"resource_id": "documents", "actions": ["*"]}]}]}"#,
        r#"the permission of the role "editor" on "documents" is on a resource that is not known"#,
    ),
];

/// Runs the command with the file, and tells its exit code, what it printed and what it logged as the
/// reason to stop.
async fn with_file(folder: &Folder, command: &str, path: &str) -> (Option<i32>, String, Option<String>) {
    let arguments = [
        command,
        "--rbac-policy-file",
        path,
        "--listen-address",
        "127.0.0.1:0",
        "--http-address",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ];
    let output = run(folder.path(), &arguments).await;
    let printed = String::from_utf8(output.stdout).unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let line = log.lines().last().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    (output.status.code(), printed, line.map(|line| line["error"].as_str().unwrap().to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_is_refused_with_what_is_wrong() {
    let folder = Folder::new();
    for command in ["serve", "check-config"] {
        for (text, sentence) in REFUSED {
            let path = folder.file("policy.json", text);
            let (code, _, said) = with_file(&folder, command, &path).await;
            let said = said.unwrap_or_else(|| panic!("{command} says nothing about {text}"));
            assert_eq!(code, Some(1), "{command}: {said}");
            let whole = format!("the file of --rbac-policy-file is not usable: {path}: {sentence}");
            assert!(said.starts_with(&whole), "{command} should say {whole:?}: {said:?}");
        }
        let missing = folder.path().join("missing").display().to_string();
        let (code, _, said) = with_file(&folder, command, &missing).await;
        let expected = format!("the file of --rbac-policy-file can't be read: {missing}");
        assert!(said.as_ref().is_some_and(|said| said.starts_with(&expected)), "{command}: {said:?}");
        assert_eq!(code, Some(1), "{command}");
    }
    assert!(!folder.path().join("vestibule-data").exists(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_config_prints_the_settings_whatever_the_file_holds() {
    let folder = Folder::new();
    let path = folder.file("policy.json", r#"{"roles": [{"role_id": "editor", "permissions": []}]}"#);
    let good = with_file(&folder, "check-config", &path).await;
    assert!(good.1.contains(&format!("\nrbac-policy-file = {path}\n")), "{}", good.1);
    assert_eq!((good.0, good.2), (Some(0), None));
    folder.file("policy.json", "no policy");
    let bad = with_file(&folder, "check-config", &path).await;
    assert_eq!((bad.0, bad.1), (Some(1), good.1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_files_are_checked_as_well() {
    let folder = Folder::new();
    let missing = folder.path().join("missing").display().to_string();
    let short = folder.file("short.key", "c2hvcnQ=");
    for (flag, path, sentence) in [
        ("--sealing-key-file", &missing, "the file of --sealing-key-file can't be read"),
        ("--sealing-key-file", &short, "a sealing key is 32 bytes in base64"),
        ("--common-email-domains-file", &missing, "the file of --common-email-domains-file can't be read"),
    ] {
        let output = run(folder.path(), &["check-config", flag, path]).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{flag}: {said}");
        assert!(said.contains(sentence), "{flag} should say {sentence:?}: {said}");
    }
}

/// The policy that the README shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_of_the_readme_is_usable() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let roles = readme.split("### Roles\n").nth(1).unwrap();
    let policy = roles.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = Folder::new();
    let path = folder.file("policy.json", policy);
    let (code, _, said) = with_file(&folder, "check-config", &path).await;
    assert_eq!((code, said), (Some(0), None));
}
