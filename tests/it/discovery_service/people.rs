//! People and the organizations they may enter, made through the public API.

use serde_json::json;
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, factor, oauth, organization};
use crate::harness::json::object;
use crate::harness::members::{new_member, organization_update};

/// A password that was set long ago: it proves no address.
pub(super) fn password() -> pb::VouchedFactor {
    factor("password", "knowledge")
}

/// A code of an authenticator app.
pub(super) fn totp() -> pb::VouchedFactor {
    factor("totp", "authenticator_app")
}

/// An account at a provider that has tenants.
pub(super) fn account(provider: &str, tenants: &[&str]) -> pb::VouchedFactor {
    pb::VouchedFactor {
        provider_tenant_ids: tenants.iter().map(|tenant| (*tenant).to_owned()).collect(),
        ..oauth(&format!("oauth_{provider}"), false)
    }
}

/// A request to create an organization that people join by a tenant.
pub(super) fn with_tenants(name: &str, tenants: serde_json::Value) -> pb::CreateOrganizationRequest {
    pb::CreateOrganizationRequest {
        oauth_tenant_jit_provisioning: Some(pb::OauthTenantJitProvisioning::Restricted.into()),
        allowed_oauth_tenants: Some(object(tenants)),
        email_invites: Some(pb::EmailInvites::AllAllowed.into()),
        ..organization(name)
    }
}

impl Clients {
    /// An organization that people of a domain join, founded by one of them.
    pub(super) async fn open_to(&self, name: &str, domain: &str) -> pb::Organization {
        let token = self.token(&format!("founder@{domain}")).await;
        let request = pb::DiscoveryServiceCreateOrganizationRequest {
            organization_name: Some(name.to_owned()),
            organization_slug: Some(name.to_lowercase().replace(' ', "-")),
            email_allowed_domains: vec![domain.to_owned()],
            email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
            email_invites: Some(pb::EmailInvites::AllAllowed.into()),
            ..creation(&token)
        };
        self.spend(request).await.unwrap().into_inner().organization.unwrap()
    }

    /// An organization that people of a Slack workspace join.
    pub(super) async fn open_to_slack(&self, name: &str, tenant: &str) -> pb::Organization {
        let request = with_tenants(name, json!({"slack": [tenant]}));
        self.create(request).await.unwrap().into_inner().organization.unwrap()
    }

    /// A member who has never logged in.
    pub(super) async fn pending(&self, organization_id: &str, email_address: &str) -> pb::Member {
        let request = pb::CreateMemberRequest {
            create_member_as_pending: true,
            ..new_member(organization_id, email_address)
        };
        self.create_member(request).await.unwrap().into_inner().member.unwrap()
    }

    /// Asks everybody for a second factor.
    pub(super) async fn ask_for_second_factors(&self, organization_id: &str) {
        let mut request = organization_update(organization_id);
        request.set_mfa_policy(pb::MfaPolicy::RequiredForAll);
        self.update_organization(request).await.unwrap();
    }

    /// Deletes an organization.
    pub(super) async fn dissolve(&self, organization_id: &str) {
        let organization_id = organization_id.to_owned();
        let request =
            pb::DeleteOrganizationRequest { organization_id, ..pb::DeleteOrganizationRequest::default() };
        self.delete_organization(request).await.unwrap();
    }

    /// Deletes a member, who may be the last admin.
    pub(super) async fn expel(&self, organization_id: &str, member_id: &str) {
        let request = pb::DeleteMemberRequest {
            organization_id: organization_id.to_owned(),
            member_id: member_id.to_owned(),
            allow_removing_last_admin: true,
            ..pb::DeleteMemberRequest::default()
        };
        self.delete_member(request).await.unwrap();
    }
}
