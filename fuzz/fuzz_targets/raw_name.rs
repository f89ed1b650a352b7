//! Feeds arbitrary bytes to [`sockeye_fuzz::raw_name`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sockeye_fuzz::raw_name(data));
