//! Limits count once over all replicas.

use tonic::Code;
use vestibule::clock::{Clock as _, SystemClock};
use vestibule::config::limits::LimitsConfig;
use vestibule::domain::rate::Rate;
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::magic_link;
use crate::harness::logins::exchange;
use crate::harness::{Harness, Setup};

/// So many replicas with these limits.
async fn replicas(number: usize, change: fn(&mut LimitsConfig)) -> Harness {
    Setup::postgres().await.replicas(number).with(|config| change(&mut config.limits)).start().await
}

/// Makes calls at the replicas by turns until each has refused one, and asserts that as many were let through as one
/// server would have let.
async fn once_over_all(t: &Harness, rate: Rate, call: impl AsyncFn(&Clients) -> Code) {
    let (each, time) = (t.each(), SystemClock::new());
    let (mut passed, mut limited) = (0, vec![false; each.len()]);
    while limited.contains(&false) {
        for (clients, limited) in each.iter().zip(&mut limited) {
            match call(clients).await {
                Code::ResourceExhausted => *limited = true,
                _ => passed += 1,
            }
            assert!(passed < 1_000, "some replica never refuses");
        }
    }
    let most = rate.burst() + rate.tokens_in(time.monotonic());
    assert!((rate.burst()..=most).contains(&passed), "{passed} of at most {most}");
}

fn code<T>(answer: Result<T, tonic::Status>) -> Code {
    answer.err().map_or(Code::Ok, |status| status.code())
}

/// Each replica takes two calls at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_caller() {
    for number in [2, 4] {
        let t = replicas(number, |limits| (limits.caller_rate, limits.caller_burst) = (4, Some(20))).await;
        let call = async |clients: &Clients| code(clients.get("nothing").await);
        once_over_all(&t, Rate::per_second(4, 20), call).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_for_an_address() {
    for number in [2, 4] {
        let t = replicas(number, |limits| limits.vouches_per_minute = 30).await;
        let vouch = async |clients: &Clients| {
            let request = pb::CreateIntermediateSessionRequest {
                email_address: "ada@acme.com".to_owned(),
                factors: vec![magic_link()],
            };
            code(clients.intermediate_sessions.clone().create_intermediate_session(request).await)
        };
        once_over_all(&t, Rate::per_minute(30), vouch).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_spends_of_a_token() {
    for number in [2, 4] {
        let t = replicas(number, |limits| limits.failed_spends_per_minute = 30).await;
        let token = t.clients().token("ada@acme.com").await;
        let spend = async |clients: &Clients| code(clients.exchange(exchange(&token, "nothing")).await);
        once_over_all(&t, Rate::per_minute(30), spend).await;
    }
}
