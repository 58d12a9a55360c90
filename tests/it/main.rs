//! The tests of the service: through its public API, against real servers. One binary, so that
//! everything is linked once.

#![cfg(test)]

mod harness;

mod coverage;
mod discovery_service;
mod events;
mod faults;
mod layering;
mod logs;
mod migrations;
mod intermediate_session_service;
mod idempotency;
mod organization_service;
mod process;
mod races;
mod health;
mod intermediate_session_service;
mod organization_service;
mod reflection;
mod session_service;
mod errors;
mod idempotency;
mod organization_service;
mod requests;
mod spending_model;
mod tidy;
