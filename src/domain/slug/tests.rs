use proptest::prelude::*;

use super::{ExternalId, ExternalIdError, Slug, SlugError};

const UUID: &str = "0191d3f4-1c1a-7c3e-9d2b-5a6b7c8d9e0f";

#[test]
fn a_slug_is_kept_as_written() {
    for input in [
        "acme",
        "ab",
        "A1",
        "saml-org-b2b_sso_saml__t44rQyY",
        "-a",
        "..a",
        "~0",
        "a.b-c_d~e",
        "organization",
        "organization-test-acme",
    ] {
        assert_eq!(Slug::parse(input).unwrap().as_str(), input);
    }
}

#[test]
fn a_slug_is_refused_by_the_first_rule_it_breaks() {
    use SlugError::{Character, Length, NoAlphanumeric};
    for (input, expected) in [
        ("", Length),
        ("a", Length),
        ("é", Length),
        (" a", Character),
        ("a b", Character),
        ("ab\n", Character),
        ("ab\0", Character),
        ("a/b", Character),
        ("a+b", Character),
        ("a@b", Character),
        ("a|b", Character),
        ("acmé", Character),
        ("ａｃｍｅ", Character),
        ("а\u{441}me", Character),
        ("٣٤", Character),
        ("--", NoAlphanumeric),
        ("..", NoAlphanumeric),
        ("-._~", NoAlphanumeric),
    ] {
        assert_eq!(Slug::parse(input), Err(expected), "{input:?}");
    }
    let longest = "a".repeat(128);
    assert_eq!(Slug::parse(&longest).unwrap().as_str(), longest);
    assert_eq!(Slug::parse(&format!("{longest}a")), Err(Length));
}

#[test]
fn a_slug_is_never_an_organization_id() {
    let simple = UUID.replace('-', "");
    for input in [
        format!("organization-test-{UUID}"),
        format!("organization-live-{UUID}"),
        format!("ORGANIZATION-Test-{}", UUID.to_uppercase()),
        format!("organization-test-{simple}"),
        "organization-live-00000000-0000-0000-0000-000000000000".to_owned(),
    ] {
        assert_eq!(Slug::parse(&input), Err(SlugError::IdShaped), "{input}");
    }
    for input in [
        UUID.to_owned(),
        format!("organization-{UUID}"),
        format!("organization-prod-{UUID}"),
        format!("member-test-{UUID}"),
        format!("xorganization-test-{UUID}"),
        format!("organization-test-{UUID}0"),
        format!("organization-test-{UUID}-"),
        format!("organization-test-{}", UUID.replace('f', "g")),
    ] {
        assert_eq!(Slug::parse(&input).unwrap().as_str(), input);
    }
}

#[test]
fn the_key_folds_case_alone() {
    let slug = Slug::parse("Ac_Me.~X").unwrap();
    assert_eq!(slug.key(), "ac_me.~x");
    assert_eq!(slug.key(), Slug::parse("aC_mE.~x").unwrap().key());
    assert_ne!(slug, Slug::parse("aC_mE.~x").unwrap());
    let external_id = ExternalId::parse_for_member("CRM|42").unwrap();
    assert_eq!(external_id.key(), "crm|42");
}

#[test]
fn the_placeholder_is_a_slug() {
    let placeholder = Slug::placeholder();
    assert_eq!(Slug::parse(placeholder.as_str()), Ok(placeholder));
}

#[test]
fn an_external_id_is_kept_as_written() {
    let longest = "x".repeat(128);
    for input in ["a", "7", "-", "|", "CRM|42", "a.b_c-d", longest.as_str()] {
        let organization = ExternalId::parse_for_organization(input).unwrap();
        assert_eq!(organization.as_str(), input);
        assert_eq!(ExternalId::parse_for_member(input), Ok(organization));
    }
}

#[test]
fn an_external_id_is_refused_by_the_first_rule_it_breaks() {
    use ExternalIdError::{Character, Length};
    let too_long = "x".repeat(129);
    for (input, expected) in [
        ("", Length),
        (too_long.as_str(), Length),
        (" ", Character),
        ("a b", Character),
        ("a~b", Character),
        ("a/b", Character),
        ("é", Character),
        ("a\0", Character),
        ("ａ", Character),
    ] {
        for outcome in [ExternalId::parse_for_organization(input), ExternalId::parse_for_member(input)] {
            assert_eq!(outcome, Err(expected), "{input:?}");
        }
    }
}

#[test]
fn an_external_id_is_never_an_id_of_its_own_kind() {
    let organization = format!("Organization-LIVE-{UUID}");
    let member = format!("member-test-{}", UUID.to_uppercase());
    let refused = Err(ExternalIdError::IdShaped);
    assert_eq!(ExternalId::parse_for_organization(&organization), refused);
    assert_eq!(ExternalId::parse_for_member(&member), refused);
    assert!(ExternalId::parse_for_organization(&member).is_ok());
    assert!(ExternalId::parse_for_member(&organization).is_ok());
}

#[test]
fn errors_are_fragments() {
    use ExternalIdError as E;
    use SlugError as S;
    let slug = [S::Length, S::Character, S::NoAlphanumeric, S::IdShaped].map(|e| e.to_string());
    let external_id = [E::Length, E::Character, E::IdShaped].map(|e| e.to_string());
    for text in slug.iter().chain(&external_id) {
        assert!(text.starts_with("must ") && !text.ends_with('.'), "{text}");
    }
    assert_eq!(S::Length.to_string(), "must be 2 to 128 characters long");
}

#[test]
fn both_serialise_as_their_text() {
    let slug = Slug::parse("Acme").unwrap();
    assert_eq!(serde_json::to_string(&slug).unwrap(), r#""Acme""#);
    assert_eq!(serde_json::from_str::<Slug>(r#""Acme""#).unwrap(), slug);
    let external_id = ExternalId::parse_for_member("CRM|42").unwrap();
    assert_eq!(serde_json::to_string(&external_id).unwrap(), r#""CRM|42""#);
    assert_eq!(serde_json::from_str::<ExternalId>(r#""CRM|42""#).unwrap(), external_id);
}

proptest! {
    #[test]
    fn any_text_is_refused_or_kept(
        text in prop_oneof![r"(?s:.){0,140}", r"[A-Za-z0-9._~-]{0,130}", r"[A-Za-z0-9._~|-]{0,4}(?s:.)?"],
    ) {
        if let Ok(slug) = Slug::parse(&text) {
            prop_assert_eq!(slug.as_str(), text.as_str());
            prop_assert_eq!(Slug::parse(&slug.key()).unwrap().key(), slug.key());
        }
        for external_id in [
            ExternalId::parse_for_organization(&text),
            ExternalId::parse_for_member(&text),
        ].into_iter().flatten() {
            prop_assert_eq!(external_id.as_str(), text.as_str());
        }
    }

    #[test]
    fn every_text_of_the_form_is_accepted(
        slug in "[A-Za-z0-9][A-Za-z0-9._~-]{1,127}",
        external_id in "[A-Za-z0-9._|-]{1,128}",
    ) {
        prop_assert!(Slug::parse(&slug).is_ok());
        prop_assert!(ExternalId::parse_for_organization(&external_id).is_ok());
        prop_assert!(ExternalId::parse_for_member(&external_id).is_ok());
    }
}
