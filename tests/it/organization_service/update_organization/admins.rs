//! The last admin does not lose the role unasked, when it is one by the domain of its address.

use tonic::Code;
use vestibule::pb;

use super::{Request, change, created, roles, updated};
use crate::harness::fixtures::organization;
use crate::harness::members::{invitation, mask, new_member};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};
use crate::organization_service::state;

on_both_backends!(
    the_domain_of_the_last_admin_stays,
    another_admin_is_enough,
    an_address_that_is_not_verified_makes_no_admin,
    an_active_admin_is_not_replaced_by_an_invited_one,
    the_last_invited_admin_counts_too,
    members_elsewhere_do_not_count,
);

const ROLES: &str = "rbac_email_implicit_role_assignments";

/// An organization that makes admins of those on `acme.dev`.
async fn acme(t: &Harness) -> pb::Organization {
    let request = pb::CreateOrganizationRequest {
        rbac_email_implicit_role_assignments: roles(&["acme.dev"]),
        ..organization("Acme")
    };
    created(t, request).await
}

/// Verifies the addresses that there are: only a login does that.
async fn verify(t: &Harness) {
    t.execute("UPDATE member_email_addresses SET verified = true").await;
}

/// What takes the domain away.
fn without(acme: &pb::Organization) -> Request {
    change(acme, |sent| sent.update_mask = mask(&[ROLES]))
}

async fn refused_for_the_last_admin(t: &Harness, request: Request) {
    let before = state(t, &request.organization_id).await;
    let id = request.organization_id.clone();
    let answer = t.clients().update_organization(request).await;
    let refusal = refused(answer, Code::FailedPrecondition, "LAST_ADMIN_REMOVAL");
    assert_eq!(refusal.metadata["http_status"], "400");
    assert_eq!(state(t, &id).await, before);
}

async fn the_domain_of_the_last_admin_stays(t: Harness) {
    let acme = acme(&t).await;
    t.clients().member(&acme.organization_id, "ada@acme.dev").await;
    t.clients().member(&acme.organization_id, "bob@acme.org").await;
    verify(&t).await;
    refused_for_the_last_admin(&t, without(&acme)).await;
    let another_domain = change(&acme, |sent| {
        sent.rbac_email_implicit_role_assignments = roles(&["mail.acme.dev"]);
    });
    refused_for_the_last_admin(&t, another_domain).await;
    // With more domains, or one that another member is on, there is still an admin.
    let more = change(&acme, |sent| {
        sent.rbac_email_implicit_role_assignments = roles(&["other.dev", "acme.dev"]);
    });
    updated(&t, more).await;
    let moved = change(&acme, |sent| sent.rbac_email_implicit_role_assignments = roles(&["acme.org"]));
    updated(&t, moved).await;
    // Whatever else changes has nothing to do with it.
    updated(&t, change(&acme, |sent| sent.organization_name = Some("Other".to_owned()))).await;
    let allowed = Request { allow_removing_last_admin: true, ..without(&acme) };
    let after = updated(&t, allowed).await;
    assert_eq!(after.rbac_email_implicit_role_assignments, []);
}

async fn another_admin_is_enough(t: Harness) {
    let acme = acme(&t).await;
    t.clients().member(&acme.organization_id, "ada@acme.dev").await;
    let assigned = pb::CreateMemberRequest {
        roles: vec!["stytch_admin".to_owned()],
        ..new_member(&acme.organization_id, "bob@acme.org")
    };
    let assigned = t.clients().create_member(assigned).await.unwrap().into_inner();
    verify(&t).await;
    let deleted = pb::DeleteMemberRequest {
        organization_id: acme.organization_id.clone(),
        member_id: assigned.member_id,
        ..pb::DeleteMemberRequest::default()
    };
    let after = updated(&t, without(&acme)).await;
    assert_eq!(after.rbac_email_implicit_role_assignments, []);
    // One who is deleted does not count.
    let again = change(&acme, |sent| sent.rbac_email_implicit_role_assignments = roles(&["acme.dev"]));
    updated(&t, again).await;
    t.clients().delete_member(deleted).await.unwrap();
    refused_for_the_last_admin(&t, without(&acme)).await;
}

async fn an_address_that_is_not_verified_makes_no_admin(t: Harness) {
    let acme = acme(&t).await;
    t.clients().member(&acme.organization_id, "ada@acme.dev").await;
    updated(&t, without(&acme)).await;
}

async fn an_active_admin_is_not_replaced_by_an_invited_one(t: Harness) {
    let acme = acme(&t).await;
    t.clients().member(&acme.organization_id, "ada@acme.dev").await;
    let invited = pb::InviteMemberRequest {
        roles: vec!["stytch_admin".to_owned()],
        ..invitation(&acme.organization_id, "bob@acme.org")
    };
    t.clients().invite_member(invited).await.unwrap();
    verify(&t).await;
    refused_for_the_last_admin(&t, without(&acme)).await;
    let allowed = Request { allow_removing_last_admin: true, ..without(&acme) };
    updated(&t, allowed).await;
}

async fn the_last_invited_admin_counts_too(t: Harness) {
    let acme = acme(&t).await;
    t.clients().invite_member(invitation(&acme.organization_id, "ada@acme.dev")).await.unwrap();
    verify(&t).await;
    refused_for_the_last_admin(&t, without(&acme)).await;
    let pending = pb::CreateMemberRequest {
        roles: vec!["stytch_admin".to_owned()],
        create_member_as_pending: true,
        ..new_member(&acme.organization_id, "bob@acme.org")
    };
    t.clients().create_member(pending).await.unwrap();
    updated(&t, without(&acme)).await;
}

async fn members_elsewhere_do_not_count(t: Harness) {
    let (acme, other) = (acme(&t).await, acme(&t).await);
    t.clients().member(&other.organization_id, "ada@acme.dev").await;
    verify(&t).await;
    updated(&t, without(&acme)).await;
    let admin = pb::CreateMemberRequest {
        roles: vec!["stytch_admin".to_owned()],
        ..new_member(&acme.organization_id, "bob@acme.org")
    };
    t.clients().create_member(admin).await.unwrap();
    refused_for_the_last_admin(&t, without(&other)).await;
}
