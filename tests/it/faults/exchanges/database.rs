//! Postgres dies, hangs, or loses its answers.

use std::time::Duration;

use super::super::hold::{Hold, Moment, held};
use super::super::keeper::{claimed, end_lease};
use super::super::{
    LEASE, comes_again, not_found, stage, stage_mut, staged, unavailable, until, with_short_lease, works,
};
use super::{Entrance, Way, and_one, in_use, lives, session, traces};
use crate::harness::clients::Clients;
use vestibule::pb;

/// Enters as soon as that works; until then every answer says to come again.
async fn enter_in_the_end(clients: &Clients, entrance: &Entrance) -> String {
    let mut entered = None;
    until("the token to be free again", async || {
        match clients.exchange(entrance.request()).await {
            Ok(answer) => entered = Some(session(Ok(answer))),
            Err(status) => comes_again(&status),
        }
        entered.is_some()
    })
    .await;
    entered.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_is_cut_before_the_commit() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        // It stands in the event, and the transaction ends after that.
        let request = pb::ExchangeIntermediateSessionRequest {
            telemetry_id: Some("cut-before-the-commit".to_owned()),
            ..entrance.request()
        };
        stage(&t).postgres_proxy.lose_next_answer_to(b"cut-before-the-commit");
        unavailable(clients.exchange(request).await, Duration::ZERO);
        stage(&t).postgres_proxy.answer_lost().await;
        assert!(!claimed(&t).await, "nothing was recorded: the token is free at once");
        assert_eq!(traces(&t).await, before);
        lives(&clients, &enter_in_the_end(&clients, &entrance).await).await;
        not_found(entrance.enter(&clients).await);
        assert_eq!(traces(&t).await, and_one(before));
        works(&t).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_of_the_commit_is_lost() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        stage(&t).postgres_proxy.lose_next_answer_to(b"COMMIT");
        unavailable(entrance.again(&clients).await, t.config.claim_lease);
        stage(&t).postgres_proxy.answer_lost().await;
        until("the commit", async || traces(&t).await == and_one(before)).await;
        assert!(claimed(&t).await, "nobody knows: the token is not released");
        in_use(entrance.enter(&clients).await);
        // With the key, even before the lease is over: the first answer.
        let first = session(entrance.again(&clients).await);
        lives(&clients, &first).await;
        end_lease(&t).await;
        assert_eq!(session(entrance.again(&clients).await), first);
        not_found(entrance.enter(&clients).await);
        assert_eq!(session(entrance.again(&clients).await), first);
        assert_eq!(traces(&t).await, and_one(before), "no second session, no second event");
        works(&t).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_of_the_commit_is_lost_and_there_is_no_key() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        stage(&t).postgres_proxy.lose_next_answer_to(b"COMMIT");
        unavailable(entrance.enter(&clients).await, t.config.claim_lease);
        stage(&t).postgres_proxy.answer_lost().await;
        until("the commit", async || traces(&t).await == and_one(before)).await;
        end_lease(&t).await;
        not_found(entrance.enter(&clients).await);
        assert_eq!(traces(&t).await, and_one(before));
        // The entry is of no use to anybody, and would go with its ten minutes.
        t.clients().revoke(&entrance.token).await.unwrap_err();
        works(&t).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_killed_while_it_records() {
    let mut t = with_short_lease().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        let hold = Hold::at(&t, Moment::BeforeCommit).await;
        let call = entrance.running_with_key(&clients);
        held(&t).await;
        stage_mut(&mut t).postgres.kill().await;
        hold.lost();
        unavailable(call.answer().await, Duration::ZERO);
        stage_mut(&mut t).postgres.start_again().await;
        assert_eq!(traces(&t).await, before);
        lives(&clients, &enter_in_the_end(&clients, &entrance).await).await;
        assert_eq!(traces(&t).await, and_one(before));
        works(&t).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_restarted_while_it_commits() {
    let mut t = with_short_lease().await;
    let clients = t.clients();
    let entrance = Way::Open.prepare(&clients).await;
    let before = traces(&t).await;
    let hold = Hold::at(&t, Moment::InCommit).await;
    let call = entrance.running(&clients);
    held(&t).await;
    stage_mut(&mut t).postgres.stop().await;
    hold.lost();
    unavailable(call.answer().await, LEASE);
    stage_mut(&mut t).postgres.start_again().await;
    assert_eq!(traces(&t).await, before);
    lives(&clients, &enter_in_the_end(&clients, &entrance).await).await;
    assert_eq!(traces(&t).await, and_one(before));
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_killed_postgres() {
    let mut t = staged().await;
    let clients = t.clients();
    let entrance = Way::Bound.prepare(&clients).await;
    let before = traces(&t).await;
    let first = session(entrance.again(&clients).await);
    stage_mut(&mut t).postgres.kill().await;
    stage_mut(&mut t).postgres.start_again().await;
    assert_eq!(traces(&t).await, and_one(before));
    until("the first answer again", async || match entrance.again(&clients).await {
        Ok(answer) => {
            assert_eq!(session(Ok(answer)), first);
            true
        }
        Err(status) => {
            comes_again(&status);
            false
        }
    })
    .await;
    lives(&clients, &first).await;
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_away() {
    let mut t = staged().await;
    let clients = t.clients();
    let entrance = Way::Open.prepare(&clients).await;
    let before = traces(&t).await;
    stage_mut(&mut t).postgres.kill().await;
    for _ in 0..3 {
        unavailable(entrance.enter(&clients).await, Duration::ZERO);
        assert!(!claimed(&t).await, "nothing was begun: the token is free at once");
    }
    stage_mut(&mut t).postgres.start_again().await;
    lives(&clients, &enter_in_the_end(&clients, &entrance).await).await;
    assert_eq!(traces(&t).await, and_one(before));
    works(&t).await;
}
