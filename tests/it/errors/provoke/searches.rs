//! Refusals to search.

use serde_json::Value as Json;
use tonic::Status;
use vestibule::pb::{self, SearchOperator};

use crate::harness::Harness;
use crate::harness::members::query;

/// Makes reading any organization take longer than a search may.
const SLOW: &str = "ALTER TABLE organizations RENAME TO standing; \
    CREATE VIEW organizations AS SELECT standing.* FROM standing, pg_sleep(10)";

/// Fails to find organizations.
pub(super) async fn searching(
    t: &Harness,
    change: impl FnOnce(&mut pb::SearchOrganizationsRequest),
) -> Status {
    let mut request = pb::SearchOrganizationsRequest::default();
    change(&mut request);
    t.clients().search_organizations(request).await.unwrap_err()
}

/// Fails to find organizations by one filter.
pub(super) async fn organizations_by(t: &Harness, name: &str, value: Json) -> Status {
    searching(t, |sent| sent.query = query(SearchOperator::And, &[(name, value)])).await
}

/// Fails to find members by one filter.
pub(super) async fn members_by(t: &Harness, name: &str, value: Json) -> Status {
    let request = pb::SearchMembersRequest {
        organization_ids: vec![t.clients().organization("Acme").await.organization_id],
        query: query(SearchOperator::And, &[(name, value)]),
        ..pb::SearchMembersRequest::default()
    };
    t.clients().search_members(request).await.unwrap_err()
}

pub(super) async fn members_of_nobody(t: &Harness) -> Status {
    t.clients().search_members(pb::SearchMembersRequest::default()).await.unwrap_err()
}

pub(super) async fn the_database_is_slow() -> Status {
    let t = Harness::postgres().await;
    t.clients().organization("Acme").await;
    t.execute(SLOW).await;
    searching(&t, |_| {}).await
}
