//! Roles that the policy file adds.

use tonic::Code;
use vestibule::pb;

use super::{created, rows_written};
use crate::harness::fixtures::organization;
use crate::harness::program::Folder;
use crate::harness::refusal::refused;
use crate::harness::{Harness, Setup, on_both_backends};

on_both_backends!(without_a_file_there_are_the_default_roles_alone);

const FIELD: &str = "rbac_email_implicit_role_assignments";

const POLICY: &str = r#"{
    "roles": [
        {"role_id": "stytch_member", "permissions": [{"resource_id": "documents", "actions": ["read"]}]},
        {"role_id": "editor", "permissions": [{"resource_id": "documents", "actions": ["*"]}]}
    ],
    "resources": [{"resource_id": "documents", "actions": ["read", "write"]}]
}"#;

/// An organization that gives the roles to one domain.
fn giving(roles: &[&str]) -> pb::CreateOrganizationRequest {
    let mut request = organization("Acme");
    request.rbac_email_implicit_role_assignments = roles
        .iter()
        .map(|role_id| pb::EmailImplicitRoleAssignment {
            domain: "acme.com".to_owned(),
            role_id: (*role_id).to_owned(),
        })
        .collect();
    request
}

/// Asserts that the request is refused for exactly this violation, and writes nothing.
async fn violates(t: &Harness, request: pb::CreateOrganizationRequest, field: &str, reason: &str) {
    let before = rows_written(t).await;
    let refusal = refused(t.clients().create(request).await, Code::InvalidArgument, reason);
    assert_eq!(refusal.violations(), [(format!("{FIELD}{field}").as_str(), reason)]);
    assert_eq!(rows_written(t).await, before);
}

async fn a_role_of_the_policy_file_can_be_given(setup: Setup) {
    let folder = Folder::new();
    let path = folder.file("policy.json", POLICY);
    let t = setup.with(|config| config.rbac_policy_file = Some(path.into())).start().await;
    let request = giving(&["editor", "stytch_admin"]);
    let organization = created(&t, request.clone()).await;
    assert_eq!(
        organization.rbac_email_implicit_role_assignments,
        request.rbac_email_implicit_role_assignments
    );
    for unknown in ["viewer", "Editor", "editor ", "documents", "*", ""] {
        violates(&t, giving(&["editor", unknown]), "[1].role_id", "INVALID_RBAC_ROLE_ID").await;
    }
    let everybodys = giving(&["editor", "stytch_member"]);
    violates(&t, everybodys, "[1].role_id", "CANNOT_ASSIGN_DEFAULT_RBAC_ROLE_ID").await;
    violates(&t, giving(&["editor", "editor"]), "[1]", "INVALID_RBAC_ROLE_ASSIGNMENT").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_of_the_policy_file_can_be_given_on_postgres() {
    a_role_of_the_policy_file_can_be_given(Setup::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_of_the_policy_file_can_be_given_on_the_embedded_default() {
    a_role_of_the_policy_file_can_be_given(Setup::embedded()).await;
}

async fn without_a_file_there_are_the_default_roles_alone(t: Harness) {
    violates(&t, giving(&["editor"]), "[0].role_id", "INVALID_RBAC_ROLE_ID").await;
    created(&t, giving(&["stytch_admin"])).await;
}
