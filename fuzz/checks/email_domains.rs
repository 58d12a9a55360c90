//! Domains of e-mail addresses: whatever is read has one spelling, and every other one leads to it.

use std::net::IpAddr;

use vestibule::domain::email_domain::{CommonDomains, EmailDomain};

/// Checks a text.
pub(crate) fn check(data: &[u8]) {
    let Some(domain) = str::from_utf8(data).ok().and_then(|text| EmailDomain::parse(text).ok()) else {
        return;
    };
    let name = domain.as_str();
    let labels: Vec<_> = name.split('.').collect();
    assert!((3..=253).contains(&name.len()) && labels.len() >= 2, "{name}");
    for label in labels {
        let plain = label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        assert!((1..=63).contains(&label.len()) && plain, "{name}");
        assert!(!label.starts_with('-') && !label.ends_with('-'), "{name}");
    }
    assert!(name.parse::<IpAddr>().is_err(), "{name}");
    let (unicode, readable) = idna::domain_to_unicode(name);
    assert!(readable.is_ok(), "{name}");
    for spelling in [
        name.to_owned(),
        name.to_ascii_uppercase(),
        format!("{name}."),
        name.replace('.', "\u{3002}"),
        unicode,
    ] {
        assert_eq!(EmailDomain::parse(&spelling).as_ref(), Ok(&domain), "{spelling:?}");
    }
    assert_eq!(domain.is_public_suffix(), domain.label_left_of_suffix().is_none(), "{name}");
    let (common, disposable) = (CommonDomains::default().contains(&domain), domain.is_disposable());
    // What is said of a name holds below it, too.
    if let Ok(below) = EmailDomain::parse(&format!("mail.{name}"))
        && !domain.is_public_suffix()
        && !below.is_public_suffix()
    {
        assert_eq!(CommonDomains::default().contains(&below), common, "{name}");
        assert!(below.is_disposable() || !disposable, "{name}");
    }
}
