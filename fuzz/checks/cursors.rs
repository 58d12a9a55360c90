//! Cursors: what is read is what would be written, and belongs to one search.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vestibule::tokens::cursor::{Search, read, write};
use vestibule::tokens::opaque::sha256;

/// Checks a text, and the cursor of whoever knows how they are made and puts these bytes into one.
pub(crate) fn check(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        check_text(text);
    }
    if let Some(place) = data.first_chunk::<20>() {
        let digest = sha256(&[&sha256(br#""organizations""#), place.as_slice()].concat());
        check_text(&URL_SAFE_NO_PAD.encode([place.as_slice(), &digest[..12]].concat()));
    }
}

fn check_text(text: &str) {
    let search = Search::of(&"organizations");
    if let Ok(position) = read(&search, text) {
        assert_eq!(write(&search, &position), text);
        assert!(read(&Search::of(&"members"), text).is_err(), "a cursor of two searches");
    }
}
