//! Every pipeline in `queries/` runs, and what it writes verifies.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::Workspace;
use support::web::{Answer, Web};

fn queries() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
    let entries = fs::read_dir(folder).expect("queries");
    let mut queries: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    queries.sort();
    queries
}

/// `urls.parquet`: the photos at a server, and two that aren't there.
fn list_of_urls(workspace: &Workspace) -> Web {
    let web = Web::start();
    for (name, bytes) in workspace.files("photos") {
        web.put(&name, Answer::of(&bytes));
    }
    web.put("noai.jpg", Answer::of(b"").header("X-Robots-Tag", "noai"));
    let rows = format!(
        "SELECT '{}' || substr(path, 8) AS url, label AS caption FROM read_images('photos') UNION ALL VALUES ('{}', 'gone'), ('{}', NULL)",
        web.url(""),
        web.url("none.jpg"),
        web.url("noai.jpg")
    );
    workspace.sql(&format!("COPY ({rows}) TO 'urls.parquet'")).success();
    web
}

fn query(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries").join(name);
    file.to_str().expect("UTF-8").to_string()
}

/// Writes the features of the photos, of a model that is generated.
fn features(workspace: &Workspace, output: &str) {
    let output = format!("output={output}");
    let set = ["--set", "input=photos", "--set", &output, "--set", "overwrite=true"];
    workspace.pixmill(&[&["run", &query("fruits_features.sql")][..], &set].concat()).success();
}

#[test]
fn a_list_of_urls_becomes_samples_with_captions_and_a_count_of_each_status() {
    let workspace = Workspace::with_photos(10, 2);
    let web = list_of_urls(&workspace);
    let query = query("urls_to_webdataset.sql");
    let allow = format!("{},{}", web.url(""), workspace.path("").display());
    let run = |input: &str, output: &str| {
        let set = [format!("input={input}"), format!("output={output}")];
        let run = ["run", &query, "--allow", &allow, "--format", "csv", "--set", "shards=1"];
        workspace.pixmill(&[&run[..], &["--set", &set[0], "--set", &set[1]]].concat()).success()
    };
    let stdout = run("urls.parquet", "out");
    let counts = "status,images\nsuccess,10\ncannot be read: 404 Not Found,1\ncannot be read: opted out by X-Robots-Tag: noai,1\n";
    assert!(stdout.contains(counts), "{stdout}");
    workspace.sql("COPY (SELECT * FROM 'urls.parquet' WHERE caption <> 'gone') TO 'good.parquet'").success();
    let stdout = run("good.parquet", "good");
    assert!(stdout.contains("status,images\nsuccess,10\n"), "where all are there: {stdout}");
    let samples = "SELECT count(*) AS samples, min(image_info(jpg)['width']) AS width, max(image_info(jpg)['height']) AS height, \
                   count(DISTINCT txt) AS captions, min(json LIKE '%\"original_width\":64,\"original_height\":48%') AS told FROM 'out/*.tar'";
    let finished = workspace.pixmill(&["sql", "--format", "csv", "-c", samples]);
    assert_eq!(finished.success(), "samples,width,height,captions,told\n10,256,256,2,true\n");
    // The photos are wider than they are high: the border is above and below, and white.
    let stats = "SELECT max(image_stats(image_crop(image_decode(jpg), 0, 0, 256, 20))['min'][1]) >= 250 AS is_white FROM 'out/*.tar'";
    assert_eq!(workspace.pixmill(&["sql", "--format", "csv", "-c", stats]).success(), "is_white\ntrue\n");
}

#[test]
fn every_query_runs_and_what_it_writes_verifies() {
    let workspace = Workspace::with_photos(40, 5);
    let shards = "COPY (SELECT content AS image, class FROM read_images('photos', shuffle_seed => 1)) TO 'shards' STORED AS TFRECORD";
    workspace.sql(shards).success();
    let measure = ["--batch-sizes", "2,4", "--batch-numbers", "1,2,3", "--repetitions", "2"];
    workspace.pixmill(&[&["speed-test", "--source", "photos", "shards"][..], &measure].concat()).success();
    let web = list_of_urls(&workspace);
    features(&workspace, "features");
    let places = "SELECT to_timestamp(1396310400 + value * 420) AS pickup_time, 40.7 + (value % 9) * 0.02 AS lat, \
                  -74.0 + (value % 10) * 0.01 AS lon FROM generate_series(1, 500)";
    workspace.sql(&format!("COPY ({places}) TO 'pickups.csv'")).success();
    let allow = format!("{},{}", web.url(""), workspace.path("").display());
    for query in queries() {
        let text = fs::read_to_string(&query).expect("a query");
        let file = query.to_str().expect("UTF-8");
        let reads = |what: &str| text.contains(&format!("-- reads:  {what}"));
        let input = match () {
            () if reads("shards") => "input=shards",
            () if reads("results") => "input=results",
            () if reads("a list") => "input=urls.parquet",
            () if reads("features") => "input=features",
            () if reads("pickups") => "input=pickups.csv",
            () if reads("a table") => "input=iris",
            () => "input=photos",
        };
        let mut args = vec!["run", file, "--allow", &allow, "--set", input];
        let writes = text.contains("-- set: output =");
        if writes {
            args.extend(["--set", "output=out"]);
        }
        let stdout = workspace.pixmill(&args).success();
        assert!(stdout.contains(" rows\n") || stdout.contains("1 row\n"), "{file}: {stdout}");
        if writes {
            workspace.pixmill(&["verify", "out"]).success();
            fs::remove_dir_all(workspace.path("out")).expect("removed");
        }
    }
}

/// Unpacks the one tar shard of a dataset into a folder.
fn unpack(workspace: &Workspace, dataset: &str, folder: &str) {
    let mut files = fs::read_dir(workspace.path(dataset)).expect("shards").map(|entry| entry.expect("an entry").path());
    let shard = files.find(|path| path.extension().is_some_and(|extension| extension == "tar"));
    let tar = fs::File::open(shard.expect("a shard")).expect("a shard");
    tar::Archive::new(tar).unpack(workspace.path(folder)).expect("unpacked");
}

#[test]
fn near_duplicates_are_copies_and_no_other_photos() {
    let workspace = Workspace::with_photos(20, 2);
    let photo = "SELECT path, content FROM read_images('photos') ORDER BY path LIMIT 1";
    let copy = format!(
        "COPY (SELECT image_encode(image_resize(image_decode(content), 48, 36), quality => 85) AS jpg, 'copy' AS __key__ FROM ({photo})) \
         TO 'copies' STORED AS WEBDATASET"
    );
    workspace.sql(&copy).success();
    unpack(&workspace, "copies", "photos");
    let query = query("near_duplicates.sql");
    let stdout = workspace.pixmill(&["run", &query, "--set", "input=photos", "--format", "csv"]).success();
    let pairs: Vec<&str> = stdout.lines().skip(1).filter(|line| !line.is_empty()).collect();
    assert_eq!(pairs.len(), 1, "{stdout}");
    assert!(pairs[0].contains("photos/copy.jpg") && pairs[0].contains("000000"), "{stdout}");
}

#[test]
fn near_duplicates_by_features_are_copies_that_were_cut_out_and_no_other_photos() {
    let workspace = Workspace::with_photos(20, 2);
    let photo = "SELECT path, content FROM read_images('photos') ORDER BY path LIMIT 1";
    let copy = format!(
        "COPY (SELECT image_encode(image_crop(image_decode(content), 1, 1, 62, 46), quality => 85) AS jpg, 'copy' AS __key__ FROM ({photo})) \
         TO 'copies' STORED AS WEBDATASET"
    );
    workspace.sql(&copy).success();
    unpack(&workspace, "copies", "photos");
    features(&workspace, "features");
    let query = query("near_duplicates_by_features.sql");
    let stdout =
        workspace.pixmill(&["run", &query, "--set", "input=features", "--set", "alike=0.93", "--format", "csv"]);
    let stdout = stdout.success();
    let pairs: Vec<&str> = stdout.lines().skip(1).filter(|line| !line.is_empty()).collect();
    assert_eq!(pairs.len(), 1, "{stdout}");
    assert!(pairs[0].contains("photos/copy.jpg") && pairs[0].contains("000000"), "{stdout}");
}

#[test]
fn photos_without_features_are_rejected_with_the_reason() {
    let workspace = Workspace::with_photos(4, 2);
    workspace.write("photos/text.jpg", b"hello");
    features(&workspace, "features");
    let rejects = workspace.read("features/_rejects.csv");
    assert!(rejects.contains("photos/text.jpg,decode,not_an_image,"), "{rejects}");
    let count =
        workspace.pixmill(&["sql", "--format", "csv", "-c", "SELECT count(*) AS rows FROM 'features/*.parquet'"]);
    assert_eq!(count.success(), "rows\n4\n");
}

#[test]
fn every_query_says_what_it_reads_writes_and_sets() {
    for query in queries() {
        let text = fs::read_to_string(&query).expect("a query");
        for part in ["-- reads: ", "-- writes: ", "-- set: input = "] {
            assert!(text.contains(part), "{} lacks '{part}'", query.display());
        }
    }
}

#[test]
fn the_default_pipeline_generates_its_input_once() {
    let workspace = Workspace::new();
    let query = query("flowers_to_tfrecord.sql");
    let text = fs::read_to_string(query).expect("a query").replace("3000 images", "32 images");
    workspace.write("small.sql", text.as_bytes());
    let first = workspace.pixmill(&["run", "small.sql"]);
    assert!(first.stderr.contains("generated 32 photos"), "{}", first.stderr);
    assert!(first.stderr.contains("wrote 32 records in 16 shards"), "{}", first.stderr);
    let again = workspace.pixmill(&["run", "small.sql"]).failure(1);
    assert!(again.contains("'out/flowers' already holds a finished dataset"), "{again}");
    let third = workspace.pixmill(&["run", "small.sql", "--set", "overwrite=true"]);
    assert!(!third.stderr.contains("generated"), "{}", third.stderr);
    assert_eq!(third.code, 0);
}
