//! Feeds arbitrary bytes to [`sockeye_fuzz::credentials`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sockeye_fuzz::credentials(data));
