//! Organizations: the fields that the two ways of creating one have in common, and names.

use prost_types::Struct;
use tonic::Status;
use url::Url;

use super::settings::settings;
use super::{Violations, json};
use crate::api::Api;
use crate::domain::ids::{Environment, IdError, OrganizationId};
use crate::domain::json::{JsonObject, MetadataError, metadata};
use crate::domain::organization::{MAX_LOGO_URL, OrganizationName, check_name};
use crate::domain::organization_settings::OrganizationSettings;
use crate::domain::reason::Reason;
use crate::domain::slug::{ExternalId, Slug};
use crate::pb;
use crate::service::organizations::create::CreateOrganization;

/// The fields that both requests have, under the same names.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) organization_name: Option<String>,
    pub(super) organization_slug: Option<String>,
    pub(super) organization_external_id: Option<String>,
    pub(super) organization_logo_url: Option<String>,
    pub(super) trusted_metadata: Option<Struct>,
    pub(super) sso_jit_provisioning: Option<i32>,
    pub(super) email_allowed_domains: Vec<String>,
    pub(super) email_jit_provisioning: Option<i32>,
    pub(super) email_invites: Option<i32>,
    pub(super) auth_methods: Option<i32>,
    pub(super) allowed_auth_methods: Vec<String>,
    pub(super) mfa_policy: Option<i32>,
    pub(super) mfa_methods: Option<i32>,
    pub(super) allowed_mfa_methods: Vec<String>,
    pub(super) rbac_email_implicit_role_assignments: Vec<pb::EmailImplicitRoleAssignment>,
    pub(super) oauth_tenant_jit_provisioning: Option<i32>,
    pub(super) allowed_oauth_tenants: Option<Struct>,
    pub(super) claimed_email_domains: Vec<String>,
    pub(super) first_party_connected_apps_allowed_type: Option<i32>,
    pub(super) allowed_first_party_connected_apps: Vec<String>,
    pub(super) third_party_connected_apps_allowed_type: Option<i32>,
    pub(super) allowed_third_party_connected_apps: Vec<String>,
}

/// Takes the common fields out of a request; only one of the two can claim domains.
macro_rules! fields {
    ($request:ident, $claimed_email_domains:expr) => {
        crate::api::parse::organization::Fields {
            organization_name: $request.organization_name,
            organization_slug: $request.organization_slug,
            organization_external_id: $request.organization_external_id,
            organization_logo_url: $request.organization_logo_url,
            trusted_metadata: $request.trusted_metadata,
            sso_jit_provisioning: $request.sso_jit_provisioning,
            email_allowed_domains: $request.email_allowed_domains,
            email_jit_provisioning: $request.email_jit_provisioning,
            email_invites: $request.email_invites,
            auth_methods: $request.auth_methods,
            allowed_auth_methods: $request.allowed_auth_methods,
            mfa_policy: $request.mfa_policy,
            mfa_methods: $request.mfa_methods,
            allowed_mfa_methods: $request.allowed_mfa_methods,
            rbac_email_implicit_role_assignments: $request.rbac_email_implicit_role_assignments,
            oauth_tenant_jit_provisioning: $request.oauth_tenant_jit_provisioning,
            allowed_oauth_tenants: $request.allowed_oauth_tenants,
            claimed_email_domains: $claimed_email_domains,
            first_party_connected_apps_allowed_type: $request.first_party_connected_apps_allowed_type,
            allowed_first_party_connected_apps: $request.allowed_first_party_connected_apps,
            third_party_connected_apps_allowed_type: $request.third_party_connected_apps_allowed_type,
            allowed_third_party_connected_apps: $request.allowed_third_party_connected_apps,
        }
    };
}
pub(super) use fields;

/// The common fields, parsed.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) name: Option<String>,
    pub(super) slug: Option<Slug>,
    pub(super) external_id: Option<ExternalId>,
    pub(super) logo_url: String,
    pub(super) trusted_metadata: JsonObject,
    pub(super) settings: OrganizationSettings,
}

/// Reads a request to create an organization without members.
pub(in crate::api) fn create(
    api: &Api,
    request: pb::CreateOrganizationRequest,
) -> Result<CreateOrganization, Status> {
    let mut violations = Violations::of("CreateOrganizationRequest");
    let named = request.organization_name.as_ref().is_some_and(|name| !name.is_empty());
    if !named {
        violations.add("organization_name", Reason::OrganizationNameMissing, "is required");
    }
    let mut fields = fields!(request, request.claimed_email_domains);
    fields.organization_name = fields.organization_name.filter(|_| named);
    let command = common(api, &mut violations, fields).and_then(|parsed| {
        let Parsed { name, slug, external_id, logo_url, trusted_metadata, settings } = parsed;
        Some(CreateOrganization { name: name?, slug, external_id, logo_url, trusted_metadata, settings })
    });
    violations.finish(command)
}

/// Reads how a caller names an organization.
pub(in crate::api) fn name(api: &Api, message: &'static str, text: &str) -> Result<OrganizationName, Status> {
    let mut violations = Violations::of(message);
    let name = match OrganizationId::parse(text, api.environment) {
        Ok(id) => Some(OrganizationName::Id(id)),
        Err(IdError::OtherEnvironment) => {
            let (reason, rule) = match api.environment {
                Environment::Test => (Reason::LiveIdUsedInTestEnvironment, "is an id of a live deployment"),
                Environment::Live => (Reason::TestIdUsedInLiveEnvironment, "is an id of a test deployment"),
            };
            violations.add("organization_id", reason, rule);
            None
        }
        Err(IdError::Malformed)
            if Slug::parse(text).is_ok() || ExternalId::parse_for_organization(text).is_ok() =>
        {
            Some(OrganizationName::Other(text.to_owned()))
        }
        Err(IdError::Malformed) => {
            let rule = "is neither an id, nor a slug, nor an external id";
            violations.add("organization_id", Reason::InvalidOrganizationId, rule);
            None
        }
    };
    violations.finish(name)
}

/// Reads the common fields.
pub(super) fn common(api: &Api, violations: &mut Violations, fields: Fields) -> Option<Parsed> {
    if let Some(name) = &fields.organization_name {
        violations.check("organization_name", Reason::InvalidOrganizationName, check_name(name));
    }
    let slug = fields
        .organization_slug
        .as_deref()
        .map(Slug::parse)
        .and_then(|slug| violations.check("organization_slug", Reason::InvalidOrganizationSlug, slug));
    let external_id = fields.organization_external_id.as_deref().map(ExternalId::parse_for_organization);
    let external_id = external_id.and_then(|external_id| {
        violations.check("organization_external_id", Reason::InvalidOrganizationExternalId, external_id)
    });
    let logo_url = fields.organization_logo_url.clone().unwrap_or_default();
    check_url(violations, "organization_logo_url", &logo_url);
    let trusted_metadata = fields
        .trusted_metadata
        .clone()
        .map_or_else(|| Some(JsonObject::new()), |sent| new_metadata(violations, "trusted_metadata", sent));
    let name = fields.organization_name.clone();
    let settings = settings(api, violations, fields);
    Some(Parsed {
        name,
        slug,
        external_id,
        logo_url,
        trusted_metadata: trusted_metadata?,
        settings: settings?,
    })
}

fn check_url(violations: &mut Violations, field: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    if text.len() > MAX_LOGO_URL {
        violations.add(
            field,
            Reason::OrganizationLogoUrlTooLong,
            format!("is longer than {MAX_LOGO_URL} bytes"),
        );
    }
    let acceptable =
        Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !acceptable || text.chars().any(|character| character.is_control() || character.is_whitespace()) {
        violations.add(field, Reason::InvalidUrl, "is not an absolute http or https URL");
    }
}

fn new_metadata(violations: &mut Violations, field: &str, sent: Struct) -> Option<JsonObject> {
    let sent = violations.check(field, Reason::MetadataInvalidFormat, json::object(sent))?;
    match metadata(JsonObject::new(), sent) {
        Ok(metadata) => Some(metadata),
        Err(error) => {
            let reason = match error {
                MetadataError::TooManyKeys => Reason::MetadataTooManyKeys,
                MetadataError::TooLarge => Reason::MetadataTooLarge,
            };
            violations.add(field, reason, error);
            None
        }
    }
}
