//! Names of the files that runs write before the commit: readers pass over hidden files, and a commit sweeps them.

/// How they begin and end; between stand numbers in decimal and hexadecimal.
const UNFINISHED: (&str, &str) = (".unfinished-", ".tmp");
const FINISHED: (&str, &str) = (".finished-", ".tmp");
const INDEX: (&str, &str) = (".index-", ".tmp");
const REJECTS: (&str, &str) = (".rejects-", ".tmp");
const REPORT: (&str, &str) = (".report-", ".json");
const RUN: (&str, &str) = (".run-", ".json");

/// A file that is being written. `label` and `token` make it one writer's own.
pub(super) fn unfinished(label: &str, token: &str) -> String {
    format!("{}{label}-{token}{}", UNFINISHED.0, UNFINISHED.1)
}

/// A whole shard that the commit has still to name.
pub(super) fn finished(label: &str, token: &str) -> String {
    format!("{}{label}-{token}{}", FINISHED.0, FINISHED.1)
}

/// The index of such a shard.
pub(super) fn index(label: &str, token: &str) -> String {
    format!("{}{label}-{token}{}", INDEX.0, INDEX.1)
}

/// Rows of a partition that no shard has taken.
pub(super) fn rejects(label: &str, token: &str) -> String {
    format!("{}{label}-{token}{}", REJECTS.0, REJECTS.1)
}

/// What a partition has reported.
pub(super) fn report(partition: usize, key: &str) -> String {
    format!("{}{partition:05}-{key}{}", REPORT.0, REPORT.1)
}

/// The mark that a run is under way.
pub(super) fn run(run: &str) -> String {
    format!("{}{run}{}", RUN.0, RUN.1)
}

/// Whether a file holds a shard, an index, rejects or a report of a run, whole or not.
pub(super) fn is_left(name: &str) -> bool {
    // Small files are named by what they become.
    let is_unfinished = name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1);
    (is_unfinished && !name.contains('/'))
        || [FINISHED, INDEX, REJECTS, REPORT].iter().any(|around| has_numbers(name, *around))
}

/// Whether a file is the mark of a run.
pub(super) fn is_run(name: &str) -> bool {
    has_numbers(name, RUN)
}

fn has_numbers(name: &str, (before, behind): (&str, &str)) -> bool {
    let numbers = name.strip_prefix(before).and_then(|name| name.strip_suffix(behind));
    numbers.is_some_and(|numbers| !numbers.is_empty() && numbers.chars().all(|c| c == '-' || c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::token;

    #[test]
    fn files_of_runs_are_known_by_their_names() {
        let token = token().expect("a token");
        let shard = [unfinished("00001", &token), finished("00001", &token), index("1-0", &token)];
        let mut left = [rejects("00001-0", &token), report(1, &token)].into_iter().chain(shard);
        assert!(left.all(|name| is_left(&name) && !is_run(&name)));
        assert!(is_run(&run(&token)) && !is_left(&run(&token)));
        for other in [".report-mine.json", ".report-.json", ".finished-1.txt", "report-00001.json", ".run-me.json"] {
            assert!(!is_left(other) && !is_run(other), "{other}");
        }
    }
}
