use jsonwebtoken::{DecodingKey, Validation};
use uuid::Uuid;

use super::*;
use crate::entropy::OsEntropy;

fn key(algorithm: JwtAlgorithm) -> SigningKey {
    let sealing = SealingKey::generate(&OsEntropy);
    let id = KeyId::new(Uuid::from_u128(7));
    let sealed = generate(id, algorithm, &sealing, &OsEntropy).unwrap();
    assert!(
        SigningKey::open(KeyId::new(Uuid::from_u128(8)), algorithm, &sealed, &sealing, Environment::Test)
            .is_err()
    );
    SigningKey::open(id, algorithm, &sealed, &sealing, Environment::Test).unwrap()
}

#[test]
fn both_algorithms_sign_what_their_public_part_verifies() {
    for algorithm in [JwtAlgorithm::Es256, JwtAlgorithm::Rs256] {
        let key = key(algorithm);
        let (public, name) = match &key.public().parameters {
            PublicParameters::EllipticCurve { x, y } => {
                assert_eq!((x.len(), y.len()), (43, 43));
                (DecodingKey::from_ec_components(x, y).unwrap(), jsonwebtoken::Algorithm::ES256)
            }
            PublicParameters::Rsa { n, e } => {
                (DecodingKey::from_rsa_components(n, e).unwrap(), jsonwebtoken::Algorithm::RS256)
            }
        };
        let jwt = key.sign(&json!({"exp": i64::MAX, "hello": "world"})).unwrap();
        let mut validation = Validation::new(name);
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<Value>(&jwt, &public, &validation).unwrap();
        assert_eq!(decoded.claims["hello"], "world");
        assert_eq!(decoded.header.kid.as_deref(), Some(key.public().kid.as_str()));
        assert!(!format!("{key:?}").contains("private"), "{key:?}");
    }
}

#[test]
fn coordinates_keep_their_leading_zeros() {
    // One coordinate in 256 starts with a zero byte; a short encoding of it would be 42 characters.
    for _ in 0..600 {
        let key = key(JwtAlgorithm::Es256);
        let PublicParameters::EllipticCurve { x, y } = &key.public().parameters else { panic!("not EC") };
        assert_eq!((x.len(), y.len()), (43, 43));
    }
}
