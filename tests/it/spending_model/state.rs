//! What the two stores and the callers hold at one moment, in a form small enough to enumerate.

use std::array;

/// What a call asks for; two calls of one kind send the same request, two kinds never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A create that ends in a full login.
    Create,
    /// A create whose member still owes a factor.
    CreateBound,
    /// An exchange for an organization that was there before.
    Exchange,
    /// An exchange for the organization that this token created.
    FinishBound,
    /// An exchange that records a member, owes a factor and buys nothing.
    Unfinished,
    Revoke,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Create, Self::CreateBound, Self::Exchange, Self::FinishBound, Self::Unfinished, Self::Revoke];

    /// Whether it makes an organization, for which it claims open tokens alone.
    pub(super) fn creates(self) -> bool {
        matches!(self, Self::Create | Self::CreateBound)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Answer {
    Success,
    /// The first answer again, under the same idempotency key.
    Replay,
    /// The call's own fault or the database's: a taken slug, a policy, an error before the commit.
    Refused,
    InUse,
    /// Too many attempts with the token have failed.
    Limited,
    NotFound,
    /// Bound to another organization.
    Mismatch,
    KeyReused,
    /// The outcome of the commit is unknown.
    Unavailable,
}

impl Answer {
    pub(super) const ALL: [Self; 9] = [
        Self::Success,
        Self::Replay,
        Self::Refused,
        Self::InUse,
        Self::Limited,
        Self::NotFound,
        Self::Mismatch,
        Self::KeyReused,
        Self::Unavailable,
    ];
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum At {
    Idle,
    /// About to be turned away with this answer; its idempotency record is still to be read.
    Looking(Answer),
    /// Claimed, nothing recorded.
    Holding,
    /// Its transaction holds the locks of its idempotency key and of the receipt.
    Recording,
    /// Nobody waits for its transaction any more, which may yet commit.
    Orphaned,
    /// Answered; the entry is still to be set to match.
    Closing(Effect),
    Done,
}

/// What is left to do to the entry, if the claim on it is still the call's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Effect {
    Release,
    Bind,
    Delete,
    /// A revoke's, which has no claim to lose.
    DeleteAnyway,
}

/// A call; one that is answered keeps neither kind nor key, for what it left behind is in the stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Call {
    pub(super) at: At,
    pub(super) kind: Kind,
    /// Zero for none.
    pub(super) key: u8,
    /// Whether the claim in the entry is this call's.
    pub(super) claims: bool,
}

impl Call {
    pub(super) const IDLE: Self = Self { at: At::Idle, kind: Kind::Create, key: 0, claims: false };
    pub(super) const DONE: Self = Self { at: At::Done, ..Self::IDLE };

    pub(super) fn in_transaction(self) -> bool {
        matches!(self.at, At::Recording | At::Orphaned)
    }

    pub(super) fn locks_receipt(self) -> bool {
        self.in_transaction() && self.kind != Kind::Unfinished
    }

    /// Whether it has claimed the token and may still spend it or give it back.
    pub(super) fn holds(self) -> bool {
        match self.at {
            At::Holding | At::Looking(Answer::Refused) => true,
            At::Recording | At::Orphaned => self.kind != Kind::Revoke,
            At::Closing(effect) => effect != Effect::DeleteAnyway,
            At::Idle | At::Looking(_) | At::Done => false,
        }
    }
}

/// The state of the entry in Redis; its claim is kept with the call that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Entry {
    Absent,
    Open,
    Bound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Receipt {
    None,
    Bound,
    Spent,
    Revoked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Loss {
    NotYet,
    Gone,
    Restored,
}

/// Which earlier copies of the entry a failover could bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Copies {
    Open,
    OpenAndBound,
    UsedUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) calls: [Call; 3],
    pub(super) entry: Entry,
    /// A claim whose holder is gone.
    pub(super) dead_claim: bool,
    pub(super) copies: Copies,
    pub(super) loss: Loss,
    /// The ten minutes are over.
    pub(super) aged: bool,
    pub(super) receipt: Receipt,
    /// The idempotency records, by key.
    pub(super) records: [Option<Kind>; 2],
    pub(super) organizations: u8,
    pub(super) sessions: u8,
}

impl State {
    pub(super) const START: Self = Self {
        calls: [Call::IDLE; 3],
        entry: Entry::Open,
        dead_claim: false,
        copies: Copies::Open,
        loss: Loss::NotYet,
        aged: false,
        receipt: Receipt::None,
        records: [None; 2],
        organizations: 0,
        sessions: 0,
    };

    pub(super) fn any(&self, matches: impl Fn(Call) -> bool) -> bool {
        self.calls.iter().any(|&call| matches(call))
    }

    pub(super) fn claimed(&self) -> bool {
        self.dead_claim || self.any(|call| call.claims)
    }

    /// Spent or revoked, and so rightly gone.
    pub(super) fn over(&self) -> bool {
        self.sessions > 0 || self.receipt == Receipt::Revoked
    }

    pub(super) fn uses_key(&self, key: u8) -> bool {
        self.recorded(key).is_some() || self.any(|call| call.key == key)
    }

    pub(super) fn recorded(&self, key: u8) -> Option<Kind> {
        self.records[usize::from(key.checked_sub(1)?)]
    }

    /// Whether what a call of this kind was answered still stands: the factor that was owed has not been
    /// given since, and the token that it gets back is there.
    pub(super) fn replayable(&self, kind: Kind) -> bool {
        let stands = match (kind, self.receipt) {
            (_, Receipt::Revoked) | (Kind::CreateBound | Kind::Unfinished, Receipt::Spent) => false,
            (Kind::Unfinished, Receipt::None) => self.entry != Entry::Absent,
            _ => true,
        };
        stands && !self.aged
    }

    pub(super) fn key_locked(&self, key: u8) -> bool {
        key != 0 && self.any(|call| call.in_transaction() && call.key == key)
    }

    /// The same with another entry, claimed by that call alone.
    pub(super) fn with_entry(&self, entry: Entry, claimant: Option<usize>) -> Self {
        let calls = array::from_fn(|slot| Call { claims: claimant == Some(slot), ..self.calls[slot] });
        Self { calls, entry, dead_claim: false, ..*self }
    }

    /// The same state with its calls and keys in a fixed order, without what no later step can see; and where each
    /// call stood before.
    pub(super) fn normalized(mut self) -> (Self, [usize; 3]) {
        if !self.uses_key(1) && self.uses_key(2) {
            self.records.swap(0, 1);
            for call in &mut self.calls {
                call.key = u8::from(call.key == 2);
            }
        }
        if self.aged || !self.any(|call| call.at == At::Idle) {
            self.copies = Copies::UsedUp;
        }
        if self.copies == Copies::UsedUp {
            for call in &mut self.calls {
                if matches!(call.at, At::Closing(effect) if effect != Effect::DeleteAnyway && !call.claims) {
                    *call = Call::DONE;
                }
            }
        }
        let mut order = [0, 1, 2];
        order.sort_by_key(|&slot| self.calls[slot]);
        self.calls = order.map(|slot| self.calls[slot]);
        (self, order)
    }
}
