//! Intermediate sessions.

use super::timestamp;
use crate::domain::authentication_factor::VerifiedFactor;
use crate::domain::ids::Environment;
use crate::domain::intermediate_session::IntermediateSession;
use crate::pb;

pub(in crate::api) fn intermediate_session(
    session: &IntermediateSession,
    environment: Environment,
) -> pb::IntermediateSession {
    pb::IntermediateSession {
        email_address: session.evidence.email_address.as_str().to_owned(),
        email_address_verified: session.evidence.email_address_verified(),
        factors: session.evidence.factors.iter().map(|known| factor(known, session, environment)).collect(),
        organization_id: session.binding.map(|binding| binding.organization_id.text(environment)),
        member_id: session.binding.map(|binding| binding.member_id.text(environment)),
        created_at: Some(timestamp(session.created_at)),
        intermediate_session_token_expires_at: Some(timestamp(session.expires_at)),
        organization_id_hint: session.hint.map(|organization| organization.text(environment)),
    }
}

fn factor(
    factor: &VerifiedFactor,
    session: &IntermediateSession,
    environment: Environment,
) -> pb::VerifiedFactor {
    pb::VerifiedFactor {
        factor: Some(pb::VouchedFactor {
            r#type: factor.kind.published_type().to_owned(),
            delivery_method: factor.kind.delivery_method().to_owned(),
            email_address: Some(session.evidence.email_address.as_str().to_owned()),
            email_verified: factor.email_verified.then_some(true),
            hosted_domain: factor.hosted_domain.clone(),
            provider_subject: factor.provider_subject.clone(),
            provider_tenant_ids: factor.provider_tenant_ids.clone(),
            full_name: factor.full_name.clone(),
            phone_number: factor.phone_number.clone(),
            organization_id: factor.only_in.map(|organization| organization.text(environment)),
        }),
        verified_at: Some(timestamp(factor.verified_at)),
        carried: factor.carried_from.is_some(),
        verifies_email_address: factor.verifies(&session.evidence.email_address),
    }
}
