//! Texts that are nearly a JWT.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::json;

use super::super::super::common::{Login, founder};
use super::{Forger, MALFORMED, base64, refuses};
use crate::harness::logins::by_jwt;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_payload_that_was_touched_is_refused,
    a_signature_that_was_touched_is_refused,
    parts_of_two_jwts_make_none,
    a_huge_jwt_is_refused,
    deep_nesting_is_refused,
    other_spellings_are_refused,
    other_tokens_are_no_jwt,
);

fn parts(jwt: &str) -> [&str; 3] {
    let parts: Vec<_> = jwt.split('.').collect();
    parts.try_into().unwrap()
}

async fn a_payload_that_was_touched_is_refused(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let eve = founder(&t, "eve@globex.com").await;
    let [header, payload, signature] = parts(&eve.jwt);
    let mut claims = super::part(&eve.jwt, 1);
    claims["exp"] = 9_999_999_999_i64.into();
    let longer = claims.clone();
    claims["sub"] = ada.member_id().into();
    claims[super::SESSION]["id"] = ada.session_id().into();
    for claims in [longer, claims] {
        let jwt = format!("{header}.{}.{signature}", base64(claims.to_string()));
        refuses(&t, &eve, &jwt, MALFORMED).await;
    }
    // One bit, wherever it is.
    let bytes = URL_SAFE_NO_PAD.decode(payload).unwrap();
    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        refuses(&t, &eve, &format!("{header}.{}.{signature}", base64(bytes)), MALFORMED).await;
    }
    // The same claims in another order say the same, and were not signed.
    let header_again = super::part(&eve.jwt, 0);
    let respelt = json!({"kid": header_again["kid"], "alg": "ES256"}).to_string();
    refuses(&t, &eve, &format!("{}.{payload}.{signature}", base64(respelt)), MALFORMED).await;
}

async fn a_signature_that_was_touched_is_refused(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let [header, payload, signature] = parts(&ada.jwt);
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert_eq!(bytes.len(), 64);
    let mut wrong = vec![
        Vec::new(),
        vec![0],
        vec![0; 64],
        vec![0xff; 64],
        bytes[..63].to_vec(),
        bytes[1..].to_vec(),
        [&bytes[..], &[0]].concat(),
        [&[0], &bytes[..]].concat(),
        [&bytes[32..], &bytes[..32]].concat(),
        // The other form of such signatures, that of ASN.1.
        [&[0x30, 0x44, 0x02, 0x20], &bytes[..32], &[0x02, 0x20], &bytes[32..]].concat(),
    ];
    for at in [0, 31, 32, 63] {
        let mut touched = bytes.clone();
        touched[at] ^= 1;
        wrong.push(touched);
    }
    for signature in wrong {
        refuses(&t, &ada, &format!("{header}.{payload}.{}", base64(signature)), MALFORMED).await;
    }
    // Stripped, with and without its dot.
    refuses(&t, &ada, &format!("{header}.{payload}"), MALFORMED).await;
    refuses(&t, &ada, &format!("{header}.{payload}."), MALFORMED).await;
    refuses(&t, &ada, &format!("{header}.{payload}.."), MALFORMED).await;
    refuses(&t, &ada, &format!("{header}.{payload}.{signature}.{signature}"), MALFORMED).await;
}

async fn parts_of_two_jwts_make_none(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let eve = founder(&t, "eve@globex.com").await;
    let ([header, _, _], [_, payload, _], [_, _, signature]) =
        (parts(&ada.jwt), parts(&ada.jwt), parts(&eve.jwt));
    refuses(&t, &eve, &format!("{header}.{payload}.{signature}"), MALFORMED).await;
    refuses(&t, &ada, &format!("{header}.{payload}.{signature}"), MALFORMED).await;
    refuses(&t, &ada, &format!("{payload}.{payload}.{}", parts(&ada.jwt)[2]), MALFORMED).await;
}

async fn a_huge_jwt_is_refused(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let padded = |bytes: usize| {
        let claims = deployment.claims_with("padding", "x".repeat(bytes).into());
        deployment.signed(&deployment.header(), &claims)
    };
    // The longest that is looked at has 32 KiB.
    let overhead = padded(0).len();
    let fits = padded((32 * 1024 - overhead) / 4 * 3 - 3);
    assert!((32 * 1024 - 8..=32 * 1024).contains(&fits.len()), "{}", fits.len());
    assert!(t.clients().authenticate(by_jwt(&fits)).await.is_ok());
    for bytes in [25 * 1024, 1024 * 1024] {
        let huge = padded(bytes);
        assert!(huge.len() > 32 * 1024);
        refuses(&t, &ada, &huge, MALFORMED).await;
    }
    for text in ["A".repeat(33 * 1024), ".".repeat(33 * 1024), "A.".repeat(512 * 1024), ".".repeat(30_000)] {
        refuses(&t, &ada, &text, MALFORMED).await;
    }
}

async fn deep_nesting_is_refused(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let [header, payload, signature] = parts(&ada.jwt);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(3_000), close.repeat(3_000));
        refuses(&t, &ada, &format!("{header}.{}.{signature}", base64(&deep)), MALFORMED).await;
        refuses(&t, &ada, &format!("{}.{payload}.{signature}", base64(&deep)), MALFORMED).await;
        let unclosed = open.repeat(3_000);
        refuses(&t, &ada, &format!("{}.{payload}.{signature}", base64(&unclosed)), MALFORMED).await;
    }
}

/// A text has one spelling: caches and block lists know no other.
async fn other_spellings_are_refused(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let jwt = &ada.jwt;
    let [header, payload, signature] = parts(jwt);
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let spelt = |engine: &dyn Fn(Vec<u8>) -> String| {
        [header, payload, signature].map(|part| engine(bytes(part))).join(".")
    };
    // The last of the 86 characters of a signature has four bits to spare.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let spare = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    let spellings = [
        String::new(),
        " ".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        format!(" {jwt}"),
        format!("{jwt} "),
        format!("{jwt}\n"),
        format!("\u{feff}{jwt}"),
        format!("{jwt}\0"),
        format!("{header}.\n{payload}.{signature}"),
        format!("{header}.{}\n{}.{signature}", &payload[..40], &payload[40..]),
        format!("{header}.{payload}.{signature}\r\n"),
        format!("{header} .{payload}. {signature}"),
        jwt.replace('.', "\u{ff0e}"),
        jwt.replace('.', "%2E"),
        jwt.replace('.', ".."),
        format!("Bearer {jwt}"),
        format!("\"{jwt}\""),
        spelt(&|bytes| URL_SAFE.encode(bytes)),
        spelt(&|bytes| STANDARD.encode(bytes)),
        format!("{header}.{payload}.{}{spare}", &signature[..85]),
        format!("{jwt}="),
        json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]})
            .to_string(),
        // Five parts, as of what is encrypted.
        format!("{header}..{payload}..{signature}"),
    ];
    for text in spellings {
        assert_ne!(text, *jwt);
        refuses(&t, &ada, &text, MALFORMED).await;
    }
}

async fn other_tokens_are_no_jwt(t: Harness) {
    let ada: Login = founder(&t, "ada@acme.com").await;
    let intermediate = t.clients().token("ada@acme.com").await;
    for text in [&ada.token, &intermediate, ada.session_id(), ada.member_id()] {
        refuses(&t, &ada, text, MALFORMED).await;
    }
}
