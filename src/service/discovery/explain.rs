//! Explaining why a person can, or can't, see and enter an organization.

use crate::domain::admission::{Explained, explain, explain_unseen};
use crate::domain::organization::OrganizationName;
use crate::service::Service;
use crate::service::discovery::list::{Credential, DiscoveredOrganization, Listed};
use crate::service::error::Error;

/// Why.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The organization as it is listed; `None`: it is not.
    pub discovered: Option<DiscoveredOrganization>,
    /// Every rule, in the order of its application.
    pub rules: Vec<Explained>,
}

impl Service {
    /// Explains what the rules say about a person and an organization. Changes nothing.
    ///
    /// An organization that is none, one that the person has nothing to do with and one that does not let
    /// them in are explained alike, after the same queries: what is read does not depend on the name.
    ///
    /// # Errors
    /// Those of [`Self::list_discovered_organizations`].
    pub async fn explain_discovery(
        &self,
        credential: &Credential,
        name: &OrganizationName,
    ) -> Result<Explanation, Error> {
        let asking = self.asking(credential).await?;
        let Listed { mut list, claimed_by, .. } = self.candidates(&asking).await?;
        list.retain(|candidate| {
            name.names(candidate.organization, &candidate.slug, candidate.external_id.as_deref())
        });
        let discovered = self.whole(&asking, &list, claimed_by).await?.pop();
        let rules = match &discovered {
            Some(found) => explain(&asking.evidence, &found.organization.settings, &found.decision),
            None => explain_unseen(&asking.evidence, asking.door()),
        };
        Ok(Explanation { discovered, rules })
    }
}
