//! Entering an organization with an intermediate session token.

use time::OffsetDateTime;

use super::replay::Kept;
use super::spending::{Held, LeaseOver, Outcome};
use crate::domain::admission::Door;
use crate::domain::call::Call;
use crate::domain::intermediate_session::Binding;
use crate::domain::organization::OrganizationName;
use crate::domain::session::{MemberSession, SessionRequest};
use crate::kv::Claimable;
use crate::service::Service;
use crate::service::admission::{Found, Passage};
use crate::service::error::Error;
use crate::service::login::{self, Entered, Login};
use crate::service::mint::Mint;
use crate::service::write::Failure;
use crate::store::{Constraint, Purchase, Receipt, Transaction};
use crate::telemetry::metrics::Decider;
use crate::telemetry::spans::continued;
use crate::tokens::opaque::IntermediateToken;

/// How often entering is tried that meets another call with the same person or token.
const ATTEMPTS: usize = 3;

/// Which organization to enter, and with which token.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "documented by the proto message ExchangeIntermediateSessionRequest")]
pub struct ExchangeIntermediateSession {
    pub token: IntermediateToken,
    pub organization: OrganizationName,
    pub session: SessionRequest,
    pub telemetry_id: Option<String>,
}

/// What entering has come to.
struct Entrance {
    kept: Kept,
    /// The login that the token can finish, by its receipt.
    binding: Option<Binding>,
    /// What the session's token was derived with.
    nonce: [u8; 32],
    /// Whether an earlier call was answered like this, not this one.
    repeated: bool,
    now: OffsetDateTime,
}

/// The call, and what it mints.
struct Attempt<'a> {
    call: &'a Call,
    command: &'a ExchangeIntermediateSession,
    held: &'a Held,
    mint: Mint<'a>,
    nonce: [u8; 32],
    token_hash: [u8; 32],
}

impl Service {
    /// Lets a person into an organization, and logs them in unless a factor is owed.
    ///
    /// # Errors
    /// Those of claiming a token; `ORGANIZATION_NOT_FOUND`, `MEMBER_NOT_FOUND` for a bound token; what the
    /// table of admission refuses with. The token is as it was after every one of them.
    pub async fn exchange_intermediate_session(
        &self,
        call: Call,
        command: ExchangeIntermediateSession,
    ) -> Result<Entered, Error> {
        let service = self.clone();
        let spending = async move { Box::pin(service.spend_on_entry(&call, &command)).await };
        self.parts.tasks.spawn(continued(spending)).await.map_err(Error::internal)?
    }

    async fn spend_on_entry(
        &self,
        call: &Call,
        command: &ExchangeIntermediateSession,
    ) -> Result<Entered, Error> {
        let held = match self.claim(command.token.hash(), Claimable::Any).await {
            Ok(held) => held,
            Err(refusal) => return self.replay_or(call, &command.token, refusal).await,
        };
        match held.within_lease(&*self.parts.clock, self.enter(call, command, &held)).await {
            Ok(Ok(entrance)) if entrance.repeated => {
                let replayed = self.answer_again(entrance.kept, &command.token).await;
                self.finish(&held, Outcome::AskReceipt { failed: false }).await;
                replayed
            }
            Ok(Ok(entrance)) => {
                self.finish(&held, entrance.outcome()).await;
                self.entered(&command.token, &held, entrance).await
            }
            Ok(Err(Failure::Unknown(source))) => {
                self.finish(&held, Outcome::Unknown).await;
                Err(self.unknown_outcome(source))
            }
            Ok(Err(failure)) => {
                let error = failure.into();
                // A refusal may be due to what another call has recorded: the entry is made to match.
                let away = matches!(error, Error::Unavailable { .. } | Error::Internal(_));
                let asked = Outcome::AskReceipt { failed: error.tells() };
                if self.finish(&held, if away { Outcome::Untouched } else { asked }).await.is_some() {
                    self.parts.metrics.race_lost(Decider::Receipt);
                }
                Err(error)
            }
            Err(LeaseOver::BeforeRecording) => {
                self.finish(&held, Outcome::Untouched).await;
                Err(Error::concurrent())
            }
            Err(LeaseOver::WhileRecording) => {
                self.finish(&held, Outcome::Unknown).await;
                Err(self.unknown_outcome("the lease was about to end"))
            }
        }
    }

    /// Decides and records, in one transaction: what the decision rests on is read where it is recorded.
    async fn enter(
        &self,
        call: &Call,
        command: &ExchangeIntermediateSession,
        held: &Held,
    ) -> Result<Entrance, Failure> {
        let parts = &self.parts;
        for _ in 0..ATTEMPTS {
            let nonce: [u8; 32] = parts.entropy.bytes();
            let token = parts.sealing_key.session_token(&command.token, &nonce).map_err(Error::internal)?;
            let mint = Mint::new(&*parts.clock, &*parts.entropy);
            let attempt = Attempt { call, command, held, mint, nonce, token_hash: token.hash() };
            let mut binding = None;
            let mut repeated = true;
            let outcome = self
                .write("intermediate_session_exchange", call, mint.now, async |transaction| {
                    repeated = false;
                    attempt.enter(transaction, &mut binding).await
                })
                .await;
            match outcome {
                Ok(kept) => return Ok(Entrance { kept, binding, nonce, repeated, now: mint.now }),
                // Another call has just made the person a member, or has spent the token: what it did is
                // seen now.
                Err(Failure::Violates(Constraint::MemberEmailAddress | Constraint::Receipt)) => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Error::concurrent().into())
    }

    async fn entered(
        &self,
        token: &IntermediateToken,
        held: &Held,
        entrance: Entrance,
    ) -> Result<Entered, Error> {
        let Entrance { kept, nonce, now, .. } = entrance;
        let Kept { organization, member, owed, session } = kept;
        let login = match session {
            Some(session) => {
                let jwt = self.sign_session(&session, now).await?;
                let token = self.parts.sealing_key.session_token(token, &nonce).map_err(Error::internal)?;
                Some(Login { session, token, jwt })
            }
            None => None,
        };
        Ok(Entered { organization, member, owed, login, token_expires_at: held.person.expires_at })
    }
}

impl Entrance {
    fn outcome(&self) -> Outcome {
        match (&self.kept.session, self.binding) {
            (Some(_), _) => Outcome::Spent,
            (None, Some(binding)) => Outcome::Bound(binding),
            (None, None) => Outcome::Untouched,
        }
    }
}

impl Attempt<'_> {
    async fn enter(&self, transaction: &Transaction, binding: &mut Option<Binding>) -> Result<Kept, Failure> {
        let Self { call, command, held, mint, .. } = *self;
        let evidence = &held.person.evidence;
        let receipt = transaction.receipt_find(command.token.hash()).await?;
        *binding = match (receipt, held.person.binding) {
            (Some(Receipt::Gone), _) => return Err(Error::intermediate_session_not_found().into()),
            (Some(Receipt::Bound(binding)), _) => Some(binding),
            // What it was bound to is lost.
            (None, Some(_)) => return Err(Error::organization_not_found().into()),
            (None, None) => None,
        };
        let name = &command.organization;
        let mut found = match *binding {
            Some(binding) => Found::by_binding(transaction, name, evidence, binding).await?,
            None => Found::by_address(transaction, name, evidence, Door::Exchange, None).await?,
        };
        // With the member held: whoever ends the session that factors came along from has done so before,
        // or finds what comes of them here.
        for session in evidence.sessions() {
            if !transaction.session_refer(session, mint.now).await? {
                return Err(Error::intermediate_session_not_found().into());
            }
        }
        let decision = found.decide(transaction).await?;
        let passage = Passage::of(&found, transaction, &decision, &mint).await?;
        let (organization, owed) = (found.organization, decision.owed);
        let Some(passage) = passage else {
            return Ok(Kept { organization, member: None, owed, session: None });
        };
        let session = owed
            .nothing()
            .then(|| login::session(evidence, &passage.after, &organization, &command.session, &mint));
        if let Some(session) = &session {
            self.buy(transaction, session, *binding).await?;
        }
        passage.write(transaction).await?;
        if let Some(session) = &session {
            let purchase = Purchase { session, token_hash: self.token_hash, nonce: self.nonce };
            transaction.session_insert(&purchase).await?;
        }
        let mut events = passage.events(call, session.as_ref(), &mint);
        for event in &mut events {
            event.came_from(command.telemetry_id.as_deref());
        }
        transaction.events_insert(&events).await?;
        Ok(Kept { organization, member: Some(passage.after), owed, session })
    }

    /// Records what the token buys, before anything that it buys: of two calls with one token the second
    /// waits here, and nowhere else.
    async fn buy(
        &self,
        transaction: &Transaction,
        session: &MemberSession,
        binding: Option<Binding>,
    ) -> Result<(), Failure> {
        let token = self.command.token.hash();
        let recorded = match binding {
            None => {
                let token_expires_at = self.held.person.expires_at;
                transaction.receipt_insert(token, token_expires_at, session, &self.nonce).await?;
                true
            }
            Some(binding) => transaction.receipt_finish(token, binding, session.id, &self.nonce).await?,
        };
        if recorded { Ok(()) } else { Err(Failure::Violates(Constraint::Receipt)) }
    }
}
