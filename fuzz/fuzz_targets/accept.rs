//! Feeds arbitrary bytes to [`sockeye_fuzz::accept`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sockeye_fuzz::accept(data));
