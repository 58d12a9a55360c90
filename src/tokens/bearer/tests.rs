use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::tokens::jws::MAX_LENGTH;

mod claims;
mod keys;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

/// A key pair: what signs, and its public half as a member of a JWKS.
struct Pair {
    private: EncodingKey,
    jwk: Value,
}

static RSA: LazyLock<Pair> = LazyLock::new(|| {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let text = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    Pair::new(EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), Algorithm::RS256)
});
static P256: LazyLock<Pair> =
    LazyLock::new(|| Pair::of_curve(&ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256));
static P384: LazyLock<Pair> =
    LazyLock::new(|| Pair::of_curve(&ECDSA_P384_SHA384_FIXED_SIGNING, Algorithm::ES384));
static ED25519: LazyLock<Pair> = LazyLock::new(|| {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&random()).unwrap();
    Pair::new(EncodingKey::from_ed_der(pkcs8.as_ref()), Algorithm::EdDSA)
});

#[expect(clippy::disallowed_methods, reason = "the library makes key pairs from its own randomness only")]
fn random() -> SystemRandom {
    SystemRandom::new()
}

impl Pair {
    fn of_curve(curve: &'static EcdsaSigningAlgorithm, algorithm: Algorithm) -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &random()).unwrap();
        Self::new(EncodingKey::from_ec_der(pkcs8.as_ref()), algorithm)
    }

    fn new(private: EncodingKey, algorithm: Algorithm) -> Self {
        let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&private, algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk.as_object_mut().unwrap().remove("alg");
        jwk["kid"] = "one".into();
        Self { private, jwk }
    }

    /// Its public half with other members.
    fn with(&self, others: &Value) -> Value {
        let mut jwk = self.jwk.clone();
        jwk.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        jwk
    }

    fn sign(&self, algorithm: Algorithm, header: &Value, payload: &str) -> String {
        let message = format!("{}.{}", base64(&header.to_string()), base64(payload));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.private, algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// A JWT with these claims, signed as it should be.
    fn jwt(&self, algorithm: Algorithm, claims: &Value) -> String {
        self.sign(algorithm, &header(algorithm), &claims.to_string())
    }
}

fn base64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn header(algorithm: Algorithm) -> Value {
    json!({"typ": "JWT", "alg": name(algorithm), "kid": "one"})
}

fn claims() -> Value {
    json!({
        "iss": "https://id.acme.com",
        "sub": "billing",
        "aud": "vestibule",
        "iat": NOW.unix_timestamp(),
        "nbf": NOW.unix_timestamp(),
        "exp": NOW.unix_timestamp() + 300,
        "kubernetes.io": {"namespace": "default"},
    })
}

fn jwks(keys: &[Value]) -> Jwks {
    Jwks::parse(&json!({ "keys": keys }).to_string()).unwrap()
}

/// One key.
fn only(pair: &Pair) -> Jwks {
    jwks(std::slice::from_ref(&pair.jwk))
}

/// Whom the JWT speaks of; `Err(None)`: it is not even taken apart.
fn read(keys: &Jwks, jwt: &str) -> Result<String, Option<BearerRefusal>> {
    read_at(keys, jwt, NOW)
}

fn read_at(keys: &Jwks, jwt: &str, now: OffsetDateTime) -> Result<String, Option<BearerRefusal>> {
    let jwt = UnverifiedBearer::parse(jwt).ok_or(None)?;
    jwt.verify(keys, "vestibule", now).map(str::to_owned).map_err(Some)
}

fn every() -> [(&'static Pair, Algorithm); 9] {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let rsa = [RS256, RS384, RS512, PS256, PS384, PS512].map(|algorithm| (&*RSA, algorithm));
    let [one, two, three, four, five, six] = rsa;
    [one, two, three, four, five, six, (&*P256, ES256), (&*P384, ES384), (&*ED25519, EdDSA)]
}

#[test]
fn every_algorithm_that_is_accepted() {
    assert_eq!(every().map(|(_, algorithm)| algorithm).len(), ACCEPTED.len());
    for (pair, algorithm) in every() {
        let keys = only(pair);
        let jwt = pair.jwt(algorithm, &claims());
        for time in ["computed", "remembered"] {
            assert_eq!(read(&keys, &jwt), Ok("billing".to_owned()), "{algorithm:?}, {time}");
        }
        let named = jwks(&[pair.with(&json!({"alg": name(algorithm), "use": "sig"}))]);
        assert_eq!(read(&named, &jwt), Ok("billing".to_owned()), "{algorithm:?}");
        let unverified = UnverifiedBearer::parse(&jwt).unwrap();
        assert_eq!((unverified.issuer(), unverified.key_id()), ("https://id.acme.com", "one"));
        let shown = format!("{unverified:?} {keys:?}");
        assert!(jwt.split('.').all(|part| !shown.contains(part)) && !shown.contains("billing"), "{shown}");
    }
}

#[test]
fn a_signature_of_another_is_refused() {
    for (pair, algorithm) in every() {
        let jwt = pair.jwt(algorithm, &claims());
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        let mut others = claims();
        others["sub"] = "admin".into();
        let other = pair.jwt(algorithm, &others);
        let (other, _) = other.rsplit_once('.').unwrap();
        let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let flipped = |index: usize| {
            let mut raw = raw.clone();
            raw[index] ^= 1;
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(raw))
        };
        let keys = only(pair);
        read(&keys, &jwt).unwrap();
        for wrong in [
            format!("{signed}."),
            format!("{other}.{signature}"),
            format!("{signed}.{signature}AA"),
            format!("{signed}.{signature}="),
            format!("{signed}.{}", &signature[..signature.len() - 2]),
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(vec![0; raw.len()])),
            flipped(0),
            flipped(raw.len() - 1),
        ] {
            assert_eq!(read(&keys, &wrong), Err(Some(BearerRefusal::Signature)), "{algorithm:?}: {wrong}");
        }
    }
}

/// Each kind of key, with a JWT that says it was signed in any other way.
#[test]
fn a_key_verifies_only_what_it_is_for() {
    for (pair, algorithm) in every() {
        let keys = jwks(&[pair.with(&json!({"alg": name(algorithm)}))]);
        for (signer, other) in every().into_iter().filter(|(_, other)| *other != algorithm) {
            let jwt = signer.jwt(other, &claims());
            assert_eq!(read(&keys, &jwt), Err(Some(BearerRefusal::Signature)), "{algorithm:?}, {other:?}");
            // Signed with the right key, and named another.
            let jwt = pair.sign(algorithm, &header(other), &claims().to_string());
            assert_eq!(read(&keys, &jwt), Err(Some(BearerRefusal::Signature)), "{algorithm:?}, {other:?}");
        }
    }
}

/// The public key is no secret: whoever reads the JWKS could sign with it.
#[test]
fn nothing_is_verified_with_a_public_key_as_a_secret() {
    use Algorithm::{HS256, HS384, HS512};
    for (pair, algorithm) in every() {
        let keys = only(pair);
        let jwk = pair.jwk.as_object().unwrap();
        let mut secrets = vec![String::new(), "one".to_owned(), pair.jwk.to_string()];
        secrets.extend(["n", "x", "y"].iter().filter_map(|name| Some(jwk.get(*name)?.as_str()?.to_owned())));
        for secret in secrets {
            let raw = URL_SAFE_NO_PAD.decode(&secret).unwrap_or_default();
            for secret in [secret.into_bytes(), raw] {
                let private = EncodingKey::from_secret(&secret);
                let forger = Pair { private, jwk: json!(null) };
                for (hmac, named) in [(HS256, "HS256"), (HS384, "HS384"), (HS512, "HS512")] {
                    for alg in [named, name(algorithm)] {
                        let header = json!({"alg": alg, "kid": "one"});
                        let jwt = forger.sign(hmac, &header, &claims().to_string());
                        let expected = (alg != named).then_some(BearerRefusal::Signature);
                        assert_eq!(read(&keys, &jwt), Err(expected), "{algorithm:?}, {alg}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_header_that_is_not_understood() {
    let keys = only(&P256);
    let own = P256.jwk.clone();
    for header in [
        json!({"alg": "none", "kid": "one"}),
        json!({"alg": "None", "kid": "one"}),
        json!({"alg": "", "kid": "one"}),
        json!({"alg": "es256", "kid": "one"}),
        json!({"alg": "ES256K", "kid": "one"}),
        json!({"alg": "ES512", "kid": "one"}),
        json!({"alg": "RSA1_5", "kid": "one"}),
        json!({"alg": 7, "kid": "one"}),
        json!({"alg": null, "kid": "one"}),
        json!({"alg": ["ES256"], "kid": "one"}),
        json!({"kid": "one"}),
        json!({"alg": "ES256"}),
        json!({"alg": "ES256", "jwk": own}),
        json!({"alg": "ES256", "kid": null}),
        json!({"alg": "ES256", "kid": 1}),
        json!({"alg": "ES256", "kid": ["one"]}),
        json!({"alg": "ES256", "kid": "one", "crit": ["exp"], "exp": 1}),
        json!({"alg": "ES256", "kid": "one", "crit": ["b64"], "b64": false}),
        json!({"alg": "ES256", "kid": "one", "crit": []}),
        json!([]),
        json!(["ES256", "one", null]),
        json!("ES256"),
        json!(null),
    ] {
        let jwt = P256.sign(Algorithm::ES256, &header, &claims().to_string());
        assert_eq!(read(&keys, &jwt), Err(None), "{header}");
        let (signed, _) = jwt.rsplit_once('.').unwrap();
        assert_eq!(read(&keys, &format!("{signed}.")), Err(None), "{header}, unsigned");
    }
    for twice in [r#"{"alg":"none","alg":"ES256","kid":"one"}"#, r#"{"alg":"ES256","kid":"two","kid":"one"}"#]
    {
        let message = format!("{}.{}", base64(twice), base64(&claims().to_string()));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &P256.private, Algorithm::ES256);
        assert_eq!(read(&keys, &format!("{message}.{}", signature.unwrap())), Err(None), "{twice}");
    }
    // Where the key is said to be found means nothing.
    let foreign = Pair::of_curve(&ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256);
    let header = json!({"alg": "ES256", "kid": "one", "jwk": foreign.jwk, "jku": "https://evil.com/jwks"});
    let jwt = foreign.sign(Algorithm::ES256, &header, &claims().to_string());
    assert_eq!(read(&keys, &jwt), Err(Some(BearerRefusal::Signature)));
}

#[test]
fn what_is_no_jwt() {
    let keys = only(&P256);
    let jwt = P256.jwt(Algorithm::ES256, &claims());
    let parts: Vec<_> = jwt.split('.').collect();
    for wrong in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        parts[0].to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{jwt}."),
        format!("{jwt}.{}", parts[2]),
        format!(".{}.{}", parts[1], parts[2]),
        format!("{}..{}", parts[0], parts[2]),
        format!(" {jwt}"),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}=.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}", base64("{"), parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], base64("[]"), parts[2]),
    ] {
        assert_eq!(read(&keys, &wrong), Err(None), "{wrong}");
    }
    let filled = |length: usize| {
        let mut large = claims();
        large["filling"] = "x".repeat(length).into();
        P256.jwt(Algorithm::ES256, &large)
    };
    let large = filled(MAX_LENGTH);
    assert!(large.len() > MAX_LENGTH);
    assert_eq!(read(&keys, &large), Err(None));
    assert_eq!(read(&keys, &filled(MAX_LENGTH / 2)), Ok("billing".to_owned()));
}

proptest! {
    #[test]
    fn any_text_is_looked_at_without_panic(text in "[ -~]{0,60}", bytes in any::<Vec<u8>>()) {
        let keys = only(&P256);
        read(&keys, &text).unwrap_err();
        let garbage = URL_SAFE_NO_PAD.encode(&bytes);
        let parts = [base64(&header(Algorithm::ES256).to_string()), base64(&claims().to_string())];
        read(&keys, &format!("{garbage}.{garbage}.{garbage}")).unwrap_err();
        read(&keys, &format!("{}.{garbage}.{garbage}", parts[0])).unwrap_err();
        read(&keys, &format!("{}.{}.{garbage}", parts[0], parts[1])).unwrap_err();
        prop_assert!(Jwks::parse(&String::from_utf8_lossy(&bytes)).is_err());
        prop_assert!(Jwks::parse(&text).is_err());
    }
}
