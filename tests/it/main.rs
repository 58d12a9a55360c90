//! The tests of the service: through its public API, against real servers. One binary, so that
//! everything is linked once.

#![cfg(test)]

mod harness;

mod admission;
mod callers;
mod coverage;
mod discovery_service;
mod errors;
mod events;
mod failover;
mod faults;
mod fuzz_corpora;
mod health;
mod idempotency;
mod intermediate_session_service;
mod isolation;
mod layering;
mod life;
mod limits;
mod logs;
mod member_service;
mod migrations;
mod organization_service;
mod overload;
mod plans;
mod process;
mod races;
mod reflection;
mod requests;
mod round_trips;
mod scale;
mod session_service;
mod signing_keys;
mod spending_model;
mod storm;
mod telemetry;
mod tidy;
mod transport;
