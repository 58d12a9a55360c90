//! Pages of searches.

use crate::domain::search::{Position, Total};
use crate::pb;
use crate::tokens::cursor::{Search, write};

pub(in crate::api) fn results_metadata(
    search: &Search,
    total: Total,
    next: Option<&Position>,
) -> pb::ResultsMetadata {
    pb::ResultsMetadata {
        total: total.and_then(|total| i32::try_from(total).ok()).unwrap_or(-1),
        next_cursor: next.map_or_else(String::new, |next| write(search, next)),
    }
}
