#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keymount_fuzz_targets::run("mountinfo", data));
