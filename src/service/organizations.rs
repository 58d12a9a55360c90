//! Organizations, for the product's back office.

pub mod create;
pub mod delete;
pub mod delete_external_id;
pub mod get;
pub mod metrics;
mod naming;
pub mod search;
pub mod update;

pub(super) use naming::Naming;

use super::Service;
use super::error::Error;
use crate::domain::organization::{Organization, OrganizationName};
use crate::domain::reason::{Reason, Violation};
use crate::store::{Lock, Transaction};
use crate::tokens::etag::etag;

/// Which organization a call is to change.
#[derive(Clone, Debug, PartialEq)]
pub struct OrganizationTarget {
    /// The organization.
    pub organization: OrganizationName,
    /// The etag that it must have.
    pub etag: Option<String>,
}

impl OrganizationTarget {
    /// Holds the organization, if it is what the caller thinks it is.
    pub(super) async fn hold(&self, transaction: &Transaction, lock: Lock) -> Result<Organization, Error> {
        let organization = hold_organization(transaction, &self.organization, lock).await?;
        let current = etag(organization.id.uuid(), organization.version);
        if self.etag.as_ref().is_some_and(|etag| *etag != current) {
            return Err(Error::Stale);
        }
        Ok(organization)
    }
}

/// Holds an organization, whatever it is.
pub(super) async fn hold_organization(
    transaction: &Transaction,
    name: &OrganizationName,
    lock: Lock,
) -> Result<Organization, Error> {
    transaction.organization_hold(name, lock).await?.ok_or_else(Error::organization_not_found)
}

impl Service {
    /// The refusal of domains that another organization has claimed.
    async fn claimed_by_another(&self, organization: &Organization) -> Result<Error, Error> {
        let wanted = &organization.settings.claimed_email_domains;
        let claimed = self.parts.store.claimed_domains(organization.id, wanted).await?;
        let violations: Vec<_> = wanted
            .iter()
            .enumerate()
            .filter(|(_, domain)| claimed.contains(domain))
            .map(|(position, _)| {
                Violation::new(
                    format!("claimed_email_domains[{position}]"),
                    Reason::OrganizationSettingsDuplicateClaimedDomain,
                    "the domain is claimed by another organization",
                )
            })
            .collect();
        // None: the other organization has given it up meanwhile, and another try may succeed.
        Ok(if violations.is_empty() { Error::concurrent() } else { Error::AlreadyExists(violations) })
    }
}
