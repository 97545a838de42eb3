//! Runs libFuzzer over `cairnlog_fuzz::disclosures`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _taken = cairnlog_fuzz::disclosures(data);
});
