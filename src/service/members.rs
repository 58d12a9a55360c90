//! Members, for the product's back office.

pub mod create;
pub mod delete;
pub mod delete_external_id;
pub mod delete_mfa_phone_number;
pub mod get;
pub mod invite;
pub mod reactivate;
pub mod search;
pub mod unlink;
pub mod update;

use serde::{Deserialize, Serialize};

use super::Service;
use super::error::Error;
use super::mint::Mint;
use super::organizations::hold_organization;
use super::organizations::update::admin_domains;
use super::write::Failure;
use crate::domain::call::Call;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{Event, EventType};
use crate::domain::member::{Member, MemberName, MemberStatus};
use crate::domain::organization::{Organization, OrganizationName};
use crate::domain::phone_number::PhoneNumber;
use crate::domain::reason::{Reason, Violation};
use crate::domain::slug::ExternalId;
use crate::store::{Constraint, Lock, Transaction, Unique};
use crate::tokens::etag::etag;

/// A member with its organization, which says what follows from it for the member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct MemberAnswer {
    pub member: Member,
    pub organization: Organization,
}

/// Which member a call is to change.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberTarget {
    /// The organization.
    pub organization: OrganizationName,
    /// The member.
    pub member: MemberName,
    /// The etag that the member must have.
    pub etag: Option<String>,
}

impl MemberTarget {
    /// Holds the organization and the member, if that is what the caller thinks it is.
    async fn hold(&self, transaction: &Transaction, lock: Lock) -> Result<MemberAnswer, Error> {
        self.hold_if(transaction, lock, |member| member.status != MemberStatus::Deleted).await
    }

    /// Like [`MemberTarget::hold`], and deleted members too.
    async fn hold_any(&self, transaction: &Transaction, lock: Lock) -> Result<MemberAnswer, Error> {
        self.hold_if(transaction, lock, |_| true).await
    }

    async fn hold_if(
        &self,
        transaction: &Transaction,
        lock: Lock,
        found: impl Fn(&Member) -> bool,
    ) -> Result<MemberAnswer, Error> {
        let organization = hold_organization(transaction, &self.organization, lock).await?;
        let member = transaction.member_hold(organization.id, &self.member).await?;
        let member = member.filter(found).ok_or_else(Error::member_not_found)?;
        let current = etag(member.id.uuid(), member.version);
        if self.etag.as_ref().is_some_and(|etag| *etag != current) {
            return Err(Error::Stale);
        }
        Ok(MemberAnswer { member, organization })
    }
}

/// Refuses addresses on domains that other organizations have claimed, each by the path of its field.
async fn refuse_claimed(
    transaction: &Transaction,
    organization: &Organization,
    addresses: impl IntoIterator<Item = (String, &EmailAddress)>,
) -> Result<(), Error> {
    let addresses: Vec<_> = addresses.into_iter().collect();
    let domains: Vec<_> = addresses.iter().map(|(_, address)| address.domain().clone()).collect();
    let claimed = transaction.claimed_domains(organization.id, &domains).await?;
    let violations: Vec<_> = addresses
        .into_iter()
        .filter(|(_, address)| claimed.contains(address.domain()))
        .map(|(path, _)| {
            let reason = Reason::ActionNotAllowedEmailDomainIsClaimed;
            Violation::new(path, reason, "is on a domain that another organization has claimed")
        })
        .collect();
    if violations.is_empty() { Ok(()) } else { Err(Error::Unfit(violations)) }
}

/// Refuses a change by which a member stops being an admin, if there is no other: none who is active, or
/// none at all.
async fn keeps_an_admin(
    transaction: &Transaction,
    organization: &Organization,
    before: &Member,
    after: &Member,
) -> Result<(), Error> {
    let assignments = &organization.settings.rbac_email_implicit_role_assignments;
    let is_admin = |member: &Member| member.status != MemberStatus::Deleted && member.is_admin(assignments);
    if !is_admin(before) || is_admin(after) {
        return Ok(());
    }
    let others = transaction.admins(organization.id, &admin_domains(organization), Some(before.id)).await?;
    let last_active = before.status == MemberStatus::Active && !others.active;
    if last_active || !others.any { Err(last_admin()) } else { Ok(()) }
}

/// The refusal to leave an organization without admins.
pub(super) fn last_admin() -> Error {
    Error::precondition(
        Reason::LastAdminRemoval,
        "the organization would be left without its last admin; allow_removing_last_admin allows that",
    )
}

impl Service {
    /// Changes a member by a rule that needs to know nothing else, in a transaction of this name.
    async fn change_member(
        &self,
        name: &'static str,
        call: &Call,
        target: &MemberTarget,
        change: impl Fn(&mut Member) -> Result<(), Error> + Sync + Send,
    ) -> Result<MemberAnswer, Error> {
        let mint = Mint::new(&*self.parts.clock, &*self.parts.entropy);
        let outcome = self
            .write(name, call, mint.now, async |transaction| {
                let MemberAnswer { member: before, organization } =
                    target.hold(transaction, Lock::Refer).await?;
                let mut after = before.clone();
                change(&mut after)?;
                let (member, changed) = after.changed_since(&before, mint.now);
                transaction.member_update(&before, &member).await?;
                let event = Event::new(mint.id(), EventType::MemberUpdated, organization.id, call, mint.now);
                transaction.events_insert(&[event.of_member(member.id).with_changed(&changed)]).await?;
                Ok(MemberAnswer { member, organization })
            })
            .await;
        Ok(outcome?)
    }

    /// Why a rule of the database was broken, for the members that were to be written: all that others
    /// have, each with the path of its field.
    async fn taken(
        &self,
        failure: Failure,
        members: &[Member],
        path: impl Fn(usize, &'static str) -> String,
    ) -> Result<Error, Error> {
        let taken_by_a_member = matches!(
            failure,
            Failure::Violates(
                Constraint::MemberEmailAddress | Constraint::MemberExternalId | Constraint::MemberPhoneNumber
            )
        );
        let Some(first) = members.first().filter(|_| taken_by_a_member) else {
            return Err(failure.into());
        };
        let except = (members.len() == 1).then_some(first.id);
        let taken =
            self.parts.store.members_have(first.organization_id, except, &Unique::of(members)).await?;
        let mut violations = Vec::new();
        for (index, member) in members.iter().enumerate() {
            let mut add = |taken: bool, field: &'static str, reason: Reason| {
                if taken {
                    let rule = "belongs to another member of the organization";
                    violations.push(Violation::new(path(index, field), reason, rule));
                }
            };
            let address = member.email_address.as_str();
            let own_id = member.external_id.as_ref().map(ExternalId::key);
            let number = member.mfa_phone_number.as_ref().map(PhoneNumber::as_str);
            add(taken.email_addresses.contains(address), "email_address", Reason::DuplicateMemberEmail);
            add(
                number.is_some_and(|number| taken.phone_numbers.contains(number)),
                "mfa_phone_number",
                Reason::DuplicateMemberPhoneNumber,
            );
            add(
                own_id.is_some_and(|key| taken.external_ids.contains(&key)),
                "external_id",
                Reason::DuplicateMemberExternalId,
            );
        }
        // None: the other member has given it up meanwhile, and another try may succeed.
        Ok(if violations.is_empty() { Error::concurrent() } else { Error::AlreadyExists(violations) })
    }
}
