//! E-mail addresses: whatever is read has one spelling, which makes names and is never shown by accident.

use vestibule::domain::default_names::default_names;
use vestibule::domain::email_address::EmailAddress;
use vestibule::domain::email_domain::{CommonDomains, EmailDomain};
use vestibule::domain::slug::Slug;

/// Checks a text.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(address) = EmailAddress::parse(text) else {
        return;
    };
    let spelt = address.as_str();
    let (local_part, domain) = spelt.split_once('@').expect("one at sign");
    assert!(spelt.len() <= 254 && (1..=64).contains(&local_part.len()), "{spelt}");
    assert!(spelt.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()), "{spelt}");
    assert_eq!(address.local_part(), local_part);
    assert_eq!(EmailDomain::parse(domain).as_ref(), Ok(address.domain()));
    for spelling in [spelt.to_owned(), spelt.to_ascii_uppercase(), format!("{spelt}.")] {
        assert_eq!(EmailAddress::parse(&spelling).as_ref(), Ok(&address), "{spelling:?}");
    }
    let json = serde_json::to_string(&address).expect("an address is a string");
    assert_eq!(serde_json::from_str::<EmailAddress>(&json).expect("an address"), address);
    assert_eq!(format!("{address:?}"), "EmailAddress(<redacted>)");
    let names = default_names(&address, &CommonDomains::default());
    assert!((1..=64).contains(&names.name.len()), "{names:?}");
    assert_eq!(Slug::parse(names.slug.as_str()).as_ref(), Ok(&names.slug));
}
