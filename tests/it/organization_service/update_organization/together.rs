//! Updates at once: they take turns, and none is lost.

use serde_json::json;
use tokio::task::JoinSet;
use tonic::{Code, Response, Status};
use vestibule::pb;

use super::{Request, change, created, events, every_field, keep_all, read};
use crate::harness::fixtures::{organization, with_key};
use crate::harness::json::object;
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};
use crate::organization_service::everything;

on_both_backends!(
    updates_of_different_fields_all_survive,
    updates_of_different_keys_all_survive,
    one_of_many_that_saw_the_same_wins,
    twins_of_one_key_change_once,
    who_is_late_finds_it_deleted,
);

/// How many calls are made at once.
const CALLS: usize = 20;

type Answer = Result<Response<pb::UpdateOrganizationResponse>, Status>;

async fn at_once(t: &Harness, requests: impl IntoIterator<Item = tonic::Request<Request>>) -> Vec<Answer> {
    let mut calls = JoinSet::new();
    for request in requests {
        let clients = t.clients();
        calls.spawn(async move { clients.update_organization(request).await });
    }
    calls.join_all().await
}

async fn updates_of_different_fields_all_survive(t: Harness) {
    let before = created(&t, everything()).await;
    let requests = every_field().into_iter().map(|(_, send, _)| tonic::Request::new(change(&before, send)));
    let answers = at_once(&t, requests).await;
    let etags: std::collections::HashSet<_> =
        answers.into_iter().map(|answer| answer.unwrap().into_inner().organization.unwrap().etag).collect();
    assert_eq!(etags.len(), every_field().len(), "each is a version of its own");
    let after = read(&t, &before.organization_id).await;
    let mut expected =
        pb::Organization { etag: after.etag.clone(), updated_at: after.updated_at, ..before.clone() };
    keep_all(&every_field(), &mut expected);
    assert_eq!(after, expected);
    assert_eq!(events(&t, "organization.updated").await.len(), every_field().len());
}

async fn updates_of_different_keys_all_survive(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    let adding = |number: usize| {
        let metadata = object(json!({number.to_string(): {"number": number}}));
        tonic::Request::new(change(&acme, |sent| sent.trusted_metadata = Some(metadata)))
    };
    for answer in at_once(&t, (0..CALLS).map(adding)).await {
        answer.unwrap();
    }
    let after = read(&t, &acme.organization_id).await;
    let all: serde_json::Map<_, _> =
        (0..CALLS).map(|number| (number.to_string(), json!({"number": number}))).collect();
    assert_eq!(after.trusted_metadata, Some(object(all.into())));
    // What each alone could add, all together can't.
    let more = (CALLS..2 * CALLS).map(adding);
    for answer in at_once(&t, more).await {
        refused(answer, Code::InvalidArgument, "METADATA_TOO_MANY_KEYS");
    }
}

async fn one_of_many_that_saw_the_same_wins(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    let renaming = |number: usize| {
        tonic::Request::new(change(&acme, |sent| {
            sent.etag = Some(acme.etag.clone());
            sent.organization_name = Some(format!("Acme {number}"));
        }))
    };
    let (won, lost): (Vec<_>, Vec<_>) =
        at_once(&t, (0..CALLS).map(renaming)).await.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for answer in lost {
        refused(answer, Code::Aborted, "ETAG_MISMATCH");
    }
    let winner = won.into_iter().next().unwrap().unwrap().into_inner().organization.unwrap();
    assert_eq!(read(&t, &acme.organization_id).await, winner);
    assert_eq!(events(&t, "organization.updated").await.len(), 1);
}

async fn twins_of_one_key_change_once(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    let renaming = change(&acme, |sent| {
        sent.etag = Some(acme.etag.clone());
        sent.organization_name = Some("Acme 2".to_owned());
    });
    let answers = at_once(&t, (0..CALLS).map(|_| with_key(renaming.clone(), "key"))).await;
    let after = read(&t, &acme.organization_id).await;
    for answer in answers {
        assert_eq!(answer.unwrap().into_inner().organization, Some(after.clone()));
    }
    assert_eq!(events(&t, "organization.updated").await.len(), 1);
    assert_eq!(t.count("idempotency_records").await, 1);
}

async fn who_is_late_finds_it_deleted(t: Harness) {
    for round in 0..5 {
        let acme = created(&t, organization("Acme")).await;
        let id = acme.organization_id.clone();
        let renaming = change(&acme, |sent| sent.organization_slug = Some(format!("renamed-{round}")));
        let delete = pb::DeleteOrganizationRequest { organization_id: id.clone(), etag: None };
        let clients = t.clients();
        let (renamed, deleted) =
            tokio::join!(clients.update_organization(renaming), clients.delete_organization(delete));
        deleted.unwrap();
        if let Err(status) = renamed {
            let refusal = Refusal::of(&status);
            assert_eq!((refusal.code, refusal.reason.as_str()), (Code::NotFound, "ORGANIZATION_NOT_FOUND"));
        }
        refused(t.clients().get(&id).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
        assert_eq!(t.count("organization_names").await, 0, "no name is left behind");
    }
}
