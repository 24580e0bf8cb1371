//! The rules of the code's layout that a reader relies on.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                files.push((path, text));
            }
        }
    }
    files
}

/// Files of a folder that contain a text.
fn that_say(folder: &str, text: &str) -> Vec<PathBuf> {
    let files = sources(folder).into_iter();
    files.filter(|(_, source)| source.contains(text)).map(|(path, _)| path).collect()
}

#[test]
fn every_function_has_its_file_its_test_and_its_bench_line() {
    let benches = fs::read_to_string(root().join("benches/kernels.rs")).expect("the bench");
    for (name, _) in pixmill_udfs::pages() {
        assert!(root().join(format!("udfs/src/{name}.rs")).exists(), "udfs/src/{name}.rs");
        assert!(root().join(format!("tests/sql/{name}.slt")).exists(), "tests/sql/{name}.slt");
        assert!(benches.contains(&format!("\"{name}\"")), "benches/kernels.rs has no line for {name}");
    }
}

#[test]
fn one_file_builds_sessions() {
    assert_eq!(that_say("src", "SessionStateBuilder::new"), [root().join("src/session.rs")]);
}

/// The rooms of `src`, each with those that it knows: all of them stand above it, so that there is no circle.
const ROOMS: [(&str, &[&str]); 25] = [
    ("words", &[]),
    ("exec", &[]),
    ("config", &[]),
    ("error", &["words"]),
    ("synthetic", &[]),
    ("format", &["words"]),
    ("storage", &["error", "words"]),
    ("source", &["config", "error", "exec", "format", "storage", "words"]),
    ("sink", &["config", "error", "exec", "format", "storage"]),
    ("plan", &["config", "error", "exec", "format", "sink", "source", "storage", "words"]),
    ("learn", &["exec", "storage", "words"]),
    ("session", &["config", "exec", "learn", "plan", "sink", "source", "storage"]),
    ("cluster", &["config", "error", "exec", "plan", "session", "sink", "source", "storage", "words"]),
    (
        "engine",
        &[
            "cluster",
            "error",
            "exec",
            "format",
            "learn",
            "plan",
            "session",
            "sink",
            "source",
            "storage",
            "synthetic",
            "words",
        ],
    ),
    ("output", &["cluster", "engine", "error", "format", "words"]),
    ("sheet", &["engine", "error", "exec", "format", "output", "storage", "synthetic", "words"]),
    ("report", &["engine", "error", "source", "storage", "words"]),
    ("plot", &["engine", "error", "output", "report", "sheet", "storage", "words"]),
    ("verify", &["engine", "error", "format", "sink", "storage", "words"]),
    ("serve", &["engine", "error", "source", "words"]),
    (
        "shell",
        &[
            "cluster", "config", "engine", "error", "learn", "output", "plot", "sheet", "sink", "source", "storage",
            "words",
        ],
    ),
    (
        "command",
        &[
            "cluster",
            "config",
            "engine",
            "error",
            "exec",
            "output",
            "plot",
            "report",
            "serve",
            "sheet",
            "sink",
            "source",
            "storage",
            "synthetic",
            "verify",
            "words",
        ],
    ),
    ("cli", &["command", "error", "shell"]),
    (
        "fuzzing",
        &["command", "config", "engine", "format", "plan", "serve", "shell", "sink", "storage", "verify", "words"],
    ),
    ("main", &[]),
];

/// Names behind `crate::` in a text, and what stands behind them.
fn crate_paths(source: &str) -> impl Iterator<Item = (&str, &str)> {
    source.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        rest.split_at(end)
    })
}

/// The room of a file of `src`, or the folder of one in a room.
fn first_part(path: &Path, folder: &str) -> String {
    let below = path.strip_prefix(root().join(folder)).expect("a file below it");
    let first = below.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_string()
}

#[test]
fn rooms_know_only_rooms_below_them() {
    let names: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    for (number, (room, known)) in ROOMS.iter().enumerate() {
        for other in *known {
            assert!(names[..number].contains(other), "'{room}' may not know '{other}', which isn't below it");
        }
    }
    let mut used = BTreeSet::new();
    for (path, source) in sources("src") {
        let room = first_part(&path, "src");
        if room == "lib" {
            continue;
        }
        let known = ROOMS.iter().find(|(name, _)| *name == room).map(|(_, known)| *known);
        let known = known.unwrap_or_else(|| panic!("{} is in no room of the table", path.display()));
        for (name, rest) in crate_paths(&source).filter(|(name, _)| *name != room) {
            let rest = rest.split(';').next().unwrap_or_default();
            assert!(known.contains(&name), "{} knows crate::{name}{rest}, and '{room}' may not", path.display());
            used.insert((room.clone(), name.to_string()));
        }
    }
    for (room, known) in ROOMS {
        for other in known {
            let edge = (room.to_string(), (*other).to_string());
            assert!(used.contains(&edge), "'{room}' doesn't use '{other}' any more: take it out of the table");
        }
    }
}

#[test]
fn folders_of_sources_and_sinks_make_no_circle() {
    for room in ["src/source", "src/sink"] {
        let mut edges = BTreeSet::new();
        let name = room.trim_start_matches("src/");
        for (path, source) in sources(room) {
            let folder = first_part(&path, room);
            let inside = crate_paths(&source).filter(|(first, _)| *first == name).map(|(_, rest)| rest);
            let beside = source.split("super::").skip(1);
            for other in inside.map(|rest| rest.trim_start_matches("::")).chain(beside) {
                let end = other.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(other.len());
                let other = &other[..end];
                if other != folder && [&folder, other].iter().all(|name| root().join(room).join(name).is_dir()) {
                    edges.insert((folder.clone(), other.to_string()));
                }
            }
        }
        // What nothing else leads to is taken away until nothing is left, or a circle.
        while !edges.is_empty() {
            let ends: BTreeSet<String> = edges.iter().map(|(_, to)| to.clone()).collect();
            let before = edges.len();
            edges.retain(|(from, _)| ends.contains(from));
            assert!(edges.len() < before, "a circle of folders of {room}: {edges:?}");
        }
    }
}

#[test]
fn functions_know_no_files() {
    // Whose tests read the page that tells of damaged files.
    let test = root().join("udfs/src/support/damage.rs");
    assert_eq!(that_say("udfs/src", "std::fs"), [test]);
}

#[test]
fn every_source_file_says_what_it_is() {
    for folder in ["src", "udfs/src", "tests", "benches"] {
        for (path, source) in sources(folder) {
            assert!(source.starts_with("//! "), "{} has no first sentence", path.display());
        }
    }
}

#[test]
fn queries_and_guides_are_named_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    for folder in ["queries", "docs"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let name = entry.expect("an entry").file_name();
            let name = format!("{folder}/{}", name.to_str().expect("UTF-8"));
            assert!(readme.contains(&name), "README.md doesn't name {name}");
        }
    }
}
