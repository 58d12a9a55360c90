use super::*;

#[test]
fn every_refusal_has_its_word() {
    let words: std::collections::HashSet<_> = Refusal::ALL.map(Refusal::as_str).into();
    assert_eq!(words.len(), Refusal::ALL.len());
}

/// RFC 6750, section 2.1, and RFC 9110, section 11.1: the scheme has no case.
#[test]
fn what_stands_behind_bearer() {
    for value in ["Bearer x", "bearer x", "BEARER x", "bEaReR x"] {
        assert_eq!(bearer(value.as_bytes()), Some("x"));
    }
    assert_eq!(bearer(b"Bearer x y"), Some("x y"));
    for value in ["", "Bearer", "Bearerx", "Bearer\tx", "Basic x", " Bearer x", "Bearer: x", "x", "Token x"] {
        assert_eq!(bearer(value.as_bytes()), None, "{value}");
    }
    assert_eq!(bearer(b"Bearer \xff"), None);
}
