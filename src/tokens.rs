//! Everything secret that people hold: opaque tokens, and the keys that JWTs are signed with.

pub mod cursor;
pub mod etag;
pub mod jwt;
pub mod opaque;
pub mod sealing;
