use std::sync::atomic::Ordering;

use super::{Slot, Slots};
use crate::telemetry::metrics::Metrics;

fn authenticate(slot: &Slot) {
    slot.authenticated.store(true, Ordering::Relaxed);
}

#[test]
fn the_oldest_stranger_goes() {
    let slots = Slots::new("grpc", 3, Metrics::unread());
    let [known, old, young] = [(); 3].map(|()| slots.take().unwrap());
    authenticate(&known);
    let newcomer = slots.take().unwrap();
    assert!(old.evicted.is_cancelled());
    assert!(![&known, &young, &newcomer].iter().any(|slot| slot.evicted.is_cancelled()));
    // Whoever lost a place frees none by going.
    drop(old);
    let _next = slots.take().unwrap();
    assert!(young.evicted.is_cancelled() && !newcomer.evicted.is_cancelled());
}

#[test]
fn who_has_authenticated_keeps_the_place() {
    let slots = Slots::new("grpc", 2, Metrics::unread());
    let [one, other] = [(); 2].map(|()| slots.take().unwrap());
    authenticate(&one);
    authenticate(&other);
    assert!(slots.take().is_none());
    assert!(slots.take().is_none());
    drop(one);
    let stranger = slots.take().unwrap();
    let newcomer = slots.take().unwrap();
    assert!(stranger.evicted.is_cancelled() && !newcomer.evicted.is_cancelled());
    assert!(!other.evicted.is_cancelled());
    drop((other, stranger, newcomer));
    let taken = slots.taken();
    assert!(taken.strangers.is_empty() && taken.known.is_empty());
}
