//! Going from a session to another organization.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{SessionCredential, alive};
use crate::domain::admission::{Door, Owed};
use crate::domain::call::Call;
use crate::domain::evidence::Evidence;
use crate::domain::ids::SessionId;
use crate::domain::member::Member;
use crate::domain::organization::{Organization, OrganizationName};
use crate::domain::reason::Reason;
use crate::domain::session::SessionRequest;
use crate::service::Service;
use crate::service::admission::{Found, Passage};
use crate::service::error::Error;
use crate::service::login::{self, Login};
use crate::service::mint::Mint;
use crate::service::write::Failure;
use crate::store::{FoundSession, Purchase, SessionKey, Transaction};
use crate::telemetry::metrics::Transition;
use crate::tokens::opaque::IntermediateToken;

/// From which session to which organization.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "documented by the proto message ExchangeSessionRequest")]
pub struct ExchangeSession {
    pub credential: SessionCredential,
    pub organization: OrganizationName,
    pub session: SessionRequest,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// The organization.
    pub organization: Organization,
    /// The member.
    pub member: Member,
    /// The login, or what is owed and a token to go on with.
    pub outcome: Result<Login, Unfinished>,
}

/// A login that is not complete.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// What is owed.
    pub owed: Owed,
    /// A token with the factors that went along.
    pub token: IntermediateToken,
    /// When it ends.
    pub token_expires_at: OffsetDateTime,
}

/// What a repeat of the call begins with. It is answered with the session as it is.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    session: SessionId,
    /// What the session's token is derived with, besides what the caller presents and the server's key.
    nonce: [u8; 32],
}

/// A login that is not complete; nothing was written.
struct Owing {
    organization: Organization,
    member: Member,
    owed: Owed,
    evidence: Evidence,
}

impl Service {
    /// Goes from a session to another organization that the person is a member of, or invited to.
    ///
    /// # Errors
    /// Those of a session's JWT; `SESSION_NOT_FOUND`, `ORGANIZATION_NOT_FOUND`,
    /// `INSUFFICIENT_FACTORS_FOR_SESSION_EXCHANGE`; what the table of admission refuses with.
    pub async fn exchange_session(&self, call: &Call, command: ExchangeSession) -> Result<Exchanged, Error> {
        let parts = &self.parts;
        let mint = Mint::new(&*parts.clock, &*parts.entropy);
        let from = self.find_session(&command.credential).await?;
        let text = command.credential.reveal();
        let nonce: [u8; 32] = parts.entropy.bytes();
        let token = parts.sealing_key.exchanged_token(&text, &nonce).map_err(Error::internal)?;
        let switch = Switch { call, command: &command, from: &from, mint, nonce, token_hash: token.hash() };
        let (mut owing, mut entered) = (None, None);
        let outcome = self
            .write("session_exchange", call, mint.now, async |transaction| {
                match switch.enter(transaction).await? {
                    Ok(found) => {
                        let kept = Kept { session: found.session.id, nonce };
                        entered = Some(found);
                        Ok(kept)
                    }
                    Err(unfinished) => {
                        owing = Some(unfinished);
                        // Takes the idempotency key back: what is owed may be there the next time.
                        Err(Error::concurrent().into())
                    }
                }
            })
            .await;
        if let Some(owing) = owing {
            return self.send_on(owing).await;
        }
        let Kept { session, nonce } = outcome?;
        let found = match entered {
            Some(found) => found,
            None => alive(parts.store.session_find(SessionKey::Id(session)).await?, mint.now)?,
        };
        let token = parts.sealing_key.exchanged_token(&text, &nonce).map_err(Error::internal)?;
        let FoundSession { session, member, organization } = found;
        let jwt = self.sign_session(&session, mint.now).await?;
        Ok(Exchanged { organization, member, outcome: Ok(Login { session, token, jwt }) })
    }

    /// Hands out a token with what went along.
    async fn send_on(&self, owing: Owing) -> Result<Exchanged, Error> {
        let Owing { organization, member, owed, evidence } = owing;
        let token = IntermediateToken::generate(&*self.parts.entropy);
        let kept = self.parts.keeper.insert(token.hash(), evidence, Some(organization.id)).await?;
        self.parts.metrics.token(Transition::Created);
        let outcome = Err(Unfinished { owed, token, token_expires_at: kept.expires_at });
        Ok(Exchanged { organization, member, outcome })
    }
}

/// The call, and what it mints.
struct Switch<'a> {
    call: &'a Call,
    command: &'a ExchangeSession,
    from: &'a FoundSession,
    mint: Mint<'a>,
    nonce: [u8; 32],
    token_hash: [u8; 32],
}

impl Switch<'_> {
    async fn enter(&self, transaction: &Transaction) -> Result<Result<FoundSession, Owing>, Failure> {
        let Self { call, command, mint, .. } = *self;
        let FoundSession { session: from, member: speaker, organization: home } = self.from;
        let stays = command.organization.means(home);
        let evidence = Evidence::carried(speaker, from, stays);
        let name = &command.organization;
        let mut found =
            Found::by_address(transaction, name, &evidence, Door::Switch, Some(speaker.id)).await?;
        if stays && found.organization.id != home.id {
            // The name was given to another organization since the session was read: what stays at home
            // would go along.
            return Err(Error::concurrent().into());
        }
        // Whoever ends the session, or all of the member's, has done so before, or finds the new one.
        if !transaction.session_refer(from.id, mint.now).await? {
            return Err(super::not_found().into());
        }
        let decision = found.decide(transaction).await?;
        let passage = Passage::of(&found, transaction, &decision, &mint).await?;
        let passage = passage.ok_or_else(Error::member_not_found)?;
        if !evidence.has_first_factor() {
            return Err(insufficient().into());
        }
        let organization = found.organization;
        if !decision.owed.nothing() {
            // What stays in the organization does not leave it with a token that is good for others.
            let evidence = Evidence::carried(speaker, from, false);
            if !evidence.has_first_factor() {
                return Err(insufficient().into());
            }
            let owed = decision.owed;
            return Ok(Err(Owing { organization, member: passage.after, owed, evidence }));
        }
        let session = login::session(&evidence, &passage.after, &organization, &command.session, &mint);
        passage.write(transaction).await?;
        let purchase = Purchase { session: &session, token_hash: self.token_hash, nonce: self.nonce };
        transaction.session_insert(&purchase).await?;
        transaction.events_insert(&passage.events(call, Some(&session), &mint)).await?;
        Ok(Ok(FoundSession { session, member: passage.after, organization }))
    }
}

fn insufficient() -> Error {
    Error::precondition(
        Reason::InsufficientFactorsForSessionExchange,
        "no first factor of the session can go along to another organization",
    )
}

impl SessionCredential {
    /// What was presented.
    fn reveal(&self) -> String {
        match self {
            Self::Token(token) => token.reveal(),
            Self::Jwt(text) => text.clone(),
        }
    }
}
