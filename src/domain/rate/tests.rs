use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Any rate that settings allow.
fn rates() -> impl Strategy<Value = Rate> {
    let per_second = (1u32..=1_000_000, 1u32..=100).prop_map(|(rate, burst)| Rate::per_second(rate, burst));
    prop_oneof![per_second, (1u32..=100).prop_map(Rate::per_minute)]
}

/// Pauses in parts of what one token takes to come back, and how many tokens are wanted after each.
fn walks() -> impl Strategy<Value = Vec<(f64, u32)>> {
    prop::collection::vec((0.0..3.0, 1u32..200), 1..100)
}

#[test]
fn a_full_bucket_gives_its_burst_and_then_one_after_each_interval() {
    for rate in [Rate::per_second(3, 7), Rate::per_second(999_999, 7), Rate::per_minute(7)] {
        let (mut full_at, now) = (Duration::ZERO, SECOND);
        for _ in 0..7 {
            assert_eq!(rate.take(&mut full_at, now, 1), Taken::Granted(1));
        }
        for waited in 0..3 {
            let now = now + rate.interval() * waited;
            assert_eq!(rate.take(&mut full_at, now, 1), Taken::Empty { retry_after: rate.interval() });
            assert_eq!(rate.take(&mut full_at, now + rate.interval(), 1), Taken::Granted(1));
        }
    }
}

#[test]
fn as_many_as_there_are_are_granted() {
    let rate = Rate::per_second(10, 5);
    let mut full_at = Duration::ZERO;
    assert_eq!(rate.take(&mut full_at, SECOND, 3), Taken::Granted(3));
    assert_eq!(rate.take(&mut full_at, SECOND, 3), Taken::Granted(2));
    assert_eq!(rate.take(&mut full_at, SECOND + SECOND / 4, 3), Taken::Granted(2));
}

#[test]
fn an_interval_is_rounded_to_the_slower_side() {
    assert_eq!(Rate::per_second(3, 1).interval(), Duration::from_nanos(333_333_334));
    assert_eq!(Rate::per_minute(20).interval(), Duration::from_secs(3));
    assert_eq!(Rate::per_second(5_000, 1).tokens_in(Duration::from_millis(50)), 250);
}

#[test]
fn nothing_counts_as_one() {
    assert_eq!(Rate::per_second(0, 0), Rate::per_second(1, 1));
}

/// A clock that was set back, or a burst that was larger, empties a bucket and does no worse.
#[test]
fn no_bucket_is_more_than_empty() {
    let rate = Rate::per_second(10, 5);
    let mut full_at = 1_000 * SECOND;
    assert_eq!(rate.take(&mut full_at, SECOND, 1), Taken::Empty { retry_after: SECOND / 10 });
    assert_eq!(rate.until_next(full_at, SECOND), SECOND / 10);
}

proptest! {
    #[test]
    fn no_window_sees_more_than_the_burst_and_what_comes_back(rate in rates(), walk in walks()) {
        let (mut full_at, mut now) = (Duration::ZERO, SECOND);
        let mut grants: Vec<(Duration, u32)> = Vec::new();
        for (pause, wanted) in walk {
            now += rate.interval().mul_f64(pause);
            if let Taken::Granted(granted) = rate.take(&mut full_at, now, wanted) {
                prop_assert!((1..=wanted).contains(&granted));
                grants.push((now, granted));
            }
        }
        for (position, (begins, _)) in grants.iter().enumerate() {
            let mut total = 0;
            for (ends, granted) in &grants[position..] {
                total += granted;
                prop_assert!(total <= rate.burst() + rate.tokens_in(ends.saturating_sub(*begins)));
            }
        }
    }

    #[test]
    fn after_the_delay_there_is_a_token_and_not_before(rate in rates(), walk in walks()) {
        let (mut full_at, mut now) = (Duration::ZERO, SECOND);
        for (pause, wanted) in walk {
            now += rate.interval().mul_f64(pause);
            let before = full_at;
            if let Taken::Empty { retry_after } = rate.take(&mut full_at, now, wanted) {
                prop_assert_eq!(full_at, before);
                let early = now + retry_after.saturating_sub(Duration::from_nanos(1));
                prop_assert_ne!(rate.take(&mut full_at.clone(), early, 1), Taken::Granted(1));
                prop_assert_eq!(rate.take(&mut full_at.clone(), now + retry_after, 1), Taken::Granted(1));
            }
        }
    }
}
