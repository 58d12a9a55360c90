//! Answering a repeated call that spends a token: with everything the first one answered, secrets too.

use serde::{Deserialize, Serialize};

use crate::domain::admission::Owed;
use crate::domain::call::Call;
use crate::domain::member::{Member, MemberStatus};
use crate::domain::organization::Organization;
use crate::domain::reason::Reason;
use crate::domain::session::MemberSession;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::login::{Entered, Login};
use crate::service::sessions::alive;
use crate::store::SessionKey;
use crate::tokens::opaque::IntermediateToken;

/// What a repeat of the call is answered with: everything but the secrets.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) organization: Organization,
    pub(super) member: Option<Member>,
    pub(super) owed: Owed,
    pub(super) session: Option<MemberSession>,
}

impl Service {
    /// Answers a repeat of the call as the call was answered, with a fresh JWT. `None`: the call
    /// sent no key, or nothing was answered under it.
    ///
    /// Works only while everything that the answer speaks of is there.
    pub(super) async fn replay(
        &self,
        call: &Call,
        token: &IntermediateToken,
    ) -> Result<Option<Entered>, Error> {
        match self.earlier_answer(call).await? {
            Some(kept) => self.answer_again(kept, token).await.map(Some),
            None => Ok(None),
        }
    }

    /// What was answered once, while everything that it speaks of is there. The session is told as it is
    /// now: what has been taken from its member since does not come back.
    pub(super) async fn answer_again(&self, kept: Kept, token: &IntermediateToken) -> Result<Entered, Error> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let Some(target) = parts.store.replay_target(token.hash()).await? else {
            // Nothing was bought: the token is still worth what it was, if it is there.
            return match parts.keeper.get(token.hash()).await? {
                Some(person) if kept.session.is_none() => {
                    self.still_there(&kept).await?;
                    Ok(kept.unfinished(person.expires_at))
                }
                _ => Err(Error::intermediate_session_not_found()),
            };
        };
        let finished_since = target.session_id != kept.session.as_ref().map(|session| session.id);
        if target.revoked || target.token_expires_at <= now || finished_since {
            return Err(Error::intermediate_session_not_found());
        }
        if !target.organization_lives {
            return Err(Error::organization_not_found());
        }
        if !target.member_lives {
            let message = "the member is gone";
            return Err(Error::NotFound { reason: Reason::MemberNotFound, message });
        }
        let token_expires_at = target.token_expires_at;
        let Some(session) = &kept.session else {
            return Ok(kept.unfinished(token_expires_at));
        };
        let found = parts.store.session_find(SessionKey::Id(session.id)).await?;
        let session = alive(found, now)?.session;
        let nonce = target.nonce.ok_or_else(|| Error::internal("a receipt with a session has no nonce"))?;
        let token = parts.sealing_key.session_token(token, &nonce).map_err(Error::internal)?;
        let jwt = self.sign_session(&session, now).await?;
        let login = Some(Login { session, token, jwt });
        Ok(Entered { login, ..kept.unfinished(token_expires_at) })
    }

    /// Sees whether what an answer speaks of is there, for an answer that no receipt knows of.
    async fn still_there(&self, kept: &Kept) -> Result<(), Error> {
        let store = &self.parts.store;
        if store.organizations_find(&[kept.organization.id]).await?.is_empty() {
            return Err(Error::organization_not_found());
        }
        if let Some(member) = &kept.member {
            let found = store.members_find(&[member.id]).await?;
            if found.iter().all(|member| member.status == MemberStatus::Deleted) {
                return Err(Error::member_not_found());
            }
        }
        Ok(())
    }

    /// What a call whose token can't be claimed is answered: what it was answered before, else the
    /// refusal.
    pub(super) async fn replay_or(
        &self,
        call: &Call,
        token: &IntermediateToken,
        refusal: Error,
    ) -> Result<Entered, Error> {
        match refusal {
            Error::NotFound { .. }
            | Error::Busy { .. }
            | Error::Limited { .. }
            | Error::Precondition { .. } => self.replay(call, token).await?.ok_or(refusal),
            error => Err(error),
        }
    }
}

impl Kept {
    fn unfinished(self, token_expires_at: time::OffsetDateTime) -> Entered {
        let Self { organization, member, owed, .. } = self;
        Entered { organization, member, owed, login: None, token_expires_at }
    }
}
