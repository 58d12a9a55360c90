//! Searches: pages of ids, the newest first.
//!
//! A page begins behind an id (a keyset), so the thousandth costs what the first does. Rows are read
//! whole afterwards, in one more query, by their ids.

mod members;
mod organizations;

use sea_orm::{ConnectionTrait as _, QueryResult, Value};
use tokio::time::error::Elapsed;
use uuid::Uuid;

use super::{Error, Store, column, nothing_written};
use crate::domain::search::{MAX_TOTAL, Page, Position, Substring, Total};

/// A page of ids.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundIds {
    /// The ids, in descending order.
    pub ids: Vec<Uuid>,
    /// How many rows match in all.
    pub total: Total,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<Position>,
}

impl FoundIds {
    fn none() -> Self {
        Self { ids: Vec::new(), total: Some(0), next: None }
    }

    /// The page that begins with these ids: one more than it has room for tells that there is another.
    fn page(mut ids: Vec<Uuid>, page: Page, total: Total) -> Self {
        let room = room(page);
        let more = ids.len() > room;
        ids.truncate(room);
        let next = ids.last().filter(|_| more).map(|after| Position { after: *after, total });
        Self { ids, total, next }
    }
}

fn room(page: Page) -> usize {
    usize::try_from(page.limit).unwrap_or(usize::MAX)
}

impl Store {
    /// Reads rows for a search. What takes too long is [`Error::TooSlow`], whoever gave up.
    async fn search(
        &self,
        name: &'static str,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Error> {
        let statement = self.engine.statement(sql, values);
        let known = |error| match error {
            Error::UnknownOutcome(source) if source.is::<Elapsed>() => Error::TooSlow(source),
            error => nothing_written(error),
        };
        self.bounded(name, &self.searches, known, self.searches.connection.query_all_raw(statement)).await
    }

    async fn search_ids(
        &self,
        name: &'static str,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<Uuid>, Error> {
        self.search(name, sql, values).await?.iter().map(|row| column(row, "id")).collect()
    }

    /// Counts the rows of a query up to one more than [`MAX_TOTAL`]. A count that the database gives up is
    /// not worth losing the page for.
    async fn search_total(&self, rows: &str, values: Vec<Value>) -> Result<Counted, Error> {
        let sql = format!("SELECT count(*) AS total FROM ({rows} LIMIT {}) AS counted", MAX_TOTAL + 1);
        match self.search("search_total", &sql, values).await {
            Ok(rows) => {
                let total: i64 = rows.first().map_or(Ok(0), |row| column(row, "total"))?;
                let total = u32::try_from(total).ok().filter(|total| *total <= MAX_TOTAL);
                Ok(total.map_or(Counted::Many, Counted::Exactly))
            }
            Err(Error::TooSlow(_)) => Ok(Counted::Unknown),
            Err(error) => Err(error),
        }
    }
}

/// How many rows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Exactly(u32),
    /// More than [`MAX_TOTAL`].
    Many,
    /// Counting took too long.
    Unknown,
}

impl Counted {
    fn total(self) -> Total {
        match self {
            Self::Exactly(total) => Some(total),
            Self::Many | Self::Unknown => None,
        }
    }
}

/// The pattern of `LIKE` that finds a text wherever it stands, escaped with `\`.
fn pattern(text: &Substring) -> String {
    let mut pattern = String::from("%");
    for character in text.0.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::{Substring, pattern};

    #[test]
    fn what_like_understands_is_looked_for_as_it_stands() {
        assert_eq!(pattern(&Substring(r"50%_a\b".to_owned())), r"%50\%\_a\\b%");
    }
}
