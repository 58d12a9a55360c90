//! Session JWTs: nobody is believed whom the key has not signed for, and whoever it has signed for is
//! believed only what a session's JWT says.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use time::OffsetDateTime;
use vestibule::domain::ids::{Environment, KeyId, MemberId, ProjectId, SessionId};
use vestibule::domain::jwt_algorithm::JwtAlgorithm;
use vestibule::entropy::OsEntropy;
use vestibule::tokens::jwt::{
    Issuer, JwtRefusal, LEEWAY, MAX_LENGTH, SigningKey, UnverifiedJwt, VerifiedJwt, generate,
};
use vestibule::tokens::sealing::SealingKey;

const PROJECT: &str = "project-test-00000000-0000-7000-8000-000000000001";

const KEY: &str = "jwk-test-00000000-0000-7000-8000-000000000002";

const MEMBER: &str = "member-test-00000000-0000-7000-8000-000000000003";

const SESSION: &str = "session-test-00000000-0000-7000-8000-000000000004";

const ISSUER: &str = "https://id.acme.com";

/// When the JWTs are read, in seconds of Unix time.
const NOW: u64 = 1_800_000_000;

static DEPLOYMENT: LazyLock<Deployment> = LazyLock::new(Deployment::new);

/// What has the keys.
struct Deployment {
    issuer: Issuer,
    now: OffsetDateTime,
    /// The keys, each with a JWT that it has signed.
    keys: [(SigningKey, String); 2],
    /// The private part of the first one.
    private: EncodingKey,
}

impl Deployment {
    fn new() -> Self {
        let key_id = KeyId::parse(KEY, Environment::Test).expect("an id");
        let sealing_key = SealingKey::generate(&OsEntropy);
        let seal = |algorithm| generate(key_id, algorithm, &sealing_key, &OsEntropy).expect("a key");
        let open = |algorithm, sealed: &[u8]| {
            let key = SigningKey::open(key_id, algorithm, sealed, &sealing_key, Environment::Test);
            let key = key.expect("a key");
            let jwt = key.sign(&claims()).expect("a signature");
            (key, jwt)
        };
        let sealed = seal(JwtAlgorithm::Es256);
        let context = format!("vestibule signing key ES256 {}", key_id.uuid());
        let pkcs8 = sealing_key.open(&sealed, context.as_bytes()).expect("the private part");
        Self {
            issuer: Issuer {
                issuer: ISSUER.to_owned(),
                project: ProjectId::parse(PROJECT, Environment::Test).expect("an id"),
                environment: Environment::Test,
            },
            now: OffsetDateTime::UNIX_EPOCH + Duration::from_secs(NOW),
            keys: [open(JwtAlgorithm::Es256, &sealed), open(JwtAlgorithm::Rs256, &seal(JwtAlgorithm::Rs256))],
            private: EncodingKey::from_ec_der(&pkcs8),
        }
    }

    /// Reads a JWT as the service does, which has the key under one name only.
    fn read(&self, jwt: &str, key: &SigningKey) -> Result<VerifiedJwt, JwtRefusal> {
        let jwt = UnverifiedJwt::parse(jwt, Environment::Test)?;
        if jwt.key_id().text(Environment::Test) != KEY {
            return Err(JwtRefusal::Malformed);
        }
        jwt.verify(key.verifying(), &self.issuer, self.now)
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": [PROJECT],
        "sub": MEMBER,
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 300,
        "https://stytch.com/session": {"id": SESSION, "roles": ["stytch_member"]},
    })
}

/// Checks what the first byte chooses: a text as it is; a header and, behind a line break, claims, which the
/// key signs; or changes to what a key has signed, each a place (two bytes) and the byte to put there.
pub(crate) fn check(data: &[u8]) {
    match data {
        [b't', text @ ..] => check_text(text),
        [b's', parts @ ..] => check_signed(parts),
        [b'e', edits @ ..] => check_changed(0, edits),
        [b'r', edits @ ..] => check_changed(1, edits),
        _ => {}
    }
}

/// Nobody has signed it.
fn check_text(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    for (key, _) in &DEPLOYMENT.keys {
        assert_eq!(DEPLOYMENT.read(text, key), Err(JwtRefusal::Malformed), "{text}");
    }
}

/// The key has signed it, whatever it says.
fn check_signed(parts: &[u8]) {
    let split = parts.iter().position(|byte| *byte == b'\n').unwrap_or(parts.len());
    let (header, payload) = (&parts[..split], parts.get(split + 1..).unwrap_or_default());
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &DEPLOYMENT.private, Algorithm::ES256).expect("signs");
    let jwt = format!("{message}.{signature}");
    let [(key, _), (other, _)] = &DEPLOYMENT.keys;
    assert_eq!(DEPLOYMENT.read(&jwt, other), Err(JwtRefusal::Malformed), "the key of another algorithm");
    if let Ok(verified) = DEPLOYMENT.read(&jwt, key) {
        assert!(jwt.len() <= MAX_LENGTH);
        assert_eq!(verified.key_id.text(Environment::Test), KEY);
        let [header, payload] = [header, payload].map(|part| str::from_utf8(part).expect("UTF-8"));
        // Members that nobody asks for may be deeper, or larger, than whoever reads all of them can take.
        let (Ok(header), Ok(claims)) = (serde_json::from_str::<Value>(header), serde_json::from_str(payload))
        else {
            return;
        };
        assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &json!(KEY)));
        assert_eq!(header.get("crit").filter(|crit| !crit.is_null()), None);
        check_claims(&claims, verified.session_id);
    }
}

/// The claims were believed.
fn check_claims(claims: &Value, session_id: SessionId) {
    assert_eq!(claims["iss"], json!(ISSUER));
    assert!([json!(PROJECT), json!([PROJECT])].contains(&claims["aud"]), "{claims}");
    let time = |name: &str| claims[name].as_i64().expect("seconds");
    let latest = i64::try_from(NOW + LEEWAY.as_secs()).expect("a time");
    assert!(time("iat") <= latest && time("nbf") <= latest && time("iat") <= time("exp"), "{claims}");
    let member = claims["sub"].as_str().expect("a text");
    assert!(MemberId::parse(member, Environment::Test).is_ok(), "{member}");
    let session = &claims["https://stytch.com/session"]["id"];
    assert_eq!(session, &json!(session_id.text(Environment::Test)));
}

/// The key has signed something else.
fn check_changed(key: usize, edits: &[u8]) {
    let (key, signed) = &DEPLOYMENT.keys[key];
    let mut changed = signed.clone().into_bytes();
    for edit in edits.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([edit[0], edit[1]]));
        match changed.get_mut(place) {
            Some(byte) => *byte = edit[2],
            // Behind the end, a JWT grows, or ends earlier.
            None if edit[2] == 0 => changed.truncate(place % (signed.len() + 1)),
            None => changed.push(edit[2]),
        }
    }
    let Ok(changed) = str::from_utf8(&changed) else { return };
    let read = DEPLOYMENT.read(changed, key);
    if changed == signed {
        assert_eq!(read.map(|verified| verified.session_id.text(Environment::Test)), Ok(SESSION.to_owned()));
    } else {
        assert_eq!(read, Err(JwtRefusal::Malformed), "{changed}");
    }
}
