//! Roles, and the last admin.

use tonic::Code;
use vestibule::pb;

use super::{Update, acme, direct, refuses, texts, told, update, updated};
use crate::harness::fixtures::creation;
use crate::harness::members::{invitation, mask, new_member};
use crate::harness::program::Folder;
use crate::harness::{Harness, Setup, on_both_backends};

on_both_backends!(
    the_last_admin_is_kept_unless_it_is_allowed,
    another_admin_lets_one_go,
    an_admin_who_is_not_active_is_the_last_of_nobody,
    a_member_who_is_no_admin_can_lose_everything,
);

const POLICY: &str = r#"{
    "roles": [
        {"role_id": "editor", "permissions": [{"resource_id": "documents", "actions": ["*"]}]},
        {"role_id": "viewer", "permissions": [{"resource_id": "documents", "actions": ["read"]}]}
    ],
    "resources": [{"resource_id": "documents", "actions": ["read", "write"]}]
}"#;

const LAST: &str = "LAST_ADMIN_REMOVAL";

pub(super) fn demotion(member: &pb::Member) -> Update {
    Update { update_mask: mask(&["roles"]), ..update(member) }
}

fn promotion(member: &pb::Member) -> Update {
    Update { roles: texts(&["stytch_admin"]), ..update(member) }
}

async fn roles_are_replaced(setup: Setup) {
    let folder = Folder::new();
    let path = folder.file("policy.json", POLICY);
    let t = setup.with(|config| config.rbac_policy_file = Some(path.into())).start().await;
    let (_, member) = acme(&t).await;
    for roles in [&["editor"][..], &["viewer", "editor"], &["editor", "viewer"], &["viewer"]] {
        let member = updated(&t, Update { roles: texts(roles), ..update(&member) }).await;
        assert_eq!(member.roles, direct(roles));
        assert!(!member.is_admin);
        told(&t, &member, &["roles"]).await;
    }
    let member = updated(&t, demotion(&member)).await;
    assert_eq!(member.roles, direct(&[]));
    let request = Update { roles: texts(&["editor", "nobody", "editor"]), ..update(&member) };
    let expected = [("roles[1]", "INVALID_RBAC_ROLE_ID"), ("roles[2]", "INVALID_RBAC_ROLE_ASSIGNMENT")];
    refuses(&t, request, Code::InvalidArgument, "INVALID_RBAC_ROLE_ID", &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_replaced_postgres() {
    roles_are_replaced(Setup::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_replaced_embedded() {
    roles_are_replaced(Setup::embedded()).await;
}

/// The person who created an organization: its first admin.
async fn founder(t: &Harness) -> pb::Member {
    let token = t.clients().token("ada@acme.com").await;
    t.clients().spend(creation(&token)).await.unwrap().into_inner().member.unwrap()
}

async fn the_last_admin_is_kept_unless_it_is_allowed(t: Harness) {
    let ada = founder(&t).await;
    t.clients().member(&ada.organization_id, "grace@acme.com").await;
    let renamed = Update { name: Some("Ada".to_owned()), ..demotion(&ada) };
    let named_too = Update { update_mask: mask(&["name", "roles"]), ..renamed };
    for request in [demotion(&ada), named_too] {
        refuses(&t, request, Code::FailedPrecondition, LAST, &[]).await;
    }
    // Everything else about the last admin can change.
    let request = Update { name: Some("Ada".to_owned()), ..promotion(&ada) };
    let request = Update { email_address: Some("countess@acme.com".to_owned()), ..request };
    assert!(updated(&t, request).await.is_admin);
    let allowed = Update { allow_removing_last_admin: true, ..demotion(&ada) };
    let after = updated(&t, allowed).await;
    assert!(!after.is_admin);
    told(&t, &after, &["roles"]).await;
    assert!(updated(&t, promotion(&ada)).await.is_admin);
}

async fn another_admin_lets_one_go(t: Harness) {
    let ada = founder(&t).await;
    let grace = t.clients().member(&ada.organization_id, "grace@acme.com").await;
    updated(&t, promotion(&grace)).await;
    updated(&t, demotion(&ada)).await;
    refuses(&t, demotion(&grace), Code::FailedPrecondition, LAST, &[]).await;
    // Admins of other organizations don't count.
    let token = t.clients().token("eve@globex.com").await;
    let eve = t.clients().spend(creation(&token)).await.unwrap().into_inner().member.unwrap();
    refuses(&t, demotion(&grace), Code::FailedPrecondition, LAST, &[]).await;
    refuses(&t, demotion(&eve), Code::FailedPrecondition, LAST, &[]).await;
    // Neither do deleted ones.
    updated(&t, promotion(&ada)).await;
    let request = pb::DeleteMemberRequest {
        organization_id: ada.organization_id.clone(),
        member_id: ada.member_id.clone(),
        ..pb::DeleteMemberRequest::default()
    };
    t.clients().delete_member(request).await.unwrap();
    refuses(&t, demotion(&grace), Code::FailedPrecondition, LAST, &[]).await;
}

async fn an_admin_who_is_not_active_is_the_last_of_nobody(t: Harness) {
    let clients = t.clients();
    let ada = founder(&t).await;
    let request = pb::InviteMemberRequest {
        roles: texts(&["stytch_admin"]),
        ..invitation(&ada.organization_id, "invited@acme.com")
    };
    let invited = clients.invite_member(request).await.unwrap().into_inner().member.unwrap();
    let request = pb::CreateMemberRequest {
        roles: texts(&["stytch_admin"]),
        create_member_as_pending: true,
        ..new_member(&ada.organization_id, "pending@acme.com")
    };
    let pending = clients.create_member(request).await.unwrap().into_inner().member.unwrap();
    // Neither can administer anything yet: the active one is the last.
    refuses(&t, demotion(&ada), Code::FailedPrecondition, LAST, &[]).await;
    assert!(!updated(&t, demotion(&invited)).await.is_admin);
    assert!(!updated(&t, demotion(&pending)).await.is_admin);
}

async fn a_member_who_is_no_admin_can_lose_everything(t: Harness) {
    let (_, ada) = acme(&t).await;
    let after = updated(&t, demotion(&ada)).await;
    assert_eq!(after, ada, "an organization without admins is nobody's fault here");
}
