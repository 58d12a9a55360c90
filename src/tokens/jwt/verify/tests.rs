use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header as Sent, encode};
use proptest::prelude::*;
use serde_json::json;
use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::domain::ids::ProjectId;
use crate::entropy::OsEntropy;
use crate::tokens::jws::MAX_LENGTH;
use crate::tokens::jwt::{SigningKey, generate};
use crate::tokens::sealing::SealingKey;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

const SESSION: &str = "https://stytch.com/session";

fn key(algorithm: JwtAlgorithm) -> SigningKey {
    let sealing = SealingKey::generate(&OsEntropy);
    let id = key_id();
    let sealed = generate(id, algorithm, &sealing, &OsEntropy).unwrap();
    SigningKey::open(id, algorithm, &sealed, &sealing, Environment::Test).unwrap()
}

fn key_id() -> KeyId {
    KeyId::new(Uuid::from_u128(7))
}

fn session_id() -> SessionId {
    SessionId::new(Uuid::from_u128(8))
}

fn issuer() -> Issuer {
    let project = ProjectId::new(Uuid::from_u128(9));
    Issuer { issuer: "https://id.acme.com".to_owned(), project, environment: Environment::Test }
}

fn claims() -> Value {
    json!({
        "iss": "https://id.acme.com",
        "aud": [issuer().project.text(Environment::Test)],
        "sub": MemberId::new(Uuid::from_u128(10)).text(Environment::Test),
        "iat": NOW.unix_timestamp(),
        "nbf": NOW.unix_timestamp(),
        "exp": NOW.unix_timestamp() + 300,
        SESSION: {"id": session_id().text(Environment::Test), "roles": ["stytch_member"]},
        "plan": {"seats": 3},
    })
}

fn read(key: &SigningKey, jwt: &str) -> Result<VerifiedJwt, JwtRefusal> {
    UnverifiedJwt::parse(jwt, Environment::Test)?.verify(key.verifying(), &issuer(), NOW)
}

fn base64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The claims of this text under the key's own signature.
fn signed(key: &SigningKey, header: &Value, payload: &str) -> String {
    signed_bytes(key, header.to_string().as_bytes(), payload.as_bytes())
}

fn signed_bytes(key: &SigningKey, header: &[u8], payload: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let algorithm = key.header.alg;
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.private, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn header(key: &SigningKey) -> Value {
    json!({"typ": "JWT", "alg": key.algorithm.as_str(), "kid": key.public.kid})
}

#[test]
fn what_was_signed_is_read_back() {
    for algorithm in [JwtAlgorithm::Es256, JwtAlgorithm::Rs256] {
        let key = key(algorithm);
        let jwt = key.sign(&claims()).unwrap();
        assert_eq!(read(&key, &jwt), Ok(VerifiedJwt { session_id: session_id(), key_id: key_id() }));
        let mut single = claims();
        single["aud"] = single["aud"][0].clone();
        // Long expired, and still the session's.
        for (name, seconds) in [("iat", -7_200), ("nbf", -7_200), ("exp", -6_900)] {
            single[name] = (NOW.unix_timestamp() + seconds).into();
        }
        assert!(read(&key, &key.sign(&single).unwrap()).is_ok());
        assert!(!format!("{key:?} {:?}", key.verifying()).contains("DecodingKey"));
    }
}

/// RFC 7519, section 7.2; also in members that nobody asks for.
#[test]
fn both_parts_are_utf_8() {
    let key = key(JwtAlgorithm::Es256);
    let [header, claims] = [header(&key), claims()].map(|part| part.to_string().into_bytes());
    let with = |part: &[u8], byte| [b"{\"x\":\"", &[byte][..], b"\",", &part[1..]].concat();
    for (byte, refusals) in
        [(b'x', [None, None]), (0xff, [Some(JwtRefusal::Malformed), Some(JwtRefusal::Claims)])]
    {
        let jwts = [
            signed_bytes(&key, &with(&header, byte), &claims),
            signed_bytes(&key, &header, &with(&claims, byte)),
        ];
        assert_eq!(jwts.map(|jwt| read(&key, &jwt).err()), refusals);
    }
}

#[test]
fn claims_that_are_not_those_of_a_session() {
    use JwtRefusal::{Audience, Claims, Issuer};
    let key = key(JwtAlgorithm::Es256);
    let project = issuer().project.text(Environment::Test);
    let now = NOW.unix_timestamp();
    let live = SessionId::new(Uuid::from_u128(8)).text(Environment::Live);
    let cases = [
        ("aud", json!([]), Audience),
        ("aud", json!(""), Audience),
        ("aud", json!([project, project]), Audience),
        ("aud", json!([project, "another"]), Audience),
        ("aud", json!(format!("{project} ")), Audience),
        ("aud", json!(project.replace("-test-", "-live-")), Audience),
        ("aud", json!(7), Claims),
        ("aud", json!({"0": project}), Claims),
        ("aud", json!([[project]]), Claims),
        ("iss", json!("https://id.acme.com/"), Issuer),
        ("iss", json!(""), Issuer),
        ("iss", json!(["https://id.acme.com"]), Claims),
        ("sub", json!(7), Claims),
        ("sub", json!("ada"), Claims),
        ("iat", json!(now + 61), Claims),
        ("nbf", json!(now + 61), Claims),
        ("iat", json!(i64::MAX), Claims),
        ("iat", json!(now.to_string()), Claims),
        ("exp", json!(now - 1), Claims),
        ("exp", json!(i64::MIN), Claims),
        ("exp", json!(1e300), Claims),
        ("exp", json!("never"), Claims),
        (SESSION, json!("session"), Claims),
        (SESSION, json!({}), Claims),
        (SESSION, json!([session_id().text(Environment::Test)]), Claims),
        (SESSION, json!({"id": 7}), Claims),
        (SESSION, json!({"id": live}), Claims),
        (SESSION, json!({"id": "session-test-"}), Claims),
    ];
    for (name, value, expected) in cases {
        let mut changed = claims();
        changed[name] = value;
        assert_eq!(read(&key, &key.sign(&changed).unwrap()), Err(expected), "{name}: {}", changed[name]);
        for missing in [None, Some(Value::Null)] {
            let mut lacking = claims();
            lacking.as_object_mut().unwrap().remove(name);
            if let Some(null) = missing {
                lacking[name] = null;
            }
            assert_eq!(read(&key, &key.sign(&lacking).unwrap()), Err(Claims), "without {name}");
        }
    }
    for name in ["iat", "nbf"] {
        let mut ahead = claims();
        ahead[name] = (now + 60).into();
        assert!(read(&key, &key.sign(&ahead).unwrap()).is_ok(), "a clock that is a minute ahead");
    }
}

#[test]
fn payloads_that_are_no_object_or_say_things_twice() {
    let key = key(JwtAlgorithm::Es256);
    let whole = claims().to_string();
    let twice = |name: &str| whole.replacen('{', &format!("{{{}:{},", json!(name), claims()[name]), 1);
    // Skipped without recursion where nobody looks, refused where somebody would.
    let deep = |name: &str| {
        let nested = "[".repeat(5_000) + &"]".repeat(5_000);
        let mut others = claims();
        others.as_object_mut().unwrap().remove(name);
        others.to_string().replacen('{', &format!("{{{}:{nested},", json!(name)), 1)
    };
    let mut payloads: Vec<_> = ["iss", "aud", "sub", "iat", "nbf", "exp", SESSION].map(twice).to_vec();
    payloads.extend(["", "null", "[]", "{", "7", "\u{feff}{}"].map(str::to_owned));
    let values: Vec<_> =
        ["iss", "aud", "sub", "iat", "nbf", "exp", SESSION].map(|name| claims()[name].clone()).to_vec();
    payloads.push(json!(values).to_string());
    payloads.extend(["iss", "aud", "sub", "iat", "nbf", "exp", SESSION].map(deep));
    payloads.push(format!("{whole} {whole}"));
    for payload in payloads {
        let jwt = signed(&key, &header(&key), &payload);
        assert_eq!(read(&key, &jwt), Err(JwtRefusal::Claims), "{}", &payload[..payload.len().min(200)]);
    }
    for payload in [whole.clone(), deep("deep")] {
        assert!(read(&key, &signed(&key, &header(&key), &payload)).is_ok());
    }
}

#[test]
fn headers_that_promise_something_else() {
    let (ec, rsa) = (key(JwtAlgorithm::Es256), key(JwtAlgorithm::Rs256));
    let payload = claims().to_string();
    for (key, other) in [(&ec, "RS256"), (&rsa, "ES256")] {
        let kid = key.public.kid.as_str();
        for alg in
            [other, "none", "None", "NONE", "", "HS256", "HS384", "ES384", "ES512", "PS256", "EdDSA", "es256"]
        {
            let header = json!({"typ": "JWT", "alg": alg, "kid": kid});
            assert_eq!(read(key, &signed(key, &header, &payload)), Err(JwtRefusal::Malformed), "{alg}");
            let unsigned = format!("{}.{}.", base64(&header.to_string()), base64(&payload));
            assert_eq!(read(key, &unsigned), Err(JwtRefusal::Malformed), "{alg}");
        }
        let alg = key.algorithm.as_str();
        let mut headers = vec![
            json!({"kid": kid}),
            json!({"alg": null, "kid": kid}),
            json!({"alg": [alg], "kid": kid}),
            json!({"alg": alg}),
            json!({"alg": alg, "kid": null}),
            json!({"alg": alg, "kid": [kid]}),
            json!({"alg": alg, "kid": kid, "crit": ["b64"], "b64": false}),
            json!([alg, kid, null]),
        ];
        let kids = [
            "",
            "../../etc/passwd",
            "jwk-test-",
            "jwk-test-../x",
            "0",
            "' OR 1=1 --",
            "https://evil.example/key",
        ];
        headers.extend(kids.map(|kid| json!({"alg": alg, "kid": kid})));
        headers.push(json!({"alg": alg, "kid": kid.replace("-test-", "-live-")}));
        headers.push(json!({"alg": alg, "kid": kid.to_uppercase()}));
        headers.push(json!({"alg": alg, "kid": format!("{kid}\0")}));
        headers.push(json!({"alg": alg, "kid": kid.repeat(500)}));
        for header in headers {
            let read = read(key, &signed(key, &header, &payload));
            assert_eq!(read, Err(JwtRefusal::Malformed), "{header}");
        }
        let twice = format!("{{\"alg\":\"none\",\"alg\":\"{alg}\",\"kid\":\"{kid}\"}}");
        let jwt = format!("{}.{}.", base64(&twice), base64(&payload));
        assert_eq!(read(key, &jwt), Err(JwtRefusal::Malformed));
        // Keys that the header brings along are not looked at.
        let brought =
            json!({"alg": alg, "kid": kid, "jwk": {"kty": "oct"}, "jku": "https://evil.example", "x5u": 7});
        assert!(read(key, &signed(key, &brought, &payload)).is_ok());
    }
}

#[test]
fn signatures_of_others() {
    for algorithm in [JwtAlgorithm::Es256, JwtAlgorithm::Rs256] {
        let (own, foreign) = (key(algorithm), key(algorithm));
        let jwt = foreign.sign(&claims()).unwrap();
        assert!(read(&foreign, &jwt).is_ok());
        assert_eq!(read(&own, &jwt), Err(JwtRefusal::Malformed));
        // The public key, which everybody knows, as the secret of an HMAC.
        let secrets = match &own.public.parameters {
            PublicParameters::EllipticCurve { x, y } => vec![x.clone(), y.clone(), format!("{x}{y}")],
            PublicParameters::Rsa { n, e } => vec![n.clone(), format!("{n}{e}")],
        };
        for secret in secrets {
            let sent = Sent { kid: Some(own.public.kid.clone()), ..Sent::new(Algorithm::HS256) };
            let raw = URL_SAFE_NO_PAD.decode(&secret).unwrap_or_default();
            for bytes in [secret.as_bytes(), &raw] {
                let jwt = encode(&sent, &claims(), &EncodingKey::from_secret(bytes)).unwrap();
                assert_eq!(read(&own, &jwt), Err(JwtRefusal::Malformed));
                // The same signature under the name of the key's own algorithm.
                let (_, rest) = jwt.split_once('.').unwrap();
                let claimed = format!("{}.{rest}", base64(&header(&own).to_string()));
                assert_eq!(read(&own, &claimed), Err(JwtRefusal::Malformed));
            }
        }
        let (signed, _) = jwt.rsplit_once('.').unwrap();
        for signature in ["", "AAAA", "=", "é", &"A".repeat(86), &"A".repeat(342)] {
            assert_eq!(
                read(&own, &format!("{signed}.{signature}")),
                Err(JwtRefusal::Malformed),
                "{signature}"
            );
        }
    }
}

#[test]
fn texts_of_another_shape() {
    let key = key(JwtAlgorithm::Es256);
    let jwt = key.sign(&claims()).unwrap();
    let parts: Vec<_> = jwt.split('.').collect();
    let cases = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        parts[0].to_owned(),
        parts[..2].join("."),
        format!("{jwt}."),
        format!(".{jwt}"),
        format!("{jwt}.{}", parts[2]),
        format!(" {jwt}"),
        format!("{jwt}\n"),
        format!("{jwt}="),
        format!("Bearer {jwt}"),
        jwt.replace('.', ","),
        format!("{}.{}.{}", parts[1], parts[0], parts[2]),
        format!("{}.{}.{}", base64(&"[".repeat(20_000)), parts[1], parts[2]),
        "A".repeat(MAX_LENGTH + 1),
    ];
    for text in cases {
        assert_eq!(read(&key, &text), Err(JwtRefusal::Malformed), "{}", &text[..text.len().min(200)]);
    }
    let mut large = claims();
    large["filling"] = "x".repeat(MAX_LENGTH).into();
    assert_eq!(read(&key, &key.sign(&large).unwrap()), Err(JwtRefusal::Malformed));
}

proptest! {
    #[test]
    fn garbage_is_refused(text: String, bytes: Vec<u8>) {
        prop_assert!(UnverifiedJwt::parse(&text, Environment::Test).is_err());
        let header = base64(&json!({"alg": "ES256", "kid": key_id().text(Environment::Test)}).to_string());
        let garbage = URL_SAFE_NO_PAD.encode(bytes);
        let all = format!("{garbage}.{garbage}.{garbage}");
        prop_assert!(UnverifiedJwt::parse(&all, Environment::Test).is_err());
        let unsigned = format!("{header}.{garbage}.{garbage}");
        let parsed = UnverifiedJwt::parse(&unsigned, Environment::Test).unwrap();
        prop_assert_eq!(parsed.key_id(), key_id());
    }

    #[test]
    fn one_changed_character_is_enough(place in 0..1_000_usize, rotated in 1..64_usize) {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        thread_local! {
            static KEY: SigningKey = key(JwtAlgorithm::Es256);
        }
        KEY.with(|key| {
            let mut jwt = key.sign(&claims()).unwrap().into_bytes();
            let place = place % jwt.len();
            prop_assume!(jwt[place] != b'.');
            let at = ALPHABET.iter().position(|letter| *letter == jwt[place]).unwrap();
            jwt[place] = ALPHABET[(at + rotated) % 64];
            prop_assert_eq!(read(key, std::str::from_utf8(&jwt).unwrap()), Err(JwtRefusal::Malformed));
            Ok(())
        })?;
    }
}

#[test]
fn a_remembered_signature_vouches_for_nothing_else() {
    let key = key(JwtAlgorithm::Es256);
    let jwt = key.sign(&claims()).unwrap();
    for _ in 0..3 {
        assert!(read(&key, &jwt).is_ok());
    }
    // Not for claims at another time.
    let before = NOW - LEEWAY - Duration::from_secs(1);
    let parsed = UnverifiedJwt::parse(&jwt, Environment::Test).unwrap();
    assert_eq!(parsed.verify(key.verifying(), &issuer(), before), Err(JwtRefusal::Claims));
    let elsewhere = Issuer { issuer: "https://other.com".to_owned(), ..issuer() };
    assert_eq!(parsed.verify(key.verifying(), &elsewhere, NOW), Err(JwtRefusal::Issuer));
    // Not for another key of the same id.
    assert_eq!(read(&self::key(JwtAlgorithm::Es256), &jwt), Err(JwtRefusal::Malformed));
    // Not for another text with the same signature, or the same text with another.
    let (message, signature) = jwt.rsplit_once('.').unwrap();
    let other = key.sign(&json!({"iss": "other"})).unwrap();
    let (other_message, other_signature) = other.rsplit_once('.').unwrap();
    for forged in [format!("{other_message}.{signature}"), format!("{message}.{other_signature}")] {
        for _ in 0..2 {
            assert_eq!(read(&key, &forged), Err(JwtRefusal::Malformed));
        }
    }
}
