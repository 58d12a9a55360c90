//! Rows on their way into the tables.

use sea_orm::Value;

use crate::domain::member::MemberStatus;
use crate::domain::seed::{Seeded, SeededMember, SeededOrganization};
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

/// A value for a column that the domain's types have no field for, and how it is called.
type Extra = (&'static str, Value);

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
        match seeded {
            Seeded::Organization(seeded) => self.add_organization(seeded),
            Seeded::Member(seeded) => self.add_member(seeded),
        }
    }

    /// The tables with their names, in the order of their references.
    pub(super) fn into_tables(self) -> impl Iterator<Item = (&'static str, Table)> {
        TABLES.into_iter().zip(self.tables).filter(|(_, table)| !table.rows.is_empty())
    }

    fn add_organization(&mut self, seeded: &SeededOrganization) {
        let mut chain = Chain::default();
        chain.organization(&seeded.organization);
        for (table, columns, rows) in chain.into_rows() {
            let extra: &[Extra] =
                if table == "organizations" { &[("version", seeded.version.into())] } else { &[] };
            self.extend(table, columns, rows, extra);
        }
    }

    fn add_member(&mut self, seeded: &SeededMember) {
        let SeededMember { member, external_id, mfa_phone_number, retired, version } = seeded;
        let mut chain = Chain::default();
        chain.member(member);
        let has_phone = !mfa_phone_number.is_empty();
        let extra = [
            ("external_id", external_id.as_ref().map(|id| id.as_str().to_owned()).into()),
            ("mfa_phone_number", mfa_phone_number.as_str().into()),
            ("mfa_phone_number_verified", has_phone.into()),
            ("default_mfa_method", if has_phone { "sms_otp" } else { "" }.into()),
            ("version", (*version).into()),
        ];
        for (table, columns, mut rows) in chain.into_rows() {
            if table == "members" {
                self.extend(table, columns, rows, &extra);
                continue;
            }
            if let Some((id, address)) = retired
                && let Some(mut row) = rows.first().cloned()
            {
                set(columns, &mut row, "id", &id.uuid().into());
                set(columns, &mut row, "email_address", &address.as_str().into());
                set(columns, &mut row, "domain", &address.domain().as_str().into());
                set(columns, &mut row, "status", &"retired".into());
                rows.push(row);
            }
            if member.status == MemberStatus::Deleted {
                for row in &mut rows {
                    set(columns, row, "live", &false.into());
                }
            }
            self.extend(table, columns, rows, &[]);
        }
    }

    fn extend(&mut self, name: &str, columns: &[Column], rows: Vec<Vec<Value>>, extra: &[Extra]) {
        let Some(table) = TABLES.iter().position(|table| *table == name) else { return };
        let Some(table) = self.tables.get_mut(table) else { return };
        if table.columns.is_empty() {
            let names = columns.iter().map(|(column, _)| *column);
            table.columns = names.chain(extra.iter().map(|(column, _)| *column)).collect();
        }
        self.rows += rows.len();
        table.rows.extend(rows.into_iter().map(|mut row| {
            row.extend(extra.iter().map(|(_, value)| value.clone()));
            row
        }));
    }
}

fn set(columns: &[Column], row: &mut [Value], name: &str, value: &Value) {
    for ((column, _), old) in columns.iter().zip(row) {
        if *column == name {
            *old = value.clone();
        }
    }
}
