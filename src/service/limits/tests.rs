use std::sync::atomic::{AtomicU64, Ordering};

use time::OffsetDateTime;
use time::macros::datetime;

use super::*;

/// Milliseconds since a fixed moment.
#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Hand {
    fn advance(&self, milliseconds: u64) {
        self.0.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> OffsetDateTime {
        datetime!(2026-11-22 12:00 UTC) + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

fn limits(calls: Rate) -> (Arc<Hand>, Limits) {
    let hand = Arc::new(Hand::default());
    let clock = Arc::clone(&hand) as Arc<dyn Clock>;
    let buckets = Buckets::in_process(Arc::clone(&clock));
    (hand, Limits::new(clock, Metrics::unread(), buckets, calls, Rate::per_minute(1)))
}

fn caller(name: &str, calls_per_second: Option<u32>) -> Caller {
    Caller { name: name.to_owned(), calls_per_second, ..Caller::anonymous() }
}

/// How many calls get through, and when the next will.
async fn passed(limits: &Limits, caller: &Caller) -> (u32, Duration) {
    let mut passed = 0;
    loop {
        match limits.admit_call(caller).await {
            Ok(()) => passed += 1,
            Err(Error::Limited { retry_after, .. }) => return (passed, retry_after),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn callers_have_a_bucket_each_and_may_have_a_rate_of_their_own() {
    let (hand, limits) = limits(Rate::per_second(10, 15));
    assert_eq!(passed(&limits, &caller("anybody", None)).await, (15, Duration::from_millis(100)));
    assert_eq!(passed(&limits, &caller("a busy one", Some(100))).await, (200, Duration::from_millis(10)));
    assert_eq!(passed(&limits, &caller("a slow one", Some(1))).await, (2, Duration::from_secs(1)));
    hand.advance(1_000);
    assert_eq!(passed(&limits, &caller("anybody", None)).await.0, 10);
    assert_eq!(passed(&limits, &caller("a slow one", Some(1))).await.0, 1);
}

#[tokio::test]
async fn what_is_left_of_a_batch_lapses() {
    // A batch is five calls.
    let (hand, limits) = limits(Rate::per_second(100, 10));
    let anybody = caller("anybody", None);
    limits.admit_call(&anybody).await.unwrap();
    hand.advance(999);
    // Four of the first batch, and the full bucket.
    assert_eq!(passed(&limits, &anybody).await.0, 14);
    hand.advance(1_000);
    limits.admit_call(&anybody).await.unwrap();
    hand.advance(1_000);
    assert_eq!(passed(&limits, &anybody).await.0, 10);
}

#[tokio::test]
async fn addresses_have_a_bucket_each() {
    let (hand, limits) = limits(Rate::per_second(1, 1));
    let [ada, grace] = ["ada@acme.com", "grace@acme.com"].map(|text| EmailAddress::parse(text).unwrap());
    limits.admit_vouch(&ada).await.unwrap();
    limits.admit_vouch(&grace).await.unwrap();
    hand.advance(1);
    let refusal = limits.admit_vouch(&ada).await.unwrap_err();
    assert!(
        matches!(refusal, Error::Limited { retry_after, .. } if retry_after == Duration::from_millis(59_999))
    );
}
