//! Pages, cursors and totals.

use prost::Message as _;
use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::{AND, OR, Request, created, found, later, multiply, page, walked};
use crate::harness::fixtures::organization;
use crate::harness::members::query;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};
use crate::organization_service::read;

on_both_backends!(
    every_limit_leads_to_the_end,
    a_page_has_a_hundred_when_nobody_says,
    a_cursor_is_bound_to_its_query,
    a_mangled_cursor_is_refused,
    a_walk_meets_once_what_was_there_throughout,
    totals_are_exact_up_to_ten_thousand,
    a_page_is_no_larger_than_clients_accept,
);

const CURSOR: &str = "USER_SEARCH_INVALID_CURSOR";

/// Acme 0 to Acme 11, and three others.
async fn twelve(t: &Harness) {
    for number in 0..12 {
        later(t, organization(&format!("Acme {number}"))).await;
        if number % 4 == 0 {
            later(t, organization("Other")).await;
        }
    }
}

fn acme() -> Option<pb::SearchQuery> {
    query(AND, &[("organization_name_fuzzy", json!("acme"))])
}

async fn every_limit_leads_to_the_end(t: Harness) {
    twelve(&t).await;
    let slugs: Vec<_> = found(&t, acme()).await.into_iter().map(|found| found.organization_slug).collect();
    for query in [
        None,
        acme(),
        query(AND, &[("organization_slugs", json!(slugs))]),
        query(OR, &[("organization_slugs", json!(slugs[..3])), ("organization_name_fuzzy", json!("me 1"))]),
        query(AND, &[("organization_name_fuzzy", json!("absent"))]),
    ] {
        let all = found(&t, query.clone()).await;
        for limit in 1..=16 {
            assert_eq!(walked(&t, query.clone(), limit).await, all, "{limit} {query:?}");
        }
        assert_eq!(walked(&t, query, 1_000).await, all);
    }
}

async fn a_page_has_a_hundred_when_nobody_says(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    multiply(&t, &acme, 99).await;
    let (organizations, metadata) = page(&t, Request::default()).await;
    assert_eq!((organizations.len(), metadata.total, metadata.next_cursor.as_str()), (100, 100, ""));
    created(&t, organization("Acme")).await;
    let (organizations, metadata) = page(&t, Request::default()).await;
    assert_eq!((organizations.len(), metadata.total), (100, 101));
    assert!(!metadata.next_cursor.is_empty());
    let (organizations, _) = page(&t, Request { limit: Some(1_000), ..Request::default() }).await;
    assert_eq!(organizations.len(), 101);
}

async fn a_cursor_is_bound_to_its_query(t: Harness) {
    twelve(&t).await;
    let all = found(&t, acme()).await;
    let request = |cursor: &str, limit: u32, query: Option<pb::SearchQuery>| Request {
        cursor: cursor.to_owned(),
        limit: Some(limit),
        query,
    };
    let (first, metadata) = page(&t, request("", 4, acme())).await;
    assert_eq!(first, all[..4]);
    let cursor = metadata.next_cursor;
    // Another size of page is the same walk.
    for limit in [1, 5, 8, 9] {
        let (second, _) = page(&t, request(&cursor, limit, acme())).await;
        assert_eq!(second, all[4..12.min(4 + usize::try_from(limit).unwrap())]);
    }
    // It can be used again, and by another replica: nothing is remembered.
    let (again, _) = page(&t, request(&cursor, 4, acme())).await;
    assert_eq!(again, all[4..8]);
    let others = [
        None,
        query(OR, &[("organization_name_fuzzy", json!("acme"))]),
        query(AND, &[("organization_name_fuzzy", json!("acme "))]),
        query(AND, &[("organization_slug_fuzzy", json!("acme"))]),
        query(AND, &[("organization_name_fuzzy", json!("acme")), ("organization_name_fuzzy", json!("acme"))]),
        query(
            AND,
            &[("organization_name_fuzzy", json!("acme")), ("has_active_sso_connection", json!(false))],
        ),
    ];
    for other in others {
        let what = format!("{other:?}");
        let answer = t.clients().search_organizations(request(&cursor, 4, other)).await;
        assert!(answer.is_err(), "{what}");
        let refusal = refused(answer, Code::InvalidArgument, CURSOR);
        assert_eq!(refusal.violations(), [("cursor", CURSOR)], "{what}");
    }
    // A cursor of the other search is none of this one.
    let id = &all[0].organization_id;
    for number in 0..2 {
        t.clients().member(id, &format!("ada-{number}@acme.com")).await;
    }
    let members = pb::SearchMembersRequest {
        organization_ids: vec![id.clone()],
        limit: Some(1),
        ..pb::SearchMembersRequest::default()
    };
    let members = t.clients().search_members(members).await.unwrap().into_inner();
    let cursor = members.results_metadata.unwrap().next_cursor;
    assert!(!cursor.is_empty());
    let answer = t.clients().search_organizations(request(&cursor, 4, None)).await;
    refused(answer, Code::InvalidArgument, CURSOR);
}

async fn a_mangled_cursor_is_refused(t: Harness) {
    twelve(&t).await;
    let (_, metadata) = page(&t, Request { limit: Some(4), ..Request::default() }).await;
    let cursor = metadata.next_cursor;
    let mut mangled = vec![
        "?".to_owned(),
        " ".to_owned(),
        format!("{cursor}="),
        format!("{cursor} "),
        format!("{cursor}A"),
        format!("{cursor}AAAA"),
        cursor[1..].to_owned(),
        cursor[..cursor.len() - 1].to_owned(),
        "A".repeat(cursor.len()),
        "A".repeat(100_000),
    ];
    for (position, character) in cursor.char_indices() {
        let other = if character == 'A' { 'B' } else { 'A' };
        mangled.push(format!("{}{other}{}", &cursor[..position], &cursor[position + 1..]));
    }
    for cursor in mangled {
        let answer =
            t.clients().search_organizations(Request { cursor: cursor.clone(), ..Request::default() }).await;
        assert!(answer.is_err(), "{cursor}");
        let refusal = refused(answer, Code::InvalidArgument, CURSOR);
        assert_eq!(refusal.violations(), [("cursor", CURSOR)], "{cursor}");
    }
}

async fn a_walk_meets_once_what_was_there_throughout(t: Harness) {
    twelve(&t).await;
    let mut stays = found(&t, acme()).await;
    let mut request = Request { limit: Some(2), query: acme(), ..Request::default() };
    let mut met = Vec::new();
    for round in 0..100 {
        let (organizations, metadata) = page(&t, request.clone()).await;
        assert_eq!(metadata.total, 12, "as counted when the first page was read");
        met.extend(organizations);
        if metadata.next_cursor.is_empty() {
            break;
        }
        request.cursor = metadata.next_cursor;
        later(&t, organization(&format!("Acme new {round}"))).await;
        // The one before the place of the cursor goes, and one behind it.
        for slug in [met.last().unwrap().organization_slug.clone(), format!("acme-{}", 2 * round)] {
            stays.retain(|organization| organization.organization_slug != slug);
            let deletion = pb::DeleteOrganizationRequest { organization_id: slug, etag: None };
            drop(t.clients().delete_organization(deletion).await);
        }
    }
    for organization in &stays {
        let times = met.iter().filter(|met| met.organization_id == organization.organization_id).count();
        assert_eq!(times, 1, "{}", organization.organization_slug);
    }
    assert!(stays.len() >= 3, "{}", stays.len());
    let fresh = met.iter().filter(|met| met.organization_name.contains("new")).count();
    assert_eq!(fresh, 0, "what came is newer than where the walk began");
}

async fn totals_are_exact_up_to_ten_thousand(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    multiply(&t, &acme, 9_999).await;
    let total = async |query: Option<pb::SearchQuery>| {
        let (organizations, metadata) =
            page(&t, Request { limit: Some(2), query, ..Request::default() }).await;
        assert_eq!(organizations.len(), 2);
        let cursor = metadata.next_cursor.clone();
        (metadata.total, cursor)
    };
    let by_name = || query(AND, &[("organization_name_fuzzy", json!("acme"))]);
    let with_name =
        || query(OR, &[("organization_name_fuzzy", json!("acme")), ("organization_slugs", json!(["acme"]))]);
    for query in [None, by_name(), with_name()] {
        assert_eq!(total(query).await.0, 10_000);
    }
    let (_, before) = total(by_name()).await;
    created(&t, organization("Acme")).await;
    for query in [None, by_name(), with_name()] {
        assert_eq!(total(query).await.0, -1);
    }
    // A walk keeps the total that it began with.
    let request = |cursor: String| Request { cursor, limit: Some(2), query: by_name() };
    assert_eq!(page(&t, request(before)).await.1.total, 10_000);
    let (_, unknown) = total(by_name()).await;
    assert_eq!(page(&t, request(unknown)).await.1.total, -1);
    // Few of many are counted all the same.
    let few = query(AND, &[("organization_name_fuzzy", json!("me 999"))]);
    assert_eq!(total(few).await.0, 11);
    assert_eq!(read(&t, &acme.organization_id).await, acme);
}

async fn a_page_is_no_larger_than_clients_accept(t: Harness) {
    let label = |letter: &str| letter.repeat(60);
    let mut all = Vec::new();
    for number in 0..180 {
        let domain = |index| format!("{}.{}.{}.a{number}-{index}.com", label("a"), label("b"), label("c"));
        let request = pb::CreateOrganizationRequest {
            email_allowed_domains: (0..100).map(domain).collect(),
            ..organization("Large")
        };
        all.push(later(&t, request).await.organization_id);
    }
    all.reverse();
    let whole = Request { limit: Some(1_000), ..Request::default() };
    let answer = t.clients().search_organizations(whole).await.unwrap().into_inner();
    assert!((2 << 20..4 << 20).contains(&answer.encoded_len()), "{}", answer.encoded_len());
    assert!(answer.organizations.len() < 180);
    let metadata = answer.results_metadata.unwrap();
    assert_eq!(metadata.total, 180);
    let rest = Request { limit: Some(1_000), cursor: metadata.next_cursor, query: None };
    let (rest, metadata) = page(&t, rest).await;
    assert_eq!((metadata.total, metadata.next_cursor.as_str()), (180, ""));
    let found = answer.organizations.into_iter().chain(rest).map(|found| found.organization_id);
    assert_eq!(found.collect::<Vec<_>>(), all);
}
