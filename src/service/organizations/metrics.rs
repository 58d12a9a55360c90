//! Counting what an organization has.

use crate::domain::organization::OrganizationName;
use crate::service::Service;
use crate::service::error::Error;

impl Service {
    /// How many members an organization has, the deleted ones left out.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`.
    pub async fn organization_member_count(&self, name: &OrganizationName) -> Result<u32, Error> {
        let organization = self.get_organization(name).await?;
        let count = self.parts.store.member_count(organization.id).await?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}
