//! Listing the organizations that a person may enter.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use crate::domain::admission::{Decision, Door, Entry, Facts, Situation, decide};
use crate::domain::email_domain::EmailDomain;
use crate::domain::evidence::Evidence;
use crate::domain::ids::{MemberId, OrganizationId};
use crate::domain::intermediate_session::Binding;
use crate::domain::member::{Member, MemberStatus};
use crate::domain::organization::Organization;
use crate::domain::organization_settings::OauthTenant;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::sessions::SessionCredential;
use crate::store::{Candidate, Candidates, FoundSession, Way};
use crate::tokens::opaque::IntermediateToken;

/// The most organizations that are listed.
pub const MOST: usize = 1_000;

/// Who asks.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A person with an intermediate session token.
    Intermediate(IntermediateToken),
    /// A member with a session.
    Session(SessionCredential),
}

/// The organizations of a person.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// Who it is.
    pub evidence: Evidence,
    /// The organizations, in their order.
    pub organizations: Vec<DiscoveredOrganization>,
    /// The organization that the person was on the way to.
    pub hint: Option<OrganizationId>,
    /// Whether there are more.
    pub truncated: bool,
}

/// An organization that a person may enter.
#[derive(Clone, Debug)]
pub struct DiscoveredOrganization {
    /// The organization.
    pub organization: Organization,
    /// The member; `None`: the person is none yet.
    pub member: Option<Member>,
    /// The domain that lets the person join, for those who join by it.
    pub domain: Option<EmailDomain>,
    /// The tenant that lets the person join, for those who join by one.
    pub tenant: Option<OauthTenant>,
    /// What the rules said.
    pub decision: Decision,
}

/// The organizations of a person, before they are read whole.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) list: Vec<Candidate>,
    pub(super) claimed_by: Option<OrganizationId>,
    truncated: bool,
}

/// Who asks, as far as the rules care.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) evidence: Evidence,
    binding: Option<Binding>,
    hint: Option<OrganizationId>,
    /// The session, for those who have one.
    session: Option<FoundSession>,
}

impl Service {
    /// Lists the organizations that a person may enter. Changes nothing.
    ///
    /// # Errors
    /// `INTERMEDIATE_SESSION_NOT_FOUND`, `SESSION_NOT_FOUND`, those of a session's JWT.
    pub async fn list_discovered_organizations(&self, credential: &Credential) -> Result<Discovered, Error> {
        let asking = self.asking(credential).await?;
        let Listed { list, claimed_by, truncated } = self.candidates(&asking).await?;
        let organizations = self.whole(&asking, &list, claimed_by).await?;
        let Asking { evidence, binding, hint, .. } = asking;
        let hint = binding.map(|binding| binding.organization_id).or(hint);
        Ok(Discovered { evidence, organizations, hint, truncated })
    }

    /// Who asks.
    pub(super) async fn asking(&self, credential: &Credential) -> Result<Asking, Error> {
        match credential {
            Credential::Intermediate(token) => {
                let person = self.get_intermediate_session(token).await?;
                let (binding, hint) = (person.binding, person.hint);
                Ok(Asking { evidence: person.evidence, binding, hint, session: None })
            }
            Credential::Session(credential) => {
                let found = self.find_session(credential).await?;
                let FoundSession { session, member, .. } = &found;
                let evidence = Evidence::carried(member, session, false);
                Ok(Asking { evidence, binding: None, hint: None, session: Some(found) })
            }
        }
    }

    /// What a person may enter, each organization once, in their order.
    pub(super) async fn candidates(&self, asking: &Asking) -> Result<Listed, Error> {
        let Evidence { email_address, .. } = &asking.evidence;
        let tenants = asking.evidence.tenants();
        let joining = (asking.door() == Door::Exchange).then_some(tenants.as_slice());
        let Candidates { mut list, claimed_by } = self.parts.store.candidates(email_address, joining).await?;
        list.retain(|candidate| asking.may_see(candidate, claimed_by));
        list.sort_by_cached_key(|candidate| {
            let rank = (rank(&candidate.way), Reverse(candidate.last_used_at), candidate.name.to_lowercase());
            (rank, candidate.organization.uuid())
        });
        let mut seen = HashSet::new();
        list.retain(|candidate| seen.insert(candidate.organization));
        let truncated = list.len() > MOST;
        list.truncate(MOST);
        Ok(Listed { list, claimed_by, truncated })
    }

    /// The candidates whole, with what each still asks. One query for the organizations and one for the
    /// members, however many there are.
    pub(super) async fn whole(
        &self,
        asking: &Asking,
        candidates: &[Candidate],
        claimed_by: Option<OrganizationId>,
    ) -> Result<Vec<DiscoveredOrganization>, Error> {
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = candidates.iter().map(|candidate| candidate.organization).collect();
        let member_ids: Vec<_> = candidates.iter().filter_map(|candidate| candidate.way.member()).collect();
        let store = &self.parts.store;
        let organizations = store.organizations_find(&ids).await?;
        let members =
            if member_ids.is_empty() { Vec::new() } else { store.members_find(&member_ids).await? };
        let mut organizations: HashMap<_, _> =
            organizations.into_iter().map(|organization| (organization.id.uuid(), organization)).collect();
        let mut members: HashMap<_, _> =
            members.into_iter().map(|member| (member.id.uuid(), member)).collect();
        let mut discovered = Vec::new();
        for candidate in candidates {
            // Gone since the candidates were read.
            let Some(organization) = organizations.remove(&candidate.organization.uuid()) else {
                continue;
            };
            let member = candidate.way.member().and_then(|id| members.remove(&id.uuid()));
            discovered.extend(asking.judge(candidate, organization, member, claimed_by));
        }
        Ok(discovered)
    }
}

/// Active members come first, then invited and pending ones, then those who may join.
fn rank(way: &Way) -> u8 {
    match way {
        Way::Member(_, MemberStatus::Active) => 0,
        Way::Member(_, MemberStatus::Invited) => 1,
        Way::Member(..) => 2,
        Way::Domain => 3,
        Way::Tenant => 4,
    }
}

impl Way {
    fn member(&self) -> Option<MemberId> {
        match self {
            Self::Member(id, _) => Some(*id),
            Self::Domain | Self::Tenant => None,
        }
    }
}

impl Asking {
    /// The way in, as long as no organization is named.
    pub(super) fn door(&self) -> Door {
        match (&self.session, &self.binding) {
            (Some(_), _) => Door::Switch,
            (None, Some(_)) => Door::BoundElsewhere,
            (None, None) => Door::Exchange,
        }
    }

    /// Whether the candidate can be listed at all, before it is read whole. A session whose member has not
    /// proved the address speaks for no other member of that address.
    fn may_see(&self, candidate: &Candidate, claimed_by: Option<OrganizationId>) -> bool {
        let claimed = claimed_by.is_some_and(|by| by != candidate.organization);
        let active = matches!(candidate.way, Way::Member(_, MemberStatus::Active));
        if let Some(FoundSession { member, organization, .. }) = &self.session {
            let proved = member.email_address_verified || self.evidence.email_address_verified();
            if !proved && organization.id != candidate.organization {
                return false;
            }
        }
        match (self.binding, &candidate.way) {
            (Some(binding), Way::Member(id, _)) => {
                binding.organization_id == candidate.organization && binding.member_id == *id
            }
            (Some(_), _) => false,
            (None, _) => active || !claimed,
        }
    }

    /// The candidate as it is listed. `None`: it is not.
    fn judge(
        &self,
        candidate: &Candidate,
        organization: Organization,
        member: Option<Member>,
        claimed_by: Option<OrganizationId>,
    ) -> Option<DiscoveredOrganization> {
        let here = self.session.as_ref().filter(|found| found.organization.id == organization.id);
        // In the session's own organization everything counts that the session rests on.
        let own = here.map(|found| Evidence::carried(&found.member, &found.session, true));
        let evidence = own.as_ref().unwrap_or(&self.evidence);
        let door = if self.binding.is_some() { Door::Finish } else { self.door() };
        let situation = Situation {
            door,
            organization: Some(organization.id),
            settings: &organization.settings,
            member: member.as_ref(),
            retired: false,
            claimed_elsewhere: claimed_by.is_some_and(|by| by != organization.id),
            has_peer: candidate.way == Way::Domain,
            session_of: self.session.as_ref().map(|found| found.member.id),
        };
        let decision = decide(Facts::of(evidence, &situation), &organization.settings);
        let (domain, tenant) = match decision.entry.ok()? {
            Entry::Creator | Entry::Member => (None, None),
            Entry::ByDomain => (Some(evidence.email_address.domain().clone()), None),
            Entry::ByTenant => (None, evidence.joining_tenant(&organization.settings).cloned()),
        };
        Some(DiscoveredOrganization { organization, member, domain, tenant, decision })
    }
}
