//! The numbers of a storm, in a line that the documentation can quote.

use std::fmt::{self, Display};
use std::time::Duration;

use tokio::time::Instant;

use super::balanced::Ending;
use super::ledger::{Call, Ledger, Life, Outcome};

/// What tonic says of calls that it still had when a server told it to go (GOAWAY, RFC 9113, 6.8): they were not
/// sent, or the server has said that it did not look at them.
const NEVER_SENT: [&str; 2] =
    ["operation was canceled: connection closed", "connection error received: not a result of an error"];

/// What a storm has cost, and how much it has tried.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// Attempts of clients to spend a token.
    pub(crate) spends: usize,
    /// Of these, as many were under way at the same time as another of their token.
    pub(crate) at_once: usize,
    /// Tokens that these were made with.
    pub(crate) tokens: usize,
    /// Tokens with several of them under way at once.
    pub(crate) raced: usize,
    /// Sessions that stand.
    pub(crate) sessions: usize,
    /// Of these, as many were checked by their tokens and JWTs.
    pub(crate) sessions_used: usize,
    /// Things that were bought, and nobody heard: calls without a key whose answer was lost.
    pub(crate) unheard: usize,
    /// Logins that were acknowledged and do not stand.
    pub(crate) lost_acknowledged: usize,
    /// Tokens that were lost before they bought anything.
    pub(crate) lost_tokens: usize,
    /// Calls that failed after a mesh's retries.
    pub(crate) failed_calls: usize,
    /// Attempts that found no service.
    pub(crate) failed_attempts: usize,
    /// How often something was broken.
    pub(crate) faults: usize,
    /// From the first attempt that found no service to the end of the last: the worst of all faults.
    pub(crate) failing: Duration,
    /// The longest time without a call that worked, from a fault on.
    pub(crate) nothing_works: Duration,
    /// Of calls that made something: before the first fault, while a fault made calls fail, and after the last.
    pub(crate) latency: [Latency; 3],
    /// How attempts ended.
    pub(crate) endings: Vec<(Ending, u64)>,
}

/// How long calls take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latency {
    pub(crate) calls: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Latency {
    fn of<'a>(calls: impl Iterator<Item = &'a Call>) -> Self {
        let mut took: Vec<Duration> = calls.map(|call| call.ended - call.began).collect();
        took.sort_unstable();
        let part = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
        Self { calls: took.len(), p50: part(50), p99: part(99) }
    }
}

impl Report {
    pub(super) fn of(ledger: &Ledger) -> Self {
        let seen = ledger.clients.seen();
        // Each fault, until the next.
        let windows: Vec<(Instant, Option<Instant>)> = ledger
            .faults
            .iter()
            .enumerate()
            .map(|(number, fault)| (*fault, ledger.faults.get(number + 1).copied()))
            .collect();
        let within =
            |at: Instant, (from, to): (Instant, Option<Instant>)| at >= from && to.is_none_or(|to| at < to);
        let away: Vec<(Instant, Instant)> = windows
            .iter()
            .map(|window| {
                let away = seen.away.iter().filter(|(_, end)| within(*end, *window));
                let from = away.clone().map(|(start, _)| *start).min().unwrap_or(window.0);
                let to = away.map(|(_, end)| *end).max().unwrap_or(window.0);
                (from.max(window.0), to)
            })
            .collect();
        let done = || ledger.calls.iter().filter(|call| call.outcome == Outcome::Done);
        let before = done().filter(|call| windows.first().is_none_or(|(fault, _)| call.ended < *fault));
        let during = done().filter(|call| {
            let mut broken = windows.iter().zip(&away);
            broken.any(|((fault, _), (_, to))| call.began < *to && call.ended >= *fault)
        });
        let after = done().filter(|call| away.last().is_some_and(|(_, to)| call.began >= *to));
        let mut worked: Vec<Instant> = done().map(|call| call.ended).collect();
        worked.sort_unstable();
        let pauses =
            worked.windows(2).filter(|pair| ledger.faults.first().is_some_and(|fault| pair[1] >= *fault));
        Self {
            spends: ledger.lives.iter().map(|life| life.spends.len()).sum(),
            at_once: ledger.lives.iter().map(Life::at_once).sum(),
            tokens: ledger.lives.len(),
            raced: ledger.lives.iter().filter(|life| life.raced()).count(),
            sessions: 0,
            sessions_used: 0,
            unheard: 0,
            lost_acknowledged: 0,
            lost_tokens: 0,
            failed_calls: ledger.calls.iter().filter(|call| call.outcome == Outcome::Failed).count(),
            failed_attempts: seen.away.len(),
            faults: ledger.faults.len(),
            failing: away.iter().map(|(from, to)| *to - *from).max().unwrap_or_default(),
            nothing_works: pauses.map(|pair| pair[1] - pair[0]).max().unwrap_or_default(),
            latency: [Latency::of(before), Latency::of(during), Latency::of(after)],
            endings: seen.endings.into_iter().collect(),
        }
    }

    /// How many attempts were refused with this reason.
    pub(crate) fn refused(&self, reason: &str) -> u64 {
        let with = |ending: &Ending| matches!(ending, Ending::Refused(_, found) if found == reason);
        self.endings.iter().filter(|(ending, _)| with(ending)).map(|(_, count)| count).sum()
    }

    /// Whether no call was lost with a connection: those that failed were not at the server yet, which any client
    /// may repeat, or have an answer of it.
    pub(crate) fn says_that_it_ends(&self) -> bool {
        let never_sent = |words: &str| NEVER_SENT.iter().any(|known| words.contains(known));
        self.endings.iter().all(|(ending, _)| match ending {
            Ending::Cut(code, words) => code == "UNAVAILABLE" || never_sent(words),
            _ => true,
        })
    }

    /// Tells it to whoever runs the tests with `--nocapture`, and panics where logins are far slower after the
    /// last fault than before the first, by more than a machine that does other things at the same time explains.
    #[track_caller]
    #[expect(clippy::print_stderr, reason = "for the documentation")]
    pub(crate) fn tell(&self, fault: &str) {
        eprintln!("storm: {fault}: {self}");
        eprintln!("storm: {fault}: endings {:?}", self.endings);
        let [before, _, after] = self.latency;
        assert!(after.calls > 0, "nothing was done after the fault: {self}");
        let most = before.p50 * 3 + Duration::from_secs(1);
        assert!(after.p50 <= most, "logins are slower than before: {self}");
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spends, at_once, tokens, raced, sessions, sessions_used, unheard, faults, .. } = self;
        let Self { lost_acknowledged, lost_tokens, failed_calls, failed_attempts, failing, .. } = self;
        write!(
            out,
            "{faults} faults, {spends} spends ({at_once} raced) of {tokens} tokens ({raced} raced for), "
        )?;
        write!(out, "{sessions} sessions stand, {sessions_used} used, {unheard} unheard, ")?;
        write!(out, "{lost_acknowledged} acknowledged lost, {lost_tokens} tokens lost, ")?;
        write!(out, "{failed_calls} calls failed, {failed_attempts} attempts before retries, ")?;
        write!(out, "failing for {:.1} s at most, ", failing.as_secs_f64())?;
        write!(out, "nothing worked for {:.1} s at most", self.nothing_works.as_secs_f64())?;
        for (phase, Latency { calls, p50, p99 }) in ["before", "during", "after"].iter().zip(self.latency) {
            write!(out, ", {phase}: {calls} calls, p50 {} ms, p99 {} ms", p50.as_millis(), p99.as_millis())?;
        }
        Ok(())
    }
}
