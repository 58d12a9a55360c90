//! Headers that say which key to use, and how.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value as Json, json};
use uuid::Uuid;
use vestibule::domain::ids::{Environment, KeyId};
use vestibule::domain::jwt_algorithm::JwtAlgorithm;
use vestibule::entropy::OsEntropy;
use vestibule::pb;
use vestibule::tokens::jwt::{SigningKey, generate};
use vestibule::tokens::sealing::SealingKey;

use super::super::super::common::{ABSENT, founder};
use super::{Forger, MALFORMED, base64, refuses};
use crate::harness::logins::{by_jwt, by_token};
use crate::harness::refusal::Refusal;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    what_the_forger_signs_with_the_key_is_believed,
    no_algorithm_is_no_signature,
    a_public_key_is_no_shared_secret,
    a_key_signs_with_its_own_algorithm_only,
    a_key_has_to_be_named,
    a_name_of_a_key_is_no_path_and_no_statement,
    a_key_of_the_other_environment_is_none,
    a_revoked_key_verifies_nothing,
    a_key_that_a_jwt_brings_along_is_not_used,
    what_must_be_understood_is_not,
);

/// Without this, the other tests could be refused for how they sign.
async fn what_the_forger_signs_with_the_key_is_believed(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let header = deployment.header();
    let jwt = deployment.signed(&header, &deployment.claims);
    assert_ne!(jwt, ada.jwt);
    let answer = t.clients().authenticate(by_jwt(&jwt)).await.unwrap().into_inner();
    assert_eq!(answer.member_session.unwrap().member_session_id, ada.session_id());
    // And what a stranger signs in the same way is not.
    let stranger = Forger::stranger(&ada.jwt);
    assert_eq!(stranger.header(), header);
    refuses(&t, &ada, &stranger.signed(&header, &stranger.claims), MALFORMED).await;
}

/// RFC 8725, section 3.1: `alg` is not the sender's to choose.
async fn no_algorithm_is_no_signature(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let forger = Forger::with_the_key(&t, &ada.jwt).await;
    let signature = ada.jwt.rsplit('.').next().unwrap();
    let spellings =
        ["none", "None", "NONE", "nOnE", "none ", "\0none", "", "null", "es256", "ES256 ", "ES256K"];
    let mut names: Vec<Json> = spellings.map(Json::from).to_vec();
    names.extend([Json::Null, json!(0), json!(["ES256"]), json!({"alg": "ES256"}), json!(true)]);
    for name in names {
        let header = forger.header_with("alg", name);
        let message = format!("{}.{}", base64(header.to_string()), base64(forger.claims.to_string()));
        for end in ["", signature, "bm9uZQ"] {
            refuses(&t, &ada, &format!("{message}.{end}"), MALFORMED).await;
        }
        // The right signature under a wrong name is none either.
        refuses(&t, &ada, &forger.signed(&header, &forger.claims), MALFORMED).await;
    }
    let mut header = forger.header();
    header.as_object_mut().unwrap().remove("alg");
    refuses(&t, &ada, &forger.signed(&header, &forger.claims), MALFORMED).await;
}

/// Everybody knows the public key: a verifier that takes it for the secret of an HMAC believes everybody.
async fn a_public_key_is_no_shared_secret(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let forger = Forger::stranger(&ada.jwt);
    let published = t.clients().sessions.get_jwks(pb::GetJwksRequest {}).await.unwrap().into_inner().keys;
    let [key] = published.try_into().unwrap();
    let coordinate = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
    };
    let (x, y) = (coordinate(&key.x), coordinate(&key.y));
    let point = [vec![4], x.clone(), y.clone()].concat();
    // SubjectPublicKeyInfo (RFC 5480) of P-256.
    let prefix = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    let prefix: Vec<u8> =
        (0..prefix.len()).step_by(2).map(|at| u8::from_str_radix(&prefix[at..at + 2], 16).unwrap()).collect();
    let der = [prefix, point.clone()].concat();
    let text = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(&der)
    };
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    let jwk = json!({"crv": "P-256", "kty": "EC", "x": key.x, "y": key.y}).to_string();
    let secrets = [
        [x.clone(), y.clone()].concat(),
        point,
        x,
        der,
        format!("{pem}\n").into_bytes(),
        pem.into_bytes(),
        jwk.into_bytes(),
        key.x.clone().into_bytes(),
        key.kid.clone().into_bytes(),
        Vec::new(),
    ];
    for secret in secrets {
        let private = EncodingKey::from_secret(&secret);
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = Header { kid: Some(key.kid.clone()), ..Header::new(algorithm) };
            let jwt = jsonwebtoken::encode(&header, &forger.claims, &private).unwrap();
            refuses(&t, &ada, &jwt, MALFORMED).await;
        }
        // As if it were of the algorithm of the key.
        let header = forger.header().to_string();
        let message = format!("{}.{}", base64(header), base64(forger.claims.to_string()));
        let mac = jsonwebtoken::crypto::sign(message.as_bytes(), &private, Algorithm::HS256).unwrap();
        refuses(&t, &ada, &format!("{message}.{mac}"), MALFORMED).await;
    }
}

/// RFC 8725, section 3.1: each key is for one algorithm.
async fn a_key_signs_with_its_own_algorithm_only(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let uuid = Uuid::try_parse(deployment.kid.strip_prefix("jwk-test-").unwrap()).unwrap();
    let (id, sealing_key) = (KeyId::new(uuid), SealingKey::generate(&OsEntropy));
    let sealed = generate(id, JwtAlgorithm::Rs256, &sealing_key, &OsEntropy).unwrap();
    let rsa = SigningKey::open(id, JwtAlgorithm::Rs256, &sealed, &sealing_key, Environment::Test).unwrap();
    let jwt = rsa.sign(&deployment.claims).unwrap();
    refuses(&t, &ada, &jwt, MALFORMED).await;
    for name in ["RS256", "RS512", "PS256", "ES384", "ES512", "EdDSA", "HS256"] {
        let header = deployment.header_with("alg", name.into());
        refuses(&t, &ada, &deployment.signed(&header, &deployment.claims), MALFORMED).await;
    }
}

async fn a_key_has_to_be_named(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let mut header = deployment.header();
    header.as_object_mut().unwrap().remove("kid");
    refuses(&t, &ada, &deployment.signed(&header, &deployment.claims), MALFORMED).await;
    let unknown = format!("jwk-test-{ABSENT}");
    let names = [json!(null), json!(""), json!(7), json!([deployment.kid]), json!({}), json!(unknown)];
    for name in names {
        let header = deployment.header_with("kid", name);
        refuses(&t, &ada, &deployment.signed(&header, &deployment.claims), MALFORMED).await;
    }
    // Twice, the first time wrong and the second right, and the other way round.
    let kid = &deployment.kid;
    for (one, two) in [(&unknown, kid), (kid, &unknown)] {
        let header = format!(r#"{{"alg":"ES256","kid":"{one}","kid":"{two}"}}"#);
        let jwt = deployment.signed_text(&header, &deployment.claims.to_string());
        refuses(&t, &ada, &jwt, MALFORMED).await;
    }
}

/// RFC 8725, section 3.10: what is looked up by `kid` is looked up by a stranger's text.
async fn a_name_of_a_key_is_no_path_and_no_statement(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let kid = &deployment.kid;
    let names = [
        "../../dev/null".to_owned(),
        "/dev/null".to_owned(),
        "file:///dev/null".to_owned(),
        "https://evil.example.com/jwks.json".to_owned(),
        "' OR '1'='1".to_owned(),
        format!("{kid}' OR '1'='1"),
        format!("{kid}'; DROP TABLE signing_keys; --"),
        format!("{kid}\0"),
        format!("{kid} "),
        format!("../{kid}"),
        kid.to_uppercase(),
        kid["jwk-test-".len()..].to_owned(),
        kid.replace('-', ""),
        format!("{{{}}}", &kid["jwk-test-".len()..]),
        "*".to_owned(),
        "%".to_owned(),
        "x".repeat(10_000),
    ];
    for name in names {
        let header = deployment.header_with("kid", name.into());
        refuses(&t, &ada, &deployment.signed(&header, &deployment.claims), MALFORMED).await;
    }
    assert_eq!(t.count("signing_keys").await, 1);
}

async fn a_key_of_the_other_environment_is_none(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let live = deployment.kid.replace("-test-", "-live-");
    let header = deployment.header_with("kid", live.into());
    refuses(&t, &ada, &deployment.signed(&header, &deployment.claims), MALFORMED).await;
}

/// From the moment it is revoked, whatever the replica has in memory; the session lives on by its token.
async fn a_revoked_key_verifies_nothing(mut t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    assert!(t.clients().authenticate(by_jwt(&ada.jwt)).await.is_ok());
    t.execute("UPDATE signing_keys SET revoked_at = created_at").await;
    refuses(&t, &ada, &ada.jwt, MALFORMED).await;
    let answer = t.clients().authenticate(by_token(&ada.token)).await.unwrap().into_inner();
    assert_eq!(answer.member_session.unwrap().expires_at, ada.session.expires_at);
    // A server that has read so says the same, and signs with another key.
    t.restart().await;
    refuses(&t, &ada, &ada.jwt, MALFORMED).await;
    let answer = t.clients().authenticate(by_token(&ada.token)).await.unwrap().into_inner();
    assert!(t.clients().authenticate(by_jwt(&answer.session_jwt)).await.is_ok());
}

/// RFC 8725, section 3.10: keys come from the deployment, not from the JWT.
async fn a_key_that_a_jwt_brings_along_is_not_used(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let stranger = Forger::stranger(&ada.jwt);
    let own = jsonwebtoken::jwk::Jwk::from_encoding_key(&stranger.private, Algorithm::ES256).unwrap();
    let own = serde_json::to_value(&own).unwrap();
    let url = "https://evil.example.com/jwks.json";
    let brought = [
        ("jwk", own.clone()),
        ("jku", url.into()),
        ("x5u", url.into()),
        ("x5c", json!(["MIIB"])),
        ("x5t", "AAAA".into()),
        ("jwks", json!({"keys": [own.clone()]})),
    ];
    for (name, value) in brought {
        let header = stranger.header_with(name, value);
        refuses(&t, &ada, &stranger.signed(&header, &stranger.claims), MALFORMED).await;
        let mut unnamed = header.clone();
        unnamed.as_object_mut().unwrap().remove("kid");
        refuses(&t, &ada, &stranger.signed(&unnamed, &stranger.claims), MALFORMED).await;
    }
    // Beside the signature of the deployment's key it does no harm: it is not looked at.
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    let jwt = deployment.signed(&deployment.header_with("jwk", own), &deployment.claims);
    assert!(t.clients().authenticate(by_jwt(&jwt)).await.is_ok());
}

/// RFC 7515, section 4.1.11: an extension that is critical and not known makes the JWT invalid.
async fn what_must_be_understood_is_not(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let deployment = Forger::with_the_key(&t, &ada.jwt).await;
    for value in [json!(["exp"]), json!(["b64"]), json!([]), json!("b64"), json!(false)] {
        let header = deployment.header_with("crit", value);
        let jwt = deployment.signed(&header, &deployment.claims);
        let refusal = t.clients().authenticate(by_jwt(&jwt)).await.unwrap_err();
        assert_eq!(Refusal::of(&refusal).reason, MALFORMED, "{header}");
    }
    for header in ["[]", "null", "\"ES256\"", "7", "{}", "", "{", "[\"ES256\",\"kid\",null]"] {
        let jwt = deployment.signed_text(header, &deployment.claims.to_string());
        refuses(&t, &ada, &jwt, MALFORMED).await;
    }
}
