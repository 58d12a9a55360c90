//! Cursors: where a page ends, bound to the search it belongs to.
//!
//! A cursor is not a secret and opens nothing: whoever makes one up gets rows that the same search shows
//! anyway. The digest in it keeps cursors of other searches, and mangled ones, from being read as a place.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use uuid::Uuid;

use super::opaque::sha256;
use crate::domain::search::{MAX_TOTAL, Position};

/// The bytes of the digest that a cursor carries.
const DIGEST: usize = 12;

/// What stands for "nobody knows the total".
const UNKNOWN: u32 = u32::MAX;

/// What a cursor is bound to: a digest of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search([u8; 32]);

/// A text that is no cursor of this search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not the next_cursor of a page of the same search")]
pub struct CursorError;

impl Search {
    /// The search that `parts` describe.
    #[must_use]
    pub fn of(parts: &impl Serialize) -> Self {
        // Made of lists, texts and numbers: nothing that JSON can't carry.
        Self(sha256(&serde_json::to_vec(parts).unwrap_or_default()))
    }

    fn digest(&self, place: &[u8; 20]) -> [u8; 32] {
        sha256(&[&self.0[..], place].concat())
    }
}

/// The cursor of a position.
#[must_use]
pub fn write(search: &Search, position: &Position) -> String {
    let mut place = [0; 20];
    place[..16].copy_from_slice(position.after.as_bytes());
    place[16..].copy_from_slice(&position.total.unwrap_or(UNKNOWN).to_be_bytes());
    URL_SAFE_NO_PAD.encode([&place[..], &search.digest(&place)[..DIGEST]].concat())
}

/// The position of a cursor.
///
/// # Errors
/// [`CursorError`] for everything but what [`write()`] makes for the same search.
pub fn read(search: &Search, cursor: &str) -> Result<Position, CursorError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| CursorError)?;
    let (place, digest) = bytes.split_first_chunk::<20>().ok_or(CursorError)?;
    if digest != &search.digest(place)[..DIGEST] {
        return Err(CursorError);
    }
    let (after, total) = place.split_first_chunk::<16>().ok_or(CursorError)?;
    let total = match u32::from_be_bytes(total.try_into().map_err(|_| CursorError)?) {
        UNKNOWN => None,
        total if total <= MAX_TOTAL => Some(total),
        _ => return Err(CursorError),
    };
    Ok(Position { after: Uuid::from_bytes(*after), total })
}

#[cfg(test)]
mod tests;
