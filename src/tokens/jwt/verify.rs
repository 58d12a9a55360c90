//! Reading session JWTs back: who signed them, for whom, and which session they tell of.
//!
//! A JWT says itself which key signed it, and nobody has vouched for that yet: it is taken apart
//! ([`UnverifiedJwt::parse`]), its key is looked up by whoever has the keys, and only then is anything
//! computed ([`UnverifiedJwt::verify`]) and the claims read.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::{Issuer, PublicParameters};
use crate::domain::ids::{Environment, KeyId, MemberId, SessionId};
use crate::domain::json::JsonObject;
use crate::domain::jwt_algorithm::JwtAlgorithm;
use crate::domain::recent::Recent;
use crate::tokens::jws::{Audience, Compact, Header, LEEWAY, object};
use crate::tokens::opaque::sha256;

/// How many signatures a key remembers: at least so many, and at most twice as many, of 32 bytes each.
const REMEMBERED: usize = 8_192;

/// What verifies the signatures of one key.
///
/// It remembers the SHA-256 of JWTs that it has verified lately, so that a JWT that is presented again and
/// again is computed once. Nothing else about a JWT is remembered: its claims are checked every time, and
/// with the key goes what it has verified.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: JwtAlgorithm,
    key: DecodingKey,
    verified: Arc<Mutex<Recent<[u8; 32], ()>>>,
}

/// Why a JWT is not taken for what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtRefusal {
    /// It is too long, not a JWT, or not signed by the key it names with that key's algorithm.
    #[error("not a JWT that this deployment has signed")]
    Malformed,
    /// It is for another deployment.
    #[error("the audience is another")]
    Audience,
    /// It is from somebody else.
    #[error("the issuer is another")]
    Issuer,
    /// A claim is missing, of the wrong type, or about the future.
    #[error("the claims are not those of a session")]
    Claims,
}

/// A JWT that has been taken apart. Nothing in it is to be believed.
#[derive(Clone, Copy, Debug)]
pub struct UnverifiedJwt<'a> {
    key_id: KeyId,
    algorithm: JwtAlgorithm,
    compact: Compact<'a>,
}

/// What a JWT that the deployment has signed tells. It may have expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedJwt {
    /// The session.
    pub session_id: SessionId,
    /// The key that signed it.
    pub key_id: KeyId,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    aud: Option<Audience>,
    sub: Option<String>,
    iat: Option<i64>,
    nbf: Option<i64>,
    exp: Option<i64>,
    #[serde(rename = "https://stytch.com/session")]
    session: Option<JsonObject>,
}

impl VerifyingKey {
    pub(super) fn new(
        algorithm: JwtAlgorithm,
        parameters: &PublicParameters,
    ) -> Result<Self, jsonwebtoken::errors::Error> {
        let key = match parameters {
            PublicParameters::EllipticCurve { x, y } => DecodingKey::from_ec_components(x, y)?,
            PublicParameters::Rsa { n, e } => DecodingKey::from_rsa_components(n, e)?,
        };
        Ok(Self { algorithm, key, verified: Arc::new(Mutex::new(Recent::new(REMEMBERED))) })
    }

    fn verifies(&self, jwt: &UnverifiedJwt<'_>) -> bool {
        let hash = sha256(jwt.compact.text.as_bytes());
        let remembered = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered().get(&hash).is_some() {
            return true;
        }
        let verified = self.computes(jwt.compact.signature, jwt.compact.signed);
        if verified {
            remembered().insert(hash, ());
        }
        verified
    }

    fn computes(&self, signature: &str, signed: &str) -> bool {
        let algorithm = match self.algorithm {
            JwtAlgorithm::Es256 => Algorithm::ES256,
            JwtAlgorithm::Rs256 => Algorithm::RS256,
        };
        jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &self.key, algorithm).unwrap_or(false)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VerifyingKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl<'a> UnverifiedJwt<'a> {
    /// Takes a JWT apart. Key ids are those of this environment only.
    ///
    /// # Errors
    /// [`JwtRefusal::Malformed`].
    pub fn parse(text: &'a str, environment: Environment) -> Result<Self, JwtRefusal> {
        let compact = Compact::parse(text).ok_or(JwtRefusal::Malformed)?;
        let header: Header = compact.header().ok_or(JwtRefusal::Malformed)?;
        let algorithm = JwtAlgorithm::from_name(&header.alg).ok_or(JwtRefusal::Malformed)?;
        let key_id = KeyId::parse(&header.kid, environment).map_err(|_| JwtRefusal::Malformed)?;
        Ok(Self { key_id, algorithm, compact })
    }

    /// The key that is said to have signed it.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Verifies it with the key of [`Self::key_id`], and reads the claims. When it expires is not asked:
    /// that is for whoever knows the session.
    ///
    /// # Errors
    /// [`JwtRefusal`]: that of the signature first, then those of the claims in the order of the variants.
    pub fn verify(
        &self,
        key: &VerifyingKey,
        issuer: &Issuer,
        now: OffsetDateTime,
    ) -> Result<VerifiedJwt, JwtRefusal> {
        if self.algorithm != key.algorithm || !key.verifies(self) {
            return Err(JwtRefusal::Malformed);
        }
        let claims: Claims = object(self.compact.payload).ok_or(JwtRefusal::Claims)?;
        let session_id = claims.check(issuer, now)?;
        Ok(VerifiedJwt { session_id, key_id: self.key_id })
    }
}

impl Claims {
    fn check(self, issuer: &Issuer, now: OffsetDateTime) -> Result<SessionId, JwtRefusal> {
        let project = issuer.project.text(issuer.environment);
        match self.aud.ok_or(JwtRefusal::Claims)? {
            Audience::One(audience) if audience == project => {}
            Audience::Several(audiences) if audiences == [project] => {}
            _ => return Err(JwtRefusal::Audience),
        }
        if self.iss.ok_or(JwtRefusal::Claims)? != issuer.issuer {
            return Err(JwtRefusal::Issuer);
        }
        let (Some(subject), Some(issued_at), Some(not_before), Some(expires), Some(session)) =
            (self.sub, self.iat, self.nbf, self.exp, self.session)
        else {
            return Err(JwtRefusal::Claims);
        };
        let latest = (now + LEEWAY).unix_timestamp();
        if issued_at > latest || not_before > latest || expires < issued_at {
            return Err(JwtRefusal::Claims);
        }
        MemberId::parse(&subject, issuer.environment).map_err(|_| JwtRefusal::Claims)?;
        let id = session.get("id").and_then(Value::as_str).ok_or(JwtRefusal::Claims)?;
        SessionId::parse(id, issuer.environment).map_err(|_| JwtRefusal::Claims)
    }
}

#[cfg(test)]
mod tests;
