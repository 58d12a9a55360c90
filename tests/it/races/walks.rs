//! Walks from cursor to cursor while rows come and go.

use std::collections::HashSet;

use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::members::organization_update;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(organizations_come_and_go_during_a_walk);

/// How many organizations stand throughout.
const STANDING: usize = 30;

async fn page(clients: &Clients, cursor: &str) -> (Vec<String>, String) {
    let request = pb::SearchOrganizationsRequest {
        cursor: cursor.to_owned(),
        limit: Some(4),
        ..pb::SearchOrganizationsRequest::default()
    };
    let answer = clients.search_organizations(request).await.unwrap().into_inner();
    let ids = answer.organizations.into_iter().map(|organization| organization.organization_id).collect();
    (ids, answer.results_metadata.unwrap().next_cursor)
}

async fn delete(clients: &Clients, organization_id: String) {
    let request = pb::DeleteOrganizationRequest { organization_id, etag: None };
    clients.delete_organization(request).await.unwrap();
}

async fn organizations_come_and_go_during_a_walk(t: Harness) {
    let clients = t.clients();
    let (mut standing, mut going) = (HashSet::new(), Vec::new());
    for number in 0..STANDING {
        standing.insert(clients.organization("Standing").await.organization_id);
        if number % 3 == 0 {
            going.push(clients.organization("Going").await.organization_id);
        }
    }
    let some = standing.iter().next().unwrap().clone();
    let mut seen = Vec::new();
    let (mut cursor, mut pages) = (String::new(), 0);
    loop {
        // Both ends of the list change: the newest come, and those that the walk has yet to meet go.
        let first = if going.is_empty() { None } else { Some(going.remove(0)) };
        let last = going.pop();
        let update = pb::UpdateOrganizationRequest {
            organization_name: Some(format!("Renamed {pages}")),
            ..organization_update(&some)
        };
        let ((ids, next), _, (), _) = tokio::join!(
            page(&clients, &cursor),
            clients.organization("Coming"),
            async {
                for id in first.into_iter().chain(last) {
                    delete(&clients, id).await;
                }
            },
            async { clients.update_organization(update).await.unwrap() },
        );
        seen.extend(ids);
        pages += 1;
        if next.is_empty() {
            break;
        }
        cursor = next;
    }
    assert!(pages > STANDING / 4, "{pages}");
    let distinct: HashSet<_> = seen.iter().cloned().collect();
    assert_eq!(distinct.len(), seen.len(), "nothing twice");
    assert!(standing.is_subset(&distinct), "nothing skipped");
}
