//! Everything secret that people and callers hold: opaque tokens, API keys, JWTs, and the keys that sign them.

pub mod api_key;
pub mod bearer;
pub mod cursor;
pub mod etag;
mod jws;
pub mod jwt;
pub mod opaque;
pub mod sealing;
