//! Making a deleted member active again.

use crate::domain::call::Call;
use crate::domain::event::{Event, EventType};
use crate::domain::member::{Member, MemberStatus};
use crate::domain::reason::Reason;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::{MemberAnswer, MemberTarget, refuse_claimed};
use crate::service::mint::Mint;
use crate::service::write::Failure;
use crate::store::{Constraint, Lock};

impl Service {
    /// Makes a deleted member active again.
    ///
    /// # Errors
    /// `NO_DELETED_MEMBER_FOUND_FOR_REACTIVATION`, `EMAIL_UNVERIFIED_FOR_REACTIVATION`,
    /// `REACTIVATION_EMAIL_BELONGS_TO_ANOTHER_MEMBER`; `AlreadyExists` for the external id and the phone
    /// number; `ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED`; `Stale`; `ORGANIZATION_NOT_FOUND`,
    /// `MEMBER_NOT_FOUND`.
    pub async fn reactivate_member(&self, call: &Call, target: &MemberTarget) -> Result<MemberAnswer, Error> {
        let mint = Mint::new(&*self.parts.clock, &*self.parts.entropy);
        let event_id = mint.id();
        let mut written = Vec::new();
        let outcome = self
            .write(call, mint.now, async |transaction| {
                let MemberAnswer { member: before, organization } =
                    target.hold_any(transaction, Lock::Share).await?;
                refuse_unfit(&before)?;
                refuse_claimed(transaction, &organization, [&before.email_address]).await?;
                let retired = before.retired_email_addresses.iter().map(|retired| &retired.email_address);
                let own: Vec<_> = std::iter::once(&before.email_address).chain(retired).collect();
                let taken = transaction.addresses_of_others(&before, &own).await?;
                if taken.contains(before.email_address.as_str()) {
                    return Err(address_taken().into());
                }
                let mut after = Member { status: MemberStatus::Active, ..before.clone() };
                after
                    .retired_email_addresses
                    .retain(|retired| !taken.contains(retired.email_address.as_str()));
                let (after, _) = after.changed_since(&before, mint.now);
                written = vec![after.clone()];
                transaction.member_update(&before, &after).await?;
                let event =
                    Event::new(event_id, EventType::MemberReactivated, organization.id, call, mint.now);
                transaction.events_insert(&[event.of_member(after.id)]).await?;
                Ok(MemberAnswer { member: after, organization })
            })
            .await;
        match outcome {
            Ok(answer) => Ok(answer),
            // Taken since it was looked at: another try finds out which address it is.
            Err(Failure::Violates(Constraint::MemberEmailAddress)) => Err(Error::concurrent()),
            Err(failure) => Err(self.taken(failure, &written, |_, field| field.to_owned()).await?),
        }
    }
}

fn refuse_unfit(member: &Member) -> Result<(), Error> {
    if member.status != MemberStatus::Deleted {
        return Err(Error::precondition(
            Reason::NoDeletedMemberFoundForReactivation,
            "the member is not deleted",
        ));
    }
    if !member.email_address_verified {
        return Err(Error::precondition(
            Reason::EmailUnverifiedForReactivation,
            "the member's address was never verified",
        ));
    }
    Ok(())
}

fn address_taken() -> Error {
    Error::precondition(
        Reason::ReactivationEmailBelongsToAnotherMember,
        "another member of the organization has the address now, or had it",
    )
}
