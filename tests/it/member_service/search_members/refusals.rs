//! Searches that can't be made.

use prost_types::value::Kind;
use prost_types::{ListValue, Value as ProtoValue};
use serde_json::{Value, json};
use tonic::Code;
use vestibule::pb;

use super::{AND, ID, Search, everybody, search};
use crate::harness::json::value;
use crate::harness::members::query;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    each_invalid_operand_is_refused,
    a_value_of_no_kind_is_refused,
    each_invalid_organization_is_refused,
    an_operator_is_required_with_operands,
    limits_are_kept_to,
    every_violation_is_told,
);

/// Asserts that the search is refused for exactly these violations.
async fn refuses(t: &Harness, request: Search, fields: &[(&str, &str)]) {
    let what = format!("{:?}", request.query).chars().take(500).collect::<String>();
    let answer = t.clients().search_members(request).await;
    assert!(answer.is_err(), "{what}");
    let refusal = refused(answer, Code::InvalidArgument, fields[0].1);
    assert_eq!(refusal.violations(), fields, "{what}");
}

async fn each_invalid_operand_is_refused(t: Harness) {
    const NAME: &str = "MEMBER_SEARCH_FILTER_NAME_NOT_RECOGNIZED";
    const MISSING: &str = "MEMBER_SEARCH_MISSING_FILTER_VALUE";
    const LIST: &str = "MEMBER_SEARCH_EXPECTED_ARRAY_OF_STRINGS";
    const STRING: &str = "MEMBER_SEARCH_EXPECTED_STRING";
    const BOOLEAN: &str = "MEMBER_SEARCH_EXPECTED_BOOLEAN";
    const SHORT: &str = "MEMBER_SEARCH_FUZZY_TOO_SHORT";
    const MIXED: &str = "MEMBER_SEARCH_CANNOT_MIX_INTERNAL_AND_EXTERNAL_MEMBER_IDS";
    const LIVE: &str = "LIVE_ID_USED_IN_TEST_ENVIRONMENT";
    t.clients().organization("Acme").await;
    let (id, live) = (format!("member-test-{ID}"), format!("member-live-{ID}"));
    let lists = ["member_ids", "member_emails", "statuses", "member_mfa_phone_numbers", "member_roles"];
    let fuzzy = ["member_email_fuzzy", "member_mfa_phone_number_fuzzy"];
    let booleans = ["member_is_breakglass", "member_password_exists"];
    let mut table: Vec<(&str, Value, &str, &str)> = vec![
        ("", json!(["x"]), "filter_name", "MEMBER_SEARCH_MISSING_FILTER_NAME"),
        ("Statuses", json!(["active"]), "filter_name", NAME),
        ("statuses ", json!(["active"]), "filter_name", NAME),
        ("organization_slugs", json!(["acme"]), "filter_name", NAME),
        ("member_id", json!([id]), "filter_name", NAME),
        ("statuses", json!(["active", "gone"]), "filter_value[1]", "INVALID_ARGUMENT"),
        ("statuses", json!(["Active"]), "filter_value[0]", "INVALID_ARGUMENT"),
        ("member_emails", json!(["ada@acme.com", "ada"]), "filter_value[1]", "INVALID_EMAIL"),
        ("member_mfa_phone_numbers", json!(["15005550001"]), "filter_value[0]", "INVALID_PHONE_NUMBER"),
        ("member_mfa_phone_numbers", json!([""]), "filter_value[0]", "INVALID_PHONE_NUMBER"),
        ("member_roles", json!([""]), "filter_value[0]", "INVALID_RBAC_ROLE_ID"),
        ("member_roles", json!(["x".repeat(256)]), "filter_value[0]", "INVALID_RBAC_ROLE_ID"),
        ("member_roles", json!(["a\0b"]), "filter_value[0]", "INVALID_RBAC_ROLE_ID"),
        ("member_ids", json!([id, "Person|1"]), "filter_value", MIXED),
        ("member_ids", json!(["Person|1", id]), "filter_value", MIXED),
        ("member_ids", json!([""]), "filter_value[0]", "INVALID_MEMBER_ID"),
        ("member_ids", json!([id, live]), "filter_value[1]", LIVE),
    ];
    for filter in lists {
        let entries =
            [json!([]), json!([1]), json!([null]), json!(["active", ["active"]]), json!({}), json!("active")];
        for (number, entry) in entries.into_iter().chain([json!(true), json!(vec!["x"; 1001])]).enumerate() {
            table.push((filter, entry, "filter_value", if number == 0 { MISSING } else { LIST }));
        }
    }
    for filter in fuzzy {
        for wrong in [json!(["abc"]), json!(true), json!(123), json!("x".repeat(256)), json!("a\0bc")] {
            table.push((filter, wrong, "filter_value", STRING));
        }
        for short in ["", "a", "ab", "é\u{1f511}"] {
            table.push((filter, json!(short), "filter_value", SHORT));
        }
    }
    for filter in booleans {
        for wrong in [json!("true"), json!(1), json!([true]), json!([])] {
            table.push((filter, wrong, "filter_value", BOOLEAN));
        }
    }
    for filter in lists.iter().chain(&fuzzy).chain(&booleans) {
        table.push((filter, json!(null), "filter_value", MISSING));
    }
    for (filter, wrong, field, reason) in table {
        let operands = [("member_is_breakglass", json!(true)), (filter, wrong)];
        let request = Search { query: query(AND, &operands), ..everybody(&["acme"]) };
        refuses(&t, request, &[(&format!("query.operands[1].{field}"), reason)]).await;
    }
}

async fn a_value_of_no_kind_is_refused(t: Harness) {
    const MISSING: &str = "MEMBER_SEARCH_MISSING_FILTER_VALUE";
    const LIST: &str = "MEMBER_SEARCH_EXPECTED_ARRAY_OF_STRINGS";
    t.clients().organization("Acme").await;
    let entry_without_kind =
        ProtoValue { kind: Some(Kind::ListValue(ListValue { values: vec![ProtoValue { kind: None }] })) };
    for (wrong, reason) in
        [(None, MISSING), (Some(ProtoValue { kind: None }), MISSING), (Some(entry_without_kind), LIST)]
    {
        let operand = pb::SearchOperand { filter_name: "member_roles".to_owned(), filter_value: wrong };
        let query = pb::SearchQuery { operator: AND.into(), operands: vec![operand] };
        let request = Search { query: Some(query), ..everybody(&["acme"]) };
        refuses(&t, request, &[("query.operands[0].filter_value", reason)]).await;
    }
}

async fn each_invalid_organization_is_refused(t: Harness) {
    const EMPTY: &str = "MEMBER_SEARCH_ORGANIZATION_IDS_EMPTY";
    t.clients().organization("Acme").await;
    refuses(&t, everybody(&[]), &[("organization_ids", EMPTY)]).await;
    let many = vec!["acme"; 101];
    refuses(&t, everybody(&many), &[("organization_ids", "INVALID_ARGUMENT")]).await;
    search(&t.clients(), everybody(&many[..100])).await;
    let live = format!("organization-live-{ID}");
    let cases = [
        ("", "INVALID_ORGANIZATION_ID"),
        ("a b", "INVALID_ORGANIZATION_ID"),
        (live.as_str(), "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
    ];
    for (name, reason) in cases {
        refuses(&t, everybody(&["acme", name]), &[("organization_ids[1]", reason)]).await;
    }
    // What is wrong with the request is told before what is not there.
    refuses(&t, everybody(&["nowhere", ""]), &[("organization_ids[1]", "INVALID_ORGANIZATION_ID")]).await;
}

async fn an_operator_is_required_with_operands(t: Harness) {
    const REASON: &str = "USER_SEARCH_INVALID_OPERATOR";
    t.clients().organization("Acme").await;
    let operand = pb::SearchOperand {
        filter_name: "member_is_breakglass".to_owned(),
        filter_value: Some(value(json!(true))),
    };
    for operator in [0, 3, -1] {
        let query = pb::SearchQuery { operator, operands: vec![operand.clone()] };
        let request = Search { query: Some(query), ..everybody(&["acme"]) };
        refuses(&t, request, &[("query.operator", REASON)]).await;
    }
    // Without operands it may be missing, but not be unknown.
    for operator in [0, 1, 2] {
        let query = Some(pb::SearchQuery { operator, operands: vec![] });
        search(&t.clients(), Search { query, ..everybody(&["acme"]) }).await;
    }
    let query = Some(pb::SearchQuery { operator: 3, operands: vec![] });
    refuses(&t, Search { query, ..everybody(&["acme"]) }, &[("query.operator", REASON)]).await;
}

async fn limits_are_kept_to(t: Harness) {
    const REASON: &str = "USER_SEARCH_INVALID_LIMIT";
    t.clients().organization("Acme").await;
    for limit in [0, 1_001, u32::MAX] {
        let request = Search { limit: Some(limit), ..everybody(&["acme"]) };
        refuses(&t, request, &[("limit", REASON)]).await;
    }
    for limit in [1, 1_000] {
        search(&t.clients(), Search { limit: Some(limit), ..everybody(&["acme"]) }).await;
    }
    let operands = |count| vec![("member_is_breakglass", json!(true)); count];
    search(&t.clients(), Search { query: query(AND, &operands(20)), ..everybody(&["acme"]) }).await;
    let request = Search { query: query(AND, &operands(21)), ..everybody(&["acme"]) };
    refuses(&t, request, &[("query.operands", "INVALID_ARGUMENT")]).await;
    let values: [(&str, Value); 4] = [
        ("member_roles", json!(vec!["x"; 1_000])),
        ("member_roles", json!(["é".repeat(255)])),
        ("member_email_fuzzy", json!("é".repeat(255))),
        ("member_email_fuzzy", json!("\u{1f511}éx")),
    ];
    for operand in values {
        search(&t.clients(), Search { query: query(AND, &[operand]), ..everybody(&["acme"]) }).await;
    }
}

async fn every_violation_is_told(t: Harness) {
    let operands = [
        ("statuses", json!(["gone", "active", "Deleted"])),
        ("member_is_breakglass", json!("no")),
        ("nothing", json!(true)),
        ("", json!(null)),
    ];
    let request = Search {
        limit: Some(0),
        query: query(pb::SearchOperator::Unspecified, &operands),
        ..everybody(&["", "a b"])
    };
    let expected = [
        ("organization_ids[0]", "INVALID_ORGANIZATION_ID"),
        ("organization_ids[1]", "INVALID_ORGANIZATION_ID"),
        ("limit", "USER_SEARCH_INVALID_LIMIT"),
        ("query.operator", "USER_SEARCH_INVALID_OPERATOR"),
        ("query.operands[0].filter_value[0]", "INVALID_ARGUMENT"),
        ("query.operands[0].filter_value[2]", "INVALID_ARGUMENT"),
        ("query.operands[1].filter_value", "MEMBER_SEARCH_EXPECTED_BOOLEAN"),
        ("query.operands[2].filter_name", "MEMBER_SEARCH_FILTER_NAME_NOT_RECOGNIZED"),
        ("query.operands[3].filter_name", "MEMBER_SEARCH_MISSING_FILTER_NAME"),
    ];
    refuses(&t, request, &expected).await;
}
