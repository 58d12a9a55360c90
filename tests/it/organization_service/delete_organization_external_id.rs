use std::time::Duration;

use serde_json::json;
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::{answered, created, event, events, everything, read, state, uuid_of};
use crate::harness::fixtures::{organization, with_key};
use crate::harness::refusal::refused;
use crate::harness::values::seconds;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    the_external_id_is_taken_away_and_nothing_else,
    where_there_is_none_nothing_changes,
    a_slug_of_the_same_name_stays,
    what_is_not_there_is_not_found,
    what_can_be_no_name_is_refused,
    an_etag_must_be_that_of_now,
    a_repeat_gets_the_first_answer_again,
);

type Request = pb::DeleteOrganizationExternalIdRequest;

const EXTERNAL_ID: &str = "ERP|42.a_B-c";

fn deletion(organization_id: &str) -> Request {
    Request { organization_id: organization_id.to_owned(), etag: None }
}

async fn the_external_id_is_taken_away_and_nothing_else(t: Harness) {
    let acme = created(&t, everything()).await;
    t.clock.advance(Duration::from_secs(1));
    let answer = t.clients().delete_organization_external_id(deletion(EXTERNAL_ID)).await.unwrap();
    let answer = answered(answer, |answer| &answer.request_id);
    let after = answer.organization.unwrap();
    let expected = pb::Organization {
        organization_external_id: None,
        updated_at: Some(seconds(t.clock.now())),
        etag: after.etag.clone(),
        ..acme.clone()
    };
    assert_eq!(after, expected);
    assert_ne!(after.etag, acme.etag);
    assert_eq!(read(&t, &acme.organization_slug).await, after);
    refused(t.clients().get(EXTERNAL_ID).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    let data = json!({"changed_fields": ["organization_external_id"]});
    let written = events(&t, "organization.updated").await;
    assert_eq!(written, [event("organization.updated", &acme.organization_id, &answer.request_id, data)]);
    // The name is free at once.
    let heir = pb::CreateOrganizationRequest {
        organization_external_id: Some(EXTERNAL_ID.to_owned()),
        ..organization("Heir")
    };
    let heir = created(&t, heir).await;
    assert_eq!(read(&t, EXTERNAL_ID).await, heir);
}

async fn where_there_is_none_nothing_changes(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    let before = state(&t, &acme.organization_id).await;
    t.clock.advance(Duration::from_secs(1));
    for name in [&acme.organization_id, &acme.organization_slug] {
        let answer = t.clients().delete_organization_external_id(deletion(name)).await.unwrap();
        assert_eq!(answer.into_inner().organization, Some(acme.clone()));
    }
    assert_eq!(state(&t, &acme.organization_id).await, before);
}

async fn a_slug_of_the_same_name_stays(t: Harness) {
    let request = pb::CreateOrganizationRequest {
        organization_slug: Some("acme".to_owned()),
        organization_external_id: Some("Acme".to_owned()),
        ..organization("Acme")
    };
    created(&t, request).await;
    t.clients().delete_organization_external_id(deletion("Acme")).await.unwrap();
    assert_eq!(read(&t, "acme").await.organization_external_id, None);
}

async fn what_is_not_there_is_not_found(t: Harness) {
    let acme = created(&t, everything()).await;
    let before = state(&t, &acme.organization_id).await;
    let uuid = uuid_of(&acme.organization_id);
    for name in [format!("organization-test-{}", super::ABSENT), EXTERNAL_ID.to_lowercase(), uuid.to_string()]
    {
        let answer = t.clients().delete_organization_external_id(with_key(deletion(&name), "key")).await;
        refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    }
    assert_eq!(state(&t, &acme.organization_id).await, before);
}

async fn what_can_be_no_name_is_refused(t: Harness) {
    let acme = created(&t, everything()).await;
    let before = state(&t, &acme.organization_id).await;
    for (name, reason) in [
        (String::new(), "INVALID_ORGANIZATION_ID"),
        ("acme corp".to_owned(), "INVALID_ORGANIZATION_ID"),
        (format!("organization-live-{}", uuid_of(&acme.organization_id)), "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
    ] {
        let answer = t.clients().delete_organization_external_id(deletion(&name)).await;
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [("organization_id", reason)]);
    }
    assert_eq!(state(&t, &acme.organization_id).await, before);
}

async fn an_etag_must_be_that_of_now(t: Harness) {
    let acme = created(&t, everything()).await;
    let other = created(&t, organization("Other")).await;
    let before = state(&t, &acme.organization_id).await;
    let with = |etag: &str| {
        let etag = Some(etag.to_owned());
        with_key(Request { etag, ..deletion(&acme.organization_id) }, "key")
    };
    for etag in [&other.etag, "", "*"] {
        let answer = t.clients().delete_organization_external_id(with(etag)).await;
        refused(answer, Code::Aborted, "ETAG_MISMATCH");
    }
    assert_eq!(state(&t, &acme.organization_id).await, before);
    t.clients().delete_organization_external_id(with(&acme.etag)).await.unwrap();
    // What has no external id any more has another etag as well.
    let late = Request { etag: Some(acme.etag.clone()), ..deletion(&acme.organization_id) };
    refused(t.clients().delete_organization_external_id(late).await, Code::Aborted, "ETAG_MISMATCH");
}

async fn a_repeat_gets_the_first_answer_again(t: Harness) {
    const REUSED: &str = "IDEMPOTENCY_KEY_REUSED";
    let acme = created(&t, everything()).await;
    let call =
        async |request: Request| t.clients().delete_organization_external_id(with_key(request, "key")).await;
    // The name in the request means nobody any more, and then somebody else.
    let first = call(deletion(EXTERNAL_ID)).await.unwrap().into_inner();
    let again = call(deletion(EXTERNAL_ID)).await.unwrap().into_inner();
    assert_eq!(again.organization, first.organization);
    assert_ne!(again.request_id, first.request_id);
    let heir = pb::CreateOrganizationRequest {
        organization_external_id: Some(EXTERNAL_ID.to_owned()),
        ..organization("Heir")
    };
    created(&t, heir).await;
    let before = state(&t, EXTERNAL_ID).await;
    t.clock.advance(Duration::from_hours(23));
    let again = call(deletion(EXTERNAL_ID)).await.unwrap().into_inner();
    assert_eq!(again.organization, first.organization);
    let refusal = refused(call(deletion(&acme.organization_id)).await, Code::InvalidArgument, REUSED);
    assert_eq!(refusal.violations(), [("idempotency-key", REUSED)]);
    assert_eq!(state(&t, EXTERNAL_ID).await, before);
}
