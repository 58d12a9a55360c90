//! Work in short slices, so many calls at once.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// How long a slice of one kind of call is.
const SLICE: Duration = Duration::from_millis(400);

/// What one or several slices have measured.
#[derive(Default)]
pub(crate) struct Measured {
    durations: Vec<Duration>,
    /// Calls a second, of each slice.
    rates: Vec<f64>,
}

/// Makes calls for the length of a slice, `in_flight` of them at a time. Each is given a number of its own.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn slice<F>(
    measured: &mut Measured,
    in_flight: usize,
    next: &Arc<AtomicUsize>,
    call: impl Fn(usize) -> F + Clone + Send + 'static,
) where
    F: Future<Output = ()> + Send,
{
    let slice_began = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let (next, call) = (Arc::clone(next), call.clone());
        workers.spawn(async move {
            let mut durations = Vec::new();
            while slice_began.elapsed() < SLICE {
                let begun = Instant::now();
                call(next.fetch_add(1, Ordering::Relaxed)).await;
                durations.push(begun.elapsed());
            }
            durations
        });
    }
    let durations: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    let calls = f64::from(u32::try_from(durations.len()).unwrap());
    measured.rates.push(calls / slice_began.elapsed().as_secs_f64());
    measured.durations.extend(durations);
}

/// Makes one call and notes how long it took.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn once(measured: &mut Measured, call: impl Future<Output = ()>) {
    let begun = Instant::now();
    call.await;
    measured.durations.push(begun.elapsed());
}

impl Measured {
    /// The median of the slices, in calls a second.
    pub(crate) fn per_second(&self) -> f64 {
        median(&self.rates)
    }

    /// The median of what each slice is to the slice beside it.
    pub(crate) fn to(&self, other: &Self) -> f64 {
        let ratios: Vec<_> = self.rates.iter().zip(&other.rates).map(|(own, other)| own / other).collect();
        median(&ratios)
    }

    /// The quantile of all calls, in milliseconds.
    pub(crate) fn milliseconds(&self, percent: usize) -> f64 {
        let mut sorted = self.durations.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1_000.0
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
