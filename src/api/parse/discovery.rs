//! Requests of DiscoveryService.

use std::time::Duration;

use prost_types::Struct;
use tonic::Status;

use super::organization::{New, fields, new};
use super::sent::Sent;
use super::{Violations, intermediate_token, json};
use crate::api::Api;
use crate::domain::claims::{self, ClaimsError};
use crate::domain::json::JsonObject;
use crate::domain::reason::Reason;
use crate::domain::session::{DEFAULT_DURATION_MINUTES, DURATION_MINUTES, SessionRequest};
use crate::pb;
use crate::service::discovery::create_organization::CreateOrganization;

/// The longest `telemetry_id`.
const MAX_TELEMETRY_ID: usize = 255;

/// Reads a request to create an organization with a token.
pub(in crate::api) fn create_organization(
    api: &Api,
    request: pb::DiscoveryServiceCreateOrganizationRequest,
) -> Result<CreateOrganization, Status> {
    let mut violations = Violations::of("DiscoveryServiceCreateOrganizationRequest");
    let token = intermediate_token(&mut violations, &request.intermediate_session_token);
    let duration = session_duration(&mut violations, request.session_duration_minutes);
    let custom_claims = custom_claims(&mut violations, request.session_custom_claims);
    let telemetry_id = request.telemetry_id;
    let visible = |id: &String| {
        (1..=MAX_TELEMETRY_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if telemetry_id.as_ref().is_some_and(|id| !visible(id)) {
        let rule = format!("is not 1 to {MAX_TELEMETRY_ID} visible ASCII characters");
        violations.add("telemetry_id", Reason::InvalidArgument, rule);
    }
    let mut sent = Sent::present();
    let fields = fields!(request, sent, {
        claimed: Vec::new(), default_connection: None, connections: Vec::new(),
    });
    let command = new(api, &mut violations, fields, &sent).and_then(|new| {
        let New { name, slug, external_id, logo_url, trusted_metadata, settings } = new;
        let session = SessionRequest { duration: duration?, custom_claims: custom_claims? };
        let token = token?;
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

fn session_duration(violations: &mut Violations, minutes: Option<i32>) -> Option<Duration> {
    let minutes = minutes.unwrap_or(DEFAULT_DURATION_MINUTES);
    if !DURATION_MINUTES.contains(&minutes) {
        let rule =
            format!("is not within {} to {} minutes", DURATION_MINUTES.start(), DURATION_MINUTES.end());
        violations.add("session_duration_minutes", Reason::InvalidSessionDurationMinutes, rule);
        return None;
    }
    u64::try_from(minutes).ok().map(|minutes| Duration::from_secs(minutes * 60))
}

fn custom_claims(violations: &mut Violations, sent: Option<Struct>) -> Option<JsonObject> {
    const FIELD: &str = "session_custom_claims";
    let Some(sent) = sent else {
        return Some(JsonObject::new());
    };
    let sent = violations.check(FIELD, Reason::UnableToRepresentCustomClaimsJson, json::object(sent))?;
    match claims::merge(JsonObject::new(), sent) {
        Ok(claims) => Some(claims),
        Err(error) => {
            let reason = match error {
                ClaimsError::Reserved => Reason::StytchClaimsInCustomClaims,
                ClaimsError::TooLarge => Reason::CustomClaimsTooLarge,
            };
            violations.add(FIELD, reason, error);
            None
        }
    }
}
