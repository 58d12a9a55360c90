//! The steps that a call or a fault can take. One step is one atomic thing: one Redis script, one Postgres commit.
//!
//! What would add states without adding an interleaving is left out. A lost answer looks like an answer that nobody
//! acted upon. A call answers when its answer is settled, so that its last word to Redis may come late or never; that
//! covers a process killed at that point. A lease is seen to have lapsed only by the script that takes over.

use super::Property;
use super::state::{Answer, At, Call, Copies, Effect, Entry, Kind, Receipt, State};

/// The protocol, and the ways of getting it wrong that the checker must notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Whole,
    WithoutReceipt,
    WithoutLease,
    PlainGetDel,
    /// The rules refuse a call without a look at its own idempotency record.
    RefusesBeforeOwnRecord,
    /// A call whose token rests after failures is refused without a look at its own idempotency record.
    LimitsBeforeOwnRecord,
    /// The idempotency record is read without waiting for the transaction that is writing it.
    ReadsPastTheTwin,
    /// A second call for the same thing gets the first's answer, whatever its key.
    ReplaysByToken,
    /// Any conflict on the receipt's key means spent, unless the entry already says bound.
    ConflictMeansSpent,
    /// The update that finishes a bound login looks at the session alone.
    FinishIgnoresRevocation,
    /// The update that finishes a bound login looks at the revocation alone.
    FinishIgnoresSession,
    /// An exchange believes the entry when it says that the token is open, whatever the receipt says.
    ExchangeTrustsTheEntry,
    /// An exchange of an open token writes no receipt.
    ExchangeWithoutReceipt,
    /// An exchange that buys nothing does not look at the receipt.
    UnfinishedIgnoresReceipt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    TheTokenIsMade,
    Starts(Kind, u8),
    /// The claim that it finds has lapsed.
    TakesOver(Kind, u8),
    /// Attempts that failed have emptied the bucket of the entry, which may be claimed still by a holder whose
    /// lease has lapsed.
    IsLimited(Kind, u8),
    ReadsItsRecord,
    IsRefusedByTheRules,
    Records,
    TimesOutOnALock,
    Commits,
    RollsBack,
    LosesTheConnectionInTheCommit,
    SetsTheEntry,
    NeverSetsTheEntry,
    Dies,
    TenMinutesPass,
    RedisLosesTheKey,
    RedisRestoresACopy,
}

/// What a step shows to the outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) answered: Option<(Kind, Answer)>,
    pub(super) broken: Option<Property>,
}

impl Outcome {
    pub(super) const NONE: Self = Self { answered: None, broken: None };
}

/// One thing that happens, to the call in `slot` if it happens to a call, and the state after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    pub(super) event: Event,
    pub(super) slot: Option<usize>,
    pub(super) outcome: Outcome,
    pub(super) state: State,
}

impl State {
    /// Everything that can happen next.
    pub(super) fn successors(&self, protocol: Protocol, out: &mut Vec<Next>) {
        out.clear();
        for slot in 0..self.calls.len() {
            self.moves(protocol, slot, out);
        }
        if let Some(slot) = self.calls.iter().position(|call| call.at == At::Idle) {
            self.starts(protocol, slot, out);
            self.faults(out);
        }
    }

    fn step(&self, event: Event, slot: usize, act: impl FnOnce(&mut Self) -> Outcome) -> Next {
        let mut state = *self;
        let outcome = act(&mut state);
        Next { event, slot: Some(slot), outcome, state }
    }

    fn starts(&self, protocol: Protocol, slot: usize, out: &mut Vec<Next>) {
        let last_key = if self.uses_key(1) { 2 } else { 1 };
        for kind in Kind::ALL {
            if kind == Kind::FinishBound && self.organizations == 0 {
                continue;
            }
            if kind == Kind::Revoke {
                out.push(self.step(Event::Starts(kind, 0), slot, |state| state.revokes(slot)));
                continue;
            }
            for key in 0..=last_key {
                let call = Call { kind, key, ..Call::IDLE };
                out.push(self.step(Event::Starts(kind, key), slot, |state| {
                    state.calls[slot] = call;
                    state.claims(protocol, slot)
                }));
                if self.entry == Entry::Open || self.entry == Entry::Bound && !kind.creates() {
                    out.push(self.step(Event::IsLimited(kind, key), slot, |state| {
                        state.calls[slot] = call;
                        if protocol == Protocol::LimitsBeforeOwnRecord {
                            return state.settles(slot, Answer::Limited);
                        }
                        state.turns_away(slot, Answer::Limited)
                    }));
                }
                if self.entry == Entry::Absent || !self.claimed() || protocol == Protocol::WithoutLease {
                    continue;
                }
                out.push(self.step(Event::TakesOver(kind, key), slot, |state| {
                    state.calls[slot] = call;
                    if state.entry == Entry::Bound && kind.creates() {
                        // The claim is left where it is.
                        return state.turns_away(slot, state.bound_refusal());
                    }
                    *state = state.with_entry(state.entry, None);
                    state.calls[slot] = call;
                    state.claims(protocol, slot)
                }));
            }
        }
    }

    fn moves(&self, protocol: Protocol, slot: usize, out: &mut Vec<Next>) {
        let Call { at, kind, key, .. } = self.calls[slot];
        let mut push = |event, act: &dyn Fn(&mut Self) -> Outcome| out.push(self.step(event, slot, act));
        match at {
            At::Idle | At::Done => {}
            At::Looking(_) if self.key_locked(key) && protocol != Protocol::ReadsPastTheTwin => {
                push(Event::TimesOutOnALock, &|state| state.settles(slot, Answer::InUse));
            }
            At::Looking(answer) => push(Event::ReadsItsRecord, &|state| {
                state.settles(slot, state.own_record(slot).unwrap_or(answer))
            }),
            At::Holding => {
                push(Event::IsRefusedByTheRules, &|state| {
                    if key == 0 || protocol == Protocol::RefusesBeforeOwnRecord {
                        return state.settles(slot, Answer::Refused);
                    }
                    state.goes(slot, At::Looking(Answer::Refused))
                });
                push(Event::Records, &|state| state.records(protocol, slot));
            }
            At::Recording => {
                push(Event::Commits, &|state| {
                    let broken = state.commits(protocol, slot);
                    let outcome = state.settles(slot, Answer::Success);
                    Outcome { broken: broken.or(outcome.broken), ..outcome }
                });
                push(Event::RollsBack, &|state| state.settles(slot, Answer::Refused));
                push(Event::LosesTheConnectionInTheCommit, &|state| {
                    state.abandons_claim(slot);
                    let answered = Some((kind, Answer::Unavailable));
                    Outcome { answered, ..state.goes(slot, At::Orphaned) }
                });
            }
            At::Orphaned => {
                push(Event::Commits, &|state| {
                    let broken = state.commits(protocol, slot);
                    Outcome { broken, ..state.ends(slot) }
                });
                push(Event::RollsBack, &|state| state.ends(slot));
            }
            At::Closing(effect) => {
                push(Event::SetsTheEntry, &|state| state.matches(slot, effect));
                push(Event::NeverSetsTheEntry, &|state| state.ends(slot));
            }
        }
        if matches!(at, At::Holding | At::Looking(Answer::Refused)) {
            push(Event::Dies, &|state| state.ends(slot));
        }
    }

    /// Step 1: the script, whose refusals wait for a look at the call's own idempotency record.
    pub(super) fn claims(&mut self, protocol: Protocol, slot: usize) -> Outcome {
        let refusal = match self.entry {
            Entry::Absent => Answer::NotFound,
            Entry::Open | Entry::Bound if self.claimed() => Answer::InUse,
            // An exchange claims it all the same: the receipt says where it may go.
            Entry::Bound if self.calls[slot].kind.creates() => self.bound_refusal(),
            Entry::Open | Entry::Bound => {
                *self = if protocol == Protocol::PlainGetDel {
                    self.with_entry(Entry::Absent, None)
                } else {
                    self.with_entry(self.entry, Some(slot))
                };
                return self.goes(slot, At::Holding);
            }
        };
        self.turns_away(slot, refusal)
    }

    /// What is said to a create that finds a bound entry, which may be a stale copy.
    fn bound_refusal(&self) -> Answer {
        match self.receipt {
            Receipt::Spent | Receipt::Revoked => Answer::NotFound,
            Receipt::None | Receipt::Bound => Answer::Mismatch,
        }
    }

    fn turns_away(&mut self, slot: usize, refusal: Answer) -> Outcome {
        if self.calls[slot].key == 0 {
            return self.settles(slot, refusal);
        }
        self.goes(slot, At::Looking(refusal))
    }

    fn own_record(&self, slot: usize) -> Option<Answer> {
        let Call { kind, key, .. } = self.calls[slot];
        let record = self.recorded(key)?;
        Some(if record != kind {
            Answer::KeyReused
        } else if self.replayable(kind) {
            Answer::Replay
        } else {
            Answer::NotFound
        })
    }

    /// Step 3 up to the commit: the chain of the idempotency record, the receipt, and what hangs on it.
    pub(super) fn records(&mut self, protocol: Protocol, slot: usize) -> Outcome {
        let Call { kind, key, .. } = self.calls[slot];
        if self.key_locked(key) {
            return self.settles(slot, Answer::InUse);
        }
        if let Some(answer) = self.own_record(slot) {
            return self.settles(slot, answer);
        }
        let unfinished = kind == Kind::Unfinished;
        let skips = protocol == Protocol::UnfinishedIgnoresReceipt && unfinished
            || protocol == Protocol::ExchangeWithoutReceipt && kind == Kind::Exchange;
        if protocol != Protocol::WithoutReceipt && !skips {
            if !unfinished && self.any(Call::locks_receipt) {
                return self.settles(slot, Answer::InUse);
            }
            if let Some(answer) = self.judged(protocol, kind) {
                return self.settles(slot, answer);
            }
        }
        let revived = unfinished && matches!(self.receipt, Receipt::Spent | Receipt::Revoked);
        let broken = revived.then_some(Property::Revived);
        Outcome { broken, ..self.goes(slot, At::Recording) }
    }

    /// What the receipt says to a call; nothing if it may go on.
    fn judged(&self, protocol: Protocol, kind: Kind) -> Option<Answer> {
        let finishes = kind == Kind::FinishBound && self.organizations > 0;
        let trusts_the_entry = protocol == Protocol::ConflictMeansSpent && self.entry == Entry::Open;
        let misled = protocol == Protocol::ExchangeTrustsTheEntry
            && kind == Kind::Exchange
            && self.entry == Entry::Open;
        match self.receipt {
            Receipt::None => None,
            _ if misled => None,
            Receipt::Bound if trusts_the_entry => Some(Answer::NotFound),
            Receipt::Bound => (!finishes).then_some(Answer::Mismatch),
            Receipt::Spent if protocol == Protocol::ReplaysByToken => Some(Answer::Replay),
            Receipt::Revoked if protocol == Protocol::FinishIgnoresRevocation && finishes => None,
            Receipt::Spent if protocol == Protocol::FinishIgnoresSession && finishes => None,
            Receipt::Spent | Receipt::Revoked => Some(Answer::NotFound),
        }
    }

    fn revokes(&mut self, slot: usize) -> Outcome {
        self.calls[slot].kind = Kind::Revoke;
        if self.any(Call::locks_receipt) {
            return self.settles(slot, Answer::InUse);
        }
        match self.receipt {
            Receipt::None | Receipt::Bound => self.goes(slot, At::Recording),
            Receipt::Spent | Receipt::Revoked => self.settles(slot, Answer::NotFound),
        }
    }

    fn commits(&mut self, protocol: Protocol, slot: usize) -> Option<Property> {
        let Call { kind, key, .. } = self.calls[slot];
        let mut broken = None;
        if key != 0 && self.records[usize::from(key) - 1].replace(kind).is_some() {
            broken = Some(Property::S6);
        }
        if self.receipt == Receipt::Revoked && !matches!(kind, Kind::Revoke | Kind::Unfinished) {
            broken = Some(Property::Revived);
        }
        if kind == Kind::Exchange && self.organizations > 0 {
            broken = Some(Property::S1);
        }
        self.organizations += u8::from(matches!(kind, Kind::Create | Kind::CreateBound));
        self.sessions += u8::from(matches!(kind, Kind::Create | Kind::Exchange | Kind::FinishBound));
        self.receipt = match kind {
            Kind::Exchange if protocol == Protocol::ExchangeWithoutReceipt => self.receipt,
            Kind::Create | Kind::Exchange | Kind::FinishBound => Receipt::Spent,
            Kind::CreateBound => Receipt::Bound,
            Kind::Unfinished => self.receipt,
            Kind::Revoke => Receipt::Revoked,
        };
        broken
    }

    /// The answer is given; the entry is set to match if the claim on it is the call's own.
    fn settles(&mut self, slot: usize, answer: Answer) -> Outcome {
        let broken = self.belied(slot, answer);
        let Call { kind, claims, .. } = self.calls[slot];
        let by_receipt = match self.receipt {
            Receipt::None => Effect::Release,
            Receipt::Bound => Effect::Bind,
            Receipt::Spent | Receipt::Revoked => Effect::Delete,
        };
        let effect = match (kind, answer) {
            (Kind::Revoke, Answer::Success | Answer::NotFound) => Effect::DeleteAnyway,
            (Kind::Exchange | Kind::FinishBound, Answer::Success) => Effect::Delete,
            (_, Answer::Success | Answer::Replay) => by_receipt,
            (_, Answer::NotFound | Answer::Mismatch) if kind.creates() => by_receipt,
            // An exchange that is refused gives the entry back as it was, be it stale.
            _ => Effect::Release,
        };
        self.calls[slot] = if claims || effect == Effect::DeleteAnyway {
            Call { at: At::Closing(effect), claims, ..Call::IDLE }
        } else {
            Call::DONE
        };
        Outcome { answered: Some((kind, answer)), broken }
    }

    /// Steps 4 and 5.
    fn matches(&mut self, slot: usize, effect: Effect) -> Outcome {
        if self.calls[slot].claims || effect == Effect::DeleteAnyway {
            let entry = match effect {
                Effect::Release => self.entry,
                Effect::Bind => Entry::Bound,
                Effect::Delete | Effect::DeleteAnyway => Entry::Absent,
            };
            if entry == Entry::Bound && self.copies == Copies::Open {
                self.copies = Copies::OpenAndBound;
            }
            *self = self.with_entry(entry, None);
        }
        self.ends(slot)
    }

    fn goes(&mut self, slot: usize, at: At) -> Outcome {
        self.calls[slot].at = at;
        Outcome::NONE
    }

    fn ends(&mut self, slot: usize) -> Outcome {
        self.abandons_claim(slot);
        self.calls[slot] = Call::DONE;
        Outcome::NONE
    }

    fn abandons_claim(&mut self, slot: usize) {
        self.dead_claim |= self.calls[slot].claims;
        self.calls[slot].claims = false;
    }
}
