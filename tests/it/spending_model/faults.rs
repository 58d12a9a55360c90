//! What happens to the entry without any call's doing.

use super::protocol::{Event, Next, Outcome};
use super::state::{At, Copies, Entry, Kind, Loss, State};

impl State {
    /// The ten minutes pass, Redis loses the key, or brings an earlier copy back: as it was when the
    /// token was made, when it was bound, or when one of the running calls had claimed it.
    pub(super) fn faults(&self, out: &mut Vec<Next>) {
        let mut push = |event, state| {
            out.push(Next { event, slot: None, outcome: Outcome::NONE, state });
        };
        if self.aged {
            return;
        }
        let gone = self.with_entry(Entry::Absent, None);
        push(Event::TenMinutesPass, Self { aged: true, ..gone });
        if self.loss == Loss::NotYet && self.entry != Entry::Absent {
            push(Event::RedisLosesTheKey, Self { loss: Loss::Gone, ..gone });
        }
        if self.copies == Copies::UsedUp {
            return;
        }
        let loss = if self.loss == Loss::Gone { Loss::Restored } else { self.loss };
        let mut restore = |entry, claimant| {
            let copy = self.with_entry(entry, claimant);
            push(Event::RedisRestoresACopy, Self { copies: Copies::UsedUp, loss, ..copy });
        };
        let bound = self.copies == Copies::OpenAndBound;
        restore(Entry::Open, None);
        if bound {
            restore(Entry::Bound, None);
        }
        for (slot, call) in self.calls.iter().enumerate() {
            if call.holds() && call.at != At::Orphaned {
                restore(Entry::Open, Some(slot));
                if bound && (call.kind == Kind::FinishBound || matches!(call.at, At::Closing(_))) {
                    restore(Entry::Bound, Some(slot));
                }
            }
        }
    }
}
