//! One write as one round trip: a chain of plain inserts.
//!
//! On Postgres the chain is a single statement, in which every insert selects from the one before
//! it. That fixes their order, so the first constraint that is violated is the first link's: a
//! repeated call meets its own idempotency record before it meets its own slug. SQLite has no
//! inserts inside a `WITH`; there the same links run one by one in a transaction, in the process.

use sea_orm::Value;

/// A column and its Postgres type, which makes the statement mean the same whoever sends it.
pub(super) type Column = (&'static str, &'static str);

/// Rows for one table. Never empty.
#[derive(Debug)]
pub(super) struct Insert {
    table: &'static str,
    columns: &'static [Column],
    rows: Vec<Vec<Value>>,
}

/// Lets the chain go on only while a row does not exist.
#[derive(Debug)]
pub(super) struct Guard {
    /// Goes behind `SELECT 1 FROM`, with `$1` for the value.
    absent: &'static str,
    value: Value,
}

/// Inserts in order, the later ones depending on the earlier ones.
#[derive(Debug, Default)]
pub(super) struct Chain {
    guard: Option<Guard>,
    inserts: Vec<Insert>,
}

/// A statement and its parameters.
pub(super) type Bound = (String, Vec<Value>);

impl Chain {
    /// Refuses the whole chain when `SELECT 1 FROM <absent>` finds a row. `absent` refers to the
    /// value as `$1`.
    pub(super) fn unless_exists(&mut self, absent: &'static str, value: Value) {
        self.guard = Some(Guard { absent, value });
    }

    /// Adds one row.
    pub(super) fn row(&mut self, table: &'static str, columns: &'static [Column], row: Vec<Value>) {
        self.inserts.push(Insert { table, columns, rows: vec![row] });
    }

    /// Adds rows, if there are any.
    pub(super) fn rows(&mut self, table: &'static str, columns: &'static [Column], rows: Vec<Vec<Value>>) {
        if !rows.is_empty() {
            self.inserts.push(Insert { table, columns, rows });
        }
    }

    /// How many rows the last link inserts; what the statement must report.
    pub(super) fn last_rows(&self) -> u64 {
        self.inserts.last().map_or(0, |insert| insert.rows.len() as u64)
    }

    /// The rows of each table, for writing many chains at once.
    pub(super) fn into_rows(
        self,
    ) -> impl Iterator<Item = (&'static str, &'static [Column], Vec<Vec<Value>>)> {
        self.inserts.into_iter().map(|insert| (insert.table, insert.columns, insert.rows))
    }

    /// The single statement for Postgres. All on one line, so that a server's log shows it whole.
    pub(super) fn postgres(self) -> Bound {
        let mut values = Vec::with_capacity(96);
        let mut links = Vec::with_capacity(self.inserts.len());
        let mut anchor = None;
        if let Some(guard) = self.guard {
            values.push(guard.value);
            links.push(format!("guard AS (SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM {}))", guard.absent));
            anchor = Some("guard".to_owned());
        }
        let mut inserts = self.inserts.into_iter().enumerate().peekable();
        let mut last = String::new();
        while let Some((index, insert)) = inserts.next() {
            let name = format!("link_{index}");
            let single = insert.rows.len() == 1;
            let sql = insert.select_from(anchor.as_deref(), &mut values);
            if inserts.peek().is_none() {
                last = sql;
                break;
            }
            links.push(format!("{name} AS ({sql} RETURNING 1)"));
            // A link of several rows would multiply what selects from it; counted, it is one row once
            // all of them are in, and none when there are none.
            anchor = Some(if single {
                name
            } else {
                format!("(SELECT count(*) FROM {name} HAVING count(*) > 0) AS {name}_whole")
            });
        }
        let sql = if links.is_empty() { last } else { format!("WITH {} {last}", links.join(", ")) };
        (sql, values)
    }

    /// The guard (a query that must find nothing) and the inserts for SQLite.
    pub(super) fn sqlite(self) -> (Option<Bound>, Vec<Bound>) {
        let guard = self.guard.map(|guard| (format!("SELECT 1 FROM {}", guard.absent), vec![guard.value]));
        (guard, self.inserts.into_iter().map(Insert::values).collect())
    }
}

impl Insert {
    fn head(&self) -> String {
        let columns: Vec<_> = self.columns.iter().map(|(column, _)| *column).collect();
        format!("INSERT INTO {} ({})", self.table, columns.join(", "))
    }

    fn select_from(self, anchor: Option<&str>, values: &mut Vec<Value>) -> String {
        let head = self.head();
        let single = self.rows.len() == 1;
        let columns = self.columns;
        let typed = |position: usize, column: &Column| format!("${position}::{}", column.1);
        let mut rows = self.rows.into_iter().map(|row| placeholders(columns, row, values, typed));
        if single {
            let row = rows.next().unwrap_or_default();
            let from = anchor.map_or_else(String::new, |anchor| format!(" FROM {anchor}"));
            return format!("{head} SELECT {row}{from}");
        }
        let rows: Vec<_> = rows.map(|row| format!("({row})")).collect();
        let anchor = anchor.map_or_else(String::new, |anchor| format!("{anchor}, "));
        format!("{head} SELECT list.* FROM {anchor}(VALUES {}) AS list", rows.join(", "))
    }

    fn values(self) -> Bound {
        let head = self.head();
        let columns = self.columns;
        let mut values = Vec::new();
        let plain = |position: usize, _: &Column| format!("${position}");
        let rows: Vec<_> = self
            .rows
            .into_iter()
            .map(|row| format!("({})", placeholders(columns, row, &mut values, plain)))
            .collect();
        (format!("{head} VALUES {}", rows.join(", ")), values)
    }
}

/// Moves a row into the parameters, and names each where it stands.
fn placeholders(
    columns: &[Column],
    row: Vec<Value>,
    values: &mut Vec<Value>,
    name: impl Fn(usize, &Column) -> String,
) -> String {
    debug_assert_eq!(columns.len(), row.len(), "a value for each column");
    let names = columns.iter().zip(row).map(|(column, value)| {
        values.push(value);
        name(values.len(), column)
    });
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
