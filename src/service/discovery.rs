//! Discovery: spending intermediate session tokens.

pub mod create_organization;
mod first_member;
mod spending;
