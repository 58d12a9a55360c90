//! Requests of DiscoveryService.

use tonic::Status;

use super::member::check_locale;
use super::organization::{New, fields, name, new};
use super::sent::Sent;
use super::session::{SESSION_ARGUMENTS, exactly_one, session_credential, session_request};
use super::{Violations, intermediate_token};
use crate::api::Api;
use crate::domain::organization::OrganizationName;
use crate::domain::reason::Reason;
use crate::pb;
use crate::service::discovery::create_organization::CreateOrganization;
use crate::service::discovery::exchange::ExchangeIntermediateSession;
use crate::service::discovery::list::Credential;

/// The longest `telemetry_id`.
const MAX_TELEMETRY_ID: usize = 255;

/// Reads a request to create an organization with a token.
pub(in crate::api) fn create_organization(
    api: &Api,
    request: pb::DiscoveryServiceCreateOrganizationRequest,
) -> Result<CreateOrganization, Status> {
    let mut violations = Violations::of("DiscoveryServiceCreateOrganizationRequest");
    let token = intermediate_token(&mut violations, &request.intermediate_session_token);
    let session =
        session_request(&mut violations, request.session_duration_minutes, request.session_custom_claims);
    check_telemetry_id(&mut violations, request.telemetry_id.as_deref());
    let telemetry_id = request.telemetry_id;
    let mut sent = Sent::present();
    let fields = fields!(request, sent, {
        claimed: Vec::new(), default_connection: None, connections: Vec::new(),
    });
    let command = new(api, &mut violations, fields, &sent).and_then(|new| {
        let New { name, slug, external_id, logo_url, trusted_metadata, settings } = new;
        let (session, token) = session.zip(token)?;
        Some(CreateOrganization {
            token,
            session,
            name,
            slug,
            external_id,
            logo_url,
            trusted_metadata,
            settings,
            telemetry_id,
        })
    });
    violations.finish(command)
}

/// Reads a request to enter an organization with a token.
pub(in crate::api) fn exchange(
    api: &Api,
    request: pb::ExchangeIntermediateSessionRequest,
) -> Result<ExchangeIntermediateSession, Status> {
    let mut violations = Violations::of("ExchangeIntermediateSessionRequest");
    let token = intermediate_token(&mut violations, &request.intermediate_session_token);
    let organization = name(api, &mut violations, &request.organization_id);
    let session =
        session_request(&mut violations, request.session_duration_minutes, request.session_custom_claims);
    check_locale(&mut violations, request.locale.as_deref());
    check_telemetry_id(&mut violations, request.telemetry_id.as_deref());
    let telemetry_id = request.telemetry_id;
    let command = token.zip(organization).zip(session).map(|((token, organization), session)| {
        ExchangeIntermediateSession { token, organization, session, telemetry_id }
    });
    violations.finish(command)
}

/// Reads a request to list organizations.
pub(in crate::api) fn list(request: pb::ListDiscoveredOrganizationsRequest) -> Result<Credential, Status> {
    let mut violations = Violations::of("ListDiscoveredOrganizationsRequest");
    let pb::ListDiscoveredOrganizationsRequest { intermediate_session_token, session_token, session_jwt } =
        request;
    let credential = credential(&mut violations, intermediate_session_token, session_token, session_jwt);
    violations.finish(credential)
}

/// Reads a request to explain.
pub(in crate::api) fn explain(
    api: &Api,
    request: pb::ExplainDiscoveryRequest,
) -> Result<(Credential, OrganizationName), Status> {
    let mut violations = Violations::of("ExplainDiscoveryRequest");
    let pb::ExplainDiscoveryRequest {
        intermediate_session_token,
        session_token,
        session_jwt,
        organization_id,
    } = request;
    let credential = credential(&mut violations, intermediate_session_token, session_token, session_jwt);
    let organization = name(api, &mut violations, &organization_id);
    violations.finish(credential.zip(organization))
}

/// Reads who asks: exactly one of the three is sent.
fn credential(
    violations: &mut Violations,
    intermediate_session_token: Option<String>,
    session_token: Option<String>,
    session_jwt: Option<String>,
) -> Option<Credential> {
    const FIELDS: [&str; 3] = ["intermediate_session_token", "session_token", "session_jwt"];
    let sent = [&intermediate_session_token, &session_token, &session_jwt].map(Option::is_some);
    exactly_one(violations, FIELDS, sent, SESSION_ARGUMENTS)?;
    match intermediate_session_token {
        Some(text) => intermediate_token(violations, &text).map(Credential::Intermediate),
        None => session_credential(violations, session_token, session_jwt).map(Credential::Session),
    }
}

fn check_telemetry_id(violations: &mut Violations, id: Option<&str>) {
    let visible = |id: &str| {
        (1..=MAX_TELEMETRY_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !id.is_none_or(visible) {
        let rule = format!("is not 1 to {MAX_TELEMETRY_ID} visible ASCII characters");
        violations.add("telemetry_id", Reason::InvalidArgument, rule);
    }
}
