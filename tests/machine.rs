//! What machines do to a run: full and failing disks, files that change while they are read, limits, clocks, and processes that stand still.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use support::cluster::{Cluster, eventually, send};
use support::site::Site;
use support::{Finished, Workspace};

/// The main job, small, into a directory.
fn copy(to: &str) -> String {
    format!(
        "COPY (SELECT image_encode(image_resize(image_decode(content), 32, 32), quality => 98) AS image, class, path AS name \
         FROM read_images('photos', shuffle_seed => 7)) TO '{to}' STORED AS TFRECORD OPTIONS (shards 4, index true)"
    )
}

fn command(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixmill"));
    command.current_dir(workspace.path("")).env_remove("PIXMILL_LOG").args(arguments);
    command.envs(workspace.environment.iter().map(|(name, value)| (name, value)));
    command
}

fn finish(command: &mut Command) -> Finished {
    Finished::of(&command.output().expect("the binary starts"))
}

/// A file system in memory of so many KiB, unmounted when this is dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None`, told on stderr, where mounting isn't allowed.
    fn new(place: PathBuf, kib: usize) -> Option<Self> {
        fs::create_dir_all(&place).expect("a directory");
        let mounted = mount(&place, &format!("size={kib}k"));
        if !mounted {
            eprintln!("skipped: no file system can be mounted here");
        }
        mounted.then_some(Self(place))
    }

    #[track_caller]
    fn again(&self, options: &str) {
        assert!(mount(&self.0, &format!("remount,{options}")), "{options}");
    }
}

fn mount(place: &Path, options: &str) -> bool {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(place).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_at_any_moment_leaves_no_wrong_dataset_and_resume_completes_it() {
    let workspace = Workspace::with_photos(120, 3);
    for broken in ["daisy/a.jpg", "roses/b.jpg"] {
        workspace.write(&format!("photos/{broken}"), b"hello");
    }
    workspace.sql(&copy("expected")).success();
    let expected = workspace.files("expected");
    let (mut failed, mut written) = (0, 0);
    // The dataset has about 240 KiB.
    for kib in [4, 16, 32, 64, 96, 128, 160, 192, 224, 240, 248, 256, 264, 272, 280, 288, 320, 400] {
        let Some(disk) = Disk::new(workspace.path("disk"), kib) else { return };
        let run = workspace.sql(&copy("disk/out"));
        if run.code == 0 {
            written += 1;
        } else {
            let message = run.failure(1);
            assert!(message.contains("No space left on device"), "{kib} KiB: {message}");
            assert!(workspace.visible_files("disk/out").iter().all(|(name, _)| name != "_manifest.json"), "{kib} KiB");
            disk.again("size=8m");
            workspace.pixmill(&["sql", "--resume", "-c", &copy("disk/out")]).success();
            failed += 1;
        }
        assert!(workspace.files("disk/out") == expected, "{kib} KiB");
    }
    assert!(failed > 8 && written > 1, "{failed} {written}");
}

#[test]
fn a_full_disk_for_temporary_files_ends_the_statement_on_a_cluster_too() {
    let mut workspace = Workspace::with_photos(150, 2);
    let Some(_disk) = Disk::new(workspace.path("temporary"), 64) else { return };
    workspace.environment.push(("TMPDIR", workspace.path("temporary").display().to_string()));
    let sort = "SET pixmill.memory_limit = '32M'; SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY t) AS n FROM (SELECT \
                repeat(md5(CAST(value AS VARCHAR)), 30) AS t FROM generate_series(1, 60000)))";
    let message = workspace.sql(sort).failure(1);
    assert!(message.contains("no room for temporary files: ") && message.contains("TMPDIR"), "{message}");
    assert_eq!(workspace.names("temporary"), [""; 0]);
    let cluster = Cluster::start(&workspace, 2);
    let exchange = "SELECT count(*) FROM (SELECT content FROM read_images('photos') GROUP BY content)";
    let message = cluster.sql(exchange).failure(1);
    assert!(message.contains("No space left on device") && message.contains("--work-dir"), "{message}");
}

#[test]
fn a_target_that_cant_be_written_is_named_and_one_on_another_file_system_is_as_good() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.sql(&copy("expected")).success();
    let Some(disk) = Disk::new(workspace.path("disk"), 4096) else { return };
    workspace.sql(&copy("disk/out")).success();
    assert!(workspace.files("disk/out") == workspace.files("expected"));
    disk.again("ro");
    let message = workspace.sql(&copy("disk/other")).failure(1);
    assert!(message.contains("disk/other'") && message.contains("Read-only file system"), "{message}");
    let replace = copy("disk/out").replace("shards 4", "shards 4, overwrite true");
    let message = workspace.sql(&replace).failure(1);
    assert!(message.contains("disk/out") && message.contains("Read-only file system"), "{message}");
    assert!(workspace.files("disk/out") == workspace.files("expected"));
}

/// A user who may do little.
const NOBODY: u32 = 65_534;

#[test]
fn what_may_not_be_read_or_written_is_named() {
    let workspace = Workspace::with_photos(8, 2);
    fs::set_permissions(workspace.path(""), Permissions::from_mode(0o755)).expect("permissions");
    fs::create_dir(workspace.path("theirs")).expect("a directory");
    fs::set_permissions(workspace.path("theirs"), Permissions::from_mode(0o777)).expect("permissions");
    let run = |sql: &str| {
        let mut command = command(&workspace, &["sql", "-c", sql]);
        // Whoever runs the test may be the one who may do everything.
        if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            command.uid(NOBODY).gid(NOBODY).env("HOME", "/");
        }
        finish(&mut command)
    };
    let photo = workspace.path("photos").join(&workspace.names("photos")[0]);
    fs::set_permissions(&photo, Permissions::from_mode(0o000)).expect("permissions");
    let said = run(&copy("theirs/out"));
    assert!(said.stderr.contains("1 rejected"), "{}", said.stderr);
    said.success();
    let rejects = workspace.read("theirs/out/_rejects.csv");
    assert!(rejects.contains(&workspace.names("photos")[0]) && rejects.contains("Permission denied"), "{rejects}");
    fs::set_permissions(workspace.path("photos/dandelion"), Permissions::from_mode(0o000)).expect("permissions");
    let said = run(&copy("theirs/other"));
    assert!(
        said.stderr.contains("left out 'photos/dandelion', which can't be read: Permission denied"),
        "{}",
        said.stderr
    );
    said.success();
    fs::set_permissions(workspace.path("photos/dandelion"), Permissions::from_mode(0o755)).expect("permissions");
    fs::create_dir(workspace.path("ours")).expect("a directory");
    fs::set_permissions(workspace.path("ours"), Permissions::from_mode(0o555)).expect("permissions");
    let message = run(&copy("ours/out")).failure(1);
    assert!(message.contains("ours/out") && message.contains("Permission denied"), "{message}");
    fs::set_permissions(workspace.path("ours"), Permissions::from_mode(0o755)).expect("permissions");
}

#[test]
fn a_file_that_the_disk_cant_read_is_a_reject() {
    let workspace = Workspace::with_photos(8, 2);
    // Where a process has nothing in its memory, reading that says what a failing disk says.
    symlink("/proc/self/mem", workspace.path("photos/daisy/failing.jpg")).expect("a link");
    let said = workspace.sql(&copy("out"));
    assert!(said.stderr.contains("1 rejected"), "{}", said.stderr);
    said.success();
    let rejects = workspace.read("out/_rejects.csv");
    assert!(rejects.contains("daisy/failing.jpg") && rejects.contains("Input/output error"), "{rejects}");
}

#[test]
fn a_process_that_may_open_too_few_files_fails_and_loses_no_image() {
    let workspace = Workspace::with_photos(60, 3);
    workspace.sql(&copy("expected")).success();
    let mut failed = 0;
    for most in [12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 40, 80] {
        let out = format!("out{most}");
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {most}; exec \"$0\" sql -c \"$1\"");
        command.current_dir(workspace.path("")).args(["-c", &script, env!("CARGO_BIN_EXE_pixmill"), &copy(&out)]);
        let run = finish(&mut command);
        if run.code == 0 {
            assert!(workspace.files(&out) == workspace.files("expected"), "{most}: {}", run.stderr);
        } else {
            failed += 1;
            assert!(run.code == 1 && run.stderr.contains("Too many open files"), "{most}: {run:?}");
            assert!(!workspace.path(&out).join("_manifest.json").exists());
        }
    }
    assert!(failed > 0);
}

#[test]
fn a_process_that_may_open_too_few_connections_fails_and_loses_no_image() {
    let site = Site::new();
    let photos = Workspace::with_photos(60, 3);
    for (name, bytes) in photos.files("photos") {
        site.server.put("photos", &format!("set/{name}"), bytes);
    }
    let sql = "SELECT count(*), count(image_decode(content)) FROM read_images('s3://photos/set/')";
    let (mut failed, mut whole) = (0, 0);
    for most in [16, 20, 24, 28, 40, 60, 120] {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {most}; exec \"$0\" sql --format csv -c \"$1\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_pixmill"), sql]);
        for (name, value) in site.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))) {
            command.env(name, value);
        }
        let run = finish(&mut command);
        if run.code == 0 {
            whole += 1;
            assert!(run.stdout.ends_with("\n60,60\n"), "{most}: {run:?}");
        } else {
            failed += 1;
            assert!(run.code == 1 && run.stderr.contains("Too many open files"), "{most}: {run:?}");
        }
    }
    assert!(failed > 0 && whole > 0, "{failed} {whole}");
}

#[test]
fn files_that_change_while_they_are_read_are_records_or_rejects_and_each_is_counted_once() {
    const FILES: usize = 1500;
    let workspace = Workspace::with_photos(FILES, 3);
    let names = workspace.names("photos");
    let originals = workspace.files("photos");
    let original = |index: usize| &originals[index % FILES].1;
    let mut command = command(&workspace, &["sql", "-c", RAW]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    // What is there is listed by now.
    eventually("the directory", || workspace.path("out").exists());
    for index in (0..FILES).rev() {
        let path = workspace.path("photos").join(&names[index]);
        match index % 5 {
            0 => fs::remove_file(&path).expect("removed"),
            1 => File::options().write(true).open(&path).and_then(|file| file.set_len(100)).expect("cut"),
            2 => {
                let beside = workspace.path("beside");
                fs::write(&beside, original(index + 1)).and_then(|()| fs::rename(&beside, &path)).expect("replaced");
            }
            3 => {
                use std::io::Write;
                let mut file = File::options().append(true).open(&path).expect("a file");
                file.write_all(&[7; 3000]).expect("grown");
            }
            _ => {}
        }
    }
    let said = Finished::of(&child.wait_with_output().expect("it ends"));
    let stderr = said.stderr.clone();
    said.success();
    let rows = workspace.pixmill(&[
        "sql",
        "--format",
        "csv",
        "-c",
        "SELECT CAST(name AS VARCHAR) AS name, encode(image, 'hex') AS image FROM read_tfrecord('out')",
    ]);
    let rows = rows.success();
    let rejects =
        if workspace.path("out/_rejects.csv").exists() { workspace.read("out/_rejects.csv") } else { String::new() };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut seen = 0;
    for line in rows.lines().skip(1) {
        let (name, image) = line.split_once(',').expect("two columns");
        let index = names.iter().position(|it| name == format!("photos/{it}")).expect("a photo");
        let was = original(index);
        let may_be = match index % 5 {
            1 => hex(was).starts_with(image) && (image.len() == 200 || image.len() == 2 * was.len()),
            2 => image == hex(was) || image == hex(original(index + 1)),
            3 => image == hex(was) || image == hex(&[&**was, &[7; 3000]].concat()),
            _ => image == hex(was),
        };
        assert!(may_be, "{name}: {} bytes of {}", image.len() / 2, was.len());
        assert!(!rejects.contains(&format!("{name},")), "{name}");
        seen += 1;
    }
    let rejected = rejects.lines().skip(1).count();
    assert_eq!(seen + rejected, FILES, "{stderr}");
    assert!(rejects.lines().skip(1).all(|line| line.contains("No such file")), "{rejects}");
}

const RAW: &str = "COPY (SELECT content AS image, path AS name FROM read_images('photos')) TO 'out' STORED AS TFRECORD OPTIONS (shards 3)";

/// What a run says, and the most memory that it has held, in bytes.
fn with_peak(command: &mut Command) -> (Finished, u64) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let status = format!("/proc/{}/status", child.id());
    let waiter = std::thread::spawn(move || Finished::of(&child.wait_with_output().expect("it ends")));
    let mut peak = 0;
    while !waiter.is_finished() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_millis(2));
    }
    (waiter.join().expect("a run"), peak)
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_of_three_gigabytes_among_small_ones_is_a_reject_and_takes_no_memory() {
    let workspace = Workspace::with_photos(20, 2);
    let huge = File::create(workspace.path("photos/daisy/huge.jpg")).expect("a file");
    // It takes no room on the disk.
    huge.set_len(3 << 30).expect("a length");
    let (said, peak) = with_peak(&mut command(&workspace, &["sql", "-c", &copy("out")]));
    assert!(said.stderr.contains("1 rejected"), "{}", said.stderr);
    said.success();
    assert!(workspace.read("out/_rejects.csv").contains("3221225472 bytes"), "{}", workspace.read("out/_rejects.csv"));
    assert!((1..500 << 20).contains(&peak), "{peak}");
}

/// So many files of 6 MiB, which take no room on the disk.
#[cfg(target_os = "linux")]
fn large_images(images: u64) -> Workspace {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("photos")).expect("a directory");
    File::create(workspace.path("large")).and_then(|file| file.set_len(LARGE)).expect("a file");
    for number in 0..images {
        symlink(workspace.path("large"), workspace.path(&format!("photos/{number}.jpg"))).expect("a link");
    }
    workspace
}

#[cfg(target_os = "linux")]
const LARGE: u64 = 6 << 20;

/// The rows of a statement as CSV, without their head, and the most memory that it took.
#[cfg(target_os = "linux")]
fn rows_and_peak(workspace: &Workspace, sql: &str) -> (String, u64) {
    let (said, peak) = with_peak(&mut command(workspace, &["sql", "--format", "csv", "-c", sql]));
    let text = said.success();
    (text.split_once('\n').map(|(_, rows)| rows.to_string()).unwrap_or_default(), peak)
}

#[test]
#[cfg(target_os = "linux")]
fn sorts_and_windows_over_large_images_go_to_files_where_memory_ends() {
    const IMAGES: u64 = 96;
    let workspace = large_images(IMAGES);
    let limit = "SET pixmill.memory_limit = '512M'; ";
    for rest in ["OVER (ORDER BY md5(path))", "OVER (PARTITION BY length(path) ORDER BY md5(path))"] {
        let row = format!("row_number() {rest} AS row, octet_length(content) AS bytes");
        let sql =
            format!("{limit}SELECT count(*), sum(bytes), min(row) FROM (SELECT {row} FROM read_images('photos'))");
        let (rows, peak) = rows_and_peak(&workspace, &sql);
        assert_eq!(rows, format!("{IMAGES},{},1\n", IMAGES * LARGE), "{rest}");
        assert!((1..1100 << 20).contains(&peak), "{rest}: {peak}");
    }
    let sql = format!(
        "{limit}COPY (SELECT content AS image, path AS name FROM read_images('photos') ORDER BY md5(path)) TO 'out' STORED AS TFRECORD \
         OPTIONS (shards 3)"
    );
    workspace.sql(&sql).success();
    let names = |sql: &str| workspace.pixmill(&["sql", "--format", "csv", "-c", sql]).success();
    let sorted = names("SELECT path AS name FROM read_images('photos') ORDER BY md5(path)");
    assert_eq!(names("SELECT name FROM read_tfrecord('out', partitions => 1, text => '*')"), sorted);
}

#[test]
#[cfg(target_os = "linux")]
fn filters_over_large_images_hold_few_of_them() {
    const IMAGES: u64 = 400;
    let workspace = large_images(IMAGES);
    let sql = "SELECT count(*), sum(octet_length(content)) FROM read_images('photos') WHERE octet_length(content) > 9";
    let (rows, peak) = rows_and_peak(&workspace, sql);
    assert_eq!(rows, format!("{IMAGES},{}\n", IMAGES * LARGE));
    // All of them together are 2,400 MiB.
    assert!((1..900 << 20).contains(&peak), "{peak}");
}

#[test]
fn clocks_that_jump_are_no_reason_to_lose_anything() {
    let workspace = Workspace::with_photos(6, 2);
    workspace.sql(&copy("expected")).success();
    let names = workspace.names("photos");
    let year = Duration::from_secs(365 * 86_400);
    let times = [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH - 60 * year, SystemTime::now() + 200 * year];
    for (name, time) in names.iter().zip(times.iter().cycle()) {
        let file = File::options().write(true).open(workspace.path("photos").join(name)).expect("a file");
        file.set_modified(*time).expect("a time");
    }
    workspace.sql(&copy("out")).success();
    assert!(workspace.shards("out") == workspace.shards("expected"));
    let years = "SELECT count(modification_time), extract(year FROM min(modification_time)) < 1915, extract(year FROM max(modification_time)) > 2200 FROM read_images('photos')";
    let years = workspace.pixmill(&["sql", "--format", "csv", "-c", years]).success();
    assert!(years.ends_with("6,true,true\n"), "{years}");
}

#[test]
fn a_client_that_stood_still_goes_on() {
    let workspace = Workspace::with_photos(60, 2);
    workspace.sql(&copy("expected")).success();
    let paused = |mut command: Command, place: &str, pause: Duration| {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        eventually("the directory", || workspace.path(place).exists());
        send(child.id(), "STOP");
        std::thread::sleep(pause);
        send(child.id(), "CONT");
        Finished::of(&child.wait_with_output().expect("it ends")).success();
        assert!(workspace.shards(place) == workspace.shards("expected"));
    };
    paused(command(&workspace, &["sql", "-c", &copy("here")]), "here", Duration::from_secs(1));
    let cluster = Cluster::start(&workspace, 2);
    // Longer than an executor may be silent.
    let arguments = ["sql", "--cluster", &cluster.address, "-c", &copy("there")];
    paused(command(&workspace, &arguments), "there", Duration::from_secs(6));
}
