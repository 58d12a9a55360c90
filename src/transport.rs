//! Everything below a call: sockets, TLS, and what bounds a connection. A client that floods, stalls or
//! says nothing costs a bounded amount of memory and time, and takes nobody else's place.

mod connection;
pub mod http2;
pub mod incoming;
pub mod peer;
pub mod probe;
mod slots;
mod socket;
pub mod tls;

/// The most bytes before a connection counts as one that speaks: the preface of HTTP/2 (RFC 9113, 3.4).
pub const HTTP2_PREFACE: usize = 24;

/// Likewise of HTTP/1, where the head of the request has a deadline of its own.
pub const HTTP1_PREFACE: usize = 1;
