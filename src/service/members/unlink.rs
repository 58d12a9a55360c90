//! Forgetting an address that a member had before.

use crate::domain::call::Call;
use crate::domain::email_address::EmailAddress;
use crate::domain::ids::EmailId;
use crate::domain::member::RetiredEmailAddress;
use crate::domain::reason::Reason;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::{MemberAnswer, MemberTarget};

/// Which address to forget. At least one of the two is there.
#[derive(Clone, Debug, PartialEq)]
pub struct UnlinkRetiredEmail {
    /// The member.
    pub target: MemberTarget,
    /// The id of the address.
    pub email_id: Option<EmailId>,
    /// The address.
    pub email_address: Option<EmailAddress>,
}

impl Service {
    /// Forgets a retired address.
    ///
    /// # Errors
    /// `EMAIL_NOT_FOUND`; `Stale`; `ORGANIZATION_NOT_FOUND`, `MEMBER_NOT_FOUND`.
    pub async fn unlink_retired_email(
        &self,
        call: &Call,
        command: &UnlinkRetiredEmail,
    ) -> Result<MemberAnswer, Error> {
        let meant = |retired: &RetiredEmailAddress| {
            command.email_id.is_none_or(|id| id == retired.email_id)
                && command.email_address.as_ref().is_none_or(|address| *address == retired.email_address)
        };
        self.change_member("member_unlink_email", call, &command.target, |member| {
            if !member.retired_email_addresses.iter().any(meant) {
                let message = "the member has no such retired address";
                return Err(Error::NotFound { reason: Reason::EmailNotFound, message });
            }
            member.retired_email_addresses.retain(|retired| !meant(retired));
            Ok(())
        })
        .await
    }
}
