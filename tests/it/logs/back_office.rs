//! Calls about organizations and members, those that succeed and those that are refused, tell the log
//! nothing of what is in them.

use std::fmt::Debug;

use serde_json::json;
use tonic::{Code, Response, Status};
use vestibule::pb::{self, SearchOperator};

use super::{object, talkative, told_without};
use crate::harness::Harness;
use crate::harness::clients::Clients;
use crate::harness::fixtures::{organization, with_key};
use crate::harness::members::{invitation, member_update, new_member, organization_update, query};
use crate::harness::refusal::Refusal;

/// Everything that the calls carry has this in it; so has nothing else.
const SECRET: &str = "secret";

/// The beginning of the phone numbers.
const NUMBERS: &str = "1500555";

#[track_caller]
fn code<T: Debug>(answer: Result<Response<T>, Status>) -> Code {
    Refusal::of(&answer.unwrap_err()).code
}

/// A member whose every field has something.
fn full(organization_id: &str, who: &str) -> pb::CreateMemberRequest {
    pb::CreateMemberRequest {
        name: Some(format!("secret name of {who}")),
        trusted_metadata: Some(object("secret-key", "secret-value")),
        untrusted_metadata: Some(object("secret-own-key", "secret-own-value")),
        mfa_phone_number: Some("+15005550006".to_owned()),
        external_id: Some("secret-external-id".to_owned()),
        ..new_member(organization_id, &format!("{who}@secret-company.com"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_back_office_tells_the_log_nothing() {
    let t = Harness::postgres().await;
    let mut program = talkative(&t).await;
    let clients = program.clients().await;
    let id = clients.organization("Acme").await.organization_id;
    let member_id = organizations(&clients, &id).await;
    members(&clients, &id, &member_id).await;
    refusals(&clients, &id, &member_id).await;
    searches(&clients, &id).await;
    // What is stored is no more for the log when it can't be read.
    let ada = clients.member(&id, "ada@secret-corrupt.com").await;
    t.execute("UPDATE members SET trusted_metadata = '\"secret-corrupt\"'").await;
    let request = pb::GetMemberRequest {
        organization_id: id.clone(),
        member_id: Some(ada.member_id),
        email_address: None,
    };
    assert_eq!(code(clients.get_member(request).await), Code::Internal);
    drop(clients);
    told_without(&mut program, &[SECRET, NUMBERS]).await;
}

/// Changes the organization, and makes a member of it.
async fn organizations(clients: &Clients, id: &str) -> String {
    let update = pb::UpdateOrganizationRequest {
        organization_name: Some("the secret company".to_owned()),
        organization_slug: Some("secret-slug".to_owned()),
        organization_external_id: Some("secret-own-id".to_owned()),
        organization_logo_url: Some("https://secret-logo.com/logo.png".to_owned()),
        trusted_metadata: Some(object("secret-key", "secret-value")),
        claimed_email_domains: vec!["secret-company.com".to_owned()],
        ..organization_update(id)
    };
    clients.update_organization(with_key(update.clone(), "secret-idempotency-key")).await.unwrap();
    clients.update_organization(with_key(update, "secret-idempotency-key")).await.unwrap();
    let twin = pb::CreateOrganizationRequest {
        organization_slug: Some("secret-slug".to_owned()),
        claimed_email_domains: vec!["secret-company.com".to_owned()],
        ..organization("another secret company")
    };
    assert_eq!(code(clients.create(twin).await), Code::AlreadyExists);
    let other = clients.organization("Globex").await.organization_id;
    let taking = pb::UpdateOrganizationRequest {
        organization_external_id: Some("secret-own-id".to_owned()),
        ..organization_update(&other)
    };
    assert_eq!(code(clients.update_organization(taking).await), Code::AlreadyExists);
    let elsewhere = new_member(&other, "ada@secret-company.com");
    assert_eq!(code(clients.create_member(elsewhere).await), Code::FailedPrecondition);
    clients.create_member(full(id, "ada")).await.unwrap().into_inner().member_id
}

/// Changes the member in every way.
async fn members(clients: &Clients, id: &str, member_id: &str) {
    let (organization_id, member_id) = (id.to_owned(), member_id.to_owned());
    let by_address = pb::GetMemberRequest {
        organization_id: organization_id.clone(),
        member_id: None,
        email_address: Some("ada@secret-company.com".to_owned()),
    };
    clients.get_member(by_address).await.unwrap();
    let moving = pb::UpdateMemberRequest {
        email_address: Some("countess@secret-company.com".to_owned()),
        trusted_metadata: Some(object("secret-other-key", "secret-other-value")),
        ..member_update(id, &member_id)
    };
    clients.update_member(moving).await.unwrap();
    let forgetting = pb::UnlinkRetiredMemberEmailRequest {
        organization_id: organization_id.clone(),
        member_id: member_id.clone(),
        email_address: Some("ada@secret-company.com".to_owned()),
        ..pb::UnlinkRetiredMemberEmailRequest::default()
    };
    clients.unlink_retired_member_email(forgetting.clone()).await.unwrap();
    assert_eq!(code(clients.unlink_retired_member_email(forgetting).await), Code::NotFound);
    let inviting = pb::InviteMemberRequest {
        name: Some("secret name".to_owned()),
        trusted_metadata: Some(object("secret-key", "secret-value")),
        invite_redirect_url: Some("https://example.com/?to=secret-redirect".to_owned()),
        invite_template_id: Some("secret-template".to_owned()),
        ..invitation(id, "grace@secret-company.com")
    };
    clients.invite_member(with_key(inviting, "secret-invitation")).await.unwrap();
    let batch = pb::BatchCreateMembersRequest {
        organization_id,
        members: vec![pb::NewMember {
            email_address: "alan@secret-company.com".to_owned(),
            mfa_phone_number: Some("+15005550007".to_owned()),
            ..pb::NewMember::default()
        }],
    };
    clients.batch_create_members(batch.clone()).await.unwrap();
    assert_eq!(code(clients.batch_create_members(batch).await), Code::AlreadyExists);
}

/// Requests that break rules, and those that the state refuses.
async fn refusals(clients: &Clients, id: &str, member_id: &str) {
    assert_eq!(code(clients.create_member(full(id, "countess")).await), Code::AlreadyExists);
    let malformed = pb::CreateMemberRequest {
        external_id: Some("secret external id".to_owned()),
        mfa_phone_number: Some("+1500555secret".to_owned()),
        roles: vec!["secret-role".to_owned()],
        ..new_member(id, "secret@@address")
    };
    assert_eq!(code(clients.create_member(malformed).await), Code::InvalidArgument);
    let second = pb::UpdateMemberRequest {
        mfa_phone_number: Some("+15005550009".to_owned()),
        ..member_update(id, member_id)
    };
    assert_eq!(code(clients.update_member(second).await), Code::AlreadyExists);
    let stale =
        pb::UpdateMemberRequest { etag: Some("secret-etag".to_owned()), ..member_update(id, member_id) };
    assert_eq!(code(clients.update_member(stale).await), Code::Aborted);
    let active = invitation(id, "alan@secret-company.com");
    assert_eq!(code(clients.invite_member(active).await), Code::AlreadyExists);
    let nobody = pb::DeleteMemberRequest {
        organization_id: "secret-slug".to_owned(),
        member_id: "secret-nobody".to_owned(),
        ..pb::DeleteMemberRequest::default()
    };
    assert_eq!(code(clients.delete_member(nobody).await), Code::NotFound);
    assert_eq!(code(clients.get("secret-nowhere").await), Code::NotFound);
}

async fn searches(clients: &Clients, id: &str) {
    let request = |operands: &[(&str, serde_json::Value)]| pb::SearchMembersRequest {
        organization_ids: vec![id.to_owned()],
        query: query(SearchOperator::Or, operands),
        ..pb::SearchMembersRequest::default()
    };
    let operands = [
        ("member_email_fuzzy", json!("secret-comp")),
        ("member_emails", json!(["grace@secret-company.com"])),
        ("member_mfa_phone_numbers", json!(["+15005550007"])),
    ];
    let found = clients.search_members(request(&operands)).await.unwrap().into_inner().members;
    assert_eq!(found.len(), 3);
    let unknown = request(&[("secret-filter", json!("secret-value"))]);
    assert_eq!(code(clients.search_members(unknown).await), Code::InvalidArgument);
    let organizations = pb::SearchOrganizationsRequest {
        query: query(
            SearchOperator::And,
            &[("organization_name_fuzzy", json!("secret")), ("member_email_fuzzy", json!("@secret-company"))],
        ),
        ..pb::SearchOrganizationsRequest::default()
    };
    let found = clients.search_organizations(organizations).await.unwrap().into_inner().organizations;
    assert_eq!(found.len(), 1);
    let cursor = pb::SearchOrganizationsRequest {
        cursor: "secret-cursor".to_owned(),
        ..pb::SearchOrganizationsRequest::default()
    };
    assert_eq!(code(clients.search_organizations(cursor).await), Code::InvalidArgument);
}
