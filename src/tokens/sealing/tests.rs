use super::*;
use crate::entropy::OsEntropy;

#[test]
fn only_the_same_key_and_context_open_what_was_sealed() {
    let key = SealingKey::generate(&OsEntropy);
    let sealed = key.seal(b"secret", b"context", &OsEntropy).unwrap();
    assert_eq!(key.open(&sealed, b"context"), Ok(b"secret".to_vec()));
    assert_eq!(key.open(&sealed, b"another"), Err(SealingError::WrongKey));
    assert_eq!(SealingKey::generate(&OsEntropy).open(&sealed, b"context"), Err(SealingError::WrongKey));
    for position in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[position] ^= 1;
        assert_eq!(key.open(&changed, b"context"), Err(SealingError::WrongKey), "byte {position}");
        assert!(key.open(&sealed[..position], b"context").is_err());
    }
}

#[test]
fn session_tokens_depend_on_everything_they_are_derived_from() {
    let key = SealingKey::generate(&OsEntropy);
    let token = IntermediateToken::generate(&OsEntropy);
    let derived = key.session_token(&token, &[1; 32]).unwrap();
    assert_eq!(derived.reveal().len(), 44);
    assert!(key.session_token(&token, &[1; 32]).unwrap() == derived);
    assert!(key.session_token(&token, &[2; 32]).unwrap() != derived);
    assert!(key.session_token(&IntermediateToken::generate(&OsEntropy), &[1; 32]).unwrap() != derived);
    assert!(SealingKey::generate(&OsEntropy).session_token(&token, &[1; 32]).unwrap() != derived);
}

#[test]
fn a_key_file_holds_32_bytes_in_base64() {
    let key = SealingKey::generate(&OsEntropy);
    assert!(SealingKey::parse(&format!("{}\n", key.reveal())).is_ok());
    for text in ["", "short", "AAAA", &key.reveal()[1..]] {
        assert!(SealingKey::parse(text).is_err(), "{text}");
    }
    assert_eq!(format!("{key:?}"), "SealingKey(<redacted>)");
}
