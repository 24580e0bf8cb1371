//! Any bytes for one of the readers, which the environment names: one binary holds the whole engine, and is linked once.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pixmill::fuzzing::{TARGETS, Target};

static READER: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("FUZZ_TARGET must be one of {}, got '{name}'", names.join(", ")))
});

/// A codec's panic that is caught is none; every other one ends the process.
fn tell_codecs_apart() {
    let abort = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !pixmill_udfs::is_guarded() {
            abort(panic);
        }
    }));
    LazyLock::force(&READER);
}

fuzz_target!(
    init: tell_codecs_apart(),
    |input: &[u8]| (READER.run)(input)
);
