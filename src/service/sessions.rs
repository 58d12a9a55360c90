//! Member sessions.

pub mod authenticate;
pub mod exchange;
pub mod list;
pub mod revoke;
mod touched;

use std::fmt;

use time::OffsetDateTime;

pub use touched::Touched;

use super::Service;
use super::error::Error;
use super::signing_keys::unverifiable;
use crate::domain::reason::Reason;
use crate::store::{FoundSession, SessionKey};
use crate::tokens::opaque::SessionToken;

/// What a caller presents for a session.
#[derive(Clone)]
pub enum SessionCredential {
    /// Its opaque token.
    Token(SessionToken),
    /// Its JWT, not verified yet.
    Jwt(String),
}

impl fmt::Debug for SessionCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionCredential(<redacted>)")
    }
}

impl Service {
    /// What the session is looked up by.
    ///
    /// # Errors
    /// Those of a session's JWT.
    async fn session_key(&self, credential: &SessionCredential) -> Result<SessionKey, Error> {
        match credential {
            SessionCredential::Token(token) => Ok(SessionKey::TokenHash(token.hash())),
            SessionCredential::Jwt(text) => {
                let jwt = self.verify_session_jwt(text).await?;
                Ok(SessionKey::Jwt(jwt.session_id, jwt.key_id))
            }
        }
    }

    /// Reads the session behind a credential, if it lives.
    ///
    /// # Errors
    /// Those of a session's JWT; `SESSION_NOT_FOUND`.
    pub(super) async fn find_session(&self, credential: &SessionCredential) -> Result<FoundSession, Error> {
        let key = self.session_key(credential).await?;
        self.find_by(key, self.parts.clock.now()).await
    }

    async fn find_by(&self, key: SessionKey, now: OffsetDateTime) -> Result<FoundSession, Error> {
        match alive(self.parts.store.session_find(key).await?, now) {
            Ok(found) => Ok(found),
            Err(_) => Err(self.missing(key).await),
        }
    }

    /// Why there is no session. The key of its JWT may have been revoked a moment ago, which says nothing
    /// about the session.
    async fn missing(&self, key: SessionKey) -> Error {
        let SessionKey::Jwt(_, key) = key else {
            return not_found();
        };
        match self.parts.store.signing_key_is_revoked(key).await {
            Ok(true) => unverifiable(),
            Ok(false) => not_found(),
            Err(error) => error.into(),
        }
    }
}

/// The session, if it is there and has not expired.
pub(super) fn alive(found: Option<FoundSession>, now: OffsetDateTime) -> Result<FoundSession, Error> {
    found.filter(|found| found.session.expires_at > now).ok_or_else(not_found)
}

fn not_found() -> Error {
    Error::NotFound {
        reason: Reason::SessionNotFound,
        message: "the session is unknown, has ended or was revoked",
    }
}
