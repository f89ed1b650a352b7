//! Feeds arbitrary bytes to [`sockeye_fuzz::sibling_fields`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sockeye_fuzz::sibling_fields(data));
