//! Reading an organization.

use crate::domain::organization::{Organization, OrganizationName};
use crate::service::Service;
use crate::service::error::Error;

impl Service {
    /// Reads an organization by its id, slug or external id.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`.
    pub async fn get_organization(&self, name: &OrganizationName) -> Result<Organization, Error> {
        self.parts.store.organization_find(name).await?.ok_or_else(Error::organization_not_found)
    }
}
