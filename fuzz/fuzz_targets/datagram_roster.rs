//! Feeds arbitrary bytes to [`sockeye_fuzz::datagram_roster`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sockeye_fuzz::datagram_roster(data));
