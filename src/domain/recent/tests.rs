use super::Recent;

#[test]
fn the_last_are_remembered_and_never_more_than_twice_as_many() {
    let mut recent = Recent::new(10);
    for number in 0..1_000 {
        recent.insert(number, number);
        let remembered: Vec<_> = (0..=number).filter(|key| peek(&recent, *key).is_some()).collect();
        assert!(remembered.len() <= 20, "{remembered:?}");
        for last in (0..=number).rev().take(10) {
            assert_eq!(peek(&recent, last), Some(last));
        }
    }
}

#[test]
fn what_is_asked_for_stays() {
    let mut recent = Recent::new(10);
    recent.insert(0, "asked for");
    recent.insert(1, "not asked for");
    for number in 2..1_000 {
        recent.insert(number, "another");
        assert_eq!(recent.get(&0), Some(&"asked for"));
    }
    assert_eq!(recent.get(&1), None);
}

#[test]
fn a_value_takes_the_place_of_the_one_before() {
    let mut recent = Recent::new(2);
    recent.insert(1, "first");
    recent.insert(2, "other");
    recent.insert(3, "makes the others old");
    recent.insert(1, "second");
    assert_eq!(recent.get(&1), Some(&"second"));
    recent.insert(4, "makes them old again");
    assert_eq!(recent.get(&1), Some(&"second"));
}

/// The value, without making it young.
fn peek(recent: &Recent<i32, i32>, key: i32) -> Option<i32> {
    recent.clone().get(&key).copied()
}
