//! Inviting somebody.

use crate::domain::call::Call;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{Event, EventType};
use crate::domain::ids::MemberId;
use crate::domain::json::JsonObject;
use crate::domain::member::{Member, MemberName, MemberStatus};
use crate::domain::member_update::{MemberUpdate, MemberUpdateError};
use crate::domain::organization::{Organization, OrganizationName};
use crate::domain::organization_settings::EmailInvites;
use crate::domain::reason::{Reason, Violation};
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::create::NewMember;
use crate::service::members::{MemberAnswer, keeps_an_admin, refuse_claimed};
use crate::service::mint::Mint;
use crate::service::organizations::hold_organization;
use crate::service::write::Failure;
use crate::store::{Constraint, Lock, Transaction};

/// How often an invitation is tried that meets another one of the same person.
const ATTEMPTS: usize = 3;

/// Whom to invite. `None`: empty, or as it was.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "documented by the proto message InviteMemberRequest")]
pub struct InviteMember {
    pub organization: OrganizationName,
    pub email_address: EmailAddress,
    pub name: Option<String>,
    pub trusted_metadata: Option<JsonObject>,
    pub untrusted_metadata: Option<JsonObject>,
    pub roles: Option<Vec<String>>,
    pub invited_by: Option<MemberName>,
    pub invitation: Invitation,
}

/// What whoever sends the mail is told.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "documented by the proto message InviteMemberRequest")]
pub struct Invitation {
    pub redirect_url: Option<String>,
    pub locale: Option<String>,
    pub template_id: Option<String>,
}

impl Service {
    /// Invites somebody, or invites them again.
    ///
    /// # Errors
    /// `EMAIL_INVITES_NOT_ALLOWED`, `INVALID_EMAIL_FOR_INVITES`; `USER_ALREADY_INVITED`,
    /// `DUPLICATE_MEMBER_EMAIL`; `ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED`; `Invalid` for metadata;
    /// `ORGANIZATION_NOT_FOUND`, `MEMBER_NOT_FOUND` for who invites.
    pub async fn invite_member(&self, call: &Call, command: InviteMember) -> Result<MemberAnswer, Error> {
        let mint = Mint::new(&*self.parts.clock, &*self.parts.entropy);
        let environment = self.parts.issuer.environment;
        for _ in 0..ATTEMPTS {
            let outcome = self
                .write("member_invite", call, mint.now, async |transaction| {
                    let (answer, invited_by) = invite(transaction, &mint, &command).await?;
                    let invited_by = invited_by.map(|invited_by| invited_by.text(environment));
                    let event = event(&mint, call, &command, &answer.member, invited_by);
                    transaction.events_insert(&[event]).await?;
                    Ok(answer)
                })
                .await;
            // Somebody has just become a member with this address: it is that member who is invited.
            if !matches!(outcome, Err(Failure::Violates(Constraint::MemberEmailAddress))) {
                return Ok(outcome?);
            }
        }
        Err(Error::concurrent())
    }
}

/// The member as invited, and who invites.
async fn invite(
    transaction: &Transaction,
    mint: &Mint<'_>,
    command: &InviteMember,
) -> Result<(MemberAnswer, Option<MemberId>), Failure> {
    // Whoever changes roles takes turns with others who do.
    let lock = if command.roles.is_some() { Lock::Change } else { Lock::Share };
    let organization = hold_organization(transaction, &command.organization, lock).await?;
    refuse_by_policy(&organization, &command.email_address)?;
    let invited_by = match &command.invited_by {
        Some(name) => {
            let inviter = transaction.member_exists(organization.id, name).await?;
            Some(inviter.ok_or_else(Error::member_not_found)?)
        }
        None => None,
    };
    let existing = transaction.member_hold_by_address(organization.id, &command.email_address).await?;
    let address = ("email_address".to_owned(), &command.email_address);
    refuse_claimed(transaction, &organization, [address]).await?;
    let member = match existing {
        Some(before) => again(transaction, &organization, mint, command, before).await?,
        None => first(transaction, &organization, mint, command).await?,
    };
    Ok((MemberAnswer { member, organization }, invited_by))
}

/// What tells whoever sends the mail.
fn event(
    mint: &Mint<'_>,
    call: &Call,
    command: &InviteMember,
    member: &Member,
    invited_by: Option<String>,
) -> Event {
    let event = Event::new(mint.id(), EventType::MemberInvited, member.organization_id, call, mint.now);
    let mut event = event.of_member(member.id);
    let Invitation { redirect_url, locale, template_id } = command.invitation.clone();
    for (key, value) in [
        ("invited_by_member_id", invited_by),
        ("invite_redirect_url", redirect_url),
        ("locale", locale),
        ("invite_template_id", template_id),
    ] {
        event.data.extend(value.map(|value| (key.to_owned(), value.into())));
    }
    event
}

fn refuse_by_policy(organization: &Organization, address: &EmailAddress) -> Result<(), Error> {
    let settings = &organization.settings;
    match settings.email_invites {
        EmailInvites::NotAllowed => Err(Error::precondition(
            Reason::EmailInvitesNotAllowed,
            "the organization does not allow invitations",
        )),
        EmailInvites::Restricted if !settings.email_allowed_domains.contains(address.domain()) => {
            Err(Error::precondition(
                Reason::InvalidEmailForInvites,
                "the organization allows invitations on email_allowed_domains only",
            ))
        }
        EmailInvites::Restricted | EmailInvites::AllAllowed => Ok(()),
    }
}

/// A person who is no member yet.
async fn first(
    transaction: &Transaction,
    organization: &Organization,
    mint: &Mint<'_>,
    command: &InviteMember,
) -> Result<Member, Failure> {
    let wanted = NewMember {
        email_address: command.email_address.clone(),
        name: command.name.clone().unwrap_or_default(),
        trusted_metadata: JsonObject::new(),
        untrusted_metadata: JsonObject::new(),
        pending: true,
        is_breakglass: false,
        mfa_phone_number: None,
        mfa_enrolled: false,
        roles: command.roles.clone().unwrap_or_default(),
        external_id: None,
    };
    let empty = Member { status: MemberStatus::Invited, ..mint.member(organization, wanted) };
    let (filled, _) = apply(command, &empty, mint)?;
    let member = Member { version: empty.version, ..filled };
    transaction.members_insert(std::slice::from_ref(&member)).await?;
    Ok(member)
}

/// A person who is a member who never logged in.
async fn again(
    transaction: &Transaction,
    organization: &Organization,
    mint: &Mint<'_>,
    command: &InviteMember,
    before: Member,
) -> Result<Member, Failure> {
    let refuse = |reason, rule| Error::taken(Violation::new("email_address", reason, rule));
    if before.email_address != command.email_address {
        let rule = "is an address that a member of the organization had before";
        return Err(refuse(Reason::DuplicateMemberEmail, rule).into());
    }
    if before.status == MemberStatus::Active {
        let rule = "is that of an active member of the organization";
        return Err(refuse(Reason::UserAlreadyInvited, rule).into());
    }
    let (mut after, _) = apply(command, &before, mint)?;
    if after.status != MemberStatus::Invited {
        after = Member { status: MemberStatus::Invited, version: before.version, ..after };
        after = after.changed_since(&before, mint.now).0;
    }
    keeps_an_admin(transaction, organization, &before, &after).await?;
    if after != before {
        transaction.member_update(&before, &after).await?;
    }
    Ok(after)
}

/// Sets what the invitation says about the member.
fn apply(
    command: &InviteMember,
    member: &Member,
    mint: &Mint<'_>,
) -> Result<(Member, Vec<&'static str>), Error> {
    let update = MemberUpdate {
        name: command.name.clone(),
        trusted_metadata: command.trusted_metadata.clone(),
        untrusted_metadata: command.untrusted_metadata.clone(),
        roles: command.roles.clone(),
        ..MemberUpdate::default()
    };
    update.apply(member, member.email_id, mint.now).map_err(|error| match error {
        MemberUpdateError::Invalid(violations) => Error::Invalid(violations),
        // Nothing about addresses and second factors is sent.
        error @ (MemberUpdateError::SecondPhoneNumber
        | MemberUpdateError::TooManyAddresses
        | MemberUpdateError::MissingFactor) => Error::internal(error),
    })
}
