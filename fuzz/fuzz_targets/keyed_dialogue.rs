//! Feeds arbitrary bytes to [`sockeye_fuzz::keyed_dialogue`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sockeye_fuzz::keyed_dialogue(data));
