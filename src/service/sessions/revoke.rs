//! Ending sessions.

use super::SessionCredential;
use crate::domain::call::Call;
use crate::domain::event::{Event, EventType};
use crate::domain::ids::{MemberId, SessionId};
use crate::service::Service;
use crate::service::error::Error;
use crate::service::mint::Mint;
use crate::service::signing_keys::unverifiable;
use crate::store::SessionKey;

/// Which sessions to end.
#[derive(Clone, Debug)]
pub enum RevokeSession {
    /// One, by its id.
    Session(SessionId),
    /// One, by what its holder presents.
    Credential(SessionCredential),
    /// All of a member.
    Member(MemberId),
}

impl Service {
    /// Ends sessions. One that is not there is no error.
    ///
    /// # Errors
    /// Those of a session's JWT.
    pub async fn revoke_session(&self, call: &Call, command: &RevokeSession) -> Result<(), Error> {
        let mint = Mint::new(&*self.parts.clock, &*self.parts.entropy);
        let key = match command {
            RevokeSession::Session(id) => SessionKey::Id(*id),
            RevokeSession::Credential(credential) => self.session_key(credential).await?,
            RevokeSession::Member(member) => return self.revoke_sessions(call, *member, &mint).await,
        };
        let event_id = mint.id();
        let revoked = self
            .write("session_revoke", call, mint.now, async |transaction| {
                let ended = transaction.session_end(key, mint.now).await?;
                if let Some((session, member, organization)) = ended {
                    let event = Event::new(event_id, EventType::SessionRevoked, organization, call, mint.now);
                    transaction.events_insert(&[event.of_member(member).of_session(session)]).await?;
                }
                Ok(ended.is_some())
            })
            .await;
        // What a key signed that was revoked a moment ago ends nothing.
        match (revoked?, key) {
            (false, SessionKey::Jwt(_, key)) if self.parts.store.signing_key_is_revoked(key).await? => {
                Err(unverifiable())
            }
            _ => Ok(()),
        }
    }

    async fn revoke_sessions(&self, call: &Call, member: MemberId, mint: &Mint<'_>) -> Result<(), Error> {
        let event_id = mint.id();
        let revoked = self
            .write("member_sessions_revoke", call, mint.now, async |transaction| {
                // Held, so that a login that is under way is either ended here or begins afterwards.
                let Some(organization) = transaction.member_hold_anywhere(member).await? else {
                    return Ok(());
                };
                let ended = transaction.sessions_end(member, mint.now).await?;
                if ended > 0 {
                    let event = Event::new(event_id, EventType::SessionRevoked, organization, call, mint.now);
                    let mut event = event.of_member(member);
                    event.data.insert("sessions".to_owned(), ended.into());
                    transaction.events_insert(&[event]).await?;
                }
                Ok(())
            })
            .await;
        Ok(revoked?)
    }
}
