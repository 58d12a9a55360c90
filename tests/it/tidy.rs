//! House rules that no other tool keeps.

use std::fs;
use std::path::{Path, PathBuf};

use crate::layering::rust_files;

/// The longest file.
const MAX_LINES: usize = 600;

/// Traits with more than one implementation.
const TRAITS: [&str; 4] = ["Clock", "Entropy", "Keeper", "Kind"];

/// Marks of unfinished work. In two parts, so that this file has none.
const UNFINISHED: [(&str, &str); 5] =
    [("to", "do!"), ("unimple", "mented!"), ("FIX", "ME"), ("XX", "X"), ("TO", "DO")];

/// How comments begin that retell the code.
const NARRATION: [&str; 8] = [
    "Now we",
    "First,",
    "This function",
    "This method",
    "Helper to",
    "Helper function",
    "Ensure that we",
    "We ",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust of the repository.
fn rust() -> Vec<PathBuf> {
    let mut files = rust_files(&root().join("src"));
    files.extend(rust_files(&root().join("tests")));
    files.extend(rust_files(&root().join("fuzz/checks")));
    files.push(root().join("build.rs"));
    files
}

fn files_in(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found
}

/// Where a rule is broken, as `path:line: what`.
fn faults(files: &[PathBuf], check: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        for (number, line) in text.lines().enumerate() {
            if let Some(fault) = check(line) {
                faults.push(format!("{}:{}: {fault}", place(file), number + 1));
            }
        }
    }
    faults
}

fn place(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().display().to_string()
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_are_not_too_long() {
    let files: Vec<_> =
        [rust(), files_in("proto", "proto"), files_in("migrations", "sql")].into_iter().flatten().collect();
    assert!(files.len() > 100, "the test finds files: {}", files.len());
    let long = files.iter().filter_map(|file| {
        let lines = fs::read_to_string(file).unwrap().lines().count();
        (lines > MAX_LINES).then(|| format!("{}: {lines} lines", place(file)))
    });
    none(&long.collect::<Vec<_>>());
}

#[test]
fn modules_are_named_files() {
    let named = rust().into_iter().filter(|file| file.ends_with("mod.rs")).map(|file| place(&file));
    none(&named.collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_unfinished() {
    none(&faults(&rust(), |line| {
        let marks = UNFINISHED.map(|(one, two)| format!("{one}{two}"));
        marks.into_iter().find(|mark| line.contains(mark.as_str()))
    }));
}

#[test]
fn lints_are_expected_and_not_allowed() {
    let marks = ["#[", "#!["].map(|opening| format!("{opening}allow("));
    none(&faults(&rust(), |line| marks.iter().find(|mark| line.contains(mark.as_str())).cloned()));
}

#[test]
fn comments_do_not_narrate() {
    none(&faults(&rust(), |line| {
        let comment = line.trim_start().strip_prefix("//")?.trim_start_matches(['/', '!']).trim_start();
        NARRATION.iter().find(|opener| comment.starts_with(**opener)).map(|_| comment.to_owned())
    }));
}

#[test]
fn traits_have_more_than_one_implementation() {
    let src = rust_files(&root().join("src"));
    none(&faults(&src, |line| {
        let mut words = line
            .trim_start()
            .strip_prefix("pub ")
            .or_else(|| line.trim_start().strip_prefix("pub(crate) "))?
            .strip_prefix("trait ")?
            .split(|character: char| !character.is_alphanumeric());
        let name = words.next()?;
        (!TRAITS.contains(&name)).then(|| format!("trait {name}"))
    }));
}

#[test]
fn errors_carry_no_strings() {
    let errors: Vec<_> =
        rust_files(&root().join("src")).into_iter().filter(|file| file.ends_with("error.rs")).collect();
    assert!(!errors.is_empty());
    none(&faults(&errors, |line| line.contains("(String)").then(|| line.trim().to_owned())));
}

/// What the repository says stands in the repository.
#[test]
fn nothing_refers_to_papers_that_readers_do_not_have() {
    let mut files = rust_files(&root().join("src"));
    files.extend(files_in("proto", "proto"));
    files.extend(files_in("migrations", "sql"));
    files.extend([root().join("README.md")].into_iter().filter(|file| file.exists()));
    let papers = ["semantics", "/work/", "spending.md", "house.md", "attacks.md", "api.md", "seeds/"];
    none(&faults(&files, |line| {
        papers.iter().find(|paper| line.contains(**paper)).map(|paper| (*paper).to_owned())
    }));
}

#[test]
fn engines_differ_in_few_places() {
    // Each has its reason. `impl Engine` in store.rs, whose uses are `Self::`, has the words that differ.
    let places = [
        // Several rows are one statement on Postgres, and a transaction on SQLite.
        ("src/store.rs", 2),
        // Each is opened in its own way.
        ("src/store/connect.rs", 2),
        // A wait that SQLite, with its one writer, has no need of.
        ("src/store/idempotency.rs", 1),
        // A list is one value: an array on Postgres, JSON on SQLite.
        ("src/store/parameters.rs", 4),
        // Which ways lead to a page: SQLite has no index for substrings, so nothing to gather by.
        ("src/store/search/organizations.rs", 4),
        // Rows of one statement or several as in store.rs; SQLite's transactions hold rows unasked.
        ("src/store/transaction.rs", 7),
    ];
    let mut found = Vec::new();
    for file in rust() {
        let count = fs::read_to_string(&file).unwrap().matches("Engine::").count();
        let place = place(&file);
        if count > 0 && place.starts_with("src/store") {
            found.push((place, count));
        }
    }
    found.sort();
    let expected: Vec<_> = places.map(|(place, count)| (place.to_owned(), count)).to_vec();
    assert_eq!(found, expected);
}
