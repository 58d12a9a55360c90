//! Creating an organization with an intermediate session token, as its first member.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tracing::Instrument as _;

use super::first_member::{first_member, first_session};
use super::spending::{Held, LeaseOver, Outcome};
use crate::domain::call::Call;
use crate::domain::default_names::default_names;
use crate::domain::discovery::{Owed, owed_by_creator};
use crate::domain::event::{Event, EventType};
use crate::domain::intermediate_session::Binding;
use crate::domain::json::JsonObject;
use crate::domain::member::Member;
use crate::domain::organization::{Organization, first_version};
use crate::domain::organization_settings::OrganizationSettings;
use crate::domain::reason::Reason;
use crate::domain::session::{MemberSession, SessionRequest};
use crate::domain::slug::{ExternalId, Slug};
use crate::service::Service;
use crate::service::answers::stored_answer;
use crate::service::error::Error;
use crate::service::mint::Mint;
use crate::service::organizations::Naming;
use crate::store::{Constraint, Creation, DiscoveryCreation, Error as StoreError, Purchase};
use crate::tokens::opaque::{IntermediateToken, SessionToken};

/// What to create, and with which token.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "documented by the proto message DiscoveryServiceCreateOrganizationRequest")]
pub struct CreateOrganization {
    pub token: IntermediateToken,
    pub session: SessionRequest,
    pub name: Option<String>,
    pub slug: Option<Slug>,
    pub external_id: Option<ExternalId>,
    pub logo_url: String,
    pub trusted_metadata: JsonObject,
    pub settings: OrganizationSettings,
    pub telemetry_id: Option<String>,
}

/// What was created.
#[derive(Clone, Debug)]
pub struct Created {
    /// The organization.
    pub organization: Organization,
    /// Its first member.
    pub member: Member,
    /// What is owed before the member is logged in.
    pub owed: Owed,
    /// The login, when nothing is owed.
    pub login: Option<Login>,
    /// When the intermediate session token ends, for a caller who gets it back.
    pub token_expires_at: OffsetDateTime,
}

/// A login.
#[derive(Clone, Debug)]
pub struct Login {
    /// The session.
    pub session: MemberSession,
    /// Its opaque token.
    pub token: SessionToken,
    /// Its JWT.
    pub jwt: String,
}

/// What a repeat of the call is answered with: everything but the secrets.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    organization: Organization,
    member: Member,
    owed: Owed,
    session: Option<MemberSession>,
}

/// Why nothing came of a held token.
#[derive(Debug)]
enum Failure {
    /// The call is answered with this, and the token is as it was.
    Refused(Error),
    /// The slug or the external id is taken.
    NameTaken,
    /// The token has bought something before.
    TooLate,
    /// The call, or another one with its key, was answered before.
    Repeated,
    /// The domain of the address is claimed.
    DomainClaimed,
    /// It was recorded, but the answer can't be given.
    Unanswerable(Error),
    /// Nobody knows what was recorded.
    Unknown(Error),
}

impl Service {
    /// Creates an organization and its first member, and logs them in unless a factor is owed.
    ///
    /// # Errors
    /// Those of claiming a token, of [`Self::create_organization`], and
    /// `ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED`, `DISCOVERY_ORGANIZATION_CREATION_DISABLED`.
    /// The token is as it was after every one of them.
    pub async fn create_discovered_organization(
        &self,
        call: Call,
        command: CreateOrganization,
    ) -> Result<Created, Error> {
        if !self.parts.discovery_organization_creation {
            return self.replay(&call, &command.token).await?.ok_or(Error::Precondition {
                reason: Reason::DiscoveryOrganizationCreationDisabled,
                message: "this deployment does not let people create organizations",
            });
        }
        let service = self.clone();
        let spending = async move { service.spend_on_organization(&call, &command).await };
        self.parts.tasks.spawn(spending.in_current_span()).await.map_err(Error::internal)?
    }

    async fn spend_on_organization(
        &self,
        call: &Call,
        command: &CreateOrganization,
    ) -> Result<Created, Error> {
        let held = match self.claim(command.token.hash()).await {
            Ok(held) => held,
            Err(refusal @ (Error::NotFound { .. } | Error::Busy { .. } | Error::Precondition { .. })) => {
                return self.replay(call, &command.token).await?.ok_or(refusal);
            }
            Err(error) => return Err(error),
        };
        let failure = match held.within_lease(&*self.parts.clock, self.record(call, command, &held)).await {
            Ok(Ok(created)) => {
                let outcome =
                    if created.login.is_some() { Outcome::Spent } else { Outcome::Bound(created.binding()) };
                self.finish(&held, outcome).await;
                return Ok(created);
            }
            Ok(Err(failure)) => failure,
            Err(LeaseOver::BeforeRecording) => Failure::Refused(Error::concurrent()),
            Err(LeaseOver::WhileRecording) => {
                Failure::Unknown(self.unknown_outcome("the lease was about to end"))
            }
        };
        let refusal = match failure {
            Failure::Unknown(error) => {
                self.finish(&held, Outcome::Unknown).await;
                return Err(error);
            }
            Failure::Refused(error @ (Error::Unavailable { .. } | Error::Internal(_))) => {
                self.finish(&held, Outcome::Untouched).await;
                return Err(error);
            }
            Failure::Unanswerable(error) => {
                self.finish(&held, Outcome::AskReceipt).await;
                return Err(error);
            }
            Failure::Refused(error) => error,
            Failure::NameTaken | Failure::Repeated => Error::concurrent(),
            Failure::TooLate => Error::intermediate_session_not_found(),
            Failure::DomainClaimed => Error::Precondition {
                reason: Reason::ActionNotAllowedEmailDomainIsClaimed,
                message: "the domain of the e-mail address is claimed by another organization",
            },
        };
        // A repeat can be refused for what has changed since the first call, or for what that call
        // itself did: its own answer comes before any refusal, and the receipt before any other reason.
        let replayed = self.replay(call, &command.token).await;
        let receipt_says = self.finish(&held, Outcome::AskReceipt).await;
        replayed?.ok_or(receipt_says.unwrap_or(refusal))
    }

    async fn record(
        &self,
        call: &Call,
        command: &CreateOrganization,
        held: &Held,
    ) -> Result<Created, Failure> {
        let parts = &self.parts;
        let mint = Mint::new(&*parts.clock, &*parts.entropy);
        let person = &held.person;
        let names = default_names(&person.email_address, &parts.common_domains);
        let mut naming = Naming::new(command.slug.clone(), || names.slug);
        let mut organization = Organization {
            id: mint.id(),
            name: command.name.clone().unwrap_or(names.name),
            slug: naming.slug.clone(),
            external_id: command.external_id.clone(),
            logo_url: command.logo_url.clone(),
            trusted_metadata: command.trusted_metadata.clone(),
            settings: command.settings.clone(),
            created_at: mint.now,
            updated_at: mint.now,
            version: first_version(),
        };
        let member = first_member(person, organization.id, &mint);
        let owed = owed_by_creator(person, &organization.settings);
        loop {
            let session = owed
                .nothing()
                .then(|| first_session(person, &member, &organization, &command.session, &mint));
            let kept = Kept { organization, member: member.clone(), owed: owed.clone(), session };
            let events = events(call, command, &kept, &mint);
            let answer = stored_answer(call, &kept, mint.now).map_err(Failure::Refused)?;
            let creation =
                Creation { answer: answer.as_ref(), organization: &kept.organization, events: &events };
            match self.record_once(&command.token, held, &kept, creation).await {
                Ok(login) => {
                    let token_expires_at = person.expires_at;
                    return Ok(Created {
                        organization: kept.organization,
                        member,
                        owed,
                        login,
                        token_expires_at,
                    });
                }
                Err(Failure::NameTaken) => {
                    organization = kept.organization;
                    naming
                        .next(self, organization.id, organization.external_id.as_ref())
                        .await
                        .map_err(Failure::Refused)?;
                    organization.slug = naming.slug.clone();
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn record_once(
        &self,
        token: &IntermediateToken,
        held: &Held,
        kept: &Kept,
        creation: Creation<'_>,
    ) -> Result<Option<Login>, Failure> {
        let parts = &self.parts;
        let now = kept.organization.created_at;
        let nonce: [u8; 32] = parts.entropy.bytes();
        let session_token = parts
            .sealing_key
            .session_token(token, &nonce)
            .map_err(|error| Failure::Refused(Error::internal(error)))?;
        let purchase = kept.session.as_ref().map(|session| Purchase {
            session,
            token_hash: session_token.hash(),
            nonce,
        });
        let bought = DiscoveryCreation {
            creation,
            token_hash: token.hash(),
            token_expires_at: held.person.expires_at,
            member: &kept.member,
            purchase,
            now,
        };
        // The signature is made while the database works.
        let (recorded, jwt) = tokio::join!(
            parts.store.record_discovery_creation(&bought),
            self.sign_session(kept.session.as_ref(), now)
        );
        match recorded {
            Ok(true) => {}
            Ok(false) => return Err(Failure::DomainClaimed),
            Err(StoreError::Violates(Constraint::IdempotencyKey)) => return Err(Failure::Repeated),
            Err(StoreError::Violates(Constraint::Receipt)) => return Err(Failure::TooLate),
            Err(StoreError::Violates(Constraint::OrganizationName)) => return Err(Failure::NameTaken),
            Err(error @ StoreError::UnknownOutcome(_)) => {
                return Err(Failure::Unknown(self.unknown_outcome(error)));
            }
            Err(error) => return Err(Failure::Refused(error.into())),
        }
        let jwt = jwt.map_err(Failure::Unanswerable)?;
        Ok(kept.session.clone().zip(jwt).map(|(session, jwt)| Login { session, token: session_token, jwt }))
    }

    /// Answers a repeat of the call as the call was answered, with a fresh JWT. `None`: the call
    /// sent no key, or nothing was answered under it.
    ///
    /// Works only while everything that the answer speaks of is there.
    async fn replay(&self, call: &Call, token: &IntermediateToken) -> Result<Option<Created>, Error> {
        let Some(kept) = self.earlier_answer::<Kept>(call).await? else {
            return Ok(None);
        };
        let parts = &self.parts;
        let now = parts.clock.now();
        let gone = |reason, message| Err(Error::NotFound { reason, message });
        let Some(target) = parts.store.replay_target(token.hash()).await? else {
            return Err(Error::intermediate_session_not_found());
        };
        let finished_since = target.session_id != kept.session.as_ref().map(|session| session.id);
        if target.revoked || target.token_expires_at <= now || finished_since {
            return Err(Error::intermediate_session_not_found());
        }
        if !target.organization_lives {
            return Err(Error::organization_not_found());
        }
        if !target.member_lives {
            return gone(Reason::MemberNotFound, "the member is gone");
        }
        let login = match (kept.session, target.nonce) {
            (None, _) => None,
            (Some(_), _) if target.session_expires_at.is_none_or(|expires_at| expires_at <= now) => {
                return gone(Reason::SessionNotFound, "the session is gone");
            }
            (Some(_), None) => {
                return Err(Error::internal("a receipt with a session has no nonce"));
            }
            (Some(session), Some(nonce)) => {
                let token = parts.sealing_key.session_token(token, &nonce).map_err(Error::internal)?;
                let jwt = self.sign_session(Some(&session), now).await?;
                jwt.map(|jwt| Login { session, token, jwt })
            }
        };
        Ok(Some(Created {
            organization: kept.organization,
            member: kept.member,
            owed: kept.owed,
            login,
            token_expires_at: target.token_expires_at,
        }))
    }
}

impl Created {
    fn binding(&self) -> Binding {
        Binding { organization_id: self.organization.id, member_id: self.member.id }
    }
}

fn events(call: &Call, command: &CreateOrganization, kept: &Kept, mint: &Mint<'_>) -> Vec<Event> {
    let event = |event_type| {
        let mut event = Event::new(mint.id(), event_type, kept.organization.id, call, mint.now);
        if let Some(telemetry_id) = &command.telemetry_id {
            event.data.insert("telemetry_id".to_owned(), telemetry_id.as_str().into());
        }
        event
    };
    let organization = event(EventType::OrganizationCreated);
    let member = Event { member_id: Some(kept.member.id), ..event(EventType::MemberCreated) };
    let session = kept.session.as_ref().map(|session| Event {
        member_id: Some(kept.member.id),
        session_id: Some(session.id),
        ..event(EventType::SessionCreated)
    });
    [organization, member].into_iter().chain(session).collect()
}
