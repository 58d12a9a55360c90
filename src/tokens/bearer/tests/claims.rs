//! Who is spoken of, to whom, and when.

use super::*;

fn es256(claims: &Value) -> String {
    P256.jwt(Algorithm::ES256, claims)
}

fn with(member: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[member] = value;
    claims
}

#[test]
fn claims_that_are_missing_or_of_the_wrong_type() {
    let keys = only(&P256);
    for member in ["iss", "sub", "aud", "exp"] {
        let mut missing = claims();
        missing.as_object_mut().unwrap().remove(member);
        assert_eq!(read(&keys, &es256(&missing)), Err(None), "without {member}");
        for wrong in [json!(null), json!({}), json!(true), json!([1]), json!([["vestibule"]])] {
            assert_eq!(read(&keys, &es256(&with(member, wrong.clone()))), Err(None), "{member} = {wrong}");
        }
    }
    for (member, wrong) in [
        ("iss", json!(7)),
        ("iss", json!(["https://id.acme.com"])),
        ("sub", json!(7)),
        ("sub", json!(["billing"])),
        ("aud", json!(7)),
        ("aud", json!({"0": "vestibule"})),
        ("aud", json!(["vestibule", 7])),
        ("exp", json!("4102444800")),
        ("exp", json!("2100-01-01T00:00:00Z")),
        ("nbf", json!("0")),
        ("nbf", json!([])),
        ("iat", json!("0")),
        ("iat", json!(false)),
    ] {
        assert_eq!(read(&keys, &es256(&with(member, wrong.clone()))), Err(None), "{member} = {wrong}");
    }
    for member in ["nbf", "iat"] {
        let mut missing = claims();
        missing.as_object_mut().unwrap().remove(member);
        assert!(read(&keys, &es256(&missing)).is_ok(), "without {member}");
    }
}

#[test]
fn a_claim_that_stands_twice() {
    let keys = only(&P256);
    let whole = claims().to_string();
    for twice in [r#""sub":"admin""#, r#""exp":9999999999"#, r#""aud":"vestibule""#, r#""iss":"https://x""#] {
        let payload = format!("{{{twice},{}", &whole[1..]);
        let jwt = P256.sign(Algorithm::ES256, &header(Algorithm::ES256), &payload);
        assert_eq!(read(&keys, &jwt), Err(None), "{payload}");
    }
}

#[test]
fn whom_it_is_for() {
    let keys = only(&P256);
    for audience in [json!("vestibule"), json!(["vestibule"]), json!(["other", "vestibule", "third"])] {
        assert!(read(&keys, &es256(&with("aud", audience.clone()))).is_ok(), "{audience}");
    }
    for audience in [
        json!(""),
        json!("other"),
        json!("Vestibule"),
        json!("vestibule "),
        json!("vestibule/x"),
        json!("other vestibule"),
        json!([]),
        json!(["other"]),
        json!(["", "vestibul"]),
    ] {
        let jwt = es256(&with("aud", audience.clone()));
        assert_eq!(read(&keys, &jwt), Err(Some(BearerRefusal::Audience)), "{audience}");
    }
}

/// Whoever signed nothing learns nothing about what else is wrong.
#[test]
fn the_signature_comes_first() {
    let keys = only(&P256);
    let stranger = Pair::of_curve(&ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256);
    for claims in [with("aud", json!("other")), with("exp", json!(0)), with("nbf", json!(9e9))] {
        let jwt = stranger.jwt(Algorithm::ES256, &claims);
        assert_eq!(read(&keys, &jwt), Err(Some(BearerRefusal::Signature)), "{claims}");
    }
}

#[test]
fn times_at_their_edges() {
    use BearerRefusal::{Expired, NotYetValid};
    let keys = only(&P256);
    let microsecond = Duration::from_micros(1);
    let exp = NOW.unix_timestamp();
    let ends = es256(&json!({"iss": "i", "sub": "s", "aud": "vestibule", "exp": exp}));
    assert!(read_at(&keys, &ends, NOW).is_ok());
    assert!(read_at(&keys, &ends, NOW + LEEWAY - microsecond).is_ok());
    // The moment itself is over: RFC 7519, section 4.1.4.
    assert_eq!(read_at(&keys, &ends, NOW + LEEWAY), Err(Some(Expired)));
    assert_eq!(read_at(&keys, &ends, NOW + Duration::from_hours(24)), Err(Some(Expired)));
    for member in ["nbf", "iat"] {
        let begins = es256(&with(member, NOW.unix_timestamp().into()));
        assert!(read_at(&keys, &begins, NOW).is_ok());
        assert!(read_at(&keys, &begins, NOW - LEEWAY).is_ok());
        assert_eq!(read_at(&keys, &begins, NOW - LEEWAY - microsecond), Err(Some(NotYetValid)), "{member}");
    }
    // The later of the two counts.
    let mut both = claims();
    (both["nbf"], both["iat"]) = (0.into(), (NOW.unix_timestamp() + 3_600).into());
    assert_eq!(read(&keys, &es256(&both)), Err(Some(NotYetValid)));
    (both["nbf"], both["iat"]) = (both["iat"].clone(), 0.into());
    assert_eq!(read(&keys, &es256(&both)), Err(Some(NotYetValid)));
}

#[test]
fn times_with_fractions_and_huge_ones() {
    use BearerRefusal::{Expired, NotYetValid};
    let keys = only(&P256);
    let at = |member: &str, number: &str| {
        let own = claims()[member].to_string();
        let payload = claims().to_string();
        let payload = payload.replace(&format!("\"{member}\":{own}"), &format!("\"{member}\":{number}"));
        let jwt = P256.sign(Algorithm::ES256, &header(Algorithm::ES256), &payload);
        read(&keys, &jwt).map(drop)
    };
    let now = NOW.unix_timestamp();
    let (before, after) = (now - 60, now + 60);
    for (member, number, expected) in [
        ("exp", format!("{before}.000001"), Ok(())),
        ("exp", format!("{before}.0"), Err(Some(Expired))),
        ("exp", format!("{}.999999", before - 1), Err(Some(Expired))),
        ("nbf", format!("{after}.0"), Ok(())),
        ("nbf", format!("{after}.5"), Err(Some(NotYetValid))),
        ("exp", "1e12".to_owned(), Ok(())),
        ("exp", "18446744073709551616".to_owned(), Ok(())),
        ("exp", "1e308".to_owned(), Ok(())),
        ("exp", "-1".to_owned(), Err(Some(Expired))),
        ("exp", "-1e308".to_owned(), Err(Some(Expired))),
        ("exp", "0".to_owned(), Err(Some(Expired))),
        ("nbf", "1e308".to_owned(), Err(Some(NotYetValid))),
        ("nbf", "-1e308".to_owned(), Ok(())),
        ("iat", "18446744073709551616".to_owned(), Err(Some(NotYetValid))),
        // Beyond the double, and beyond JSON.
        ("exp", "1e400".to_owned(), Err(None)),
        ("exp", "NaN".to_owned(), Err(None)),
        ("exp", "Infinity".to_owned(), Err(None)),
        ("nbf", "-1e400".to_owned(), Err(None)),
    ] {
        assert_eq!(at(member, &number), expected, "{member} = {number}");
    }
}

/// What is remembered is that the signature is right, and nothing else.
#[test]
fn a_remembered_signature_does_not_outlive_its_jwt() {
    let (keys, later) = (only(&P256), NOW + Duration::from_mins(6));
    let jwt = es256(&claims());
    for _ in 0..3 {
        assert!(read_at(&keys, &jwt, NOW).is_ok());
        assert_eq!(read_at(&keys, &jwt, later), Err(Some(BearerRefusal::Expired)));
        let early = NOW - Duration::from_mins(2);
        assert_eq!(read_at(&keys, &jwt, early), Err(Some(BearerRefusal::NotYetValid)));
        let other = UnverifiedBearer::parse(&jwt).unwrap().verify(&keys, "other", NOW).err();
        assert_eq!(other, Some(BearerRefusal::Audience));
    }
    // Other keys know nothing of it.
    let without = only(&P384);
    assert_eq!(read(&without, &jwt), Err(Some(BearerRefusal::Signature)));
}
