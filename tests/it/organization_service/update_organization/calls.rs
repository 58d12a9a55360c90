//! Which organization a call means, and what a repeat of it gets.

use std::time::Duration;

use tonic::Code;
use vestibule::pb;

use super::{Request, change, created, events, read, updated, violates};
use crate::harness::fixtures::{organization, with_key};
use crate::harness::members::organization_update;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};
use crate::organization_service::{ABSENT, counts, state, uuid_of};

on_both_backends!(
    what_is_not_there_is_not_found,
    what_can_be_no_name_is_refused,
    an_etag_must_be_that_of_now,
    a_repeat_gets_the_first_answer_again,
    a_refused_call_does_not_use_up_its_key,
);

fn renamed(organization: &pb::Organization, name: &str) -> Request {
    change(organization, |sent| sent.organization_name = Some(name.to_owned()))
}

async fn what_is_not_there_is_not_found(t: Harness) {
    let acme = created(&t, super::super::everything()).await;
    let before = state(&t, &acme.organization_id).await;
    let names = [
        format!("organization-test-{ABSENT}"),
        "absent".to_owned(),
        "erp|42.a_b-c".to_owned(),
        uuid_of(&acme.organization_id).to_string(),
    ];
    for name in names {
        let mut request = organization_update(&name);
        request.organization_name = Some("Other".to_owned());
        let answer = t.clients().update_organization(with_key(request, "key")).await;
        let refusal = refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
        assert_eq!(refusal.fields, [], "{name}");
    }
    assert_eq!(state(&t, &acme.organization_id).await, before);
}

async fn what_can_be_no_name_is_refused(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    let before = state(&t, &acme.organization_id).await;
    let live = format!("organization-live-{}", uuid_of(&acme.organization_id));
    for (name, reason) in [
        (String::new(), "INVALID_ORGANIZATION_ID"),
        ("acme corp".to_owned(), "INVALID_ORGANIZATION_ID"),
        (acme.organization_id.to_uppercase(), "INVALID_ORGANIZATION_ID"),
        (live, "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
    ] {
        let answer = t.clients().update_organization(organization_update(&name)).await;
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [("organization_id", reason)], "{name}");
    }
    assert_eq!(state(&t, &acme.organization_id).await, before);
}

async fn an_etag_must_be_that_of_now(t: Harness) {
    let first = created(&t, organization("Acme")).await;
    let other = created(&t, organization("Other")).await;
    let with = |etag: &str, name: &str| Request { etag: Some(etag.to_owned()), ..renamed(&first, name) };
    let second = updated(&t, with(&first.etag, "Acme 2")).await;
    assert_ne!(second.etag, first.etag);
    assert_ne!(first.etag, other.etag);
    let before = state(&t, &first.organization_id).await;
    let stale = [&first.etag, &other.etag, "", " ", "*", &second.etag.to_lowercase(), &second.etag[1..]];
    for etag in stale {
        for request in [
            with(etag, "Acme 3"),
            with(etag, "Acme 2"),
            Request { organization_name: None, ..with(etag, "") },
        ] {
            let refusal =
                refused(t.clients().update_organization(request).await, Code::Aborted, "ETAG_MISMATCH");
            assert_eq!(refusal.fields, [], "{etag}");
        }
    }
    assert_eq!(state(&t, &first.organization_id).await, before);
    // What the request has against itself comes before what it has against the organization.
    let bad = Request { mfa_policy: Some(9), ..with(&first.etag, "Acme 3") };
    violates(&t, bad, &[("mfa_policy", "INVALID_ORGANIZATION_MFA_POLICY")]).await;
    // A change and its opposite are two changes.
    let third = updated(&t, with(&second.etag, "Acme")).await;
    assert!(![&first.etag, &second.etag].contains(&&third.etag));
    assert_eq!(third.organization_name, first.organization_name);
}

async fn a_repeat_gets_the_first_answer_again(t: Harness) {
    const REUSED: &str = "IDEMPOTENCY_KEY_REUSED";
    let acme = created(&t, organization("Acme")).await;
    let call = async |request: Request| t.clients().update_organization(with_key(request, "key")).await;
    let request = Request { etag: Some(acme.etag.clone()), ..renamed(&acme, "Acme 2") };
    let first = call(request.clone()).await.unwrap().into_inner();
    updated(&t, renamed(&acme, "Acme 3")).await;
    let before = state(&t, &acme.organization_id).await;
    t.clock.advance(Duration::from_hours(23));
    let again = call(request.clone()).await.unwrap().into_inner();
    assert_eq!(again.organization, first.organization);
    assert_ne!(again.request_id, first.request_id);
    for other in [renamed(&acme, "Acme 2"), Request { allow_removing_last_admin: true, ..request.clone() }] {
        let refusal = refused(call(other).await, Code::InvalidArgument, REUSED);
        assert_eq!(refusal.violations(), [("idempotency-key", REUSED)]);
    }
    assert_eq!(state(&t, &acme.organization_id).await, before);
    let delete = pb::DeleteOrganizationRequest { organization_id: acme.organization_id.clone(), etag: None };
    t.clients().delete_organization(delete).await.unwrap();
    let gone = call(request).await.unwrap().into_inner();
    assert_eq!(gone.organization, first.organization);
}

async fn a_refused_call_does_not_use_up_its_key(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    created(&t, organization("Other")).await;
    let before = counts(&t).await;
    let slug = |slug: &str| {
        let request = change(&acme, |sent| sent.organization_slug = Some(slug.to_owned()));
        with_key(request, "key")
    };
    refused(
        t.clients().update_organization(slug("other")).await,
        Code::AlreadyExists,
        "ORGANIZATION_SLUG_ALREADY_USED",
    );
    assert_eq!(counts(&t).await, before);
    t.clients().update_organization(slug("another")).await.unwrap();
    assert_eq!(read(&t, "another").await.organization_id, acme.organization_id);
    assert_eq!(events(&t, "organization.updated").await.len(), 1);
}
