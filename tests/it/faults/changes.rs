//! What the service needs breaks while something is changed: all of the change is there or nothing, and a
//! repeat with the same key tells which, or sees to it.

use std::time::Duration;

use tokio::task::JoinSet;
use tonic::{Code, Response, Status};
use vestibule::pb;

use super::{comes_again, stage, staged, until, works};
use crate::harness::Harness;
use crate::harness::clients::Clients;
use crate::harness::fixtures::with_key;
use crate::harness::members::organization_update;
use crate::harness::refusal::refused;
use crate::process::beside;

/// How many organizations are changed at once.
const MANY: usize = 30;

/// The connections of the service on which something runs.
const RUNNING: &str = "pg_stat_activity WHERE application_name = 'vestibule' \
                       AND datname = current_database() AND state <> 'idle'";

fn renaming(organization_id: &str) -> pb::UpdateOrganizationRequest {
    pb::UpdateOrganizationRequest {
        organization_name: Some("renamed-whole".to_owned()),
        organization_slug: Some(format!("slug-{organization_id}").replace("organization-test-", "")),
        email_allowed_domains: vec!["acme.com".to_owned()],
        ..organization_update(organization_id)
    }
}

async fn rename(clients: &Clients, id: &str) -> Result<Response<pb::UpdateOrganizationResponse>, Status> {
    clients.update_organization(with_key(renaming(id), &format!("key-of-{id}"))).await
}

#[track_caller]
fn unavailable(answer: Result<Response<pb::UpdateOrganizationResponse>, Status>) {
    let refusal = refused(answer, Code::Unavailable, "SERVER_UNAVAILABLE");
    assert!(refusal.retry_after.is_some_and(|after| after > Duration::ZERO), "{refusal:?}");
}

/// How many organizations have the new name, the new domain, an event, and how many answers are kept.
async fn changes(t: &Harness) -> [i64; 4] {
    [
        t.count("organizations WHERE name = 'renamed-whole'").await,
        t.count("organization_domains WHERE kind = 'allowed'").await,
        t.count("events WHERE type = 'organization.updated'").await,
        t.count("idempotency_records").await,
    ]
}

/// The repeat is answered; before it is, every answer says to come again.
async fn renamed_in_the_end(clients: &Clients, id: &str) -> pb::Organization {
    let mut renamed = None;
    until("the repeat to be answered", async || {
        match rename(clients, id).await {
            Ok(answer) => renamed = answer.into_inner().organization,
            Err(status) => comes_again(&status),
        }
        renamed.is_some()
    })
    .await;
    renamed.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_is_cut_before_the_commit() {
    let t = staged().await;
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    // The name stands in the statement that changes the row, and the transaction ends after it.
    stage(&t).postgres_proxy.lose_next_answer_to(b"renamed-whole");
    unavailable(rename(&clients, &id).await);
    stage(&t).postgres_proxy.answer_lost().await;
    assert_eq!(changes(&t).await, [0, 0, 0, 0]);
    assert_eq!(clients.get(&id).await.unwrap().into_inner().organization.unwrap().organization_name, "Acme");
    let renamed = renamed_in_the_end(&clients, &id).await;
    assert_eq!(renamed.organization_name, "renamed-whole");
    assert_eq!(changes(&t).await, [1, 1, 1, 1]);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_of_the_commit_is_lost() {
    let t = staged().await;
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    stage(&t).postgres_proxy.lose_next_answer_to(b"COMMIT");
    unavailable(rename(&clients, &id).await);
    stage(&t).postgres_proxy.answer_lost().await;
    until("the commit", async || changes(&t).await == [1, 1, 1, 1]).await;
    let first = clients.get(&id).await.unwrap().into_inner().organization.unwrap();
    assert_eq!(renamed_in_the_end(&clients, &id).await, first, "what was committed, and not done again");
    assert_eq!(changes(&t).await, [1, 1, 1, 1]);
    works(&t).await;
}

/// Nobody knows whether the call did anything; without a key, the etag tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_without_a_key_and_with_the_etag_is_told_that_it_was_done() {
    let t = staged().await;
    let clients = t.clients();
    let organization = clients.organization("Acme").await;
    let request = pb::UpdateOrganizationRequest {
        etag: Some(organization.etag.clone()),
        ..renaming(&organization.organization_id)
    };
    stage(&t).postgres_proxy.lose_next_answer_to(b"COMMIT");
    unavailable(clients.update_organization(request.clone()).await);
    until("the commit", async || changes(&t).await == [1, 1, 1, 0]).await;
    refused(clients.update_organization(request).await, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(changes(&t).await, [1, 1, 1, 0]);
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_is_killed_while_many_updates_run() {
    let t = Harness::postgres().await;
    let mut ids = Vec::new();
    for _ in 0..MANY {
        ids.push(t.clients().organization("Acme").await.organization_id);
    }
    // One at least is under way when the process dies.
    ids.sort();
    let last = "SELECT id FROM organizations ORDER BY id DESC LIMIT 1 FOR UPDATE";
    let blockade = t.block_by(&[last.to_owned()]).await;
    let mut first = beside(&t, &[]).await;
    let clients = first.clients().await;
    let mut calls = JoinSet::new();
    for id in ids.clone().into_iter().rev() {
        let held = Some(&id) == ids.last();
        let clients = clients.clone();
        calls.spawn(async move { rename(&clients, &id).await.is_ok() });
        if held {
            t.blocked(1).await;
        }
    }
    until("some updates", async || changes(&t).await[0] > 0).await;
    first.kill().await;
    let answered = calls.join_all().await.into_iter().filter(|answered| *answered).count();
    // What the process had begun ends with its connections.
    blockade.lift().await;
    until("its transactions to end", async || t.count(RUNNING).await == 0).await;
    let done = changes(&t).await;
    assert_eq!(done, [done[0]; 4], "each update is whole");
    let many = i64::try_from(MANY).unwrap();
    assert!((i64::try_from(answered).unwrap()..many).contains(&done[0]), "{done:?}, {answered} answered");

    for id in &ids {
        renamed_in_the_end(&t.clients(), id).await;
    }
    assert_eq!(changes(&t).await, [many; 4], "each update is done once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_leaves_nothing_half_done() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    // Held at its first statement, and once everything is written but the event.
    for (number, statement) in
        ["SELECT id FROM organizations FOR UPDATE", "LOCK TABLE events IN EXCLUSIVE MODE"].iter().enumerate()
    {
        let id = clients.organization("Acme").await.organization_id;
        let blockade = t.block_by(&[(*statement).to_owned()]).await;
        let (caller, own) = (clients.clone(), id.clone());
        let mut calls = JoinSet::new();
        calls.spawn(async move { rename(&caller, &own).await.map(drop) });
        t.blocked(1).await;
        calls.shutdown().await;
        blockade.lift().await;
        until("the call to end", async || t.count(RUNNING).await == 0).await;
        let done = changes(&t).await;
        assert_eq!(done, [done[0]; 4], "{statement}");
        let renamed = renamed_in_the_end(&clients, &id).await;
        let now = clients.get(&id).await.unwrap().into_inner().organization.unwrap();
        assert_eq!(renamed, now);
        assert_eq!(changes(&t).await, [i64::try_from(number + 1).unwrap(); 4], "{statement}");
    }
}
