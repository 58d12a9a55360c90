use time::macros::datetime;
use uuid::Uuid;

use super::*;

const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
const DAY: Duration = Duration::from_hours(24);
const SECOND: Duration = Duration::from_secs(1);

const ROTATION: Rotation =
    Rotation { algorithm: JwtAlgorithm::Es256, period: Duration::from_hours(24 * 180), overlap: DAY };
const OTHER: Rotation = Rotation { algorithm: JwtAlgorithm::Rs256, ..ROTATION };

fn made(keys: &[KeyLife], due: DueKey, created_at: OffsetDateTime) -> KeyLife {
    let DueKey { algorithm, generation, signs_from } = due;
    let id = KeyId::new(Uuid::from_u128(keys.len() as u128 + 1));
    KeyLife { id, algorithm, generation, created_at, signs_from, revoked_at: None }
}

/// Makes the key that is due, if one is.
fn tend(rotation: &Rotation, keys: &mut Vec<KeyLife>, now: OffsetDateTime) -> bool {
    let due = rotation.due(keys, now);
    keys.extend(due.map(|due| made(keys, due, now)));
    due.is_some()
}

fn states(rotation: &Rotation, keys: &[KeyLife], now: OffsetDateTime) -> Vec<KeyState> {
    keys.iter().map(|key| rotation.state(key, keys, now)).collect()
}

/// Says which keys are published, and asserts that the one that signs was for long enough.
fn walk(rotation: &Rotation, keys: &[KeyLife], now: OffsetDateTime) -> KeyId {
    let signing = rotation.signing(keys, now).unwrap();
    assert!(rotation.is_published(signing, keys, now));
    // A JWT may be shown five minutes after it was signed, to a verifier who read the keys five minutes
    // before that.
    for moment in [now - 300 * SECOND, now + 300 * SECOND] {
        let then: Vec<_> = keys.iter().filter(|key| key.created_at <= moment).copied().collect();
        let known = then.iter().any(|key| key.id == signing.id && rotation.is_published(key, &then, moment));
        assert!(known || keys[0].created_at > moment, "at {now}: {keys:?}");
    }
    signing.id
}

#[test]
fn the_first_key_signs_at_once_and_the_next_after_its_overlap() {
    use KeyState::{Next, Published, Retired, Signing};
    let mut keys = Vec::new();
    assert!(tend(&ROTATION, &mut keys, START));
    assert!(!tend(&ROTATION, &mut keys, START));
    assert_eq!(states(&ROTATION, &keys, START), [Signing]);
    let due = START + 179 * DAY;
    assert!(!tend(&ROTATION, &mut keys, due - SECOND));
    assert!(tend(&ROTATION, &mut keys, due));
    assert!(!tend(&ROTATION, &mut keys, due));
    let takes_over = START + 180 * DAY;
    for (now, expected) in [
        (due, [Signing, Next]),
        (takes_over - SECOND, [Signing, Next]),
        (takes_over, [Published, Signing]),
        (takes_over + DAY - SECOND, [Published, Signing]),
        (takes_over + DAY, [Retired, Signing]),
    ] {
        assert_eq!(states(&ROTATION, &keys, now), expected, "{now}");
    }
    assert_eq!(ROTATION.signs_until(&keys[0], &keys), takes_over);
    assert_eq!(ROTATION.signs_until(&keys[1], &keys), takes_over + 180 * DAY);
    assert_eq!((keys[1].generation, keys[1].signs_from), (2, takes_over));
}

#[test]
fn what_is_due_for_long_is_published_first_all_the_same() {
    let mut keys = Vec::new();
    tend(&ROTATION, &mut keys, START);
    let late = START + 1_000 * DAY;
    assert!(tend(&ROTATION, &mut keys, late));
    assert_eq!(keys[1].signs_from, late + MIN_LEAD);
    assert_eq!(states(&ROTATION, &keys, late), [KeyState::Signing, KeyState::Next]);
}

#[test]
fn no_verifier_meets_an_unknown_key_however_the_setting_changes() {
    let steps = [ROTATION, OTHER, ROTATION, OTHER];
    // From hardly any time with the other algorithm to longer than its keys are published.
    for minutes in [1, 10, 16, 700, 1_424, 1_426, 1_440, 1_456, 3_000] {
        let (mut keys, mut now, mut signed) = (Vec::new(), START, Vec::new());
        for rotation in steps {
            for minute in 0..minutes {
                tend(&rotation, &mut keys, now);
                signed.push(walk(&rotation, &keys, now));
                // Long stretches in longer strides, but for their ends.
                let near = minute < 40 || minutes - minute < 40;
                now += if near { 60 } else { 61 } * SECOND;
            }
        }
        signed.dedup();
        assert!(minutes <= 15 || signed.len() >= 4, "{minutes}: {signed:?}");
    }
}

#[test]
fn replicas_of_different_settings_get_along() {
    let (mut keys, mut now) = (Vec::new(), START);
    for _ in 0..4_000 {
        for rotation in [ROTATION, OTHER] {
            tend(&rotation, &mut keys, now);
            walk(&rotation, &keys, now);
        }
        now += 300 * SECOND;
    }
    assert!(keys.len() < 40, "{}", keys.len());
}

#[test]
fn a_changed_algorithm_signs_after_its_lead() {
    let mut keys = Vec::new();
    tend(&ROTATION, &mut keys, START);
    let changed = START + DAY;
    assert!(tend(&OTHER, &mut keys, changed));
    assert_eq!((keys[1].algorithm, keys[1].generation), (JwtAlgorithm::Rs256, 1));
    let lead_ends = changed + MIN_LEAD;
    assert_eq!(OTHER.signing(&keys, lead_ends - SECOND), Some(&keys[0]));
    assert_eq!(OTHER.signing(&keys, lead_ends), Some(&keys[1]));
    // Replicas with the old setting go on with the old key, which all publish.
    assert_eq!(ROTATION.signing(&keys, lead_ends), Some(&keys[0]));
}

#[test]
fn revoked_keys_are_followed_and_what_is_retired_stays_so() {
    use KeyState::{Retired, Revoked, Signing};
    let mut keys = Vec::new();
    tend(&ROTATION, &mut keys, START);
    tend(&ROTATION, &mut keys, START + 179 * DAY);
    let revoked = START + 200 * DAY;
    keys[1].revoked_at = Some(revoked);
    assert_eq!(states(&ROTATION, &keys, revoked), [Signing, Revoked], "nothing else is left");
    let DueKey { generation, signs_from, .. } = ROTATION.following(&keys, revoked);
    assert_eq!(generation, 3);
    keys.push(made(&keys, ROTATION.following(&keys, signs_from), revoked));
    assert_eq!(states(&ROTATION, &keys, revoked), [Retired, Revoked, Signing]);
    // By a clock that is behind, the new key has yet to begin.
    assert_eq!(ROTATION.signing(&keys, revoked - SECOND), Some(&keys[2]));
}

#[test]
fn a_next_key_that_is_revoked_is_made_again_and_supersedes_nothing() {
    let mut keys = Vec::new();
    tend(&ROTATION, &mut keys, START);
    let due = START + 179 * DAY;
    tend(&ROTATION, &mut keys, due);
    keys[1].revoked_at = Some(due + SECOND);
    assert_eq!(keys[0].superseded_at(&keys), None);
    assert!(tend(&ROTATION, &mut keys, due + SECOND));
    assert_eq!((keys[2].generation, keys[2].signs_from), (3, START + 180 * DAY));
}

#[test]
fn when_all_are_revoked_the_next_signs_at_once() {
    let mut keys = Vec::new();
    tend(&ROTATION, &mut keys, START);
    keys[0].revoked_at = Some(START);
    assert_eq!(ROTATION.signing(&keys, START), None);
    assert!(tend(&ROTATION, &mut keys, START));
    assert_eq!(states(&ROTATION, &keys, START), [KeyState::Revoked, KeyState::Signing]);
}
