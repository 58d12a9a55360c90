//! Exchanges that outlive their lease or their callers, and meet others with the same token.

use std::time::Duration;

use tonic::Code;
use vestibule::pb;

use super::super::hold::{Hold, Moment, blocked, held};
use super::super::keeper::{claimed, end_lease, entries};
use super::super::{
    Creation, LEASE, Running, not_found, staged, unavailable, until, with_short_lease, works,
};
use super::{BOUND, Entrance, Way, and_one, in_use, lives, session, traces};
use crate::harness::fixtures::{creation, with_key};
use crate::harness::logins::exchange;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(a_token_is_worth_nothing_after_its_ten_minutes, an_answer_goes_to_the_same_request_alone,);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_ends_and_the_first_call_commits() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        for moment in [Moment::BeforeReceipt, Moment::BeforeCommit, Moment::InCommit] {
            let entrance = way.prepare(&clients).await;
            let before = traces(&t).await;
            let hold = Hold::at(&t, moment).await;
            let first = entrance.running(&clients);
            held(&t).await;
            end_lease(&t).await;
            let second = entrance.running(&clients);
            blocked(&t).await;
            hold.release().await;
            lives(&clients, &session(first.answer().await)).await;
            not_found(second.answer().await);
            assert_eq!(traces(&t).await, and_one(before), "{way:?} {moment:?}");
            clients.revoke(&entrance.token).await.unwrap_err();
        }
    }
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_ends_and_the_first_call_is_rolled_back() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        let hold = Hold::at(&t, Moment::BeforeCommit).await;
        let first = entrance.running(&clients);
        let backend = held(&t).await;
        end_lease(&t).await;
        let second = entrance.running(&clients);
        blocked(&t).await;
        t.execute(&format!("SELECT pg_terminate_backend({backend})")).await;
        unavailable(first.answer().await, Duration::ZERO);
        hold.release().await;
        lives(&clients, &session(second.answer().await)).await;
        not_found(entrance.enter(&clients).await);
        assert_eq!(traces(&t).await, and_one(before), "{way:?}");
        assert_eq!(entries(&t).await, 0);
    }
    works(&t).await;
}

/// The lease is over and its holder has not noticed: the database alone keeps two sessions apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_runs_out_while_the_call_commits() {
    let t = with_short_lease().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        let hold = Hold::at(&t, Moment::InCommit).await;
        unavailable(entrance.again(&clients).await, LEASE);
        hold.release().await;
        let mut entered = None;
        until("the repeat to be answered", async || {
            match entrance.again(&clients).await {
                Ok(answer) => entered = Some(session(Ok(answer))),
                Err(status) => super::super::comes_again(&status),
            }
            entered.is_some()
        })
        .await;
        lives(&clients, &entered.unwrap()).await;
        assert_eq!(traces(&t).await, and_one(before), "{way:?}");
        until("the lease to end", async || {
            let refusal = entrance.enter(&clients).await.unwrap_err();
            refusal.code() == Code::NotFound
        })
        .await;
        clients.revoke(&entrance.token).await.unwrap_err();
    }
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_waits_for_the_first_answer() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        for lease_ends in [false, true] {
            let entrance = way.prepare(&clients).await;
            let before = traces(&t).await;
            let hold = Hold::at(&t, Moment::BeforeCommit).await;
            let first = entrance.running_with_key(&clients);
            held(&t).await;
            if lease_ends {
                end_lease(&t).await;
            }
            let second = entrance.running_with_key(&clients);
            blocked(&t).await;
            hold.release().await;
            assert_eq!(session(first.answer().await), session(second.answer().await));
            assert_eq!(traces(&t).await, and_one(before), "{way:?} {lease_ends}");
            assert_eq!(entries(&t).await, 0);
        }
    }
    works(&t).await;
}

/// A create and an exchange with one token, the first without its lease: the receipt decides, not the
/// entry, which says that the token is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_that_has_lost_its_lease_is_met_by_an_exchange() {
    let t = staged().await;
    let clients = t.clients();
    for owes in [false, true] {
        let entrance = Way::Open.prepare(&clients).await;
        let [organizations, members, sessions, ..] = traces(&t).await;
        let hold = Hold::at(&t, Moment::BeforeCommit).await;
        let request = Creation {
            mfa_policy: owes.then_some(pb::MfaPolicy::RequiredForAll.into()),
            ..creation(&entrance.token)
        };
        let first = Running::spend(&clients, request);
        held(&t).await;
        end_lease(&t).await;
        let second = entrance.running(&clients);
        blocked(&t).await;
        hold.release().await;
        let created = first.answer().await.unwrap().into_inner();
        assert_eq!(created.member_authenticated, !owes);
        if owes {
            refused(second.answer().await, Code::FailedPrecondition, BOUND);
        } else {
            not_found(second.answer().await);
        }
        let [organizations_now, members_now, sessions_now, ..] = traces(&t).await;
        assert_eq!((organizations_now, members_now), (organizations + 1, members + 1));
        assert_eq!(sessions_now, sessions + i64::from(!owes));
        if owes {
            // Wherever the entry stands, the login can be finished.
            clients.add_factor(&entrance.token, super::totp()).await.unwrap();
            let organization = created.organization.unwrap().organization_id;
            let own = Entrance { token: entrance.token, organization };
            lives(&clients, &session(own.enter(&clients).await)).await;
        } else {
            clients.revoke(&entrance.token).await.unwrap_err();
        }
    }
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_that_has_lost_its_lease_is_met_by_a_create() {
    let t = staged().await;
    let clients = t.clients();
    let entrance = Way::Open.prepare(&clients).await;
    let before = traces(&t).await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let first = entrance.running(&clients);
    held(&t).await;
    end_lease(&t).await;
    let second = Running::spend(&clients, creation(&entrance.token));
    blocked(&t).await;
    hold.release().await;
    lives(&clients, &session(first.answer().await)).await;
    not_found(second.answer().await);
    assert_eq!((traces(&t).await, entries(&t).await), (and_one(before), 0));
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_when_its_caller_leaves() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        for moment in [Moment::BeforeReceipt, Moment::BeforeCommit, Moment::InCommit] {
            let entrance = way.prepare(&clients).await;
            let before = traces(&t).await;
            let hold = Hold::at(&t, moment).await;
            let call = entrance.running_with_key(&clients);
            held(&t).await;
            drop(call);
            hold.release().await;
            until("the call to record", async || traces(&t).await == and_one(before)).await;
            until("the call to finish", async || entries(&t).await == 0).await;
            let first = session(entrance.again(&clients).await);
            assert_eq!(session(entrance.again(&clients).await), first);
            not_found(entrance.enter(&clients).await);
            assert_eq!(traces(&t).await, and_one(before), "{way:?} {moment:?}");
        }
    }
    works(&t).await;
}

/// A call that fails without its caller gives the token back too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_fails_when_its_caller_has_left_gives_the_token_back() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        let hold = Hold::at(&t, Moment::BeforeCommit).await;
        let call = entrance.running(&clients);
        let backend = held(&t).await;
        drop(call);
        t.execute(&format!("SELECT pg_terminate_backend({backend})")).await;
        hold.release().await;
        until("the token to be free", async || !claimed(&t).await).await;
        assert_eq!(traces(&t).await, before);
        lives(&clients, &session(entrance.enter(&clients).await)).await;
        assert_eq!(traces(&t).await, and_one(before), "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_comes_second_is_told_so() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        let hold = Hold::at(&t, Moment::BeforeCommit).await;
        let call = entrance.running(&clients);
        held(&t).await;
        let (revoking, token) = (clients.clone(), entrance.token.clone());
        let revocation = Running::call(async move { revoking.revoke(&token).await });
        blocked(&t).await;
        hold.release().await;
        lives(&clients, &session(call.answer().await)).await;
        not_found(revocation.answer().await);
        assert_eq!((traces(&t).await, entries(&t).await), (and_one(before), 0), "{way:?}");
    }
}

/// A token that is bound has a receipt, which the first call holds: the revocation waits for it, unless
/// that call has not come so far.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_comes_first_wins() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        // The member is held: the exchange has read the receipt and not written it.
        let blockade = t.block_by(&["SELECT id FROM members FOR UPDATE".to_owned()]).await;
        let call = entrance.running(&clients);
        t.blocked(1).await;
        clients.revoke(&entrance.token).await.unwrap();
        blockade.lift().await;
        not_found(call.answer().await);
        assert_eq!((traces(&t).await, entries(&t).await), (before, 0), "{way:?}");
    }
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_call_is_told_that_the_token_is_in_use() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let hold = Hold::at(&t, Moment::BeforeCommit).await;
        let first = entrance.running_with_key(&clients);
        held(&t).await;
        in_use(entrance.enter(&clients).await);
        in_use(clients.exchange(entrance.keyed_by(0)).await);
        let refusal =
            refused(clients.add_factor(&entrance.token, super::totp()).await, Code::Aborted, super::IN_USE);
        assert!(refusal.retry_after.is_some(), "{refusal:?}");
        refused(clients.spend(creation(&entrance.token)).await, Code::Aborted, super::IN_USE);
        hold.release().await;
        session(first.answer().await);
        not_found(entrance.enter(&clients).await);
        not_found(clients.exchange(entrance.keyed_by(0)).await);
    }
}

/// The first answer stays the answer only as long as what it speaks of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_not_kept_beyond_the_ten_minutes() {
    let t = staged().await;
    let clients = t.clients();
    let entrance = Way::Bound.prepare(&clients).await;
    let first = session(entrance.again(&clients).await);
    t.clock.advance(Duration::from_secs(599));
    assert_eq!(session(entrance.again(&clients).await), first);
    t.clock.advance(Duration::from_secs(2));
    not_found(entrance.again(&clients).await);
    lives(&clients, &first).await;
}

/// What was answered is answered again while it stands: not when it was deleted since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_does_not_outlive_what_it_speaks_of() {
    let t = staged().await;
    let clients = t.clients();
    for (number, reason) in
        ["SESSION_NOT_FOUND", "MEMBER_NOT_FOUND", "ORGANIZATION_NOT_FOUND"].iter().enumerate()
    {
        let entrance = Way::Open.prepare(&clients).await;
        let organization_id = entrance.organization.clone();
        let first = clients.exchange(entrance.keyed_by(number)).await.unwrap().into_inner();
        match number {
            0 => {
                let session_token = Some(first.session_token.clone());
                let request =
                    pb::RevokeSessionRequest { session_token, ..pb::RevokeSessionRequest::default() };
                clients.revoke_session(request).await.unwrap();
            }
            1 => {
                let member_id = first.member_id.clone();
                let request = pb::DeleteMemberRequest {
                    organization_id: organization_id.clone(),
                    member_id,
                    ..pb::DeleteMemberRequest::default()
                };
                clients.delete_member(request).await.unwrap();
            }
            _ => {
                let request =
                    pb::DeleteOrganizationRequest { organization_id: organization_id.clone(), etag: None };
                clients.delete_organization(request).await.unwrap();
            }
        }
        let before = traces(&t).await;
        refused(clients.exchange(entrance.keyed_by(number)).await, Code::NotFound, reason);
        // Deleting what it bought gives the token no second life.
        not_found(entrance.enter(&clients).await);
        let elsewhere =
            Entrance { organization: clients.organization("Other").await.organization_id, ..entrance };
        not_found(elsewhere.enter(&clients).await);
        not_found(clients.spend(creation(&elsewhere.token)).await);
        assert_eq!(traces(&t).await[1..], before[1..]);
    }
}

async fn a_token_is_worth_nothing_after_its_ten_minutes(t: Harness) {
    let clients = t.clients();
    for way in Way::BOTH {
        let entrance = way.prepare(&clients).await;
        let before = traces(&t).await;
        t.outlive(&entrance.token).await;
        not_found(entrance.enter(&clients).await);
        not_found(entrance.again(&clients).await);
        not_found(clients.add_factor(&entrance.token, super::totp()).await);
        not_found(clients.spend(creation(&entrance.token)).await);
        assert_eq!(traces(&t).await, before, "{way:?}");
    }
}

/// Who has a key and not the token, or wants something else with it, learns nothing and buys nothing.
async fn an_answer_goes_to_the_same_request_alone(t: Harness) {
    let clients = t.clients();
    let other = Way::Open.prepare(&clients).await;
    for (number, way) in Way::BOTH.into_iter().enumerate() {
        let entrance = way.prepare(&clients).await;
        let first = session(clients.exchange(entrance.keyed_by(number)).await);
        let before = traces(&t).await;
        let key = format!("key-{number}");
        let longer = pb::ExchangeIntermediateSessionRequest {
            session_duration_minutes: Some(600),
            ..entrance.request()
        };
        for request in [exchange(&entrance.token, &other.organization), other.request(), longer] {
            let answer = clients.exchange(with_key(request, &key)).await;
            refused(answer, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
        }
        let created = clients.spend(with_key(creation(&other.token), &key)).await;
        refused(created, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(traces(&t).await, before, "{way:?}");
        assert_eq!(session(clients.exchange(entrance.keyed_by(number)).await), first);
    }
    // The token that was sent with others' keys is as it was.
    lives(&clients, &session(other.enter(&clients).await)).await;
}
