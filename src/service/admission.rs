//! Letting a person into an organization: what the rules are asked about, read where the outcome is
//! recorded, and what becomes of the member.

use super::error::Error;
use super::login::{logged_in, new_member, register_accounts};
use super::members::reactivate::give_up;
use super::mint::Mint;
use crate::domain::admission::{Decision, Door, Entry, Facts, Situation, decide};
use crate::domain::call::Call;
use crate::domain::event::{Event, EventType};
use crate::domain::evidence::Evidence;
use crate::domain::ids::MemberId;
use crate::domain::intermediate_session::Binding;
use crate::domain::member::{Member, MemberName, MemberStatus};
use crate::domain::organization::{Organization, OrganizationName};
use crate::domain::reason::Reason;
use crate::store::{Error as StoreError, Lock, Transaction, Unique};

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
}

impl<'a> Found<'a> {
    /// Reads what decides about somebody with this address, and holds the member.
    pub(super) async fn by_address(
        transaction: &Transaction,
        name: &OrganizationName,
        evidence: &'a Evidence,
        door: Door,
        session_of: Option<MemberId>,
    ) -> Result<Self, Error> {
        let address = &evidence.email_address;
        let mut organization = organization(transaction, name).await?;
        let held = transaction.member_hold_by_address(organization.id, address).await?;
        let (member, retired) = match held {
            Some(member) if member.email_address == *address => (Some(member), false),
            held => (None, held.is_some()),
        };
        let mut has_peer = false;
        if member.is_none() && !retired && door == Door::Exchange {
            // Who joins does so by settings that nobody changes meanwhile. Others are not kept from
            // changing them: a login is not what a settings page should wait for.
            let name = OrganizationName::Id(organization.id);
            let held = transaction.organization_hold(&name, Lock::Share).await?;
            organization = held.ok_or_else(Error::organization_not_found)?;
            has_peer = transaction.has_verified_address(organization.id, address.domain()).await?;
        }
        // Whoever is active already stays so, whatever is claimed.
        let asks = member.as_ref().is_none_or(|member| member.status != MemberStatus::Active);
        let claimed_elsewhere = asks && {
            let domain = std::slice::from_ref(address.domain());
            !transaction.claimed_domains(organization.id, domain).await?.is_empty()
        };
        Ok(Self { evidence, organization, member, door, retired, claimed_elsewhere, has_peer, session_of })
    }

    /// Reads what decides about a login that a token is bound to, and holds the member. At the door of
    /// another organization there is nothing to read.
    pub(super) async fn by_binding(
        transaction: &Transaction,
        name: &OrganizationName,
        evidence: &'a Evidence,
        binding: Binding,
    ) -> Result<Self, Error> {
        let organization = organization(transaction, name).await?;
        let here = organization.id == binding.organization_id;
        let member = if here {
            let name = MemberName::Id(binding.member_id);
            let member = transaction.member_hold(organization.id, &name).await?;
            // The factors are about the address that the member had then.
            let same = |member: &Member| {
                member.status != MemberStatus::Deleted && member.email_address == evidence.email_address
            };
            Some(member.filter(same).ok_or_else(Error::member_not_found)?)
        } else {
            None
        };
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

    /// Asks the rules.
    pub(super) fn decide(&self) -> Decision {
        let settings = &self.organization.settings;
        let situation = Situation {
            door: self.door,
            settings,
            member: self.member.as_ref(),
            retired: self.retired,
            claimed_elsewhere: self.claimed_elsewhere,
            has_peer: self.has_peer,
            session_of: self.session_of,
        };
        decide(&Facts::of(self.evidence, &situation), settings)
    }
}

async fn organization(transaction: &Transaction, name: &OrganizationName) -> Result<Organization, Error> {
    transaction.organization_find(name).await?.ok_or_else(Error::organization_not_found)
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
        if decision.owed.nothing() {
            after = logged_in(after, found.evidence, mint);
        }
        let (after, changed) = match &before {
            Some(before) => after.changed_since(before, mint.now),
            None => (after, Vec::new()),
        };
        Ok(Some(Self { before, after, changed }))
    }

    /// Writes it.
    pub(super) async fn write(&self, transaction: &Transaction) -> Result<(), StoreError> {
        match &self.before {
            None => transaction.members_insert(std::slice::from_ref(&self.after)).await,
            Some(_) if self.changed.is_empty() => Ok(()),
            Some(before) => transaction.member_update(before, &self.after).await,
        }
    }

    /// What tells of it.
    pub(super) fn event(&self, call: &Call, mint: &Mint<'_>) -> Option<Event> {
        let event_type = match &self.before {
            None => EventType::MemberCreated,
            Some(before) if before.status == MemberStatus::Deleted => EventType::MemberReactivated,
            Some(_) if self.changed.is_empty() => return None,
            Some(_) => EventType::MemberUpdated,
        };
        let event = Event::new(mint.id(), event_type, self.after.organization_id, call, mint.now);
        let event = event.of_member(self.after.id);
        Some(if self.before.is_some() { event.with_changed(&self.changed) } else { event })
    }
}

/// The person as a member who has not logged in: the one that was deleted, or a new one. Whoever comes
/// back brings nothing that gave access: no roles, no exemption, no accounts, and no proof of the address.
async fn joining(
    found: &Found<'_>,
    transaction: &Transaction,
    mint: &Mint<'_>,
) -> Result<(Option<Member>, Member), Error> {
    let evidence = found.evidence;
    let former = transaction.member_hold_former(found.organization.id, &evidence.email_address).await?;
    let mut member = match &former {
        None => new_member(evidence, found.organization.id, mint),
        Some(former) => {
            let mut member = Member {
                status: MemberStatus::Pending,
                email_address_verified: false,
                assigned_roles: Vec::new(),
                is_breakglass: false,
                oauth_registrations: Vec::new(),
                ..former.clone()
            };
            give_up(&mut member, &transaction.others_have(former, &Unique::of([former])).await?);
            member
        }
    };
    register_accounts(&mut member, evidence, mint);
    Ok((former, member))
}
