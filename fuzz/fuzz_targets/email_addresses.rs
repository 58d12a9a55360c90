#![no_main]

#[path = "../checks/email_addresses.rs"]
mod email_addresses;

libfuzzer_sys::fuzz_target!(|data: &[u8]| email_addresses::check(data));
