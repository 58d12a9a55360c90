use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ClaimsError, merge};
use crate::domain::json::JsonObject;

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is not an object"),
    }
}

#[test]
fn objects_merge_at_every_depth_and_null_deletes() {
    let stored = object(json!({"a": 1, "nested": {"keep": true, "drop": 1}, "text": "x"}));
    let sent = object(json!({"a": 2, "nested": {"drop": null, "new": [null]}, "text": {"now": "object"}}));
    assert_eq!(
        merge(stored, sent),
        Ok(object(json!({"a": 2, "nested": {"keep": true, "new": [null]}, "text": {"now": "object"}})))
    );
}

#[test]
fn registered_names_are_ignored_at_the_top_level_only() {
    let sent = object(json!({"sub": "someone", "exp": 1, "aud": ["x"], "mine": {"sub": "kept"}}));
    assert_eq!(merge(JsonObject::new(), sent), Ok(object(json!({"mine": {"sub": "kept"}}))));
}

#[test]
fn the_reserved_prefix_is_refused() {
    let sent = object(json!({"https://stytch.com/session": {}}));
    assert_eq!(merge(JsonObject::new(), sent), Err(ClaimsError::Reserved));
}

#[test]
fn the_limit_is_exact() {
    let claims = |length: usize| object(json!({"k": "x".repeat(length)}));
    assert!(merge(JsonObject::new(), claims(4096 - 8)).is_ok());
    assert_eq!(merge(JsonObject::new(), claims(4096 - 7)), Err(ClaimsError::TooLarge));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop::collection::btree_map("[a-c]", inner, 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    })
}

fn objects() -> impl Strategy<Value = JsonObject> {
    prop::collection::btree_map("[a-c]", values(), 0..4).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn sending_the_same_claims_twice_changes_nothing(stored in objects(), sent in objects()) {
        let once = merge(stored, sent.clone()).unwrap();
        prop_assert_eq!(merge(once.clone(), sent).unwrap(), once);
    }
}
