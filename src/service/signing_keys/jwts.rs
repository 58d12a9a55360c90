//! Session JWTs: signed with the key of the moment, verified with any that was not revoked.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{Keys, LoadError};
use crate::domain::reason::{Reason, Violation};
use crate::domain::session::MemberSession;
use crate::service::Service;
use crate::service::error::Error;
use crate::tokens::jwt::{JwtRefusal, PublicKey, SigningKey, UnverifiedJwt, VerifiedJwt};

/// The field that a JWT comes in.
const FIELD: &str = "session_jwt";

impl Service {
    /// The keys that session JWTs are verified with: the one that signs, and those that will sign next or
    /// have signed JWTs that may still be alive.
    #[must_use]
    pub fn public_keys(&self) -> Vec<PublicKey> {
        let Keys { tools, .. } = &self.parts.keys;
        self.parts.keys.ring().published(&tools.rotation, tools.clock.now())
    }

    /// Reads the keys again, and makes the next one when it is due.
    ///
    /// # Errors
    /// [`LoadError`]; the keys that were known stay.
    pub async fn refresh_keys(&self) -> Result<(), LoadError> {
        self.parts.keys.refresh().await
    }

    /// Signs a session's JWT.
    pub(in crate::service) async fn sign_session(
        &self,
        session: &MemberSession,
        now: OffsetDateTime,
    ) -> Result<String, Error> {
        let keys = &self.parts.keys;
        let key = keys.ring().signing(&keys.tools.rotation, now).cloned();
        let key = key.ok_or_else(|| Error::internal(LoadError::Lost))?;
        let claims = self.parts.issuer.session_claims(session, now);
        let jwt = if key.is_slow() {
            // Most of a millisecond of computing, which would hold up every other call.
            tokio::task::spawn_blocking(move || key.sign(&claims)).await.map_err(Error::internal)?
        } else {
            key.sign(&claims)
        };
        jwt.map_err(Error::internal)
    }

    /// Tells the session of a JWT that this deployment has signed. The JWT may have expired, and nothing is
    /// said about whether the session still is: only that a key signed it which was not revoked as far as
    /// this replica knew a moment ago.
    ///
    /// # Errors
    /// [`Error::Invalid`] for anything else, as a violation of `session_jwt`; [`Error::Unavailable`] when
    /// its key is not known and could not be looked for.
    pub async fn verify_session_jwt(&self, text: &str) -> Result<VerifiedJwt, Error> {
        let (keys, issuer) = (&self.parts.keys, &self.parts.issuer);
        let jwt = UnverifiedJwt::parse(text, issuer.environment).map_err(refused)?;
        let key = keys.find(&jwt).await?;
        jwt.verify(key.verifying(), issuer, keys.tools.clock.now()).map_err(refused)
    }
}

impl Keys {
    /// The key that is said to have signed it. Another replica may have made it a moment ago.
    pub(super) async fn find(&self, jwt: &UnverifiedJwt<'_>) -> Result<Arc<SigningKey>, Error> {
        let id = jwt.key_id();
        if !self.ring().knows(id) {
            match self.reload_asked().await {
                // What does not open verifies nothing; the log has it from the next refreshment.
                Ok(()) | Err(LoadError::Key(_)) => {}
                Err(LoadError::Store(error)) => return Err(error.into()),
                Err(error) => return Err(Error::internal(error)),
            }
        }
        self.ring().key(id).cloned().ok_or_else(|| refused(JwtRefusal::Malformed))
    }
}

/// The refusal of a JWT that no key of this deployment vouches for any more.
pub(in crate::service) fn unverifiable() -> Error {
    refused(JwtRefusal::Malformed)
}

fn refused(refusal: JwtRefusal) -> Error {
    let (reason, description) = match refusal {
        JwtRefusal::Malformed => {
            (Reason::UnableToParseSessionJwt, "must be a session JWT that this deployment has signed")
        }
        JwtRefusal::Audience => (Reason::JwtInvalidAudience, "must be for this deployment"),
        JwtRefusal::Issuer => (Reason::JwtInvalidIssuer, "must be issued by this deployment"),
        JwtRefusal::Claims => {
            (Reason::JwtInvalidClaims, "must have the claims of a session JWT, issued in the past")
        }
    };
    Error::invalid(Violation::new(FIELD, reason, description))
}
