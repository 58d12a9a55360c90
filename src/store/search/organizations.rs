//! Finding organizations.
//!
//! Two ways lead to a page. *Walking*: the organizations in page order, testing each, for as long as
//! there is hope that matches are frequent. *Gathering*: all matches by an index, then the page of them.
//! A text that nearly every organization contains is found by walking in no time, and would take for ever
//! to gather; a rare one is gathered in no time, and walking would read everything. Which it is, the
//! walk tells: it is bounded, and what it does not find is gathered.

use sea_orm::Value;

use super::{Counted, FoundIds, pattern, room};
use crate::domain::email_address::EmailAddress;
use crate::domain::email_domain::EmailDomain;
use crate::domain::organization::OrganizationName;
use crate::domain::search::{MAX_TOTAL, OrganizationFilter, Page, Selection, Substring};
use crate::store::organizations::named_any;
use crate::store::parameters::Parameters;
use crate::store::{Engine, Error, Store, column};

use OrganizationFilter as Filter;

/// How many organizations are tested for each that is wanted before walking is given up: then fewer than
/// one in so many match.
const HOPE: usize = 50;

impl Store {
    /// Finds the ids of a page of organizations.
    ///
    /// # Errors
    /// [`Error::TooSlow`] when the page was not found in time; as [`Error`] says.
    pub async fn organizations_search(
        &self,
        selection: &Selection<OrganizationFilter>,
        page: Page,
    ) -> Result<FoundIds, Error> {
        let Some((filters, every)) = selection.filters() else {
            return Ok(FoundIds::none());
        };
        let search = Search { engine: self.engine, filters, every };
        if search.walks()
            && let Some(found) = self.organizations_walk(search, page).await?
        {
            return Ok(found);
        }
        self.organizations_gather(search, page).await
    }

    /// `None`: matches are too rare.
    async fn organizations_walk(&self, search: Search<'_>, page: Page) -> Result<Option<FoundIds>, Error> {
        let wanted = room(page) + 1;
        let (sql, values) = search.walk(page, search.bound(wanted));
        let ids = self
            .search_ids("organizations_search", &format!("{sql} ORDER BY id DESC LIMIT {wanted}"), values)
            .await?;
        if ids.len() < wanted && search.gathers() {
            return Ok(None);
        }
        if let Some(position) = page.position {
            return Ok(Some(FoundIds::page(ids, page, position.total)));
        }
        // Where every other organization matches, walking soon proves that there are many; where fewer do,
        // gathering them costs less.
        let (sql, values) = search.walk(page, search.gathers().then_some(2 * COUNTED));
        // In page order: a table is read from its beginning, which may be empty space.
        let mut counted = self.search_total(&format!("{sql} ORDER BY id DESC"), values).await?;
        if counted != Counted::Many && search.gathers() {
            let mut parameters = Parameters::of(search.engine);
            let sql = search.matches(&mut parameters);
            counted = self.search_total(&sql, parameters.values()).await?;
        }
        Ok(Some(FoundIds::page(ids, page, counted.total())))
    }

    async fn organizations_gather(&self, search: Search<'_>, page: Page) -> Result<FoundIds, Error> {
        let (sql, values) = search.gather(page, room(page) + 1);
        let rows = self.search("organizations_search", &sql, values).await?;
        let total = match (page.position, rows.first()) {
            (Some(position), _) => position.total,
            (None, None) => Some(0),
            (None, Some(row)) => {
                u32::try_from(column::<i64>(row, "total")?).ok().filter(|total| *total <= MAX_TOTAL)
            }
        };
        let ids = rows.iter().map(|row| column(row, "id")).collect::<Result<_, _>>()?;
        Ok(FoundIds::page(ids, page, total))
    }
}

/// How many matches are counted.
const COUNTED: usize = MAX_TOTAL as usize + 1;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
struct Search<'a> {
    engine: Engine,
    filters: &'a [Filter],
    /// Whether every filter must match, or at least one.
    every: bool,
}

impl Search<'_> {
    /// Whether matches may be so frequent that walking finds a page of them: unless an exact filter says
    /// which organizations they are among.
    fn walks(self) -> bool {
        let exact = self.filters.iter().filter(|filter| is_exact(filter)).count();
        match (self.every, self.engine) {
            // Without an index for substrings there is nothing to gather by.
            (_, Engine::Sqlite) => true,
            (true, Engine::Postgres) => exact == 0,
            (false, Engine::Postgres) => exact < self.filters.len(),
        }
    }

    /// Whether there are indexes to gather matches by, and something to look up in them.
    fn gathers(self) -> bool {
        self.engine == Engine::Postgres && !self.filters.is_empty()
    }

    /// The most organizations that walking tests to find so many.
    fn bound(self, wanted: usize) -> Option<usize> {
        self.gathers().then_some(HOPE * wanted)
    }

    /// The query for the organizations that match among those of the page and behind it; at most `bound`
    /// are tested.
    fn walk(self, page: Page, bound: Option<usize>) -> (String, Vec<Value>) {
        let mut parameters = Parameters::of(self.engine);
        let mut tested = format!(
            "SELECT id, name, slug, external_id FROM organizations WHERE {}",
            lives(page, &mut parameters)
        );
        if let Some(bound) = bound {
            tested = format!("{tested} ORDER BY id DESC LIMIT {bound}");
        }
        let conditions: Vec<_> =
            self.filters.iter().map(|filter| condition(self.engine, filter, &mut parameters)).collect();
        let condition = if conditions.is_empty() {
            "true".to_owned()
        } else {
            conditions.join(if self.every { " AND " } else { " OR " })
        };
        let sql = format!("SELECT id FROM ({tested}) AS organizations WHERE {condition}");
        (sql, parameters.values())
    }

    /// The query for a page of all matches, and how many there are.
    fn gather(self, page: Page, wanted: usize) -> (String, Vec<Value>) {
        let mut parameters = Parameters::of(self.engine);
        let behind = behind(page, &mut parameters);
        let matches = self.matches(&mut parameters);
        let sql = format!(
            "WITH matches AS MATERIALIZED ({matches}) SELECT id, \
             (SELECT count(*) FROM (SELECT 1 FROM matches LIMIT {COUNTED}) AS counted) AS total \
             FROM matches WHERE {behind} ORDER BY id DESC LIMIT {wanted}"
        );
        (sql, parameters.values())
    }

    /// The query for all matches, by the indexes of the filters. Every candidate is looked up: a join might
    /// read all organizations.
    fn matches(self, parameters: &mut Parameters) -> String {
        let mut conditions = vec!["organizations.deleted_at IS NULL".to_owned()];
        let sets: Vec<_> = if self.every {
            // The filter that most probably has the fewest matches leads; the others are tested.
            let leading = self.filters.iter().max_by_key(|filter| promise(filter));
            let others = self.filters.iter().filter(|filter| Some(*filter) != leading);
            conditions.extend(others.map(|filter| condition(self.engine, filter, parameters)));
            leading.into_iter().map(|filter| set(self.engine, filter, parameters)).collect()
        } else {
            self.filters.iter().map(|filter| set(self.engine, filter, parameters)).collect()
        };
        format!(
            "SELECT id FROM (SELECT DISTINCT id FROM ({}) AS found) AS candidates WHERE EXISTS \
             (SELECT 1 FROM organizations WHERE organizations.id = candidates.id AND {} LIMIT 1 OFFSET 0)",
            sets.join(" UNION ALL "),
            conditions.join(" AND ")
        )
    }
}

/// The condition for organizations that stand behind the page before.
fn behind(page: Page, parameters: &mut Parameters) -> String {
    page.position
        .map_or_else(|| "true".to_owned(), |position| format!("id < {}", parameters.add(position.after)))
}

fn lives(page: Page, parameters: &mut Parameters) -> String {
    format!("deleted_at IS NULL AND {}", behind(page, parameters))
}

fn is_exact(filter: &Filter) -> bool {
    substring(filter).is_none()
}

fn substring(filter: &Filter) -> Option<&Substring> {
    match filter {
        Filter::OrganizationIds(_)
        | Filter::OrganizationSlugs(_)
        | Filter::MemberEmails(_)
        | Filter::AllowedDomains(_)
        | Filter::ClaimedEmailDomains(_) => None,
        Filter::OrganizationSlugFuzzy(text)
        | Filter::OrganizationNameFuzzy(text)
        | Filter::MemberEmailFuzzy(text)
        | Filter::AllowedDomainFuzzy(text) => Some(text),
    }
}

/// How few rows a filter promises to read: names before what several organizations may have, before texts;
/// of these, the ones in what an organization has one of, and the longer the better.
fn promise(filter: &Filter) -> (bool, bool, bool, usize) {
    let unique = matches!(
        filter,
        Filter::OrganizationIds(_) | Filter::OrganizationSlugs(_) | Filter::ClaimedEmailDomains(_)
    );
    let single = matches!(filter, Filter::OrganizationSlugFuzzy(_) | Filter::OrganizationNameFuzzy(_));
    (unique, is_exact(filter), single, substring(filter).map_or(0, |text| text.0.len()))
}

/// The filter as the source of the matching ids.
fn set(engine: Engine, filter: &Filter, parameters: &mut Parameters) -> String {
    let own = |condition: String| format!("SELECT id FROM organizations WHERE {condition}");
    match filter {
        Filter::OrganizationIds(names) => own(exactly_named(names, parameters)),
        Filter::OrganizationSlugs(slugs) => own(slugged(slugs, parameters)),
        Filter::MemberEmails(_) | Filter::MemberEmailFuzzy(_) => format!(
            "SELECT organization_id AS id FROM member_email_addresses WHERE {}",
            details(engine, filter, parameters)
        ),
        Filter::AllowedDomains(_) | Filter::ClaimedEmailDomains(_) | Filter::AllowedDomainFuzzy(_) => {
            format!(
                "SELECT organization_id AS id FROM organization_domains WHERE {}",
                details(engine, filter, parameters)
            )
        }
        Filter::OrganizationSlugFuzzy(_) | Filter::OrganizationNameFuzzy(_) => {
            own(details(engine, filter, parameters))
        }
    }
}

/// The filter as a test of one organization. `OFFSET 0` keeps the planner from turning the test of some
/// rows into a join of all; the order, which the index that has the organization first gives, keeps it from
/// reading a whole table in the hope of a soon match.
fn condition(engine: Engine, filter: &Filter, parameters: &mut Parameters) -> String {
    let exists = |table: &str, order: &str, details: String| {
        format!(
            "EXISTS (SELECT 1 FROM {table} WHERE {table}.organization_id = organizations.id AND {details} \
             ORDER BY {order} LIMIT 1 OFFSET 0)"
        )
    };
    match filter {
        Filter::OrganizationIds(names) => exactly_named(names, parameters),
        Filter::OrganizationSlugs(slugs) => slugged(slugs, parameters),
        Filter::MemberEmails(_) | Filter::MemberEmailFuzzy(_) => {
            exists("member_email_addresses", "email_address", details(engine, filter, parameters))
        }
        Filter::AllowedDomains(_) | Filter::ClaimedEmailDomains(_) | Filter::AllowedDomainFuzzy(_) => {
            exists("organization_domains", "domain", details(engine, filter, parameters))
        }
        Filter::OrganizationSlugFuzzy(_) | Filter::OrganizationNameFuzzy(_) => {
            details(engine, filter, parameters)
        }
    }
}

/// The pattern for how the domain of an address begins that has the text in it, if the text tells.
fn behind_at(text: &Substring) -> Option<String> {
    let (_, beginning) = text.0.split_once('@')?;
    // Domains are stored in lower case, and nothing in them means anything to `LIKE`.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_plain = !beginning.is_empty() && beginning.bytes().all(plain);
    is_plain.then(|| format!("{}%", beginning.to_ascii_lowercase()))
}

/// What the filter asks of a row of the table that it looks at.
fn details(engine: Engine, filter: &Filter, parameters: &mut Parameters) -> String {
    let mut contains =
        |column: &str, text: &Substring| engine.contains(column, &parameters.add(pattern(text)));
    match filter {
        Filter::OrganizationIds(names) => exactly_named(names, parameters),
        Filter::OrganizationSlugs(slugs) => slugged(slugs, parameters),
        Filter::MemberEmails(addresses) => {
            let list = parameters.any_text(addresses.iter().map(EmailAddress::as_str));
            format!("email_address {list} AND live AND status = 'current'")
        }
        Filter::AllowedDomains(domains) => {
            let list = parameters.any_text(domains.iter().map(EmailDomain::as_str));
            format!("domain {list} AND kind = 'allowed'")
        }
        Filter::ClaimedEmailDomains(domains) => {
            let list = parameters.any_text(domains.iter().map(EmailDomain::as_str));
            format!("domain {list} AND kind = 'claimed'")
        }
        Filter::OrganizationSlugFuzzy(text) => contains("organizations.slug", text),
        Filter::OrganizationNameFuzzy(text) => contains("organizations.name", text),
        Filter::MemberEmailFuzzy(text) => {
            let found = contains("email_address", text);
            // The trigrams of an address are in many others; few domains begin like its own.
            let domain = behind_at(text).map(|beginning| parameters.add(beginning));
            let domain = domain.map_or_else(String::new, |beginning| format!(" AND domain LIKE {beginning}"));
            format!("{found}{domain} AND live AND status = 'current'")
        }
        Filter::AllowedDomainFuzzy(text) => format!("{} AND kind = 'allowed'", contains("domain", text)),
    }
}

/// External ids are found in their own case only, slugs in any.
fn exactly_named(names: &[OrganizationName], parameters: &mut Parameters) -> String {
    let by_index = named_any("organizations", names, parameters);
    let others: Vec<_> = names
        .iter()
        .filter_map(|name| match name {
            OrganizationName::Id(_) => None,
            OrganizationName::Other(name) => Some(name.as_str()),
        })
        .collect();
    if others.is_empty() {
        return by_index;
    }
    let ids = names.iter().filter_map(|name| match name {
        OrganizationName::Id(id) => Some(id.uuid()),
        OrganizationName::Other(_) => None,
    });
    let ids = parameters.any_id(ids);
    let lower: Vec<_> = others.iter().map(|name| name.to_ascii_lowercase()).collect();
    let lower = parameters.any_text(lower.iter().map(String::as_str));
    let exact = parameters.any_text(others);
    format!(
        "({by_index} AND (organizations.id {ids} OR lower(organizations.slug) {lower} \
         OR organizations.external_id {exact}))"
    )
}

fn slugged(slugs: &[String], parameters: &mut Parameters) -> String {
    let list = parameters.any_text(slugs.iter().map(String::as_str));
    format!(
        "(organizations.id IN (SELECT organization_id FROM organization_names WHERE name {list}) \
         AND lower(organizations.slug) {list})"
    )
}
