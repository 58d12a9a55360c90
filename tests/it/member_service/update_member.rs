mod address;
mod admins;
mod factors;
mod fields;
mod mask;
mod races;

use std::time::Duration;

use prost_types::Timestamp;
use serde_json::{Value, json};
use tonic::{Code, IntoRequest};
use uuid::Uuid;
use vestibule::clock::Clock as _;
use vestibule::pb;

use crate::harness::database::rows;
use crate::harness::fixtures::with_key;
use crate::harness::json::object;
use crate::harness::members::{member_update, new_member, query};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    each_field_is_changed_alone,
    all_fields_are_changed_at_once,
    a_member_is_named_by_external_ids_too,
    what_changes_nothing_is_not_written,
    only_the_current_etag_is_accepted,
    a_member_who_is_not_there_is_not_found,
    a_repeat_gets_the_first_answer_again,
    an_event_tells_what_has_changed_and_no_values,
);

type Update = pb::UpdateMemberRequest;

/// A change of a request or of a member.
type Change<T> = fn(&mut T);

pub(super) const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const NUMBER: &str = "+15005550006";

/// What the service calls the present.
pub(super) fn now(t: &Harness) -> Timestamp {
    Timestamp { seconds: t.clock.now().unix_timestamp(), nanos: 0 }
}

/// Texts as a request has them.
pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// The number in an id of a member or an organization.
pub(super) fn uuid(id: &str) -> Uuid {
    Uuid::parse_str(id.split_once("-test-").unwrap().1).unwrap()
}

/// An organization and a member of it, made some time ago.
pub(super) async fn acme(t: &Harness) -> (pb::Organization, pb::Member) {
    let clients = t.clients();
    let organization = clients.organization("Acme").await;
    let member = clients.member(&organization.organization_id, "ada@acme.com").await;
    t.clock.advance(Duration::from_mins(1));
    (organization, member)
}

/// An update of this member that changes nothing yet.
pub(super) fn update(member: &pb::Member) -> Update {
    member_update(&member.organization_id, &member.member_id)
}

/// Updates a member, and reads it back before it is believed.
pub(super) async fn updated(t: &Harness, request: impl IntoRequest<Update>) -> pb::Member {
    let answer = t.clients().update_member(request).await.unwrap().into_inner();
    let member = answer.member.clone().unwrap();
    let request = pb::GetMemberRequest {
        organization_id: member.organization_id.clone(),
        member_id: Some(member.member_id.clone()),
        email_address: None,
    };
    let read = t.clients().get_member(request).await.unwrap().into_inner();
    assert_eq!(read.member, answer.member);
    assert_eq!(read.organization, answer.organization);
    assert_eq!(answer.member_id, member.member_id);
    assert!(!answer.request_id.is_empty());
    member
}

/// Everything that a call could have changed: the members of the organization, deleted ones too, and how
/// many events and idempotency records there are.
pub(super) async fn state(t: &Harness, organization_id: &str) -> (Vec<pb::Member>, i64, i64) {
    let statuses = json!(["pending", "invited", "active", "deleted"]);
    let request = pb::SearchMembersRequest {
        organization_ids: vec![organization_id.to_owned()],
        query: query(pb::SearchOperator::And, &[("statuses", statuses)]),
        ..pb::SearchMembersRequest::default()
    };
    let members = t.clients().search_members(request).await.unwrap().into_inner().members;
    (members, t.count("events").await, t.count("idempotency_records").await)
}

/// The events, in the order they were written: type, member and data.
pub(super) async fn events(t: &Harness) -> Vec<(String, Option<Uuid>, Value)> {
    let connection = t.database().await;
    let sql = "SELECT type, member_id, CAST(data AS text) AS data FROM events ORDER BY position";
    let read = rows(&connection, sql, vec![]).await;
    connection.close().await.unwrap();
    read.iter()
        .map(|row| {
            let data: String = row.try_get("", "data").unwrap();
            let member = row.try_get("", "member_id").unwrap();
            (row.try_get("", "type").unwrap(), member, serde_json::from_str(&data).unwrap())
        })
        .collect()
}

/// Asserts that the newest event tells of a change of these fields.
pub(super) async fn told(t: &Harness, member: &pb::Member, fields: &[&str]) {
    let newest = events(t).await.pop().unwrap();
    let expected = ("member.updated".to_owned(), Some(uuid(&member.member_id)));
    assert_eq!((newest.0, newest.1), expected);
    assert_eq!(newest.2, json!({"changed_fields": fields}));
}

/// Asserts that the update is refused like this, and changes nothing.
pub(super) async fn refuses(t: &Harness, request: Update, code: Code, reason: &str, fields: &[(&str, &str)]) {
    let before = state(t, &request.organization_id).await;
    let what = format!("{request:?}");
    let answer = t.clients().update_member(with_key(request.clone(), "refused")).await;
    assert!(answer.is_err(), "{what}");
    let refusal = refused(answer, code, reason);
    assert_eq!(refusal.violations(), fields, "{what}");
    assert_eq!(state(t, &request.organization_id).await, before, "{what}");
}

/// The roles of a member that it was assigned, beside everybody's.
pub(super) fn direct(roles: &[&str]) -> Vec<pb::MemberRole> {
    let role = |role_id: &&str| pb::MemberRole {
        role_id: (**role_id).to_owned(),
        sources: vec![pb::MemberRoleSource {
            r#type: "direct_assignment".to_owned(),
            details: Some(object(json!({}))),
        }],
    };
    ["stytch_member"].iter().chain(roles).map(role).collect()
}

async fn each_field_is_changed_alone(t: Harness) {
    let cases: [(&str, Change<Update>, Change<pb::Member>); 10] = [
        ("name", |sent| sent.name = Some("Ada".into()), |member| member.name = "Ada".into()),
        (
            "trusted_metadata",
            |sent| sent.trusted_metadata = Some(object(json!({"plan": "gold"}))),
            |member| member.trusted_metadata = Some(object(json!({"plan": "gold"}))),
        ),
        (
            "untrusted_metadata",
            |sent| sent.untrusted_metadata = Some(object(json!({"theme": "dark"}))),
            |member| member.untrusted_metadata = Some(object(json!({"theme": "dark"}))),
        ),
        ("is_breakglass", |sent| sent.is_breakglass = Some(true), |member| member.is_breakglass = true),
        (
            "mfa_phone_number",
            |sent| sent.mfa_phone_number = Some(NUMBER.into()),
            |member| member.mfa_phone_number = NUMBER.into(),
        ),
        ("mfa_enrolled", |sent| sent.mfa_enrolled = Some(true), |member| member.mfa_enrolled = true),
        (
            "roles",
            |sent| sent.roles = texts(&["stytch_admin"]),
            |member| {
                member.roles = direct(&["stytch_admin"]);
                member.is_admin = true;
            },
        ),
        (
            "default_mfa_method",
            |sent| sent.default_mfa_method = Some("sms_otp".into()),
            |member| member.default_mfa_method = "sms_otp".into(),
        ),
        (
            "external_id",
            |sent| sent.external_id = Some("ERP|1".into()),
            |member| member.external_id = Some("ERP|1".into()),
        ),
        (
            "email_address",
            |sent| {
                sent.email_address = Some("Ada@Acme.ORG".into());
                sent.unlink_email = true;
            },
            |member| member.email_address = "ada@acme.org".into(),
        ),
    ];
    let (_, mut member) = acme(&t).await;
    for (field, change, expected) in cases {
        t.clock.advance(Duration::from_secs(1));
        let mut request = update(&member);
        change(&mut request);
        let after = updated(&t, request).await;
        assert_ne!(after.etag, member.etag, "{field}");
        expected(&mut member);
        member.etag.clone_from(&after.etag);
        member.updated_at = Some(now(&t));
        assert_eq!(after, member, "{field}");
        told(&t, &member, &[field]).await;
    }
}

/// A request that changes everything about a member of acme.com.
fn everything(member: &pb::Member) -> Update {
    Update {
        name: Some("Ada Lovelace".to_owned()),
        trusted_metadata: Some(object(json!({"plan": "gold", "seats": 12, "gone": null}))),
        untrusted_metadata: Some(object(json!({"theme": {"dark": [true, null]}}))),
        is_breakglass: Some(true),
        mfa_phone_number: Some(NUMBER.to_owned()),
        mfa_enrolled: Some(true),
        roles: texts(&["stytch_admin"]),
        preserve_existing_sessions: true,
        default_mfa_method: Some("sms_otp".to_owned()),
        email_address: Some("countess@acme.com".to_owned()),
        external_id: Some("ERP|42.a_B-c".to_owned()),
        etag: Some(member.etag.clone()),
        ..update(member)
    }
}

async fn all_fields_are_changed_at_once(t: Harness) {
    let (organization, before) = acme(&t).await;
    let after = updated(&t, everything(&before)).await;
    assert_eq!(after.retired_email_addresses.len(), 1);
    let email_id = after.retired_email_addresses[0].email_id.clone();
    assert!(email_id.starts_with("email-test-"), "{email_id}");
    let expected = pb::Member {
        organization_id: organization.organization_id,
        member_id: before.member_id.clone(),
        email_address: "countess@acme.com".to_owned(),
        status: "active".to_owned(),
        name: "Ada Lovelace".to_owned(),
        external_id: Some("ERP|42.a_B-c".to_owned()),
        email_address_verified: false,
        retired_email_addresses: vec![pb::RetiredEmailAddress {
            email_id,
            email_address: "ada@acme.com".to_owned(),
        }],
        is_breakglass: true,
        is_admin: true,
        roles: direct(&["stytch_admin"]),
        mfa_enrolled: true,
        mfa_phone_number: NUMBER.to_owned(),
        mfa_phone_number_verified: false,
        default_mfa_method: "sms_otp".to_owned(),
        trusted_metadata: Some(object(json!({"plan": "gold", "seats": 12}))),
        untrusted_metadata: Some(object(json!({"theme": {"dark": [true, null]}}))),
        created_at: before.created_at,
        updated_at: Some(now(&t)),
        etag: after.etag.clone(),
        ..pb::Member::default()
    };
    assert_eq!(after, expected);
    assert_ne!(after.etag, before.etag);
    assert_ne!(after.updated_at, before.updated_at);
}

async fn a_member_is_named_by_external_ids_too(t: Harness) {
    let clients = t.clients();
    let request = pb::CreateOrganizationRequest {
        organization_external_id: Some("Tenant|1".to_owned()),
        ..crate::harness::fixtures::organization("Acme")
    };
    clients.create(request).await.unwrap();
    let request = pb::CreateMemberRequest {
        external_id: Some("Person|1".to_owned()),
        ..new_member("acme", "ada@acme.com")
    };
    let member = clients.create_member(request).await.unwrap().into_inner().member.unwrap();
    for (number, organization) in ["acme", "ACME", "Tenant|1"].into_iter().enumerate() {
        let name = format!("Ada {number}");
        let request = Update { name: Some(name.clone()), ..member_update(organization, "Person|1") };
        let after = updated(&t, request).await;
        assert_eq!((after.name, after.member_id), (name, member.member_id.clone()));
    }
    let other_case = Update { name: Some("Eve".to_owned()), ..member_update("acme", "person|1") };
    refused(clients.update_member(other_case).await, Code::NotFound, "MEMBER_NOT_FOUND");
    // The external id may change with the very update that it names the member of.
    let request = Update { external_id: Some("Person|2".to_owned()), ..member_update("acme", "Person|1") };
    assert_eq!(updated(&t, request.clone()).await.external_id.as_deref(), Some("Person|2"));
    refused(clients.update_member(request).await, Code::NotFound, "MEMBER_NOT_FOUND");
}

async fn what_changes_nothing_is_not_written(t: Harness) {
    let (_, member) = acme(&t).await;
    let request = everything(&member);
    let member = updated(&t, request.clone()).await;
    let before = state(&t, &member.organization_id).await;
    t.clock.advance(Duration::from_mins(1));
    let again = Update { etag: None, ..request };
    for request in [update(&member), again.clone(), Update { unlink_email: true, ..again }] {
        assert_eq!(updated(&t, request).await, member);
        assert_eq!(state(&t, &member.organization_id).await, before);
    }
    let spelt = Update { email_address: Some("Countess@ACME.com.".to_owned()), ..update(&member) };
    assert_eq!(updated(&t, spelt).await, member);
    let null = Some(object(json!({"never": null})));
    let nulls = Update { trusted_metadata: null.clone(), untrusted_metadata: null, ..update(&member) };
    assert_eq!(updated(&t, nulls).await, member);
    assert_eq!(state(&t, &member.organization_id).await, before);
}

async fn only_the_current_etag_is_accepted(t: Harness) {
    let (_, first) = acme(&t).await;
    let named = |member: &pb::Member, name: &str, etag: &str| Update {
        name: Some(name.to_owned()),
        etag: Some(etag.to_owned()),
        ..update(member)
    };
    let second = updated(&t, named(&first, "Ada", &first.etag)).await;
    for etag in [first.etag.as_str(), "", "x", &second.etag[1..]] {
        refuses(&t, named(&first, "Eve", etag), Code::Aborted, "ETAG_MISMATCH", &[]).await;
        // Neither does an update that would change nothing.
        refuses(&t, named(&first, "Ada", etag), Code::Aborted, "ETAG_MISMATCH", &[]).await;
    }
    let other = t.clients().member(&first.organization_id, "grace@acme.com").await;
    assert_ne!(other.etag, first.etag, "etags of different members differ");
    let third = updated(&t, named(&first, "Countess", &second.etag)).await;
    assert_eq!(third.name, "Countess");
}

async fn a_member_who_is_not_there_is_not_found(t: Harness) {
    let clients = t.clients();
    let (organization, member) = acme(&t).await;
    let other = clients.organization("Globex").await;
    let organization_id = &organization.organization_id;
    let foreign = clients.member(&other.organization_id, "eve@globex.com").await;
    let request = pb::CreateMemberRequest {
        external_id: Some("gone".to_owned()),
        ..new_member(organization_id, "gone@acme.com")
    };
    let deleted = clients.create_member(request).await.unwrap().into_inner().member_id;
    let request = pb::DeleteMemberRequest {
        organization_id: organization_id.clone(),
        member_id: deleted.clone(),
        ..pb::DeleteMemberRequest::default()
    };
    clients.delete_member(request).await.unwrap();
    let random = format!("member-test-{ID}");
    let mut messages = Vec::new();
    for member_id in [&random, &foreign.member_id, &deleted, "gone", "nobody"] {
        let request = Update { name: Some("Eve".to_owned()), ..member_update(organization_id, member_id) };
        let before = state(&t, organization_id).await;
        let refusal = refused(clients.update_member(request).await, Code::NotFound, "MEMBER_NOT_FOUND");
        assert_eq!(state(&t, organization_id).await, before, "{member_id}");
        messages.push((refusal.message, refusal.fields, refusal.metadata.len()));
    }
    assert!(messages.windows(2).all(|pair| pair[0] == pair[1]), "{messages:?}");
    let read = clients.member_by_id(&other.organization_id, &foreign.member_id).await.unwrap();
    assert_eq!(read, foreign);
    for nowhere in [format!("organization-test-{ID}"), "nowhere".to_owned()] {
        let request = member_update(&nowhere, &member.member_id);
        refused(clients.update_member(request).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    }
}

async fn a_repeat_gets_the_first_answer_again(t: Harness) {
    let (_, member) = acme(&t).await;
    let request = everything(&member);
    let first = t.clients().update_member(with_key(request.clone(), "key")).await.unwrap().into_inner();
    // What stands now is not what the first call has answered.
    let later = first.member.clone().unwrap();
    updated(&t, Update { name: Some("Later".to_owned()), ..update(&later) }).await;
    let before = state(&t, &member.organization_id).await;
    let again = t.clients().update_member(with_key(request.clone(), "key")).await.unwrap().into_inner();
    assert_eq!((again.member, again.organization), (first.member, first.organization));
    assert_ne!(again.request_id, first.request_id);
    let other = Update { name: Some("Other".to_owned()), ..request };
    let answer = t.clients().update_member(with_key(other, "key")).await;
    refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(state(&t, &member.organization_id).await, before);
    assert_eq!(before.2, 1);
}

async fn an_event_tells_what_has_changed_and_no_values(t: Harness) {
    let (_, member) = acme(&t).await;
    let before = events(&t).await.len();
    updated(&t, everything(&member)).await;
    let written = events(&t).await;
    assert_eq!(written.len(), before + 1);
    let (_, _, data) = written.last().unwrap();
    let mut fields: Vec<_> =
        data["changed_fields"].as_array().unwrap().iter().map(|field| field.as_str().unwrap()).collect();
    fields.sort_unstable();
    let expected = [
        "default_mfa_method",
        "email_address",
        "external_id",
        "is_breakglass",
        "mfa_enrolled",
        "mfa_phone_number",
        "name",
        "retired_email_addresses",
        "roles",
        "trusted_metadata",
        "untrusted_metadata",
    ];
    assert_eq!(fields, expected);
    assert_eq!(data.as_object().unwrap().len(), 1, "{data}");
}
