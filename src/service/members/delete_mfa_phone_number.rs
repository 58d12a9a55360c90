//! Taking a member's phone number away.

use crate::domain::call::Call;
use crate::domain::event::{Event, EventType};
use crate::domain::organization_settings::MfaMethod;
use crate::domain::reason::Reason;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::{MemberAnswer, MemberTarget};
use crate::service::mint::Mint;
use crate::store::Lock;

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
        let mint = Mint::new(&*self.parts.clock, &*self.parts.entropy);
        let event_id = mint.id();
        let outcome = self
            .write(call, mint.now, async |transaction| {
                let MemberAnswer { member: before, organization } =
                    target.hold(transaction, Lock::Share).await?;
                let mut after = before.clone();
                if after.mfa_phone_number.take().is_none() {
                    return Err(number_not_found().into());
                }
                after.mfa_phone_number_verified = false;
                after.default_mfa_method =
                    after.default_mfa_method.filter(|method| *method != MfaMethod::SmsOtp);
                let (after, changed) = after.changed_since(&before, mint.now);
                transaction.member_update(&before, &after).await?;
                let event = Event::new(event_id, EventType::MemberUpdated, organization.id, call, mint.now);
                transaction.events_insert(&[event.of_member(after.id).with_changed(&changed)]).await?;
                Ok(MemberAnswer { member: after, organization })
            })
            .await;
        Ok(outcome?)
    }
}

fn number_not_found() -> Error {
    Error::NotFound { reason: Reason::MemberPhoneNumberNotFound, message: "the member has no phone number" }
}
