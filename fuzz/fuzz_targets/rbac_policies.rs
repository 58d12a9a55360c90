#![no_main]

#[path = "../checks/rbac_policies.rs"]
mod rbac_policies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| rbac_policies::check(data));
