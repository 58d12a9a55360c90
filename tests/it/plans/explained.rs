//! Plans, as the database logs them, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What the judgement of a plan needs to know of the schema.
#[derive(Debug, Default)]
pub(super) struct Schema {
    /// The tables that grow with tenants.
    pub(super) growing: BTreeSet<String>,
    /// The first column or expression of each index of theirs, and whether any of its columns serves alone.
    pub(super) indexes: BTreeMap<String, (String, bool)>,
}

/// A statement that was run.
#[derive(Clone, Debug)]
pub(super) struct Explained {
    pub(super) text: String,
    plan: Value,
}

impl Explained {
    /// The statements in a part of the log, and how many bytes of it they end at: what is being written
    /// meanwhile is read the next time. The lines of a statement after its first begin with a tab.
    pub(super) fn all(log: &str) -> (Vec<Self>, usize) {
        let (mut all, mut read) = (Vec::new(), 0);
        let mut lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n')).peekable();
        while let Some(line) = lines.next() {
            let mut length = line.len();
            if line.contains(" LOG:  duration: ") && line.ends_with(" plan:\n") {
                let mut json = String::new();
                while let Some(line) = lines.next_if(|line| line.starts_with('\t')) {
                    length += line.len();
                    json.push_str(line.trim_end_matches('\n'));
                }
                let mut json: Value = match serde_json::from_str(&json) {
                    Ok(json) => json,
                    Err(_) if lines.peek().is_none() => break,
                    Err(error) => panic!("{error}: {json}"),
                };
                let text = json["Query Text"].as_str().unwrap().to_owned();
                all.push(Self { text, plan: json["Plan"].take() });
            }
            read += length;
        }
        (all, read)
    }

    /// What of the plan costs more the more tenants there are.
    pub(super) fn faults(&self, schema: &Schema) -> Vec<String> {
        let mut faults = Vec::new();
        judge(&self.plan, &mut Vec::new(), schema, &mut faults);
        faults
    }

    /// The statement and its plan, for people.
    pub(super) fn shown(&self) -> String {
        let mut shown = self.text.clone();
        outline(&self.plan, 1, &mut shown);
        shown
    }
}

fn text<'a>(node: &'a Value, key: &str) -> &'a str {
    node[key].as_str().unwrap_or_default()
}

fn children(node: &Value) -> impl Iterator<Item = &Value> {
    node["Plans"].as_array().into_iter().flatten()
}

/// Judges a node below `above`, the outermost first, and what is below it.
fn judge<'a>(node: &'a Value, above: &mut Vec<&'a Value>, schema: &Schema, faults: &mut Vec<String>) {
    let (relation, index) = (text(node, "Relation Name"), text(node, "Index Name"));
    match text(node, "Node Type") {
        kind @ ("Seq Scan" | "Sample Scan") if schema.growing.contains(relation) => {
            faults.push(format!("{kind} on {relation}"));
        }
        kind @ ("Index Scan" | "Index Only Scan" | "Bitmap Index Scan")
            if schema.indexes.get(index).is_some_and(|index| !is_narrow(node, index))
                && !is_cut_off(node, above) =>
        {
            faults.push(format!("{kind} through all of {index}: {:?}", text(node, "Index Cond")));
        }
        // Each row of one side meets each of the other: cheap while the planner is right that there are few.
        "Materialize"
            if above.last().is_some_and(|above| text(above, "Node Type") == "Nested Loop")
                && !is_of_one_organization(node) =>
        {
            faults.push("Nested Loop over every pair".to_owned());
        }
        _ => {}
    }
    above.push(node);
    for child in children(node) {
        judge(child, above, schema, faults);
    }
    above.pop();
}

/// Whether an index is asked for values of its first column: a range alone, or a later column, may
/// leave nearly all of it.
fn is_narrow(node: &Value, (first, any_column): &(String, bool)) -> bool {
    let condition = text(node, "Index Cond");
    if *any_column { !condition.is_empty() } else { condition.contains(&format!("({first} = ")) }
}

/// Whether all that is read is one organization's.
fn is_of_one_organization(node: &Value) -> bool {
    text(node, "Index Cond").contains("(organization_id = ")
        || children(node).next().is_some() && children(node).all(is_of_one_organization)
}

/// Whether the scan ends after so many rows, whatever these are: right below a limit, and skipping
/// nothing but deleted organizations, which the sweep removes.
fn is_cut_off(node: &Value, above: &[&Value]) -> bool {
    let skips_little = ["", "(deleted_at IS NULL)"].contains(&text(node, "Filter"));
    let passes_all = |node: &&&Value| text(node, "Node Type") == "Subquery Scan" && node["Filter"].is_null();
    let consumer = above.iter().rev().find(|node| !passes_all(node));
    skips_little && consumer.is_some_and(|node| text(node, "Node Type") == "Limit")
}

fn outline(node: &Value, depth: usize, shown: &mut String) {
    let words = ["Node Type", "Scan Direction", "Relation Name", "Index Name", "Index Cond", "Filter"];
    let said: Vec<_> = words.iter().map(|word| text(node, word)).filter(|word| !word.is_empty()).collect();
    shown.push('\n');
    shown.push_str(&"  ".repeat(depth));
    shown.push_str(&said.join(" "));
    for child in children(node) {
        outline(child, depth + 1, shown);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(plan: Value) -> Vec<String> {
        let schema = Schema {
            growing: ["members".to_owned()].into(),
            indexes: [
                ("members_pkey".to_owned(), ("id".to_owned(), false)),
                ("members_text_idx".to_owned(), ("name".to_owned(), true)),
            ]
            .into(),
        };
        Explained { text: String::new(), plan }.faults(&schema)
    }

    #[test]
    fn what_is_still_being_written_is_read_the_next_time() {
        let line = "2026 LOG:  duration: 0.1 ms  plan:\n\t{\"Query Text\": \"SELECT 1\",\n\t \"Plan\": {}}\n";
        let other = "2026 LOG:  checkpoint starting: time\n";
        let log = [other, line, line].concat();
        for cut in 0..log.len() {
            let (first, read) = Explained::all(&log[..cut]);
            let (rest, end) = Explained::all(&log[read..]);
            assert_eq!((first.len() + rest.len(), read + end), (2, log.len()), "cut after {cut} bytes");
        }
    }

    fn scan(condition: Option<&str>, filter: Option<&str>) -> Value {
        json!({
            "Node Type": "Index Scan", "Relation Name": "members", "Index Name": "members_pkey",
            "Index Cond": condition, "Filter": filter,
        })
    }

    fn below(kinds: &[&str], plan: Value) -> Value {
        kinds.iter().rev().fold(plan, |plan, kind| json!({"Node Type": kind, "Plans": [plan]}))
    }

    #[test]
    fn what_reads_few_rows_is_fine() {
        for plan in [
            json!({"Node Type": "Seq Scan", "Relation Name": "project"}),
            scan(Some("(id = $1)"), Some("(name = 'x')")),
            scan(Some("((id = ANY (ARRAY[$1, $2])) AND (status = 'active'::text))"), None),
            json!({"Node Type": "Bitmap Index Scan", "Index Name": "members_text_idx", "Index Cond": "(slug ~~* '%a%'::text)"}),
            below(&["Limit"], scan(None, None)),
            below(
                &["Nested Loop", "Materialize"],
                scan(Some("((organization_id = $1) AND (id = $2))"), Some("(name = 'x')")),
            ),
            below(
                &["Aggregate", "Limit", "Subquery Scan"],
                scan(Some("(id < $1)"), Some("(deleted_at IS NULL)")),
            ),
        ] {
            assert_eq!(faults(plan.clone()), Vec::<String>::new(), "{plan}");
        }
    }

    #[test]
    fn what_reads_a_table_is_found() {
        for plan in [
            json!({"Node Type": "Seq Scan", "Relation Name": "members"}),
            below(&["Limit"], json!({"Node Type": "Seq Scan", "Relation Name": "members"})),
            below(
                &["ModifyTable", "Nested Loop"],
                json!({"Node Type": "Seq Scan", "Relation Name": "members"}),
            ),
            scan(None, None),
            scan(Some("(id < $1)"), None),
            scan(Some("(name = $1)"), None),
            json!({"Node Type": "Bitmap Index Scan", "Index Name": "members_text_idx"}),
            below(&["Nested Loop", "Materialize"], scan(Some("(id = $1)"), None)),
            below(&["Limit"], scan(None, Some("(name = 'x')"))),
            below(&["Limit", "Sort"], scan(None, None)),
            below(&["Limit", "Nested Loop"], scan(Some("(id < $1)"), None)),
        ] {
            assert_eq!(faults(plan.clone()).len(), 1, "{plan}");
        }
    }
}
