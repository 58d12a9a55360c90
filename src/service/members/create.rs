//! Creating members.

use serde::{Deserialize, Serialize};

use crate::domain::call::Call;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{Event, EventType};
use crate::domain::json::JsonObject;
use crate::domain::member::{Member, MemberStatus};
use crate::domain::organization::{Organization, OrganizationName, first_version};
use crate::domain::phone_number::PhoneNumber;
use crate::domain::slug::ExternalId;
use crate::service::Service;
use crate::service::error::Error;
use crate::service::members::refuse_claimed;
use crate::service::mint::Mint;
use crate::service::organizations::hold_organization;
use crate::store::Lock;

/// The members to create.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateMembers {
    /// Their organization.
    pub organization: OrganizationName,
    /// The members; never none, and nothing that only one can have twice.
    pub members: Vec<NewMember>,
    /// Whether errors name the member at fault.
    pub is_batch: bool,
}

/// One member to create.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "documented by the proto message CreateMemberRequest")]
pub struct NewMember {
    pub email_address: EmailAddress,
    pub name: String,
    pub trusted_metadata: JsonObject,
    pub untrusted_metadata: JsonObject,
    pub pending: bool,
    pub is_breakglass: bool,
    pub mfa_phone_number: Option<PhoneNumber>,
    pub mfa_enrolled: bool,
    pub roles: Vec<String>,
    pub external_id: Option<ExternalId>,
}

/// What was created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CreatedMembers {
    pub members: Vec<Member>,
    pub organization: Organization,
}

impl Service {
    /// Creates members, all or none.
    ///
    /// # Errors
    /// `AlreadyExists` for taken addresses, external ids and phone numbers;
    /// `ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED`; `ORGANIZATION_NOT_FOUND`.
    pub async fn create_members(&self, call: &Call, command: CreateMembers) -> Result<CreatedMembers, Error> {
        let mint = Mint::new(&*self.parts.clock, &*self.parts.entropy);
        let CreateMembers { organization: name, members: wanted, is_batch } = command;
        let path = |index: usize, field: &'static str| {
            if is_batch { format!("members[{index}].{field}") } else { field.to_owned() }
        };
        let mut members = Vec::new();
        let outcome = self
            .write("members_create", call, mint.now, async |transaction| {
                // Two batches of the same members in different orders would wait for each other.
                let lock = if is_batch { Lock::Change } else { Lock::Refer };
                let organization = hold_organization(transaction, &name, lock).await?;
                let new = |wanted: &NewMember| mint.member(&organization, wanted.clone());
                members = wanted.iter().map(new).collect();
                let addresses = wanted.iter().enumerate();
                let addresses =
                    addresses.map(|(index, wanted)| (path(index, "email_address"), &wanted.email_address));
                refuse_claimed(transaction, &organization, addresses).await?;
                transaction.members_insert(&members).await?;
                let event = |member: &Member| {
                    Event::new(mint.id(), EventType::MemberCreated, organization.id, call, mint.now)
                        .of_member(member.id)
                };
                transaction.events_insert(&members.iter().map(event).collect::<Vec<_>>()).await?;
                Ok(CreatedMembers { members: members.clone(), organization })
            })
            .await;
        match outcome {
            Ok(created) => Ok(created),
            Err(failure) => Err(self.taken(failure, &members, path).await?),
        }
    }
}

impl Mint<'_> {
    /// A new member, as an administrator wants it: nothing about it is verified.
    pub(in crate::service) fn member(&self, organization: &Organization, wanted: NewMember) -> Member {
        Member {
            id: self.id(),
            organization_id: organization.id,
            email_id: self.id(),
            email_address: wanted.email_address,
            email_address_verified: false,
            status: if wanted.pending { MemberStatus::Pending } else { MemberStatus::Active },
            name: wanted.name,
            external_id: wanted.external_id,
            retired_email_addresses: Vec::new(),
            is_breakglass: wanted.is_breakglass,
            assigned_roles: wanted.roles,
            mfa_enrolled: wanted.mfa_enrolled,
            mfa_phone_number: wanted.mfa_phone_number,
            mfa_phone_number_verified: false,
            default_mfa_method: None,
            oauth_registrations: Vec::new(),
            trusted_metadata: wanted.trusted_metadata,
            untrusted_metadata: wanted.untrusted_metadata,
            created_at: self.now,
            updated_at: self.now,
            version: first_version(),
        }
    }
}
