use proptest::prelude::*;

use super::{DefaultNames, default_names, with_suffix};
use crate::domain::email_address::EmailAddress;
use crate::domain::email_domain::CommonDomains;
use crate::domain::slug::Slug;

fn names_of(text: &str) -> DefaultNames {
    default_names(&EmailAddress::parse(text).unwrap(), &CommonDomains::default())
}

#[test]
fn an_organization_is_named_after_its_creators_address() {
    for (email, name, slug) in [
        ("jane@acme.com", "acme", "acme"),
        ("Jane@Mail.ACME.co.uk.", "acme", "acme"),
        ("jane+x@acme.unlisted", "acme", "acme"),
        ("jane@acme.github.io", "acme", "acme"),
        ("jane@x.com", "x", "x-org"),
        ("jane@münchen.de", "xn--mnchen-3ya", "xn-mnchen-3ya"),
        ("Jane.Doe@gmail.com", "jane.doe", "jane.doe"),
        ("jane+work@yahoo.co.uk", "jane", "jane"),
        ("jane+a+b@eu.live.fr", "jane", "jane"),
        ("j@gmail.com", "j", "j-org"),
        ("jane@mit.edu", "jane", "jane"),
        ("jane+x@cs.mit.edu", "jane", "jane"),
        ("jane@acme.edu.au", "acme", "acme"),
        ("jane@notedu.com", "notedu", "notedu"),
        ("o'hara@gmail.com", "o'hara", "o-hara"),
        ("a!#$b--c@gmail.com", "a!#$b--c", "a-b-c"),
        ("-jane-@gmail.com", "-jane-", "jane"),
        ("_~j@gmail.com", "_~j", "_~j"),
    ] {
        let names = names_of(email);
        assert_eq!(names.name, name, "{email}");
        assert_eq!(names.slug.as_str(), slug, "{email}");
    }
}

#[test]
fn something_stands_in_for_nothing() {
    for (email, name) in [
        ("+tag@gmail.com", "Organization"),
        ("jane@github.io", "Organization"),
        ("jane@co.uk", "Organization"),
        ("!#$@gmail.com", "!#$"),
        ("-@gmail.com", "-"),
        ("~_~@gmail.com", "~_~"),
    ] {
        let names = names_of(email);
        assert_eq!(names.name, name, "{email}");
        assert_eq!(names.slug.as_str(), "organization", "{email}");
    }
}

#[test]
fn a_base_of_the_form_of_an_id_is_not_the_slug() {
    let base = "organization-test-0191d3f4-1c1a-7c3e-9d2b-5a6b7c8d9e0f";
    for email in [format!("jane@{base}.com"), format!("{base}@gmail.com")] {
        let names = names_of(&email);
        assert_eq!(names.name, base);
        assert_eq!(names.slug.as_str(), "organization");
    }
}

#[test]
fn the_list_of_common_domains_decides() {
    let email = EmailAddress::parse("jane@gmail.com").unwrap();
    assert_eq!(default_names(&email, &CommonDomains::new([])).name, "gmail");
    let acme = CommonDomains::new(["acme".to_owned()]);
    let email = EmailAddress::parse("jane@acme.com").unwrap();
    assert_eq!(default_names(&email, &acme).name, "jane");
}

#[test]
fn a_suffix_makes_room_for_itself() {
    let acme = Slug::parse("Acme").unwrap();
    assert_eq!(with_suffix(&acme, "k3x9q0").as_str(), "Acme-k3x9q0");

    let longest = Slug::parse(&"a".repeat(128)).unwrap();
    let suffixed = with_suffix(&longest, "k3x9q0");
    assert_eq!(suffixed.as_str(), format!("{}-k3x9q0", "a".repeat(121)));

    let late = Slug::parse(&format!("{}a", "-".repeat(127))).unwrap();
    let suffixed = with_suffix(&late, "k3x9q0");
    assert_eq!(suffixed.as_str(), format!("{}-k3x9q0", "-".repeat(121)));
}

#[test]
fn a_suffix_that_breaks_the_rules_is_left_out() {
    let acme = Slug::parse("acme").unwrap();
    for suffix in ["é", "a b", "x".repeat(200).as_str()] {
        assert_eq!(with_suffix(&acme, suffix), acme);
    }
    let cut = Slug::parse("organization-test-0191d3f4-1c1a-7c3e-9d2b").unwrap();
    assert_eq!(with_suffix(&cut, "5a6b7c8d9e0f"), cut);
}

proptest! {
    #[test]
    fn every_address_yields_valid_names(
        local in "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\\.[a-z0-9_+-]{1,12}){0,3}",
        domain in prop_oneof![
            Just("gmail.com".to_owned()),
            Just("mit.edu".to_owned()),
            Just("co.uk".to_owned()),
            "[a-z0-9ü]{1,30}(\\.[a-z]{2,6}){1,3}",
        ],
    ) {
        let email = EmailAddress::parse(&format!("{local}@{domain}")).unwrap();
        let DefaultNames { name, slug } = default_names(&email, &CommonDomains::default());
        prop_assert!((1..=128).contains(&name.chars().count()));
        prop_assert_eq!(Slug::parse(slug.as_str()), Ok(slug.clone()));
        prop_assert_eq!(slug.key(), slug.as_str());
    }

    #[test]
    fn a_suffixed_slug_is_a_slug_and_keeps_the_suffix(
        slug in "[A-Za-z0-9._~-]{0,127}[a-z0-9][A-Za-z0-9._~-]{0,127}",
        suffix in "[a-z0-9]{6}",
    ) {
        let slug: String = slug.chars().take(128).collect();
        prop_assume!(Slug::parse(&slug).is_ok());
        let suffixed = with_suffix(&Slug::parse(&slug).unwrap(), &suffix);
        prop_assert_eq!(Slug::parse(suffixed.as_str()), Ok(suffixed.clone()));
        let kept = suffixed.as_str().strip_suffix(&format!("-{suffix}"));
        prop_assert!(kept.is_some_and(|kept| slug.starts_with(kept)));
    }
}
