//! Rows to ask for, in an order that has nothing to do with theirs.

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use tonic::transport::Channel;
use vestibule::pb;
use vestibule::pb::organization_service_client::OrganizationServiceClient;

/// How many there are of each kind, at most: more than calls of one kind, so that none asks twice.
const SAMPLES: usize = 500;

/// How many organizations get a name with a word that no other has.
const NEEDLES: usize = 50;

/// A column that stands for an organization or a member, as the API writes its id.
const ORGANIZATION: &str = "'organization-test-' || organizations.id";
const MEMBER: &str = "'member-test-' || members.id";

/// What calls are about. Each list is shuffled, the same way every time.
#[derive(Debug)]
pub(crate) struct Samples {
    pub(crate) organization_ids: Vec<String>,
    pub(crate) external_ids: Vec<String>,
    /// No other slug contains one of these.
    pub(crate) slugs: Vec<String>,
    pub(crate) allowed_domains: Vec<String>,
    pub(crate) claimed_domains: Vec<String>,
    /// Each with its organization.
    pub(crate) member_ids: Vec<(String, String)>,
    pub(crate) member_external_ids: Vec<(String, String)>,
    pub(crate) addresses: Vec<(String, String)>,
}

impl Samples {
    pub(crate) async fn take(database: &DatabaseConnection, organizations: u64) -> Self {
        let of_organizations = async |column: &str, condition: &str| {
            let from = format!("organizations WHERE {condition}");
            pairs(database, column, &from).await.into_iter().map(|(_, value)| value).collect()
        };
        let of_members = async |column: &str, condition: &str| {
            let from = format!(
                "organizations JOIN members ON organization_id = organizations.id \
                 JOIN member_email_addresses ON member_id = members.id AND live \
                 AND member_email_addresses.status = 'current' WHERE members.status = 'active' AND {condition}"
            );
            pairs(database, column, &from).await
        };
        // A slug ends in a number; ten times as much would be another organization that begins alike.
        let only = format!("substring(slug from '[0-9]+$')::bigint * 10 >= {organizations}");
        let domain = |kind: &str| {
            format!(
                "(SELECT domain FROM organization_domains WHERE organization_id = organizations.id \
                 AND kind = '{kind}' LIMIT 1)"
            )
        };
        let (allowed, claimed) = (domain("allowed"), domain("claimed"));
        Self {
            organization_ids: of_organizations(ORGANIZATION, "true").await,
            external_ids: of_organizations("organizations.external_id", "external_id IS NOT NULL").await,
            slugs: of_organizations("slug", &only).await,
            allowed_domains: of_organizations(&allowed, &format!("{allowed} IS NOT NULL")).await,
            claimed_domains: of_organizations(&claimed, &format!("{claimed} IS NOT NULL")).await,
            member_ids: of_members(MEMBER, "true").await,
            member_external_ids: of_members("members.external_id", "members.external_id IS NOT NULL").await,
            // Those who are in their organization alone.
            addresses: of_members("email_address", "domain LIKE '%' || slug || '%'").await,
        }
    }

    /// Gives some organizations a rare word each.
    pub(crate) async fn hide_needles(&self, client: &mut OrganizationServiceClient<Channel>) {
        for (number, id) in self.organization_ids.iter().take(NEEDLES).enumerate() {
            let request = pb::UpdateOrganizationRequest {
                organization_id: id.clone(),
                organization_name: Some(format!("Harbor {}", Self::needle(number))),
                ..pb::UpdateOrganizationRequest::default()
            };
            client.update_organization(request).await.unwrap();
        }
    }

    /// A word that stands in the name of one organization.
    pub(crate) fn needle(number: usize) -> String {
        format!("Quixtol{:02}", number % NEEDLES)
    }
}

/// Organizations, each with the value of a column.
async fn pairs(database: &DatabaseConnection, column: &str, from: &str) -> Vec<(String, String)> {
    let sql = format!(
        "SELECT {ORGANIZATION} AS organization, {column} AS value FROM {from} \
         ORDER BY md5({column}), 1 LIMIT {SAMPLES}"
    );
    let statement = Statement::from_string(DbBackend::Postgres, &sql);
    let rows = database.query_all_raw(statement).await.unwrap();
    assert!(!rows.is_empty(), "nothing to ask for: {sql}");
    let text = |row: &sea_orm::QueryResult, name: &str| row.try_get::<String>("", name).unwrap();
    rows.iter().map(|row| (text(row, "organization"), text(row, "value"))).collect()
}
