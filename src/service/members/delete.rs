//! Deleting a member, or taking back an invitation.

use crate::domain::call::Call;
use crate::domain::event::{Event, EventType};
use crate::domain::ids::MemberId;
use crate::domain::member::{Member, MemberStatus};
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::{MemberAnswer, MemberTarget, keeps_an_admin};
use crate::service::mint::Mint;
use crate::store::Lock;

impl Service {
    /// Deletes a member, ends its sessions, and tells its id. It can be reactivated.
    ///
    /// # Errors
    /// `Stale`; `LAST_ADMIN_REMOVAL`; `ORGANIZATION_NOT_FOUND`, `MEMBER_NOT_FOUND`.
    pub async fn delete_member(
        &self,
        call: &Call,
        target: &MemberTarget,
        allow_removing_last_admin: bool,
    ) -> Result<MemberId, Error> {
        let mint = Mint::new(&*self.parts.clock, &*self.parts.entropy);
        let event_id = mint.id();
        let deleted = self
            .write("member_delete", call, mint.now, async |transaction| {
                let MemberAnswer { member: before, organization } =
                    target.hold(transaction, Lock::Change).await?;
                let after = Member { status: MemberStatus::Deleted, ..before.clone() };
                let (after, _) = after.changed_since(&before, mint.now);
                if !allow_removing_last_admin {
                    keeps_an_admin(transaction, &organization, &before, &after).await?;
                }
                transaction.member_update(&before, &after).await?;
                transaction.sessions_end(after.id, mint.now).await?;
                let event = Event::new(event_id, EventType::MemberDeleted, organization.id, call, mint.now);
                transaction.events_insert(&[event.of_member(after.id)]).await?;
                Ok(after.id)
            })
            .await;
        Ok(deleted?)
    }
}
