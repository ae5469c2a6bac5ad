//! What libFuzzer calls: the target that `KINESCOPE_FUZZ_TARGET` names. `npm run fuzz` builds and runs this.
#![no_main]

use std::sync::OnceLock;

use kinescope_fuzz::{Target, mutate};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

#[allow(clippy::expect_used, reason = "nothing can be fuzzed then")]
fn target() -> &'static Target {
    static TARGET: OnceLock<&'static Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("KINESCOPE_FUZZ_TARGET").unwrap_or_default();
        Target::of_name(&name).expect("KINESCOPE_FUZZ_TARGET: expected the name of a target")
    })
}

fuzz_target!(init: target().write_seeds_if_asked(), |input: &[u8]| (target().run)(input));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut dice = mutate::Dice::new(u64::from(seed));
    let bytes: mutate::Bytes = |_, data, size, max_size| fuzzer_mutate(data, size, max_size);
    target().mutate(&mut dice, data, size, max_size, bytes)
});
