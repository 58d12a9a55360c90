//! How many organizations an answer has, and what finding them costs.

use std::time::Duration;

use prost::Message as _;
use serde_json::json;
use vestibule::pb;

use crate::harness::fixtures::magic_link;
use crate::harness::json::object;
use crate::harness::logins::listing;
use crate::harness::members::invitation;
use crate::harness::{Harness, Setup, on_both_backends};

use super::super::people::{account, with_tenants};
use super::names;

on_both_backends!(a_thousand_are_listed_and_no_more, an_answer_fits_into_three_mebibytes);

/// Makes copies of the one organization there is, past the API: it would take too long.
async fn copy(t: &Harness, copies: usize) {
    let (numbers, uuid) = if t.on_servers() {
        (format!("generate_series(1, {copies}) AS numbers (n)"), "gen_random_uuid()")
    } else {
        let numbers = format!(
            "(WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {copies}) \
             SELECT n FROM numbers) AS numbers"
        );
        (numbers, "randomblob(16)")
    };
    t.execute(&format!(
        "CREATE TEMPORARY TABLE copies AS SELECT organizations.* FROM organizations, {numbers}; \
         UPDATE copies SET id = {uuid}; \
         INSERT INTO organizations SELECT * FROM copies; \
         INSERT INTO organization_oauth_tenants (organization_id, provider, tenant_id, position) \
         SELECT id, 'slack', 'T1', 0 FROM copies UNION ALL SELECT id, 'slack', 'T2', 1 FROM copies; \
         DROP TABLE copies"
    ))
    .await;
}

async fn a_thousand_are_listed_and_no_more(t: Harness) {
    let clients = t.clients();
    clients.open_to_slack("Acme", "T1").await;
    // Nearly all of them are open in two ways, and count once.
    let token = clients.token_with("ada@acme.com", vec![magic_link(), account("slack", &["T1", "T2"])]).await;
    copy(&t, 999).await;
    let answer = clients.discovered(listing(&token)).await.unwrap().into_inner();
    assert_eq!((answer.discovered_organizations.len(), answer.truncated), (1_000, false));
    t.clock.advance(Duration::from_secs(2));
    // Memberships come first, so they are the last to be left out.
    let founded = clients.founded("ada@acme.com").await.organization.unwrap().organization_id;
    let answer = clients.discovered(listing(&token)).await.unwrap().into_inner();
    assert_eq!((answer.discovered_organizations.len(), answer.truncated), (1_000, true));
    let mut ids: Vec<_> = answer
        .discovered_organizations
        .into_iter()
        .map(|found| found.organization.unwrap().organization_id)
        .collect();
    assert_eq!(ids[0], founded);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1_000);
}

async fn an_answer_fits_into_three_mebibytes(t: Harness) {
    let clients = t.clients();
    let request = pb::CreateOrganizationRequest {
        organization_logo_url: Some(format!("https://acme.com/{}", "l".repeat(2_000))),
        trusted_metadata: Some(object(json!({"a": "m".repeat(4_000)}))),
        ..with_tenants("Acme", json!({"slack": ["T1"]}))
    };
    clients.create(request).await.unwrap();
    copy(&t, 599).await;
    let token = clients.token_with("ada@acme.com", vec![account("slack", &["T1"])]).await;
    let answer = clients.discovered(listing(&token)).await.unwrap().into_inner();
    assert!(answer.truncated);
    let limit = 3 * 1024 * 1024;
    // The envelope of each, and the rest of the message, are a few bytes more.
    let bytes: usize = answer.discovered_organizations.iter().map(prost::Message::encoded_len).sum();
    let one = answer.discovered_organizations[0].encoded_len();
    assert!(bytes <= limit && bytes + one > limit, "{bytes} and {one}");
}

/// Listing costs the same number of statements, however many organizations there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finding_one_costs_as_many_statements_as_finding_many() {
    let t = Setup::stage().await.with(|config| config.database_max_connections = 1).start().await;
    let clients = t.clients();
    let proxy = &t.stage.as_ref().unwrap().postgres_proxy;
    let mut fewest = Vec::new();
    let mut organizations = 0;
    for many in [1, 50] {
        while organizations < many {
            organizations += 1;
            let organization = clients.organization(&format!("Acme {organizations}")).await;
            clients.invite_member(invitation(&organization.organization_id, "ada@acme.com")).await.unwrap();
        }
        let token = clients.token("ada@acme.com").await;
        let mut trips = Vec::new();
        // The first prepares its statements; others may meet a health check or a sweep.
        for _ in 0..8 {
            let before = quiet(proxy).await;
            assert_eq!(names(&clients, listing(&token)).await.len(), many);
            trips.push(quiet(proxy).await - before);
        }
        fewest.push(trips.into_iter().min().unwrap());
    }
    assert_eq!(fewest[0], fewest[1]);
    // Whether the token has a receipt, what may be entered, the organizations and the members; and what
    // the pool asks of each connection that comes back.
    assert!(fewest[0] <= 8, "{fewest:?}");
}

/// The round trips so far, once nothing is under way.
pub(in crate::discovery_service) async fn quiet(proxy: &crate::harness::chaos::ChaosProxy) -> u64 {
    let mut trips = proxy.round_trips();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = proxy.round_trips();
        if now == trips {
            break;
        }
        trips = now;
    }
    trips
}
