use proptest::prelude::*;

use super::*;
use crate::entropy::OsEntropy;

fn key() -> ApiKey {
    ApiKey::generate(ApiKeyId::new(uuid::Uuid::from_u128(7)), &OsEntropy)
}

#[test]
fn a_key_is_read_back_and_known_by_its_hash() {
    let key = key();
    let text = key.reveal(Environment::Test);
    let read = ApiKey::parse(&text, Environment::Test).unwrap();
    assert_eq!(read.id(), key.id());
    let hash = SecretHash::parse(&key.hash().text()).unwrap();
    assert!(read.has(hash));
    assert!(!self::key().has(hash), "another secret of the same id");
    assert!(!format!("{key:?}").contains(text.split_once('.').unwrap().1));
}

#[test]
fn a_key_has_one_spelling() {
    let text = key().reveal(Environment::Test);
    let (id, secret) = text.split_once('.').unwrap();
    let last = if secret.ends_with('A') { 'B' } else { 'A' };
    for wrong in [
        String::new(),
        id.to_owned(),
        format!("{id}."),
        format!(".{secret}"),
        format!("{text}="),
        format!("{text}A"),
        format!(" {text}"),
        format!("{id}.{}", &secret[1..]),
        format!("{}.{secret}", id.to_uppercase()),
        format!("{id}.{secret}.{secret}"),
        text.replace("test", "live"),
        // The bits of the last character that no byte has.
        format!("{id}.{}{last}", "A".repeat(41) + "AB").replace("AB", "A_"),
    ] {
        assert!(ApiKey::parse(&wrong, Environment::Test).is_none(), "{wrong}");
    }
    assert!(ApiKey::parse(&text, Environment::Live).is_none());
}

#[test]
fn a_hash_is_64_lower_case_digits() {
    let hash = key().hash().text();
    assert_eq!(hash.len(), 64);
    for wrong in ["", &hash[1..], &format!("{hash}0"), &format!("{}g", &hash[1..]), &"A".repeat(64)] {
        assert!(SecretHash::parse(wrong).is_none(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn what_is_read_is_spelled_the_same(text in "(api-key-test-00000000-0000-0000-0000-00000000000[0-9]\\.)?[A-Za-z0-9_-]{42,44}") {
        if let Some(key) = ApiKey::parse(&text, Environment::Test) {
            prop_assert_eq!(key.reveal(Environment::Test), text);
        }
    }
}
