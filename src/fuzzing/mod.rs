//! What fuzzing runs: for each reader of foreign bytes a function that takes any bytes, and panics where it breaks its word.
//!
//! `fuzz/README.md` says what holds for every input of each target. Tests run all of `fuzz/seeds`.

mod image;

use crate::command::fuzz::templates;
use crate::config::fuzz::settings;
use crate::engine::fuzz as engine;
use crate::format::fuzz as format;
use crate::plan::fuzz::messages;
use crate::serve::fuzz::requests;
use crate::shell::fuzz::typed;
use crate::sink::fuzz as sink;
use crate::storage::fuzz as storage;
use crate::verify::fuzz as verify;
use crate::words::fuzz as words;

/// A reader's name, and what it does with any bytes.
pub struct Target {
    /// As a folder of seeds is called.
    pub name: &'static str,
    /// Panics where something doesn't hold.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("beside", format::beside),
    target("example", format::examples),
    target("files", engine::files),
    target("flight", |input| requests(input, engine::engine())),
    target("image", image::images),
    target("lists", engine::lists),
    target("messages", |input| engine::with_session(|session| messages(input, session.context()))),
    target("options", options),
    target("places", places),
    target("shell", |input| engine::with_session(|session| typed(input, session))),
    target("sql", engine::statements),
    target("tar", format::archives),
    target("texts", texts),
    target("tfrecord", format::records),
    target("verify", verify::shards),
    target("web", web),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// Runs the one of several functions that the first byte chooses.
fn one_of(functions: &[fn(&[u8])], input: &[u8]) {
    if let Some((number, rest)) = input.split_first() {
        functions[usize::from(*number) % functions.len()](rest);
    }
}

fn options(input: &[u8]) {
    one_of(&[settings, engine::source_options, sink::options, storage::rules], input);
}

fn places(input: &[u8]) {
    use storage::{addresses, locations, patterns, profiles};
    one_of(&[patterns, locations, addresses, profiles, verify::names], input);
}

fn texts(input: &[u8]) {
    one_of(&[words::texts, templates], input);
}

fn web(input: &[u8]) {
    one_of(&[storage::web_addresses, storage::headers], input);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn seeds_of_every_target_keep_what_it_promises() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let readme = fs::read_to_string(seeds.with_file_name("README.md")).expect("the README");
        for Target { name, run } in TARGETS {
            assert!(readme.contains(&format!("| `{name}` |")), "fuzz/README.md has no row for {name}");
            let files = fs::read_dir(seeds.join(name)).unwrap_or_else(|error| panic!("seeds of {name}: {error}"));
            let mut count = 0;
            for file in files {
                let path = file.expect("a seed").path();
                println!("{}", path.display());
                run(&fs::read(&path).expect("a seed"));
                count += 1;
            }
            assert!(count > 0, "{name} has no seed");
        }
    }
}
