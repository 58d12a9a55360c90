use tonic::Code;
use vestibule::pb;

use super::create_member::everything;
use super::written::written;
use crate::harness::fixtures::{organization, with_key};
use crate::harness::members::{member_update, new_member};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    every_name_leads_to_the_same_answer,
    every_status_but_deleted_is_found,
    an_external_id_is_found_as_it_was_given,
    a_retired_address_leads_nowhere,
    a_deleted_member_is_not_found,
    a_member_of_another_organization_is_as_unknown_as_nobody,
    exactly_one_name_is_needed,
    what_can_name_nobody_is_refused,
    an_organization_that_is_not_there_is_not_found,
    reading_writes_nothing,
);

type Request = pb::GetMemberRequest;

const UNKNOWN: &str = "member-test-01890a5d-ac96-774b-bcce-b302099a8057";

fn by_id(organization_id: &str, member_id: &str) -> Request {
    Request {
        organization_id: organization_id.to_owned(),
        member_id: Some(member_id.to_owned()),
        email_address: None,
    }
}

fn by_address(organization_id: &str, email_address: &str) -> Request {
    Request {
        organization_id: organization_id.to_owned(),
        member_id: None,
        email_address: Some(email_address.to_owned()),
    }
}

/// Asserts that none of these requests finds anybody, and that all are answered alike.
async fn not_found(t: &Harness, requests: impl IntoIterator<Item = Request>) {
    let mut answers = Vec::new();
    for request in requests {
        let what = format!("{request:?}");
        let answer = t.clients().get_member(request).await;
        assert!(answer.is_err(), "{what}");
        let mut refusal = refused(answer, Code::NotFound, "MEMBER_NOT_FOUND");
        refusal.metadata.remove("request_id");
        answers.push((refusal.message, refusal.metadata, refusal.fields));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

async fn every_name_leads_to_the_same_answer(t: Harness) {
    let clients = t.clients();
    let request = pb::CreateOrganizationRequest {
        organization_slug: Some("Acme-Corp".to_owned()),
        organization_external_id: Some("ERP|42".to_owned()),
        ..organization("Acme")
    };
    let organization = clients.create(request).await.unwrap().into_inner().organization.unwrap();
    let id = organization.organization_id.clone();
    let sent = pb::CreateMemberRequest { email_address: "ada@MÜNCHEN.de".to_owned(), ..everything(&id) };
    let created = clients.create_member(sent.clone()).await.unwrap().into_inner();
    let member_id = created.member_id.as_str();
    // Somebody else in the same organization, and the same names in another one.
    clients.member(&id, "bob@acme.com").await;
    let other = clients.organization("Other").await.organization_id;
    let namesake = pb::CreateMemberRequest { organization_id: other, ..sent };
    clients.create_member(namesake).await.unwrap();
    for request in [
        by_id(&id, member_id),
        by_id("Acme-Corp", member_id),
        by_id("acme-corp", "HR|42.a_B-c"),
        by_id("ERP|42", "HR|42.a_B-c"),
        by_address(&id, "ada@xn--mnchen-3ya.de"),
        by_address("ERP|42", "ADA@München.DE."),
    ] {
        let what = format!("{request:?}");
        let answer = clients.get_member(request).await.unwrap().into_inner();
        assert!(!answer.request_id.is_empty());
        let expected = pb::GetMemberResponse {
            request_id: answer.request_id.clone(),
            member_id: created.member_id.clone(),
            member: created.member.clone(),
            organization: Some(organization.clone()),
        };
        assert_eq!(answer, expected, "{what}");
    }
}

async fn every_status_but_deleted_is_found(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let pending =
        pb::CreateMemberRequest { create_member_as_pending: true, ..new_member(&id, "pending@acme.com") };
    clients.create_member(pending).await.unwrap();
    clients.member(&id, "active@acme.com").await;
    let invited = crate::harness::members::invitation(&id, "invited@acme.com");
    clients.invite_member(invited).await.unwrap();
    for status in ["pending", "active", "invited"] {
        let answer = clients.get_member(by_address(&id, &format!("{status}@acme.com"))).await.unwrap();
        assert_eq!(answer.into_inner().member.unwrap().status, status);
    }
}

async fn an_external_id_is_found_as_it_was_given(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    clients.create_member(everything(&id)).await.unwrap();
    clients.get_member(by_id(&id, "HR|42.a_B-c")).await.unwrap();
    not_found(&t, ["hr|42.a_b-c", "HR|42.A_B-C", "HR|42", "ada"].map(|name| by_id(&id, name))).await;
}

async fn a_retired_address_leads_nowhere(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member = clients.member(&id, "ada@acme.com").await.member_id;
    let update = pb::UpdateMemberRequest {
        email_address: Some("lovelace@acme.com".to_owned()),
        ..member_update(&id, &member)
    };
    clients.update_member(update).await.unwrap();
    not_found(&t, [by_address(&id, "ada@acme.com"), by_address(&id, "nobody@acme.com")]).await;
    let read = clients.get_member(by_address(&id, "lovelace@acme.com")).await.unwrap().into_inner();
    let read = read.member.unwrap();
    assert_eq!(read.member_id, member);
    assert_eq!(read.retired_email_addresses[0].email_address, "ada@acme.com");
}

async fn a_deleted_member_is_not_found(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member = clients.create_member(everything(&id)).await.unwrap().into_inner().member_id;
    let request = pb::DeleteMemberRequest {
        organization_id: id.clone(),
        member_id: member.clone(),
        allow_removing_last_admin: true,
        etag: None,
    };
    clients.delete_member(request).await.unwrap();
    let names = [by_id(&id, &member), by_id(&id, "HR|42.a_B-c"), by_address(&id, "ada@acme.com")];
    not_found(&t, names.into_iter().chain([by_id(&id, UNKNOWN)])).await;
}

async fn a_member_of_another_organization_is_as_unknown_as_nobody(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let other = clients.organization("Other").await.organization_id;
    let stranger = clients.create_member(everything(&other)).await.unwrap().into_inner().member_id;
    let requests = [
        by_id(&id, UNKNOWN),
        by_id(&id, &stranger),
        by_id(&id, "HR|42.a_B-c"),
        by_address(&id, "ada@acme.com"),
        by_address(&id, "nobody@nowhere.com"),
    ];
    not_found(&t, requests).await;
}

async fn exactly_one_name_is_needed(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member = clients.member(&id, "ada@acme.com").await.member_id;
    let neither = Request { member_id: None, ..by_id(&id, "") };
    let both = Request { email_address: Some("ada@acme.com".to_owned()), ..by_id(&id, &member) };
    for request in [neither, both] {
        let answer = clients.get_member(request).await;
        let refusal = refused(answer, Code::InvalidArgument, "INVALID_MEMBER_GET_FIELDS");
        assert_eq!(refusal.violations(), [("member_id", "INVALID_MEMBER_GET_FIELDS")]);
        assert_eq!(refusal.metadata["http_status"], "400");
    }
}

async fn what_can_name_nobody_is_refused(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let live = UNKNOWN.replace("test", "live");
    for (request, path, reason) in [
        (by_id("", UNKNOWN), "organization_id", "INVALID_ORGANIZATION_ID"),
        (
            by_id("organization-live-01890a5d-ac96-774b-bcce-b302099a8057", UNKNOWN),
            "organization_id",
            "LIVE_ID_USED_IN_TEST_ENVIRONMENT",
        ),
        (by_id(&id, ""), "member_id", "INVALID_MEMBER_ID"),
        (by_id(&id, "ada@acme.com"), "member_id", "INVALID_MEMBER_ID"),
        (by_id(&id, &"a".repeat(129)), "member_id", "INVALID_MEMBER_ID"),
        (by_id(&id, &live), "member_id", "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
        (by_address(&id, ""), "email_address", "INVALID_EMAIL"),
        (by_address(&id, "ada"), "email_address", "INVALID_EMAIL"),
        (by_address(&id, UNKNOWN), "email_address", "INVALID_EMAIL"),
    ] {
        let what = format!("{request:?}");
        let answer = t.clients().get_member(request).await;
        assert!(answer.is_err(), "{what}");
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [(path, reason)], "{what}");
    }
}

async fn an_organization_that_is_not_there_is_not_found(t: Harness) {
    let clients = t.clients();
    let gone = clients.organization("Gone").await.organization_id;
    let member = clients.member(&gone, "ada@acme.com").await.member_id;
    let request = pb::DeleteOrganizationRequest {
        organization_id: gone.clone(),
        ..pb::DeleteOrganizationRequest::default()
    };
    clients.delete_organization(request).await.unwrap();
    let unknown = "organization-test-01890a5d-ac96-774b-bcce-b302099a8057";
    for name in [gone.as_str(), "gone", unknown] {
        for request in [by_id(name, &member), by_address(name, "ada@acme.com")] {
            refused(clients.get_member(request).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
        }
    }
}

async fn reading_writes_nothing(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    clients.member(&id, "ada@acme.com").await;
    let before = written(&t).await;
    clients.get_member(with_key(by_address(&id, "ada@acme.com"), "key")).await.unwrap();
    refused(clients.get_member(by_id(&id, UNKNOWN)).await, Code::NotFound, "MEMBER_NOT_FOUND");
    assert_eq!(written(&t).await, before);
}
