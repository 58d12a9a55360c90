#![no_main]

#[path = "../checks/email_domains.rs"]
mod email_domains;

libfuzzer_sys::fuzz_target!(|data: &[u8]| email_domains::check(data));
