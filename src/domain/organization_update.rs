//! Changing an organization.

use time::OffsetDateTime;

use super::json::{self, JsonObject, MetadataError};
use super::organization::Organization;
use super::organization_settings::SentSettings;
use super::reason::{Reason, Violation};
use super::slug::{ExternalId, Slug};

/// What is to change. `None`: stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrganizationUpdate {
    /// The name.
    pub name: Option<String>,
    /// The slug.
    pub slug: Option<Slug>,
    /// The external id; `Some(None)`: to be taken away.
    pub external_id: Option<Option<ExternalId>>,
    /// The logo's URL.
    pub logo_url: Option<String>,
    /// What is merged into the metadata.
    pub trusted_metadata: Option<JsonObject>,
    /// The settings.
    pub settings: SentSettings,
}

impl OrganizationUpdate {
    /// The organization after the update, and the names of the fields that it changes. None: it stays as
    /// it is, version and time included.
    ///
    /// # Errors
    /// The rules between fields, and those of merged metadata, that the result breaks.
    pub fn apply(
        self,
        before: &Organization,
        now: OffsetDateTime,
    ) -> Result<(Organization, Vec<&'static str>), Vec<Violation>> {
        let mut violations = Vec::new();
        let mut after = before.clone();
        if let Some(name) = self.name {
            after.name = name;
        }
        if let Some(slug) = self.slug {
            after.slug = slug;
        }
        if let Some(external_id) = self.external_id {
            after.external_id = external_id;
        }
        if let Some(logo_url) = self.logo_url {
            after.logo_url = logo_url;
        }
        if let Some(sent) = self.trusted_metadata {
            after.trusted_metadata =
                merged(&mut violations, "trusted_metadata", after.trusted_metadata, sent);
        }
        match self.settings.update(after.settings) {
            Ok(settings) => after.settings = settings,
            Err(broken) => {
                violations.extend(broken);
                return Err(violations);
            }
        }
        if !violations.is_empty() {
            return Err(violations);
        }
        let changed = changed_fields(before, &after);
        if !changed.is_empty() {
            after.version += 1;
            after.updated_at = now;
        }
        Ok((after, changed))
    }
}

/// Metadata after `sent` came in; what stood when that breaks a rule.
pub(super) fn merged(
    violations: &mut Vec<Violation>,
    field: &'static str,
    stored: JsonObject,
    sent: JsonObject,
) -> JsonObject {
    json::metadata(stored, sent).unwrap_or_else(|error| {
        violations.push(Violation::new(field, metadata_reason(error), error.to_string()));
        JsonObject::new()
    })
}

/// The reason by which callers know why metadata is refused.
#[must_use]
pub fn metadata_reason(error: MetadataError) -> Reason {
    match error {
        MetadataError::TooManyKeys => Reason::MetadataTooManyKeys,
        MetadataError::TooLarge => Reason::MetadataTooLarge,
    }
}

/// The names of the fields, as callers know them, in which the two differ.
fn changed_fields(before: &Organization, after: &Organization) -> Vec<&'static str> {
    let mut changed = Vec::new();
    let own = [
        ("organization_name", before.name != after.name),
        ("organization_slug", before.slug != after.slug),
        ("organization_external_id", before.external_id != after.external_id),
        ("organization_logo_url", before.logo_url != after.logo_url),
        ("trusted_metadata", before.trusted_metadata != after.trusted_metadata),
    ];
    changed.extend(own.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name));
    macro_rules! settings {
        ($($field:ident)*) => {
            $(if before.settings.$field != after.settings.$field { changed.push(stringify!($field)); })*
        };
    }
    settings!(
        sso_default_connection_id sso_jit_provisioning sso_jit_provisioning_allowed_connections
        email_allowed_domains email_jit_provisioning email_invites auth_methods allowed_auth_methods
        mfa_policy mfa_methods allowed_mfa_methods rbac_email_implicit_role_assignments
        oauth_tenant_jit_provisioning allowed_oauth_tenants claimed_email_domains
        first_party_connected_apps_allowed_type allowed_first_party_connected_apps
        third_party_connected_apps_allowed_type allowed_third_party_connected_apps
    );
    changed
}
