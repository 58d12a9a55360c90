//! The callers file: what is understood says the same however its lines stand, and a fault quotes nothing.

use vestibule::callers::CallersFile;
use vestibule::domain::ids::Environment;

/// The most bytes of a fault.
const MAX_FAULT: usize = 1_000;

/// What nobody may read again: in every input, where a careless hand might put it.
const SECRET: &str = "SXuZDRjZ9wVYqLzXoZ2c3cMGbNq1TDVYqcNhX8BBo0k";

/// Checks a text, and the text with a secret in place of every hash in it.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let understood = understand(text);
    let spaced = text.lines().fold(String::new(), |text, line| text + "  " + line + "\t\r\n\n# a comment\n");
    assert_eq!(understand(&spaced), understood, "{text}");
    for environment in [Environment::Test, Environment::Live] {
        let pasted = text.replace("66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925", SECRET);
        if let Err(fault) = CallersFile::parse(&pasted, environment) {
            let fault = fault.to_string();
            assert!(fault.len() <= MAX_FAULT, "{fault}");
            assert!(!fault.contains(SECRET), "{fault}");
        }
    }
}

fn understand(text: &str) -> bool {
    CallersFile::parse(text, Environment::Test).is_ok()
}
