//! Feeds arbitrary bytes to [`sockeye_fuzz::plain`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sockeye_fuzz::plain(data));
