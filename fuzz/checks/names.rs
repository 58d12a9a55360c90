//! What callers call things by: slugs, external ids, ids, phone numbers. Each is taken as it is written, and
//! no name can be taken for an id.

use vestibule::domain::default_names::{slug_from, with_suffix};
use vestibule::domain::ids::{
    Environment, Id, IdError, KeyKind, Kind, MemberKind, OrganizationKind, SessionKind,
};
use vestibule::domain::phone_number::PhoneNumber;
use vestibule::domain::slug::{ExternalId, Slug};

/// Checks a text.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(slug) = Slug::parse(text) {
        assert_eq!(slug.as_str(), text);
        assert_eq!(Slug::parse(&slug.key()).expect("a key is a slug").key(), slug.key());
        is_no_id::<OrganizationKind>(text);
        let other = with_suffix(&slug, "a1b2c3");
        assert!(other.as_str().ends_with("-a1b2c3") && other.as_str().len() <= 128, "{other:?}");
    }
    let made = slug_from(text);
    assert_eq!(Slug::parse(made.as_str()).as_ref(), Ok(&made));
    if let Ok(external_id) = ExternalId::parse_for_organization(text) {
        assert_eq!(external_id.as_str(), text);
        let key = external_id.key();
        assert_eq!(ExternalId::parse_for_organization(&key).expect("a key is an external id").key(), key);
        is_no_id::<OrganizationKind>(text);
    }
    if let Ok(external_id) = ExternalId::parse_for_member(text) {
        assert_eq!(external_id.as_str(), text);
        let key = external_id.key();
        assert_eq!(ExternalId::parse_for_member(&key).expect("a key is an external id").key(), key);
        is_no_id::<MemberKind>(text);
    }
    is_written_back::<OrganizationKind>(text);
    is_written_back::<MemberKind>(text);
    is_written_back::<SessionKind>(text);
    is_written_back::<KeyKind>(text);
    if let Ok(number) = PhoneNumber::parse(text) {
        assert_eq!(number.as_str(), text);
        assert!((8..=16).contains(&text.len()) && text[1..].parse::<u64>().is_ok());
        assert_eq!(format!("{number:?}"), "PhoneNumber(<redacted>)");
    }
}

fn is_no_id<K: Kind>(text: &str) {
    for environment in [Environment::Test, Environment::Live] {
        assert_eq!(Id::<K>::parse(text, environment), Err(IdError::Malformed), "{text}");
    }
}

/// An id is one of one environment, in one spelling.
fn is_written_back<K: Kind>(text: &str) {
    match (Id::<K>::parse(text, Environment::Test), Id::<K>::parse(text, Environment::Live)) {
        (Ok(id), Err(IdError::OtherEnvironment)) => assert_eq!(id.text(Environment::Test), text),
        (Err(IdError::OtherEnvironment), Ok(id)) => assert_eq!(id.text(Environment::Live), text),
        read => assert_eq!(read, (Err(IdError::Malformed), Err(IdError::Malformed))),
    }
}
