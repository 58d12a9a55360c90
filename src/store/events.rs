//! Events, written in the transaction that made them happen.

use sea_orm::Value;

use super::chain::{Chain, Column};
use super::{Error, Store, Transaction, column, json_value};
use crate::domain::event::Event;
use crate::domain::ids::Id;

const EVENT: &[Column] = &[
    ("id", "uuid"),
    ("type", "text"),
    ("organization_id", "uuid"),
    ("member_id", "uuid"),
    ("session_id", "uuid"),
    ("caller", "text"),
    ("request_id", "text"),
    ("data", "jsonb"),
    ("created_at", "timestamptz"),
];

impl Chain {
    /// Adds events, in this order.
    pub(super) fn events(&mut self, events: &[Event]) {
        self.rows("events", EVENT, events.iter().map(row).collect());
    }
}

fn row(event: &Event) -> Vec<Value> {
    vec![
        event.id.uuid().into(),
        event.event_type.as_str().into(),
        event.organization_id.uuid().into(),
        event.member_id.map(Id::uuid).into(),
        event.session_id.map(Id::uuid).into(),
        event.caller.as_str().into(),
        event.request_id.as_str().into(),
        json_value(&event.data),
        event.created_at.into(),
    ]
}

impl Store {
    /// The highest position among the newest events. `None`: there are none. Transactions that begin one after
    /// another may write in another order, so it is not always the newest one's.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn event_position(&self) -> Result<Option<i64>, Error> {
        let order = self.engine.newest_event_first();
        let newest = format!("SELECT position FROM events ORDER BY {order} LIMIT 64");
        let sql = format!("SELECT max(position) AS position FROM ({newest}) AS newest");
        let row = self.query_one("event_position", &sql, Vec::new()).await?;
        row.map_or(Ok(None), |row| column(&row, "position"))
    }
}

impl Transaction {
    /// Adds events, in this order.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn events_insert(&self, events: &[Event]) -> Result<(), Error> {
        self.insert_rows("events", EVENT, events.iter().map(row).collect()).await
    }
}
