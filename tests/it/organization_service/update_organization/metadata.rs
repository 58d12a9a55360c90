//! Metadata is merged at the top level.

use serde_json::{Value as Json, json};
use vestibule::pb;

use super::{Request, change, updated, violates};
use crate::harness::fixtures::organization;
use crate::harness::json::{field, kind, object};
use crate::harness::{Harness, on_both_backends};
use crate::organization_service::created;

on_both_backends!(
    keys_are_set_whole_and_deleted_by_null,
    what_comes_of_it_is_judged,
    what_is_no_metadata_is_refused,
);

async fn with_metadata(t: &Harness, metadata: Json) -> pb::Organization {
    let request =
        pb::CreateOrganizationRequest { trusted_metadata: Some(object(metadata)), ..organization("Acme") };
    created(t, request).await
}

fn merging(organization: &pb::Organization, metadata: Json) -> Request {
    change(organization, |sent| sent.trusted_metadata = Some(object(metadata)))
}

/// As many keys as that, with numbers for names.
fn keys(numbers: std::ops::Range<usize>, value: &Json) -> Json {
    numbers.map(|number| (number.to_string(), value.clone())).collect::<serde_json::Map<_, _>>().into()
}

async fn keys_are_set_whole_and_deleted_by_null(t: Harness) {
    let acme = with_metadata(&t, json!({"kept": [1], "nested": {"a": 1, "b": {"c": 2}}, "gone": true})).await;
    for (sent, expected) in [
        (
            json!({"nested": {"a": null}, "gone": null, "new": "x"}),
            json!({"kept": [1], "nested": {"a": null}, "new": "x"}),
        ),
        (json!({"nested": 1, "absent": null}), json!({"kept": [1], "nested": 1, "new": "x"})),
        (json!({"New": "y", "kept": []}), json!({"kept": [], "nested": 1, "new": "x", "New": "y"})),
        (json!({}), json!({"kept": [], "nested": 1, "new": "x", "New": "y"})),
        (json!({"kept": null, "nested": null, "new": null, "New": null}), json!({})),
        (json!({"": false}), json!({"": false})),
    ] {
        let after = updated(&t, merging(&acme, sent.clone())).await;
        assert_eq!(after.trusted_metadata, Some(object(expected)), "{sent}");
    }
}

async fn what_comes_of_it_is_judged(t: Harness) {
    let acme = with_metadata(&t, keys(0..20, &json!(0))).await;
    let many = [("trusted_metadata", "METADATA_TOO_MANY_KEYS")];
    violates(&t, merging(&acme, json!({"20": 0})), &many).await;
    violates(&t, merging(&acme, json!({"20": 0, "21": 0, "0": null})), &many).await;
    let swapped = updated(&t, merging(&acme, json!({"20": 0, "0": null, "1": 1}))).await;
    assert_eq!(swapped.trusted_metadata.unwrap().fields.len(), 20);
    // However many nulls there are, they leave nothing.
    let mut nulls = keys(0..100, &Json::Null);
    nulls["20"] = json!("last");
    let after = updated(&t, merging(&acme, nulls)).await;
    assert_eq!(after.trusted_metadata, Some(object(json!({"20": "last"}))));

    let big = with_metadata(&t, json!({"k": "x".repeat(4000)})).await;
    let large = [("trusted_metadata", "METADATA_TOO_LARGE")];
    violates(&t, merging(&big, json!({"l": "x".repeat(82)})), &large).await;
    violates(&t, merging(&big, json!({"k": "x".repeat(4089)})), &large).await;
    updated(&t, merging(&big, json!({"l": "x".repeat(81)}))).await;
    updated(&t, merging(&big, json!({"k": null, "l": "x".repeat(4088)}))).await;
    // The rules between fields are judged with it.
    let both = change(&big, |sent| {
        sent.trusted_metadata = Some(object(json!({"k": "x"})));
        sent.mfa_methods = Some(pb::MfaMethods::Restricted.into());
    });
    let expected = [large[0], ("mfa_methods", "ALLOWED_MFA_METHODS_REQUIRED_FOR_RESTRICTED")];
    violates(&t, both, &expected).await;
}

async fn what_is_no_metadata_is_refused(t: Harness) {
    use prost_types::value::Kind;
    let acme = with_metadata(&t, json!({"kept": 1})).await;
    let mut deep = json!(1);
    for _ in 0..31 {
        deep = json!([deep]);
    }
    let bad = [
        field("number", kind(Kind::NumberValue(f64::NAN))),
        field("number", kind(Kind::NumberValue(f64::INFINITY))),
        field("nothing", prost_types::Value { kind: None }),
        field("deep", crate::harness::json::value(deep)),
    ];
    for metadata in bad {
        let request = change(&acme, |sent| sent.trusted_metadata = Some(metadata));
        violates(&t, request, &[("trusted_metadata", "METADATA_INVALID_FORMAT")]).await;
    }
}
