//! What fuzzing has found worth keeping, checked once more: each file of `fuzz/corpus/`, by the check that
//! its fuzz target is made of.

#[path = "../../fuzz/checks/callers_files.rs"]
mod callers_files;
#[path = "../../fuzz/checks/credentials.rs"]
mod credentials;
#[path = "../../fuzz/checks/cursors.rs"]
mod cursors;
#[path = "../../fuzz/checks/email_addresses.rs"]
mod email_addresses;
#[path = "../../fuzz/checks/email_domains.rs"]
mod email_domains;
#[path = "../../fuzz/checks/names.rs"]
mod names;
#[path = "../../fuzz/checks/rbac_policies.rs"]
mod rbac_policies;
#[path = "../../fuzz/checks/requests.rs"]
mod requests;
#[path = "../../fuzz/checks/session_jwts.rs"]
mod session_jwts;
#[path = "../../fuzz/checks/tokens.rs"]
mod tokens;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// The most bytes of a corpus: everybody clones it.
const MAX_CORPUS: u64 = 1024 * 1024;

macro_rules! replay {
    ($($target:ident),* $(,)?) => {
        const TARGETS: &[&str] = &[$(stringify!($target)),*];

        $(#[test]
        fn $target() {
            for file in corpus(stringify!($target)) {
                let input = fs::read(&file).unwrap();
                let checked = catch_unwind(|| $target::check(&input));
                assert!(checked.is_ok(), "{}", file.display());
            }
        })*
    };
}

replay!(
    callers_files,
    credentials,
    cursors,
    email_addresses,
    email_domains,
    names,
    rbac_policies,
    requests,
    session_jwts,
    tokens,
);

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(fuzz().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn corpus(target: &str) -> Vec<PathBuf> {
    let files = files(&format!("corpus/{target}"));
    assert!(!files.is_empty(), "{target} has no corpus");
    files
}

#[test]
fn every_target_is_replayed_here() {
    let stems = |folder| -> Vec<_> {
        files(folder).iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    for folder in ["checks", "fuzz_targets", "corpus"] {
        assert_eq!(stems(folder), TARGETS, "{folder}");
    }
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{target}\"\npath = \"fuzz_targets/{target}.rs\"")));
    }
}

/// Nothing is checked in a target itself: that would not be checked here.
#[test]
fn targets_have_nothing_of_their_own() {
    for target in TARGETS {
        let text = fs::read_to_string(fuzz().join(format!("fuzz_targets/{target}.rs"))).unwrap();
        let expected = format!(
            "#![no_main]\n\n#[path = \"../checks/{target}.rs\"]\nmod {target};\n\n\
             libfuzzer_sys::fuzz_target!(|data: &[u8]| {target}::check(data));\n"
        );
        assert_eq!(text, expected);
    }
}

#[test]
fn corpora_stay_small() {
    for target in TARGETS {
        let size: u64 = corpus(target).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(size <= MAX_CORPUS, "{target} has {size} bytes: scripts/fuzz makes it smaller");
    }
}
