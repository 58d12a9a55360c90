//! Organizations: names, and the fields that creating and changing one have in common.

use prost_types::Struct;
use tonic::Status;
use url::Url;

use super::sent::Sent;
use super::settings::{keep_meaningful, settings};
use super::{Violations, json};
use crate::api::Api;
use crate::domain::ids::{IdError, OrganizationId};
use crate::domain::json::{JsonObject, metadata};
use crate::domain::organization::{MAX_URL, OrganizationName, check_name};
use crate::domain::organization_settings::{OrganizationSettings, SentSettings};
use crate::domain::organization_update::{OrganizationUpdate, metadata_reason};
use crate::domain::reason::Reason;
use crate::domain::slug::{ExternalId, Slug};
use crate::pb;
use crate::service::organizations::OrganizationTarget;
use crate::service::organizations::create::CreateOrganization;
use crate::service::organizations::update::UpdateOrganization;

/// The settings and other fields that requests about an organization have, under the same names.
/// `None`: not sent.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) organization_name: Option<String>,
    pub(super) organization_slug: Option<String>,
    pub(super) organization_external_id: Option<String>,
    pub(super) organization_logo_url: Option<String>,
    pub(super) trusted_metadata: Option<Struct>,
    pub(super) sso_default_connection_id: Option<String>,
    pub(super) sso_jit_provisioning: Option<i32>,
    pub(super) sso_jit_provisioning_allowed_connections: Option<Vec<String>>,
    pub(super) email_allowed_domains: Option<Vec<String>>,
    pub(super) email_jit_provisioning: Option<i32>,
    pub(super) email_invites: Option<i32>,
    pub(super) auth_methods: Option<i32>,
    pub(super) allowed_auth_methods: Option<Vec<String>>,
    pub(super) mfa_policy: Option<i32>,
    pub(super) mfa_methods: Option<i32>,
    pub(super) allowed_mfa_methods: Option<Vec<String>>,
    pub(super) rbac_email_implicit_role_assignments: Option<Vec<pb::EmailImplicitRoleAssignment>>,
    pub(super) oauth_tenant_jit_provisioning: Option<i32>,
    pub(super) allowed_oauth_tenants: Option<Struct>,
    pub(super) claimed_email_domains: Option<Vec<String>>,
    pub(super) first_party_connected_apps_allowed_type: Option<i32>,
    pub(super) allowed_first_party_connected_apps: Option<Vec<String>>,
    pub(super) third_party_connected_apps_allowed_type: Option<i32>,
    pub(super) allowed_third_party_connected_apps: Option<Vec<String>>,
}

/// Takes the fields out of a request, as far as they are [`Sent`]; those that not every request has
/// are handed in.
macro_rules! fields {
    ($request:ident, $sent:ident, {
        claimed: $claimed:expr, default_connection: $default_connection:expr, connections: $connections:expr,
    }) => {{
        macro_rules! value {
            ($field:ident) => {
                $sent.value(stringify!($field), $request.$field)
            };
        }
        macro_rules! list {
            ($field:ident) => {
                $sent.list(stringify!($field), $request.$field)
            };
        }
        macro_rules! choice {
            ($field:ident) => {
                $sent.choice(stringify!($field), $request.$field)
            };
        }
        crate::api::parse::organization::Fields {
            organization_name: value!(organization_name),
            organization_slug: value!(organization_slug),
            organization_external_id: value!(organization_external_id),
            organization_logo_url: value!(organization_logo_url),
            trusted_metadata: value!(trusted_metadata),
            sso_default_connection_id: $sent.value("sso_default_connection_id", $default_connection),
            sso_jit_provisioning: choice!(sso_jit_provisioning),
            sso_jit_provisioning_allowed_connections: $sent
                .list("sso_jit_provisioning_allowed_connections", $connections),
            email_allowed_domains: list!(email_allowed_domains),
            email_jit_provisioning: choice!(email_jit_provisioning),
            email_invites: choice!(email_invites),
            auth_methods: choice!(auth_methods),
            allowed_auth_methods: list!(allowed_auth_methods),
            mfa_policy: choice!(mfa_policy),
            mfa_methods: choice!(mfa_methods),
            allowed_mfa_methods: list!(allowed_mfa_methods),
            rbac_email_implicit_role_assignments: list!(rbac_email_implicit_role_assignments),
            oauth_tenant_jit_provisioning: choice!(oauth_tenant_jit_provisioning),
            allowed_oauth_tenants: value!(allowed_oauth_tenants),
            claimed_email_domains: $sent.list("claimed_email_domains", $claimed),
            first_party_connected_apps_allowed_type: choice!(first_party_connected_apps_allowed_type),
            allowed_first_party_connected_apps: list!(allowed_first_party_connected_apps),
            third_party_connected_apps_allowed_type: choice!(third_party_connected_apps_allowed_type),
            allowed_third_party_connected_apps: list!(allowed_third_party_connected_apps),
        }
    }};
}
pub(super) use fields;

/// The fields, each valid by itself. `None`: not sent.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) name: Option<String>,
    pub(super) slug: Option<Slug>,
    pub(super) external_id: Option<ExternalId>,
    pub(super) logo_url: Option<String>,
    /// As it was sent, nulls included.
    pub(super) trusted_metadata: Option<JsonObject>,
    pub(super) settings: SentSettings,
}

/// The fields of a new organization, with its defaults.
#[derive(Debug)]
pub(super) struct New {
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
    let mut sent = Sent::present();
    let mut fields = fields!(request, sent, {
        claimed: request.claimed_email_domains, default_connection: None, connections: Vec::new(),
    });
    fields.organization_name = fields.organization_name.filter(|_| named);
    let command = new(api, &mut violations, fields, &sent).and_then(|new| {
        let New { name, slug, external_id, logo_url, trusted_metadata, settings } = new;
        Some(CreateOrganization { name: name?, slug, external_id, logo_url, trusted_metadata, settings })
    });
    violations.finish(command)
}

/// Reads a request to change an organization.
pub(in crate::api) fn update(
    api: &Api,
    request: pb::UpdateOrganizationRequest,
) -> Result<UpdateOrganization, Status> {
    let mut violations = Violations::of("UpdateOrganizationRequest");
    let organization = name(api, &mut violations, &request.organization_id);
    let mut sent = Sent::masked(&mut violations, request.update_mask);
    let fields = fields!(request, sent, {
        claimed: request.claimed_email_domains,
        default_connection: request.sso_default_connection_id,
        connections: request.sso_jit_provisioning_allowed_connections,
    });
    for (field, reason) in [
        ("organization_name", Reason::OrganizationNameMissing),
        ("organization_slug", Reason::InvalidOrganizationSlug),
    ] {
        sent.refuse_cleared(&mut violations, field, reason);
    }
    let parsed = common(api, &mut violations, fields, &sent);
    let update = OrganizationUpdate {
        name: parsed.name,
        slug: parsed.slug,
        external_id: sent.clearable("organization_external_id", parsed.external_id),
        logo_url: sent.clearable("organization_logo_url", parsed.logo_url).map(Option::unwrap_or_default),
        trusted_metadata: parsed.trusted_metadata,
        settings: parsed.settings,
    };
    let (etag, allow_removing_last_admin) = (request.etag, request.allow_removing_last_admin);
    violations.finish(organization.map(|organization| UpdateOrganization {
        target: OrganizationTarget { organization, etag },
        allow_removing_last_admin,
        update,
    }))
}

/// Reads a request that has nothing but an organization and an etag.
pub(in crate::api) fn target(
    api: &Api,
    message: &'static str,
    text: &str,
    etag: Option<String>,
) -> Result<OrganizationTarget, Status> {
    name_only(api, message, text).map(|organization| OrganizationTarget { organization, etag })
}

/// Reads a request that has nothing but an organization's name.
pub(in crate::api) fn name_only(
    api: &Api,
    message: &'static str,
    text: &str,
) -> Result<OrganizationName, Status> {
    let mut violations = Violations::of(message);
    let name = name(api, &mut violations, text);
    violations.finish(name)
}

/// Reads how a caller names an organization.
pub(super) fn name(api: &Api, violations: &mut Violations, text: &str) -> Option<OrganizationName> {
    name_at(api, violations, "organization_id", text)
}

/// Reads how a caller names an organization, in whatever field.
pub(super) fn name_at(
    api: &Api,
    violations: &mut Violations,
    field: impl Into<String>,
    text: &str,
) -> Option<OrganizationName> {
    match OrganizationId::parse(text, api.environment) {
        Ok(id) => Some(OrganizationName::Id(id)),
        Err(IdError::OtherEnvironment) => {
            violations.other_environment(api, field);
            None
        }
        Err(IdError::Malformed)
            if Slug::parse(text).is_ok() || ExternalId::parse_for_organization(text).is_ok() =>
        {
            Some(OrganizationName::Other(text.to_owned()))
        }
        Err(IdError::Malformed) => {
            let rule = "is neither an id, nor a slug, nor an external id";
            violations.add(field, Reason::InvalidOrganizationId, rule);
            None
        }
    }
}

/// Reads the fields of a new organization.
pub(super) fn new(api: &Api, violations: &mut Violations, fields: Fields, sent: &Sent) -> Option<New> {
    let Parsed { name, slug, external_id, logo_url, trusted_metadata, settings } =
        common(api, violations, fields, sent);
    let trusted_metadata = new_metadata(violations, "trusted_metadata", trusted_metadata);
    let settings = settings.with_defaults().map_err(|broken| keep_meaningful(violations, broken)).ok();
    Some(New {
        name,
        slug,
        external_id,
        logo_url: logo_url.unwrap_or_default(),
        trusted_metadata: trusted_metadata?,
        settings: settings?,
    })
}

/// Reads the fields, each by itself.
fn common(api: &Api, violations: &mut Violations, fields: Fields, sent: &Sent) -> Parsed {
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
    if let Some(logo_url) = &fields.organization_logo_url {
        check_url(violations, "organization_logo_url", Reason::OrganizationLogoUrlTooLong, logo_url);
    }
    Parsed {
        name: fields.organization_name.clone(),
        slug,
        external_id,
        logo_url: fields.organization_logo_url.clone(),
        trusted_metadata: sent_metadata(violations, "trusted_metadata", fields.trusted_metadata.clone()),
        settings: settings(api, violations, fields, sent),
    }
}

/// Checks the URL of something that people are shown or led to; an empty one is none.
pub(super) fn check_url(violations: &mut Violations, field: &str, too_long: Reason, text: &str) {
    if text.is_empty() {
        return;
    }
    if text.len() > MAX_URL {
        violations.add(field, too_long, format!("is longer than {MAX_URL} bytes"));
    }
    let acceptable = Url::parse(text).is_ok_and(|url| {
        let open = url.username().is_empty() && url.password().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && open
    });
    if !acceptable || text.chars().any(|character| character.is_control() || character.is_whitespace()) {
        let rule = "is not an absolute http or https URL without a user name and password";
        violations.add(field, Reason::InvalidUrl, rule);
    }
}

/// Reads metadata as it was sent, nulls included.
pub(super) fn sent_metadata(
    violations: &mut Violations,
    field: &'static str,
    sent: Option<Struct>,
) -> Option<JsonObject> {
    violations.check(field, Reason::MetadataInvalidFormat, json::object(sent?))
}

/// Reads metadata of what is about to be created.
pub(super) fn new_metadata(
    violations: &mut Violations,
    field: &'static str,
    sent: Option<JsonObject>,
) -> Option<JsonObject> {
    match metadata(JsonObject::new(), sent.unwrap_or_default()) {
        Ok(metadata) => Some(metadata),
        Err(error) => {
            violations.add(field, metadata_reason(error), error);
            None
        }
    }
}
