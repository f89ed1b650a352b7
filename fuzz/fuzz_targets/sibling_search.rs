//! Feeds arbitrary bytes to [`sockeye_fuzz::sibling_search`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sockeye_fuzz::sibling_search(data));
