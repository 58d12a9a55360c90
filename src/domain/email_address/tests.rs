use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use proptest::prelude::*;

use super::{AT_SIGNS, EmailAddress, EmailAddressError};
use crate::domain::email_domain::{EmailDomain, EmailDomainError};

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

#[test]
fn folds_case_and_the_spelling_of_the_domain() {
    for (input, expected) in [
        ("jane@acme.com", "jane@acme.com"),
        ("Jane.DOE@ACME.com.", "jane.doe@acme.com"),
        ("jane+Tag@acme.com", "jane+tag@acme.com"),
        ("j.a.n.e@gmail.com", "j.a.n.e@gmail.com"),
        ("jane＠acme．com", "jane@acme.com"),
        ("jane\u{FE6B}acme.com", "jane@acme.com"),
        ("jane@MÜNCHEN.de", "jane@xn--mnchen-3ya.de"),
        ("+@acme.com", "+@acme.com"),
        ("!#$%&'*+-/=?^_`{|}~@acme.com", "!#$%&'*+-/=?^_`{|}~@acme.com"),
        ("jane@co.uk", "jane@co.uk"),
    ] {
        let parsed = address(input);
        assert_eq!(parsed.as_str(), expected, "{input:?}");
        assert_eq!(parsed.to_string(), expected);
    }
}

#[test]
fn gives_its_two_halves() {
    let jane = address("Jane+x@mail.ACME.com");
    assert_eq!(jane.local_part(), "jane+x");
    assert_eq!(jane.domain(), &EmailDomain::parse("mail.acme.com").unwrap());
}

#[test]
fn never_merges_mailboxes() {
    for (one, other) in [
        ("jane+a@gmail.com", "jane@gmail.com"),
        ("jane+a@gmail.com", "jane+b@gmail.com"),
        ("j.ane@gmail.com", "jane@gmail.com"),
        ("jane@googlemail.com", "jane@gmail.com"),
        ("jane@notacme.com", "jane@acme.com"),
        ("jane@acme.com.evil.io", "jane@acme.com"),
        ("jane@gmaıl.com", "jane@gmail.com"),
    ] {
        assert_ne!(address(one), address(other));
    }
    assert_eq!(address("JANE@gmail.com"), address("jane@GMAIL.com."));
}

#[test]
fn refuses_what_is_not_an_address() {
    use EmailAddressError::{AtSign, Domain, LocalPart};
    let malformed = Domain(EmailDomainError::Malformed);
    let hidden = Domain(EmailDomainError::Hidden);
    for (input, expected) in [
        ("", AtSign),
        ("jane", AtSign),
        ("jane at acme.com", AtSign),
        ("a@b@victim.com", AtSign),
        ("a@b＠victim.com", AtSign),
        ("a＠b@victim.com", AtSign),
        ("a@evil.com\u{FE6B}victim.com", AtSign),
        ("@@acme.com", AtSign),
        (r#""a@b"@victim.com"#, AtSign),
        ("@acme.com", LocalPart),
        (r#""jane"@acme.com"#, LocalPart),
        (r#""jane doe"@acme.com"#, LocalPart),
        (r"ja\ne@acme.com", LocalPart),
        ("jane(comment)@acme.com", LocalPart),
        ("(comment)jane@acme.com", LocalPart),
        ("jane doe@acme.com", LocalPart),
        (" jane@acme.com", LocalPart),
        ("jane @acme.com", LocalPart),
        ("Jane <jane@acme.com", LocalPart),
        ("mailto:jane@acme.com", LocalPart),
        ("jane,joe@acme.com", LocalPart),
        (".jane@acme.com", LocalPart),
        ("jane.@acme.com", LocalPart),
        ("ja..ne@acme.com", LocalPart),
        ("ja\0ne@acme.com", LocalPart),
        ("ja\nne@acme.com", LocalPart),
        ("ja\u{200D}ne@acme.com", LocalPart),
        ("ja\u{202E}ne@acme.com", LocalPart),
        ("j\u{430}ne@acme.com", LocalPart),
        ("ｊane@acme.com", LocalPart),
        ("\u{212A}elvin@acme.com", LocalPart),
        ("mıke@acme.com", LocalPart),
        ("jané@acme.com", LocalPart),
        ("a@", malformed),
        ("a@-", malformed),
        ("a@localhost", malformed),
        ("a@.acme.com", malformed),
        ("a@acme..com", malformed),
        ("a@acme.com..", malformed),
        ("a@acme.com(comment)", malformed),
        ("a@[127.0.0.1]", malformed),
        ("a@127.0.0.1", Domain(EmailDomainError::EndsInNumber)),
        ("a@acme.com ", hidden),
        ("a@acme.com\r\nbcc:b", hidden),
        ("a@acme.com\0", hidden),
        ("a@ac\u{200D}me.com", hidden),
        ("a@gm\u{430}il.com", Domain(EmailDomainError::MixedScripts)),
    ] {
        assert_eq!(EmailAddress::parse(input), Err(expected), "{input:?}");
    }
}

#[test]
fn takes_the_ascii_characters_of_rfc_5322_and_no_others() {
    for byte in 0..=0x7F_u8 {
        let character = char::from(byte);
        let taken = EmailAddress::parse(&format!("a{character}b@acme.com")).is_ok();
        let allowed = "!#$%&'*+-/=?^_`{|}~.".contains(character);
        assert_eq!(taken, allowed || character.is_ascii_alphanumeric(), "{byte}");
    }
}

#[test]
fn holds_the_limits_of_smtp() {
    use EmailAddressError::{Domain, TooLong};
    let local = "a".repeat(64);
    let label = "b".repeat(63);
    let domain = format!("{label}.{label}.{}", "b".repeat(61));
    let longest = format!("{local}@{domain}");
    assert_eq!(longest.len(), 254);
    assert_eq!(address(&longest).as_str(), longest);

    for (input, expected) in [
        (format!("{longest}b"), TooLong),
        (format!("{local}a@acme.com"), TooLong),
        (format!("a@{label}.{label}.{label}.{label}"), Domain(EmailDomainError::TooLong)),
        ("a".repeat(100_000) + "@acme.com", TooLong),
        (format!("a@{}.com", "b".repeat(100_000)), Domain(EmailDomainError::TooLong)),
    ] {
        let outcome = EmailAddress::parse(&input);
        assert_eq!(outcome, Err(expected), "{}", input.len());
    }
}

/// UTS-46 maps as NFKC does, so no third look-alike can be read as an at sign further on.
#[test]
fn knows_every_character_that_becomes_an_at_sign() {
    let uts46 = Uts46::new();
    let found: Vec<char> = ('\0'..=char::MAX)
        .filter(|character| {
            let text = character.to_string();
            uts46
                .to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore)
                .is_ok_and(|mapped| mapped.contains('@'))
        })
        .collect();
    assert_eq!(found, AT_SIGNS);
}

#[test]
fn debug_and_errors_hide_the_address() {
    let jane = address("jane@acme.com");
    assert_eq!(format!("{jane:?}"), "EmailAddress(<redacted>)");
    assert_eq!(format!("{:?}", Some(&jane)), "Some(EmailAddress(<redacted>))");

    let text = EmailAddress::parse("jane@ac me.com").unwrap_err().to_string();
    assert_eq!(text, "domain must not contain spaces, control characters or invisible characters");
    for error in [EmailAddressError::AtSign, EmailAddressError::LocalPart, EmailAddressError::TooLong] {
        let text = error.to_string();
        assert!(text.starts_with("must ") && !text.ends_with('.'), "{text}");
    }
}

#[test]
fn serialises_as_one_string_and_is_judged_when_read() {
    let jane = address("jane@acme.com");
    assert_eq!(serde_json::to_string(&jane).unwrap(), r#""jane@acme.com""#);
    assert_eq!(serde_json::from_str::<EmailAddress>(r#""jane@acme.com""#).unwrap(), jane);
    let error = serde_json::from_str::<EmailAddress>(r#""a@b@victim.com""#).unwrap_err();
    assert!(!error.to_string().contains("victim"), "{error}");
}

proptest! {
    #[test]
    fn any_text_gives_an_error_or_a_value_that_parses_to_itself(
        text in prop_oneof![
            r"(?s:.){0,40}",
            r"[a-zA-Z0-9+.]{1,5}(?s:.)?[a-z]{0,2}[@＠][a-zＡ。é]{0,4}(?s:.)?[a-z]{1,4}\.[a-z]{2,3}",
        ],
    ) {
        if let Ok(parsed) = EmailAddress::parse(&text) {
            prop_assert!(parsed.as_str().len() <= 254);
            prop_assert!((1..=64).contains(&parsed.local_part().len()));
            prop_assert!(parsed.as_str().is_ascii());
            prop_assert_eq!(parsed.as_str().matches('@').count(), 1);
            prop_assert_eq!(
                format!("{}@{}", parsed.local_part(), parsed.domain()),
                parsed.as_str(),
            );
            prop_assert_eq!(EmailAddress::parse(parsed.as_str()), Ok(parsed.clone()));
        }
    }

    #[test]
    fn a_plain_address_survives_every_round_trip(
        local in "[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\\.[a-z0-9_+-]{1,8}){0,3}",
        name in "[a-z]{1,10}(\\.[a-z]{2,6}){1,3}",
    ) {
        let text = format!("{local}@{name}");
        let parsed = address(&text);
        prop_assert_eq!(parsed.to_string(), text.as_str());
        prop_assert_eq!(parsed.local_part(), local);
        prop_assert_eq!(parsed.domain().as_str(), name);
        let json = serde_json::to_string(&parsed).unwrap();
        prop_assert_eq!(serde_json::from_str::<EmailAddress>(&json).unwrap(), parsed.clone());
        prop_assert_eq!(address(&text.to_ascii_uppercase()), parsed);
    }
}
