//! An organization that has an admin keeps one.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tonic::Code;
use vestibule::pb;

use super::{Request, deletion};
use crate::harness::fixtures::{organization, with_key};
use crate::harness::members::{invitation, new_member};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};
use crate::member_service::written::written;

on_both_backends!(
    the_last_active_admin_stays,
    others_who_never_logged_in_save_no_active_admin,
    another_active_admin_is_enough,
    an_admin_by_verified_domain_is_enough,
    the_last_admin_of_all_stays,
    who_is_no_admin_may_go,
    one_of_many_admins_stays,
);

const LAST: &str = "LAST_ADMIN_REMOVAL";

/// An admin who is active, or pending.
async fn admin(t: &Harness, id: &str, email_address: &str, is_pending: bool) -> String {
    let request = pb::CreateMemberRequest {
        roles: vec!["stytch_admin".to_owned()],
        create_member_as_pending: is_pending,
        ..new_member(id, email_address)
    };
    t.clients().create_member(request).await.unwrap().into_inner().member_id
}

/// Asserts that the admin can't be deleted, and that nothing is written.
async fn stays(t: &Harness, id: &str, member: &str) {
    let before = written(t).await;
    let answer = t.clients().delete_member(with_key(deletion(id, member), "stays")).await;
    refused(answer, Code::FailedPrecondition, LAST);
    assert_eq!(written(t).await, before);
}

async fn goes(t: &Harness, id: &str, member: &str) {
    t.clients().delete_member(deletion(id, member)).await.unwrap();
}

async fn the_last_active_admin_stays(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let ada = admin(&t, &id, "ada@acme.com", false).await;
    clients.member(&id, "bob@acme.com").await;
    let other = clients.organization("Other").await.organization_id;
    admin(&t, &other, "eve@acme.com", false).await;
    stays(&t, &id, &ada).await;
    let request = Request { allow_removing_last_admin: true, ..deletion(&id, &ada) };
    clients.delete_member(request).await.unwrap();
}

async fn others_who_never_logged_in_save_no_active_admin(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let ada = admin(&t, &id, "ada@acme.com", false).await;
    let pending = admin(&t, &id, "bob@acme.com", true).await;
    let roles = vec!["stytch_admin".to_owned()];
    let invited = pb::InviteMemberRequest { roles, ..invitation(&id, "eve@acme.com") };
    let invited = clients.invite_member(invited).await.unwrap().into_inner().member_id;
    stays(&t, &id, &ada).await;
    goes(&t, &id, &pending).await;
    goes(&t, &id, &invited).await;
    stays(&t, &id, &ada).await;
}

async fn another_active_admin_is_enough(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let ada = admin(&t, &id, "ada@acme.com", false).await;
    let bob = admin(&t, &id, "bob@acme.com", false).await;
    goes(&t, &id, &ada).await;
    stays(&t, &id, &bob).await;
}

async fn an_admin_by_verified_domain_is_enough(t: Harness) {
    let clients = t.clients();
    let request = pb::CreateOrganizationRequest {
        rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
            domain: "acme.com".to_owned(),
            role_id: "stytch_admin".to_owned(),
        }],
        ..organization("Acme")
    };
    let id = clients.create(request).await.unwrap().into_inner().organization.unwrap().organization_id;
    let ada = admin(&t, &id, "ada@elsewhere.com", false).await;
    let bob = clients.member(&id, "bob@acme.com").await.member_id;
    stays(&t, &id, &ada).await;
    t.execute("UPDATE member_email_addresses SET verified = true").await;
    goes(&t, &id, &ada).await;
    stays(&t, &id, &bob).await;
}

async fn the_last_admin_of_all_stays(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let pending = admin(&t, &id, "ada@acme.com", true).await;
    stays(&t, &id, &pending).await;
    let other = admin(&t, &id, "bob@acme.com", true).await;
    goes(&t, &id, &pending).await;
    stays(&t, &id, &other).await;
}

async fn who_is_no_admin_may_go(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let without_admins = clients.member(&id, "ada@acme.com").await.member_id;
    goes(&t, &id, &without_admins).await;
    admin(&t, &id, "bob@acme.com", false).await;
    let beside_an_admin = clients.member(&id, "eve@acme.com").await.member_id;
    goes(&t, &id, &beside_an_admin).await;
}

async fn one_of_many_admins_stays(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let mut admins = Vec::new();
    for number in 0..10 {
        admins.push(admin(&t, &id, &format!("admin-{number}@acme.com"), false).await);
    }
    let barrier = Arc::new(Barrier::new(admins.len()));
    let mut calls = JoinSet::new();
    for member in &admins {
        let (clients, barrier, request) = (t.clients(), Arc::clone(&barrier), deletion(&id, member));
        calls.spawn(async move {
            barrier.wait().await;
            clients.delete_member(request).await
        });
    }
    let mut deleted = 0;
    while let Some(answer) = calls.join_next().await {
        match answer.unwrap() {
            Ok(_) => deleted += 1,
            Err(status) => {
                let refusal = Refusal::of(&status);
                let clean = [(Code::FailedPrecondition, LAST), (Code::Aborted, "CONCURRENT_REQUEST")];
                assert!(clean.contains(&(refusal.code, refusal.reason.as_str())), "{refusal:?}");
            }
        }
    }
    assert!((1..10).contains(&deleted), "{deleted}");
    assert_eq!(t.count("members WHERE status = 'active'").await, 10 - deleted);
}
