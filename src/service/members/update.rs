//! Changing a member.

use crate::domain::call::Call;
use crate::domain::event::{Event, EventType};
use crate::domain::member_update::{MAX_RETIRED, MemberUpdate, MemberUpdateError};
use crate::domain::reason::{Reason, Violation};
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::{MemberAnswer, MemberTarget, keeps_an_admin, refuse_claimed};
use crate::service::mint::Mint;
use crate::store::Lock;

/// What to change.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateMember {
    /// The member.
    pub target: MemberTarget,
    /// Whether the last admin may lose the role.
    pub allow_removing_last_admin: bool,
    /// What changes.
    pub update: MemberUpdate,
}

impl Service {
    /// Changes a member. What it does not change is not written, and makes no event.
    ///
    /// # Errors
    /// `Invalid` for merged metadata; `AlreadyExists` for a taken address, external id or phone number;
    /// `DEFAULT_MFA_MEMBER_MISSING_FACTOR`; `ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED`; `Stale`;
    /// `LAST_ADMIN_REMOVAL`; `ORGANIZATION_NOT_FOUND`, `MEMBER_NOT_FOUND`.
    pub async fn update_member(&self, call: &Call, command: UpdateMember) -> Result<MemberAnswer, Error> {
        let mint = Mint::new(&*self.parts.clock, &*self.parts.entropy);
        let UpdateMember { target, allow_removing_last_admin, update } = command;
        // Two updates that each leave the other's member as the last admin take turns.
        let lock = if update.concerns_roles() { Lock::Change } else { Lock::Refer };
        let mut written = Vec::new();
        let outcome = self
            .write("member_update", call, mint.now, async |transaction| {
                let MemberAnswer { member: before, organization } = target.hold(transaction, lock).await?;
                let (after, changed) = update.clone().apply(&before, mint.id(), mint.now).map_err(refusal)?;
                if changed.is_empty() {
                    return Ok(MemberAnswer { member: before, organization });
                }
                if after.email_address != before.email_address {
                    let address = ("email_address".to_owned(), &after.email_address);
                    refuse_claimed(transaction, &organization, [address]).await?;
                }
                if !allow_removing_last_admin {
                    keeps_an_admin(transaction, &organization, &before, &after).await?;
                }
                written = vec![after.clone()];
                transaction.member_update(&before, &after).await?;
                let event = Event::new(mint.id(), EventType::MemberUpdated, organization.id, call, mint.now);
                transaction.events_insert(&[event.of_member(after.id).with_changed(&changed)]).await?;
                Ok(MemberAnswer { member: after, organization })
            })
            .await;
        match outcome {
            Ok(answer) => Ok(answer),
            Err(failure) => Err(self.taken(failure, &written, |_, field| field.to_owned()).await?),
        }
    }
}

fn refusal(error: MemberUpdateError) -> Error {
    match error {
        MemberUpdateError::Invalid(violations) => Error::Invalid(violations),
        MemberUpdateError::SecondPhoneNumber => Error::taken(Violation::new(
            "mfa_phone_number",
            Reason::DuplicateMemberPhoneNumberForMember,
            "the member has another phone number; delete that first",
        )),
        MemberUpdateError::TooManyAddresses => Error::invalid(Violation::new(
            "email_address",
            Reason::InvalidArgument,
            format!(
                "the member has {MAX_RETIRED} retired addresses; unlink one, or the one that is given up"
            ),
        )),
        MemberUpdateError::MissingFactor => Error::precondition(
            Reason::DefaultMfaMemberMissingFactor,
            "the member does not have the factor that is to be the default",
        ),
    }
}
