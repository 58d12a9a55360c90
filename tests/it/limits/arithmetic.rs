//! The scripts in Redis count as the process does.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use redis::Script;
use vestibule::domain::rate::{Rate, Taken};

use crate::harness::database;

/// Takes tokens at the times that it is told, with the functions of the service's scripts. Answers with two
/// numbers for each: granted, and the delay if none was.
const WALK: &str = "
local interval, burst, full_at, told = tonumber(ARGV[1]), tonumber(ARGV[2]), false, {}
for index = 3, #ARGV, 3 do
  local time, granted = {ARGV[index], ARGV[index + 1]}, 0
  local rest = until_next(full_at, time, interval, burst)
  if rest == 0 then
    granted, full_at = take(full_at, time, interval, burst, tonumber(ARGV[index + 2]))
  end
  told[#told + 1] = granted
  told[#told + 1] = rest
end
return told";

/// A rate, and steps: by how many microseconds time moves, in parts of an interval, perhaps back; and how
/// many tokens are wanted then.
fn walks() -> impl Strategy<Value = (Rate, Vec<(f64, u32)>)> {
    let per_second = (1u32..=1_000_000, 1u32..=1_000_000);
    let rates = prop_oneof![
        per_second.prop_map(|(rate, burst)| Rate::per_second(rate, burst)),
        (1u32..=1_000_000, 1u32..=5).prop_map(|(rate, burst)| Rate::per_second(rate, burst)),
        (1u32..=100_000).prop_map(Rate::per_minute),
    ];
    let steps = prop::collection::vec((-0.5..2.0, prop_oneof![1u32..=3, 1u32..=1_000_000]), 1..60);
    (rates, steps)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_agree_with_the_process() {
    let gcra = include_str!("../../../src/kv/redis/gcra.lua");
    let script = Script::new(&[gcra, WALK].concat());
    let client = redis::Client::open(database::redis_url().await).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut runner = TestRunner::deterministic();
    let (mut granted, mut refused) = (0, 0);
    for _ in 0..300 {
        let (rate, steps) = walks().new_tree(&mut runner).unwrap().current();
        let interval = u64::try_from(rate.interval().as_nanos()).unwrap();
        let mut invocation = script.prepare_invoke();
        invocation.arg(interval).arg(rate.burst());
        let (mut now, mut full_at) = (Duration::from_micros(1_795_000_000_123_456), Duration::ZERO);
        let mut expected = Vec::new();
        for (pause, wanted) in steps {
            let step = Duration::from_micros(
                rate.interval().mul_f64(f64::abs(pause)).as_micros().try_into().unwrap(),
            );
            now = if pause < 0.0 { now.saturating_sub(step) } else { now + step };
            invocation.arg(now.as_secs()).arg(now.subsec_micros()).arg(wanted);
            expected.push(match rate.take(&mut full_at, now, wanted) {
                Taken::Granted(number) => (u64::from(number), 0),
                Taken::Empty { retry_after } => (0, u64::try_from(retry_after.as_nanos()).unwrap()),
            });
        }
        let told: Vec<u64> = invocation.invoke_async(&mut connection).await.unwrap();
        let told: Vec<_> = told.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        assert_eq!(told, expected, "{rate:?}");
        granted += told.iter().filter(|(granted, _)| *granted > 0).count();
        refused += told.iter().filter(|(granted, _)| *granted == 0).count();
    }
    assert!(granted > 1_000 && refused > 1_000, "{granted} granted, {refused} refused");
}
