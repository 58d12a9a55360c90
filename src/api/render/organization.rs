//! Organizations.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

use super::{object, timestamp};
use crate::api::enums::ProtoEnum;
use crate::domain::email_domain::EmailDomain;
use crate::domain::ids::Environment;
use crate::domain::organization::Organization;
use crate::domain::organization_settings::{OauthTenant, OrganizationSettings};
use crate::domain::slug::ExternalId;
use crate::pb;
use crate::tokens::etag::etag;

pub(in crate::api) fn organization(
    organization: &Organization,
    environment: Environment,
) -> pb::Organization {
    let OrganizationSettings {
        sso_default_connection_id,
        sso_jit_provisioning,
        sso_jit_provisioning_allowed_connections,
        email_allowed_domains,
        email_jit_provisioning,
        email_invites,
        auth_methods,
        allowed_auth_methods,
        mfa_policy,
        mfa_methods,
        allowed_mfa_methods,
        rbac_email_implicit_role_assignments,
        oauth_tenant_jit_provisioning,
        allowed_oauth_tenants,
        claimed_email_domains,
        first_party_connected_apps_allowed_type,
        allowed_first_party_connected_apps,
        third_party_connected_apps_allowed_type,
        allowed_third_party_connected_apps,
    } = &organization.settings;
    pb::Organization {
        organization_id: organization.id.text(environment),
        organization_name: organization.name.clone(),
        organization_slug: organization.slug.as_str().to_owned(),
        organization_external_id: organization
            .external_id
            .as_ref()
            .map(ExternalId::as_str)
            .map(str::to_owned),
        organization_logo_url: organization.logo_url.clone(),
        trusted_metadata: Some(object(&organization.trusted_metadata)),
        sso_jit_provisioning: number::<_, pb::SsoJitProvisioning>(*sso_jit_provisioning),
        email_allowed_domains: domains(email_allowed_domains),
        email_jit_provisioning: number::<_, pb::EmailJitProvisioning>(*email_jit_provisioning),
        email_invites: number::<_, pb::EmailInvites>(*email_invites),
        auth_methods: number::<_, pb::AuthMethods>(*auth_methods),
        allowed_auth_methods: allowed_auth_methods.iter().map(|method| method.as_str().to_owned()).collect(),
        mfa_policy: number::<_, pb::MfaPolicy>(*mfa_policy),
        mfa_methods: number::<_, pb::MfaMethods>(*mfa_methods),
        allowed_mfa_methods: allowed_mfa_methods.iter().map(|method| method.as_str().to_owned()).collect(),
        rbac_email_implicit_role_assignments: rbac_email_implicit_role_assignments
            .iter()
            .map(|assignment| pb::EmailImplicitRoleAssignment {
                domain: assignment.domain.as_str().to_owned(),
                role_id: assignment.role_id.clone(),
            })
            .collect(),
        oauth_tenant_jit_provisioning: number::<_, pb::OauthTenantJitProvisioning>(
            *oauth_tenant_jit_provisioning,
        ),
        allowed_oauth_tenants: Some(tenants(allowed_oauth_tenants)),
        claimed_email_domains: domains(claimed_email_domains),
        first_party_connected_apps_allowed_type: number::<_, pb::FirstPartyConnectedAppsAllowedType>(
            *first_party_connected_apps_allowed_type,
        ),
        allowed_first_party_connected_apps: allowed_first_party_connected_apps.clone(),
        third_party_connected_apps_allowed_type: number::<_, pb::ThirdPartyConnectedAppsAllowedType>(
            *third_party_connected_apps_allowed_type,
        ),
        allowed_third_party_connected_apps: allowed_third_party_connected_apps.clone(),
        created_at: Some(timestamp(organization.created_at)),
        updated_at: Some(timestamp(organization.updated_at)),
        etag: etag(organization.id.uuid(), organization.version),
        sso_default_connection_id: sso_default_connection_id.clone(),
        sso_jit_provisioning_allowed_connections: sso_jit_provisioning_allowed_connections.clone(),
        // Connections and roles of one organization are not managed by this service yet.
        sso_active_connections: Vec::new(),
        scim_active_connection: None,
        custom_roles: Vec::new(),
    }
}

fn number<D, P>(value: D) -> i32
where
    (D, PhantomData<P>): ProtoEnum,
{
    (value, PhantomData).number()
}

fn domains(domains: &[EmailDomain]) -> Vec<String> {
    domains.iter().map(|domain| domain.as_str().to_owned()).collect()
}

fn tenants(tenants: &[OauthTenant]) -> Struct {
    let mut by_provider: BTreeMap<String, ListValue> = BTreeMap::new();
    for tenant in tenants {
        let tenant_id = Value { kind: Some(Kind::StringValue(tenant.tenant_id.clone())) };
        by_provider.entry(tenant.provider.as_str().to_owned()).or_default().values.push(tenant_id);
    }
    let fields = by_provider
        .into_iter()
        .map(|(provider, list)| (provider, Value { kind: Some(Kind::ListValue(list)) }));
    Struct { fields: fields.collect() }
}
