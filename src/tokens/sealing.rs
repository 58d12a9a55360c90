//! The sealing key: protects what the database keeps, so that a copy of the database signs nothing
//! and yields no session.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::opaque::{IntermediateToken, SessionToken};
use crate::entropy::Entropy;

/// The first byte of everything that is sealed: AES-256-GCM, then the nonce, then the ciphertext.
const FORMAT: u8 = 1;

/// A key of 32 bytes that never leaves the configuration.
#[derive(Clone)]
pub struct SealingKey([u8; 32]);

/// Why sealing, unsealing or deriving failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// The key's file does not hold 32 bytes in base64.
    #[error("a sealing key is 32 bytes in base64, as `openssl rand -base64 32` prints them")]
    MalformedKey,
    /// It was sealed under another key, for something else, or was changed.
    #[error("it was not sealed with this sealing key")]
    WrongKey,
    /// The cryptographic library refused to work.
    #[error("the cryptographic library failed")]
    Cryptography,
}

impl SealingKey {
    /// A new key.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// Reads the text of a key's file. White space around it is ignored.
    ///
    /// # Errors
    /// [`SealingError::MalformedKey`].
    pub fn parse(text: &str) -> Result<Self, SealingError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| SealingError::MalformedKey)?;
        Ok(Self(bytes.try_into().map_err(|_| SealingError::MalformedKey)?))
    }

    /// The text of a key's file.
    #[must_use]
    pub fn reveal(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Seals a secret. `context` says what it is for; it opens only for the same.
    ///
    /// # Errors
    /// [`SealingError::Cryptography`].
    pub fn seal(
        &self,
        secret: &[u8],
        context: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, SealingError> {
        let nonce: [u8; NONCE_LEN] = entropy.bytes();
        let mut ciphertext = secret.to_vec();
        self.aead()?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut ciphertext,
            )
            .map_err(|_| SealingError::Cryptography)?;
        let mut sealed = vec![FORMAT];
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut ciphertext);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] has sealed for the same context.
    ///
    /// # Errors
    /// [`SealingError::WrongKey`].
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Result<Vec<u8>, SealingError> {
        let rest = sealed.strip_prefix(&[FORMAT]).ok_or(SealingError::WrongKey)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_LEN).ok_or(SealingError::WrongKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealingError::WrongKey)?;
        let mut secret = ciphertext.to_vec();
        let length = self
            .aead()?
            .open_in_place(nonce, Aad::from(context), &mut secret)
            .map_err(|_| SealingError::WrongKey)?
            .len();
        secret.truncate(length);
        Ok(secret)
    }

    /// Derives the session token that an intermediate session token buys. Whoever presents the same
    /// intermediate token gets the same session token again; without this key and the nonce nobody does.
    ///
    /// # Errors
    /// [`SealingError::Cryptography`].
    pub fn session_token(
        &self,
        token: &IntermediateToken,
        nonce: &[u8],
    ) -> Result<SessionToken, SealingError> {
        self.derive(token.secret(), nonce, b"vestibule session token")
    }

    /// Derives the session token that the token or JWT of another session is exchanged for, likewise.
    ///
    /// # Errors
    /// [`SealingError::Cryptography`].
    pub fn exchanged_token(&self, credential: &str, nonce: &[u8]) -> Result<SessionToken, SealingError> {
        self.derive(credential.as_bytes(), nonce, b"vestibule exchanged session token")
    }

    /// HKDF (RFC 5869).
    fn derive(&self, secret: &[u8], nonce: &[u8], purpose: &[u8]) -> Result<SessionToken, SealingError> {
        let mut bytes = [0; 33];
        let material = [&self.0, secret].concat();
        Salt::new(HKDF_SHA256, nonce)
            .extract(&material)
            .expand(&[purpose], Length(bytes.len()))
            .and_then(|output| output.fill(&mut bytes))
            .map_err(|_| SealingError::Cryptography)?;
        Ok(SessionToken::new(bytes))
    }

    fn aead(&self) -> Result<LessSafeKey, SealingError> {
        UnboundKey::new(&AES_256_GCM, &self.0).map(LessSafeKey::new).map_err(|_| SealingError::Cryptography)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealingKey(<redacted>)")
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests;
