//! Shards in object stores: the same rows as from local files, or an error, whatever the store does.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::time::{Duration, Instant};

use pixmill_object_server::{Action, Operation, Request, Rule};
use support::cluster::Cluster;
use support::site::{ACCESS, SECRET, Site};

impl Site {
    /// Shards of so many photos, in every format, in local folders and below the same names in the bucket.
    fn with_shards(images: usize) -> Self {
        let site = Self::with_photos(images);
        for (out, format, options) in [
            ("plain", "TFRECORD", "OPTIONS (shards 4)"),
            ("gzip", "TFRECORD", "OPTIONS (shards 3, compression 'gzip', prefix 'z')"),
            ("indexed", "TFRECORD", "OPTIONS (shards 2, index true)"),
            ("parted", "TFRECORD", "PARTITIONED BY (label) OPTIONS (shards 1)"),
        ] {
            site.sql(&format!(
                "COPY (SELECT content AS image, class, label FROM read_images('photos', shuffle_seed => 3)) TO '{out}' STORED AS {format} \
                 {options}"
            ))
            .success();
        }
        site.sql(
            "COPY (SELECT replace(path, '.', '_') AS __key__, content AS jpg, class AS cls, label AS txt FROM read_images('photos')) \
             TO 'tar' STORED AS WEBDATASET OPTIONS (shards 3)",
        )
        .success();
        let gzip = |(name, bytes): (String, Vec<u8>)| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut encoder, &bytes).expect("compressed");
            site.workspace.write(&format!("targz/{name}.gz"), &encoder.finish().expect("compressed"));
        };
        site.workspace.files("tar").into_iter().filter(|(name, _)| name.ends_with(".tar")).for_each(gzip);
        let batch = |labels: [u8; 3]| labels.into_iter().flat_map(|label| [vec![label], vec![label; 3072]].concat());
        site.workspace.write("cifar/data_batch_1.bin", &batch([0, 1, 2]).collect::<Vec<u8>>());
        site.workspace.write("cifar/data_batch_2.bin", &batch([3, 1, 0]).collect::<Vec<u8>>());
        site.workspace.write("cifar/batches.meta.txt", b"airplane\nautomobile\nbird\ncat\n");
        for folder in ["plain", "gzip", "indexed", "parted", "tar", "targz", "cifar"] {
            site.upload(folder);
        }
        site.server.forget_requests();
        site
    }

    fn upload(&self, folder: &str) {
        for (name, bytes) in self.workspace.files(folder) {
            self.server.put("photos", &format!("{folder}/{name}"), bytes);
        }
    }

    fn gets(&self) -> Vec<Request> {
        let requests = self.server.requests();
        requests.into_iter().filter(|request| request.operation == Operation::Get).collect()
    }
}

const RECORDS: &str = "SELECT md5(image) AS image, class, label FROM {} ORDER BY image";
const SAMPLES: &str = "SELECT __key__ AS key, md5(jpg) AS jpg, cls, txt FROM {} ORDER BY key";

#[test]
fn rows_of_a_bucket_are_those_of_a_folder() {
    let site = Site::with_shards(40);
    for (query, function, local, remote) in [
        (RECORDS, "read_tfrecord", "plain", "s3://photos/plain/"),
        (RECORDS, "read_tfrecord", "plain", "s3://photos/plain"),
        (RECORDS, "read_tfrecord", "plain/*.tfrec", "s3://photos/plain/*.tfrec"),
        (RECORDS, "read_tfrecord", "plain/shard00*", "s3://photos/plain/shard00*"),
        (RECORDS, "read_tfrecord", "gzip", "s3://photos/gzip/"),
        (RECORDS, "read_tfrecord", "indexed", "s3://photos/indexed/"),
        (RECORDS, "read_tfrecord", "parted", "s3://photos/parted/"),
        (RECORDS, "read_tfrecord", "{plain,gzip}/**/*.tfrec*", "s3://photos/{plain,gzip}/**/*.tfrec*"),
        (RECORDS, "read_tfrecord", "parted/label=*/*.tfrec", "s3://photos/parted/label=*/*.tfrec"),
        (SAMPLES, "read_webdataset", "tar", "s3://photos/tar/"),
        (SAMPLES, "read_webdataset", "targz/*.tar.gz", "s3://photos/targz/*.tar.gz"),
    ] {
        let rows = |from: &str| site.sql(&query.replace("{}", from)).success();
        let expected = rows(&format!("{function}('{local}')"));
        assert!(expected.lines().count() > 5, "{local}: {expected}");
        assert_eq!(rows(&format!("{function}('{remote}')")), expected, "{remote}");
        assert_eq!(rows(&format!("'{remote}'")), expected, "{remote}");
        let format = function.trim_start_matches("read_");
        let declared =
            format!("CREATE EXTERNAL TABLE t STORED AS {format} LOCATION '{remote}'; {}", query.replace("{}", "t"));
        assert_eq!(site.sql(&declared).success(), expected, "{remote}");
    }
    let cifar = "SELECT label, label_name, md5(image['data']) AS image FROM {}";
    let rows = |from: &str| site.sql(&cifar.replace("{}", &format!("read_cifar10('{from}')"))).success();
    assert_eq!(rows("s3://photos/cifar/"), rows("cifar"));
    assert_eq!(rows("s3://photos/cifar/*_2.bin"), rows("cifar/*_2.bin"));
    assert!(rows("s3://photos/cifar/").starts_with("label,label_name,image\n0,airplane,"));
    let labels = "SELECT label, count(*) AS n FROM read_cifar10('s3://photos/cifar/') GROUP BY label ORDER BY label";
    assert_eq!(site.sql(labels).success(), "label,n\n0,2\n1,2\n2,1\n3,1\n");
}

#[test]
fn records_come_in_the_order_and_the_parts_that_local_ones_do() {
    let site = Site::with_shards(60);
    for partitions in ["", ", partitions => 5"] {
        for folder in ["plain", "gzip", "indexed"] {
            let rows = |from: &str| {
                let copied = format!("copied{}", from.len());
                site.sql(&format!(
                    "COPY (SELECT * FROM read_tfrecord('{from}'{partitions})) TO '{copied}' STORED AS TFRECORD OPTIONS (shards 3, overwrite \
                     true)"
                ))
                .success();
                (site.shards(&copied), site.workspace.read(&format!("{copied}/_manifest.json")))
            };
            let ((shards, manifest), expected) = (rows(&format!("s3://photos/{folder}/")), rows(folder));
            assert_eq!(shards, expected.0, "{folder}{partitions}");
            // The class names of the manifest come along.
            let classes = |manifest: &str| manifest.split("\"classes\"").nth(1).map(|text| text[..40].to_string());
            assert_eq!(classes(&manifest), classes(&expected.1));
            assert!(manifest.contains("daisy"), "{manifest}");
        }
    }
}

#[test]
fn a_manifest_tells_counts_and_what_is_missing() {
    let site = Site::with_shards(40);
    let explain = "EXPLAIN SELECT count(*) FROM read_tfrecord('s3://photos/plain/')";
    assert!(site.sql(explain).success().contains("PlaceholderRowExec"));
    // Above what was named, too: that of a shard, and of a directory `label=...`.
    site.server.forget_requests();
    let key = site.server.keys("photos").into_iter().find(|key| key.starts_with("parted/label=")).expect("a shard");
    let one = format!("EXPLAIN SELECT count(*) FROM read_tfrecord('s3://photos/{key}')");
    assert!(site.sql(&one).success().contains("PlaceholderRowExec"));
    let folder = "EXPLAIN SELECT count(*) FROM read_tfrecord('s3://photos/parted/label=daisy/')";
    assert!(site.sql(folder).success().contains("PlaceholderRowExec"));
    let missing = site.server.keys("photos").into_iter().find(|key| key.starts_with("plain/shard02")).expect("a shard");
    site.server.delete("photos", &missing);
    let error = site.sql("SELECT * FROM read_tfrecord('s3://photos/plain/')").failure(2);
    assert!(error.contains("is not whole") && error.contains(&missing), "{error}");
    let others = "SELECT count(*) > 20 AS n FROM read_tfrecord('s3://photos/plain/*.tfrec')";
    assert_eq!(site.sql(others).success(), "n\ntrue\n");
    let error = site.sql("SELECT * FROM read_webdataset('s3://photos/gzip/')").failure(2);
    assert!(error.contains("holds shards of the format tfrecord"), "{error}");
    let error = site.sql("SELECT * FROM read_tfrecord('s3://photos/none/')").failure(2);
    assert!(error.contains("nothing at 's3://photos/none/'"), "{error}");
    let error = site.sql("SELECT * FROM read_tfrecord('s3://photos/cifar/')").failure(2);
    assert!(error.contains("no record files match"), "{error}");
}

#[test]
fn an_index_of_another_file_is_not_used() {
    let site = Site::with_shards(40);
    let query = "SELECT count(*) AS n, sum(class) AS c FROM read_tfrecord('s3://photos/indexed/', partitions => 3)";
    let expected = site.sql(query).success();
    let read = site.gets().iter().filter(|get| get.key.ends_with(".idx")).count();
    assert_eq!(read, 2);
    let index = site.server.keys("photos").into_iter().find(|key| key.ends_with(".idx")).expect("an index");
    site.server.put("photos", &index, "0 20\n20 20\n");
    let finished = site.sql(query);
    assert!(finished.stderr.contains("is not the index of"), "{}", finished.stderr);
    assert_eq!(finished.success(), expected);
}

#[test]
fn a_store_that_stumbles_gives_the_same_rows() {
    let site = Site::with_shards(40);
    let queries = [
        RECORDS.replace("{}", "read_tfrecord('s3://photos/plain/')"),
        RECORDS.replace("{}", "read_tfrecord('s3://photos/gzip/')"),
        SAMPLES.replace("{}", "read_webdataset('s3://photos/tar/')"),
        "SELECT label, label_name, md5(image['data']) AS image FROM read_cifar10('s3://photos/cifar/')".to_string(),
    ];
    let expected = queries.each_ref().map(|query| site.sql(query).success());
    for action in [
        Action::status(503, "SlowDown"),
        Action::CutBody(100),
        Action::ShortFrame(50),
        Action::ShortRange(50),
        Action::CloseAtOnce,
    ] {
        site.server.clear_script();
        site.server.script(Rule::new(action.clone()).operation(Operation::Get).fraction(0.2, 5));
        site.server.script(Rule::new(Action::NoETag).operation(Operation::Get).fraction(0.5, 6));
        for (query, expected) in queries.iter().zip(&expected) {
            assert_eq!(&site.sql(query).success(), expected, "{action:?}: {query}");
        }
    }
}

#[test]
fn what_comes_short_for_ever_is_an_error_also_where_bad_records_are_passed_over() {
    let site = Site::with_shards(40);
    for (action, reason) in [
        (Action::ShortFrame(50), "50 came: it was changed meanwhile, or cut"),
        (Action::status(403, "AccessDenied"), "AccessDenied"),
        (Action::status(400, "Odd"), "Odd"),
    ] {
        site.server.clear_script();
        let shard =
            site.server.keys("photos").into_iter().find(|key| key.starts_with("plain/shard01")).expect("a shard");
        site.server.script(Rule::new(action.clone()).operation(Operation::Get).key(&shard));
        site.server.script(Rule::new(action.clone()).operation(Operation::Get).key_contains("tar/train-000001"));
        site.server.script(Rule::new(action).operation(Operation::Get).key_contains("batch_2"));
        let start = Instant::now();
        for on_corrupt in ["error", "skip_record", "skip_file"] {
            let query = format!(
                "SELECT count(image) FROM read_tfrecord('s3://photos/plain/', on_corrupt => '{on_corrupt}', sample_files => 1)"
            );
            let error = site.sql(&query).failure(1);
            assert!(error.contains(reason) && !error.contains("on_corrupt"), "{error}");
        }
        let samples = "SELECT count(jpg) FROM read_webdataset('s3://photos/tar/', on_corrupt => 'skip_record', sample_files => 1)";
        let error = site.sql(samples).failure(1);
        assert!(error.contains(reason) && !error.contains("on_corrupt"), "{error}");
        let error = site.sql("SELECT count(image) FROM read_cifar10('s3://photos/cifar/')").failure(1);
        assert!(error.contains(reason), "{error}");
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    }
}

#[test]
fn a_shard_that_is_gone_since_it_was_listed_is_told_as_a_local_one_is() {
    let site = Site::with_shards(40);
    let shard = site.server.keys("photos").into_iter().find(|key| key.starts_with("plain/shard01")).expect("a shard");
    site.server.script(Rule::new(Action::status(404, "NoSuchKey")).operation(Operation::Get).key(&shard));
    let query = |on_corrupt: &str| {
        site.sql(&format!(
            "SELECT count(image) AS n FROM read_tfrecord('s3://photos/plain/', on_corrupt => '{on_corrupt}', sample_files => 1)"
        ))
    };
    let error = query("error").failure(1);
    assert!(error.contains(&shard) && error.contains("cannot be read: there is no such object"), "{error}");
    let others = query("skip_record");
    assert!(others.stderr.contains("left out"), "{}", others.stderr);
    assert_ne!(others.success(), "n\n41\n");
}

#[test]
fn a_torn_shard_is_an_error_as_a_local_one_is() {
    let site = Site::with_shards(40);
    for (folder, function) in [("plain", "read_tfrecord"), ("gzip", "read_tfrecord"), ("tar", "read_webdataset")] {
        let (name, bytes) =
            site.workspace.files(folder).into_iter().find(|(name, _)| name.contains("01")).expect("a shard");
        let torn = &bytes[..bytes.len() - 700];
        site.workspace.write(&format!("torn/{name}"), torn);
        site.server.put("photos", &format!("torn/{name}"), torn.to_vec());
        let error = |place: &str| {
            let error = site.sql(&format!("SELECT * FROM {function}('{place}')")).failure(1);
            error.replace(place, "")
        };
        let local = error(&format!("torn/{name}"));
        assert!(
            local.contains("truncated") || local.contains("corrupt") || local.contains("unexpected end"),
            "{local}"
        );
        assert_eq!(error(&format!("s3://photos/torn/{name}")), local);
    }
    site.server.put("photos", "torn/empty.tfrec", "");
    let error = site.sql("SELECT * FROM read_tfrecord('s3://photos/torn/empty.tfrec')").failure(1);
    assert!(error.contains("empty file (0 bytes)"), "{error}");
    site.server.put("photos", "torn/odd.bin", vec![0; 3000]);
    let error = site.sql("SELECT * FROM read_cifar10('s3://photos/torn/odd.bin')").failure(1);
    assert!(error.contains("must hold records of 3073 bytes"), "{error}");
}

#[test]
fn an_answer_that_stalls_is_asked_for_again() {
    let site = Site::with_shards(20);
    let query = RECORDS.replace("{}", "read_tfrecord('s3://photos/plain/')");
    let expected = site.sql(&query).success();
    site.server.script(Rule::new(Action::StallBody(100)).operation(Operation::Get).key_contains("shard01").first(1));
    assert_eq!(site.sql(&query).success(), expected);
}

#[test]
fn large_shards_are_read_in_ranges_and_only_as_far_as_they_are_wanted() {
    let site = Site::with_shards(4);
    // 30 MiB of records, of which several cross the ends of ranges.
    site.sql(
        "COPY (SELECT value AS number, repeat(md5(CAST(value AS VARCHAR)), 3000) AS text FROM generate_series(1, 330)) TO 'large' STORED AS \
         TFRECORD OPTIONS (shards 1)",
    )
    .success();
    site.upload("large");
    let sums = |place: &str| {
        site.sql(&format!("SELECT sum(number) AS n, md5(string_agg(md5(text), ',' ORDER BY number)) AS t FROM read_tfrecord('{place}')"))
            .success()
    };
    let local = sums("large");
    site.server.forget_requests();
    assert_eq!(sums("s3://photos/large/"), local);
    let whole: u64 = site.workspace.files("large").iter().map(|(_, bytes)| bytes.len() as u64).max().expect("a shard");
    let lengths = |gets: Vec<Request>| {
        let length = |get: Request| {
            let (start, end) = get
                .range?
                .strip_prefix("bytes=")?
                .split_once('-')
                .map(|(s, e)| (s.parse::<u64>(), e.parse::<u64>()))?;
            Some(end.ok()? - start.ok()? + 1)
        };
        gets.into_iter().filter_map(length).collect::<Vec<u64>>()
    };
    let ranges = lengths(site.gets());
    assert!(ranges.iter().all(|bytes| *bytes <= 8 << 20), "{ranges:?}");
    // The sample reads some of them, too.
    assert!(ranges.iter().sum::<u64>() < whole + (8 << 20), "{ranges:?}");
    site.server.forget_requests();
    let first = site.sql("SELECT number FROM read_tfrecord('s3://photos/large/') LIMIT 1").success();
    assert_eq!(first, "number\n1\n");
    let ranges = lengths(site.gets());
    assert!(ranges.iter().sum::<u64>() < 24 << 20, "{ranges:?}");
}

#[test]
fn an_allow_list_bounds_shards_too() {
    let site = Site::with_shards(20);
    let allowed =
        |sql: &str| site.run(site.command(&["sql", "--format", "csv", "--allow", "s3://photos/plain/", "-c"]), sql);
    let count = "SELECT count(image) AS n FROM read_tfrecord('s3://photos/plain/')";
    assert_eq!(allowed(count).success(), "n\n21\n");
    for sql in [
        "SELECT * FROM read_tfrecord('s3://photos/gzip/')",
        "SELECT * FROM read_tfrecord('s3://photos/')",
        "SELECT * FROM read_webdataset('s3://photos/tar/')",
        "SELECT * FROM read_cifar10('s3://photos/cifar/')",
        "SELECT * FROM 's3://photos/gzip/**/*.tfrec'",
        "SELECT * FROM read_tfrecord('s3://photos/plain/../gzip/')",
        "CREATE EXTERNAL TABLE t STORED AS TFRECORD LOCATION 's3://photos/gzip/'",
        "SELECT * FROM speed_test('s3://photos/gzip/')",
    ] {
        let error = allowed(sql).failure(2);
        assert!(error.contains("is outside of what this process may reach"), "{sql}: {error}");
    }
    let keys: Vec<String> = site.server.requests().into_iter().map(|request| request.key).collect();
    assert!(keys.iter().all(|key| key.is_empty() || key.starts_with("plain")), "{keys:?}");
}

#[test]
fn a_cluster_reads_shards_of_buckets() {
    let site = Site::with_shards(60);
    let endpoint = site.server.endpoint();
    site.workspace.write(
        ".aws/credentials",
        format!("[default]\naws_access_key_id={ACCESS}\naws_secret_access_key={SECRET}\n").as_bytes(),
    );
    let rule = format!("s3://photos,endpoint={endpoint}");
    let cluster = Cluster::start_with(&site.workspace, 2, &["--store", &rule]);
    let run = |sql: &str| {
        let address = cluster.address.clone();
        let mut command = site.command(&["sql", "--format", "csv", "--cluster", &address, "--store", &rule, "-c"]);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"] {
            command.env_remove(name);
        }
        site.run(command, sql).success()
    };
    for query in [
        RECORDS.replace("{}", "read_tfrecord('s3://photos/plain/', partitions => 5)"),
        RECORDS.replace("{}", "'s3://photos/gzip/**/*.tfrec.gz'"),
        SAMPLES.replace("{}", "read_webdataset('s3://photos/tar/')"),
        "SELECT label, label_name, md5(image['data']) AS image FROM read_cifar10('s3://photos/cifar/') ORDER BY label, image"
            .to_string(),
    ] {
        assert_eq!(run(&query), site.sql(&query).success(), "{query}");
    }
}

#[test]
fn a_speed_test_reads_buckets_and_knows_no_page_cache_of_them() {
    let site = Site::with_shards(20);
    let test = "SELECT source, format, images, rejected, cache, disk_bytes, error FROM speed_test('s3://photos/plain/', 's3://photos/set/*/*0.jpg', \
                batch_sizes => [2], batch_numbers => [3], repetitions => 1, width => 32, height => 32) ORDER BY source";
    let rows = site.sql(test).success();
    assert_eq!(
        rows,
        "source,format,images,rejected,cache,disk_bytes,error\ns3://photos/plain/,tfrecord,6,0,,,\ns3://photos/set/*/*0.jpg,images,2,0,,,\n"
    );
    let error = site.sql("SELECT * FROM speed_test('s3://photos/plain/', cold => true)").failure(2);
    assert!(error.contains("cold drops files from the page cache"), "{error}");
}

#[test]
fn verify_says_of_a_bucket_what_it_says_of_a_folder() {
    let site = Site::with_shards(30);
    site.sql(
        "COPY (SELECT content AS image, class FROM read_images('photos')) TO 'hf' STORED AS PARQUET OPTIONS (huggingface true, shards 2)",
    )
    .success();
    site.upload("hf");
    let verify = |place: &str, prefix: &str| {
        let finished = site.run(site.command(&["verify", "--format", "json"]), place);
        (finished.code, finished.stdout.replace(prefix, ""))
    };
    for place in ["plain", "gzip", "indexed", "parted", "tar", "hf", "plain/*.tfrec", "parted/label=daisy"] {
        let (code, report) = verify(place, "");
        assert!(report.contains("\"records\": "), "{report}");
        assert_eq!(verify(&format!("s3://photos/{place}"), "s3://photos/"), (code, report), "{place}");
    }
    let key = site.server.keys("photos").into_iter().find(|key| key.starts_with("plain/shard01")).expect("a shard");
    let torn = site.server.get("photos", &key).expect("a shard");
    site.server.put("photos", &key, torn.slice(..torn.len() - 100));
    let (code, report) = verify("s3://photos/plain", "s3://photos/");
    assert_eq!(code, 1);
    assert!(report.contains("truncated record") && report.contains("the manifest says bytes"), "{report}");
    site.server.script(Rule::new(Action::ShortFrame(50)).operation(Operation::Get).key(&key));
    let (code, report) = verify("s3://photos/plain", "s3://photos/");
    assert!(code == 1 && report.contains("it was changed meanwhile, or cut"), "{report}");
}

#[test]
fn contact_sheets_and_reports_are_made_of_buckets() {
    let site = Site::with_shards(20);
    for (place, remote) in
        [("photos", "s3://photos/set/"), ("plain", "s3://photos/plain/"), ("tar", "s3://photos/tar/")]
    {
        // The pictures have the place in their titles.
        let summary = |from: &str, out: &str| {
            let finished = site.run(site.command(&["contact-sheet", "--size", "32", "--out", out]), from);
            let said = finished.stderr.lines().filter(|line| line.starts_with("wrote "));
            let said = said.map(|line| line.split(',').next().unwrap_or_default().to_string()).collect::<Vec<_>>();
            finished.success();
            said
        };
        assert_eq!(summary(remote, "remote.png"), summary(place, "local.png"), "{place}");
        let bytes = |name: &str| std::fs::read(site.workspace.path(name)).expect("a picture").len();
        assert!(bytes("remote.png").abs_diff(bytes("local.png")) < 1000, "{place}");
    }
    let test = ["speed-test", "--batch-sizes", "2,4", "--batch-numbers", "2,3", "--results", "speed", "--source"];
    site.run(site.command(&test), "plain").success();
    site.upload("speed");
    site.run(site.command(&["report", "--out", "report.html"]), "s3://photos/speed/").success();
    assert!(site.workspace.read("report.html").contains("<html"));
    let error = site.run(site.command(&["report", "--out", "report.html"]), "s3://photos/none/").failure(2);
    assert!(error.contains("nothing at 's3://photos/none/'"), "{error}");
}

#[test]
fn what_is_written_to_a_bucket_is_read_from_it_and_not_replaced_by_it() {
    let site = Site::with_photos(30);
    for place in ["out", "s3://photos/out"] {
        let copy = format!(
            "COPY (SELECT content AS image, class, label FROM read_images('s3://photos/set/')) TO '{place}' STORED AS TFRECORD PARTITIONED \
             BY (label) OPTIONS (shards 2)"
        );
        site.sql(&copy).success();
    }
    let rows = |place: &str| site.sql(&RECORDS.replace("{}", &format!("read_tfrecord('{place}')"))).success();
    assert_eq!(rows("s3://photos/out"), rows("out"));
    assert_eq!(rows("s3://photos/out/label=*/*.tfrec"), rows("out/label=*/*.tfrec"));
    for read in ["read_tfrecord('s3://photos/out')", "'s3://photos/out/label=roses/*.tfrec'"] {
        let copy =
            format!("COPY (SELECT * FROM {read}) TO 's3://photos/out' STORED AS TFRECORD OPTIONS (overwrite true)");
        let error = site.sql(&copy).failure(2);
        assert!(error.contains("is what this query reads"), "{error}");
    }
}
