//! Discovery: spending intermediate session tokens, and telling people where they can go.

pub mod create_organization;
pub mod exchange;
pub mod explain;
pub mod list;
mod replay;
mod spending;
