//! Experiments: one pipeline on clusters of real processes, measured into a table that SQL can query.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use support::Workspace;

const PIPELINE: &str = "-- set: input = photos\n-- set: output = out\n-- set: partitions = 4\n-- set: width = 32\n\
    CREATE EXTERNAL TABLE photos STORED AS IMAGES LOCATION '${input}' OPTIONS (partitions ${partitions});\n\
    SELECT class, min(image_info(content)['width']) AS width FROM photos GROUP BY class;\n\
    COPY (SELECT image_encode(image_resize(image_decode(content), ${width}, 24)) AS image, class FROM photos)\n\
    TO '${output}' STORED AS TFRECORD;\n";

/// The only result, and the files beside it.
fn only_result(workspace: &Workspace, directory: &str) -> String {
    let names = workspace.names(directory);
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].starts_with("small-2") && names[0].ends_with("Z.parquet"), "{names:?}");
    format!("{directory}/{}", names[0])
}

fn query(workspace: &Workspace, file: &str, select: &str) -> String {
    let table = format!("CREATE EXTERNAL TABLE runs STORED AS PARQUET LOCATION '{file}'");
    workspace.pixmill(&["sql", "--format", "csv", "-c", &table, "-c", select]).success()
}

#[test]
fn each_shape_and_partition_count_is_measured_into_a_table_that_sql_can_query() {
    let workspace = Workspace::with_photos(12, 2);
    workspace.write("small.sql", PIPELINE.as_bytes());
    let args = ["experiment", "small.sql", "--shapes", "1x1,2x1", "--partitions", "2,3", "--set", "width=16"];
    let finished = workspace.pixmill(&[&args[..], &["--price", "3.6", "--keep", "kept", "--format", "csv"]].concat());
    let stderr = finished.stderr.clone();
    let stdout = finished.success();
    assert_eq!(stdout.lines().count(), 1 + 2 * 2 * 2, "{stdout}\n{stderr}");
    let file = only_result(&workspace, "experiments");
    assert!(stderr.contains(&format!("wrote {file}")), "{stderr}");

    let columns = "shape, executors, vcores, partitions, repetition, statement, files, records, rejected, rows";
    let order = "ORDER BY shape, partitions, statement";
    let rows = query(&workspace, &file, &format!("SELECT {columns} FROM runs {order}"));
    let expected = ["1x1,1,1", "2x1,2,1"].map(|shape| {
        let runs = [2, 3].map(|count| format!("{shape},{count},1,2,12,,,2\n{shape},{count},1,3,12,12,0,{count}\n"));
        runs.concat()
    });
    assert_eq!(rows, format!("{}\n{}", columns.replace(", ", ","), expected.concat()));

    let sound = "wall_seconds > 0 AND plan_seconds BETWEEN 0 AND wall_seconds AND executor_cpu_seconds > 0 AND \
                 scheduler_cpu_seconds >= 0 AND disk_bytes_read >= 0 AND disk_bytes_written >= 0 AND images_per_second > 0 AND \
                 abs(cost - executors * wall_seconds * 0.001) < 0.00001 AND error IS NULL AND query = 'small.sql' AND cores > 0";
    assert_eq!(query(&workspace, &file, &format!("SELECT count(*) AS n FROM runs WHERE {sound}")), "n\n8\n");

    let bytes: usize = workspace.files("photos").iter().map(|(_, content)| content.len()).sum();
    let read = query(&workspace, &file, "SELECT DISTINCT bytes_read FROM runs");
    assert_eq!(read, format!("bytes_read\n{bytes}\n"));
    let shards = workspace.files("kept/2x1-3-1").into_iter().filter(|(name, _)| name.ends_with(".tfrec"));
    let written: usize = shards.map(|(_, content)| content.len()).sum();
    let of_run = "SELECT bytes_written FROM runs WHERE shape = '2x1' AND partitions = 3 AND statement = 3";
    assert_eq!(query(&workspace, &file, of_run), format!("bytes_written\n{written}\n"));
    workspace.pixmill(&["verify", "kept/2x1-3-1"]).success();
}

#[test]
fn a_run_that_fails_has_its_row_and_the_others_go_on() {
    let workspace = Workspace::with_photos(4, 1);
    let fails =
        "-- set: shards = 2\nSELECT 6 / (${shards} - 2) AS six, count(content) AS n FROM read_images('photos');\n";
    workspace.write("small.sql", fails.as_bytes());
    let args = ["experiment", "small.sql", "--shapes", "1x1", "--partitions", "2,3", "--results", "results"];
    let message = workspace.pixmill(&args).failure(1);
    let file = only_result(&workspace, "results");
    assert!(message.contains(&format!("1 run failed; the column error of {file} says why")), "{message}");
    let rows = query(&workspace, &file, "SELECT partitions, rows, error IS NULL AS done FROM runs ORDER BY partitions");
    assert_eq!(rows, "partitions,rows,done\n2,,false\n3,1,true\n");
    let error = query(&workspace, &file, "SELECT error FROM runs WHERE partitions = 2");
    assert!(error.to_lowercase().contains("divide by zero"), "{error}");
}

#[test]
fn what_can_be_no_experiment_is_said_before_anything_is_started() {
    let workspace = Workspace::new();
    workspace.write("small.sql", b"SELECT 1");
    let run = |shapes: &str| workspace.pixmill(&["experiment", "small.sql", "--shapes", shapes, "--partitions", "2"]);
    let message = run("4by2").failure(2);
    assert!(message.contains("must be EXECUTORSxVCORES, each 1 to 256, as in 4x2, got '4by2'"), "{message}");
    let message = run("1x1").failure(2);
    assert!(message.contains("small.sql: its header declares neither 'partitions' nor 'shards'"), "{message}");
    workspace.write("small.sql", b"-- set: shards = 2\nSELECT ${shards} FROM");
    run("1x1").failure(2);
    assert_eq!(workspace.names("experiments"), [""; 0]);
}
