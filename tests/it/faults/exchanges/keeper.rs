//! Redis dies, forgets, remembers too much, or loses its answers.

use std::time::Duration;

use tonic::Code;
use vestibule::clock::{Clock as _, SystemClock};
use vestibule::pb;

use super::super::hold::{Hold, Moment, held};
use super::super::keeper::{ask, claimed, end_lease, entries, entry};
use super::super::{not_found, stage, stage_mut, staged, unavailable, until, works};
use super::{ADA, BOUND, Entrance, Way, and_one, bind, in_use, lives, session, totp, traces};
use crate::harness::Harness;
use crate::harness::fixtures::creation;
use crate::harness::logins::{by_jwt, by_token, listing};
use crate::harness::refusal::refused;

/// A copy of the only entry, as a replica that is behind has it.
async fn copy(t: &Harness) -> (Vec<u8>, Vec<u8>) {
    let key = entry(t).await;
    let copy = ask(t, &[b"DUMP", &key]).await;
    (key, copy)
}

async fn restore(t: &Harness, (key, copy): &(Vec<u8>, Vec<u8>)) {
    let _: String = ask(t, &[b"RESTORE", key, b"0", copy, b"REPLACE"]).await;
}

/// An organization of which the person of the tests is a member.
async fn elsewhere(t: &Harness) -> String {
    let clients = t.clients();
    let id = clients.organization("Elsewhere").await.organization_id;
    clients.member(&id, ADA).await;
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_away() {
    let mut t = staged().await;
    let clients = t.clients();
    let founded = clients.founded("grace@acme.com").await;
    let entrance = Way::Open.prepare(&clients).await;
    let before = traces(&t).await;
    stage_mut(&mut t).redis.kill().await;
    let time = SystemClock::new();
    for _ in 0..3 {
        let asked = time.monotonic();
        unavailable(entrance.enter(&clients).await, Duration::ZERO);
        let took = time.monotonic().saturating_sub(asked);
        assert!(took < Duration::from_secs(3), "the call fails fast: {took:?}");
    }
    unavailable(clients.discovered(listing(&entrance.token)).await, Duration::ZERO);
    // What goes by sessions needs no Redis.
    let session = clients.authenticate(by_token(&founded.session_token)).await.unwrap().into_inner();
    clients.authenticate(by_jwt(&session.session_jwt)).await.unwrap();
    let by_session = pb::ListDiscoveredOrganizationsRequest {
        session_token: Some(founded.session_token.clone()),
        ..pb::ListDiscoveredOrganizationsRequest::default()
    };
    let listed = clients.discovered(by_session).await.unwrap().into_inner();
    assert_eq!(listed.discovered_organizations.len(), 1);
    let own = founded.organization.unwrap().organization_id;
    let switch = crate::harness::logins::switch(&founded.session_token, &own);
    assert!(clients.switch(switch).await.unwrap().into_inner().member_authenticated);
    assert_eq!(traces(&t).await[3], before[3], "nothing is bought");
    stage_mut(&mut t).redis.start_again().await;
    // What Redis lost is lost cleanly, and it works again by itself.
    until("Redis to be found again", async || {
        let status = entrance.enter(&clients).await.unwrap_err();
        status.code() == Code::NotFound || {
            super::super::comes_again(&status);
            false
        }
    })
    .await;
    works(&t).await;
}

/// Emptied by an operator, or restarted empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_emptied_before_the_finish() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        for moment in [Moment::BeforeReceipt, Moment::InCommit] {
            let entrance = way.prepare(&clients).await;
            let before = traces(&t).await;
            let hold = Hold::at(&t, moment).await;
            let call = entrance.running_with_key(&clients);
            held(&t).await;
            let _: String = ask(&t, &[b"FLUSHALL"]).await;
            // A second call while the first one runs finds nothing to spend.
            not_found(entrance.enter(&clients).await);
            hold.release().await;
            let first = session(call.answer().await);
            lives(&clients, &first).await;
            not_found(entrance.enter(&clients).await);
            assert_eq!(session(entrance.again(&clients).await), first);
            assert_eq!((traces(&t).await, entries(&t).await), (and_one(before), 0), "{way:?} {moment:?}");
        }
    }
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_to_the_claim_is_lost() {
    let t = staged().await;
    let clients = t.clients();
    // Redis knows the script from now on: the next answer is the claim's own.
    works(&t).await;
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        stage(&t).redis_proxy.lose_next_answer_to(b"\r\nany\r\n");
        lives(&clients, &session(entrance.enter(&clients).await)).await;
        stage(&t).redis_proxy.answer_lost().await;
        not_found(entrance.enter(&clients).await);
        assert_eq!((traces(&t).await, entries(&t).await), (and_one(before), 0), "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_to_the_finish_is_lost() {
    let t = staged().await;
    let clients = t.clients();
    works(&t).await;
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        stage(&t).redis_proxy.lose_next_answer_to(b"\r\nspend\r\n");
        lives(&clients, &session(entrance.enter(&clients).await)).await;
        stage(&t).redis_proxy.answer_lost().await;
        not_found(entrance.enter(&clients).await);
        assert_eq!((traces(&t).await, entries(&t).await), (and_one(before), 0), "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_finish_never_arrives() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        let hold = Hold::at(&t, Moment::BeforeCommit).await;
        let call = entrance.running_with_key(&clients);
        held(&t).await;
        stage(&t).redis_proxy.refuse();
        hold.release().await;
        let first = session(call.answer().await);
        stage(&t).redis_proxy.pass();
        until("Redis to be found again", async || match entrance.again(&clients).await {
            Ok(answer) => {
                assert_eq!(session(Ok(answer)), first);
                true
            }
            Err(status) => {
                super::super::comes_again(&status);
                false
            }
        })
        .await;
        in_use(entrance.enter(&clients).await);
        end_lease(&t).await;
        not_found(entrance.enter(&clients).await);
        assert_eq!(session(entrance.again(&clients).await), first);
        assert_eq!(traces(&t).await, and_one(before), "{way:?}");
        clients.revoke(&entrance.token).await.unwrap_err();
    }
    works(&t).await;
}

/// A failover to a replica that has not heard of the finish, whichever copy it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_comes_back_after_it_was_spent() {
    let t = staged().await;
    let clients = t.clients();
    let other = elsewhere(&t).await;
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        let stale = copy(&t).await;
        let first = session(entrance.again(&clients).await);
        assert_eq!(entries(&t).await, 0);

        restore(&t, &stale).await;
        let gone = "INTERMEDIATE_SESSION_NOT_FOUND";
        refused(clients.inspect(&entrance.token).await, Code::NotFound, gone);
        refused(clients.discovered(listing(&entrance.token)).await, Code::NotFound, gone);
        not_found(entrance.enter(&clients).await);
        restore(&t, &stale).await;
        not_found(Entrance { organization: other.clone(), ..entrance.clone() }.enter(&clients).await);
        restore(&t, &stale).await;
        not_found(clients.spend(creation(&entrance.token)).await);
        restore(&t, &stale).await;
        not_found(clients.revoke(&entrance.token).await);
        restore(&t, &stale).await;
        assert_eq!(session(entrance.again(&clients).await), first);
        assert!(entries(&t).await == 0 || !claimed(&t).await);
        refused(clients.add_factor(&entrance.token, totp()).await, Code::NotFound, gone);
        assert_eq!(traces(&t).await, and_one(before), "{way:?}");
        not_found(clients.revoke(&entrance.token).await);
    }
    works(&t).await;
}

/// The copy is from before the bind: the receipt says what the token is bound to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_comes_back_from_before_it_was_bound() {
    let t = staged().await;
    let clients = t.clients();
    let other = elsewhere(&t).await;
    let token = clients.token(ADA).await;
    let open = copy(&t).await;
    let own = Entrance { organization: bind(&clients, &token).await, token };
    let away = Entrance { organization: other, ..own.clone() };
    let before = traces(&t).await;

    restore(&t, &open).await;
    refused(away.enter(&clients).await, Code::FailedPrecondition, BOUND);
    let listed = clients.discovered(listing(&own.token)).await.unwrap().into_inner();
    let listed: Vec<_> = listed
        .discovered_organizations
        .into_iter()
        .map(|found| found.organization.unwrap().organization_id)
        .collect();
    assert_eq!(listed, std::slice::from_ref(&own.organization), "it acts as bound");

    restore(&t, &open).await;
    let owing = own.enter(&clients).await.unwrap().into_inner();
    assert!(owing.mfa_required.is_some());
    assert_eq!(owing.intermediate_session_token, own.token);
    let known: bool = ask(&t, &[b"HEXISTS", &open.0, b"organization_id"]).await;
    assert!(known && !claimed(&t).await, "the entry is set to match");
    assert_eq!(traces(&t).await, before, "nothing is bought");

    restore(&t, &open).await;
    clients.add_factor(&own.token, totp()).await.unwrap();
    refused(away.enter(&clients).await, Code::FailedPrecondition, BOUND);
    refused(clients.spend(creation(&own.token)).await, Code::FailedPrecondition, BOUND);
    lives(&clients, &session(own.enter(&clients).await)).await;
    assert_eq!((traces(&t).await, entries(&t).await), (and_one(before), 0));
    works(&t).await;
}

/// The entry says that the token is bound, and the database knows nothing of it: it was restored too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_entry_without_a_receipt_buys_nothing() {
    let t = staged().await;
    let clients = t.clients();
    let other = elsewhere(&t).await;
    let entrance = Way::Bound.prepare(&clients).await;
    t.execute("DELETE FROM intermediate_session_receipts").await;
    let before = traces(&t).await;
    for organization in [&entrance.organization, &other] {
        let entrance = Entrance { organization: organization.clone(), ..entrance.clone() };
        refused(entrance.enter(&clients).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
        assert!(!claimed(&t).await);
    }
    assert_eq!(traces(&t).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_comes_back_after_it_was_revoked() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        let stale = copy(&t).await;
        clients.revoke(&entrance.token).await.unwrap();
        restore(&t, &stale).await;
        not_found(entrance.enter(&clients).await);
        restore(&t, &stale).await;
        not_found(entrance.again(&clients).await);
        assert_eq!(traces(&t).await, before, "{way:?}");
        clients.revoke(&entrance.token).await.unwrap_err();
        assert_eq!(entries(&t).await, 0);
    }
    works(&t).await;
}

/// The ten minutes are over, and Redis has not cleaned up yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aged_entry_is_refused_though_it_is_still_there() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        let key = entry(&t).await;
        let kept: i64 = ask(&t, &[b"PERSIST", &key]).await;
        assert_eq!(kept, 1, "an entry has an expiry");
        let now: (u64, u64) = ask(&t, &[b"TIME"]).await;
        let now = (now.0 * 1_000 + now.1 / 1_000).to_string();
        let _: i64 = ask(&t, &[b"HSET", &key, b"expires_at", now.as_bytes()]).await;
        not_found(entrance.enter(&clients).await);
        not_found(entrance.again(&clients).await);
        assert_eq!(traces(&t).await, before, "{way:?}");
        let _: i64 = ask(&t, &[b"DEL", &key]).await;
    }
}

/// An exchange that buys nothing, and one that is refused, extend nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_extends_the_ten_minutes() {
    let t = staged().await;
    let clients = t.clients();
    let own = Entrance { token: clients.token(ADA).await, organization: String::new() };
    let key = entry(&t).await;
    let created: i64 = ask(&t, &[b"HGET", &key, b"created_at"]).await;
    let stranger = clients.organization("Stranger").await.organization_id;
    let own = Entrance { organization: stranger, ..own };
    refused(own.enter(&clients).await, Code::FailedPrecondition, "EMAIL_JIT_PROVISIONING_NOT_ALLOWED");
    let own = Entrance { organization: bind(&clients, &own.token).await, ..own };
    let owing = own.enter(&clients).await.unwrap().into_inner();
    let expires_at = owing.intermediate_session_token_expires_at.unwrap();
    assert_eq!(expires_at.seconds, (created + 600_000) / 1_000);
    let ends: i64 = ask(&t, &[b"PEXPIRETIME", &key]).await;
    assert_eq!(ends, created + 600_000);
    let kept: i64 = ask(&t, &[b"HGET", &key, b"expires_at"]).await;
    assert_eq!(kept, created + 600_000);
}
