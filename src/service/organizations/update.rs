//! Changing an organization.

use crate::domain::call::Call;
use crate::domain::email_domain::EmailDomain;
use crate::domain::event::{Event, EventType};
use crate::domain::member::ADMIN_ROLE;
use crate::domain::organization::Organization;
use crate::domain::organization_update::OrganizationUpdate;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::last_admin;
use crate::service::mint::Mint;
use crate::service::organizations::OrganizationTarget;
use crate::service::organizations::naming::refuse_taken;
use crate::service::write::Failure;
use crate::store::{Constraint, Lock, Transaction};

/// What to change.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateOrganization {
    /// The organization.
    pub target: OrganizationTarget,
    /// Whether the last admin may lose the role.
    pub allow_removing_last_admin: bool,
    /// What changes.
    pub update: OrganizationUpdate,
}

impl Service {
    /// Changes an organization. What it does not change is not written, and makes no event.
    ///
    /// # Errors
    /// `Invalid` for rules that the result breaks; `Stale`; `LAST_ADMIN_REMOVAL`; `AlreadyExists` for a
    /// taken slug, external id or claimed domain; `ORGANIZATION_NOT_FOUND`.
    pub async fn update_organization(
        &self,
        call: &Call,
        command: UpdateOrganization,
    ) -> Result<Organization, Error> {
        let mint = Mint::new(&*self.parts.clock, &*self.parts.entropy);
        let event_id = mint.id();
        // What the database refuses is looked at afterwards.
        let mut refused = None;
        let outcome = self
            .write("organization_update", call, mint.now, async |transaction| {
                let before = command.target.hold(transaction, Lock::Change).await?;
                let (after, changed) =
                    command.update.clone().apply(&before, mint.now).map_err(Error::Invalid)?;
                if changed.is_empty() {
                    return Ok(before);
                }
                if !command.allow_removing_last_admin {
                    keeps_an_admin(transaction, &before, &after).await?;
                }
                refused = Some(after.clone());
                transaction.organization_update(&before, &after).await?;
                let event = Event::new(event_id, EventType::OrganizationUpdated, after.id, call, mint.now);
                transaction.events_insert(&[event.with_changed(&changed)]).await?;
                Ok(after)
            })
            .await;
        match (outcome, refused) {
            (Err(Failure::Violates(Constraint::OrganizationName)), Some(organization)) => {
                let Organization { id, slug, external_id, .. } = &organization;
                let store = &self.parts.store;
                let taken = store.organization_names_taken(*id, slug, external_id.as_ref()).await?;
                refuse_taken(taken)?;
                // Whoever had the name has just given it up.
                Err(Error::concurrent())
            }
            (Err(Failure::Violates(Constraint::ClaimedDomain)), Some(organization)) => {
                Err(self.claimed_by_another(&organization).await?)
            }
            (outcome, _) => Ok(outcome?),
        }
    }
}

/// Refuses an update that takes away the domains by which the organization's last admin is one.
async fn keeps_an_admin(
    transaction: &Transaction,
    before: &Organization,
    after: &Organization,
) -> Result<(), Failure> {
    let (old, new) = (admin_domains(before), admin_domains(after));
    if old.iter().all(|domain| new.contains(domain)) {
        return Ok(());
    }
    let had = transaction.admins(before.id, &old, None).await?;
    let has = transaction.admins(after.id, &new, None).await?;
    if (had.active && !has.active) || (had.any && !has.any) { Err(last_admin().into()) } else { Ok(()) }
}

/// The domains that make members admins.
pub(in crate::service) fn admin_domains(organization: &Organization) -> Vec<EmailDomain> {
    let assignments = &organization.settings.rbac_email_implicit_role_assignments;
    let admin = assignments.iter().filter(|assignment| assignment.role_id == ADMIN_ROLE);
    admin.map(|assignment| assignment.domain.clone()).collect()
}
