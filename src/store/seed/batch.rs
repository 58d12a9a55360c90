//! Rows on their way into the tables.

use sea_orm::Value;

use crate::domain::seed::Seeded;
use crate::store::chain::{Chain, Column};

/// The tables that are filled, in the order of their references.
pub(super) const TABLES: [&str; 6] = [
    "organizations",
    "organization_names",
    "organization_domains",
    "organization_oauth_tenants",
    "members",
    "member_email_addresses",
];

/// Rows of one table, all with the same columns.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Value>>,
}

/// Rows of every table.
#[derive(Debug, Default)]
pub(super) struct Batch {
    tables: [Table; TABLES.len()],
    rows: usize,
}

impl Batch {
    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds what a real creation would write.
    pub(super) fn add(&mut self, seeded: &Seeded) {
        let mut chain = Chain::default();
        match seeded {
            Seeded::Organization(organization) => chain.organization(organization),
            Seeded::Member(member) => chain.member(member),
        }
        for (table, columns, rows) in chain.into_rows() {
            self.extend(table, columns, rows);
        }
    }

    /// The tables with their names, in the order of their references.
    pub(super) fn into_tables(self) -> impl Iterator<Item = (&'static str, Table)> {
        TABLES.into_iter().zip(self.tables).filter(|(_, table)| !table.rows.is_empty())
    }

    fn extend(&mut self, name: &str, columns: &[Column], rows: Vec<Vec<Value>>) {
        let Some(table) = TABLES.iter().position(|table| *table == name) else { return };
        let Some(table) = self.tables.get_mut(table) else { return };
        if table.columns.is_empty() {
            table.columns = columns.iter().map(|(column, _)| *column).collect();
        }
        self.rows += rows.len();
        table.rows.extend(rows);
    }
}
