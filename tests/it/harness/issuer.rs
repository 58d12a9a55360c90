//! Key pairs of an issuer that is not Vestibule, and the JWTs that it signs.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// A key pair.
pub(crate) struct Pair {
    private: EncodingKey,
    header: Header,
    /// The public half.
    jwk: Value,
}

impl Pair {
    /// For ES256.
    #[expect(clippy::disallowed_methods, reason = "the library makes key pairs from its own randomness only")]
    pub(crate) fn es256(kid: &str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self::new(EncodingKey::from_ec_der(pkcs8.as_ref()), Algorithm::ES256, kid)
    }

    /// For RS256.
    pub(crate) fn rs256(kid: &str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        Self::new(EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), Algorithm::RS256, kid)
    }

    fn new(private: EncodingKey, algorithm: Algorithm, kid: &str) -> Self {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&private, algorithm).unwrap()).unwrap();
        (jwk["kid"], jwk["use"]) = (kid.into(), "sig".into());
        Self { private, header: Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) }, jwk }
    }

    /// Signs claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        encode(&self.header, claims, &self.private).unwrap()
    }
}

/// The public halves, as an issuer publishes them.
pub(crate) fn jwks(pairs: &[&Pair]) -> String {
    json!({"keys": pairs.iter().map(|pair| &pair.jwk).collect::<Vec<_>>()}).to_string()
}
