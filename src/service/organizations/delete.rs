//! Deleting an organization.

use crate::domain::call::Call;
use crate::domain::event::{Event, EventType};
use crate::domain::ids::OrganizationId;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::mint::Mint;
use crate::service::organizations::OrganizationTarget;
use crate::store::Lock;

impl Service {
    /// Deletes an organization with its members and their sessions, and tells its id.
    ///
    /// # Errors
    /// `Stale`; `ORGANIZATION_NOT_FOUND`.
    pub async fn delete_organization(
        &self,
        call: &Call,
        target: &OrganizationTarget,
    ) -> Result<OrganizationId, Error> {
        let mint = Mint::new(&*self.parts.clock, &*self.parts.entropy);
        let event_id = mint.id();
        let deleted = self
            .write("organization_delete", call, mint.now, async |transaction| {
                let organization = target.hold(transaction, Lock::Delete).await?;
                transaction.organization_delete(organization.id, mint.now).await?;
                let event =
                    Event::new(event_id, EventType::OrganizationDeleted, organization.id, call, mint.now);
                transaction.events_insert(&[event]).await?;
                Ok(organization.id)
            })
            .await;
        Ok(deleted?)
    }
}
