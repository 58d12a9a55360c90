//! Signing keys, and the session JWTs they sign.

mod verify;

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::sealing::{SealingError, SealingKey};
use crate::domain::authentication_factor::{AuthenticationFactor, FactorDetail, FactorKind};
use crate::domain::ids::{Environment, KeyId, ProjectId};
use crate::domain::json::JsonObject;
use crate::domain::jwt_algorithm::JwtAlgorithm;
use crate::domain::session::{JWT_LIFETIME, MemberSession};
use crate::entropy::Entropy;

pub use super::jws::{LEEWAY, MAX_LENGTH};
pub use verify::{JwtRefusal, UnverifiedJwt, VerifiedJwt, VerifyingKey};

/// Why a key could not be made, opened or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The cryptographic library could not make a key pair.
    #[error("no key pair could be made")]
    Generate,
    /// The private part does not open.
    #[error("a signing key could not be opened")]
    Sealed(#[from] SealingError),
    /// The private part is not a key of its algorithm, or signing failed.
    #[error("a signing key could not be used")]
    Unusable(#[source] jsonwebtoken::errors::Error),
}

/// The public part of a signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its `kid`.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: JwtAlgorithm,
    /// Its numbers, in base64url.
    pub parameters: PublicParameters,
}

/// The numbers of a public key (RFC 7518, section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the RFC")]
pub enum PublicParameters {
    EllipticCurve { x: String, y: String },
    Rsa { n: String, e: String },
}

/// A key pair that signs.
pub struct SigningKey {
    algorithm: JwtAlgorithm,
    header: Header,
    private: EncodingKey,
    /// ES256: the private key, read and checked. The library that makes JWTs does that for each of them,
    /// which takes as long as signing.
    pair: Option<EcdsaKeyPair>,
    public: PublicKey,
    verifying: VerifyingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Makes the private part of a key pair, sealed. It opens only as this key of this algorithm.
///
/// # Errors
/// [`KeyError::Generate`].
#[expect(clippy::disallowed_methods, reason = "the library makes key pairs from its own randomness only")]
pub fn generate(
    id: KeyId,
    algorithm: JwtAlgorithm,
    sealing: &SealingKey,
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, KeyError> {
    let pkcs8 = match algorithm {
        JwtAlgorithm::Es256 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(|_| KeyError::Generate)?
                .as_ref()
                .to_vec()
        }
        JwtAlgorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generate)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Generate)?;
            der.as_ref().to_vec()
        }
    };
    Ok(sealing.seal(&pkcs8, context(id, algorithm).as_bytes(), entropy)?)
}

fn context(id: KeyId, algorithm: JwtAlgorithm) -> String {
    format!("vestibule signing key {} {}", algorithm.as_str(), id.uuid())
}

impl SigningKey {
    /// Opens a key pair that [`generate`] has made.
    ///
    /// # Errors
    /// [`KeyError::Sealed`], [`KeyError::Unusable`].
    pub fn open(
        id: KeyId,
        algorithm: JwtAlgorithm,
        sealed: &[u8],
        sealing: &SealingKey,
        environment: Environment,
    ) -> Result<Self, KeyError> {
        let pkcs8 = sealing.open(sealed, context(id, algorithm).as_bytes())?;
        let (private, name) = match algorithm {
            JwtAlgorithm::Es256 => (EncodingKey::from_ec_der(&pkcs8), jsonwebtoken::Algorithm::ES256),
            JwtAlgorithm::Rs256 => (
                EncodingKey::from_rsa_pem(pem(&pkcs8).as_bytes()).map_err(KeyError::Unusable)?,
                jsonwebtoken::Algorithm::RS256,
            ),
        };
        let kid = id.text(environment);
        let parameters = match Jwk::from_encoding_key(&private, name).map_err(KeyError::Unusable)?.algorithm {
            AlgorithmParameters::EllipticCurve(curve) => {
                PublicParameters::EllipticCurve { x: curve.x, y: curve.y }
            }
            AlgorithmParameters::RSA(rsa) => PublicParameters::Rsa { n: rsa.n, e: rsa.e },
            _ => return Err(KeyError::Generate),
        };
        let pair = match algorithm {
            JwtAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8);
                Some(pair.map_err(|_| KeyError::Unusable(ErrorKind::InvalidEcdsaKey.into()))?)
            }
            JwtAlgorithm::Rs256 => None,
        };
        let header = Header { kid: Some(kid.clone()), ..Header::new(name) };
        let verifying = VerifyingKey::new(algorithm, &parameters).map_err(KeyError::Unusable)?;
        let public = PublicKey { kid, algorithm, parameters };
        Ok(Self { algorithm, header, private, pair, public, verifying })
    }

    /// What verifies its signatures.
    #[must_use]
    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The public part.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Whether signing takes so long that it must not run among other calls.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.algorithm == JwtAlgorithm::Rs256
    }

    /// Signs claims.
    ///
    /// # Errors
    /// [`KeyError::Unusable`].
    #[expect(clippy::disallowed_methods, reason = "the library signs with its own randomness only")]
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        let Some(pair) = &self.pair else {
            return jsonwebtoken::encode(&self.header, claims, &self.private).map_err(KeyError::Unusable);
        };
        let mut jwt = encoded(&self.header)?;
        jwt.push('.');
        jwt.push_str(&encoded(claims)?);
        let signature = pair.sign(&SystemRandom::new(), jwt.as_bytes());
        let signature = signature.map_err(|_| KeyError::Unusable(ErrorKind::InvalidEcdsaKey.into()))?;
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
        Ok(jwt)
    }
}

/// A part of a JWT: JSON in base64url without padding.
fn encoded(part: &impl Serialize) -> Result<String, KeyError> {
    let json = serde_json::to_vec(part).map_err(|error| KeyError::Unusable(error.into()))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// The PEM form (RFC 7468) of a PKCS#8 key.
fn pem(pkcs8: &[u8]) -> String {
    let text = STANDARD.encode(pkcs8);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

/// What every JWT of the deployment has in common.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The `iss` claim.
    pub issuer: String,
    /// The deployment: the `aud` claim.
    pub project: ProjectId,
    /// The environment in every id.
    pub environment: Environment,
}

impl Issuer {
    /// The claims of a session's JWT, issued now. Custom claims stand beside the others and never
    /// replace one.
    #[must_use]
    pub fn session_claims(&self, session: &MemberSession, now: OffsetDateTime) -> JsonObject {
        let issued = now.unix_timestamp();
        let lifetime = i64::try_from(JWT_LIFETIME.as_secs()).unwrap_or(i64::MAX);
        let mut claims = session.custom_claims.clone();
        let mut set = |name: &str, value: Value| {
            claims.insert(name.to_owned(), value);
        };
        set("iss", self.issuer.as_str().into());
        set("aud", json!([self.project.text(self.environment)]));
        set("sub", session.member_id.text(self.environment).into());
        set("iat", issued.into());
        set("nbf", issued.into());
        set("exp", issued.saturating_add(lifetime).into());
        set("https://stytch.com/session", self.session(session));
        set(
            "https://stytch.com/organization",
            json!({
                "organization_id": session.organization_id.text(self.environment),
                "slug": session.organization_slug.as_str(),
            }),
        );
        claims
    }

    fn session(&self, session: &MemberSession) -> Value {
        let factors: Vec<_> =
            session.authentication_factors.iter().map(|factor| self.factor(factor)).collect();
        json!({
            "id": session.id.text(self.environment),
            "started_at": rfc3339(session.started_at),
            "last_accessed_at": rfc3339(session.last_accessed_at),
            "expires_at": rfc3339(session.expires_at),
            "attributes": {"user_agent": "", "ip_address": ""},
            "authentication_factors": factors,
            "roles": session.roles,
        })
    }

    fn factor(&self, factor: &AuthenticationFactor) -> Value {
        let environment = self.environment;
        let mut object = json!({
            "type": factor.kind.published_type(),
            "delivery_method": factor.delivery_method(),
            "last_authenticated_at": rfc3339(factor.last_authenticated_at),
            "created_at": rfc3339(factor.created_at),
            "updated_at": rfc3339(factor.updated_at),
            "sequence_order": factor.kind.sequence_order().as_str(),
        });
        let (name, detail) = match &factor.detail {
            FactorDetail::None => return object,
            FactorDetail::Email { email_id, email_address } => (
                "email_factor".to_owned(),
                json!({"email_id": email_id.text(environment), "email_address": email_address.as_str()}),
            ),
            FactorDetail::Phone { phone_id, phone_number } => (
                "phone_number_factor".to_owned(),
                json!({"phone_id": phone_id.text(environment), "phone_number": phone_number}),
            ),
            FactorDetail::OauthExchange { email_id, .. } => {
                let provider = factor.kind.delivery_method().trim_start_matches("oauth_");
                (format!("{provider}_oauth_exchange_factor"), json!({"email_id": email_id.text(environment)}))
            }
            FactorDetail::Oauth { id, provider_subject, email_id, tenant_ids, .. } => {
                let mut detail = json!({"id": id.text(environment), "provider_subject": provider_subject});
                if let Some(email_id) = email_id {
                    detail["email_id"] = email_id.text(environment).into();
                }
                if factor.kind == FactorKind::GithubOauth {
                    detail["provider_tenant_ids"] = json!(tenant_ids);
                } else if let Some(tenant_id) = tenant_ids.first() {
                    detail["provider_tenant_id"] = tenant_id.as_str().into();
                }
                let provider = factor.kind.delivery_method().trim_start_matches("oauth_");
                (format!("{provider}_oauth_factor"), detail)
            }
        };
        object[name] = detail;
        object
    }
}

/// RFC 3339 in UTC with seconds, as published.
fn rfc3339(time: OffsetDateTime) -> String {
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests;
