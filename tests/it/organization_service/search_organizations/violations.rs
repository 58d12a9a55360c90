//! What is no query, and no page.

use prost_types::value::Kind;
use prost_types::{ListValue, Value as ProtoValue};
use serde_json::{Value as Json, json};
use tonic::Code;
use vestibule::pb;

use super::{AND, Request, created, page};
use crate::harness::fixtures::organization;
use crate::harness::json::{kind, value};
use crate::harness::members::query;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};
use crate::organization_service::{ABSENT, counts};

on_both_backends!(
    an_operand_without_name_or_value_is_refused,
    a_value_of_another_kind_is_refused,
    a_text_that_is_too_short_or_too_long_is_refused,
    each_entry_of_a_list_is_judged,
    operators_and_limits_are_checked,
    everything_is_told_at_once,
);

const MISSING_NAME: &str = "ORGANIZATION_SEARCH_MISSING_FILTER_NAME";
const MISSING_VALUE: &str = "ORGANIZATION_SEARCH_MISSING_FILTER_VALUE";
const NOT_RECOGNIZED: &str = "ORGANIZATION_SEARCH_FILTER_NAME_NOT_RECOGNIZED";
const EXPECTED_TEXT: &str = "ORGANIZATION_SEARCH_EXPECTED_STRING";
const EXPECTED_LIST: &str = "ORGANIZATION_SEARCH_EXPECTED_ARRAY_OF_STRINGS";
const EXPECTED_BOOLEAN: &str = "ORGANIZATION_SEARCH_EXPECTED_BOOLEAN";

const NAME: &str = "query.operands[0].filter_name";
const VALUE: &str = "query.operands[0].filter_value";

const LISTS: [&str; 5] =
    ["organization_ids", "organization_slugs", "member_emails", "allowed_domains", "claimed_email_domains"];
const TEXTS: [(&str, &str); 4] = [
    ("organization_slug_fuzzy", "ORGANIZATION_SEARCH_ORGANIZATION_SLUG_FUZZY_TOO_SHORT"),
    ("organization_name_fuzzy", "ORGANIZATION_SEARCH_ORGANIZATION_NAME_FUZZY_TOO_SHORT"),
    ("member_email_fuzzy", "ORGANIZATION_SEARCH_MEMBER_EMAIL_FUZZY_TOO_SHORT"),
    ("allowed_domain_fuzzy", "ORGANIZATION_SEARCH_ALLOWED_DOMAIN_FUZZY_TOO_SHORT"),
];

/// A filter, a list for it, and which of its entries are refused why.
type Entries<'a> = (&'a str, Json, &'a [(usize, &'a str)]);

/// Asserts exactly these violations.
async fn violates(t: &Harness, request: Request, expected: &[(&str, &str)]) {
    let mut what = format!("{request:?}");
    what.truncate(what.floor_char_boundary(500));
    let answer = t.clients().search_organizations(request).await;
    assert!(answer.is_err(), "{what}");
    let refusal = refused(answer, Code::InvalidArgument, expected[0].1);
    assert_eq!(refusal.violations(), expected, "{what}");
}

async fn operand_violates(
    t: &Harness,
    filter_name: &str,
    filter_value: Option<ProtoValue>,
    expected: &[(&str, &str)],
) {
    let operand = pb::SearchOperand { filter_name: filter_name.to_owned(), filter_value };
    let query = Some(pb::SearchQuery { operator: AND.into(), operands: vec![operand] });
    violates(t, Request { query, ..Request::default() }, expected).await;
}

async fn an_operand_without_name_or_value_is_refused(t: Harness) {
    operand_violates(&t, "", Some(value(json!("acme"))), &[(NAME, MISSING_NAME)]).await;
    // The name comes before the value.
    operand_violates(&t, "", None, &[(NAME, MISSING_NAME)]).await;
    let unknown = ["name", "Organization_Ids", "organization_ids ", "member_ids", "statuses", "status", "*"];
    for name in unknown {
        operand_violates(&t, name, Some(value(json!(["acme"]))), &[(NAME, NOT_RECOGNIZED)]).await;
    }
    let texts = TEXTS.map(|(name, _)| name);
    for name in [&LISTS[..], &texts, &["has_active_sso_connection", "sso_connection_id"]].concat() {
        for nothing in [None, Some(ProtoValue { kind: None }), Some(kind(Kind::NullValue(0)))] {
            operand_violates(&t, name, nothing, &[(VALUE, MISSING_VALUE)]).await;
        }
    }
    for name in LISTS {
        operand_violates(&t, name, Some(value(json!([]))), &[(VALUE, MISSING_VALUE)]).await;
    }
}

async fn a_value_of_another_kind_is_refused(t: Harness) {
    let (text, list, boolean) = (json!("acme"), json!(["acme"]), json!(true));
    let others = [json!(1), json!({}), json!({"0": "acme"})];
    for name in LISTS {
        let mixed = [json!([1]), json!(["acme", null]), json!([["acme"]]), json!(["acme", true])];
        for bad in [&[text.clone(), boolean.clone()][..], &others, &mixed].concat() {
            operand_violates(&t, name, Some(value(bad)), &[(VALUE, EXPECTED_LIST)]).await;
        }
        let unset = ListValue { values: vec![ProtoValue { kind: None }] };
        let unset = Some(kind(Kind::ListValue(unset)));
        operand_violates(&t, name, unset, &[(VALUE, EXPECTED_LIST)]).await;
        let many: Vec<_> = (0..1_001).map(|number| format!("acme-{number}")).collect();
        operand_violates(&t, name, Some(value(json!(many))), &[(VALUE, EXPECTED_LIST)]).await;
    }
    for (name, _) in TEXTS.into_iter().chain([("sso_connection_id", "")]) {
        for bad in [&[list.clone(), json!([]), boolean.clone()][..], &others].concat() {
            operand_violates(&t, name, Some(value(bad)), &[(VALUE, EXPECTED_TEXT)]).await;
        }
    }
    for bad in [&[text, list, json!("true"), json!(0)][..], &others].concat() {
        let name = "has_active_sso_connection";
        operand_violates(&t, name, Some(value(bad)), &[(VALUE, EXPECTED_BOOLEAN)]).await;
    }
}

async fn a_text_that_is_too_short_or_too_long_is_refused(t: Harness) {
    for (name, too_short) in TEXTS {
        for short in ["", "a", "ab", "äö", "🏛🏛", "%_"] {
            operand_violates(&t, name, Some(value(json!(short))), &[(VALUE, too_short)]).await;
        }
        for bad in ["x".repeat(256), "ac\0me".to_owned(), "🏛".repeat(256)] {
            operand_violates(&t, name, Some(value(json!(bad))), &[(VALUE, EXPECTED_TEXT)]).await;
        }
        for good in ["x".repeat(255), "abc".to_owned(), "äöü".to_owned()] {
            let query = query(AND, &[(name, json!(good))]);
            assert_eq!(page(&t, Request { query, ..Request::default() }).await.0, []);
        }
    }
}

async fn each_entry_of_a_list_is_judged(t: Harness) {
    let live = format!("organization-live-{ABSENT}");
    let test = format!("organization-test-{ABSENT}");
    let cases: [Entries<'_>; 5] = [
        (
            "organization_ids",
            json!([test, "?", "acme", "", live]),
            &[
                (1, "INVALID_ORGANIZATION_ID"),
                (3, "INVALID_ORGANIZATION_ID"),
                (4, "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
            ],
        ),
        (
            "organization_slugs",
            json!(["acme", "a", "a|b", test, "b-2"]),
            &[
                (1, "INVALID_ORGANIZATION_SLUG"),
                (2, "INVALID_ORGANIZATION_SLUG"),
                (3, "INVALID_ORGANIZATION_SLUG"),
            ],
        ),
        (
            "member_emails",
            json!(["ada", "ada@acme.com", "ada@acme", "@acme.com"]),
            &[(0, "INVALID_EMAIL"), (2, "INVALID_EMAIL"), (3, "INVALID_EMAIL")],
        ),
        (
            "allowed_domains",
            json!(["acme.com", "ada@acme.com", ""]),
            &[(1, "ORGANIZATION_SETTINGS_INVALID_DOMAIN"), (2, "ORGANIZATION_SETTINGS_INVALID_DOMAIN")],
        ),
        (
            "claimed_email_domains",
            json!(["acme .com", "acme.com"]),
            &[(0, "ORGANIZATION_SETTINGS_INVALID_CLAIMED_DOMAIN")],
        ),
    ];
    for (name, list, expected) in cases {
        let paths: Vec<_> =
            expected.iter().map(|(index, reason)| (format!("{VALUE}[{index}]"), *reason)).collect();
        let expected: Vec<_> = paths.iter().map(|(path, reason)| (path.as_str(), *reason)).collect();
        operand_violates(&t, name, Some(value(list)), &expected).await;
    }
}

async fn operators_and_limits_are_checked(t: Harness) {
    created(&t, organization("Acme")).await;
    let operand = || pb::SearchOperand {
        filter_name: "organization_slugs".to_owned(),
        filter_value: Some(value(json!(["acme"]))),
    };
    let of = |operator: i32, count: usize| Request {
        query: Some(pb::SearchQuery { operator, operands: vec![operand(); count] }),
        ..Request::default()
    };
    for request in [of(0, 1), of(0, 2), of(3, 1), of(-1, 1), of(9, 0)] {
        violates(&t, request, &[("query.operator", "USER_SEARCH_INVALID_OPERATOR")]).await;
    }
    violates(&t, of(1, 21), &[("query.operands", "INVALID_ARGUMENT")]).await;
    violates(&t, of(2, 10_000), &[("query.operands", "INVALID_ARGUMENT")]).await;
    for limit in [0, 1_001, u32::MAX] {
        let request = Request { limit: Some(limit), ..Request::default() };
        violates(&t, request, &[("limit", "USER_SEARCH_INVALID_LIMIT")]).await;
    }
    for limit in [1, 1_000] {
        assert_eq!(page(&t, Request { limit: Some(limit), ..Request::default() }).await.0.len(), 1);
    }
}

async fn everything_is_told_at_once(t: Harness) {
    let before = counts(&t).await;
    let filters = [
        ("organization_ids", json!(["?"])),
        ("organization_slugs", json!(["acme"])),
        ("nothing", json!("acme")),
        ("organization_name_fuzzy", json!("ac")),
        ("has_active_sso_connection", json!(1)),
    ];
    let mut query = query(AND, &filters);
    query.as_mut().unwrap().operator = 9;
    let request = Request { cursor: String::new(), limit: Some(1), query };
    let expected = [
        ("query.operator", "USER_SEARCH_INVALID_OPERATOR"),
        ("query.operands[0].filter_value[0]", "INVALID_ORGANIZATION_ID"),
        ("query.operands[2].filter_name", NOT_RECOGNIZED),
        ("query.operands[3].filter_value", TEXTS[1].1),
        ("query.operands[4].filter_value", EXPECTED_BOOLEAN),
    ];
    violates(&t, request.clone(), &expected).await;
    // Whether a cursor belongs to a query that can't be read is not judged.
    let with_limit = [&[("limit", "USER_SEARCH_INVALID_LIMIT")][..], &expected].concat();
    violates(&t, Request { cursor: "?".to_owned(), limit: Some(0), ..request }, &with_limit).await;
    let page = Request { cursor: "?".to_owned(), limit: Some(0), query: None };
    let expected = [("cursor", "USER_SEARCH_INVALID_CURSOR"), ("limit", "USER_SEARCH_INVALID_LIMIT")];
    violates(&t, page, &expected).await;
    assert_eq!(counts(&t).await, before);
}
