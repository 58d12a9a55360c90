//! Finding members of some organizations.
//!
//! The members of each organization are walked in page order, by the index that has them so; the walks
//! are merged. What it costs grows with these organizations alone.

use sea_orm::Value;

use super::{FoundIds, pattern, room};
use crate::domain::email_address::EmailAddress;
use crate::domain::member::{ADMIN_ROLE, MEMBER_ROLE};
use crate::domain::organization::Organization;
use crate::domain::phone_number::PhoneNumber;
use crate::domain::search::{MemberFilter, Page, Selection, Total};
use crate::domain::slug::ExternalId;
use crate::store::parameters::Parameters;
use crate::store::{Engine, Error, Store};

use MemberFilter as Filter;

impl Store {
    /// Finds the ids of a page of members of these organizations, deleted ones only if `deleted`.
    ///
    /// # Errors
    /// [`Error::TooSlow`] when the page was not found in time; as [`Error`] says.
    pub async fn members_search(
        &self,
        organizations: &[Organization],
        selection: &Selection<MemberFilter>,
        deleted: bool,
        page: Page,
    ) -> Result<FoundIds, Error> {
        let Some((filters, every)) = selection.filters() else {
            return Ok(FoundIds::none());
        };
        let search = Search { engine: self.engine, filters, every, deleted };
        let wanted = room(page) + 1;
        let (sql, values) = search.walk(organizations, page);
        let ids = self
            .search_ids("members_search", &format!("{sql} ORDER BY id DESC LIMIT {wanted}"), values)
            .await?;
        let total = self.members_total(search, organizations, page).await?;
        Ok(FoundIds::page(ids, page, total))
    }

    /// How many members match: counted for the first page, and remembered by its cursors.
    async fn members_total(
        &self,
        search: Search<'_>,
        organizations: &[Organization],
        page: Page,
    ) -> Result<Total, Error> {
        if let Some(position) = page.position {
            return Ok(position.total);
        }
        let (sql, values) = search.walk(organizations, page);
        Ok(self.search_total(&sql, values).await?.total())
    }
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
struct Search<'a> {
    engine: Engine,
    filters: &'a [Filter],
    /// Whether every filter must match, or at least one.
    every: bool,
    /// Whether deleted members are found too.
    deleted: bool,
}

impl Search<'_> {
    /// The query for the matching members of the page and behind it.
    fn walk(self, organizations: &[Organization], page: Page) -> (String, Vec<Value>) {
        let mut parameters = Parameters::of(self.engine);
        let behind = page.position.map(|position| parameters.add(position.after));
        let behind = behind.map_or_else(String::new, |after| format!(" AND members.id < {after}"));
        let alive = if self.deleted { "" } else { " AND members.status <> 'deleted'" };
        // Written once, for all organizations: the values of a filter are sent once.
        let tests: Vec<_> =
            self.filters.iter().map(|filter| (filter, self.test(filter, &mut parameters))).collect();
        let mut walks = Vec::new();
        for organization in organizations {
            let id = parameters.add(organization.id.uuid());
            let tests: Vec<_> = tests
                .iter()
                .map(|(filter, test)| match filter {
                    Filter::MemberRoles(roles) => or_by_domain(test, roles, organization, &mut parameters),
                    _ => test.replace(ORGANIZATION, &id),
                })
                .collect();
            let tests = match tests.as_slice() {
                [] => String::new(),
                tests => format!(" AND ({})", tests.join(if self.every { " AND " } else { " OR " })),
            };
            walks.push(format!(
                "SELECT members.id FROM members WHERE members.organization_id = {id}{behind}{alive}{tests}"
            ));
        }
        (format!("SELECT id FROM ({}) AS members", walks.join(" UNION ALL ")), parameters.values())
    }
}

/// Stands for the organization in a test.
const ORGANIZATION: &str = ":organization";

impl Search<'_> {
    /// The filter as a test of one member.
    fn test(self, filter: &Filter, parameters: &mut Parameters) -> String {
        let engine = self.engine;
        match filter {
            Filter::MemberIds(ids) => {
                format!("members.id {}", parameters.any_id(ids.iter().map(|id| id.uuid())))
            }
            Filter::ExternalIds(external_ids) => {
                let exact = parameters.any_text(external_ids.iter().map(ExternalId::as_str));
                let keys: Vec<_> = external_ids.iter().map(ExternalId::key).collect();
                let keys = parameters.any_text(keys.iter().map(String::as_str));
                format!("(lower(members.external_id) {keys} AND members.external_id {exact})")
            }
            // A set of ids of its own, so that it leads the search where it can.
            Filter::MemberEmails(addresses) => {
                let list = parameters.any_text(addresses.iter().map(EmailAddress::as_str));
                // Said where it can be, since the index that has the organization first has living ones only.
                let live = if self.deleted { "" } else { " AND live" };
                format!(
                    "members.id IN (SELECT member_id FROM member_email_addresses \
                 WHERE organization_id = {ORGANIZATION} AND email_address {list} AND status = 'current'{live})"
                )
            }
            Filter::Statuses(statuses) => {
                let list = parameters.any_text(statuses.iter().map(|status| status.as_str()));
                format!("members.status {list}")
            }
            Filter::MemberMfaPhoneNumbers(numbers) => {
                let list = parameters.any_text(numbers.iter().map(PhoneNumber::as_str));
                format!("(members.mfa_phone_number <> '' AND members.mfa_phone_number {list})")
            }
            Filter::MemberRoles(roles) => is_assigned(engine, roles, parameters),
            Filter::MemberEmailFuzzy(text) => {
                current_address(&engine.contains("email_address", &parameters.add(pattern(text))))
            }
            Filter::MemberMfaPhoneNumberFuzzy(text) => {
                engine.contains("members.mfa_phone_number", &parameters.add(pattern(text)))
            }
            Filter::MemberIsBreakglass(is_breakglass) => {
                format!("members.is_breakglass = {}", parameters.add(*is_breakglass))
            }
        }
    }
}

/// The test for a role that everybody holds or that was assigned to the member.
fn is_assigned(engine: Engine, roles: &[String], parameters: &mut Parameters) -> String {
    match roles {
        _ if roles.iter().any(|role| role == MEMBER_ROLE) => "true".to_owned(),
        [role] if role == ADMIN_ROLE => engine.assigned_admin().to_owned(),
        _ => {
            let list = parameters.any_text(roles.iter().map(String::as_str));
            let elements = engine.json_elements("members.assigned_roles");
            format!("EXISTS (SELECT 1 FROM {elements} WHERE value {list})")
        }
    }
}

/// The test, or that for one of the domains by which the organization gives the roles.
fn or_by_domain(
    test: &str,
    roles: &[String],
    organization: &Organization,
    parameters: &mut Parameters,
) -> String {
    let assignments = &organization.settings.rbac_email_implicit_role_assignments;
    let domains: Vec<_> = assignments
        .iter()
        .filter(|assignment| roles.contains(&assignment.role_id))
        .map(|assignment| assignment.domain.as_str())
        .collect();
    if domains.is_empty() {
        return test.to_owned();
    }
    let by_domain = format!("verified AND domain {}", parameters.any_text(domains));
    format!("({test} OR {})", current_address(&by_domain))
}

/// A test of the member's current address. `OFFSET 0` keeps the planner from turning the test of some
/// rows into a join of all.
fn current_address(test: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM member_email_addresses WHERE member_id = members.id AND status = 'current' \
         AND {test} LIMIT 1 OFFSET 0)"
    )
}
