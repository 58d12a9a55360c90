//! Finding organizations.

use crate::domain::ids::OrganizationId;
use crate::domain::organization::Organization;
use crate::domain::search::{Found, OrganizationFilter, Page, Query};
use crate::service::Service;
use crate::service::error::Error;

/// What to look for.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchOrganizations {
    /// The filters.
    pub query: Query<OrganizationFilter>,
    /// The page.
    pub page: Page,
}

impl Service {
    /// Finds a page of organizations, the newest first.
    ///
    /// # Errors
    /// `SearchTimeout`.
    pub async fn search_organizations(
        &self,
        command: SearchOrganizations,
    ) -> Result<Found<Organization>, Error> {
        let store = &self.parts.store;
        let selection = command.query.select();
        let found = store.organizations_search(&selection, command.page).await.map_err(Error::of_search)?;
        let ids: Vec<_> = found.ids.into_iter().map(OrganizationId::new).collect();
        let mut rows = if ids.is_empty() { Vec::new() } else { store.organizations_find(&ids).await? };
        rows.sort_by_key(|organization| std::cmp::Reverse(organization.id.uuid()));
        Ok(Found { rows, total: found.total, next: found.next })
    }
}
