//! Calls balanced over replicas and repeated as a service mesh does: only `UNAVAILABLE`, at another replica, a few
//! times, within a deadline.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Endpoint;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::harness::clients::{Authorization, Clients};

/// How many times a call is made in all.
const ATTEMPTS: u32 = 5;

/// Before the second attempt; twice as long before each further one. Both are Envoy's defaults.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// From when on a call is not repeated any more.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long an answer may take. Longer than anything that the service waits for.
const TOO_LATE: Duration = Duration::from_secs(20);

/// Clients of several replicas, used by turns.
#[derive(Clone, Debug)]
pub(crate) struct Balanced(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    replicas: RwLock<Vec<(SocketAddr, Clients)>>,
    turn: AtomicUsize,
    seen: Mutex<Seen>,
}

/// What came of all attempts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// How many attempts ended in which way.
    pub(crate) endings: BTreeMap<Ending, u64>,
    /// When attempts that found no service began and ended, in the order of their ends.
    pub(crate) away: Vec<(Instant, Instant)>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// With an answer.
    Answered,
    /// With a refusal of the service, by its code and reason.
    Refused(String, String),
    /// The connection could not be made, or broke: the code and the words are those of the client's library.
    Cut(String, String),
    /// With a status that is neither: the service says why it refuses, always.
    Bare(String, String),
    /// Not in time.
    Late,
}

/// Why a call has failed in the end.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) ending: Ending,
    /// When to come again.
    pub(crate) retry_after: Option<Duration>,
    /// Whether an attempt may have done what it was for, unheard.
    pub(crate) unsure: bool,
}

impl Failure {
    /// Whether the service refused with this reason.
    pub(crate) fn is(&self, reason: &str) -> bool {
        matches!(&self.ending, Ending::Refused(_, found) if found == reason)
    }
}

impl Ending {
    /// Whether the status makes a mesh try another replica. A mesh knows whether a connection broke whatever its
    /// library calls that, and says `UNAVAILABLE`.
    fn is_away(&self) -> bool {
        match self {
            Self::Refused(code, _) => *code == name(Code::Unavailable),
            Self::Cut(..) => true,
            Self::Answered | Self::Bare(..) | Self::Late => false,
        }
    }

    fn of(status: &Status) -> Self {
        let code = name(status.code());
        match status.get_error_details().error_info() {
            Some(info) => Self::Refused(code, info.reason.clone()),
            // The library keeps the error that it has made a status of.
            None if std::error::Error::source(status).is_some() => Self::Cut(code, words(status)),
            None => Self::Bare(code, status.message().to_owned()),
        }
    }
}

/// The code as it is written everywhere: `UNAVAILABLE`.
pub(crate) fn name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// What the library says, without ports, which differ from one connection to the next.
fn words(status: &Status) -> String {
    let mut words = vec![status.message().to_owned()];
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        words.push(error.to_string());
        source = error.source();
    }
    words.dedup();
    words.join(": ")
}

#[expect(clippy::disallowed_methods, reason = "what a fault costs is real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl Balanced {
    /// Clients of these replicas.
    pub(crate) fn over(replicas: &[SocketAddr]) -> Self {
        let this = Self(Arc::default());
        for replica in replicas {
            this.join(*replica);
        }
        this
    }

    /// Calls a further replica from now on.
    pub(crate) fn join(&self, replica: SocketAddr) {
        let endpoint = Endpoint::from_shared(format!("http://{replica}")).unwrap();
        let channel = endpoint.connect_timeout(Duration::from_secs(2)).connect_lazy();
        let clients = Clients::new(channel, Authorization::default());
        self.0.replicas.write().unwrap_or_else(PoisonError::into_inner).push((replica, clients));
    }

    /// Calls this replica no more.
    pub(crate) fn leave(&self, replica: SocketAddr) {
        let mut replicas = self.0.replicas.write().unwrap_or_else(PoisonError::into_inner);
        replicas.retain(|(address, _)| *address != replica);
    }

    /// What came of all attempts so far.
    pub(crate) fn seen(&self) -> Seen {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next replica; another one than before, if there is one.
    fn next(&self, before: Option<SocketAddr>) -> (SocketAddr, Clients) {
        let replicas = self.0.replicas.read().unwrap_or_else(PoisonError::into_inner);
        assert!(!replicas.is_empty(), "nobody serves");
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        let turns = (turn..turn + replicas.len()).map(|turn| &replicas[turn % replicas.len()]);
        let other = turns.clone().find(|(address, _)| Some(*address) != before);
        other.or_else(|| turns.clone().next()).cloned().unwrap()
    }

    /// Makes a call.
    ///
    /// # Errors
    /// How the last attempt ended.
    pub(crate) async fn call<T, F>(&self, call: impl Fn(Clients) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let began = now();
        let (mut before, mut pause, mut unsure) = (None, FIRST_PAUSE, false);
        for attempt in 1.. {
            let (address, clients) = self.next(before);
            let start = now();
            let answer = timeout(TOO_LATE, Box::pin(call(clients))).await;
            let end = now();
            let (ending, retry_after) = match answer {
                Ok(Ok(answer)) => {
                    self.saw(Ending::Answered, start, end);
                    return Ok(answer.into_inner());
                }
                Ok(Err(status)) => (
                    Ending::of(&status),
                    status.get_error_details().retry_info().and_then(|info| info.retry_delay),
                ),
                Err(_) => (Ending::Late, None),
            };
            self.saw(ending.clone(), start, end);
            let again = ending.is_away() && attempt < ATTEMPTS && end - began + pause < DEADLINE;
            unsure |= ending.is_away() || ending == Ending::Late;
            if !again {
                return Err(Failure { ending, retry_after, unsure });
            }
            sleep(pause).await;
            (before, pause) = (Some(address), (pause * 2).min(LONGEST_PAUSE));
        }
        unreachable!("the last attempt returns")
    }

    fn saw(&self, ending: Ending, start: Instant, end: Instant) {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if ending.is_away() || ending == Ending::Late {
            seen.away.push((start, end));
        }
        *seen.endings.entry(ending).or_default() += 1;
    }
}
