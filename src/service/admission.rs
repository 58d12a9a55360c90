//! Letting a person into an organization: what the rules are asked about, read where the outcome is
//! recorded, and what becomes of the member.

use super::error::Error;
use super::login::{logged_in, new_member, register_accounts};
use super::mint::Mint;
use crate::domain::admission::{Decision, Door, Entry, Facts, Situation, decide};
use crate::domain::call::Call;
use crate::domain::event::{Event, EventType};
use crate::domain::evidence::Evidence;
use crate::domain::ids::{MemberId, OrganizationId};
use crate::domain::intermediate_session::Binding;
use crate::domain::member::{Member, MemberName, MemberStatus};
use crate::domain::organization::{Organization, OrganizationName};
use crate::domain::organization_settings::AuthMethods;
use crate::domain::reason::Reason;
use crate::domain::session::MemberSession;
use crate::store::{Error as StoreError, Lock, Transaction};

/// An organization, and how a person stands to it.
#[derive(Debug)]
pub(super) struct Found<'a> {
    evidence: &'a Evidence,
    pub(super) organization: Organization,
    pub(super) member: Option<Member>,
    door: Door,
    retired: bool,
    claimed_elsewhere: bool,
    has_peer: bool,
    session_of: Option<MemberId>,
}

/// What becomes of the member.
#[derive(Debug)]
pub(super) struct Passage {
    /// As it was; `None`: the person was no member.
    before: Option<Member>,
    /// As it is.
    pub(super) after: Member,
    changed: Vec<&'static str>,
    /// Whether everything that came in while nobody had proved the address goes out.
    proved: bool,
    /// Whether an exemption from restricted methods let the member in.
    exempt: bool,
}

impl<'a> Found<'a> {
    /// Holds the member who has the address, then reads what decides: whatever the hold had to wait for is
    /// seen.
    pub(super) async fn by_address(
        transaction: &Transaction,
        name: &OrganizationName,
        evidence: &'a Evidence,
        door: Door,
        session_of: Option<MemberId>,
    ) -> Result<Self, Error> {
        let address = &evidence.email_address;
        let id = identify(transaction, name).await?;
        let held = transaction.member_hold_by_address(id, address).await?;
        // Deleted by whom it was waited for: what it had, above all its exemption, counts no more.
        let held = held.filter(|member| member.status != MemberStatus::Deleted);
        let organization = read(transaction, name, id).await?;
        let (member, retired) = match held {
            Some(member) if member.email_address == *address => (Some(member), false),
            held => (None, held.is_some()),
        };
        // Whoever is active already stays so, whatever is claimed.
        let asks = member.as_ref().is_none_or(|member| member.status != MemberStatus::Active);
        let claimed_elsewhere = asks && {
            let domain = std::slice::from_ref(address.domain());
            !transaction.claimed_domains(id, domain).await?.is_empty()
        };
        let joins = member.is_none() && !retired && door == Door::Exchange;
        let has_peer = joins && transaction.has_verified_address(id, address.domain()).await?;
        Ok(Self { evidence, organization, member, door, retired, claimed_elsewhere, has_peer, session_of })
    }

    /// Holds the member of the login that a token is bound to, then reads what decides. At the door of
    /// another organization there is nothing to decide by.
    pub(super) async fn by_binding(
        transaction: &Transaction,
        name: &OrganizationName,
        evidence: &'a Evidence,
        binding: Binding,
    ) -> Result<Self, Error> {
        let id = identify(transaction, name).await?;
        let here = id == binding.organization_id;
        let member = if here {
            let member = transaction.member_hold(id, &MemberName::Id(binding.member_id)).await?;
            // The factors are about the address that the member had then.
            let same = |member: &Member| {
                member.status != MemberStatus::Deleted && member.email_address == evidence.email_address
            };
            Some(member.filter(same).ok_or_else(Error::member_not_found)?)
        } else {
            None
        };
        let organization = read(transaction, name, id).await?;
        Ok(Self {
            evidence,
            organization,
            member,
            door: if here { Door::Finish } else { Door::BoundElsewhere },
            retired: false,
            claimed_elsewhere: false,
            has_peer: false,
            session_of: None,
        })
    }

    /// Asks the rules. Who joins does so by settings that nobody changes until it is recorded; everybody
    /// else keeps nobody from changing them.
    pub(super) async fn decide(&mut self, transaction: &Transaction) -> Result<Decision, Error> {
        let decision = self.ask();
        if !matches!(decision.entry, Ok(Entry::ByDomain | Entry::ByTenant)) {
            return Ok(decision);
        }
        let name = OrganizationName::Id(self.organization.id);
        let held = transaction.organization_hold(&name, Lock::Share).await?;
        self.organization = held.ok_or_else(Error::organization_not_found)?;
        let domain = self.evidence.email_address.domain();
        self.has_peer = transaction.has_verified_address(self.organization.id, domain).await?;
        Ok(self.ask())
    }

    fn ask(&self) -> Decision {
        let settings = &self.organization.settings;
        let situation = Situation {
            door: self.door,
            organization: Some(self.organization.id),
            settings,
            member: self.member.as_ref(),
            retired: self.retired,
            claimed_elsewhere: self.claimed_elsewhere,
            has_peer: self.has_peer,
            session_of: self.session_of,
        };
        decide(Facts::of(self.evidence, &situation), settings)
    }
}

async fn identify(transaction: &Transaction, name: &OrganizationName) -> Result<OrganizationId, Error> {
    transaction.organization_identify(name).await?.ok_or_else(Error::organization_not_found)
}

/// The organization that was identified, if the name still means it.
async fn read(
    transaction: &Transaction,
    name: &OrganizationName,
    id: OrganizationId,
) -> Result<Organization, Error> {
    let organization = transaction.organization_find(id).await?;
    organization.filter(|organization| name.means(organization)).ok_or_else(Error::organization_not_found)
}

/// What a caller is told who is kept out.
pub(super) fn refusal(reason: Reason) -> Error {
    let message = match reason {
        Reason::MemberNotFound => return Error::member_not_found(),
        Reason::InvalidIntermediateSessionTokenForOrganization => {
            "the intermediate session can only finish the login in the organization it is bound to"
        }
        Reason::ActionNotAllowedEmailDomainIsClaimed => {
            "the domain of the e-mail address is claimed by another organization"
        }
        Reason::RetiredMemberEmail => {
            "a member of the organization has given the address up; it has to be unlinked first"
        }
        Reason::EmailJitProvisioningNotAllowed => {
            "the person is no member, and the organization lets nobody join by e-mail domain"
        }
        Reason::InvalidEmailForJitProvisioning => {
            "the person is no member, and the domain of the address lets nobody join the organization"
        }
        Reason::OauthTenantJitProvisioningNotAllowed => {
            "the person is no member, and the organization lets nobody join by OAuth tenant"
        }
        Reason::InvalidOauthTenantForJitProvisioning => {
            "the person is no member, and no tenant of their OAuth accounts lets them join the organization"
        }
        _ => "the organization does not let the person in",
    };
    Error::precondition(reason, message)
}

impl Passage {
    /// What becomes of the member. `None`: there is none, and there will be none before a first factor.
    ///
    /// # Errors
    /// Those who are kept out get their refusal.
    pub(super) async fn of(
        found: &Found<'_>,
        transaction: &Transaction,
        decision: &Decision,
        mint: &Mint<'_>,
    ) -> Result<Option<Self>, Error> {
        let (before, mut after) = match decision.entry.map_err(refusal)? {
            Entry::Creator | Entry::Member => {
                let member = found.member.clone().ok_or_else(Error::member_not_found)?;
                (Some(member.clone()), member)
            }
            Entry::ByDomain | Entry::ByTenant if decision.owed.primary.is_some() => return Ok(None),
            Entry::ByDomain | Entry::ByTenant => joining(found, transaction, mint).await?,
        };
        let was_proved = before.as_ref().is_some_and(|before| before.email_address_verified);
        if decision.owed.nothing() {
            after = logged_in(after, found.evidence, mint);
        }
        let proved = after.email_address_verified && !was_proved;
        let exempt =
            decision.facts.exempt && found.organization.settings.auth_methods == AuthMethods::Restricted;
        let (after, changed) = match &before {
            Some(before) => after.changed_since(before, mint.now),
            None => (after, Vec::new()),
        };
        Ok(Some(Self { before, after, changed, proved, exempt }))
    }

    /// Writes it. Sessions that began before anybody had proved the address may be somebody else's.
    pub(super) async fn write(&self, transaction: &Transaction) -> Result<(), StoreError> {
        match &self.before {
            None => transaction.members_insert(std::slice::from_ref(&self.after)).await,
            Some(_) if self.changed.is_empty() => Ok(()),
            Some(before) => {
                if self.proved {
                    transaction.sessions_end(before.id, self.after.updated_at).await?;
                }
                transaction.member_update(before, &self.after).await
            }
        }
    }

    /// What tells of it, and of the session that comes of it.
    pub(super) fn events(&self, call: &Call, session: Option<&MemberSession>, mint: &Mint<'_>) -> Vec<Event> {
        let event = |event_type| {
            let event = Event::new(mint.id(), event_type, self.after.organization_id, call, mint.now);
            event.of_member(self.after.id)
        };
        let member = match &self.before {
            None => Some(event(EventType::MemberCreated)),
            Some(before) if before.status == MemberStatus::Deleted => {
                Some(event(EventType::MemberReactivated).with_changed(&self.changed))
            }
            Some(_) if self.changed.is_empty() => None,
            Some(_) => Some(event(EventType::MemberUpdated).with_changed(&self.changed)),
        };
        let session = session.map(|session| {
            let mut created = event(EventType::SessionCreated).of_session(session.id);
            if self.exempt {
                created.data.insert("is_breakglass".to_owned(), true.into());
            }
            created
        });
        member.into_iter().chain(session).collect()
    }
}

/// The person as a member who has not logged in: the one that was deleted, or a new one. Whoever comes back
/// brings nothing but the id: the address may have another owner by now, and nobody gets what they did not
/// have.
async fn joining(
    found: &Found<'_>,
    transaction: &Transaction,
    mint: &Mint<'_>,
) -> Result<(Option<Member>, Member), Error> {
    let evidence = found.evidence;
    let former = transaction.member_hold_former(found.organization.id, &evidence.email_address).await?;
    let mut member = new_member(evidence, found.organization.id, mint);
    if let Some(former) = &former {
        let Member { id, email_id, created_at, version, .. } = *former;
        member = Member { id, email_id, created_at, version, ..member };
    }
    register_accounts(&mut member, evidence, mint);
    Ok((former, member))
}
