//! Opaque tokens and the sealing key: each has one spelling, which `Debug` never shows.

use std::fmt::Debug;

use vestibule::entropy::Entropy;
use vestibule::tokens::opaque::{IntermediateToken, SessionToken, sha256};
use vestibule::tokens::sealing::SealingKey;

/// Randomness that is known: the input, again and again.
#[derive(Debug)]
struct Known<'a>(&'a [u8]);

impl Entropy for Known<'_> {
    fn fill(&self, bytes: &mut [u8]) {
        for (byte, known) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *byte = *known;
        }
    }
}

/// Checks a text, and the tokens that these bytes would make.
pub(crate) fn check(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        check_text(text);
    }
    let known: &dyn Entropy = &Known(data);
    let token = IntermediateToken::generate(known);
    let key = SealingKey::generate(known);
    check_text(&token.reveal());
    check_text(&key.reveal());
    let session_token = key.session_token(&token, data).expect("32 bytes are a key");
    check_text(&session_token.reveal());
    assert_eq!(IntermediateToken::parse(&token.reveal()), Ok(token));
    assert_eq!(SessionToken::parse(&session_token.reveal()), Ok(session_token));
    assert_eq!(SealingKey::parse(&key.reveal()).expect("a key").reveal(), key.reveal());
    // What nobody has sealed does not open, and what somebody has does.
    assert!(key.open(data, b"fuzzed").is_err());
    let sealed = key.seal(data, b"fuzzed", known).expect("32 bytes are a key");
    assert_eq!(key.open(&sealed, b"fuzzed").as_deref(), Ok(data));
}

fn check_text(text: &str) {
    let intermediate = IntermediateToken::parse(text);
    let session = SessionToken::parse(text);
    assert!(intermediate.is_err() || session.is_err(), "one text is two tokens");
    if let Ok(token) = intermediate {
        assert_eq!((token.reveal(), text.len()), (text.to_owned(), 44));
        assert_eq!(token.hash().0, sha256(text.as_bytes()));
        hides(&token, text);
    }
    if let Ok(token) = session {
        assert_eq!((token.reveal(), text.len()), (text.to_owned(), 44));
        assert_eq!(token.hash(), sha256(text.as_bytes()));
        hides(&token, text);
    }
    if let Ok(key) = SealingKey::parse(text) {
        assert_eq!(key.reveal(), text.trim());
        hides(&key, text.trim());
    }
}

fn hides(secret: &impl Debug, text: &str) {
    assert!(!format!("{secret:?}").contains(text));
}
