//! Vestibule: from a verified identity to a member session of one organization.
//!
//! An authenticator vouches for a person and receives an intermediate session token; with it the
//! person creates an organization and holds a member session. The folders are the architecture, and
//! imports run one way, from the bottom of this list to its top:
//!
//! | room | what it is for |
//! |---|---|
//! | [`pb`] | generated protobuf types and services |
//! | [`clock`], [`entropy`] | time and randomness, handed in from outside |
//! | [`domain`] | words and rules: no I/O, no async, no transport |
//! | [`config`] | every setting, read once and validated |
//! | [`telemetry`] | logs |
//! | [`transport`] | sockets, TLS, and what bounds a connection |
//! | [`tokens`] | opaque tokens, signing keys, JWTs |
//! | [`callers`] | who may call: API keys, JWTs of other issuers, client certificates |
//! | [`store`] | Postgres, or the embedded SQLite: what was bought |
//! | [`kv`] | Redis, or the process: intermediate sessions for their ten minutes, token buckets |
//! | [`service`] | the use cases |
//! | [`api`] | gRPC: parse, call a use case, render |
//! | [`app`] | puts the parts together and runs them |

pub mod pb;

pub mod clock;
pub mod entropy;

pub mod domain;

pub mod config;
pub mod telemetry;

pub mod transport;

pub mod tokens;

pub mod callers;

pub mod store;

pub mod kv;

pub mod service;

pub mod api;

pub mod app;
