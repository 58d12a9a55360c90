//! Listing the sessions of a member.

use crate::domain::session::MemberSession;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::get::GetMember;

impl Service {
    /// The sessions of a member that have not ended, the newest first.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`, `MEMBER_NOT_FOUND`.
    pub async fn get_sessions(&self, command: &GetMember) -> Result<Vec<MemberSession>, Error> {
        let answer = self.get_member(command).await?;
        let now = self.parts.clock.now();
        Ok(self.parts.store.sessions_of(&answer.member, &answer.organization, now).await?)
    }
}
