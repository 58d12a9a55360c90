mod again;
mod fields;
mod inviter;
mod policy;

use serde_json::json;
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::create_member::assigned;
use super::written::{Told, events, written};
use crate::harness::fixtures::with_key;
use crate::harness::json::object;
use crate::harness::members::invitation;
use crate::harness::refusal::refused;
use crate::harness::values::seconds;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_address_is_enough,
    every_field_is_kept_and_the_event_has_the_rest,
    an_organization_that_is_not_there_is_not_found,
    a_repeat_gets_the_first_answer_again,
);

type Request = pb::InviteMemberRequest;

/// Invites somebody, and reads the member back before it is believed.
async fn invited(t: &Harness, request: Request) -> pb::Member {
    let clients = t.clients();
    let answer = clients.invite_member(request).await.unwrap().into_inner();
    let member = answer.member.unwrap();
    assert_eq!(answer.member_id, member.member_id);
    let organization = clients.get(&member.organization_id).await.unwrap().into_inner().organization;
    assert_eq!(answer.organization, organization);
    let read = clients.member_by_id(&member.organization_id, &member.member_id).await.unwrap();
    assert_eq!(read, member);
    assert_eq!(member.status, "invited");
    member
}

/// A request with every field set to something other than its default, except who invites.
fn everything(organization_id: &str) -> Request {
    Request {
        organization_id: organization_id.to_owned(),
        email_address: "ada@acme.com".to_owned(),
        name: Some("Ada".to_owned()),
        trusted_metadata: Some(object(json!({"plan": "gold", "gone": null}))),
        untrusted_metadata: Some(object(json!({"colour": "green"}))),
        roles: vec!["stytch_admin".to_owned()],
        invited_by_member_id: None,
        invite_redirect_url: Some("https://app.acme.com/join?x=1".to_owned()),
        locale: Some("pt-br".to_owned()),
        invite_template_id: Some("welcome-1".to_owned()),
    }
}

async fn an_address_is_enough(t: Harness) {
    let id = t.clients().organization("Acme").await.organization_id;
    let member = invited(&t, invitation(&id, "Ada@ACME.com.")).await;
    let expected = pb::Member {
        organization_id: id,
        member_id: member.member_id.clone(),
        email_address: "ada@acme.com".to_owned(),
        status: "invited".to_owned(),
        roles: vec![assigned("stytch_member")],
        trusted_metadata: Some(object(json!({}))),
        untrusted_metadata: Some(object(json!({}))),
        created_at: Some(seconds(t.clock.now())),
        updated_at: Some(seconds(t.clock.now())),
        etag: member.etag.clone(),
        ..pb::Member::default()
    };
    assert_eq!(member, expected);
    let told = events(&t, "member.invited").await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].member_id.as_str(), &told[0].data), (member.member_id.as_str(), &json!({})));
    assert_eq!(t.count("events").await, 2);
}

async fn every_field_is_kept_and_the_event_has_the_rest(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let by = clients.member(&id, "bob@acme.com").await.member_id;
    let request = Request { invited_by_member_id: Some(by.clone()), ..everything(&id) };
    let answer = clients.invite_member(request).await.unwrap().into_inner();
    let member = clients.member_by_id(&id, &answer.member_id).await.unwrap();
    assert_eq!(answer.member.unwrap(), member);
    assert_eq!((member.name.as_str(), member.status.as_str()), ("Ada", "invited"));
    assert_eq!(member.trusted_metadata, Some(object(json!({"plan": "gold"}))));
    assert_eq!(member.untrusted_metadata, Some(object(json!({"colour": "green"}))));
    assert_eq!(member.roles, [assigned("stytch_member"), assigned("stytch_admin")]);
    assert!(member.is_admin && !member.email_address_verified);
    let data = json!({
        "invited_by_member_id": by,
        "invite_redirect_url": "https://app.acme.com/join?x=1",
        "locale": "pt-br",
        "invite_template_id": "welcome-1",
    });
    let told = Told { member_id: answer.member_id, request_id: answer.request_id, data };
    assert_eq!(events(&t, "member.invited").await, [told]);
}

async fn an_organization_that_is_not_there_is_not_found(t: Harness) {
    let clients = t.clients();
    let gone = clients.organization("Gone").await;
    let request = pb::DeleteOrganizationRequest {
        organization_id: gone.organization_id.clone(),
        ..pb::DeleteOrganizationRequest::default()
    };
    clients.delete_organization(request).await.unwrap();
    let before = written(&t).await;
    let unknown = "organization-test-01890a5d-ac96-774b-bcce-b302099a8057";
    for name in [gone.organization_id.as_str(), &gone.organization_slug, unknown] {
        let answer = clients.invite_member(with_key(invitation(name, "ada@acme.com"), "key")).await;
        refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    }
    assert_eq!(written(&t).await, before);
    let acme = clients.organization("Acme").await;
    let member = invited(&t, invitation(&acme.organization_slug, "ada@acme.com")).await;
    assert_eq!(member.organization_id, acme.organization_id);
}

async fn a_repeat_gets_the_first_answer_again(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let request = everything(&id);
    let first = clients.invite_member(with_key(request.clone(), "key")).await.unwrap().into_inner();
    let before = written(&t).await;
    let again = clients.invite_member(with_key(request.clone(), "key")).await.unwrap().into_inner();
    assert_ne!(again.request_id, first.request_id);
    assert_eq!(pb::InviteMemberResponse { request_id: first.request_id.clone(), ..again }, first);
    let other = Request { locale: None, ..request };
    let answer = clients.invite_member(with_key(other, "key")).await;
    refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(written(&t).await, before);
    assert_eq!(events(&t, "member.invited").await.len(), 1);
}
