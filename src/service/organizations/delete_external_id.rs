//! Taking an organization's external id away.

use crate::domain::call::Call;
use crate::domain::organization::Organization;
use crate::domain::organization_update::OrganizationUpdate;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::organizations::OrganizationTarget;
use crate::service::organizations::update::UpdateOrganization;

impl Service {
    /// Takes an organization's external id away, if it has one.
    ///
    /// # Errors
    /// `Stale`; `ORGANIZATION_NOT_FOUND`.
    pub async fn delete_organization_external_id(
        &self,
        call: &Call,
        target: OrganizationTarget,
    ) -> Result<Organization, Error> {
        let update = OrganizationUpdate { external_id: Some(None), ..OrganizationUpdate::default() };
        let command = UpdateOrganization { target, allow_removing_last_admin: false, update };
        self.update_organization(call, command).await
    }
}
