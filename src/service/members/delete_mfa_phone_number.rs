//! Taking a member's phone number away.

use crate::domain::call::Call;
use crate::domain::reason::Reason;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::{MemberAnswer, MemberTarget};

impl Service {
    /// Takes a member's phone number away, and its place as the default method.
    ///
    /// # Errors
    /// `MEMBER_PHONE_NUMBER_NOT_FOUND`; `Stale`; `ORGANIZATION_NOT_FOUND`, `MEMBER_NOT_FOUND`.
    pub async fn delete_member_mfa_phone_number(
        &self,
        call: &Call,
        target: &MemberTarget,
    ) -> Result<MemberAnswer, Error> {
        self.change_member("member_delete_mfa_phone_number", call, target, |member| {
            if member.mfa_phone_number.is_none() {
                let message = "the member has no phone number";
                return Err(Error::NotFound { reason: Reason::MemberPhoneNumberNotFound, message });
            }
            member.remove_phone_number();
            Ok(())
        })
        .await
    }
}
