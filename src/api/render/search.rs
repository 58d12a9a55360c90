//! Pages of searches.

use prost::Message;
use uuid::Uuid;

use crate::domain::search::{Found, Position};
use crate::pb;
use crate::tokens::cursor::{Search, write};

/// The most bytes of the rows of a page: what clients accept by default, less some room.
const MAX_PAGE_BYTES: usize = 3 * 1024 * 1024;

/// How many of the rendered rows fit into an answer, and at least one.
pub(in crate::api) fn fitting<M: Message>(rows: &[M], mut besides: impl FnMut(&M) -> usize) -> usize {
    let mut bytes = 0;
    let fit = rows.iter().take_while(|row| {
        bytes += row.encoded_len() + besides(row);
        bytes <= MAX_PAGE_BYTES
    });
    fit.count().max(1).min(rows.len())
}

/// What is said about a page of which so many rows are answered.
pub(in crate::api) fn results_metadata<T>(
    search: &Search,
    found: &Found<T>,
    answered: usize,
    id: impl Fn(&T) -> Uuid,
) -> pb::ResultsMetadata {
    let cut = found.rows.get(..answered).and_then(<[T]>::last).filter(|_| answered < found.rows.len());
    let next = cut.map(|last| Position { after: id(last), total: found.total }).or(found.next);
    pb::ResultsMetadata {
        total: found.total.and_then(|total| i32::try_from(total).ok()).unwrap_or(-1),
        next_cursor: next.as_ref().map_or_else(String::new, |next| write(search, next)),
    }
}
