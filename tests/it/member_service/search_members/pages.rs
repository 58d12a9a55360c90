//! Walks from cursor to cursor.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::task::JoinSet;
use tonic::Code;
use vestibule::pb;

use super::{AND, OR, Search, by, everybody, ids, metadata, search, walk};
use crate::harness::members::{new_member, query};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_page_is_as_long_as_it_is_asked_for,
    a_cursor_belongs_to_its_organizations_and_query,
    a_mangled_cursor_is_refused,
    the_total_is_that_of_the_first_page,
    what_stands_throughout_is_met_once,
);

const INVALID: &str = "USER_SEARCH_INVALID_CURSOR";

/// Creates so many members of `acme` at once.
async fn populate(t: &Harness, count: usize) {
    let members = (0..count).map(|number| pb::NewMember {
        email_address: format!("person-{number}@acme.com"),
        ..pb::NewMember::default()
    });
    let request =
        pb::BatchCreateMembersRequest { organization_id: "acme".to_owned(), members: members.collect() };
    t.clients().batch_create_members(request).await.unwrap();
}

async fn a_page_is_as_long_as_it_is_asked_for(t: Harness) {
    let clients = t.clients();
    clients.organization("Acme").await;
    populate(&t, 101).await;
    let first = search(&clients, everybody(&["acme"])).await;
    assert_eq!((first.members.len(), metadata(&first).0), (100, 101), "100 by default");
    let cursor = metadata(&first).1.to_owned();
    let second = search(&clients, Search { cursor: cursor.clone(), ..everybody(&["acme"]) }).await;
    assert_eq!((second.members.len(), metadata(&second)), (1, (101, "")));
    assert!(!ids(&first).contains(&ids(&second)[0]));
    let again = search(&clients, Search { cursor, ..everybody(&["acme"]) }).await;
    assert_eq!(ids(&again), ids(&second), "a cursor can be used again");
    for (limit, pages) in [(101, 1), (1_000, 1), (51, 2), (50, 3)] {
        let request = Search { limit: Some(limit), ..everybody(&["acme"]) };
        let page = search(&clients, request.clone()).await;
        assert_eq!(metadata(&page).1.is_empty(), pages == 1, "{limit}");
        assert_eq!(walk(&clients, request).await.len(), 101);
    }
}

async fn a_cursor_belongs_to_its_organizations_and_query(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    let globex = clients.organization("Globex").await.organization_id;
    for number in 0..3 {
        clients.member(&acme, &format!("person-{number}@acme.com")).await;
        clients.member(&globex, &format!("person-{number}@acme.com")).await;
    }
    let own = Search { limit: Some(1), ..by(&[&acme], "member_email_fuzzy", json!("person")) };
    let cursor = metadata(&search(&clients, own.clone()).await).1.to_owned();
    // The length of a page is no part of the search.
    let longer = Search { cursor: cursor.clone(), limit: Some(7), ..own.clone() };
    assert_eq!(search(&clients, longer).await.members.len(), 2);
    let filter = |text: &str| ("member_email_fuzzy", json!(text));
    let twice = query(AND, &[filter("person"), filter("person")]);
    let others = [
        Search { query: None, ..own.clone() },
        Search { query: query(OR, &[filter("person")]), ..own.clone() },
        Search { query: query(AND, &[filter("persons")]), ..own.clone() },
        Search { query: twice, ..own.clone() },
        Search { organization_ids: vec![globex.clone()], ..own.clone() },
        Search { organization_ids: vec![acme, globex], ..own.clone() },
    ];
    for other in others {
        let what = format!("{other:?}");
        let answer = clients.search_members(Search { cursor: cursor.clone(), ..other }).await;
        assert!(answer.is_err(), "{what}");
        let refusal = refused(answer, Code::InvalidArgument, INVALID);
        assert_eq!(refusal.violations(), [("cursor", INVALID)], "{what}");
    }
    // Neither is one of the other search.
    let request =
        pb::SearchOrganizationsRequest { limit: Some(1), ..pb::SearchOrganizationsRequest::default() };
    let page = clients.search_organizations(request).await.unwrap().into_inner();
    let cursor = page.results_metadata.unwrap().next_cursor;
    assert!(!cursor.is_empty());
    refused(clients.search_members(Search { cursor, ..own }).await, Code::InvalidArgument, INVALID);
}

async fn a_mangled_cursor_is_refused(t: Harness) {
    let clients = t.clients();
    clients.organization("Acme").await;
    populate(&t, 2).await;
    let request = Search { limit: Some(1), ..everybody(&["acme"]) };
    let cursor = metadata(&search(&clients, request.clone()).await).1.to_owned();
    let mut mangled: Vec<String> = (0..cursor.len())
        .map(|position| {
            let other = if &cursor[position..=position] == "A" { "B" } else { "A" };
            format!("{}{other}{}", &cursor[..position], &cursor[position + 1..])
        })
        .collect();
    mangled.extend([
        " ".to_owned(),
        "x".to_owned(),
        cursor[1..].to_owned(),
        cursor[..cursor.len() - 1].to_owned(),
        format!("{cursor}="),
        format!("{cursor}A"),
        format!("{cursor}{cursor}"),
        "A".repeat(100_000),
        "é".to_owned(),
    ]);
    for cursor in mangled {
        let answer = clients.search_members(Search { cursor: cursor.clone(), ..request.clone() }).await;
        assert!(answer.is_err(), "{cursor}");
        let refusal = refused(answer, Code::InvalidArgument, INVALID);
        assert_eq!(refusal.violations(), [("cursor", INVALID)]);
    }
}

async fn the_total_is_that_of_the_first_page(t: Harness) {
    let clients = t.clients();
    clients.organization("Acme").await;
    populate(&t, 3).await;
    let request = Search { limit: Some(1), ..everybody(&["acme"]) };
    let first = search(&clients, request.clone()).await;
    let cursor = metadata(&first).1.to_owned();
    clients.member("acme", "late@acme.com").await;
    let second = search(&clients, Search { cursor, ..request.clone() }).await;
    assert_eq!(metadata(&second).0, 3);
    assert_eq!(metadata(&search(&clients, request).await).0, 4);
}

/// Creates and deletes members until it is told to stop, and tells how many.
async fn stir(clients: crate::harness::clients::Clients, name: usize, stop: Arc<AtomicBool>) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let organization_id = if count % 2 == 0 { "acme" } else { "globex" };
        let address = format!("passing-{name}-{count}@acme.com");
        let member = clients.create_member(new_member(organization_id, &address)).await.unwrap();
        let request = pb::DeleteMemberRequest {
            organization_id: organization_id.to_owned(),
            member_id: member.into_inner().member_id,
            ..pb::DeleteMemberRequest::default()
        };
        clients.delete_member(request).await.unwrap();
        count += 1;
    }
    count
}

/// The clock stands still, so ids that are made meanwhile fall among those that stand.
async fn what_stands_throughout_is_met_once(t: Harness) {
    const WALKS: usize = 10;
    let clients = t.clients();
    clients.organization("Acme").await;
    clients.organization("Globex").await;
    let mut standing = HashSet::new();
    for number in 0..40 {
        let organization_id = if number % 2 == 0 { "acme" } else { "globex" };
        standing.insert(clients.member(organization_id, &format!("p-{number}@acme.com")).await.member_id);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut stirring = JoinSet::new();
    for name in 0..2 {
        stirring.spawn(stir(t.clients(), name, Arc::clone(&stop)));
    }
    let mut passing = 0;
    for limit in (1..=7).cycle().take(WALKS) {
        let mut met = Vec::new();
        let mut request = Search { limit: Some(limit), ..everybody(&["acme", "globex"]) };
        loop {
            let page = search(&clients, request.clone()).await;
            met.extend(page.members.iter().map(|member| member.member_id.clone()));
            metadata(&page).1.clone_into(&mut request.cursor);
            if request.cursor.is_empty() {
                break;
            }
        }
        assert!(met.windows(2).all(|pair| pair[0] > pair[1]), "in order, and nothing twice: {met:?}");
        let met: HashSet<_> = met.into_iter().collect();
        assert!(standing.is_subset(&met), "{:?}", standing.difference(&met));
        passing += met.len() - standing.len();
    }
    stop.store(true, Ordering::Relaxed);
    let stirred: usize = stirring.join_all().await.into_iter().sum();
    assert!(stirred > WALKS, "{stirred} members came and went, {passing} of them were met");
}
