//! What calls ask of the database costs a known number of round trips: recording a create one, whatever it
//! records, and checking a session one.

use std::time::Duration;

use vestibule::pb;

use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::logins::{by_jwt, by_token, exchange, explanation, listing};
use crate::harness::members::invitation;
use crate::harness::{Harness, Setup};

/// The statement, and what the pool asks of a connection that comes back, after the answer has left.
const STATEMENT_AND_RETURN: u64 = 2;

/// Whoever asks (a token or a session), the candidates, their organizations and their members; each is a
/// statement and a return.
const LIST: u64 = 4 * STATEMENT_AND_RETURN;

/// Without candidates there is nothing more to read.
const LIST_OF_NONE: u64 = 2 * STATEMENT_AND_RETURN;

/// The beginning and the end of a transaction; in it five reads (what the token has come to, the
/// organization, the member by the address, the hold, the member) and three writes (receipt, session, event);
/// and the return.
const ENTRY: u64 = 12;

/// Reserving a key, and filling in what is answered under it.
const KEY: u64 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creates_are_recorded_in_one_round_trip() {
    let t = Setup::stage().await.with(|config| config.database_max_connections = 1).start().await;
    let clients = t.clients();
    let proxy = &t.stage.as_ref().unwrap().postgres_proxy;
    let mut fewest = [u64::MAX; 2];
    // The first of each prepares its statement; others may meet a health check or a sweep.
    for number in 0..8 {
        let before = quiet(proxy).await;
        clients
            .create(with_key(organization(&format!("Acme {number}")), &format!("back-office-{number}")))
            .await
            .unwrap();
        let between = quiet(proxy).await;
        let token = clients.token(&format!("ada@company-{number}.com")).await;
        clients.spend(with_key(creation(&token), &format!("signup-{number}"))).await.unwrap();
        let after = quiet(proxy).await;
        fewest = [fewest[0].min(between - before), fewest[1].min(after - between)];
    }
    assert!(fewest.iter().all(|trips| *trips <= STATEMENT_AND_RETURN), "{fewest:?}");
}

/// The fewest round trips that a call takes, of several: the first prepares its statements, and others may
/// meet a health check or a sweep.
async fn fewest(t: &Harness, mut call: impl AsyncFnMut(usize)) -> u64 {
    let proxy = &t.stage.as_ref().unwrap().postgres_proxy;
    let mut fewest = u64::MAX;
    for number in 0..8 {
        let before = quiet(proxy).await;
        call(number).await;
        fewest = fewest.min(quiet(proxy).await - before);
    }
    fewest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_checked_in_one_round_trip() {
    let t = Setup::stage().await.with(|config| config.database_max_connections = 1).start().await;
    let clients = t.clients();
    let founded = clients.founded("ada@acme.com").await;
    let by_token = by_token(&founded.session_token);
    let trips = fewest(&t, async |_| drop(clients.authenticate(by_token.clone()).await.unwrap())).await;
    assert_eq!(trips, STATEMENT_AND_RETURN, "by its token");
    let by_jwt = by_jwt(&founded.session_jwt);
    let trips = fewest(&t, async |_| drop(clients.authenticate(by_jwt.clone()).await.unwrap())).await;
    assert_eq!(trips, STATEMENT_AND_RETURN, "by its JWT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_enters_in_so_many_round_trips() {
    let t = Setup::stage().await.with(|config| config.database_max_connections = 1).start().await;
    let clients = t.clients();
    let home = clients.founded("ada@acme.com").await.organization.unwrap().organization_id;
    let mut tokens = Vec::new();
    for _ in 0..16 {
        tokens.push(clients.token("ada@acme.com").await);
    }
    let trips = fewest(&t, async |number| {
        drop(clients.exchange(exchange(&tokens[number], &home)).await.unwrap());
    });
    assert_eq!(trips.await, ENTRY);
    let trips = fewest(&t, async |number| {
        let request = with_key(exchange(&tokens[8 + number], &home), &format!("key-{number}"));
        drop(clients.exchange(request).await.unwrap());
    });
    assert_eq!(trips.await, ENTRY + KEY);
}

/// However many there are, and whatever is asked about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn organizations_are_listed_in_so_many_round_trips() {
    let t = Setup::stage().await.with(|config| config.database_max_connections = 1).start().await;
    let clients = t.clients();
    let founded = clients.founded("ada@acme.com").await;
    let (token, stranger) = (clients.token("ada@acme.com").await, clients.token("alan@acme.com").await);
    for more in [1, 20] {
        for number in 0..more {
            let other = clients.organization(&format!("Globex {more} {number}")).await;
            clients.invite_member(invitation(&other.organization_id, "ada@acme.com")).await.unwrap();
        }
        let trips = fewest(&t, async |_| drop(clients.discovered(listing(&token)).await.unwrap())).await;
        assert_eq!(trips, LIST, "with {more} more organizations");
        let by_session = pb::ListDiscoveredOrganizationsRequest {
            session_token: Some(founded.session_token.clone()),
            ..pb::ListDiscoveredOrganizationsRequest::default()
        };
        let trips = fewest(&t, async |_| drop(clients.discovered(by_session.clone()).await.unwrap())).await;
        assert_eq!(trips, LIST, "with a session, and {more} more organizations");
        for (name, expected) in [("acme", LIST), ("nobody", LIST_OF_NONE)] {
            let request = explanation(&token, name);
            let trips = fewest(&t, async |_| drop(clients.explain(request.clone()).await.unwrap())).await;
            assert_eq!(trips, expected, "to explain {name}");
            let request = explanation(&stranger, name);
            let trips = fewest(&t, async |_| drop(clients.explain(request.clone()).await.unwrap())).await;
            assert_eq!(trips, LIST_OF_NONE, "to explain {name} to somebody without any");
        }
    }
}

/// The round trips so far, once nothing is under way.
async fn quiet(proxy: &crate::harness::chaos::ChaosProxy) -> u64 {
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
