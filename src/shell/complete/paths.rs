//! Files and directories that a path may go on with, and objects that a URL may.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::storage::Reach;

/// How long a store is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Names of objects and folders that the URL goes on with, as [`paths`] has those of files.
pub(super) fn objects(typed: &str, closing: &str, reach: &Reach) -> (usize, Vec<String>) {
    let in_text = typed.replace("''", "'");
    let (start, names) = reach.names_of_objects(&in_text, PATIENCE);
    let is_dotted = in_text[start..].starts_with('.');
    let shown = names.into_iter().filter(|name| is_dotted || !name.starts_with('.')).map(|name| {
        let end = if name.ends_with('/') { "" } else { closing };
        format!("{}{end}", name.replace('\'', "''"))
    });
    (typed.rfind('/').map_or(0, |slash| slash + 1), shown.collect())
}

/// Names below the directory that is typed, directories with a slash, and where the name begins that is being typed.
///
/// Hidden files are left out unless a dot is typed. Where `closing` is given, it ends the name of a file.
pub(super) fn paths(typed: &str, closing: &str) -> (usize, Vec<String>) {
    let start = typed.rfind('/').map_or(0, |slash| slash + 1);
    let (directory, name) = typed.split_at(start);
    let in_quotes = |name: &str| if closing.is_empty() { name.to_string() } else { name.replace('\'', "''") };
    let directory = if directory.is_empty() { Path::new(".") } else { Path::new(directory) };
    // A directory that can't be read has nothing to offer.
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let found = entry.file_name().into_string().ok()?;
            let is_shown = found.starts_with(name) && (name.starts_with('.') || !found.starts_with('.'));
            let end = if entry.path().is_dir() { "/" } else { closing };
            is_shown.then(|| format!("{}{end}", in_quotes(&found)))
        })
        .collect();
    names.sort();
    (start, names)
}

#[cfg(test)]
mod tests {
    use pixmill_object_server::{Action, Operation, Options, Rule, Server};

    use super::*;
    use crate::engine::Engine;
    use crate::storage::{AllowList, StoreSettings};

    /// A server, and an engine that reaches its bucket, or what of it a list allows.
    fn reaching(allow: Option<&str>) -> (Server, Engine) {
        let server = Server::start(Options::default());
        for key in ["photos/a.jpg", "photos/it's.jpg", "photos/roses/1.jpg", "photos/", "photos/.hidden", "poster.jpg"]
        {
            server.put("bucket", key, "x");
        }
        let rule = format!("s3://bucket,endpoint={},anonymous=true", server.endpoint());
        let settings = StoreSettings::new(vec![rule.parse().expect("a rule")]);
        let allow = allow.map_or_else(AllowList::default, |list| list.parse().expect("a list"));
        (server, Engine::local_within(1, allow, settings).expect("an engine"))
    }

    fn names(engine: &Engine, typed: &str) -> Vec<String> {
        let (start, names) = objects(typed, "'", &Reach::of(engine.session().context().state().config()));
        assert_eq!(start, typed.rfind('/').map_or(0, |slash| slash + 1));
        names
    }

    #[test]
    fn urls_of_objects_go_on_as_paths_do() {
        let (server, engine) = reaching(None);
        assert_eq!(names(&engine, "s3://bucket/p"), ["photos/", "poster.jpg'"]);
        assert_eq!(names(&engine, "s3://bucket/photos/"), ["a.jpg'", "it''s.jpg'", "roses/"]);
        assert_eq!(names(&engine, "s3://bucket/photos/it''"), ["it''s.jpg'"]);
        assert_eq!(names(&engine, "s3://bucket/photos/."), [".hidden'"]);
        assert_eq!(server.requests().len(), 4);
        let nothing: [&str; 0] = [];
        for typed in
            ["s3://bucket", "s3://", "s3://bucket/x", "s3://none/", "s3://key:secret@bucket/", "s3://bucket/../"]
        {
            assert_eq!(names(&engine, typed), nothing, "{typed}");
        }
    }

    #[test]
    fn names_come_in_time_or_not_at_all_and_only_where_they_may_be_looked_for() {
        let (server, engine) = reaching(Some("s3://bucket/photos/"));
        let nothing: [&str; 0] = [];
        assert_eq!(names(&engine, "s3://bucket/p"), nothing);
        assert!(server.requests().is_empty());
        assert_eq!(names(&engine, "s3://bucket/photos/r"), ["roses/"]);
        server.script(Rule::new(Action::DelayHead(Duration::from_secs(30))).operation(Operation::List));
        let asked = std::time::Instant::now();
        assert_eq!(names(&engine, "s3://bucket/photos/r"), nothing);
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }

    #[test]
    fn directories_end_with_a_slash_and_files_with_the_quote() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("photos")).expect("a folder");
        for name in ["plan.sql", "it's.sql", ".hidden"] {
            fs::write(directory.path().join(name), "").expect("a file");
        }
        let below = format!("{}/", directory.path().display());
        let names = |typed: &str, closing| paths(&format!("{below}{typed}"), closing);
        assert_eq!(names("p", "'"), (below.len(), vec!["photos/".to_string(), "plan.sql'".to_string()]));
        assert_eq!(names("i", "'").1, ["it''s.sql'"]);
        assert_eq!(names("i", "").1, ["it's.sql"]);
        assert_eq!(names(".h", "").1, [".hidden"]);
        assert_eq!(names("", "").1.len(), 3);
        assert_eq!(paths("/no/such/directory/x", "'").1, Vec::<String>::new());
    }
}
