//! Forgetting an address that a member had before.

use crate::domain::call::Call;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{Event, EventType};
use crate::domain::ids::EmailId;
use crate::domain::member::RetiredEmailAddress;
use crate::domain::reason::Reason;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::{MemberAnswer, MemberTarget};
use crate::service::mint::Mint;
use crate::store::Lock;

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
        let mint = Mint::new(&*self.parts.clock, &*self.parts.entropy);
        let event_id = mint.id();
        let meant = |retired: &RetiredEmailAddress| {
            command.email_id.is_none_or(|id| id == retired.email_id)
                && command.email_address.as_ref().is_none_or(|address| *address == retired.email_address)
        };
        let outcome = self
            .write(call, mint.now, async |transaction| {
                let MemberAnswer { member: before, organization } =
                    command.target.hold(transaction, Lock::Share).await?;
                let mut after = before.clone();
                after.retired_email_addresses.retain(|retired| !meant(retired));
                let (after, changed) = after.changed_since(&before, mint.now);
                if changed.is_empty() {
                    return Err(address_not_found().into());
                }
                transaction.member_update(&before, &after).await?;
                let event = Event::new(event_id, EventType::MemberUpdated, organization.id, call, mint.now);
                transaction.events_insert(&[event.of_member(after.id).with_changed(&changed)]).await?;
                Ok(MemberAnswer { member: after, organization })
            })
            .await;
        Ok(outcome?)
    }
}

fn address_not_found() -> Error {
    Error::NotFound { reason: Reason::EmailNotFound, message: "the member has no such retired address" }
}
