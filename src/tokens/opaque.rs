//! Opaque tokens. They are told once and stored nowhere; the stores know their hashes.

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

use crate::domain::intermediate_session::TokenHash;
use crate::entropy::Entropy;

/// The SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// An intermediate session token: 32 unpredictable bytes, as 44 characters of base64url with `=`.
#[derive(Clone, PartialEq, Eq)]
pub struct IntermediateToken([u8; 32]);

/// A text that has not the shape of a token of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not 44 characters of base64url, as such tokens are")]
pub struct MalformedToken;

impl IntermediateToken {
    /// A new token.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// Reads the canonical text form; every other spelling of the same bytes is refused.
    ///
    /// # Errors
    /// [`MalformedToken`].
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        let bytes = URL_SAFE.decode(text).map_err(|_| MalformedToken)?;
        let token = Self(bytes.try_into().map_err(|_| MalformedToken)?);
        if token.reveal() == text { Ok(token) } else { Err(MalformedToken) }
    }

    /// The text form, for the one who may hold it.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE.encode(self.0)
    }

    /// What the stores know it by: the SHA-256 of the text form.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(sha256(self.reveal().as_bytes()))
    }

    /// The secret itself, to derive others from.
    pub(super) fn secret(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for IntermediateToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IntermediateToken(<redacted>)")
    }
}

/// A session token: 33 bytes, as 44 characters of base64url.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken([u8; 33]);

impl SessionToken {
    /// Reads the canonical text form; every other spelling of the same bytes is refused.
    ///
    /// # Errors
    /// [`MalformedToken`].
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| MalformedToken)?;
        // 33 bytes fill their 44 characters: there is one spelling of each.
        Ok(Self(bytes.try_into().map_err(|_| MalformedToken)?))
    }

    pub(super) fn new(bytes: [u8; 33]) -> Self {
        Self(bytes)
    }

    /// The text form, for the one who may hold it.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What the store knows it by: the SHA-256 of the text form.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.reveal().as_bytes())
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionToken(<redacted>)")
    }
}

#[cfg(test)]
mod tests;
