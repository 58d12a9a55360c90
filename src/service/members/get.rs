//! Reading a member.

use crate::domain::email_address::EmailAddress;
use crate::domain::member::{MemberName, MemberStatus};
use crate::domain::organization::OrganizationName;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::MemberAnswer;

/// Which member to read.
#[derive(Clone, Debug, PartialEq)]
pub struct GetMember {
    /// The organization.
    pub organization: OrganizationName,
    /// The member.
    pub key: MemberKey,
}

/// What a member is looked up by.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberKey {
    /// The id or the external id.
    Name(MemberName),
    /// The current address.
    EmailAddress(EmailAddress),
}

impl Service {
    /// Reads a member that is not deleted.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`, `MEMBER_NOT_FOUND`.
    pub async fn get_member(&self, command: &GetMember) -> Result<MemberAnswer, Error> {
        let organization = self.get_organization(&command.organization).await?;
        let store = &self.parts.store;
        let member = match &command.key {
            MemberKey::Name(name) => store.member_find(organization.id, name).await?,
            MemberKey::EmailAddress(address) => {
                store.member_find_by_address(organization.id, address).await?
            }
        };
        let member = member.filter(|member| member.status != MemberStatus::Deleted);
        Ok(MemberAnswer { member: member.ok_or_else(Error::member_not_found)?, organization })
    }
}
