use super::*;

const THINGS: &[Column] = &[("id", "uuid"), ("name", "text")];

fn chain() -> Chain {
    let mut chain = Chain::default();
    chain.unless_exists("claims WHERE domain = $1", "acme.com".into());
    chain.row("things", THINGS, vec![1.into(), "a".into()]);
    chain.rows("names", THINGS, vec![vec![2.into(), "b".into()], vec![3.into(), "c".into()]]);
    chain.rows("nothing", THINGS, Vec::new());
    chain.row("events", THINGS, vec![4.into(), "d".into()]);
    chain
}

#[test]
fn postgres_gets_one_statement_in_a_fixed_order() {
    assert_eq!(chain().last_rows(), 1);
    let (sql, values) = chain().postgres();
    assert_eq!(
        sql,
        "WITH guard AS (SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM claims WHERE domain = $1)), \
         link_0 AS (INSERT INTO things (id, name) SELECT $2::uuid, $3::text FROM guard RETURNING 1), \
         link_1 AS (INSERT INTO names (id, name) SELECT list.* FROM link_0, \
         (VALUES ($4::uuid, $5::text), ($6::uuid, $7::text)) AS list RETURNING 1) \
         INSERT INTO events (id, name) SELECT $8::uuid, $9::text \
         FROM (SELECT count(*) FROM link_1 HAVING count(*) > 0) AS link_1_whole"
    );
    assert_eq!(values.len(), 9);
}

#[test]
fn sqlite_gets_the_same_links_one_by_one() {
    let (guard, inserts) = chain().sqlite();
    assert_eq!(guard.unwrap().0, "SELECT 1 FROM claims WHERE domain = $1");
    let sql: Vec<_> = inserts.into_iter().map(|(sql, _)| sql).collect();
    assert_eq!(
        sql,
        [
            "INSERT INTO things (id, name) VALUES ($1, $2)",
            "INSERT INTO names (id, name) VALUES ($1, $2), ($3, $4)",
            "INSERT INTO events (id, name) VALUES ($1, $2)",
        ]
    );
}
