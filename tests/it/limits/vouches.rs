//! Tokens for an e-mail address.

use tonic::{Response, Status};
use vestibule::clock::{Clock as _, SystemClock};
use vestibule::domain::rate::Rate;
use vestibule::pb;

use super::{keys, limit, started, use_up, wait, with_limits};
use crate::harness::clients::Clients;
use crate::harness::fixtures::magic_link;
use crate::harness::{Harness, Setup};

with_limits!(|limits| limits.vouches_per_minute = 60;
    the_burst_passes_and_the_next_is_told_when,
    an_address_is_limited_in_every_spelling_and_no_other,
);

async fn vouch(
    clients: &Clients,
    address: &str,
) -> Result<Response<pb::CreateIntermediateSessionResponse>, Status> {
    let request = pb::CreateIntermediateSessionRequest {
        email_address: address.to_owned(),
        factors: vec![magic_link()],
    };
    clients.intermediate_sessions.clone().create_intermediate_session(request).await
}

async fn the_burst_passes_and_the_next_is_told_when(t: Harness) {
    let clients = t.clients();
    let call = async || limit(&vouch(&clients, "ada@acme.com").await);
    let retry_after = use_up(&t, Rate::per_minute(60), call).await;
    wait(&t, retry_after).await;
    assert_eq!(call().await, None);
}

async fn an_address_is_limited_in_every_spelling_and_no_other(t: Harness) {
    let clients = t.clients();
    let spellings = ["ada@acme.com", "Ada@ACME.com", "ADA\u{ff20}acme.com"];
    let mut turn = 0;
    let call = async || {
        turn += 1;
        limit(&vouch(&clients, spellings[turn % 3]).await)
    };
    use_up(&t, Rate::per_minute(60), call).await;
    vouch(&clients, "grace@acme.com").await.unwrap();
    vouch(&clients, "ada+other@acme.com").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limited_call_has_written_nothing_and_redis_knows_no_address() {
    let t = started(Setup::stage().await, |limits| limits.vouches_per_minute = 2).await;
    let clients = t.clients();
    use_up(&t, Rate::per_minute(2), async || limit(&vouch(&clients, "ada@acme.com").await)).await;
    assert!(limit(&vouch(&clients, "ada@acme.com").await).is_some());
    assert_eq!(keys(&t, "intermediate-session").await.len(), 2);
    let buckets = keys(&t, "bucket:vouches").await;
    assert_eq!(buckets.len(), 1);
    assert!(!buckets[0].contains("ada"), "{buckets:?}");
    // A bucket that is full has no key: this one is in a minute.
    let expires: i64 = super::ask(&t, &[b"PTTL", buckets[0].as_bytes()]).await;
    assert!((30_000..=60_000).contains(&expires), "{expires}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_the_bucket() {
    let mut t = started(Setup::postgres().await, |limits| limits.vouches_per_minute = 10).await;
    let replicas = [t.clients(), t.replica().await];
    let time = SystemClock::new();
    let mut passed = 0;
    for turn in 0..40 {
        passed += u32::from(limit(&vouch(&replicas[turn % 2], "ada@acme.com").await).is_none());
    }
    let most = 10 + Rate::per_minute(10).tokens_in(time.monotonic());
    assert!((10..=most).contains(&passed), "{passed} of at most {most}");
}
