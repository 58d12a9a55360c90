//! It is stopped and upgraded while people log in, and nobody notices.

mod drain;
