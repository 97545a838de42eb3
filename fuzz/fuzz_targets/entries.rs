//! Runs libFuzzer over `cairnlog_fuzz::entries`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _taken = cairnlog_fuzz::entries(data);
});
