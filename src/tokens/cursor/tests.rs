use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use uuid::Uuid;

use super::{CursorError, DIGEST, Search, UNKNOWN, read, write};
use crate::domain::search::{MAX_TOTAL, Position};

proptest! {
    #[test]
    fn a_cursor_leads_back_to_its_place(after: u128, total in proptest::option::of(0..=MAX_TOTAL)) {
        let search = Search::of(&("organizations", "acme"));
        let position = Position { after: Uuid::from_u128(after), total };
        prop_assert_eq!(read(&search, &write(&search, &position)), Ok(position));
    }

    #[test]
    fn anything_else_leads_nowhere(text: String, after: u128, flipped in 0..32_usize) {
        let search = Search::of(&("organizations", "acme"));
        prop_assert!(read(&search, &text).is_err());
        let cursor = write(&search, &Position { after: Uuid::from_u128(after), total: None });
        prop_assert!(read(&Search::of(&("organizations", "acm")), &cursor).is_err());
        prop_assert!(read(&search, &cursor[..cursor.len() - 1]).is_err());
        prop_assert!(read(&search, &(cursor.clone() + "A")).is_err());
        let mut mangled = cursor.into_bytes();
        mangled[flipped] = if mangled[flipped] == b'A' { b'B' } else { b'A' };
        prop_assert!(read(&search, std::str::from_utf8(&mangled).unwrap()).is_err());
    }

    /// Even with the right digest, which anybody can compute: one place has one cursor.
    #[test]
    fn a_total_that_nobody_counts_leads_nowhere(after: u128, total in MAX_TOTAL + 1..UNKNOWN) {
        let search = Search::of(&("organizations", "acme"));
        let mut place = [0; 20];
        place[..16].copy_from_slice(&after.to_be_bytes());
        place[16..].copy_from_slice(&total.to_be_bytes());
        let cursor = URL_SAFE_NO_PAD.encode([&place[..], &search.digest(&place)[..DIGEST]].concat());
        prop_assert_eq!(read(&search, &cursor), Err(CursorError));
    }
}
