//! Requests of MemberService, but for searches.

use prost_types::Struct;
use tonic::Status;

use super::organization::{check_url, name, new_metadata, sent_metadata};
use super::roles::roles;
use super::sent::Sent;
use super::settings::is_foreign_id;
use super::{Violations, batch};
use crate::api::Api;
use crate::domain::email_address::EmailAddress;
use crate::domain::ids::{EmailId, IdError, MemberId};
use crate::domain::json::JsonObject;
use crate::domain::member::{MAX_MEMBER_NAME, MemberName};
use crate::domain::member_update::MemberUpdate;
use crate::domain::organization::is_control;
use crate::domain::organization_settings::{MAX_FOREIGN_ID, MfaMethod};
use crate::domain::phone_number::PhoneNumber;
use crate::domain::reason::Reason;
use crate::domain::slug::ExternalId;
use crate::pb;
use crate::service::members::create::{CreateMembers, NewMember};
use crate::service::members::get::{GetMember, MemberKey};
use crate::service::members::invite::{Invitation, InviteMember};
use crate::service::members::update::UpdateMember;
use crate::service::members::{MemberTarget, unlink::UnlinkRetiredEmail};

/// The languages that a mail can be asked for in.
const LOCALES: [&str; 16] = [
    "en", "es", "pt-br", "fr", "it", "de-DE", "zh-Hans", "ca-ES", "ja", "ru", "nl", "pl", "tr", "fa", "vi",
    "cs",
];

/// Notes a language that no mail can be asked for in.
pub(super) fn check_locale(violations: &mut Violations, locale: Option<&str>) {
    if locale.is_some_and(|locale| !LOCALES.contains(&locale)) {
        violations.add("locale", Reason::InvalidLocale, "is none of the known languages");
    }
}

/// Reads a request to create one member.
pub(in crate::api) fn create(api: &Api, request: pb::CreateMemberRequest) -> Result<CreateMembers, Status> {
    let mut violations = Violations::of("CreateMemberRequest");
    let organization = name(api, &mut violations, &request.organization_id);
    let member = pb::NewMember {
        email_address: request.email_address,
        name: request.name,
        trusted_metadata: request.trusted_metadata,
        untrusted_metadata: request.untrusted_metadata,
        create_member_as_pending: request.create_member_as_pending,
        is_breakglass: request.is_breakglass,
        mfa_phone_number: request.mfa_phone_number,
        mfa_enrolled: request.mfa_enrolled,
        roles: request.roles,
        external_id: request.external_id,
    };
    let member = new_member(api, &mut violations, member);
    let command = organization.zip(member).map(|(organization, member)| CreateMembers {
        organization,
        members: vec![member],
        is_batch: false,
    });
    violations.finish(command)
}

/// Reads a request to create several members.
pub(in crate::api) fn batch_create(
    api: &Api,
    request: pb::BatchCreateMembersRequest,
) -> Result<CreateMembers, Status> {
    let mut violations = Violations::of("BatchCreateMembersRequest");
    let organization = name(api, &mut violations, &request.organization_id);
    let members = batch::members(api, &mut violations, request.members);
    let command = organization.zip(members).map(|(organization, members)| CreateMembers {
        organization,
        members,
        is_batch: true,
    });
    violations.finish(command)
}

/// Reads a request to invite somebody.
pub(in crate::api) fn invite(api: &Api, request: pb::InviteMemberRequest) -> Result<InviteMember, Status> {
    let mut violations = Violations::of("InviteMemberRequest");
    let organization = name(api, &mut violations, &request.organization_id);
    let email_address = email_address(&mut violations, &request.email_address);
    check_member_name(&mut violations, request.name.as_deref());
    let trusted_metadata = sent_metadata(&mut violations, "trusted_metadata", request.trusted_metadata);
    let untrusted_metadata = sent_metadata(&mut violations, "untrusted_metadata", request.untrusted_metadata);
    let assigned = (!request.roles.is_empty()).then(|| roles(api, &mut violations, request.roles));
    let invited_by = request
        .invited_by_member_id
        .map(|text| member_name(api, &mut violations, "invited_by_member_id", &text));
    if let Some(url) = &request.invite_redirect_url {
        check_url(&mut violations, "invite_redirect_url", Reason::InvalidUrl, url);
    }
    let locale = request.locale;
    check_locale(&mut violations, locale.as_deref());
    let template_id = request.invite_template_id;
    if template_id.as_ref().is_some_and(|id| !is_foreign_id(id)) {
        let rule = format!("is not a text of 1 to {MAX_FOREIGN_ID} characters");
        violations.add("invite_template_id", Reason::InvalidArgument, rule);
    }
    let invitation = Invitation {
        redirect_url: request.invite_redirect_url.filter(|url| !url.is_empty()),
        locale,
        template_id,
    };
    let command = organization.zip(email_address).map(|(organization, email_address)| InviteMember {
        organization,
        email_address,
        name: request.name,
        trusted_metadata,
        untrusted_metadata,
        roles: assigned,
        invited_by: invited_by.flatten(),
        invitation,
    });
    violations.finish(command)
}

/// Reads a request to read a member.
pub(in crate::api) fn get(api: &Api, request: &pb::GetMemberRequest) -> Result<GetMember, Status> {
    let mut violations = Violations::of("GetMemberRequest");
    let organization = name(api, &mut violations, &request.organization_id);
    let key = match (&request.member_id, &request.email_address) {
        (Some(text), None) => member_name(api, &mut violations, "member_id", text).map(MemberKey::Name),
        (None, Some(text)) => email_address(&mut violations, text).map(MemberKey::EmailAddress),
        _ => {
            let rule = "exactly one of member_id and email_address is required";
            violations.add("member_id", Reason::InvalidMemberGetFields, rule);
            None
        }
    };
    violations.finish(organization.zip(key).map(|(organization, key)| GetMember { organization, key }))
}

/// Reads a request to change a member.
pub(in crate::api) fn update(api: &Api, request: pb::UpdateMemberRequest) -> Result<UpdateMember, Status> {
    let mut violations = Violations::of("UpdateMemberRequest");
    let target =
        target_fields(api, &mut violations, &request.organization_id, &request.member_id, request.etag);
    let mut sent = Sent::masked(&mut violations, request.update_mask);
    let member_name = sent.value("name", request.name);
    check_member_name(&mut violations, member_name.as_deref());
    let trusted = sent.value("trusted_metadata", request.trusted_metadata);
    let untrusted = sent.value("untrusted_metadata", request.untrusted_metadata);
    let is_breakglass = sent.value("is_breakglass", request.is_breakglass);
    let mfa_enrolled = sent.value("mfa_enrolled", request.mfa_enrolled);
    let number = sent.value("mfa_phone_number", request.mfa_phone_number);
    let new_address = sent.value("email_address", request.email_address);
    let assigned = sent.list("roles", request.roles).map(|sent| roles(api, &mut violations, sent));
    let method = sent.value("default_mfa_method", request.default_mfa_method);
    let method = sent.clearable("default_mfa_method", method).map(|method| {
        method.filter(|text| !text.is_empty()).and_then(|text| mfa_method(&mut violations, text))
    });
    let own_id = sent.value("external_id", request.external_id);
    let own_id = own_id.and_then(|text| external_id(&mut violations, &text));
    sent.refuse_cleared(&mut violations, "mfa_phone_number", Reason::InvalidPhoneNumber);
    sent.refuse_cleared(&mut violations, "email_address", Reason::InvalidEmail);
    if request.unlink_email && new_address.is_none() {
        violations.add("unlink_email", Reason::InvalidArgument, "needs a new email_address");
    }
    let update = MemberUpdate {
        trusted_metadata: sent_metadata(&mut violations, "trusted_metadata", trusted),
        untrusted_metadata: sent_metadata(&mut violations, "untrusted_metadata", untrusted),
        is_breakglass: sent.clearable("is_breakglass", is_breakglass).map(Option::unwrap_or_default),
        mfa_phone_number: number.and_then(|text| phone_number(&mut violations, &text)),
        mfa_enrolled: sent.clearable("mfa_enrolled", mfa_enrolled).map(Option::unwrap_or_default),
        roles: assigned,
        default_mfa_method: method,
        email_address: new_address.and_then(|text| email_address(&mut violations, &text)),
        unlink_email: request.unlink_email,
        external_id: sent.clearable("external_id", own_id),
        name: sent.clearable("name", member_name).map(Option::unwrap_or_default),
    };
    let allow_removing_last_admin = request.allow_removing_last_admin;
    violations.finish(target.map(|target| UpdateMember { target, allow_removing_last_admin, update }))
}

/// Reads a request to forget a retired address.
pub(in crate::api) fn unlink(
    api: &Api,
    request: pb::UnlinkRetiredMemberEmailRequest,
) -> Result<UnlinkRetiredEmail, Status> {
    let mut violations = Violations::of("UnlinkRetiredMemberEmailRequest");
    let target =
        target_fields(api, &mut violations, &request.organization_id, &request.member_id, request.etag);
    let email_id = request.email_id.as_deref().and_then(|text| match EmailId::parse(text, api.environment) {
        Ok(id) => Some(id),
        Err(IdError::OtherEnvironment) => {
            violations.other_environment(api, "email_id");
            None
        }
        Err(error @ IdError::Malformed) => {
            violations.add("email_id", Reason::InvalidArgument, error);
            None
        }
    });
    let address = request.email_address.as_deref().and_then(|text| email_address(&mut violations, text));
    if request.email_id.is_none() && request.email_address.is_none() {
        let rule = "one of email_id and email_address is required";
        violations.add("email_id", Reason::RetiredEmailMissingEmailIdentifiers, rule);
    }
    violations.finish(target.map(|target| UnlinkRetiredEmail { target, email_id, email_address: address }))
}

/// Reads a request that has nothing but a member and an etag.
pub(in crate::api) fn target(
    api: &Api,
    message: &'static str,
    (organization_id, member_id): (&str, &str),
    etag: Option<String>,
) -> Result<MemberTarget, Status> {
    let mut violations = Violations::of(message);
    let target = target_fields(api, &mut violations, organization_id, member_id, etag);
    violations.finish(target)
}

fn target_fields(
    api: &Api,
    violations: &mut Violations,
    organization_id: &str,
    member_id: &str,
    etag: Option<String>,
) -> Option<MemberTarget> {
    let organization = name(api, violations, organization_id);
    let member = member_name(api, violations, "member_id", member_id);
    organization.zip(member).map(|(organization, member)| MemberTarget { organization, member, etag })
}

/// Reads how a caller names a member.
pub(super) fn member_name(
    api: &Api,
    violations: &mut Violations,
    field: &str,
    text: &str,
) -> Option<MemberName> {
    match (MemberId::parse(text, api.environment), ExternalId::parse_for_member(text)) {
        (Ok(id), _) => Some(MemberName::Id(id)),
        (Err(IdError::OtherEnvironment), _) => {
            violations.other_environment(api, field);
            None
        }
        (Err(IdError::Malformed), Ok(external_id)) => Some(MemberName::ExternalId(external_id)),
        (Err(IdError::Malformed), Err(_)) => {
            violations.add(field, Reason::InvalidMemberId, "is neither an id nor an external id");
            None
        }
    }
}

/// Reads one member to create.
pub(super) fn new_member(
    api: &Api,
    violations: &mut Violations,
    request: pb::NewMember,
) -> Option<NewMember> {
    let address = email_address(violations, &request.email_address);
    check_member_name(violations, request.name.as_deref());
    let mut metadata = |field: &'static str, sent: Option<Struct>| -> Option<JsonObject> {
        let sent = match sent {
            None => None,
            sent @ Some(_) => Some(sent_metadata(violations, field, sent)?),
        };
        new_metadata(violations, field, sent)
    };
    let trusted_metadata = metadata("trusted_metadata", request.trusted_metadata);
    let untrusted_metadata = metadata("untrusted_metadata", request.untrusted_metadata);
    let mfa_phone_number = request.mfa_phone_number.and_then(|text| phone_number(violations, &text));
    let assigned = roles(api, violations, request.roles);
    let external_id = request.external_id.and_then(|text| external_id(violations, &text));
    Some(NewMember {
        email_address: address?,
        name: request.name.unwrap_or_default(),
        trusted_metadata: trusted_metadata?,
        untrusted_metadata: untrusted_metadata?,
        pending: request.create_member_as_pending,
        is_breakglass: request.is_breakglass,
        mfa_phone_number,
        mfa_enrolled: request.mfa_enrolled,
        roles: assigned,
        external_id,
    })
}

fn email_address(violations: &mut Violations, text: &str) -> Option<EmailAddress> {
    violations.check("email_address", Reason::InvalidEmail, EmailAddress::parse(text))
}

fn phone_number(violations: &mut Violations, text: &str) -> Option<PhoneNumber> {
    violations.check("mfa_phone_number", Reason::InvalidPhoneNumber, PhoneNumber::parse(text))
}

fn external_id(violations: &mut Violations, text: &str) -> Option<ExternalId> {
    violations.check("external_id", Reason::InvalidMemberExternalId, ExternalId::parse_for_member(text))
}

fn mfa_method(violations: &mut Violations, text: String) -> Option<MfaMethod> {
    let method = MfaMethod::try_from(text).map_err(|_| "is neither sms_otp nor totp");
    violations.check("default_mfa_method", Reason::InvalidMfaDefaultMethod, method)
}

/// A name may be empty, and shows as what it is.
fn check_member_name(violations: &mut Violations, name: Option<&str>) {
    let Some(name) = name else { return };
    if name.chars().count() > MAX_MEMBER_NAME {
        let rule = format!("is longer than {MAX_MEMBER_NAME} characters");
        violations.add("name", Reason::InvalidArgument, rule);
    } else if name.chars().any(is_control) {
        violations.add("name", Reason::InvalidArgument, "has control characters");
    }
}
