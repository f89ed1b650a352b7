//! Feeds arbitrary bytes to [`sockeye_fuzz::range`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sockeye_fuzz::range(data));
