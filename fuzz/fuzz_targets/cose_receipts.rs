//! Runs libFuzzer over `cairnlog_fuzz::cose_receipts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _taken = cairnlog_fuzz::cose_receipts(data);
});
