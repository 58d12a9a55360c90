//! Finding members.

use crate::domain::ids::MemberId;
use crate::domain::member::{Member, MemberStatus};
use crate::domain::organization::{Organization, OrganizationName};
use crate::domain::search::{Found, MemberFilter, Page, Query};
use crate::service::Service;
use crate::service::error::Error;

/// What to look for.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchMembers {
    /// The organizations whose members are wanted; never none.
    pub organizations: Vec<OrganizationName>,
    /// The filters.
    pub query: Query<MemberFilter>,
    /// The page.
    pub page: Page,
}

/// A page of members.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundMembers {
    /// The members.
    pub members: Found<Member>,
    /// The organizations that they are members of.
    pub organizations: Vec<Organization>,
}

impl Service {
    /// Finds a page of members, the newest first.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`; `SearchTimeout`.
    pub async fn search_members(&self, command: SearchMembers) -> Result<FoundMembers, Error> {
        let store = &self.parts.store;
        let organizations = store.organizations_named(&command.organizations).await?;
        let mut organizations = organizations.ok_or_else(Error::organization_not_found)?;
        let deleted = command.query.names_deleted();
        let selection = command.query.select();
        let found = store.members_search(&organizations, &selection, deleted, command.page).await;
        let found = found.map_err(Error::of_search)?;
        let ids: Vec<_> = found.ids.into_iter().map(MemberId::new).collect();
        let mut rows = if ids.is_empty() { Vec::new() } else { store.members_find(&ids).await? };
        // Deleted since they were found.
        rows.retain(|member| deleted || member.status != MemberStatus::Deleted);
        organizations
            .retain(|organization| rows.iter().any(|member| member.organization_id == organization.id));
        let members = Found { rows, total: found.total, next: found.next };
        Ok(FoundMembers { members, organizations })
    }
}
