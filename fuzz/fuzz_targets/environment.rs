#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| eks_fuzz::environment(data));
