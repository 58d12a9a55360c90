//! The rooms of `src/`, and who may import whom.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, from the lowest to the highest, each with those it may import. A room may always import
/// itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("pb", &[]),
    ("clock", &[]),
    ("entropy", &[]),
    ("domain", &[]),
    ("config", &["domain"]),
    ("telemetry", &["config"]),
    ("transport", &["clock", "config", "telemetry"]),
    ("tokens", &["domain", "clock", "entropy"]),
    ("callers", &["clock", "domain", "telemetry", "tokens"]),
    ("store", &["domain", "telemetry"]),
    ("kv", &["domain", "clock", "telemetry"]),
    ("service", &["domain", "store", "kv", "tokens", "clock", "entropy", "telemetry"]),
    ("api", &["pb", "domain", "service", "tokens", "callers", "clock", "entropy", "telemetry", "transport"]),
    (
        "app",
        &[
            "pb",
            "clock",
            "entropy",
            "domain",
            "config",
            "telemetry",
            "transport",
            "tokens",
            "callers",
            "store",
            "kv",
            "service",
            "api",
        ],
    ),
];

/// Outside crates that belong to some rooms alone.
const CRATES: &[(&str, &[&str])] = &[
    ("sea_orm", &["store"]),
    ("sqlx", &["store"]),
    ("redis", &["kv"]),
    ("tonic", &["pb", "telemetry", "transport", "api", "app"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("prometheus", &["telemetry"]),
    ("tonic_types", &["api"]),
    ("prost", &["api"]),
    ("prost_types", &["api"]),
    ("axum", &["api"]),
    ("jsonwebtoken", &["tokens"]),
    ("aws_lc_rs", &["tokens", "entropy"]),
    ("hyper_util", &["transport", "callers", "api"]),
    ("hyper_rustls", &["callers"]),
    ("rustls", &["telemetry", "transport", "callers"]),
    ("tokio_rustls", &["transport"]),
    ("webpki", &["transport"]),
    ("tokio", &["telemetry", "transport", "callers", "kv", "store", "service", "api", "app"]),
    ("tracing_subscriber", &["telemetry", "config"]),
];

/// Every Rust file under a folder.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The room of a file; `None` for `lib.rs` and `main.rs`.
fn room(file: &Path) -> Option<String> {
    let first = file.strip_prefix(src()).unwrap().components().next().unwrap();
    let name = first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
    (!["lib", "main"].contains(&name.as_str())).then_some(name)
}

/// The names that follow `crate::` in a line: one, or those of a list.
fn imports(line: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (position, _) in line.match_indices("crate::") {
        let rest = &line[position + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(list) => {
                let mut depth = 0;
                for item in list.split_inclusive([',', '{', '}']) {
                    if depth == 0 {
                        names.push(word(item.trim_start()));
                    }
                    depth += i32::from(item.ends_with('{')) - i32::from(item.ends_with('}'));
                }
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The identifier at the start.
fn word(text: &str) -> &str {
    let end = text.find(|character: char| !character.is_alphanumeric() && character != '_');
    &text[..end.unwrap_or(text.len())]
}

/// Whether a line names something of an outside crate.
fn uses(line: &str, name: &str) -> bool {
    line.match_indices(&format!("{name}::")).any(|(position, _)| {
        let before = line[..position].chars().next_back();
        before.is_none_or(|character| !character.is_alphanumeric() && !['_', ':'].contains(&character))
    })
}

/// Each line of code of a room, with the place it stands at.
fn lines(mut check: impl FnMut(&str, &str) -> Vec<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for file in rust_files(&src()) {
        let Some(room) = room(&file) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            let place = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display();
            faults.extend(
                check(&room, line).into_iter().map(|fault| format!("{place}:{}: {fault}", number + 1)),
            );
        }
    }
    faults
}

#[test]
fn imports_run_one_way() {
    for (position, (room, allowed)) in ROOMS.iter().enumerate() {
        for name in *allowed {
            let stands = ROOMS.iter().position(|(other, _)| other == name);
            assert!(
                stands.is_some_and(|stands| stands < position),
                "{room} may import {name}, which is not below"
            );
        }
    }
    let mut seen = 0;
    let faults = lines(|room, line| {
        let (_, allowed) =
            ROOMS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("{room} is no room"));
        let names = imports(line);
        seen += names.len();
        let wrong = names.into_iter().filter(|name| *name != room && !allowed.contains(name));
        wrong.map(|name| format!("{room} -> {name}")).collect()
    });
    assert_eq!(faults, Vec::<String>::new());
    assert!(seen > 100, "the test reads imports: {seen}");
}

#[test]
fn outside_crates_stay_in_their_rooms() {
    let faults = lines(|room, line| {
        let wrong = CRATES.iter().filter(|(name, rooms)| uses(line, name) && !rooms.contains(&room));
        wrong.map(|(name, _)| format!("{room} -> {name}")).collect()
    });
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn the_table_of_the_crate_is_the_table_of_this_test() {
    let text = fs::read_to_string(src().join("lib.rs")).unwrap();
    let mut told = Vec::new();
    for line in text.lines() {
        if let Some(cell) = line.strip_prefix("//! | [`").and_then(|row| row.split(" | ").next()) {
            told.extend(
                cell.split(['`', '[', ']', ',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned),
            );
        }
    }
    let rooms: Vec<_> = ROOMS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(told, rooms);
    let modules: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(modules, rooms);
}

#[test]
fn lists_of_imports_are_read() {
    assert_eq!(imports("use crate::{kv, store::{Error, Store}, tokens};"), ["kv", "store", "tokens"]);
    assert_eq!(imports("use crate::kv::Keeper; type A = crate::api::Api;"), ["kv", "api"]);
    assert!(uses("use redis::Client;", "redis") && uses("    Box<redis::Error>", "redis"));
    assert!(!uses("use super::redis::Keeper; use my_redis::X;", "redis"));
}
