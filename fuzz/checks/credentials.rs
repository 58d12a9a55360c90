//! What callers show: nobody is believed whom no key has signed for, and a key has one spelling.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use time::OffsetDateTime;
use vestibule::domain::ids::{Environment, KeyId};
use vestibule::domain::jwt_algorithm::JwtAlgorithm;
use vestibule::entropy::OsEntropy;
use vestibule::tokens::api_key::ApiKey;
use vestibule::tokens::bearer::{Jwks, UnverifiedBearer};
use vestibule::tokens::jwt::generate;
use vestibule::tokens::sealing::SealingKey;

const AUDIENCE: &str = "vestibule";

/// When the JWTs are read, in seconds of Unix time.
const NOW: i64 = 1_800_000_000;

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::new);

/// A private key, the JWKS that has it as `key`, and a JWT that it has signed.
struct Issuer {
    private: EncodingKey,
    jwks: Jwks,
    jwt: String,
}

impl Issuer {
    fn new() -> Self {
        let id = KeyId::new("00000000-0000-7000-8000-000000000002".parse().expect("an id"));
        let sealing_key = SealingKey::generate(&OsEntropy);
        let sealed = generate(id, JwtAlgorithm::Es256, &sealing_key, &OsEntropy).expect("a key");
        let context = format!("vestibule signing key ES256 {}", id.uuid());
        let pkcs8 = sealing_key.open(&sealed, context.as_bytes()).expect("the private part");
        let private = EncodingKey::from_ec_der(&pkcs8);
        let mut jwk = Jwk::from_encoding_key(&private, Algorithm::ES256).expect("the public part");
        jwk.common.key_id = Some("key".to_owned());
        let jwks = Jwks::parse(&json!({ "keys": [jwk] }).to_string()).expect("keys");
        let claims = json!({"iss": "i", "sub": "s", "aud": AUDIENCE, "exp": NOW + 60});
        let header = json!({"alg": "ES256", "kid": "key"});
        let jwt = signed(&private, header.to_string().as_bytes(), claims.to_string().as_bytes());
        Self { private, jwks, jwt }
    }

    /// Whom a JWT speaks of.
    fn subject(&self, jwt: &str) -> Option<String> {
        let jwt = UnverifiedBearer::parse(jwt)?;
        let now = OffsetDateTime::from_unix_timestamp(NOW).expect("a time");
        jwt.verify(&self.jwks, AUDIENCE, now).ok().map(str::to_owned)
    }
}

fn signed(private: &EncodingKey, header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), private, Algorithm::ES256).expect("signs");
    format!("{message}.{signature}")
}

/// Checks what the first byte chooses: a text as it is; a JWKS; a header and, behind a line break, claims,
/// which the key signs; or changes to what it has signed, each a place (two bytes) and the byte to put there.
pub(crate) fn check(data: &[u8]) {
    match data {
        [b't', text @ ..] => check_text(text),
        [b'j', text @ ..] => drop(str::from_utf8(text).map(Jwks::parse)),
        [b's', parts @ ..] => check_signed(parts),
        [b'e', edits @ ..] => check_changed(edits),
        _ => {}
    }
}

fn check_text(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    for environment in [Environment::Test, Environment::Live] {
        if let Some(key) = ApiKey::parse(text, environment) {
            assert_eq!(key.reveal(environment), text);
            assert!(UnverifiedBearer::parse(text).is_none(), "a key and a JWT: {text}");
        }
    }
    assert_eq!(ISSUER.subject(text), None, "{text}");
}

/// The key has signed it, whatever it says.
fn check_signed(parts: &[u8]) {
    let split = parts.iter().position(|byte| *byte == b'\n').unwrap_or(parts.len());
    let (header, claims) = (&parts[..split], parts.get(split + 1..).unwrap_or_default());
    let Some(subject) = ISSUER.subject(&signed(&ISSUER.private, header, claims)) else { return };
    let header: Value = serde_json::from_slice(header).expect("a header");
    assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &json!("key")));
    let claims: Value = serde_json::from_slice(claims).expect("claims");
    assert_eq!(claims["sub"], json!(subject));
    let audience = &claims["aud"];
    assert!(
        *audience == json!(AUDIENCE) || audience.as_array().is_some_and(|all| all.contains(&json!(AUDIENCE))),
        "{claims}"
    );
    let now = 1_800_000_000.0;
    assert!(claims["exp"].as_f64().expect("a date") > now - 61.0, "{claims}");
    for begins in ["nbf", "iat"] {
        assert!(claims[begins].as_f64().is_none_or(|begins| begins < now + 61.0), "{claims}");
    }
}

/// It is no longer what the key has signed, unless the changes change nothing.
fn check_changed(edits: &[u8]) {
    let mut jwt = ISSUER.jwt.clone().into_bytes();
    for edit in edits.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % jwt.len();
        jwt[place] = edit[2];
    }
    let Ok(changed) = String::from_utf8(jwt) else { return };
    assert_eq!(ISSUER.subject(&changed).is_some(), changed == ISSUER.jwt, "{changed}");
}
