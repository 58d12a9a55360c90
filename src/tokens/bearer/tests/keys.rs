//! What keys a JWKS has, and which of them are of use.

use super::*;

/// The modulus of an RSA key of 1024 bits, and a JWT that it has signed.
const SMALL: (&str, &str) = (
    "pIlssrem8V9Ip3ku7LXEC7uNeL7YLTERGfCJzqQUFO07096lOTpl1M-\
     QSwiXpDEf_1ifaZ8GyTqYZnPW5SHIuZaf7DDBmGVowFo3ueiBDqTbp5qMHdmrQj8UyDhExqIlEpGe3Wl6Mt14JEkE-\
     ZbJi_5SB3kxLKlxLA7ku45j9LU",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogIm9uZSJ9.eyJpc3MiOiAiaHR0cHM6Ly9pZC5hY21lLmNvbSIsICJzdWIiO\
     iAiYmlsbGluZyIsICJhdWQiOiAidmVzdGlidWxlIiwgImV4cCI6IDQxMDI0NDQ4MDB9.cnZbm5pOOa1h1uHdQpa04J\
     avLbroxzgYDtujoz6sUgDf2CIgXzdJnVdin4Wn_tzHWKjvFFSLvp19LQOM0BFSXizZGYjpiNMDRaWSL8uVgFlr-\
     yXocQd9jd4eyCHvziKtbt1QoygPoKJhOIbmY_bYJg4IVJKnTAJ49nMBMmxR_yQ",
);

/// Whether such a key is taken; with another beside it, so that the JWKS is one.
fn taken(jwk: &Value) -> bool {
    let keys = json!({"keys": [jwk, P384.with(&json!({"kid": "other"}))]});
    Jwks::parse(&keys.to_string()).unwrap().has("one")
}

#[test]
fn keys_that_are_of_no_use_are_left_out() {
    for pair in [&*RSA, &*P256, &*P384, &*ED25519] {
        assert!(taken(&pair.jwk));
        assert!(taken(&pair.with(&json!({"use": "sig", "x5c": ["?"], "key_ops": ["verify"], "new": {}}))));
        for wrong in [
            json!({"use": "enc"}),
            json!({"use": ""}),
            json!({"use": 1}),
            json!({"kid": null}),
            json!({"kid": 1}),
            json!({"alg": "none"}),
            json!({"alg": "HS256"}),
            json!({"alg": "ECDH-ES"}),
            json!({"alg": "RSA-OAEP"}),
            json!({"alg": "es256"}),
            json!({"kty": "oct", "k": "c2VjcmV0"}),
            json!({"kty": "AKP"}),
            json!({"kty": 1}),
            json!({"kty": "rsa"}),
            json!({"kty": null}),
        ] {
            assert!(!taken(&pair.with(&wrong)), "{wrong} in {}", pair.jwk);
        }
    }
    for curve in ["P-521", "secp256k1", "Ed448", "X25519", "p-256", ""] {
        for pair in [&*P256, &*ED25519] {
            assert!(!taken(&pair.with(&json!({"crv": curve}))), "{curve}");
        }
    }
    assert!(!taken(&json!({"kty": "oct", "kid": "one", "k": "c2VjcmV0", "alg": "HS256"})));
    assert!(!taken(&json!({"kty": "EC", "kid": "one", "crv": "P-256", "x": "AA"})));
    assert!(!taken(&json!({"kty": "RSA", "kid": "one", "e": "AQAB"})));
    for nothing in [json!(null), json!(1), json!("one"), json!([]), json!({})] {
        assert!(!taken(&nothing), "{nothing}");
    }
}

#[test]
fn a_jwks_without_a_key_is_none() {
    for text in ["", "{", "[]", "null", "{}", r#"{"keys": null}"#, r#"{"keys": {}}"#, r#"{"keys": "one"}"#] {
        assert!(matches!(Jwks::parse(text), Err(JwksError::Malformed)), "{text}");
    }
    let symmetric = json!({"keys": [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}]});
    for text in [r#"{"keys": []}"#, &symmetric.to_string()] {
        assert!(matches!(Jwks::parse(text), Err(JwksError::NoKey)), "{text}");
    }
}

/// Points that are on no curve, and numbers that are no modulus: nothing verifies.
#[test]
fn a_broken_key_verifies_nothing() {
    for (pair, algorithm) in every() {
        let jwt = pair.jwt(algorithm, &claims());
        for member in ["n", "e", "x", "y"].iter().filter(|member| pair.jwk.get(**member).is_some()) {
            for value in ["", "AA", "AQ", "____"] {
                let keys =
                    json!({"keys": [pair.with(&json!({ *member: value })), P384.with(&json!({"kid": "2"}))]});
                let keys = Jwks::parse(&keys.to_string()).unwrap();
                assert_eq!(
                    read(&keys, &jwt),
                    Err(Some(BearerRefusal::Signature)),
                    "{algorithm:?} with {member} = {value:?}"
                );
            }
        }
    }
}

#[test]
fn an_rsa_key_below_2048_bits_verifies_nothing() {
    let (modulus, jwt) = SMALL;
    let keys = jwks(&[json!({"kty": "RSA", "kid": "one", "n": modulus, "e": "AQAB"})]);
    assert_eq!(read(&keys, jwt), Err(Some(BearerRefusal::Signature)));
    let public = DecodingKey::from_rsa_components(modulus, "AQAB").unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(modulus).unwrap().len(), 128, "{:?}", public.family());
}

/// RFC 7517, section 4.5: keys of different types may share an id.
#[test]
fn keys_that_share_an_id_are_all_tried() {
    let second = Pair::of_curve(&ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256);
    let stranger = Pair::of_curve(&ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256);
    let keys = jwks(&[RSA.jwk.clone(), P256.jwk.clone(), second.jwk.clone()]);
    for (pair, algorithm) in
        [(&*RSA, Algorithm::RS256), (&*P256, Algorithm::ES256), (&second, Algorithm::ES256)]
    {
        assert_eq!(read(&keys, &pair.jwt(algorithm, &claims())), Ok("billing".to_owned()));
    }
    let jwt = stranger.jwt(Algorithm::ES256, &claims());
    assert_eq!(read(&keys, &jwt), Err(Some(BearerRefusal::Signature)));
}

/// The key that it names, and no other that would fit.
#[test]
fn only_the_named_key_verifies() {
    let keys = jwks(&[P256.jwk.clone(), P384.with(&json!({"kid": "two"}))]);
    assert!(keys.has("one") && keys.has("two"));
    for name in ["", "two", "ONE", "one ", "on", "one\u{0}"] {
        assert_eq!(keys.has(name), name == "two", "{name:?}");
        let header = json!({"alg": "ES256", "kid": name});
        let jwt = P256.sign(Algorithm::ES256, &header, &claims().to_string());
        assert_eq!(read(&keys, &jwt), Err(Some(BearerRefusal::Signature)), "{name:?}");
    }
}
