//! Images that a list names, and images of the web: read by the binary from a server of this machine that misbehaves on demand.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fmt::Write;
use std::time::{Duration, Instant};

use pixmill_object_server::{Options, Server};
use support::cluster::Cluster;
use support::web::{Answer, Fault, Web};
use support::{Finished, Workspace};

/// A directory, a server, and an image that it may have.
struct Site {
    workspace: Workspace,
    web: Web,
    image: Vec<u8>,
}

impl Site {
    fn new() -> Self {
        let workspace = Workspace::with_photos(8, 2);
        let (_, image) = workspace.files("photos").remove(0);
        Self { workspace, web: Web::start(), image }
    }

    /// What the process may reach: this server, and the directory.
    fn allow(&self) -> String {
        format!("{},{}", self.web.url(""), self.workspace.path("").display())
    }

    fn good(&self) -> Answer {
        Answer::of(&self.image)
    }

    #[track_caller]
    fn sql(&self, sql: &str) -> Finished {
        self.workspace.pixmill(&["sql", "--allow", &self.allow(), "--format", "csv", "-c", sql])
    }

    /// Writes a list of paths of the server.
    fn list(&self, paths: &[&str]) {
        let lines: String = paths.iter().map(|path| format!("{}\n", self.web.url(path))).collect();
        self.workspace.write("urls.csv", format!("url\n{lines}").as_bytes());
    }

    /// What becomes of the images of the server's paths: `bytes`, or the reason why there are none.
    #[track_caller]
    fn outcomes(&self, paths: &[&str], options: &str) -> Vec<String> {
        self.list(paths);
        let partitions = if options.contains("partitions") { "" } else { ", partitions => 1" };
        let sql = format!(
            "SELECT coalesce(read_error, CASE WHEN octet_length(content) = {} THEN 'whole' ELSE 'other' END) AS outcome FROM \
             read_images(files => 'urls.csv'{options}{partitions})",
            self.image.len()
        );
        let rows = self.sql(&sql).success();
        rows.lines()
            .skip(1)
            .map(|line| line.trim_matches('"'))
            // The class stands before the reason.
            .map(|line| line.split_once(": ").map_or(line, |(_, reason)| reason).to_string())
            .collect()
    }
}

#[test]
fn each_host_answer_is_an_image_or_a_reason() {
    let site = Site::new();
    site.web.put("good.jpg", site.good());
    site.web.put("gone.jpg", Answer::status("410 Gone"));
    site.web.put_all("stumbles.jpg", vec![Answer::status("503 Service Unavailable"), site.good()]);
    site.web.put_all(
        "limited.jpg",
        vec![
            Answer::status("429 Too Many Requests").header("Retry-After", "0"),
            Answer::status("429 Too Many Requests").header("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"),
            site.good(),
        ],
    );
    site.web.put("patient.jpg", Answer::status("429 Too Many Requests").header("Retry-After", "3600"));
    site.web.put("broken.jpg", Answer::status("500 Internal Server Error").header("Retry-After", "0"));
    site.web.put_all("cut.jpg", vec![site.good().fault(Fault::Cut(10)), site.good()]);
    site.web.put_all("dropped.jpg", vec![site.good().fault(Fault::Dropped), site.good()]);
    site.web.put("noai.jpg", site.good().header("X-Robots-Tag", "noai, nofollow"));
    site.web.put("other.jpg", site.good().header("X-Robots-Tag", "otherbot: noai"));
    site.web.put("ours.jpg", site.good().header("X-Robots-Tag", "pixmill: noimageindex"));
    site.web.put("moved.jpg", Answer::redirect("/good.jpg"));
    site.web.put("loop.jpg", Answer::redirect("loop.jpg"));
    site.web.put("zip.jpg", site.good().header("Content-Encoding", "gzip"));
    site.web.put("page.jpg", Answer::of(b"<html>"));
    let outcomes = site.outcomes(
        &[
            "good.jpg",
            "none.jpg",
            "gone.jpg",
            "stumbles.jpg",
            "limited.jpg",
            "patient.jpg",
            "broken.jpg",
            "cut.jpg",
            "dropped.jpg",
            "noai.jpg",
            "other.jpg",
            "ours.jpg",
            "moved.jpg",
            "loop.jpg",
            "zip.jpg",
            "page.jpg",
            "good.jpg?size=large",
        ],
        "",
    );
    let expected = [
        "whole",
        "404 Not Found",
        "410 Gone",
        "whole",
        "whole",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "whole",
        "whole",
        "opted out by X-Robots-Tag: noai",
        "whole",
        "opted out by X-Robots-Tag: noimageindex",
        "whole",
        "redirected more than 5 times",
        "it came compressed (gzip), which wasn't asked for",
        "other",
        "whole",
    ];
    assert_eq!(outcomes, expected);
    let counts = ["none.jpg", "patient.jpg", "broken.jpg", "limited.jpg", "loop.jpg"].map(|path| site.web.count(path));
    assert_eq!(counts, [1, 1, 3, 3, 6]);
    let requests = site.web.requests();
    assert!(requests.iter().any(|request| request.target == "/good.jpg?size=large"));
    assert!(requests.iter().all(|request| request.headers["user-agent"].starts_with("pixmill/")));
}

#[test]
fn options_say_how_hosts_are_asked() {
    let site = Site::new();
    site.web.put("good.jpg", site.good());
    site.web.put("noai.jpg", site.good().header("X-Robots-Tag", "noai"));
    site.web.put("mine.jpg", site.good().header("X-Robots-Tag", "mybot: noindex"));
    site.web.put("broken.jpg", Answer::status("502 Bad Gateway"));
    let outcomes = |path: &str, options: &str| site.outcomes(&[path], options).remove(0);
    assert_eq!(outcomes("noai.jpg", ", respect_opt_out => false"), "whole");
    assert_eq!(
        outcomes("mine.jpg", ", user_agent => 'MyBot/2.0 (+https://example.org)'"),
        "opted out by X-Robots-Tag: noindex"
    );
    let agent = site.web.requests().last().expect("a request").headers["user-agent"].clone();
    assert_eq!(agent, "MyBot/2.0 (+https://example.org)");
    assert_eq!(outcomes("good.jpg", ", max_bytes => 100"), "it has more than 100 bytes (option max_bytes)");
    assert_eq!(outcomes("broken.jpg", ", retries => 0"), "502 Bad Gateway");
    assert_eq!(site.web.count("broken.jpg"), 1);
}

#[test]
fn an_image_that_takes_too_long_is_given_up() {
    let site = Site::new();
    site.web.put("stalls.jpg", site.good().fault(Fault::Stall(Duration::from_secs(30))));
    site.web.put("late.jpg", site.good().fault(Fault::Late(Duration::from_secs(30))));
    site.web.put("good.jpg", site.good());
    let start = Instant::now();
    let outcomes = site.outcomes(&["stalls.jpg", "late.jpg", "good.jpg"], ", timeout_seconds => 1, retries => 0");
    assert_eq!(outcomes, ["timed out after 1 seconds", "timed out after 1 seconds", "whole"]);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[test]
fn a_host_has_no_more_requests_than_it_may() {
    let site = Site::new();
    let paths: Vec<String> = (0..60).map(|number| format!("{number}.jpg")).collect();
    for path in &paths {
        site.web.put(path, site.good().fault(Fault::Late(Duration::from_millis(20))));
    }
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let outcomes = site.outcomes(&paths, ", requests_per_host => 3, partitions => 4");
    assert!(outcomes.iter().all(|outcome| outcome == "whole"), "{outcomes:?}");
    assert_eq!(site.web.most_at_once(), 3);
}

#[test]
fn names_are_looked_up_however_many_partitions_wait_for_images() {
    let site = Site::new();
    site.web.put("good.jpg", site.good());
    let url = format!("http://localhost:{}/good.jpg", site.web.port());
    site.workspace.write("urls.csv", format!("url\n{}", format!("{url}\n").repeat(1200)).as_bytes());
    let allow = format!("http://localhost:{}/,{}", site.web.port(), site.workspace.path("").display());
    let query = "SELECT count(content) AS c FROM read_images(files => 'urls.csv', partitions => 1200)";
    let finished = site.workspace.pixmill(&["sql", "--allow", &allow, "--format", "csv", "-c", query]);
    assert_eq!(finished.success(), "c\n1200\n");
}

#[test]
fn private_addresses_are_reached_only_where_the_allow_list_names_them() {
    let site = Site::new();
    site.web.put("good.jpg", site.good());
    let port = site.web.port();
    let urls: Vec<String> = ["127.0.0.1", "127.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001", "0.0.0.0"]
        .iter()
        .map(|host| format!("http://{host}:{port}/good.jpg"))
        .collect();
    site.workspace.write("urls.csv", format!("url\n{}\n", urls.join("\n")).as_bytes());
    let query = "SELECT DISTINCT read_error IS NOT NULL AND read_error LIKE '%its host has a private address%' AS is_private FROM \
                 read_images(files => 'urls.csv')";
    let unbounded = site.workspace.pixmill(&["sql", "--format", "csv", "-c", query]);
    assert_eq!(unbounded.success(), "is_private\ntrue\n");
    // All public hosts are allowed, and the server isn't one.
    let allow = format!("http://*/,{}", site.workspace.path("").display());
    let any = site.workspace.pixmill(&["sql", "--allow", &allow, "--format", "csv", "-c", query]);
    assert_eq!(any.success(), "is_private\ntrue\n");
    assert!(site.web.requests().is_empty(), "{:?}", site.web.requests());
    let outside = "SELECT read_error FROM read_images(files => 'urls.csv') WHERE url LIKE '%localhost%'";
    assert!(site.sql(outside).success().contains("it is outside of what this process may reach (--allow)"));
    assert_eq!(site.outcomes(&["good.jpg"], ""), ["whole"]);
}

#[test]
fn redirects_lead_nowhere_that_a_list_could_not() {
    let site = Site::new();
    let other = Web::start();
    other.put("good.jpg", site.good());
    site.web.put("elsewhere.jpg", Answer::redirect(&other.url("good.jpg")));
    site.web.put("metadata.jpg", Answer::redirect("http://169.254.169.254/latest/meta-data/"));
    site.web.put("file.jpg", Answer::redirect("file:///etc/passwd"));
    let outside = "redirected: it is outside of what this process may reach (--allow)";
    let scheme = "redirected: 'file://' is no scheme of the web";
    assert_eq!(site.outcomes(&["elsewhere.jpg", "metadata.jpg", "file.jpg"], ""), [outside, outside, scheme]);
    // Public hosts may be reached, and these are none.
    let allow = format!("http://*/,{}", site.allow());
    let query = "SELECT DISTINCT read_error LIKE '%redirected: its host has a private address%' AS it FROM read_images(files => 'urls.csv') \
                 WHERE url NOT LIKE '%file.jpg'";
    let any = site.workspace.pixmill(&["sql", "--allow", &allow, "--format", "csv", "-c", query]);
    assert_eq!(any.success(), "it\ntrue\n");
    assert!(other.requests().is_empty(), "{:?}", other.requests());
}

#[test]
fn what_a_list_says_of_places_may_be_anything() {
    let site = Site::new();
    site.web.put("good.jpg", site.good());
    let photo = site.workspace.names("photos").remove(0);
    let absolute = site.workspace.path("photos").join(&photo);
    let mut list = String::from("url,caption,number\n");
    for place in [
        &site.web.url("good.jpg"),
        &format!("photos/{photo}"),
        absolute.to_str().expect("UTF-8"),
        "",
        "ftp://host/a.jpg",
        "photos/none.jpg",
        "/etc/passwd",
        "http://",
        "s3://",
    ] {
        writeln!(list, "{place},\"a, \"\"b\"\"\",7").expect("text");
    }
    site.workspace.write("urls.csv", list.as_bytes());
    let query = "SELECT number + 1 AS n, caption, content IS NOT NULL AS has, substr(read_error, strpos(read_error, ': ') + 2) AS why FROM \
                 read_images(files => 'urls.csv', partitions => 1)";
    let rows = site.sql(query).success();
    let rows: Vec<&str> = rows.lines().skip(1).collect();
    let caption = "8,\"a, \"\"b\"\"\"";
    assert_eq!(rows[..3], [format!("{caption},true,").as_str(); 3]);
    let whys = [
        "the list says no place",
        "it is neither a path nor a URL of a store or of the web",
        "No such file or directory",
        "it is outside of what this process may reach (--allow)",
        "it is no URL",
        "'s3://' names no bucket",
    ];
    assert_eq!(rows.len(), 3 + whys.len());
    for (row, why) in rows[3..].iter().zip(whys) {
        assert!(row.starts_with(&format!("{caption},false,")) && row.contains(why), "{row}: {why}");
    }
}

#[test]
fn lists_are_parquet_csv_and_json_one_or_several_and_keep_their_columns() {
    let site = Site::new();
    for number in 0..4 {
        site.web.put(&format!("{number}.jpg"), site.good());
    }
    let url = site.web.url("");
    let rows = format!(
        "SELECT '{url}' || n || '.jpg' AS link, n, n * 1.5::DOUBLE AS score, [n, n] AS pair FROM (VALUES (0), (1), (2), (3)) AS t(n)"
    );
    for format in ["parquet", "json"] {
        site.sql(&format!("COPY ({rows}) TO 'list.{format}'")).success();
    }
    site.sql(&format!("COPY (SELECT link, n, score FROM ({rows}) WHERE n < 2) TO 'lists/a.csv'")).success();
    site.sql(&format!("COPY (SELECT link, n, score FROM ({rows}) WHERE n >= 2) TO 'lists/b.csv'")).success();
    for list in ["list.parquet", "list.json", "lists/*.csv", "lists"] {
        let query = format!(
            "SELECT count(content) AS images, sum(n) AS n, sum(score) AS score, min(arrow_typeof(score)) AS kind FROM \
             read_images(files => '{list}', url => 'link')"
        );
        assert_eq!(site.sql(&query).success(), "images,n,score,kind\n4,6,9.0,Float64\n", "{list}");
    }
    // Declared, with filters, limits, samples and an order of its own.
    let declare = "CREATE EXTERNAL TABLE t STORED AS IMAGES LOCATION 'list.parquet' OPTIONS (url 'link', shuffle_seed 3, partitions 2);";
    let before = site.web.requests().len();
    let query = format!("{declare} SELECT pair, octet_length(content) > 0 AS has FROM t WHERE n = 2");
    assert_eq!(site.sql(&query).success(), "pair,has\n\"[2, 2]\",true\n");
    assert_eq!(
        site.sql(&format!("{declare} SELECT count(content) AS c FROM (SELECT * FROM t LIMIT 1)")).success(),
        "c\n1\n"
    );
    assert_eq!(site.sql(&format!("{declare} SELECT count(*) AS c FROM t TABLESAMPLE (3 ROWS)")).success(), "c\n3\n");
    assert_eq!(site.web.requests().len(), before + 2);
    let error = site.sql("SELECT * FROM read_images(files => 'list.parquet')").failure(2);
    assert!(
        error.contains("has no column url or path, nor bucket and key") && error.contains("its columns are link, n"),
        "{error}"
    );
    let error = site.sql("SELECT * FROM read_images('photos', files => 'list.parquet')").failure(2);
    assert!(error.contains("takes a location or a list"), "{error}");
    let error = site.sql("SELECT * FROM read_images(files => 'none.parquet')").failure(2);
    assert!(error.contains("nothing at 'none.parquet'"), "{error}");
    let error = site.sql(&format!("SELECT * FROM read_images(files => '{url}list.parquet')")).failure(2);
    assert!(error.contains("lists are read from local files and object stores"), "{error}");
}

#[test]
fn one_url_is_a_table_and_patterns_are_none() {
    let site = Site::new();
    site.web.put("a b.jpg", site.good());
    site.web.put("a%20b.jpg", site.good());
    let url = site.web.url("a%20b.jpg?size=2");
    for from in [format!("'{url}'"), format!("read_images('{url}')")] {
        let rows = site.sql(&format!("SELECT path, octet_length(content) AS bytes, read_error FROM {from}")).success();
        assert_eq!(rows, format!("path,bytes,read_error\n{url},{},\n", site.image.len()));
    }
    let error = site.sql(&format!("SELECT * FROM '{}'", site.web.url("*.jpg"))).failure(2);
    assert!(error.contains("the web can't be listed"), "{error}");
    let error = site.sql(&format!("SELECT * FROM '{}'", site.web.url("list.parquet"))).failure(2);
    assert!(error.contains("of the web, images are"), "{error}");
    let error = site.sql(&format!("SELECT * FROM '{}'", site.web.url("a.jpg?token=marked"))).failure(2);
    assert!(error.contains("holds what may be a secret") && !error.contains("marked"), "{error}");
    let error = site.sql("SELECT * FROM 'http://example.org/a.jpg'").failure(2);
    assert!(error.contains("is outside of what this process may reach"), "{error}");
}

#[test]
fn secrets_of_urls_are_sent_and_not_shown() {
    let site = Site::new();
    site.web.put("good.jpg", site.good());
    site.list(&["a.jpg?X-Amz-Signature=marked&id=1", "b.jpg?id=2", "good.jpg?token=marked"]);
    let secret = format!("http://me:marked@127.0.0.1:{}/c.jpg", site.web.port());
    let list = format!("{}{secret}\n", site.workspace.read("urls.csv"));
    site.workspace.write("urls.csv", list.as_bytes());
    let copy = "COPY (SELECT content AS jpg FROM read_images(files => 'urls.csv')) TO 'out' STORED AS WEBDATASET";
    let finished = site.sql(copy);
    let rejects = site.workspace.read("out/_rejects.csv");
    assert_eq!(rejects.matches("404 Not Found").count(), 3, "{rejects}");
    assert!(rejects.contains("/a.jpg?...,") && rejects.contains("/b.jpg?id=2,"), "{rejects}");
    let explained = site.sql(&format!("EXPLAIN {}", copy.replace("'out'", "'out2'")));
    for text in
        [&rejects, &finished.stderr, &finished.stdout, &explained.stdout, &site.workspace.read("out/_manifest.json")]
    {
        assert!(!text.contains("marked"), "{text}");
    }
    let requests = site.web.requests();
    assert!(requests.iter().any(|request| request.target == "/a.jpg?X-Amz-Signature=marked&id=1"), "{requests:?}");
    assert!(requests.iter().any(|request| request.headers.contains_key("authorization")), "{requests:?}");
}

#[test]
fn a_network_that_is_down_ends_the_statement_and_dead_hosts_do_not() {
    let site = Site::new();
    site.web.put("good.jpg", site.good());
    // Nobody listens there.
    let dead = |number: usize| format!("http://127.0.1.{}:9", number % 40 + 1);
    let allow: Vec<String> = (0..40).map(|number| format!("{}/", dead(number))).collect();
    let allow = format!("{},{}", allow.join(","), site.allow());
    let list = |good: &dyn Fn(usize) -> bool| {
        let url =
            |number| if good(number) { site.web.url("good.jpg") } else { format!("{}/{number}.jpg", dead(number)) };
        let lines: String = (0..300).map(|number| url(number) + "\n").collect();
        site.workspace.write("urls.csv", format!("url\n{lines}").as_bytes());
    };
    let query = "SELECT count(content) AS images, count(read_error) AS dead FROM read_images(files => 'urls.csv', retries => 0, partitions => 1)";
    let run = || site.workspace.pixmill(&["sql", "--allow", &allow, "--format", "csv", "-c", query]);
    list(&|number| number % 10 == 0);
    assert_eq!(run().success(), "images,dead\n30,270\n");
    list(&|_| false);
    let error = run().failure(1);
    assert!(error.contains("images in a row, on") && error.contains("look at the network"), "{error}");
    assert!(error.contains("Connection refused"), "{error}");
}

#[test]
fn objects_of_a_list_that_tells_their_sizes_need_no_look_before() {
    let site = Site::new();
    let server = Server::start(Options::default().with_credentials("an-access-key", "a-secret"));
    server.make_bucket("photos");
    for number in 0..3 {
        server.put("photos", &format!("a b/{number}.jpg"), site.image.clone());
    }
    site.web.put("good.jpg", site.good());
    let run = |sql: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pixmill"));
        command.current_dir(site.workspace.path("")).env("HOME", site.workspace.path(""));
        command.env("AWS_ACCESS_KEY_ID", "an-access-key").env("AWS_SECRET_ACCESS_KEY", "a-secret");
        command.env("AWS_ENDPOINT_URL", server.endpoint()).env_remove("AWS_PROFILE").env_remove("PIXMILL_LOG");
        let allow = format!("s3://photos/,{}", site.allow());
        Finished::of(
            &command.args(["sql", "--allow", &allow, "--format", "csv", "-c", sql]).output().expect("it starts"),
        )
    };
    let size = site.image.len();
    let rows = format!(
        "(VALUES ('photos', 'a b/0.jpg', {size}), ('photos', 'a b/1.jpg', NULL), ('photos', 'a b/2.jpg', 5), ('photos', 'none.jpg', 1), \
         (NULL, 'x', 1), ('photos', '', 1)) AS t(\"Bucket\", \"Key\", \"Size\")"
    );
    run(&format!("COPY (SELECT * FROM {rows}) TO 's3://photos/inventory/list.parquet'")).success();
    server.forget_requests();
    let query = "SELECT \"Key\" AS k, content IS NOT NULL AS has, substr(read_error, strpos(read_error, ': ') + 2) AS why FROM \
                 read_images(files => 's3://photos/inventory/list.parquet', partitions => 1)";
    let rows = run(query).success();
    let rows: Vec<&str> = rows.lines().skip(1).collect();
    let cut =
        format!("a b/2.jpg,false,\"it was listed with 5 bytes, and {size} came: it was changed meanwhile, or cut\"");
    assert_eq!(
        rows,
        [
            "a b/0.jpg,true,",
            "a b/1.jpg,true,",
            &cut,
            "none.jpg,false,there is no such object",
            "x,false,the list says no place",
            ",false,it names no object",
        ]
    );
    let heads =
        server.requests().into_iter().filter(|request| request.method == "HEAD" && request.key.contains(".jpg"));
    assert_eq!(heads.count(), 0);
    // Places of all kinds in one list.
    let mixed = format!(
        "url\ns3://photos/a b/0.jpg\n{}\nphotos/{}\n",
        site.web.url("good.jpg"),
        site.workspace.names("photos").remove(0)
    );
    site.workspace.write("mixed.csv", mixed.as_bytes());
    assert_eq!(run("SELECT count(content) AS c FROM read_images(files => 'mixed.csv')").success(), "c\n3\n");
}

#[test]
fn the_executors_of_a_cluster_ask_the_hosts() {
    let site = Site::new();
    site.web.put("good.jpg", site.good());
    let photo = site.workspace.names("photos").remove(0);
    let mut list = String::from("url,caption\n");
    for number in 0..20 {
        let place = match number % 3 {
            0 => site.web.url("good.jpg"),
            1 => format!("photos/{photo}"),
            _ => site.web.url("none.jpg"),
        };
        writeln!(list, "{place},caption {number}").expect("text");
    }
    site.workspace.write("urls.csv", list.as_bytes());
    let copy = |target: &str| {
        format!(
            "COPY (SELECT content AS jpg, caption AS txt FROM read_images(files => 'urls.csv', shuffle_seed => 1)) TO '{target}' STORED AS \
             WEBDATASET OPTIONS (shards 4)"
        )
    };
    site.sql(&copy("local")).success();
    let cluster = Cluster::start_with(&site.workspace, 2, &["--allow", &site.allow()]);
    cluster.sql(&copy("remote")).success();
    let shards = |below: &str| {
        let mut files = site.workspace.visible_files(below);
        files.retain(|(name, _)| name != "_manifest.json");
        files
    };
    assert_eq!(shards("local"), shards("remote"));
    assert_eq!(site.workspace.read("remote/_rejects.csv").matches("404 Not Found").count(), 6);
    let query = "SELECT count(*) AS c FROM read_images(files => 'urls.csv') WHERE caption LIKE '%1%'";
    assert!(cluster.sql(query).success().contains("11"));
}
