//! Frequent texts are found by reading organizations in the order of the page, rare ones by an index: what
//! is found must not tell which way it was. With pages of three, two hundred organizations are read before
//! the index is asked, a third of those here.

use serde_json::{Value as Json, json};
use uuid::Uuid;
use vestibule::pb;

use super::{AND, OR, Request, created, multiply, page, query, walked};
use crate::harness::database::rows;
use crate::harness::fixtures::organization;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(frequent_and_rare_texts_are_found_alike, several_filters_are_found_alike);

/// How many organizations there are.
const COUNT: usize = 600;

/// The organizations, the newest first: the text that each of the columns and tables has.
struct Rows(Vec<Row>);

struct Row {
    id: Uuid,
    name: String,
    slug: String,
    addresses: Vec<String>,
    domains: Vec<String>,
}

/// Which of the organizations, by their places from the newest to the oldest, have a word.
fn places(word: &str) -> Vec<usize> {
    match word {
        "frequent" => (0..COUNT).collect(),
        "evenly" => (0..COUNT).step_by(2).collect(),
        "seldom" => (0..COUNT).step_by(60).collect(),
        "newest" => (0..5).collect(),
        "oldest" => (COUNT - 5..COUNT).collect(),
        // On both sides of where reading is given up.
        "border" => (197..204).collect(),
        "single" => vec![COUNT - 1],
        "absent" => Vec::new(),
        other => panic!("{other}"),
    }
}

const WORDS: [&str; 8] = ["frequent", "evenly", "seldom", "newest", "oldest", "border", "single", "absent"];

/// Organizations, the newest first, that differ in nothing but numbers.
async fn plain(t: &Harness) -> Vec<Row> {
    let first = created(t, organization("Acme")).await;
    multiply(t, &first, i64::try_from(COUNT - 1).unwrap()).await;
    let connection = t.database().await;
    let sql = "SELECT id, name, slug FROM organizations ORDER BY id DESC";
    let found = rows(&connection, sql, vec![]).await;
    connection.close().await.unwrap();
    let row = |row: &sea_orm::QueryResult| Row {
        id: row.try_get("", "id").unwrap(),
        name: row.try_get("", "name").unwrap(),
        slug: row.try_get("", "slug").unwrap(),
        addresses: Vec::new(),
        domains: Vec::new(),
    };
    found.iter().map(row).collect()
}

/// Makes organizations in whose names, slugs, domains and members' addresses the words stand.
async fn spread(t: &Harness) -> Rows {
    let mut all = plain(t).await;
    for word in WORDS {
        let mut ids = Vec::new();
        for place in places(word) {
            let row = &mut all[place];
            row.name = format!("{} {word}", row.name);
            row.slug = format!("{}.{word}", row.slug);
            row.addresses.push(format!("{word}@acme.com"));
            row.domains.push(format!("{word}.acme.com"));
            ids.push(if t.on_servers() {
                format!("'{}'", row.id)
            } else {
                format!("x'{}'", row.id.simple())
            });
        }
        if !ids.is_empty() {
            put(t, word, &ids.join(", ")).await;
        }
    }
    Rows(all)
}

/// Puts a word into organizations, past the API: it would take too long.
async fn put(t: &Harness, word: &str, ids: &str) {
    let (_, uuid) = crate::organization_service::numbers(t, 1);
    t.execute(&format!(
        "UPDATE organizations SET name = name || ' {word}', slug = slug || '.{word}' WHERE id IN ({ids})"
    ))
    .await;
    t.execute(&format!(
        "INSERT INTO organization_domains (organization_id, kind, domain, position) \
         SELECT id, 'allowed', '{word}.acme.com', 0 FROM organizations WHERE id IN ({ids})"
    ))
    .await;
    t.execute(&format!(
        "INSERT INTO members (id, organization_id, status, name, is_breakglass, assigned_roles, mfa_enrolled, \
         oauth_registrations, trusted_metadata, untrusted_metadata, created_at, updated_at) \
         SELECT {uuid}, id, 'active', '{word}', false, '[]', false, '[]', '{{}}', '{{}}', created_at, created_at \
         FROM organizations WHERE id IN ({ids})"
    ))
    .await;
    t.execute(&format!(
        "INSERT INTO member_email_addresses (id, organization_id, member_id, email_address, domain, status, \
         verified, live, created_at) \
         SELECT {uuid}, organization_id, id, '{word}@acme.com', 'acme.com', 'current', false, true, created_at \
         FROM members WHERE name = '{word}'"
    ))
    .await;
}

/// Whether a filter finds an organization.
fn matches(row: &Row, (filter, value): &(&str, Json)) -> bool {
    let text = value.as_str().unwrap_or_default().to_lowercase();
    let has = |texts: &[String]| texts.iter().any(|has| has.to_lowercase().contains(&text));
    let listed = |texts: &[String]| texts.iter().any(|has| value.as_array().unwrap().contains(&json!(has)));
    match *filter {
        "organization_name_fuzzy" => row.name.to_lowercase().contains(&text),
        "organization_slug_fuzzy" => row.slug.to_lowercase().contains(&text),
        "member_email_fuzzy" => has(&row.addresses),
        "allowed_domain_fuzzy" => has(&row.domains),
        "member_emails" => listed(&row.addresses),
        "allowed_domains" => listed(&row.domains),
        "organization_ids" => listed(&[format!("organization-test-{}", row.id)]),
        other => panic!("{other}"),
    }
}

impl Rows {
    /// Asserts that a search finds what a plain filter does: on its first pages of three, and by pages of
    /// a few hundred.
    async fn check(&self, t: &Harness, operator: pb::SearchOperator, filters: &[(&str, Json)]) {
        let expected: Vec<_> = self
            .0
            .iter()
            .filter(|row| {
                let mut verdicts = filters.iter().map(|filter| matches(row, filter));
                if operator == AND { verdicts.all(|yes| yes) } else { verdicts.any(|yes| yes) }
            })
            .map(|row| format!("organization-test-{}", row.id))
            .collect();
        let what = format!("{operator:?} {filters:?}");
        let query = query(operator, filters);
        let ids = |found: Vec<pb::Organization>| {
            found.into_iter().map(|found| found.organization_id).collect::<Vec<_>>()
        };
        let mut request = Request { limit: Some(3), query: query.clone(), ..Request::default() };
        for start in (0..12).step_by(3) {
            let (organizations, metadata) = page(t, request.clone()).await;
            let end = expected.len().min(start + 3);
            assert_eq!(ids(organizations), expected[start.min(end)..end], "{what} from {start}");
            assert_eq!(usize::try_from(metadata.total).unwrap(), expected.len(), "{what} from {start}");
            assert_eq!(metadata.next_cursor.is_empty(), end == expected.len(), "{what} from {start}");
            if metadata.next_cursor.is_empty() {
                break;
            }
            request.cursor = metadata.next_cursor;
        }
        assert_eq!(ids(walked(t, query, 250).await), expected, "{what}");
    }
}

async fn frequent_and_rare_texts_are_found_alike(t: Harness) {
    let rows = spread(&t).await;
    for filter in
        ["organization_name_fuzzy", "organization_slug_fuzzy", "member_email_fuzzy", "allowed_domain_fuzzy"]
    {
        for word in WORDS {
            rows.check(&t, AND, &[(filter, json!(word))]).await;
        }
    }
    for word in WORDS {
        rows.check(&t, AND, &[("member_emails", json!([format!("{word}@acme.com")]))]).await;
        rows.check(&t, AND, &[("allowed_domains", json!([format!("{word}.acme.com")]))]).await;
    }
}

async fn several_filters_are_found_alike(t: Harness) {
    let rows = spread(&t).await;
    let name = |word: &str| ("organization_name_fuzzy", json!(word));
    let address = |word: &str| ("member_email_fuzzy", json!(word));
    let exact = |word: &str| ("member_emails", json!([format!("{word}@acme.com")]));
    let some: Vec<_> = rows.0.iter().step_by(40).map(|row| format!("organization-test-{}", row.id)).collect();
    let ids = || ("organization_ids", json!(some));
    for operator in [AND, OR] {
        for (one, other) in [
            ("frequent", "evenly"),
            ("frequent", "oldest"),
            ("evenly", "border"),
            ("seldom", "oldest"),
            ("newest", "oldest"),
            ("seldom", "evenly"),
            ("absent", "single"),
            ("absent", "frequent"),
        ] {
            rows.check(&t, operator, &[name(one), name(other)]).await;
            rows.check(&t, operator, &[name(one), address(other)]).await;
            rows.check(&t, operator, &[exact(one), name(other)]).await;
            rows.check(&t, operator, &[exact(one), exact(other)]).await;
            rows.check(&t, operator, &[ids(), address(one), name(other)]).await;
        }
        rows.check(&t, operator, &[ids()]).await;
        rows.check(&t, operator, &[ids(), exact("frequent")]).await;
    }
}
