//! Intermediate sessions, for authenticators.

use crate::domain::authentication_factor::VerifiedFactor;
use crate::domain::email_address::EmailAddress;
use crate::domain::evidence::Evidence;
use crate::domain::intermediate_session::{IntermediateSession, LIFETIME, MAX_FACTORS, TokenHash};
use crate::domain::reason::{Reason, Violation};
use crate::kv::Added;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::sessions::alive;
use crate::store::{Receipt, SessionKey};
use crate::telemetry::chain;
use crate::telemetry::metrics::Transition;
use crate::tokens::opaque::IntermediateToken;

impl Service {
    /// Makes a token for a person whom an authenticator vouches for.
    ///
    /// # Errors
    /// `Limited` when too many were made for the address; `Unavailable`.
    pub async fn create_intermediate_session(
        &self,
        evidence: Evidence,
    ) -> Result<(IntermediateToken, IntermediateSession), Error> {
        self.parts.limits.admit_vouch(&evidence.email_address).await?;
        let token = IntermediateToken::generate(&*self.parts.entropy);
        let session = self.parts.keeper.insert(token.hash(), evidence, None).await?;
        self.parts.metrics.token(Transition::Created);
        Ok((token, session))
    }

    /// Adds a factor to a token.
    ///
    /// # Errors
    /// `INTERMEDIATE_SESSION_NOT_FOUND`, `INTERMEDIATE_SESSION_IN_USE`; a violation when the token
    /// holds as many factors as it may, or the factor is about another address.
    pub async fn add_factor(
        &self,
        token: &IntermediateToken,
        factor: VerifiedFactor,
        about: Option<&EmailAddress>,
    ) -> Result<IntermediateSession, Error> {
        if let Some(about) = about {
            let session = self.get_intermediate_session(token).await?;
            if session.evidence.email_address != *about {
                return Err(factor_violation(
                    "factor.email_address",
                    "is not the address of the intermediate session",
                ));
            }
        }
        let addition = self.parts.entropy.uuid(self.parts.clock.now());
        match self.parts.keeper.add_factor(token.hash(), addition, factor).await? {
            Added::Added(session) => self.judged(token.hash(), session).await,
            Added::Absent => Err(Error::intermediate_session_not_found()),
            Added::InUse { retry_after } => Err(Error::in_use(retry_after)),
            Added::Full => {
                Err(factor_violation("factor", format!("a token holds at most {MAX_FACTORS} factors")))
            }
        }
    }

    /// Shows what a token stands for.
    ///
    /// # Errors
    /// `INTERMEDIATE_SESSION_NOT_FOUND`.
    pub async fn get_intermediate_session(
        &self,
        token: &IntermediateToken,
    ) -> Result<IntermediateSession, Error> {
        let hash = token.hash();
        let session = self.parts.keeper.get(hash).await?.ok_or_else(Error::intermediate_session_not_found)?;
        self.judged(hash, session).await
    }

    /// Whether the sessions live that factors came along from: a token made of a session ends with it.
    pub(super) async fn sessions_live(&self, evidence: &Evidence) -> Result<bool, Error> {
        for session in evidence.sessions() {
            let found = self.parts.store.session_find(SessionKey::Id(session)).await?;
            if alive(found, self.parts.clock.now()).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The keeper's entry as it is by the receipt: the entry may be older than what the token has
    /// come to since.
    async fn judged(
        &self,
        token: TokenHash,
        mut session: IntermediateSession,
    ) -> Result<IntermediateSession, Error> {
        if !self.sessions_live(&session.evidence).await? {
            return Err(Error::intermediate_session_not_found());
        }
        match self.parts.store.receipt_find(token).await? {
            Some(Receipt::Gone) => return Err(Error::intermediate_session_not_found()),
            Some(Receipt::Bound(binding)) => session.binding = Some(binding),
            None => {}
        }
        Ok(session)
    }

    /// Ends a token for ever. The receipt comes first, so that a copy of the entry that comes back
    /// revives nothing; it also decides a race with a call that spends the token.
    ///
    /// # Errors
    /// `INTERMEDIATE_SESSION_NOT_FOUND`.
    pub async fn revoke_intermediate_session(&self, token: &IntermediateToken) -> Result<(), Error> {
        let hash = token.hash();
        let now = self.parts.clock.now();
        let session = self.parts.keeper.get(hash).await?;
        // An entry that is lost can come back with a stale copy: the receipt is written all the same.
        let expires_at = session.as_ref().map_or(now + LIFETIME, |session| session.expires_at);
        let revoked = self.parts.store.receipt_revoke(hash, expires_at, now).await?;
        if revoked && session.is_some() {
            self.parts.metrics.token(Transition::Revoked);
        }
        // Whatever came first, the entry is worth nothing now.
        if let Err(error) = self.parts.keeper.remove(hash).await {
            tracing::warn!(error = chain(&error), "a revoked intermediate session stays until it ends");
        }
        if revoked && session.is_some() { Ok(()) } else { Err(Error::intermediate_session_not_found()) }
    }
}

fn factor_violation(field: &str, description: impl Into<String>) -> Error {
    Error::invalid(Violation::new(field, Reason::InvalidAuthenticationFactor, description))
}
