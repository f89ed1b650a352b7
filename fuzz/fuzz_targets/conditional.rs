//! Feeds arbitrary bytes to [`sockeye_fuzz::conditional`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sockeye_fuzz::conditional(data));
