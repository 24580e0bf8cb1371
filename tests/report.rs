//! What `pixmill report` makes of results: a page, charts, and errors about files that hold none.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use support::Workspace;

/// Results whose seconds are known: 60 ms, 50 MB/s and 2 ms an image of files, a third of the bytes at twice the speed of shards.
const MEASUREMENTS: &str = "
    WITH parameters AS (
        SELECT source, format, latency, bandwidth, cost, size, batch_size, batch_number, repetition
        FROM (VALUES ('photos/**/*.jpg', 'images', 0.06, 50e6, 0.002, 120000.0),
                     ('out/*.tfrec', 'tfrecord', 0.03, 100e6, 0.001, 40000.0)) AS s(source, format, latency, bandwidth, cost, size)
        CROSS JOIN (VALUES (2), (4), (8), (16)) AS a(batch_size)
        CROSS JOIN (VALUES (3), (6), (12), (24)) AS b(batch_number)
        CROSS JOIN generate_series(1, 3) AS r(repetition)),
    read AS (
        SELECT *, batch_size * batch_number AS images,
               CAST(batch_size * batch_number * size * (0.8 + 0.1 * ((batch_size + batch_number + repetition) % 5)) AS BIGINT) AS bytes
        FROM parameters),
    timed AS (SELECT *, latency + bytes / bandwidth + images * cost AS seconds FROM read)
    SELECT source, CAST(batch_size AS BIGINT) AS batch_size, CAST(batch_number AS BIGINT) AS batch_number, repetition,
           CAST(images AS BIGINT) AS images, bytes, seconds, images / seconds AS images_per_second,
           bytes / 1e6 / seconds AS mb_per_second, latency + bytes / bandwidth / batch_number AS first_batch_seconds,
           'workstation' AS host, 'executor-' || CAST((repetition + batch_size / 2) % 3 AS VARCHAR) AS executor,
           CAST(1 AS BIGINT) AS vcores,
           arrow_cast(1795621367000000 + repetition * 60000000, 'Timestamp(Microsecond, Some(\"UTC\"))') AS started_at,
           CASE WHEN repetition = 1 THEN 'cold' ELSE 'warm' END AS cache, '0.1.0' AS version,
           '2026-11-25T15:42:47Z' AS run, format, CAST(0 AS BIGINT) AS rejected,
           CASE WHEN repetition = 1 THEN bytes ELSE CAST(0 AS BIGINT) END AS disk_bytes, true AS decode,
           CAST(NULL AS BIGINT) AS width, CAST(NULL AS BIGINT) AS height, CAST(1 AS BIGINT) AS concurrent,
           CAST(3670 AS BIGINT) AS dataset_images, CAST(3670 * size AS BIGINT) AS dataset_bytes,
           'AMD EPYC 7B13, 2 cores' AS machine, CAST(NULL AS VARCHAR) AS note, CAST(NULL AS VARCHAR) AS error
    FROM timed";

/// A workspace with such results in `results/a.parquet`, changed as a projection of `m` says.
fn workspace(projection: &str) -> Workspace {
    let workspace = Workspace::new();
    write(&workspace, projection, "results/a.parquet");
    workspace
}

fn write(workspace: &Workspace, projection: &str, path: &str) {
    workspace
        .sql(&format!("COPY (SELECT {projection} FROM ({MEASUREMENTS}) AS m) TO '{path}' STORED AS PARQUET"))
        .success();
}

/// The page on what is in `results`.
fn page(workspace: &Workspace) -> String {
    assert_eq!(workspace.pixmill(&["report", "results", "--out", "report.html"]).success(), "");
    workspace.read("report.html")
}

#[track_caller]
fn assert_says(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(page.contains(text), "the page doesn't say: {text}");
    }
}

#[test]
fn results_become_one_page_that_asks_for_nothing_else() {
    let workspace = workspace("*");
    let finished = workspace.pixmill(&["report", "results", "--out", "report.html"]);
    let told = "wrote a report on 96 measurements of 2 sources, with 13 charts, ";
    assert!(finished.stderr.starts_with(told), "{}", finished.stderr);
    assert_eq!(finished.success(), "");
    let page = workspace.read("report.html");
    for asking in ["http:", "https:", "url(", "src=", "href=", "<script", "@import"] {
        assert!(!page.contains(asking), "{asking}");
    }
    assert_eq!(page.matches("<figure>").count(), 13);
    assert_eq!(page.matches("<svg ").count(), page.matches("role=\"img\" aria-label=\"").count());
    assert_says(
        &page,
        &["prefers-color-scheme: dark", "Content-Security-Policy", "<html lang=\"en\">", "@media print"],
    );
    assert!(!page.contains("NaN") && !page.contains("inf"), "a number that is none");
}

#[test]
fn the_page_says_what_was_measured_and_what_is_found() {
    let page = page(&workspace("*"));
    assert_says(
        &page,
        &[
            "<span class=\"location\">photos/**/*.jpg</span>",
            "96 measurements in 1 run, started from 2026-11-25 15:43:47 to 2026-11-25 15:45:47 UTC: 8,100 images",
            "<dt>Batch sizes</dt><dd>2, 4, 8 and 16</dd>",
            "<dt>Cache</dt><dd>cold (32) and warm (64)</dd>",
            "<dt>Machine</dt><dd>AMD EPYC 7B13, 2 cores</dd>",
            "<b>Shards are read 2.7 times as fast as files.</b>",
            "shards are faster in every one",
            "Of batch size, batch number and their product, the product explains throughput best.",
            "The linear fit of throughput breaks down for files and shards.",
            "Cold and warm are mixed: 32 measurements were read from a cold cache, 64 from a warm one.",
            "The fastest executor is 1.0",
            "Averages by batch size \u{d7} batch number",
        ],
    );
}

#[test]
fn the_model_finds_latency_bandwidth_and_cost_again() {
    let page = page(&workspace("*"));
    assert_says(
        &page,
        &[
            "Files: latency 60.0 ms, 50.0 MB/s and 2.00 ms for an image; R² of seconds 1.00, by the linear fit of throughput ",
            "Shards: latency 30.0 ms, 100 MB/s and 1.00 ms for an image; R² of seconds 1.00",
            // 0.06 s + 3670 x (120 kB / 50 MB/s + 2 ms), and a sixteenth of it behind the latency.
            "The whole source would take one worker 16.2 s for files and 5.17 s for shards; 16 workers 1.07 s for files",
            // The transfer of 440.4 MB isn't divided.
            "If 16 workers share the bandwidth that one had: 9.33 s for files",
        ],
    );
}

#[test]
fn bytes_and_images_that_rise_together_make_one_term() {
    let page = page(&workspace("* REPLACE (images * 100000 AS bytes, images * 0.003 + 0.05 AS seconds)"));
    assert_says(
        &page,
        &[
            "Files: bytes and images can’t be told apart: bytes and images rise together in all measurements. \
             The model has one term, images; its cost of an image holds the transfer, too",
            "Files: latency 50.0 ms and 3.00 ms for an image",
        ],
    );
}

#[test]
fn a_latency_that_comes_out_as_less_than_nothing_is_no_latency() {
    for (columns, name) in
        [("", "Files"), (", images * 100000 AS bytes", "Files"), (", images * 100000 AS bytes", "Shards")]
    {
        let page = page(&workspace(&format!("* REPLACE (seconds - 0.08 AS seconds{columns})")));
        assert_says(
            &page,
            &[&format!("{name}: no latency"), &format!("{name}: no latency can be told: fitted, it comes out")],
        );
        assert!(!page.contains("latency \u{2212}"), "a negative latency is told");
    }
}

#[test]
fn an_unknown_number_of_images_is_estimated_and_said_to_be() {
    let page = page(&workspace("* REPLACE (CAST(NULL AS BIGINT) AS dataset_images)"));
    assert_says(
        &page,
        &["how many images there are isn’t known; it is estimated from the mean bytes of an image", "about "],
    );
}

#[test]
fn charts_are_files_of_their_own() {
    let workspace = workspace("*");
    workspace.pixmill(&["report", "results/*.parquet", "--out", "report.html", "--svg", "charts"]).success();
    assert_eq!(
        workspace.names("charts"),
        [
            "executors.svg",
            "files-and-shards.svg",
            "first-batch.svg",
            "fit-batch-number.svg",
            "fit-batch-size.svg",
            "fit-product.svg",
            "linear-fit-seconds.svg",
            "mean-by-batch-number.svg",
            "mean-by-batch-size.svg",
            "model-seconds.svg",
            "residuals.svg",
            "seconds-by-workers.svg",
            "throughput-by-product.svg"
        ]
    );
    for (name, bytes) in workspace.files("charts") {
        let svg = String::from_utf8(bytes).expect("UTF-8");
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" ") && svg.ends_with("</svg>\n"), "{name}");
        assert!(svg.contains("<title>") && svg.contains("prefers-color-scheme: dark"), "{name}");
        assert_eq!(svg.matches("<g").count(), svg.matches("</g>").count(), "{name}");
    }
}

#[test]
fn runs_are_taken_together_or_one_by_one() {
    let workspace = workspace("*");
    write(&workspace, "* REPLACE ('second' AS run)", "results/more/b.parquet");
    let both = page(&workspace);
    assert_says(&both, &["192 measurements in 2 runs", "<th scope=\"row\">second</th>"]);
    let one = workspace.pixmill(&["report", "results", "--out", "one.html", "--run", "second"]);
    assert!(one.stderr.starts_with("wrote a report on 96 measurements of 2 sources, "), "{}", one.stderr);
    assert_eq!(
        workspace.pixmill(&["report", "results", "--out", "one.html", "--run", "third"]).failure(2),
        "error: no run 'third' in 'results'; there are 2026-11-25T15:42:47Z, second\n"
    );
}

#[test]
fn failed_repetitions_are_listed_and_in_no_average() {
    let failed =
        "* REPLACE (CASE WHEN batch_size = 2 AND batch_number = 3 THEN 'cannot read <a&b>: timed out' END AS error,
                             CASE WHEN batch_size = 2 AND batch_number = 3 THEN NULL ELSE seconds END AS seconds,
                             CASE WHEN batch_size = 16 THEN 'stopped early: the source has 150 images' END AS note)";
    let page = page(&workspace(failed));
    assert_says(
        &page,
        &[
            "90 measurements in 1 run",
            "<b>6 repetitions failed.</b>",
            "<td>cannot read &lt;a&amp;b&gt;: timed out</td>",
            "<b>24 measurements didn’t go as asked.</b> Noted: stopped early: the source has 150 images (24).",
        ],
    );
}

#[test]
fn one_measurement_of_one_source_makes_a_page_too() {
    let workspace = Workspace::new();
    let one = format!("COPY (SELECT * FROM ({MEASUREMENTS}) LIMIT 1) TO 'results/a.parquet' STORED AS PARQUET");
    workspace.sql(&one).success();
    let page = page(&workspace);
    assert_says(
        &page,
        &[
            "1 measurement in 1 run",
            "There are too few measurements, or too few different parameters, for a regression.",
            "All measurements come from one executor.",
        ],
    );
    assert!(!page.contains("NaN") && !page.contains("inf"), "a number that is none");
}

#[test]
fn names_of_sources_are_text_and_never_markup() {
    let page = page(&workspace("* REPLACE (source || '<b>' AS source, '<i>' AS machine)"));
    assert_says(&page, &["photos/**/*.jpg&lt;b&gt;", "<dd>&lt;i&gt;</dd>"]);
    assert!(!page.contains("jpg<b>"));
}

#[test]
fn files_of_other_versions_and_of_something_else_are_named() {
    let workspace = workspace("* EXCLUDE (cache, run) REPLACE ('0.0.9' AS version)");
    let report = |results: &str| workspace.pixmill(&["report", results, "--out", "report.html"]);
    assert_eq!(
        report("results").failure(1),
        "error: 'results/a.parquet' was written by another version of pixmill (0.0.9): it lacks the columns cache, run; \
         measure again or leave the file out\n"
    );
    workspace.sql("COPY (SELECT 1 AS a) TO 'other/a.parquet' STORED AS PARQUET").success();
    let other = report("other").failure(1);
    assert!(
        other.starts_with(
            "error: 'other/a.parquet' holds no results of 'pixmill speed-test': it lacks the columns source, "
        ),
        "{other}"
    );
    workspace.write("text/a.parquet", b"hello");
    let text = report("text").failure(1);
    assert!(text.starts_with("error: 'text/a.parquet' cannot be read as Parquet: "), "{text}");
}

#[test]
fn nothing_to_report_is_said_with_its_reason() {
    let workspace = workspace("* REPLACE ('no such bucket' AS error)");
    let none = format!("COPY (SELECT * FROM ({MEASUREMENTS}) WHERE false) TO 'none/a.parquet' STORED AS PARQUET");
    workspace.sql(&none).success();
    let report = |results: &str| workspace.pixmill(&["report", results, "--out", "report.html"]);
    assert_eq!(
        report("results").failure(1),
        "error: nothing to report: 'results' has 96 rows, and all failed; the first: no such bucket\n"
    );
    assert_eq!(
        report("none").failure(1),
        "error: no results in 'none': 1 file without a row; nothing was measured yet\n"
    );
    workspace.write("empty/readme.txt", b"hello");
    assert_eq!(
        report("empty").failure(1),
        "error: no results in 'empty': no Parquet file there; 'pixmill speed-test --results DIR' writes them\n"
    );
    assert_eq!(report("nowhere").failure(2), "error: nothing at 'nowhere': no such file or directory\n");
    assert!(!workspace.path("report.html").exists());
}

#[test]
fn what_cant_be_written_is_refused_before_anything_is_read() {
    let workspace = Workspace::new();
    workspace.write("charts", b"a file");
    let report = |args: &[&str]| workspace.pixmill(&[&["report", "results"], args].concat()).failure(2);
    assert_eq!(report(&["--out", "report.png"]), "error: --out must end in .html, got 'report.png'\n");
    assert_eq!(
        report(&["--out", "no/report.html"]),
        "error: cannot write 'no/report.html': there is no directory 'no'\n"
    );
    assert_eq!(
        report(&["--out", "report.html", "--svg", "charts"]),
        "error: --svg must be a directory, got the file 'charts'\n"
    );
}
