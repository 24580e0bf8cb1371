//! Tests of what lost executors, repeated tasks and late writers leave of a dataset.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::Result;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::encode::ChangedKeys;
use super::max_rejects::MaxRejects;
use super::report::Report;
use super::testing::{batch, commit, input, names, run, slow_input, target, write};
use super::{ShardSinkExec, Target};
use crate::exec::Task;
use crate::format::manifest::{MANIFEST, Manifest, REJECTS, Reject};
use crate::storage::token;

const SHARDS: [&str; 3] = [MANIFEST, "shard00-2.tfrec", "shard01-1.tfrec"];

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Runs to its end, the writing threads included.
fn finish<T>(work: impl Future<Output = T>) -> T {
    Runtime::new().expect("a runtime").block_on(work)
}

fn visible(directory: &Path) -> Vec<String> {
    names(directory).into_iter().filter(|name| !name.starts_with('.')).collect()
}

/// Both partitions of a dataset of three records.
async fn both(target: &Arc<Target>) -> [RecordBatch; 2] {
    let rows = || input(&[&[1, 2], &[3]]);
    [write(target, rows(), 0).await.expect("written"), write(target, rows(), 1).await.expect("written")]
}

fn records(rows: &RecordBatch) -> Vec<i64> {
    rows.column(1).as_primitive::<Int64Type>().values().to_vec()
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.expect_err("a failure").strip_backtrace()
}

#[test]
fn nothing_is_seen_before_the_commit() {
    let directory = directory();
    let target = Arc::new(target(directory.path()));
    finish(async {
        let [one, two] = both(&target).await;
        assert_eq!(visible(directory.path()), ["_unfinished"]);
        let rows = commit(&target, 2, &[&two, &one]).await.expect("committed");
        assert_eq!(records(&rows), [2, 1]);
    });
    assert_eq!(names(directory.path()), SHARDS);
}

#[test]
fn of_two_attempts_at_a_partition_one_is_placed_and_the_other_swept() {
    for slow_first in [true, false] {
        let directory = directory();
        let target = Arc::new(target(directory.path()));
        finish(async {
            let (slow, sender) = slow_input();
            let attempt = tokio::spawn({
                let target = Arc::clone(&target);
                async move { write(&target, slow, 0).await }
            });
            sender.send(batch(&[1])).await.expect("sent");
            sender.send(batch(&[2])).await.expect("sent");
            let [one, two] = both(&target).await;
            drop(sender);
            let other = attempt.await.expect("a task").expect("written");
            assert_ne!(one, other);
            let reports = if slow_first { [&other, &one, &two] } else { [&one, &two, &other] };
            commit(&target, 2, &reports).await.expect("committed");
        });
        assert_eq!(names(directory.path()), SHARDS);
    }
}

#[test]
fn a_commit_may_run_again_and_say_the_same() {
    let directory = directory();
    let target = Arc::new(target(directory.path()));
    finish(async {
        let [one, two] = both(&target).await;
        let rows = commit(&target, 2, &[&one, &two]).await.expect("committed");
        let manifest = fs::read(directory.path().join(MANIFEST)).expect("a manifest");
        assert_eq!(commit(&target, 2, &[&one, &two]).await.expect("committed"), rows);
        assert_eq!(fs::read(directory.path().join(MANIFEST)).expect("a manifest"), manifest);
    });
    assert_eq!(names(directory.path()), SHARDS);
}

#[test]
fn a_commit_that_died_half_way_is_run_to_its_end() {
    for are_hidden_ones_there in [true, false] {
        let directory = directory();
        let target = Arc::new(target(directory.path()));
        finish(async {
            let [one, two] = both(&target).await;
            fs::create_dir(directory.path().join(REJECTS)).expect("a directory");
            let failure = message(commit(&target, 2, &[&one, &two]).await);
            assert!(failure.contains("cannot finish"), "{failure}");
            assert!(visible(directory.path()).contains(&SHARDS[1].to_string()));
            fs::remove_dir(directory.path().join(REJECTS)).expect("removed");
            if !are_hidden_ones_there {
                // As where the file system has no second names.
                let hidden = names(directory.path()).into_iter().filter(|name| name.starts_with(".finished-"));
                hidden.for_each(|name| fs::remove_file(directory.path().join(name)).expect("removed"));
            }
            commit(&target, 2, &[&one, &two]).await.expect("committed");
        });
        assert_eq!(names(directory.path()), SHARDS);
    }
}

#[test]
fn two_commits_at_a_time_finish_one_dataset() {
    let directory = directory();
    finish(async {
        for number in 0..40 {
            let mut target = target(directory.path());
            target.options.overwrite = true;
            target.statement = number.to_string();
            let target = Arc::new(target);
            let [one, two] = both(&target).await;
            let commits = [0, 1].map(|_| {
                let (target, one, two) = (Arc::clone(&target), one.clone(), two.clone());
                tokio::spawn(async move { commit(&target, 2, &[&one, &two]).await })
            });
            for commit in commits {
                assert_eq!(records(&commit.await.expect("a task").expect("committed")), [2, 1]);
            }
            let manifest = Manifest::read(directory.path()).expect("a manifest").expect("there");
            assert_eq!(manifest.statement, Some(number.to_string()));
            assert_eq!(names(directory.path()), SHARDS);
        }
    });
}

#[test]
fn a_dataset_stays_finished_until_the_commit_of_the_one_that_replaces_it() {
    let directory = directory();
    let first = Arc::new(target(directory.path()));
    finish(async {
        let [one, two] = both(&first).await;
        commit(&first, 2, &[&one, &two]).await.expect("committed");
        let before = Manifest::read(directory.path()).expect("a manifest");
        let mut second = target(directory.path());
        second.options.overwrite = true;
        let second = Arc::new(second);
        let report = write(&second, input(&[&[9]]), 0).await.expect("written");
        assert_eq!(Manifest::read(directory.path()).expect("a manifest"), before);
        assert!(SHARDS.iter().all(|name| visible(directory.path()).contains(&name.to_string())));
        // A third run is done first, and the second has nothing left to replace.
        let mut third = target(directory.path());
        third.options.overwrite = true;
        let third = Arc::new(third);
        let other = write(&third, input(&[&[7, 8]]), 0).await.expect("written");
        commit(&third, 1, &[&other]).await.expect("committed");
        let failure = message(commit(&second, 1, &[&report]).await);
        assert!(failure.contains("the run is over"), "{failure}");
    });
    assert_eq!(names(directory.path()), SHARDS[..2]);
}

#[test]
fn a_commit_refuses_what_is_not_whole() {
    let directory = directory();
    let target = Arc::new(target(directory.path()));
    finish(async {
        let [one, two] = both(&target).await;
        let failure = message(commit(&target, 2, &[&two, &two]).await);
        assert!(failure.contains("1 of 2 partitions were written"), "{failure}");
        let hidden = names(directory.path()).into_iter().find(|name| name.starts_with(".finished-00001"));
        fs::remove_file(directory.path().join(hidden.expect("a shard"))).expect("removed");
        let failure = message(commit(&target, 2, &[&one, &two]).await);
        assert!(failure.contains("'shard01-1.tfrec' is gone"), "{failure}");
    });
    assert!(!directory.path().join(MANIFEST).exists());
}

#[test]
fn rejects_of_all_partitions_are_counted_together() {
    let directory = directory();
    let mut target = target(directory.path());
    target.options.max_rejects = Some(MaxRejects::Count(1));
    let target = Arc::new(target);
    let reject = |path: &str| Reject {
        path: Some(path.to_string()),
        stage: "decode".into(),
        class: "empty".into(),
        reason: "empty".to_string(),
    };
    let report = |path| Report {
        shards: vec![],
        rejected: 1,
        first_reject: Some(reject(path)),
        rejects: Vec::new(),
        changed_keys: ChangedKeys::default(),
    };
    let [one, two] = [report("a"), report("b")].map(|report| serde_json::to_string(&report).expect("text"));
    let rows = |partition: i64, report: &str| {
        let partition: datafusion::arrow::array::ArrayRef =
            Arc::new(datafusion::arrow::array::Int64Array::from(vec![partition]));
        let report: datafusion::arrow::array::ArrayRef =
            Arc::new(datafusion::arrow::array::StringArray::from(vec![report]));
        RecordBatch::try_from_iter([("partition", partition), ("report", report)]).expect("a batch")
    };
    let failure = message(finish(commit(&target, 2, &[&rows(0, &one), &rows(1, &two)])));
    let expected = "Execution error: 2 rows are rejected, more than 1 (max_rejects), the first of them 'a': empty";
    assert_eq!(failure, expected);
}

#[test]
fn an_attempt_that_wakes_up_behind_the_commit_leaves_nothing() {
    let directory = directory();
    let target = Arc::new(target(directory.path()));
    finish(async {
        let (slow, sender) = slow_input();
        let late = tokio::spawn({
            let target = Arc::clone(&target);
            async move { write(&target, slow, 0).await }
        });
        sender.send(batch(&[1])).await.expect("sent");
        sender.send(batch(&[2])).await.expect("sent");
        let [one, two] = both(&target).await;
        commit(&target, 2, &[&one, &two]).await.expect("committed");
        drop(sender);
        let failure = message(late.await.expect("a task"));
        assert!(failure.contains("the run is over"), "{failure}");
        // Nor does one that hasn't begun.
        assert!(message(write(&target, input(&[&[1, 2]]), 0).await).contains("the run is over"));
    });
    assert_eq!(names(directory.path()), SHARDS);
}

#[test]
fn a_run_is_over_when_another_one_has_replaced_its_dataset() {
    let directory = directory();
    let (first, second) = (Arc::new(target(directory.path())), Arc::new(target(directory.path())));
    finish(async {
        let [one, two] = both(&first).await;
        let [other_one, other_two] = both(&second).await;
        commit(&second, 2, &[&other_one, &other_two]).await.expect("committed");
        let manifest = Manifest::read(directory.path()).expect("a manifest").expect("there");
        // The first would write the very same dataset, which is there.
        commit(&first, 2, &[&one, &two]).await.expect("committed");
        let different = Arc::new(Target { statement: "two".to_string(), ..first.as_ref().clone() });
        let failure = message(commit(&different, 2, &[&one, &two]).await);
        assert!(failure.contains("the run is over"), "{failure}");
        assert_eq!(Manifest::read(directory.path()).expect("a manifest"), Some(manifest));
    });
    assert_eq!(names(directory.path()), SHARDS);
}

#[test]
fn a_cancelled_task_leaves_nothing() {
    let directory = directory();
    let target = Arc::new(target(directory.path()));
    finish(async {
        let (slow, sender) = slow_input();
        let task = Arc::new(Task::new(vec![7]));
        let sink = Arc::new(ShardSinkExec::new(slow, Arc::clone(&target), 1, None));
        let running = tokio::spawn(run(sink, 0, Arc::clone(&task)));
        sender.send(batch(&[1])).await.expect("sent");
        sender.send(batch(&[2])).await.expect("sent");
        task.cancel();
        drop(sender);
        assert!(message(running.await.expect("a task")).contains("the task is cancelled"));
    });
    let names = names(directory.path());
    assert!(names.len() == 2 && names[0].starts_with(".run-") && names[1] == "_unfinished", "{names:?}");
}

#[test]
fn partitions_have_their_numbers_in_the_whole_plan() {
    let directory = directory();
    let target = Arc::new(target(directory.path()));
    let sink = Arc::new(ShardSinkExec::new(input(&[&[1, 2]]), Arc::clone(&target), 1, None));
    let report = finish(run(sink, 0, Arc::new(Task::new(vec![7])))).expect("written");
    assert_eq!(report.column(0).as_primitive::<Int64Type>().values(), &[7]);
    assert!(names(directory.path()).iter().any(|name| name.starts_with(".finished-00007-")));
}

#[test]
fn a_task_that_is_run_again_returns_what_it_has_written() {
    let directory = directory();
    let target = Arc::new(target(directory.path()));
    finish(async {
        let [one, _] = both(&target).await;
        assert_eq!(both(&target).await[0], one);
        // Another run of the statement does its own work, unless it resumes.
        let other = Target { run: token().expect("a token"), ..target.as_ref().clone() };
        let resumed = Target { resume: true, run: token().expect("a token"), ..other.clone() };
        let [kept, two] = both(&Arc::new(resumed.clone())).await;
        assert_eq!(kept, one);
        assert_ne!(both(&Arc::new(other)).await[0], one);
        let inode = |name: &str| fs::metadata(directory.path().join(name)).expect("a file").ino();
        let report: Report = serde_json::from_str(kept.column(1).as_string::<i32>().value(0)).expect("a report");
        let before = inode(&report.shards[0].file.name);
        commit(&Arc::new(resumed), 2, &[&kept, &two]).await.expect("committed");
        assert_eq!(inode(SHARDS[1]), before);
    });
    assert_eq!(names(directory.path()), SHARDS);
}

#[test]
fn a_report_whose_shard_is_gone_or_that_names_other_files_counts_for_nothing() {
    let directory = directory();
    let target = Arc::new(target(directory.path()));
    finish(async {
        let [one, _] = both(&target).await;
        let path = |begin: &str| {
            let name = names(directory.path()).into_iter().find(|name| name.starts_with(begin)).expect("a file");
            directory.path().join(name)
        };
        let report = path(".report-00000");
        let text = fs::read_to_string(&report).expect("a report");
        fs::write(directory.path().join("mine"), "mine").expect("written");
        let shard = path(".finished-00000");
        let bytes = fs::metadata(&shard).expect("a shard").len();
        let name = shard.file_name().expect("a name").to_str().expect("UTF-8");
        let edited = text.replace(name, "mine").replace(&format!("\"bytes\":{bytes}"), "\"bytes\":4");
        fs::write(&report, edited).expect("written");
        assert_ne!(both(&target).await[0], one);
        fs::write(&report, text).expect("written");
        assert_eq!(both(&target).await[0], one);
        fs::remove_file(shard).expect("removed");
        assert_ne!(both(&target).await[0], one);
    });
}

/// The records of each shard that a sink makes of rows which it cuts itself.
fn cut(rows: &[i64], parts: usize) -> Vec<i64> {
    let directory = directory();
    let target = Arc::new(target(directory.path()));
    finish(async {
        let sink = Arc::new(ShardSinkExec::new(input(&[rows]), Arc::clone(&target), 1, Some(parts)));
        let report = run(sink, 0, Arc::default()).await.expect("written");
        let again = Arc::new(ShardSinkExec::new(input(&[rows]), Arc::clone(&target), 1, Some(parts)));
        assert_eq!(run(again, 0, Arc::default()).await.expect("written"), report, "a task that is run again");
        records(&commit(&target, 1, &[&report]).await.expect("committed"))
    })
}

#[test]
fn rows_that_come_in_one_partition_are_cut_into_even_parts() {
    assert_eq!(cut(&[1, 2, 3, 4, 5, 6, 7], 3), [3, 2, 2]);
    assert_eq!(cut(&[1, 2, 3, 4], 4), [1, 1, 1, 1]);
    assert_eq!(cut(&[1, 2, 3, 4], 1), [4]);
    assert_eq!(cut(&[1, 2], 5), [1, 1]);
    assert_eq!(cut(&[], 5), [0; 0]);
}

#[test]
fn a_task_that_is_cancelled_while_rows_wait_leaves_nothing() {
    let directory = directory();
    let target = Arc::new(target(directory.path()));
    finish(async {
        let (slow, sender) = slow_input();
        let task = Arc::new(Task::default());
        let sink = Arc::new(ShardSinkExec::new(slow, Arc::clone(&target), 1, Some(2)));
        let running = tokio::spawn(run(sink, 0, Arc::clone(&task)));
        sender.send(batch(&[1, 2])).await.expect("sent");
        sender.send(batch(&[3, 4])).await.expect("sent");
        task.cancel();
        drop(sender);
        assert!(message(running.await.expect("a task")).contains("the task is cancelled"));
    });
    let names = names(directory.path());
    assert!(names.len() == 2 && names[0].starts_with(".run-") && names[1] == "_unfinished", "{names:?}");
}

#[test]
fn what_a_commit_leaves_that_is_killed_behind_its_manifest_is_swept_and_what_others_do_is_not() {
    let directory = directory();
    let target = Arc::new(target(directory.path()));
    let sweep = || super::sweep_behind_manifest(&target.directory, &target.statement).expect("swept");
    finish(async {
        let [one, two] = both(&target).await;
        let path = |name: &str| directory.path().join(name);
        let left: Vec<_> = names(directory.path()).into_iter().filter(|name| !name.starts_with(".finished-")).collect();
        let texts: Vec<_> = left.iter().map(|name| fs::read(path(name)).expect("a file")).collect();
        commit(&target, 2, &[&one, &two]).await.expect("committed");
        let leave = || left.iter().zip(&texts).for_each(|(name, text)| fs::write(path(name), text).expect("written"));
        leave();
        assert_eq!(names(directory.path()).len(), SHARDS.len() + 4);
        sweep();
        assert_eq!(names(directory.path()), SHARDS);
        let other =
            Target { run: token().expect("a token"), statement: "another".to_string(), ..target.as_ref().clone() };
        let mark = super::hidden::run(&other.run);
        leave();
        let named = serde_json::to_vec(&super::sweep::ShardNames::of(&other)).expect("JSON");
        fs::write(path(&mark), named).expect("written");
        sweep();
        let names = names(directory.path());
        assert!(names.contains(&mark) && names.contains(&"_unfinished".to_string()), "{names:?}");
        assert!(!names.contains(&super::hidden::run(&target.run)), "{names:?}");
    });
}
