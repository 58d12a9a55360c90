//! Organizations, for the product's back office.

pub mod create;
pub mod get;
mod naming;

pub(super) use naming::Naming;
