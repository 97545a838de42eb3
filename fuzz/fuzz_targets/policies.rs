//! Runs libFuzzer over `cairnlog_fuzz::policies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _taken = cairnlog_fuzz::policies(data);
});
