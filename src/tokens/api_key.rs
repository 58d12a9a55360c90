//! API keys of callers: an id, and a secret that is told once and known by its hash.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::opaque::sha256;
use crate::domain::ids::{ApiKeyId, Environment};
use crate::entropy::Entropy;

/// An API key, as its caller presents it: `<id>.<secret>`, the secret 32 bytes in base64url.
#[derive(Clone)]
pub struct ApiKey {
    id: ApiKeyId,
    secret: [u8; 32],
}

/// What a secret is known by: its SHA-256. A slow hash would protect nothing: the secret has 256 random bits.
#[derive(Clone, Copy, Debug)]
pub struct SecretHash([u8; 32]);

impl ApiKey {
    /// A new key.
    #[must_use]
    pub fn generate(id: ApiKeyId, entropy: &dyn Entropy) -> Self {
        Self { id, secret: entropy.bytes() }
    }

    /// Reads the one text form that a key has. `None`: it is none, or one of the other environment.
    #[must_use]
    pub fn parse(text: &str, environment: Environment) -> Option<Self> {
        let (id, secret) = text.split_once('.')?;
        let id = ApiKeyId::parse(id, environment).ok()?;
        let secret = URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
        Some(Self { id, secret })
    }

    /// The text form, for the one who may hold it.
    #[must_use]
    pub fn reveal(&self, environment: Environment) -> String {
        format!("{}.{}", self.id.text(environment), URL_SAFE_NO_PAD.encode(self.secret))
    }

    /// Which key it is, or claims to be.
    #[must_use]
    pub fn id(&self) -> ApiKeyId {
        self.id
    }

    /// What the secret is known by.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash(sha256(&self.secret))
    }

    /// Whether the secret is the one with the hash. Takes the same time whatever the answer is.
    #[must_use]
    pub fn has(&self, hash: SecretHash) -> bool {
        verify_slices_are_equal(&self.hash().0, &hash.0).is_ok()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKey({:?}, <redacted>)", self.id)
    }
}

impl SecretHash {
    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut hash = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != hash.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(hash))
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }
}

#[cfg(test)]
mod tests;
