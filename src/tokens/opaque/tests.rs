use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn parse_and_reveal_are_inverse(bytes in any::<[u8; 32]>()) {
        let token = IntermediateToken(bytes);
        prop_assert_eq!(token.reveal().len(), 44);
        prop_assert!(IntermediateToken::parse(&token.reveal()).unwrap() == token);
    }

    #[test]
    fn one_token_has_one_spelling(text in "[A-Za-z0-9_=-]{40,46}") {
        if let Ok(token) = IntermediateToken::parse(&text) {
            prop_assert_eq!(token.reveal(), text);
        }
    }
}

#[test]
fn other_spellings_are_refused() {
    let text = IntermediateToken([0xfb; 32]).reveal();
    assert!(text.starts_with("-_v7"), "{text}");
    for other in [
        text.trim_end_matches('=').to_owned(),
        text.replace('-', "+").replace('_', "/"),
        format!("{text}="),
        format!(" {text}"),
        format!("{text}\0"),
        text[..40].to_owned(),
        // The last character carries two bits that must be zero.
        text.replace("v=", "u=").replace("s=", "t="),
        String::new(),
    ] {
        assert!(other == text || IntermediateToken::parse(&other) == Err(MalformedToken), "{other}");
    }
    assert!(IntermediateToken::parse(&format!("{}t=", &text[..42])).is_err());
}

#[test]
fn debug_tells_nothing() {
    assert_eq!(format!("{:?}", IntermediateToken([1; 32])), "IntermediateToken(<redacted>)");
    assert_eq!(format!("{:?}", SessionToken([1; 33])), "SessionToken(<redacted>)");
}
