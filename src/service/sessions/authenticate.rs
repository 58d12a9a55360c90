//! Checking a session.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use time::OffsetDateTime;

use super::{SessionCredential, alive};
use crate::domain::call::Call;
use crate::domain::claims::{self, ClaimsError};
use crate::domain::ids::SessionId;
use crate::domain::json::JsonObject;
use crate::domain::member::Member;
use crate::domain::organization::{Organization, OrganizationName};
use crate::domain::reason::{Reason, Violation};
use crate::domain::session::MemberSession;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::write::Failure;
use crate::store::{FoundSession, SessionKey};

/// Which session to check, and what for.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "documented by the proto message AuthenticateSessionRequest")]
pub struct AuthenticateSession {
    pub credential: SessionCredential,
    pub duration: Option<Duration>,
    pub custom_claims: Option<JsonObject>,
    pub authorization_check: Option<AuthorizationCheck>,
}

/// An action that a role has to permit.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "documented by the proto message AuthorizationCheck")]
pub struct AuthorizationCheck {
    pub organization: OrganizationName,
    pub resource_id: String,
    pub action: String,
}

/// A session that was checked.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The session.
    pub session: MemberSession,
    /// Its member.
    pub member: Member,
    /// Its organization.
    pub organization: Organization,
    /// A fresh JWT.
    pub jwt: String,
    /// The roles that permit the action; `None`: none was asked about.
    pub granting_roles: Option<Vec<String>>,
}

/// What a repeat of a call that has changed a session begins with. It is answered with the session as it is:
/// what has been taken from it since does not come back.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    session: SessionId,
}

impl Service {
    /// Checks a session, and extends or changes it when asked to.
    ///
    /// Without a change: one read of the database, and no write.
    ///
    /// # Errors
    /// Those of a session's JWT; `SESSION_NOT_FOUND`, `SESSION_AUTHORIZATION_ERROR`,
    /// `SESSION_AUTHORIZATION_TENANCY_ERROR`, `CUSTOM_CLAIMS_TOO_LARGE`.
    pub async fn authenticate_session(
        &self,
        call: &Call,
        command: AuthenticateSession,
    ) -> Result<Authenticated, Error> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let key = self.session_key(&command.credential).await?;
        let changes = command.duration.is_some() || command.custom_claims.is_some();
        let found = if changes {
            self.change_session(call, &command, key, now).await?
        } else {
            self.find_by(key, now).await?
        };
        let granting_roles = self.authorize(&found, command.authorization_check.as_ref())?;
        if !changes {
            parts.touched.note(&found.session, now);
        }
        let FoundSession { mut session, member, organization } = found;
        session.last_accessed_at = session.last_accessed_at.max(now);
        let jwt = self.sign_session(&session, now).await?;
        Ok(Authenticated { session, member, organization, jwt, granting_roles })
    }

    async fn change_session(
        &self,
        call: &Call,
        command: &AuthenticateSession,
        key: SessionKey,
        now: OffsetDateTime,
    ) -> Result<FoundSession, Error> {
        let mut changed = None;
        let outcome = self
            .write("session_update", call, now, async |transaction| {
                let mut found = alive(transaction.session_hold(key).await?, now)?;
                // Who is not permitted changes nothing.
                self.authorize(&found, command.authorization_check.as_ref())?;
                let session = &mut found.session;
                if let Some(duration) = command.duration {
                    session.expires_at = now + duration;
                }
                if let Some(sent) = &command.custom_claims {
                    let stored = std::mem::take(&mut session.custom_claims);
                    session.custom_claims = claims::merge(stored, sent.clone()).map_err(too_large)?;
                }
                session.last_accessed_at = session.last_accessed_at.max(now);
                transaction.session_update(session).await?;
                let kept = Kept { session: session.id };
                changed = Some(found);
                Ok(kept)
            })
            .await;
        let Kept { session } = match outcome {
            Err(Failure::Refused(Error::NotFound { reason: Reason::SessionNotFound, .. })) => {
                return Err(self.missing(key).await);
            }
            outcome => outcome?,
        };
        match changed {
            Some(found) => Ok(found),
            None => alive(self.parts.store.session_find(SessionKey::Id(session)).await?, now),
        }
    }

    /// The roles of the session that permit what is asked about.
    fn authorize(
        &self,
        found: &FoundSession,
        check: Option<&AuthorizationCheck>,
    ) -> Result<Option<Vec<String>>, Error> {
        let Some(check) = check else {
            return Ok(None);
        };
        if !check.organization.means(&found.organization) {
            return Err(Error::Denied {
                reason: Reason::SessionAuthorizationTenancyError,
                message: "the session is not one of this organization",
            });
        }
        let granting = self.parts.rbac.granting(&found.session.roles, &check.resource_id, &check.action);
        if granting.is_empty() {
            return Err(Error::Denied {
                reason: Reason::SessionAuthorizationError,
                message: "no role of the session permits the action on the resource",
            });
        }
        Ok(Some(granting.into_iter().map(str::to_owned).collect()))
    }
}

fn too_large(error: ClaimsError) -> Error {
    Error::invalid(Violation::new("session_custom_claims", error.reason(), error.to_string()))
}
