#![no_main]

#[path = "../checks/session_jwts.rs"]
mod session_jwts;

libfuzzer_sys::fuzz_target!(|data: &[u8]| session_jwts::check(data));
