//! Roles: those that can be assigned, and where a member's come from.

use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::{Request, assigned, created};
use crate::harness::fixtures::organization;
use crate::harness::json::object;
use crate::harness::members::new_member;
use crate::harness::program::Folder;
use crate::harness::refusal::refused;
use crate::harness::{Harness, Setup, on_both_backends};
use crate::member_service::written::written;

on_both_backends!(
    without_a_policy_file_the_admin_is_the_one_role_to_assign,
    a_role_by_domain_is_held_once_the_address_is_verified,
);

fn with_roles(organization_id: &str, roles: &[&str]) -> Request {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    Request { roles, ..new_member(organization_id, "ada@acme.com") }
}

/// Asserts that roles are refused for exactly this violation, and that nothing is written.
async fn violates(t: &Harness, request: Request, field: &str, reason: &str) {
    let before = written(t).await;
    let refusal = refused(t.clients().create_member(request).await, Code::InvalidArgument, reason);
    assert_eq!(refusal.violations(), [(field, reason)]);
    assert_eq!(written(t).await, before);
}

async fn without_a_policy_file_the_admin_is_the_one_role_to_assign(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    for unknown in ["editor", "Stytch_Admin", "stytch_admin ", "", "*"] {
        let request = with_roles(&id, &["stytch_admin", unknown]);
        violates(&t, request, "roles[1]", "INVALID_RBAC_ROLE_ID").await;
    }
    let everybodys = with_roles(&id, &["stytch_member"]);
    violates(&t, everybodys, "roles[0]", "CANNOT_ASSIGN_DEFAULT_RBAC_ROLE_ID").await;
    let twice = with_roles(&id, &["stytch_admin", "stytch_admin"]);
    violates(&t, twice, "roles[1]", "INVALID_RBAC_ROLE_ASSIGNMENT").await;
    violates(&t, with_roles(&id, &["stytch_admin"; 101]), "roles", "TOO_MANY_ROLES").await;
    let admin = created(&t, with_roles(&id, &["stytch_admin"])).await;
    assert_eq!(admin.roles, [assigned("stytch_member"), assigned("stytch_admin")]);
    assert!(admin.is_admin);
}

async fn roles_of_the_policy_file_can_be_assigned(setup: Setup) {
    let folder = Folder::new();
    let names: Vec<_> = (0..100).map(|number| format!("role-{number}")).collect();
    let roles: Vec<_> = names.iter().map(|role| json!({"role_id": role, "permissions": []})).collect();
    let path = folder.file("policy.json", &json!({"roles": roles}).to_string());
    let t = setup.with(|config| config.rbac_policy_file = Some(path.into())).start().await;
    let id = t.clients().organization("Acme").await.organization_id;
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let too_many = [&names[..], &["stytch_admin"]].concat();
    violates(&t, with_roles(&id, &too_many), "roles", "TOO_MANY_ROLES").await;
    violates(&t, with_roles(&id, &["role-1", "Role-1"]), "roles[1]", "INVALID_RBAC_ROLE_ID").await;
    let member = created(&t, with_roles(&id, &names)).await;
    let expected: Vec<_> = ["stytch_member"].iter().chain(&names).map(|role| assigned(role)).collect();
    assert_eq!(member.roles, expected);
    assert!(!member.is_admin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_of_the_policy_file_can_be_assigned_on_postgres() {
    roles_of_the_policy_file_can_be_assigned(Setup::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_of_the_policy_file_can_be_assigned_on_the_embedded_default() {
    roles_of_the_policy_file_can_be_assigned(Setup::embedded()).await;
}

async fn a_role_by_domain_is_held_once_the_address_is_verified(t: Harness) {
    let request = pb::CreateOrganizationRequest {
        rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
            domain: "acme.com".to_owned(),
            role_id: "stytch_admin".to_owned(),
        }],
        ..organization("Acme")
    };
    let answer = t.clients().create(request).await.unwrap().into_inner();
    let id = answer.organization.unwrap().organization_id;
    let by_domain = created(&t, new_member(&id, "ada@acme.com")).await;
    assert_eq!(by_domain.roles, [assigned("stytch_member")]);
    assert!(!by_domain.is_admin);
    let both = Request { email_address: "bob@acme.com".to_owned(), ..with_roles(&id, &["stytch_admin"]) };
    let both = created(&t, both).await;
    assert_eq!(both.roles, [assigned("stytch_member"), assigned("stytch_admin")]);
    let elsewhere = created(&t, new_member(&id, "eve@mail.acme.com")).await;

    t.execute("UPDATE member_email_addresses SET verified = true").await;
    let clients = t.clients();
    let source = pb::MemberRoleSource {
        r#type: "email_assignment".to_owned(),
        details: Some(object(json!({"email_domain": "acme.com"}))),
    };
    let mut admin = assigned("stytch_admin");
    admin.sources.push(source.clone());
    let both = clients.member_by_id(&id, &both.member_id).await.unwrap();
    assert_eq!(both.roles, [assigned("stytch_member"), admin.clone()]);
    admin.sources = vec![source];
    let by_domain = clients.member_by_id(&id, &by_domain.member_id).await.unwrap();
    assert_eq!(by_domain.roles, [assigned("stytch_member"), admin]);
    assert!(by_domain.is_admin);
    let elsewhere = clients.member_by_id(&id, &elsewhere.member_id).await.unwrap();
    assert_eq!((elsewhere.roles, elsewhere.is_admin), (vec![assigned("stytch_member")], false));
}
