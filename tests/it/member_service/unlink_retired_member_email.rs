use std::time::Duration;

use tonic::Code;
use vestibule::pb;

use super::update_member::{ID, acme, now, state, told, update, updated};
use crate::harness::fixtures::with_key;
use crate::harness::members::member_update;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_address_is_forgotten_by_id_by_itself_or_by_both,
    a_forgotten_address_is_free,
    one_of_several_is_forgotten,
    what_is_not_a_retired_address_of_the_member_is_not_found,
    an_identifier_is_required_and_must_be_one,
    only_the_current_etag_is_accepted,
    a_member_who_is_not_there_is_not_found,
    a_repeat_gets_the_first_answer_again,
);

type Unlink = pb::UnlinkRetiredMemberEmailRequest;

const NOT_FOUND: &str = "EMAIL_NOT_FOUND";

/// A request about this member that names no address yet.
fn of(member: &pb::Member) -> Unlink {
    Unlink {
        organization_id: member.organization_id.clone(),
        member_id: member.member_id.clone(),
        ..Unlink::default()
    }
}

fn by_address(member: &pb::Member, address: &str) -> Unlink {
    Unlink { email_address: Some(address.to_owned()), ..of(member) }
}

fn by_id(member: &pb::Member, email_id: &str) -> Unlink {
    Unlink { email_id: Some(email_id.to_owned()), ..of(member) }
}

/// A member who had these addresses before, some time ago.
async fn moved(t: &Harness, addresses: &[&str]) -> pb::Member {
    let (_, mut member) = acme(t).await;
    for address in addresses.iter().chain(&["now@acme.com"]) {
        let request =
            pb::UpdateMemberRequest { email_address: Some((*address).to_owned()), ..update(&member) };
        member = updated(t, request).await;
        t.clock.advance(Duration::from_secs(1));
    }
    member
}

fn retired(member: &pb::Member) -> Vec<&str> {
    member.retired_email_addresses.iter().map(|retired| retired.email_address.as_str()).collect()
}

/// Asserts that the request is refused like this, and changes nothing.
async fn refuses(t: &Harness, request: Unlink, code: Code, reason: &str, fields: &[(&str, &str)]) {
    let before = state(t, &request.organization_id).await;
    let what = format!("{request:?}");
    let answer = t.clients().unlink_retired_member_email(with_key(request.clone(), "refused")).await;
    assert!(answer.is_err(), "{what}");
    assert_eq!(refused(answer, code, reason).violations(), fields, "{what}");
    assert_eq!(state(t, &request.organization_id).await, before, "{what}");
}

async fn an_address_is_forgotten_by_id_by_itself_or_by_both(t: Harness) {
    type Naming = fn(&mut Unlink, pb::RetiredEmailAddress);
    let clients = t.clients();
    let before = moved(&t, &[]).await;
    let namings: [Naming; 4] = [
        |sent, retired| sent.email_id = Some(retired.email_id),
        |sent, retired| sent.email_address = Some(retired.email_address),
        |sent, retired| sent.email_address = Some(retired.email_address.to_uppercase()),
        |sent, retired| {
            sent.email_id = Some(retired.email_id);
            sent.email_address = Some(retired.email_address);
        },
    ];
    for naming in namings {
        t.clock.advance(Duration::from_secs(1));
        let before = clients.member_by_id(&before.organization_id, &before.member_id).await.unwrap();
        let events = t.count("events").await;
        let mut request = of(&before);
        naming(&mut request, before.retired_email_addresses[0].clone());
        let answer = clients.unlink_retired_member_email(request).await.unwrap().into_inner();
        let member = answer.member.unwrap();
        let expected = pb::Member {
            retired_email_addresses: vec![],
            updated_at: Some(now(&t)),
            etag: member.etag.clone(),
            ..before.clone()
        };
        assert_eq!(member, expected);
        assert_ne!(member.etag, before.etag);
        assert_eq!(
            (answer.member_id, answer.organization_id),
            (member.member_id.clone(), member.organization_id.clone())
        );
        let read = clients.get(&member.organization_id).await.unwrap().into_inner().organization;
        assert_eq!(answer.organization, read);
        assert!(!answer.request_id.is_empty());
        let read = clients.member_by_id(&member.organization_id, &member.member_id).await.unwrap();
        assert_eq!(read, member);
        told(&t, &member, &["retired_email_addresses"]).await;
        assert_eq!(t.count("events").await, events + 1);
        let address = if member.email_address == "now@acme.com" { "ada@acme.com" } else { "now@acme.com" };
        let request = pb::UpdateMemberRequest { email_address: Some(address.to_owned()), ..update(&member) };
        updated(&t, request).await;
    }
}

async fn a_forgotten_address_is_free(t: Harness) {
    let clients = t.clients();
    let ada = moved(&t, &["countess@acme.com"]).await;
    clients.unlink_retired_member_email(by_address(&ada, "ada@acme.com")).await.unwrap();
    clients.member(&ada.organization_id, "ada@acme.com").await;
    let grace = clients.member(&ada.organization_id, "grace@acme.com").await;
    let wanted =
        pb::UpdateMemberRequest { email_address: Some("countess@acme.com".to_owned()), ..update(&grace) };
    let taken = clients.update_member(wanted.clone()).await;
    refused(taken, Code::AlreadyExists, "DUPLICATE_MEMBER_EMAIL");
    clients.unlink_retired_member_email(by_address(&ada, "countess@acme.com")).await.unwrap();
    assert_eq!(updated(&t, wanted).await.email_address, "countess@acme.com");
    let ada = clients.member_by_id(&ada.organization_id, &ada.member_id).await.unwrap();
    assert_eq!((ada.email_address.as_str(), retired(&ada)), ("now@acme.com", vec![]));
}

async fn one_of_several_is_forgotten(t: Harness) {
    let ada = moved(&t, &["b@acme.com", "c@acme.com"]).await;
    assert_eq!(retired(&ada), ["ada@acme.com", "b@acme.com", "c@acme.com"]);
    let request = by_id(&ada, &ada.retired_email_addresses[1].email_id);
    let after = t.clients().unlink_retired_member_email(request).await.unwrap().into_inner().member.unwrap();
    assert_eq!(retired(&after), ["ada@acme.com", "c@acme.com"]);
    let ids = |member: &pb::Member| member.retired_email_addresses.clone();
    assert_eq!(ids(&after), [ids(&ada)[0].clone(), ids(&ada)[2].clone()]);
}

async fn what_is_not_a_retired_address_of_the_member_is_not_found(t: Harness) {
    let clients = t.clients();
    let ada = moved(&t, &["countess@acme.com"]).await;
    let grace = clients.member(&ada.organization_id, "grace@acme.com").await;
    let request =
        pb::UpdateMemberRequest { email_address: Some("hopper@acme.com".to_owned()), ..update(&grace) };
    let grace = updated(&t, request).await;
    for address in ["now@acme.com", "nobody@acme.com", "hopper@acme.com", "grace@acme.com"] {
        refuses(&t, by_address(&ada, address), Code::NotFound, NOT_FOUND, &[]).await;
    }
    let foreign = &grace.retired_email_addresses[0].email_id;
    for email_id in [foreign, &format!("email-test-{ID}")] {
        refuses(&t, by_id(&ada, email_id), Code::NotFound, NOT_FOUND, &[]).await;
    }
    // With both, they must be those of one address.
    let [first, second] = ada.retired_email_addresses.as_slice() else { panic!("{ada:?}") };
    let pairs = [
        (&first.email_id, second.email_address.as_str()),
        (&second.email_id, &first.email_address),
        (&first.email_id, "now@acme.com"),
        (foreign, "grace@acme.com"),
        (foreign, &first.email_address),
    ];
    for (email_id, address) in pairs {
        let request = Unlink { email_id: Some(email_id.clone()), ..by_address(&ada, address) };
        refuses(&t, request, Code::NotFound, NOT_FOUND, &[]).await;
    }
    // The id of the current address, which the member shows once it is retired.
    let request =
        pb::UpdateMemberRequest { email_address: Some(first.email_address.clone()), ..update(&ada) };
    updated(&t, request).await;
    refuses(&t, by_id(&ada, &first.email_id), Code::NotFound, NOT_FOUND, &[]).await;
    let twice = by_id(&ada, &second.email_id);
    clients.unlink_retired_member_email(twice.clone()).await.unwrap();
    refuses(&t, twice, Code::NotFound, NOT_FOUND, &[]).await;
}

async fn an_identifier_is_required_and_must_be_one(t: Harness) {
    const MISSING: &str = "RETIRED_EMAIL_MISSING_EMAIL_IDENTIFIERS";
    const LIVE: &str = "LIVE_ID_USED_IN_TEST_ENVIRONMENT";
    const MEMBER: &str = "INVALID_MEMBER_ID";
    let ada = moved(&t, &[]).await;
    let bad = Code::InvalidArgument;
    refuses(&t, of(&ada), bad, MISSING, &[("email_id", MISSING)]).await;
    for email_id in ["", "ada@acme.com", ID, &format!("member-test-{ID}")] {
        let fields = [("email_id", "INVALID_ARGUMENT")];
        refuses(&t, by_id(&ada, email_id), bad, "INVALID_ARGUMENT", &fields).await;
    }
    refuses(&t, by_id(&ada, &format!("email-live-{ID}")), bad, LIVE, &[("email_id", LIVE)]).await;
    for address in ["", "ada", "ada@acme"] {
        let fields = [("email_address", "INVALID_EMAIL")];
        refuses(&t, by_address(&ada, address), bad, "INVALID_EMAIL", &fields).await;
    }
    let request =
        Unlink { member_id: "a b".to_owned(), email_id: Some(String::new()), ..by_address(&ada, "ada") };
    let fields =
        [("member_id", MEMBER), ("email_id", "INVALID_ARGUMENT"), ("email_address", "INVALID_EMAIL")];
    refuses(&t, request, bad, MEMBER, &fields).await;
}

async fn only_the_current_etag_is_accepted(t: Harness) {
    let ada = moved(&t, &[]).await;
    let with = |etag: &str| Unlink { etag: Some(etag.to_owned()), ..by_address(&ada, "ada@acme.com") };
    for etag in ["", "x"] {
        refuses(&t, with(etag), Code::Aborted, "ETAG_MISMATCH", &[]).await;
    }
    t.clients().unlink_retired_member_email(with(&ada.etag)).await.unwrap();
    // The stale etag comes before what it was meant for.
    refuses(&t, with(&ada.etag), Code::Aborted, "ETAG_MISMATCH", &[]).await;
}

async fn a_member_who_is_not_there_is_not_found(t: Harness) {
    let clients = t.clients();
    let ada = moved(&t, &[]).await;
    let globex = clients.organization("Globex").await;
    let elsewhere =
        Unlink { organization_id: globex.organization_id.clone(), ..by_address(&ada, "ada@acme.com") };
    let random = Unlink { member_id: format!("member-test-{ID}"), ..elsewhere.clone() };
    for request in [elsewhere, random] {
        refuses(&t, request, Code::NotFound, "MEMBER_NOT_FOUND", &[]).await;
    }
    let nowhere = Unlink { organization_id: "nowhere".to_owned(), ..by_address(&ada, "ada@acme.com") };
    let answer = clients.unlink_retired_member_email(nowhere).await;
    refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    let own = pb::UpdateMemberRequest { external_id: Some("Person|1".to_owned()), ..update(&ada) };
    updated(&t, own).await;
    let named = Unlink {
        organization_id: "acme".to_owned(),
        member_id: "Person|1".to_owned(),
        ..by_address(&ada, "ada@acme.com")
    };
    clients.unlink_retired_member_email(named).await.unwrap();
    let request = pb::DeleteMemberRequest {
        organization_id: ada.organization_id.clone(),
        member_id: ada.member_id.clone(),
        ..pb::DeleteMemberRequest::default()
    };
    clients.delete_member(request).await.unwrap();
    refuses(&t, by_address(&ada, "ada@acme.com"), Code::NotFound, "MEMBER_NOT_FOUND", &[]).await;
}

async fn a_repeat_gets_the_first_answer_again(t: Harness) {
    let clients = t.clients();
    let ada = moved(&t, &["countess@acme.com"]).await;
    let request = by_address(&ada, "ada@acme.com");
    let first = clients.unlink_retired_member_email(with_key(request.clone(), "key")).await.unwrap();
    let first = first.into_inner();
    let later = member_update(&ada.organization_id, &ada.member_id);
    updated(&t, pb::UpdateMemberRequest { name: Some("Later".to_owned()), ..later }).await;
    let before = state(&t, &ada.organization_id).await;
    let again = clients.unlink_retired_member_email(with_key(request, "key")).await.unwrap().into_inner();
    assert_eq!((again.member, again.organization), (first.member, first.organization));
    let other = clients.unlink_retired_member_email(with_key(by_address(&ada, "countess@acme.com"), "key"));
    refused(other.await, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(state(&t, &ada.organization_id).await, before);
}
