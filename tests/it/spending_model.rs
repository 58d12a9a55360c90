//! How a token is spent, as a small state model explored exhaustively.
//!
//! One token; up to three calls of any kind, under two idempotency keys or none (a retry is a second
//! call of the same kind and key, at any time after the first or beside it); holders that die
//! anywhere, leases that lapse under a running holder, commits of unknown outcome, refusals because too
//! many attempts have failed, Redis losing the key once and bringing an earlier copy back once, the ten
//! minutes passing at any moment.
//!
//! The whole protocol is the reading of the design that keeps every promise. A call with an
//! idempotency key reads its own record before *any* refusal, and waits for the transaction that is
//! writing it. An exchange that buys nothing reads the receipt all the same. A conflict on the
//! receipt's key is judged by the receipt, whatever the entry says: an exchange claims bound entries
//! like open ones, and learns from the receipt where the token may go. Finishing a bound login requires
//! that it has bought no session and is not revoked. Each other [`Protocol`] leaves one such thing out.
//!
//! Not promised: a holder that stalls between claim and transaction, past its lease or past the loss
//! of the key, can commit after its own retry was refused. The token is still spent only once, and
//! the next retry gets the answer.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use self::protocol::{Event, Next, Outcome, Protocol};
use self::state::{Answer, Kind, State};

mod faults;
mod properties;
mod protocol;
mod state;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Property {
    /// One token buys at most one organization and one session, in that organization if there is one.
    S1,
    /// A call that bought nothing leaves the token as it was.
    S2,
    /// A success is in Postgres before it is answered.
    S3,
    /// A dead holder's claim does not outlive its lease.
    S4,
    /// A retry gets its own first answer, nobody else's, and writes nothing.
    S6,
    /// Whoever loses is told the truth: no `NOT_FOUND` for a token that lives.
    Losers,
    /// Nothing is written for a token that is revoked or spent.
    Revived,
}

/// The standard hasher takes most of a debug build's time here.
#[derive(Debug, Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u8(byte);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.0 = (self.0 ^ u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(5);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u8(value.to_le_bytes()[0]);
    }
}

struct Explored {
    states: usize,
    answers: BTreeSet<(Kind, Answer)>,
    /// The shortest way to each property that breaks.
    broken: BTreeMap<Property, Vec<String>>,
}

/// How a state was first reached: the last step, the places of the calls before they were put in
/// order, and the index of the node before.
struct Node {
    reached: Next,
    order: [usize; 3],
    parent: usize,
}

/// Breadth first, as far as it goes or until that property is seen to break.
fn explore(protocol: Protocol, until: Option<Property>) -> Explored {
    let (state, order) = State::START.normalized();
    let reached = Next { event: Event::TheTokenIsMade, slot: None, outcome: Outcome::NONE, state };
    let mut nodes = vec![Node { reached, order, parent: 0 }];
    let mut seen: HashSet<State, BuildHasherDefault<Mixer>> = HashSet::default();
    seen.insert(state);
    let mut answers = BTreeSet::new();
    let mut broken = BTreeMap::new();
    let mut successors = Vec::new();
    let mut at = 0;
    while at < nodes.len() && until.is_none_or(|property| !broken.contains_key(&property)) {
        nodes[at].reached.state.successors(protocol, &mut successors);
        for &next in &successors {
            answers.extend(next.outcome.answered);
            let (state, order) = next.state.normalized();
            let node = Node { reached: Next { state, ..next }, order, parent: at };
            let fresh = next.outcome.broken.is_none() && seen.insert(state);
            let property = if fresh { state.broken(protocol) } else { next.outcome.broken };
            if let Some(property) = property {
                broken.entry(property).or_insert_with(|| trace(&nodes, &node));
            } else if fresh {
                nodes.push(node);
            }
        }
        at += 1;
    }
    Explored { states: nodes.len(), answers, broken }
}

/// The steps from the start to `end`, with the calls named in the order in which they start.
fn trace(nodes: &[Node], end: &Node) -> Vec<String> {
    let mut path = vec![end];
    let mut at = end.parent;
    while at != 0 {
        path.push(&nodes[at]);
        at = nodes[at].parent;
    }
    let mut names = ["-"; 3];
    let mut unused = ["A", "B", "C"].into_iter();
    let mut lines = Vec::new();
    for Node { reached, order, .. } in path.into_iter().rev() {
        if let (Event::Starts(..) | Event::TakesOver(..) | Event::IsLimited(..), Some(slot)) =
            (reached.event, reached.slot)
        {
            names[slot] = unused.next().unwrap_or("?");
        }
        lines.push(line(reached, reached.slot.map_or("-", |slot| names[slot])));
        names = order.map(|slot| names[slot]);
    }
    lines
}

fn line(reached: &Next, name: &str) -> String {
    let Next { event, outcome, state, .. } = reached;
    let State { entry, receipt, .. } = state;
    let answer = outcome.answered.map(|(_, answer)| format!(", answers {answer:?}")).unwrap_or_default();
    format!("{name} {event:?}{answer}; entry {entry:?}, receipt {receipt:?}")
}

#[test]
fn the_whole_protocol_keeps_its_promises_and_gives_every_answer() {
    let explored = explore(Protocol::Whole, None);
    assert!(explored.broken.is_empty(), "{:#?}", explored.broken);
    assert!(explored.states > 200_000, "only {} states", explored.states);
    let possible = |&(kind, answer): &(Kind, Answer)| match kind {
        Kind::Create | Kind::CreateBound | Kind::Exchange | Kind::Unfinished => true,
        Kind::FinishBound => answer != Answer::Mismatch,
        Kind::Revoke => {
            !matches!(answer, Answer::Replay | Answer::Limited | Answer::Mismatch | Answer::KeyReused)
        }
    };
    let all = Kind::ALL.into_iter().flat_map(|kind| Answer::ALL.map(|answer| (kind, answer)));
    assert_eq!(explored.answers, all.filter(possible).collect());
}

#[test]
fn each_broken_version_is_caught() {
    for (protocol, property) in [
        (Protocol::WithoutReceipt, Property::S1),
        (Protocol::WithoutLease, Property::S4),
        (Protocol::PlainGetDel, Property::S2),
        (Protocol::RefusesBeforeOwnRecord, Property::S6),
        (Protocol::LimitsBeforeOwnRecord, Property::S6),
        (Protocol::ReadsPastTheTwin, Property::S6),
        (Protocol::ReplaysByToken, Property::S6),
        (Protocol::ConflictMeansSpent, Property::Losers),
        (Protocol::FinishIgnoresRevocation, Property::Revived),
        (Protocol::FinishIgnoresSession, Property::S1),
        (Protocol::ExchangeTrustsTheEntry, Property::S1),
        (Protocol::ExchangeWithoutReceipt, Property::S1),
        (Protocol::UnfinishedIgnoresReceipt, Property::Revived),
    ] {
        let explored = explore(protocol, Some(property));
        let caught = explored.broken.contains_key(&property);
        assert!(caught, "{protocol:?} keeps {property:?} in {} states", explored.states);
    }
}
