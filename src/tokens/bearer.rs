//! JWTs by which callers prove who they are: signed by other issuers, whose keys are read from their JWKS.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::jws::{Audience, Compact, LEEWAY, object};
use super::opaque::sha256;
use crate::domain::recent::Recent;

/// How many signatures a JWKS remembers: at least so many, and at most twice as many, of 32 bytes each.
const REMEMBERED: usize = 8_192;

/// The keys of an issuer (RFC 7517, section 5).
///
/// They remember the SHA-256 of JWTs that they have verified lately: callers send the same JWT with every
/// call. With the keys goes what they have verified.
pub struct Jwks {
    keys: Vec<Key>,
    verified: Mutex<Recent<[u8; 32], ()>>,
}

struct Key {
    id: String,
    /// Those that a JWT signed with it may name.
    algorithms: Vec<Algorithm>,
    public: DecodingKey,
}

/// Why a text is not a JWKS.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// Not JSON, or not an object with a list of keys.
    #[error("not an object with the member \"keys\"")]
    Malformed,
    /// There is no key in it that could verify a signature.
    #[error("none of the keys is a public key with a kid, of RSA, P-256, P-384 or Ed25519")]
    NoKey,
}

/// Why a JWT does not say who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BearerRefusal {
    /// Its signature is not that of the key it names.
    #[error("the signature is wrong")]
    Signature,
    /// It is for somebody else.
    #[error("the audience is another")]
    Audience,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// Its time has not begun.
    #[error("it is not valid yet")]
    NotYetValid,
}

/// A JWT that has been taken apart. Nothing in it is to be believed.
pub struct UnverifiedBearer<'a> {
    compact: Compact<'a>,
    key_id: String,
    algorithm: Algorithm,
    claims: Claims,
}

/// The claims (RFC 7519, section 4.1). Those that are asked for must be there.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    /// Seconds since 1970, perhaps with a fraction.
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
}

/// One of the keys, so far as it is of interest (RFC 7518, section 6; RFC 8037, section 2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwks {
    /// Reads the keys. Those that are of no use here are left out, as RFC 7517 asks for.
    ///
    /// # Errors
    /// [`JwksError`].
    pub fn parse(text: &str) -> Result<Self, JwksError> {
        let set: Value = serde_json::from_str(text).map_err(|_| JwksError::Malformed)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(JwksError::Malformed)?;
        let keys: Vec<_> = keys.iter().filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err(JwksError::NoKey);
        }
        Ok(Self { keys, verified: Mutex::new(Recent::new(REMEMBERED)) })
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn has(&self, key_id: &str) -> bool {
        self.keys.iter().any(|key| key.id == key_id)
    }

    fn verifies(&self, jwt: &UnverifiedBearer<'_>) -> bool {
        let hash = sha256(jwt.compact.text.as_bytes());
        let remembered = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered().get(&hash).is_some() {
            return true;
        }
        let verified = self
            .keys
            .iter()
            .filter(|key| key.id == jwt.key_id && key.algorithms.contains(&jwt.algorithm))
            .any(|key| key.verifies(jwt));
        if verified {
            remembered().insert(hash, ());
        }
        verified
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.keys.iter().map(|key| &key.id)).finish()
    }
}

impl Key {
    fn read(value: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(value).ok()?;
        if jwk.r#use.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let curve = jwk.crv.as_deref().unwrap_or_default();
        let (algorithms, key): (&[Algorithm], _) = match (jwk.kty.as_str(), curve) {
            ("RSA", _) => {
                use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
                let key = DecodingKey::from_rsa_components(&jwk.n?, &jwk.e?);
                (&[RS256, RS384, RS512, PS256, PS384, PS512], key)
            }
            ("EC", "P-256") => (&[Algorithm::ES256], DecodingKey::from_ec_components(&jwk.x?, &jwk.y?)),
            ("EC", "P-384") => (&[Algorithm::ES384], DecodingKey::from_ec_components(&jwk.x?, &jwk.y?)),
            ("OKP", "Ed25519") => (&[Algorithm::EdDSA], DecodingKey::from_ed_components(&jwk.x?)),
            // Among them symmetric keys: whoever can read them could sign with them.
            _ => return None,
        };
        let named = jwk.alg.as_deref();
        let algorithms: Vec<_> = algorithms
            .iter()
            .copied()
            .filter(|algorithm| named.is_none_or(|name| name == self::name(*algorithm)))
            .collect();
        (!algorithms.is_empty()).then_some(Self { id: jwk.kid?, algorithms, public: key.ok()? })
    }

    fn verifies(&self, jwt: &UnverifiedBearer<'_>) -> bool {
        let Compact { signature, signed, .. } = jwt.compact;
        jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &self.public, jwt.algorithm)
            .unwrap_or(false)
    }
}

impl<'a> UnverifiedBearer<'a> {
    /// Takes a JWT apart. `None`: it is none, or one of those claims is missing that say who calls whom and
    /// until when, or it is signed in a way that is not accepted here.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let compact = Compact::parse(text)?;
        let header = compact.header()?;
        let algorithm = ACCEPTED.into_iter().find(|algorithm| name(*algorithm) == header.alg)?;
        let claims = object(compact.payload)?;
        Some(Self { compact, key_id: header.kid, algorithm, claims })
    }

    /// Who is said to have issued it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// The key that is said to have signed it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Verifies it with the keys of [`Self::issuer`] and tells whom it speaks of.
    ///
    /// # Errors
    /// [`BearerRefusal`]: that of the signature first.
    pub fn verify(&self, keys: &Jwks, audience: &str, now: OffsetDateTime) -> Result<&str, BearerRefusal> {
        if !keys.verifies(self) {
            return Err(BearerRefusal::Signature);
        }
        let is_for = match &self.claims.aud {
            Audience::One(one) => one == audience,
            Audience::Several(several) => several.iter().any(|one| one == audience),
        };
        if !is_for {
            return Err(BearerRefusal::Audience);
        }
        let (now, leeway) = ((now - OffsetDateTime::UNIX_EPOCH).as_seconds_f64(), LEEWAY.as_secs_f64());
        let begins = self.claims.nbf.into_iter().chain(self.claims.iat).fold(f64::NEG_INFINITY, f64::max);
        if now + leeway < begins {
            return Err(BearerRefusal::NotYetValid);
        }
        if self.claims.exp + leeway <= now {
            return Err(BearerRefusal::Expired);
        }
        Ok(&self.claims.sub)
    }
}

impl fmt::Debug for UnverifiedBearer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("UnverifiedBearer").field("issuer", &self.claims.iss).finish_non_exhaustive()
    }
}

/// Asymmetric ones, each with at least 112 bits of strength.
const ACCEPTED: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The registered name (RFC 7518, section 3.1).
fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::RS384 => "RS384",
        Algorithm::RS512 => "RS512",
        Algorithm::PS256 => "PS256",
        Algorithm::PS384 => "PS384",
        Algorithm::PS512 => "PS512",
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::EdDSA => "EdDSA",
        // Symmetric.
        _ => "",
    }
}

#[cfg(test)]
mod tests;
