//! One kind of call on two servers.

use std::time::{Duration, Instant};

use crate::calls::Case;
use crate::server::Server;

/// Calls before the clock starts: statements are prepared, pages are in memory.
const WARM_UP: usize = 40;

/// Calls that are measured on each server, at most.
const CALLS: usize = 400;

/// How long one kind of call is measured at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// What calls on one server took, and found.
#[derive(Default)]
struct Measured {
    durations: Vec<Duration>,
    failed: usize,
    /// Matches of all calls together; `None` once a call could not tell.
    matches: Option<i64>,
}

impl Measured {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    async fn call(&mut self, case: &Case, server: &Server, number: usize) {
        let begun = Instant::now();
        let outcome = case.call(server, number).await;
        self.durations.push(begun.elapsed());
        match outcome {
            Ok(Some(total)) if total >= 0 => {
                self.matches = Some(self.matches.unwrap_or(0) + i64::from(total));
            }
            Ok(_) => {}
            Err(_) => self.failed += 1,
        }
    }

    /// The quantile, in milliseconds.
    fn milliseconds(&self, percent: usize) -> f64 {
        self.durations[(self.durations.len() - 1) * percent / 100].as_secs_f64() * 1_000.0
    }

    /// How many rows a call has matched on average.
    fn matches(&self) -> String {
        let calls = i64::try_from(self.durations.len()).unwrap();
        let found = self.matches.map_or_else(|| "many".to_owned(), |matches| (matches / calls).to_string());
        if self.failed > 0 { format!("{found} ({} failed)", self.failed) } else { found }
    }
}

/// Measures a kind of call on both, and tells the line of the table.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn compare(case: Case, small: &Server, large: &Server) -> String {
    let searches = matches!(case.call(small, 0).await, Ok(Some(_)));
    for number in 1..WARM_UP {
        for server in [small, large] {
            // What fails is told when it is measured.
            drop(case.call(server, number).await);
        }
    }
    let (mut on_small, mut on_large) = (Measured::default(), Measured::default());
    let begun = Instant::now();
    for number in WARM_UP..WARM_UP + CALLS {
        if begun.elapsed() > PATIENCE {
            break;
        }
        // Each goes first in turn.
        if number.is_multiple_of(2) {
            on_small.call(&case, small, number).await;
            on_large.call(&case, large, number).await;
        } else {
            on_large.call(&case, large, number).await;
            on_small.call(&case, small, number).await;
        }
    }
    on_small.durations.sort_unstable();
    on_large.durations.sort_unstable();
    let ratio = on_large.milliseconds(50) / on_small.milliseconds(50);
    let matches =
        if searches { format!("{} / {}", on_small.matches(), on_large.matches()) } else { String::new() };
    let aim = case.aim.map_or_else(String::new, |aim| format!("{aim:.1}"));
    let over = if case.aim.is_some_and(|aim| ratio > aim) { "over" } else { "" };
    format!(
        "| {} | {matches} | {:.2} | {:.2} | {:.2} | {:.2} | {ratio:.2} | {aim} | {over} |",
        case.name,
        on_small.milliseconds(50),
        on_small.milliseconds(99),
        on_large.milliseconds(50),
        on_large.milliseconds(99),
    )
}
