//! Refusals to enter organizations.

use serde_json::json;
use tonic::Status;
use vestibule::pb::{self, EmailJitProvisioning, OauthTenantJitProvisioning};

use crate::harness::Harness;
use crate::harness::fixtures::{factor, magic_link, oauth};
use crate::harness::json::object;
use crate::harness::logins::{exchange, switch};
use crate::harness::members::{member_update, new_member, organization_update};

/// Fails to enter an organization as somebody who is no member.
async fn entering(
    t: &Harness,
    factors: Vec<pb::VouchedFactor>,
    change: impl FnOnce(&mut pb::UpdateOrganizationRequest),
) -> Status {
    let clients = t.clients();
    let organization_id = clients.organization("Acme").await.organization_id;
    let mut settings = organization_update(&organization_id);
    change(&mut settings);
    clients.update_organization(settings).await.unwrap();
    let token = clients.token_with("ada@acme.com", factors).await;
    clients.exchange(exchange(&token, &organization_id)).await.unwrap_err()
}

/// An account in a tenant.
fn account() -> pb::VouchedFactor {
    pb::VouchedFactor { provider_tenant_ids: vec!["T1".to_owned()], ..oauth("oauth_slack", false) }
}

pub(super) async fn nobody_joins_by_domain(t: &Harness) -> Status {
    entering(t, vec![magic_link()], |sent| sent.organization_name = Some("Closed".to_owned())).await
}

/// The domain is allowed, but no member has an address on it.
pub(super) async fn the_domain_has_no_peer(t: &Harness) -> Status {
    let restricted = |sent: &mut pb::UpdateOrganizationRequest| {
        sent.email_allowed_domains = vec!["acme.com".to_owned()];
        sent.email_jit_provisioning = Some(EmailJitProvisioning::Restricted.into());
    };
    entering(t, vec![magic_link()], restricted).await
}

pub(super) async fn nobody_joins_by_tenant(t: &Harness) -> Status {
    entering(t, vec![account()], |sent| sent.organization_name = Some("Closed".to_owned())).await
}

pub(super) async fn the_tenant_is_another(t: &Harness) -> Status {
    let restricted = |sent: &mut pb::UpdateOrganizationRequest| {
        sent.allowed_oauth_tenants = Some(object(json!({"slack": ["T2"]})));
        sent.oauth_tenant_jit_provisioning = Some(OauthTenantJitProvisioning::Restricted.into());
    };
    entering(t, vec![account()], restricted).await
}

pub(super) async fn the_address_was_given_up(t: &Harness) -> Status {
    let clients = t.clients();
    let organization_id = clients.organization("Acme").await.organization_id;
    let member = clients.member(&organization_id, "ada@acme.com").await;
    let moving = pb::UpdateMemberRequest {
        email_address: Some("countess@acme.com".to_owned()),
        ..member_update(&organization_id, &member.member_id)
    };
    clients.update_member(moving).await.unwrap();
    let token = clients.token("ada@acme.com").await;
    clients.exchange(exchange(&token, &organization_id)).await.unwrap_err()
}

/// The session rests on a password alone, which stays where it was given.
pub(super) async fn nothing_goes_along(t: &Harness) -> Status {
    let clients = t.clients();
    let home = clients.founded("ada@password.com").await.organization.unwrap().organization_id;
    let elsewhere = clients.organization("Globex").await.organization_id;
    clients.create_member(new_member(&elsewhere, "ada@password.com")).await.unwrap();
    let token = clients.token_with("ada@password.com", vec![factor("password", "knowledge")]).await;
    let entered = clients.exchange(exchange(&token, &home)).await.unwrap().into_inner();
    clients.switch(switch(&entered.session_token, &elsewhere)).await.unwrap_err()
}
