#![no_main]
#[path = "../bodies.rs"]
#[allow(dead_code, reason = "every target uses its own body")]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::documents(bytes));
