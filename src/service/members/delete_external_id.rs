//! Taking a member's external id away.

use crate::domain::call::Call;
use crate::domain::member_update::MemberUpdate;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::update::UpdateMember;
use crate::service::members::{MemberAnswer, MemberTarget};

impl Service {
    /// Takes a member's external id away, if it has one.
    ///
    /// # Errors
    /// `Stale`; `ORGANIZATION_NOT_FOUND`, `MEMBER_NOT_FOUND`.
    pub async fn delete_member_external_id(
        &self,
        call: &Call,
        target: MemberTarget,
    ) -> Result<MemberAnswer, Error> {
        let update = MemberUpdate { external_id: Some(None), ..MemberUpdate::default() };
        self.update_member(call, UpdateMember { target, allow_removing_last_admin: false, update }).await
    }
}
