//! Who may do everything in an organization.

use uuid::Uuid;

use super::parameters::Parameters;
use super::{Error, Transaction, column};
use crate::domain::email_domain::EmailDomain;
use crate::domain::ids::{MemberId, OrganizationId};

/// Whether an organization has admins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admins {
    /// One who is active.
    pub active: bool,
    /// One who is not deleted.
    pub any: bool,
}

impl Transaction {
    /// Which admins the organization has besides `except`: members who are assigned the role, and those
    /// with a verified address on one of the domains that give it.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn admins(
        &self,
        organization: OrganizationId,
        domains: &[EmailDomain],
        except: Option<MemberId>,
    ) -> Result<Admins, Error> {
        let mut parameters = Parameters::of(self.engine);
        let organization = parameters.add(organization.uuid());
        // No member has the nil id.
        let except = parameters.add(except.map_or(Uuid::nil(), MemberId::uuid));
        let list = parameters.any_text(domains.iter().map(EmailDomain::as_str));
        let assigned = self.engine.assigned_admin();
        let exists = |status: &str| {
            format!(
                "(EXISTS (SELECT 1 FROM members WHERE organization_id = {organization} AND {status} \
                 AND {assigned} AND id <> {except}) \
                 OR EXISTS (SELECT 1 FROM member_email_addresses AS addresses \
                 JOIN members ON members.id = addresses.member_id AND {status} \
                 WHERE addresses.organization_id = {organization} AND addresses.domain {list} \
                 AND addresses.verified AND addresses.live AND addresses.status = 'current' \
                 AND members.id <> {except}))"
            )
        };
        let (active, any) = (exists("members.status = 'active'"), exists("members.status <> 'deleted'"));
        let sql = format!("SELECT {active} AS active, {any} AS any_one");
        let row = self.query_one(&sql, parameters.values()).await?.ok_or(Error::Corrupt("members"))?;
        Ok(Admins { active: column(&row, "active")?, any: column(&row, "any_one")? })
    }
}
