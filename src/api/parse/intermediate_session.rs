//! Requests of IntermediateSessionService.

use time::OffsetDateTime;
use tonic::Status;

use super::settings::is_foreign_id;
use super::{Violations, intermediate_token};
use crate::api::Api;
use crate::domain::authentication_factor::{FactorKind, SequenceOrder, VerifiedFactor};
use crate::domain::email_address::EmailAddress;
use crate::domain::email_domain::EmailDomain;
use crate::domain::evidence::Evidence;
use crate::domain::ids::{IdError, OrganizationId};
use crate::domain::intermediate_session::MAX_FACTORS;
use crate::domain::organization::is_control;
use crate::domain::organization_settings::MAX_LIST;
use crate::domain::reason::Reason;
use crate::pb;
use crate::tokens::opaque::IntermediateToken;

/// The most characters of a person's name.
const MAX_FULL_NAME: usize = 256;

const BAD_FACTOR: Reason = Reason::InvalidAuthenticationFactor;

/// A factor for a token that exists.
#[derive(Debug)]
pub(in crate::api) struct AddFactor {
    pub(in crate::api) token: IntermediateToken,
    pub(in crate::api) factor: VerifiedFactor,
    /// The address that the factor says it is about.
    pub(in crate::api) about: Option<EmailAddress>,
}

/// Reads whom to vouch for, and by what.
pub(in crate::api) fn create(
    api: &Api,
    request: pb::CreateIntermediateSessionRequest,
    now: OffsetDateTime,
) -> Result<Evidence, Status> {
    let mut violations = Violations::of("CreateIntermediateSessionRequest");
    let address =
        violations.check("email_address", Reason::InvalidEmail, EmailAddress::parse(&request.email_address));
    if !(1..=MAX_FACTORS).contains(&request.factors.len()) {
        violations.add("factors", BAD_FACTOR, format!("needs 1 to {MAX_FACTORS} factors"));
        return violations.finish(None);
    }
    let mut factors = Vec::new();
    for (index, sent) in request.factors.into_iter().enumerate() {
        let path = format!("factors[{index}]");
        let about = address_of(&mut violations, &path, sent.email_address.as_deref());
        if let (Some(about), Some(address)) = (&about, &address)
            && about != address
        {
            violations.add(
                format!("{path}.email_address"),
                BAD_FACTOR,
                "is not the address of the intermediate session",
            );
        }
        factors.extend(factor(api, &mut violations, &path, sent, now));
    }
    let primary = factors.iter().any(|factor| factor.kind.sequence_order() == SequenceOrder::Primary);
    if !primary && !violations.concern("factors") {
        violations.add("factors", BAD_FACTOR, "needs a factor that is not a second factor");
    }
    violations.finish(address.map(|email_address| Evidence { email_address, factors }))
}

/// Reads a factor for a token that exists.
pub(in crate::api) fn add_factor(
    api: &Api,
    request: pb::AddFactorRequest,
    now: OffsetDateTime,
) -> Result<AddFactor, Status> {
    let mut violations = Violations::of("AddFactorRequest");
    let token = intermediate_token(&mut violations, &request.intermediate_session_token);
    let Some(sent) = request.factor else {
        violations.add("factor", BAD_FACTOR, "is required");
        return violations.finish(None);
    };
    let about = address_of(&mut violations, "factor", sent.email_address.as_deref());
    let factor = factor(api, &mut violations, "factor", sent, now);
    violations.finish(token.zip(factor).map(|(token, factor)| AddFactor { token, factor, about }))
}

fn address_of(violations: &mut Violations, path: &str, text: Option<&str>) -> Option<EmailAddress> {
    violations.check(format!("{path}.email_address"), Reason::InvalidEmail, EmailAddress::parse(text?))
}

fn factor(
    api: &Api,
    violations: &mut Violations,
    path: &str,
    sent: pb::VouchedFactor,
    now: OffsetDateTime,
) -> Option<VerifiedFactor> {
    let Some(kind) = FactorKind::from_published(&sent.r#type, &sent.delivery_method) else {
        let rule = "type and delivery_method are none of the pairs that can be vouched for";
        violations.add(format!("{path}.type"), BAD_FACTOR, rule);
        return None;
    };
    let tenants = &sent.provider_tenant_ids;
    let belongs = [
        ("email_verified", sent.email_verified.is_some(), kind.is_oauth() || kind == FactorKind::Password),
        ("hosted_domain", sent.hosted_domain.is_some(), kind == FactorKind::GoogleOauth),
        ("provider_subject", sent.provider_subject.is_some(), kind.is_oauth()),
        ("provider_tenant_ids", !tenants.is_empty(), kind.tenant_provider().is_some()),
        ("full_name", sent.full_name.is_some(), kind.is_oauth()),
        ("phone_number", sent.phone_number.is_some(), kind == FactorKind::SmsOtp),
        ("organization_id", sent.organization_id.is_some(), kind.mfa_method().is_some()),
    ];
    for (field, present, may) in belongs {
        if present && !may {
            violations.add(format!("{path}.{field}"), BAD_FACTOR, "does not belong to a factor of this type");
        }
    }
    let valid = [
        (
            "hosted_domain",
            sent.hosted_domain.as_deref().is_none_or(|domain| EmailDomain::parse(domain).is_ok()),
            "is not a domain",
        ),
        (
            "provider_subject",
            sent.provider_subject.as_deref().map_or(!kind.is_oauth(), is_foreign_id),
            "is required: 1 to 255 characters",
        ),
        (
            "provider_tenant_ids",
            tenants.len() <= MAX_LIST && tenants.iter().all(|tenant| is_foreign_id(tenant)),
            "is not a list of at most 100 ids of 1 to 255 characters",
        ),
        (
            "full_name",
            sent.full_name.as_deref().is_none_or(is_full_name),
            "is not a name of at most 256 characters",
        ),
        ("phone_number", sent.phone_number.as_deref().is_none_or(is_e164), "is not a phone number in E.164"),
    ];
    for (field, valid, rule) in valid {
        if !valid {
            violations.add(format!("{path}.{field}"), BAD_FACTOR, rule);
        }
    }
    let only_in = only_in(api, violations, path, sent.organization_id.as_deref());
    Some(VerifiedFactor {
        kind,
        email_verified: sent.email_verified.unwrap_or(false),
        hosted_domain: sent.hosted_domain,
        provider_subject: sent.provider_subject,
        provider_tenant_ids: sent.provider_tenant_ids,
        full_name: sent.full_name.filter(|name| !name.is_empty()),
        phone_number: sent.phone_number,
        verified_at: now,
        only_in,
        carried_from: None,
    })
}

/// Reads the only organization that a factor counts in.
fn only_in(api: &Api, violations: &mut Violations, path: &str, text: Option<&str>) -> Option<OrganizationId> {
    let field = format!("{path}.organization_id");
    match OrganizationId::parse(text?, api.environment) {
        Ok(id) => return Some(id),
        Err(IdError::OtherEnvironment) => violations.other_environment(api, field),
        Err(IdError::Malformed) => {
            violations.add(field, Reason::InvalidOrganizationId, "is not the id of an organization");
        }
    }
    None
}

fn is_full_name(text: &str) -> bool {
    text.chars().count() <= MAX_FULL_NAME && !text.chars().any(is_control)
}

/// A plus sign and at most fifteen digits, the first of them not zero (ITU-T E.164).
fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else {
        return false;
    };
    (2..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}
