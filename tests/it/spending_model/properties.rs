//! What must hold in every state, and of every answer at the moment it is settled.

use super::Property;
use super::protocol::Protocol;
use super::state::{Answer, At, Call, Entry, Kind, Loss, Receipt, State};

impl State {
    /// The property that this state breaks.
    pub(super) fn broken(&self, protocol: Protocol) -> Option<Property> {
        if self.organizations > 1 || self.sessions > 1 {
            return Some(Property::S1);
        }
        let lost = self.loss == Loss::Gone || self.aged;
        let vanished = self.entry == Entry::Absent && !lost && !self.over() && !self.any(Call::holds);
        if vanished || (self.entry == Entry::Bound && self.organizations == 0) {
            return Some(Property::S2);
        }
        (self.dead_claim && !self.over() && self.stays_blocked(protocol)).then_some(Property::S4)
    }

    /// Whether a dead holder's claim keeps a newcomer out even when its lease and its transaction are over.
    fn stays_blocked(&self, protocol: Protocol) -> bool {
        let kind = if self.organizations == 0 { Kind::Create } else { Kind::FinishBound };
        let newcomer = Call { kind, ..Call::IDLE };
        let mut later = Self {
            calls: [newcomer, Call::DONE, Call::DONE],
            dead_claim: protocol == Protocol::WithoutLease,
            ..*self
        };
        later.claims(protocol, 0);
        if later.calls[0].at == At::Holding {
            later.records(protocol, 0);
        }
        later.calls[0].at != At::Recording
    }

    /// The property that this answer breaks.
    pub(super) fn belied(&self, slot: usize, answer: Answer) -> Option<Property> {
        let Call { kind, key, .. } = self.calls[slot];
        let recorded = self.recorded(key);
        let broken = |holds: bool, property| (!holds).then_some(property);
        let untrue = match answer {
            Answer::Unavailable => return None,
            Answer::Replay if recorded != Some(kind) => return Some(Property::S6),
            Answer::Success | Answer::Replay => return broken(self.bought(slot), Property::S3),
            Answer::NotFound => !self.over() && !self.aged && self.loss == Loss::NotYet,
            Answer::Mismatch => self.organizations == 0,
            Answer::KeyReused => recorded.is_none() || recorded == Some(kind),
            Answer::Refused | Answer::InUse | Answer::Limited => false,
        };
        let forgets = recorded == Some(kind) && self.replayable(kind);
        let twin = |call: Call| call.in_transaction() && call.kind == kind && call.key == key;
        let elsewhere = |other: usize| other != slot && twin(self.calls[other]);
        let overtakes = key != 0 && answer != Answer::InUse && (0..self.calls.len()).any(elsewhere);
        broken(!forgets && !overtakes, Property::S6).or(broken(!untrue, Property::Losers))
    }

    /// Whether Postgres has what a success says.
    fn bought(&self, slot: usize) -> bool {
        let Call { kind, key, .. } = self.calls[slot];
        let receipt = match kind {
            Kind::Create | Kind::Exchange | Kind::FinishBound => {
                self.receipt == Receipt::Spent && self.sessions > 0
            }
            Kind::CreateBound => self.receipt != Receipt::None && self.organizations > 0,
            Kind::Unfinished => true,
            Kind::Revoke => self.receipt == Receipt::Revoked,
        };
        receipt && (key == 0 || self.recorded(key) == Some(kind))
    }
}
