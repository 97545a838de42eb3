//! Runs libFuzzer over `cairnlog_fuzz::paths`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _taken = cairnlog_fuzz::paths(data);
});
