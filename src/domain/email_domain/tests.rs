use proptest::prelude::*;

use super::{CommonDomains, EmailDomain, EmailDomainError};

fn domain(text: &str) -> EmailDomain {
    EmailDomain::parse(text).unwrap()
}

#[test]
fn folds_every_spelling_to_one() {
    for (input, expected) in [
        ("gmail.com", "gmail.com"),
        ("GMAIL.com", "gmail.com"),
        ("gmail.com.", "gmail.com"),
        ("ＧＭＡＩＬ.com", "gmail.com"),
        ("gmail．com", "gmail.com"),
        ("gmail。com｡", "gmail.com"),
        ("𝐠mail.com", "gmail.com"),
        ("\u{212A}elvin.com", "kelvin.com"),
        ("\u{17F}how.com", "show.com"),
        ("mün\u{63}hen.de", "xn--mnchen-3ya.de"),
        ("mu\u{308}nchen.de", "xn--mnchen-3ya.de"),
        ("MÜNCHEN.DE", "xn--mnchen-3ya.de"),
        ("XN--MNCHEN-3YA.de", "xn--mnchen-3ya.de"),
        ("faß.de", "xn--fa-hia.de"),
        ("例え.jp", "xn--r8jz45g.jp"),
        ("почта.рф", "xn--80a1acny.xn--p1ai"),
        ("sub.mail.acme.co.uk", "sub.mail.acme.co.uk"),
        ("1and1.com", "1and1.com"),
        ("3com.0xyz", "3com.0xyz"),
        ("co.uk", "co.uk"),
    ] {
        let parsed = domain(input);
        assert_eq!(parsed.as_str(), expected, "{input:?}");
        assert_eq!(parsed.to_string(), expected);
    }
}

#[test]
fn refuses_what_is_not_a_domain() {
    use EmailDomainError::{EndsInNumber, Hidden, Malformed, MixedScripts};
    for (input, expected) in [
        ("", Malformed),
        (".", Malformed),
        ("com", Malformed),
        ("com.", Malformed),
        ("-", Malformed),
        (".com", Malformed),
        ("acme..com", Malformed),
        ("acme.com..", Malformed),
        ("-acme.com", Malformed),
        ("acme-.com", Malformed),
        ("ab--cd.com", Malformed),
        ("ac_me.com", Malformed),
        ("acme.com/x", Malformed),
        ("acme.com:25", Malformed),
        ("a@acme.com", Malformed),
        ("a＠acme.com", Malformed),
        ("[127.0.0.1]", Malformed),
        ("[IPv6:::1]", Malformed),
        ("gmail\u{2024}com", Malformed),
        ("gmail\u{FE52}com", Malformed),
        ("\u{2488}com.de", Malformed),
        ("\u{301}a.com", Malformed),
        ("xn--.com", Malformed),
        ("xn--gmail-.com", Malformed),
        ("xn--a.com", Malformed),
        ("127.0.0.1", EndsInNumber),
        ("１２７.0.0.1", EndsInNumber),
        ("acme.123", EndsInNumber),
        ("0x7f.0x1", EndsInNumber),
        ("127.0x", EndsInNumber),
        (" acme.com", Hidden),
        ("acme.com ", Hidden),
        ("ac me.com", Hidden),
        ("acme.com\n", Hidden),
        ("acme.com\0", Hidden),
        ("ac\u{7F}me.com", Hidden),
        ("ac\u{A0}me.com", Hidden),
        ("ac\u{3000}me.com", Hidden),
        ("ac\u{AD}me.com", Hidden),
        ("ac\u{200B}me.com", Hidden),
        ("ac\u{200C}me.com", Hidden),
        ("ac\u{200D}me.com", Hidden),
        ("ac\u{200E}me.com", Hidden),
        ("ac\u{202E}me.com", Hidden),
        ("ac\u{2066}me.com", Hidden),
        ("ac\u{2060}me.com", Hidden),
        ("ac\u{FE0F}me.com", Hidden),
        ("ac\u{FEFF}me.com", Hidden),
        ("ac\u{E0061}me.com", Hidden),
        // A joiner that the rules of UTS-46 let pass (after a virama), openly and as an A-label.
        ("क\u{94D}\u{200D}ष.com", Hidden),
        ("xn--11b2ezcw70k.com", Hidden),
        ("gm\u{430}il.com", MixedScripts),
        ("gmail.c\u{43E}m", MixedScripts),
        ("p\u{3B1}ypal.com", MixedScripts),
        ("\u{3BF}\u{43E}.com", MixedScripts),
        ("xn--gmil-63d.com", MixedScripts),
        ("mail.xn--gmil-63d.com", MixedScripts),
    ] {
        assert_eq!(EmailDomain::parse(input), Err(expected), "{input:?}");
    }
}

#[test]
fn a_look_alike_of_one_script_is_another_domain() {
    for input in ["gmaıl.com", "gmaİl.com", "аррӏе.com", "acme\u{2215}.com"] {
        let parsed = domain(input);
        assert!(parsed.as_str().starts_with("xn--"), "{input:?}");
        assert!(!CommonDomains::default().contains(&parsed), "{input:?}");
    }
}

#[test]
fn holds_the_limits_of_dns() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(longest.len(), 253);
    assert_eq!(domain(&longest).as_str(), longest);
    assert_eq!(domain(&format!("{longest}.")).as_str(), longest);
    let wide: String = longest.chars().map(|character| if character == 'a' { '𝐚' } else { '．' }).collect();
    assert_eq!(domain(&wide).as_str(), longest);

    for input in [
        format!("{longest}a"),
        format!("{label}a.com"),
        format!("{}.com", "ü".repeat(60)),
        "a.".repeat(127) + "com",
        "a".repeat(100_000),
        "ü".repeat(100_000),
    ] {
        let outcome = EmailDomain::parse(&input);
        assert_eq!(outcome, Err(EmailDomainError::TooLong), "{}", input.len());
    }
}

#[test]
fn equality_is_of_whole_names() {
    let acme = domain("acme.com");
    assert_eq!(acme, domain("ACME.com."));
    for other in ["notacme.com", "acme.com.evil.io", "mail.acme.com", "acme.co", "acme.com.co"] {
        assert_ne!(acme, domain(other), "{other}");
    }
}

#[test]
fn knows_public_suffixes_and_the_label_left_of_them() {
    for (input, suffix, label) in [
        ("gmail.com", false, Some("gmail")),
        ("mail.acme.co.uk", false, Some("acme")),
        ("co.uk", true, None),
        ("github.io", true, None),
        ("acme.github.io", false, Some("acme")),
        ("s3.amazonaws.com", true, None),
        ("amazonaws.com", false, Some("amazonaws")),
        ("foo.ck", true, None),
        ("www.ck", false, Some("www")),
        ("city.kawasaki.jp", false, Some("city")),
        ("公司.cn", true, None),
        ("acme.公司.cn", false, Some("acme")),
        ("acme.unlisted", false, Some("acme")),
        ("mail.acme.unlisted", false, Some("acme")),
    ] {
        let parsed = domain(input);
        assert_eq!(parsed.is_public_suffix(), suffix, "{input}");
        assert_eq!(parsed.label_left_of_suffix(), label, "{input}");
    }
}

#[test]
fn knows_disposable_providers_and_what_is_below_them() {
    for (input, expected) in [
        ("33mail.com", true),
        ("OK.33mail.com.", true),
        ("mailinator.com", true),
        ("not33mail.com", false),
        ("33mail.com.acme.io", false),
        ("gmail.com", false),
        ("acme.com", false),
    ] {
        assert_eq!(domain(input).is_disposable(), expected, "{input}");
    }
}

#[test]
fn the_published_labels_are_common_wherever_they_are() {
    let common = CommonDomains::default();
    for label in super::COMMON_LABELS {
        for text in [format!("{label}.com"), format!("Mx.{label}.CO.UK.")] {
            assert!(common.contains(&domain(&text)), "{text}");
        }
    }
    for (input, expected) in [
        ("yahoo.co.uk", true),
        ("live.fr", true),
        ("gmx.net", true),
        ("libero.it", true),
        ("eu.mail.yahoo.com", true),
        ("ＧＭＡＩＬ．ＣＯＭ", true),
        ("acme.com", false),
        ("notgmail.com", false),
        ("gmail.acme.com", false),
        ("gmail-acme.com", false),
    ] {
        assert_eq!(common.contains(&domain(input)), expected, "{input}");
    }
}

#[test]
fn the_common_labels_can_be_replaced() {
    let common = CommonDomains::new(["Acme".to_owned()]);
    assert!(common.contains(&domain("acme.com")));
    assert!(!common.contains(&domain("gmail.com")));
    assert!(!CommonDomains::new([]).contains(&domain("gmail.com")));
}

#[test]
fn errors_are_fragments() {
    use EmailDomainError::{EndsInNumber, Hidden, Malformed, MixedScripts, TooLong};
    for error in [Malformed, TooLong, EndsInNumber, Hidden, MixedScripts] {
        let text = error.to_string();
        assert!(text.starts_with("must ") && !text.ends_with('.'), "{text}");
    }
}

#[test]
fn serialises_as_its_text() {
    let acme = domain("acme.com");
    assert_eq!(serde_json::to_string(&acme).unwrap(), r#""acme.com""#);
    assert_eq!(serde_json::from_str::<EmailDomain>(r#""acme.com""#).unwrap(), acme);
}

proptest! {
    #[test]
    fn any_text_gives_an_error_or_a_value_of_the_promised_form(
        text in prop_oneof![
            r"(?s:.){0,40}",
            r"[a-z0-9ＡＺ。.ıßéа日-]{0,5}(?s:.)?[a-zA-Z0-9]{1,5}(\.[a-z]{2,3})?[.。]?",
        ],
    ) {
        if let Ok(parsed) = EmailDomain::parse(&text) {
            let name = parsed.as_str();
            prop_assert!(name.len() <= 253);
            prop_assert!(name.split('.').count() >= 2);
            for label in name.split('.') {
                prop_assert!((1..=63).contains(&label.len()));
                prop_assert!(!label.starts_with('-') && !label.ends_with('-'));
                prop_assert!(label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')));
            }
            prop_assert_eq!(EmailDomain::parse(name), Ok(parsed.clone()));
        }
    }

    #[test]
    fn case_width_and_the_trailing_dot_do_not_matter(
        name in "[a-z]([a-z0-9]{0,10}[a-z0-9])?(\\.[a-z][a-z0-9]{0,8}){1,4}",
    ) {
        let parsed = domain(&name);
        prop_assert_eq!(parsed.as_str(), name.as_str());
        prop_assert_eq!(&domain(&name.to_uppercase()), &parsed);
        prop_assert_eq!(&domain(&format!("{name}.")), &parsed);
        let wide: String = name
            .chars()
            .map(|c| char::from_u32(u32::from(c) + 0xFEE0).unwrap())
            .collect();
        prop_assert_eq!(&domain(&wide), &parsed);
    }

    #[test]
    fn an_ending_is_never_a_match(prefix in "[a-z]{1,8}[.]?", name in "[a-z]{1,8}\\.[a-z]{2,4}") {
        prop_assert_ne!(domain(&format!("{prefix}{name}")), domain(&name));
        prop_assert_ne!(domain(&format!("{name}.{name}")), domain(&name));
    }
}
