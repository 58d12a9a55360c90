//! Creating an organization with an intermediate session token, as its first member.

use super::replay::Kept;
use super::spending::{Held, LeaseOver, Outcome};
use crate::domain::admission::{Door, Facts, Owed, Situation, decide};
use crate::domain::call::Call;
use crate::domain::default_names::default_names;
use crate::domain::event::{Event, EventType};
use crate::domain::evidence::Evidence;
use crate::domain::ids::OrganizationId;
use crate::domain::intermediate_session::Binding;
use crate::domain::json::JsonObject;
use crate::domain::member::{ADMIN_ROLE, Member};
use crate::domain::organization::{Organization, first_version};
use crate::domain::organization_settings::OrganizationSettings;
use crate::domain::reason::Reason;
use crate::domain::session::SessionRequest;
use crate::domain::slug::{ExternalId, Slug};
use crate::kv::Claimable;
use crate::service::Service;
use crate::service::admission;
use crate::service::answers::stored_answer;
use crate::service::error::Error;
use crate::service::login::{self, Entered, Login};
use crate::service::mint::Mint;
use crate::service::organizations::Naming;
use crate::store::{Constraint, Creation, DiscoveryCreation, Error as StoreError, Purchase};
use crate::telemetry::metrics::Decider;
use crate::telemetry::spans::continued;
use crate::tokens::opaque::IntermediateToken;

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
    ) -> Result<Entered, Error> {
        if !self.parts.discovery_organization_creation {
            return self.replay(&call, &command.token).await?.ok_or(Error::Precondition {
                reason: Reason::DiscoveryOrganizationCreationDisabled,
                message: "this deployment does not let people create organizations",
            });
        }
        let service = self.clone();
        let spending = async move { service.spend_on_organization(&call, &command).await };
        self.parts.tasks.spawn(continued(spending)).await.map_err(Error::internal)?
    }

    async fn spend_on_organization(
        &self,
        call: &Call,
        command: &CreateOrganization,
    ) -> Result<Entered, Error> {
        let held = match self.claim(command.token.hash(), Claimable::Open).await {
            Ok(held) => held,
            Err(refusal) => return self.replay_or(call, &command.token, refusal).await,
        };
        let failure = match held.within_lease(&*self.parts.clock, self.record(call, command, &held)).await {
            Ok(Ok(created)) => {
                let bound = created.member.as_ref().filter(|_| created.login.is_none());
                let outcome = bound.map_or(Outcome::Spent, |member| {
                    Outcome::Bound(Binding { organization_id: member.organization_id, member_id: member.id })
                });
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
                self.finish(&held, Outcome::AskReceipt { failed: false }).await;
                return Err(error);
            }
            Failure::Refused(error) => error,
            Failure::NameTaken | Failure::Repeated => Error::concurrent(),
            Failure::TooLate => Error::intermediate_session_not_found(),
            Failure::DomainClaimed => admission::refusal(Reason::ActionNotAllowedEmailDomainIsClaimed),
        };
        // A repeat can be refused for what has changed since the first call, or for what that call
        // itself did: its own answer comes before any refusal, and the receipt before any other reason.
        let replayed = self.replay(call, &command.token).await;
        let failed = refusal.tells() && matches!(replayed, Ok(None));
        let receipt_says = self.finish(&held, Outcome::AskReceipt { failed }).await;
        if receipt_says.is_some() && matches!(replayed, Ok(None)) {
            self.parts.metrics.race_lost(Decider::Receipt);
        }
        replayed?.ok_or(receipt_says.unwrap_or(refusal))
    }

    async fn record(
        &self,
        call: &Call,
        command: &CreateOrganization,
        held: &Held,
    ) -> Result<Entered, Failure> {
        let parts = &self.parts;
        let mint = Mint::new(&*parts.clock, &*parts.entropy);
        let evidence = &held.person.evidence;
        if !self.sessions_live(evidence).await.map_err(Failure::Refused)? {
            return Err(Failure::TooLate);
        }
        let names = default_names(&evidence.email_address, &parts.common_domains);
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
        let owed = owed_by_creator(evidence, &organization.settings).map_err(Failure::Refused)?;
        let member = first_member(evidence, organization.id, &mint);
        loop {
            let session = owed
                .nothing()
                .then(|| login::session(evidence, &member, &organization, &command.session, &mint));
            let kept = Kept { organization, member: Some(member.clone()), owed: owed.clone(), session };
            let events = events(call, command, &kept, &mint);
            let answer = stored_answer(call, &kept, mint.now).map_err(Failure::Refused)?;
            let creation =
                Creation { answer: answer.as_ref(), organization: &kept.organization, events: &events };
            match self.record_once(&command.token, held, &kept, creation).await {
                Ok(login) => {
                    let Kept { organization, member, owed, .. } = kept;
                    let token_expires_at = held.person.expires_at;
                    return Ok(Entered { organization, member, owed, login, token_expires_at });
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
        let Some(member) = &kept.member else {
            return Err(Failure::Refused(Error::internal("a creation has no member")));
        };
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
            member,
            purchase,
            now,
        };
        // The signature is made while the database works.
        let signing = async {
            match &kept.session {
                Some(session) => self.sign_session(session, now).await.map(Some),
                None => Ok(None),
            }
        };
        let (recorded, jwt) = tokio::join!(parts.store.record_discovery_creation(&bought), signing);
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
}

fn events(call: &Call, command: &CreateOrganization, kept: &Kept, mint: &Mint<'_>) -> Vec<Event> {
    let event = |event_type| {
        let mut event = Event::new(mint.id(), event_type, kept.organization.id, call, mint.now);
        event.came_from(command.telemetry_id.as_deref());
        event
    };
    let organization = event(EventType::OrganizationCreated);
    let member = kept.member.as_ref().map(|member| event(EventType::MemberCreated).of_member(member.id));
    let session = kept
        .session
        .as_ref()
        .map(|session| event(EventType::SessionCreated).of_member(session.member_id).of_session(session.id));
    [Some(organization), member, session].into_iter().flatten().collect()
}

/// The creator as the first member: an admin, active once the address is verified.
fn first_member(evidence: &Evidence, organization: OrganizationId, mint: &Mint<'_>) -> Member {
    let mut member = login::new_member(evidence, organization, mint);
    member.assigned_roles = vec![ADMIN_ROLE.to_owned()];
    // An account says who the creator is only once the address has.
    if evidence.email_address_verified() { login::logged_in(member, evidence, mint) } else { member }
}

/// What the creator still owes the organization. Whether the domain is claimed is judged by the statement
/// that records.
fn owed_by_creator(evidence: &Evidence, settings: &OrganizationSettings) -> Result<Owed, Error> {
    let situation = Situation {
        door: Door::Create,
        organization: None,
        settings,
        member: None,
        retired: false,
        claimed_elsewhere: false,
        has_peer: false,
        session_of: None,
    };
    let decision = decide(Facts::of(evidence, &situation), settings);
    decision.entry.map(|_| decision.owed).map_err(admission::refusal)
}
