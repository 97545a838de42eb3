//! Runs libFuzzer over `cairnlog_fuzz::tile_paths`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _taken = cairnlog_fuzz::tile_paths(data);
});
