//! The filters of both searches, by their names.

use prost_types::Value as ProtoValue;

use super::Violations;
use super::member::member_name;
use super::organization::name_at;
use super::search::Operands;
use crate::api::Api;
use crate::domain::email_address::EmailAddress;
use crate::domain::email_domain::EmailDomain;
use crate::domain::member::{MemberName, MemberStatus};
use crate::domain::organization_settings::MAX_FOREIGN_ID;
use crate::domain::phone_number::PhoneNumber;
use crate::domain::reason::Reason;
use crate::domain::search::{MemberFilter, Operand, OrganizationFilter};
use crate::domain::slug::Slug;

/// Reads a filter of organizations.
pub(super) fn organization_filter(
    api: &Api,
    operands: &mut Operands<'_>,
    name: &str,
    value: &ProtoValue,
) -> Option<Operand<OrganizationFilter>> {
    use OrganizationFilter as Filter;
    let filter = match name {
        "organization_ids" => Filter::OrganizationIds(
            operands.list(value, |violations, path, text| name_at(api, violations, path, text))?,
        ),
        "organization_slugs" => Filter::OrganizationSlugs(operands.list(value, slug)?),
        "member_emails" => Filter::MemberEmails(operands.list(value, email_address)?),
        "allowed_domains" => Filter::AllowedDomains(operands.list(value, domain)?),
        "claimed_email_domains" => Filter::ClaimedEmailDomains(operands.list(value, claimed_domain)?),
        "organization_slug_fuzzy" => {
            let too_short = Reason::OrganizationSearchOrganizationSlugFuzzyTooShort;
            Filter::OrganizationSlugFuzzy(operands.substring(value, too_short)?)
        }
        "organization_name_fuzzy" => {
            let too_short = Reason::OrganizationSearchOrganizationNameFuzzyTooShort;
            Filter::OrganizationNameFuzzy(operands.substring(value, too_short)?)
        }
        "member_email_fuzzy" => {
            let too_short = Reason::OrganizationSearchMemberEmailFuzzyTooShort;
            Filter::MemberEmailFuzzy(operands.substring(value, too_short)?)
        }
        "allowed_domain_fuzzy" => {
            let too_short = Reason::OrganizationSearchAllowedDomainFuzzyTooShort;
            Filter::AllowedDomainFuzzy(operands.substring(value, too_short)?)
        }
        // No organization has a connection that this service knows of.
        "has_active_sso_connection" => return Some(Operand::Constant(!operands.boolean(value)?)),
        "sso_connection_id" => return operands.text(value).map(|_| Operand::Constant(false)),
        _ => {
            let rule = "is not the name of a filter of organizations";
            operands.add("filter_name", operands.reasons.not_recognized, rule);
            return None;
        }
    };
    Some(Operand::Filter(filter))
}

/// Reads a filter of members.
pub(super) fn member_filter(
    api: &Api,
    operands: &mut Operands<'_>,
    name: &str,
    value: &ProtoValue,
) -> Option<Operand<MemberFilter>> {
    use MemberFilter as Filter;
    let too_short = Reason::MemberSearchFuzzyTooShort;
    let filter = match name {
        "member_ids" => member_ids(api, operands, value)?,
        "member_emails" => Filter::MemberEmails(operands.list(value, email_address)?),
        "statuses" => Filter::Statuses(operands.list(value, status)?),
        "member_mfa_phone_numbers" => Filter::MemberMfaPhoneNumbers(operands.list(value, phone_number)?),
        "member_roles" => Filter::MemberRoles(operands.list(value, role)?),
        "member_email_fuzzy" => Filter::MemberEmailFuzzy(operands.substring(value, too_short)?),
        "member_mfa_phone_number_fuzzy" => {
            Filter::MemberMfaPhoneNumberFuzzy(operands.substring(value, too_short)?)
        }
        "member_is_breakglass" => Filter::MemberIsBreakglass(operands.boolean(value)?),
        // No member has a password that this service knows of.
        "member_password_exists" => return Some(Operand::Constant(!operands.boolean(value)?)),
        _ => {
            let rule = "is not the name of a filter of members";
            operands.add("filter_name", operands.reasons.not_recognized, rule);
            return None;
        }
    };
    Some(Operand::Filter(filter))
}

/// Ids, or external ids, but not both: an external id that reads like an id would be found as neither.
fn member_ids(api: &Api, operands: &mut Operands<'_>, value: &ProtoValue) -> Option<MemberFilter> {
    let names = operands.list(value, |violations, path, text| member_name(api, violations, &path, text))?;
    let count = names.len();
    let (mut ids, mut external_ids) = (Vec::new(), Vec::new());
    for name in names {
        match name {
            MemberName::Id(id) => ids.push(id),
            MemberName::ExternalId(external_id) => external_ids.push(external_id),
        }
    }
    if ids.len() == count {
        Some(MemberFilter::MemberIds(ids))
    } else if external_ids.len() == count {
        Some(MemberFilter::ExternalIds(external_ids))
    } else {
        let rule = "has both ids and external ids";
        operands.add("filter_value", Reason::MemberSearchCannotMixInternalAndExternalMemberIds, rule);
        None
    }
}

fn slug(violations: &mut Violations, path: String, text: &str) -> Option<String> {
    violations.check(path, Reason::InvalidOrganizationSlug, Slug::parse(text)).map(|slug| slug.key())
}

fn email_address(violations: &mut Violations, path: String, text: &str) -> Option<EmailAddress> {
    violations.check(path, Reason::InvalidEmail, EmailAddress::parse(text))
}

fn domain(violations: &mut Violations, path: String, text: &str) -> Option<EmailDomain> {
    violations.check(path, Reason::OrganizationSettingsInvalidDomain, EmailDomain::parse(text))
}

fn claimed_domain(violations: &mut Violations, path: String, text: &str) -> Option<EmailDomain> {
    violations.check(path, Reason::OrganizationSettingsInvalidClaimedDomain, EmailDomain::parse(text))
}

fn status(violations: &mut Violations, path: String, text: &str) -> Option<MemberStatus> {
    violations.check(path, Reason::InvalidArgument, MemberStatus::try_from(text))
}

fn phone_number(violations: &mut Violations, path: String, text: &str) -> Option<PhoneNumber> {
    violations.check(path, Reason::InvalidPhoneNumber, PhoneNumber::parse(text))
}

/// Any text that can be a role's id: members keep roles that the policy has lost.
fn role(violations: &mut Violations, path: String, text: &str) -> Option<String> {
    if (1..=MAX_FOREIGN_ID).contains(&text.chars().count()) && !text.contains('\0') {
        return Some(text.to_owned());
    }
    violations.add(path, Reason::InvalidRbacRoleId, "can't be the id of a role");
    None
}
