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
use crate::store::{Constraint, Lock, Unique};

impl Service {
    /// Makes a deleted member active again.
    ///
    /// # Errors
    /// `NO_DELETED_MEMBER_FOUND_FOR_REACTIVATION`, `EMAIL_UNVERIFIED_FOR_REACTIVATION`,
    /// `REACTIVATION_EMAIL_BELONGS_TO_ANOTHER_MEMBER`; `ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED`;
    /// `Stale`; `ORGANIZATION_NOT_FOUND`, `MEMBER_NOT_FOUND`.
    pub async fn reactivate_member(&self, call: &Call, target: &MemberTarget) -> Result<MemberAnswer, Error> {
        let mint = Mint::new(&*self.parts.clock, &*self.parts.entropy);
        let event_id = mint.id();
        let outcome = self
            .write("member_reactivate", call, mint.now, async |transaction| {
                let MemberAnswer { member: before, organization } =
                    target.hold_any(transaction, Lock::Refer).await?;
                refuse_unfit(&before)?;
                refuse_claimed(transaction, &organization, [("member_id".to_owned(), &before.email_address)])
                    .await?;
                let taken = transaction.others_have(&before, &Unique::of([&before])).await?;
                if taken.email_addresses.contains(before.email_address.as_str()) {
                    return Err(address_taken().into());
                }
                let mut after = Member { status: MemberStatus::Active, ..before.clone() };
                give_up(&mut after, &taken);
                let (after, changed) = after.changed_since(&before, mint.now);
                transaction.member_update(&before, &after).await?;
                let event =
                    Event::new(event_id, EventType::MemberReactivated, organization.id, call, mint.now);
                transaction.events_insert(&[event.of_member(after.id).with_changed(&changed)]).await?;
                Ok(MemberAnswer { member: after, organization })
            })
            .await;
        match outcome {
            // Taken since it was looked at: another try finds out what it is.
            Err(Failure::Violates(
                Constraint::MemberEmailAddress | Constraint::MemberExternalId | Constraint::MemberPhoneNumber,
            )) => Err(Error::concurrent()),
            outcome => Ok(outcome?),
        }
    }
}

/// Leaves out of a member what others have now, but for the current address.
fn give_up(member: &mut Member, taken: &Unique) {
    let Unique { email_addresses, external_ids, phone_numbers } = taken;
    member
        .retired_email_addresses
        .retain(|retired| !email_addresses.contains(retired.email_address.as_str()));
    if member.external_id.as_ref().is_some_and(|id| external_ids.contains(&id.key())) {
        member.external_id = None;
    }
    if member.mfa_phone_number.as_ref().is_some_and(|number| phone_numbers.contains(number.as_str())) {
        member.remove_phone_number();
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
