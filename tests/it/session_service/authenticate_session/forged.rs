//! JWTs that nobody should believe. Some are signed with the deployment's own key, which the tests take
//! out of the database: what is wrong with those is only what they say.

mod claims;
mod deployments;
mod headers;
mod logs;
mod texts;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value as Json, json};
use tonic::{Code, Status};
use uuid::Uuid;
use vestibule::domain::ids::KeyId;
use vestibule::domain::jwt_algorithm::JwtAlgorithm;
use vestibule::entropy::OsEntropy;
use vestibule::pb;
use vestibule::tokens::jwt::generate;
use vestibule::tokens::sealing::SealingKey;

use super::super::common::{Login, checked, part};
use crate::harness::Harness;
use crate::harness::database::rows;
use crate::harness::logins::by_jwt;
use crate::harness::refusal::Refusal;

/// The refusal of what this deployment has not signed.
const MALFORMED: &str = "UNABLE_TO_PARSE_SESSION_JWT";

/// The claim that names the session.
const SESSION: &str = "https://stytch.com/session";

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn es256(private: &EncodingKey, message: &str) -> String {
    jsonwebtoken::crypto::sign(message.as_bytes(), private, Algorithm::ES256).unwrap()
}

/// Whoever holds a private key, and has seen a JWT.
struct Forger {
    kid: String,
    private: EncodingKey,
    /// What the JWT says.
    claims: Json,
}

impl Forger {
    /// The deployment itself: with the key that has signed the JWT.
    async fn with_the_key(t: &Harness, jwt: &str) -> Self {
        let stored =
            rows(&t.database().await, "SELECT id, sealed_private_key FROM signing_keys", vec![]).await;
        assert_eq!(stored.len(), 1);
        let id: Uuid = stored[0].try_get("", "id").unwrap();
        let sealed: Vec<u8> = stored[0].try_get("", "sealed_private_key").unwrap();
        let file = std::fs::read_to_string(t.config.data_dir.join("sealing.key")).unwrap();
        Self::opening(id, &sealed, &SealingKey::parse(&file).unwrap(), jwt)
    }

    /// Somebody else, who says that the key is the deployment's.
    fn stranger(jwt: &str) -> Self {
        let kid = part(jwt, 0)["kid"].as_str().unwrap().to_owned();
        let id = Uuid::try_parse(kid.strip_prefix("jwk-test-").unwrap()).unwrap();
        let sealing_key = SealingKey::generate(&OsEntropy);
        let sealed = generate(KeyId::new(id), JwtAlgorithm::Es256, &sealing_key, &OsEntropy).unwrap();
        Self::opening(id, &sealed, &sealing_key, jwt)
    }

    fn opening(id: Uuid, sealed: &[u8], sealing_key: &SealingKey, jwt: &str) -> Self {
        let context = format!("vestibule signing key ES256 {id}");
        let pkcs8 = sealing_key.open(sealed, context.as_bytes()).unwrap();
        let private = EncodingKey::from_ec_der(&pkcs8);
        Self { kid: format!("jwk-test-{id}"), private, claims: part(jwt, 1) }
    }

    fn header(&self) -> Json {
        json!({"typ": "JWT", "alg": "ES256", "kid": self.kid})
    }

    /// The header with another member.
    fn header_with(&self, name: &str, value: Json) -> Json {
        let mut header = self.header();
        header[name] = value;
        header
    }

    /// The claims with another claim.
    fn claims_with(&self, name: &str, value: Json) -> Json {
        let mut claims = self.claims.clone();
        claims[name] = value;
        claims
    }

    /// A JWT of a header, under the signature of the key.
    fn signed(&self, header: &Json, claims: &Json) -> String {
        self.signed_text(&header.to_string(), &claims.to_string())
    }

    fn signed_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", base64(header), base64(claims));
        let signature = es256(&self.private, &message);
        format!("{message}.{signature}")
    }
}

/// Asserts that a JWT is refused by every method that takes one, for this reason, without a word of it in
/// the answer; and that the session has neither ended nor changed.
async fn refuses(t: &Harness, login: &Login, jwt: &str, reason: &str) {
    let clients = t.clients();
    let before = checked(t, &login.token).await;
    let revoke =
        pb::RevokeSessionRequest { session_jwt: Some(jwt.to_owned()), ..pb::RevokeSessionRequest::default() };
    let switch = pb::ExchangeSessionRequest {
        organization_id: login.organization_id().to_owned(),
        session_jwt: Some(jwt.to_owned()),
        ..pb::ExchangeSessionRequest::default()
    };
    let extending = pb::AuthenticateSessionRequest { session_duration_minutes: Some(90), ..by_jwt(jwt) };
    let refusals = [
        clients.authenticate(by_jwt(jwt)).await.map(drop),
        clients.authenticate(extending).await.map(drop),
        clients.switch(switch).await.map(drop),
        clients.revoke_session(revoke).await.map(drop),
    ];
    for refusal in refusals {
        let shown = &jwt[..jwt.floor_char_boundary(300)];
        let status = refusal.expect_err(shown);
        let refusal = Refusal::of(&status);
        assert_eq!((refusal.code, refusal.reason.as_str()), (Code::InvalidArgument, reason), "{shown}");
        assert_eq!(refusal.violations(), [("session_jwt", reason)], "{shown}");
        says_nothing_of(&status, jwt);
    }
    assert_eq!(checked(t, &login.token).await, before, "{reason}");
}

/// Asserts that nothing of a JWT is in an answer.
fn says_nothing_of(status: &Status, jwt: &str) {
    let details = String::from_utf8_lossy(status.details()).into_owned();
    for piece in jwt.split('.').chain([jwt]).filter(|piece| piece.len() > 12) {
        assert!(!status.message().contains(piece) && !details.contains(piece), "{status:?}");
    }
}
