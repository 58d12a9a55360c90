mod sweep;

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tonic::{Code, Response, Status};
use vestibule::pb;

use super::{answered, counts, created, event, events, read, uuid_of};
use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::members::{invitation, member_update, new_member, organization_update};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_organization_is_gone_for_every_caller,
    names_and_domains_are_free_at_once,
    members_and_sessions_end,
    a_second_delete_finds_nothing,
    what_is_not_there_is_not_found,
    what_can_be_no_name_is_refused,
    an_etag_must_be_that_of_now,
    a_repeat_gets_the_first_answer_again,
    one_of_many_deletes,
    who_joins_while_it_goes_is_gone_too,
);

const NOT_FOUND: &str = "ORGANIZATION_NOT_FOUND";

fn deletion(organization_id: &str) -> pb::DeleteOrganizationRequest {
    pb::DeleteOrganizationRequest { organization_id: organization_id.to_owned(), etag: None }
}

async fn delete(t: &Harness, organization_id: &str) {
    t.clients().delete_organization(deletion(organization_id)).await.unwrap();
}

/// Asserts that no method finds an organization by this name.
async fn absent(t: &Harness, name: &str) {
    let clients = t.clients();
    let organization_id = name.to_owned();
    refused(clients.get(name).await, Code::NotFound, NOT_FOUND);
    refused(clients.update_organization(organization_update(name)).await, Code::NotFound, NOT_FOUND);
    refused(clients.delete_organization(deletion(name)).await, Code::NotFound, NOT_FOUND);
    let metrics = pb::GetOrganizationMetricsRequest { organization_id: organization_id.clone() };
    refused(clients.get_organization_metrics(metrics).await, Code::NotFound, NOT_FOUND);
    let external_id =
        pb::DeleteOrganizationExternalIdRequest { organization_id: organization_id.clone(), etag: None };
    refused(clients.delete_organization_external_id(external_id).await, Code::NotFound, NOT_FOUND);
    refused(clients.create_member(new_member(name, "eve@acme.com")).await, Code::NotFound, NOT_FOUND);
    refused(clients.invite_member(invitation(name, "eve@acme.com")).await, Code::NotFound, NOT_FOUND);
    let members = pb::SearchMembersRequest { organization_ids: vec![organization_id], ..Default::default() };
    refused(clients.search_members(members).await, Code::NotFound, NOT_FOUND);
}

async fn an_organization_is_gone_for_every_caller(t: Harness) {
    let acme = created(&t, super::everything()).await;
    let other = created(&t, organization("Other")).await;
    t.clients().member(&acme.organization_id, "ada@acme.com").await;
    let bob = t.clients().member(&other.organization_id, "bob@other.com").await;
    t.clock.advance(Duration::from_secs(1));
    let answer = t.clients().delete_organization(deletion(&acme.organization_slug)).await.unwrap();
    let answer = answered(answer, |answer| &answer.request_id);
    assert_eq!(answer.organization_id, acme.organization_id);
    for name in [&acme.organization_id, "Acme.Corp_1~x-Y", "ERP|42.a_B-c"] {
        absent(&t, name).await;
    }
    let all = t.clients().search_organizations(pb::SearchOrganizationsRequest::default()).await.unwrap();
    assert_eq!(all.into_inner().organizations, vec![other.clone()]);
    assert_eq!(read(&t, &other.organization_id).await, other);
    assert_eq!(t.clients().member_by_id(&other.organization_id, &bob.member_id).await.unwrap(), bob);
    let written = events(&t, "organization.deleted").await;
    assert_eq!(
        written,
        [event("organization.deleted", &acme.organization_id, &answer.request_id, json!({}))]
    );
}

async fn names_and_domains_are_free_at_once(t: Harness) {
    for _ in 0..3 {
        let acme = created(&t, super::everything()).await;
        assert_eq!(read(&t, "ERP|42.a_B-c").await, acme);
        delete(&t, &acme.organization_id).await;
        for table in ["organization_names", "organization_domains", "organization_oauth_tenants"] {
            assert_eq!(t.count(table).await, 0, "{table}");
        }
    }
    let heir = created(&t, super::everything()).await;
    assert_eq!(read(&t, "acme.corp_1~x-y").await, heir);
}

async fn members_and_sessions_end(t: Harness) {
    let token = t.clients().token("ada@acme.com").await;
    let spend = || with_key(creation(&token), "key");
    let first = t.clients().spend(spend()).await.unwrap().into_inner();
    let again = t.clients().spend(spend()).await.unwrap().into_inner();
    assert_eq!(again.session_token, first.session_token);
    assert!(!first.session_token.is_empty());
    let (organization_id, member_id) = (first.organization.unwrap().organization_id, first.member_id);
    delete(&t, &organization_id).await;
    refused(t.clients().spend(spend()).await, Code::NotFound, NOT_FOUND);
    let member = t.clients().member_by_id(&organization_id, &member_id).await;
    assert_eq!(Refusal::of(&member.unwrap_err()).reason, NOT_FOUND);
    let update = t.clients().update_member(member_update(&organization_id, &member_id)).await;
    refused(update, Code::NotFound, NOT_FOUND);
    // The person is free to begin again.
    let token = t.clients().token("ada@acme.com").await;
    let second = t.clients().spend(creation(&token)).await.unwrap().into_inner();
    assert_ne!(second.organization.unwrap().organization_id, organization_id);
    refused(t.clients().spend(spend()).await, Code::NotFound, NOT_FOUND);
}

async fn a_second_delete_finds_nothing(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    delete(&t, &acme.organization_id).await;
    let before = counts(&t).await;
    for name in [&acme.organization_id, &acme.organization_slug] {
        let answer = t.clients().delete_organization(with_key(deletion(name), "key")).await;
        refused(answer, Code::NotFound, NOT_FOUND);
    }
    assert_eq!(counts(&t).await, before);
}

async fn what_is_not_there_is_not_found(t: Harness) {
    let acme = created(&t, super::everything()).await;
    let before = super::state(&t, &acme.organization_id).await;
    let uuid = uuid_of(&acme.organization_id);
    for name in [format!("organization-test-{}", super::ABSENT), "erp|42.A_B-C".to_owned(), uuid.to_string()]
    {
        refused(t.clients().delete_organization(deletion(&name)).await, Code::NotFound, NOT_FOUND);
    }
    assert_eq!(super::state(&t, &acme.organization_id).await, before);
}

async fn what_can_be_no_name_is_refused(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    let before = super::state(&t, &acme.organization_id).await;
    for (name, reason) in [
        (String::new(), "INVALID_ORGANIZATION_ID"),
        ("acme ".to_owned(), "INVALID_ORGANIZATION_ID"),
        (format!("organization-live-{}", uuid_of(&acme.organization_id)), "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
    ] {
        let answer = t.clients().delete_organization(deletion(&name)).await;
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [("organization_id", reason)]);
    }
    assert_eq!(super::state(&t, &acme.organization_id).await, before);
}

async fn an_etag_must_be_that_of_now(t: Harness) {
    let first = created(&t, organization("Acme")).await;
    let other = created(&t, organization("Other")).await;
    let mut renaming = organization_update(&first.organization_id);
    renaming.organization_name = Some("Acme 2".to_owned());
    t.clients().update_organization(renaming).await.unwrap();
    let second = read(&t, &first.organization_id).await;
    let before = super::state(&t, &first.organization_id).await;
    let with = |etag: &str| {
        let etag = Some(etag.to_owned());
        with_key(pb::DeleteOrganizationRequest { etag, ..deletion(&first.organization_id) }, "key")
    };
    for etag in [&first.etag, &other.etag, "", "*"] {
        refused(t.clients().delete_organization(with(etag)).await, Code::Aborted, "ETAG_MISMATCH");
    }
    assert_eq!(super::state(&t, &first.organization_id).await, before);
    t.clients().delete_organization(with(&second.etag)).await.unwrap();
    absent(&t, &first.organization_id).await;
}

async fn a_repeat_gets_the_first_answer_again(t: Harness) {
    const REUSED: &str = "IDEMPOTENCY_KEY_REUSED";
    let acme = created(&t, organization("Acme")).await;
    let call = async |request: pb::DeleteOrganizationRequest| {
        t.clients().delete_organization(with_key(request, "key")).await
    };
    let first = call(deletion("acme")).await.unwrap().into_inner();
    let heir = created(&t, organization("Acme")).await;
    let before = super::state(&t, "acme").await;
    t.clock.advance(Duration::from_hours(23));
    let again = call(deletion("acme")).await.unwrap().into_inner();
    assert_eq!(again.organization_id, acme.organization_id);
    assert_ne!(again.request_id, first.request_id);
    let refusal = refused(call(deletion(&acme.organization_id)).await, Code::InvalidArgument, REUSED);
    assert_eq!(refusal.violations(), [("idempotency-key", REUSED)]);
    assert_eq!(super::state(&t, "acme").await, before, "who has the name now is left alone");
    assert_eq!(read(&t, "acme").await, heir);
}

async fn one_of_many_deletes(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let (clients, request) = (t.clients(), deletion(&acme.organization_id));
        calls.spawn(async move { clients.delete_organization(request).await });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for answer in answers.into_iter().filter(Result::is_err) {
        refused(answer, Code::NotFound, NOT_FOUND);
    }
    assert_eq!(events(&t, "organization.deleted").await.len(), 1);
}

/// Whoever is told that a member was created sees it, and nobody is left behind without an organization.
async fn who_joins_while_it_goes_is_gone_too(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    let mut joins = JoinSet::<Result<Response<pb::CreateMemberResponse>, Status>>::new();
    for number in 0..10 {
        let request = new_member(&acme.organization_id, &format!("ada-{number}@acme.com"));
        let clients = t.clients();
        joins.spawn(async move { clients.create_member(request).await });
    }
    delete(&t, &acme.organization_id).await;
    for answer in joins.join_all().await.into_iter().filter(Result::is_err) {
        refused(answer, Code::NotFound, NOT_FOUND);
    }
    absent(&t, &acme.organization_id).await;
    sweep::swept(t).await;
}
