//! Refusals to create and to change organizations.

use tonic::Status;
use vestibule::pb;

use crate::harness::Harness;
use crate::harness::fixtures::organization;
use crate::harness::json::object;
use crate::harness::members::organization_update;

pub(super) async fn creating(t: &Harness, change: impl FnOnce(&mut pb::CreateOrganizationRequest)) -> Status {
    let mut request = organization("Acme");
    change(&mut request);
    t.clients().create(request).await.unwrap_err()
}

/// Creates one organization, and fails to create the same again.
pub(super) async fn twice(t: &Harness, change: impl Fn(&mut pb::CreateOrganizationRequest)) -> Status {
    let mut request = organization("Acme");
    change(&mut request);
    t.clients().create(request).await.unwrap();
    creating(t, change).await
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(super) async fn allowing(t: &Harness, domains: &[&str]) -> Status {
    creating(t, |sent| sent.email_allowed_domains = texts(domains)).await
}

pub(super) async fn claiming(t: &Harness, domains: &[&str]) -> Status {
    creating(t, |sent| sent.claimed_email_domains = texts(domains)).await
}

pub(super) async fn tenants(t: &Harness, tenants: serde_json::Value) -> Status {
    creating(t, |sent| sent.allowed_oauth_tenants = Some(object(tenants))).await
}

pub(super) async fn assigning(t: &Harness, domain: &str, role_id: &str, times: usize) -> Status {
    let assignment =
        pb::EmailImplicitRoleAssignment { domain: domain.to_owned(), role_id: role_id.to_owned() };
    creating(t, |sent| sent.rbac_email_implicit_role_assignments = vec![assignment; times]).await
}

/// Fails to change an organization.
pub(super) async fn updating(t: &Harness, change: impl FnOnce(&mut pb::UpdateOrganizationRequest)) -> Status {
    let mut request = organization_update(&t.clients().organization("Acme").await.organization_id);
    change(&mut request);
    t.clients().update_organization(request).await.unwrap_err()
}
