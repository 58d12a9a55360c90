#![no_main]

#[path = "../checks/callers_files.rs"]
mod callers_files;

libfuzzer_sys::fuzz_target!(|data: &[u8]| callers_files::check(data));
