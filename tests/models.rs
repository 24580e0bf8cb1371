//! Models: ONNX files are loaded once in a process, and a changed one is another; models that are fitted are the same everywhere.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::time::Duration;

use pixmill::Engine;
use pixmill::synthetic::onnx::{FLOAT32, Onnx, color_classifier, line, texture_model};
use support::Workspace;
use support::cluster::{Cluster, eventually};
use support::site::Site;

const FEATURES: &str = "EXPLAIN ANALYZE SELECT image_features(image_decode(content), 'colors.onnx') AS features \
                        FROM read_images('photos', partitions => 16)";

fn workspace() -> Workspace {
    let workspace = Workspace::with_photos(32, 2);
    workspace.write("colors.onnx", &color_classifier().file());
    workspace.write("line.onnx", &line().file());
    workspace
}

/// The sum of a metric in a plan.
fn metric(plan: &str, name: &str) -> u64 {
    let start = format!("{name}=");
    let values = plan.split(start.as_str()).skip(1).map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().expect("a number")
    });
    values.sum()
}

#[test]
fn sixteen_partitions_of_a_process_load_a_model_once() {
    let plan = workspace().sql(FEATURES).success();
    assert_eq!((metric(&plan, "models_loaded"), metric(&plan, "model_runs")), (1, 32), "{plan}");
    assert!(plan.contains("model_load_time=") && plan.contains("model_time="), "{plan}");
}

#[test]
fn the_next_statement_finds_the_model_loaded() {
    let workspace = workspace();
    let plans = workspace.sql(&format!("{FEATURES}; {FEATURES}")).success();
    assert_eq!((metric(&plans, "models_loaded"), metric(&plans, "model_runs")), (1, 64), "{plans}");
}

#[test]
fn each_executor_loads_a_model_once() {
    const EXECUTORS: u64 = 3;
    let workspace = workspace();
    let cluster = Cluster::start(&workspace, EXECUTORS as usize);
    // Each executor has its turn sooner or later.
    let mut loaded = 0;
    for _ in 0..20 {
        let plan = cluster.sql(FEATURES).success();
        assert_eq!(metric(&plan, "model_runs"), 32, "{plan}");
        loaded += metric(&plan, "models_loaded");
        if loaded == EXECUTORS {
            break;
        }
    }
    assert_eq!(loaded, EXECUTORS);
    let plan = cluster.sql(FEATURES).success();
    assert_eq!(metric(&plan, "models_loaded"), 0, "{plan}");
}

/// Features of photos that are made large first, so that it takes its time, and their components.
fn features_and_components(output: &str) -> [String; 2] {
    let large = "image_resize(image_decode(content), 1200, 1200)";
    let features = format!(
        "COPY (SELECT path, image_features({large}, 'textures.onnx') AS features FROM read_images('photos')) TO '{output}' \
         STORED AS PARQUET OPTIONS (huggingface true, shards 12)"
    );
    let components = format!(
        "WITH scaled AS (SELECT path, standard_scores((SELECT standard_scaler(features) FROM '{output}/*.parquet'), features) AS x \
         FROM '{output}/*.parquet') \
         SELECT path, pca_projection((SELECT pca(x, 5) FROM scaled), x) AS pca FROM scaled ORDER BY path"
    );
    [features, components]
}

#[test]
fn features_and_components_are_the_same_where_an_executor_is_killed() {
    let workspace = Workspace::with_photos(120, 2);
    workspace.write("textures.onnx", &texture_model().file());
    let [features, components] = features_and_components("here");
    workspace.sql(&features).success();
    let expected = workspace.sql(&components).success();
    assert!(expected.contains("120 rows"), "{expected}");
    let mut cluster = Cluster::start(&workspace, 3);
    let [features, components] = features_and_components("there");
    let client = cluster.start_sql(&features);
    cluster.wait_for_tasks(2);
    cluster.kill(0);
    client.finish().success();
    let shards = |dataset: &str| -> Vec<(String, Vec<u8>)> {
        workspace.files(dataset).into_iter().filter(|(name, _)| name.ends_with(".parquet")).collect()
    };
    assert_eq!(shards("here").len(), 12);
    assert!(shards("here") == shards("there"), "the shards differ");
    assert_eq!(cluster.sql(&components).success(), expected);
}

#[test]
fn a_model_is_the_same_where_an_executor_is_killed() {
    let workspace = Workspace::with_photos(120, 3);
    workspace.write("textures.onnx", &texture_model().file());
    let statements = "CREATE MODEL labels USING standard_scaler() | pca(k => 8) | logistic_regression(label => label, l2 => 1.0) AS \
         SELECT label, image_features(image_resize(image_decode(content), 1200, 1200), 'textures.onnx') AS features \
         FROM read_images('photos', partitions => 12); \
         SELECT class, feature, round(coefficient, 9) AS coefficient, round(standard_error, 9) AS error FROM model('labels')";
    let found = |stdout: &str| -> (String, String) {
        let (told, rows) = stdout.split_once("1 row\n").expect("what is told of the model");
        (told.to_string(), rows.to_string())
    };
    let (told, expected) = found(&workspace.sql(statements).success());
    assert!(told.contains("| labels | 120  | 0 ") && expected.contains("27 rows"), "{told}{expected}");
    let mut cluster = Cluster::start(&workspace, 3);
    let client = cluster.start_sql(statements);
    cluster.wait_for_tasks(2);
    cluster.kill(0);
    assert_eq!(found(&client.finish().success()).1, expected);
}

/// Writes so many points to `points/*.parquet`.
fn with_points(rows: usize) -> Workspace {
    let workspace = Workspace::new();
    let number = |factor: u32| format!("(value * {factor} % 100003) / 100003.0");
    let points = format!(
        "SELECT {} + 3 * (value % 5) AS x, {} + (value % 3) AS y, {} AS z, (value * 31 + value % 7) % 3 AS label FROM generate_series(1, {rows})",
        number(577),
        number(613),
        number(241)
    );
    workspace
        .sql(&format!("COPY ({points}) TO 'points' STORED AS PARQUET OPTIONS (huggingface true, shards 7)"))
        .success();
    workspace
}

/// Models of those points, of every kind of step; `location` is what stands behind USING for a model of this name.
fn models_of_points(location: impl Fn(&str) -> String) -> String {
    let features = "x, y, z FROM 'points/*.parquet'";
    let models = [
        ("clusters", "standard_scaler() | kmeans(k => 15, seed => 3)", ""),
        ("odds", "logistic_regression(label => label)", "label, "),
        ("versus", "one_vs_rest(logistic_regression(label => label, l2 => 0.5))", "label, "),
        ("line", "pca(k => 2) | linear_regression(label => y)", ""),
    ];
    let create = models.map(|(name, steps, label)| {
        format!("CREATE MODEL {name} USING {steps} {} AS SELECT {label}{features};", location(name))
    });
    format!(
        "{} RESET pixmill.memory_limit; \
         SELECT cluster, size, round(cost, 9) AS cost, round(centre[1], 9) AS cx, round(centre[2], 9) AS cy, round(centre[3], 9) AS cz FROM model('clusters'); \
         SELECT class, feature, round(coefficient, 9) AS c, round(standard_error, 9) AS s FROM model('odds'); \
         SELECT class, feature, round(coefficient, 9) AS c, round(standard_error, 9) AS s FROM model('versus'); \
         SELECT feature, round(coefficient, 9) AS c, round(standard_error, 9) AS s FROM model('line'); \
         SELECT predict('clusters', x, y, z) AS k, predict('odds', x, y, z) AS o, predict('versus', x, y, z) AS v, count(*) AS n \
         FROM 'points/*.parquet' GROUP BY k, o, v ORDER BY k, o, v",
        create.concat()
    )
}

/// What the models of points have come to, without what is told of them, which has digits that aren't rounded.
fn found(run: &str) -> String {
    let found = run.split("cluster,size,cost,cx,cy,cz\n").nth(1).expect("clusters").to_string();
    assert!(found.lines().count() > 60, "{found}");
    found
}

#[test]
fn models_are_the_same_on_1_2_and_7_threads() {
    let workspace = with_points(20_000);
    let statements = models_of_points(|_| String::new());
    let run = |threads: &str| {
        found(&workspace.pixmill(&["sql", "--threads", threads, "--format", "csv", "-c", &statements]).success())
    };
    let expected = run("1");
    for threads in ["2", "7"] {
        assert_eq!(run(threads), expected, "{threads} threads");
    }
}

/// What a statement gets for rows that need more than a quarter of it.
const LITTLE_MEMORY: &str = "SET pixmill.memory_limit = '1M';";

#[test]
fn models_are_the_same_where_memory_has_no_room_for_their_rows() {
    let workspace = with_points(20_000);
    let run = |statements: &str| found(&workspace.pixmill(&["sql", "--format", "csv", "-c", statements]).success());
    let expected = run(&models_of_points(|_| String::new()));
    assert_eq!(run(&format!("{LITTLE_MEMORY} {}", models_of_points(|_| String::new()))), expected);
    let kept = models_of_points(|name| format!("LOCATION 'models/{name}.parquet'"));
    assert_eq!(run(&format!("{LITTLE_MEMORY} {kept}")), expected);
    assert_eq!(workspace.files("models").len(), 4, "nothing but models stays");
}

#[test]
fn executors_go_over_rows_beside_the_model_also_where_some_are_killed_in_a_round() {
    let workspace = with_points(60_000);
    let csv = |statements: &str| workspace.pixmill(&["sql", "--format", "csv", "-c", statements]);
    let expected = found(&csv(&models_of_points(|_| String::new())).success());
    let mut cluster = Cluster::start(&workspace, 3);
    let kept = models_of_points(|name| format!("LOCATION 'models/{name}.parquet'"));
    let statements = format!("{LITTLE_MEMORY} {kept}");
    let client = cluster.start_client(&["sql", "--cluster", &cluster.address, "--format", "csv", "-c", &statements]);
    // The rows are there, and rounds go over them.
    let is_there = |name: &String| name.starts_with(".clusters.parquet.rows-");
    eventually("the rows of a model", || workspace.names("models").iter().any(is_there));
    for executor in [0, 1] {
        cluster.kill(executor);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(found(&client.finish().success()), expected);
    assert_eq!(workspace.files("models").len(), 4, "nothing but models stays");
}

#[test]
fn a_fit_that_is_given_up_leaves_no_model_and_no_rows() {
    let workspace = with_points(60_000);
    let cluster = Cluster::start(&workspace, 2);
    let statements = format!(
        "{LITTLE_MEMORY} CREATE MODEL m USING kmeans(k => 100, seed => 3) LOCATION 'models/m.parquet' AS SELECT x, y, z FROM 'points/*.parquet'"
    );
    let client = cluster.start_sql(&statements);
    eventually("the rows of a model", || !workspace.names("models").is_empty());
    client.signal("INT");
    let finished = client.finish();
    assert_eq!(finished.code, 130, "{finished:?}");
    eventually("an empty folder", || workspace.names("models").is_empty());
}

#[test]
fn a_model_is_fitted_to_rows_in_a_bucket_and_kept_there() {
    let site = Site::new();
    let points = "SELECT (value * 577 % 10007) / 10007.0 AS x, (value * 241 % 10007) / 10007.0 + value % 3 AS y FROM generate_series(1, 20000)";
    site.sql(&format!("COPY ({points}) TO 's3://photos/points.parquet'")).success();
    let create = |memory: &str, name: &str| {
        format!(
            "{memory} CREATE MODEL m USING standard_scaler() | kmeans(k => 5) LOCATION 's3://photos/models/{name}.parquet' \
             AS SELECT x, y FROM 's3://photos/points.parquet'"
        )
    };
    let ask = |name: &str| {
        format!(
            "SELECT predict('s3://photos/models/{name}.parquet', x, y) AS cluster, count(*) AS n FROM 's3://photos/points.parquet' \
             GROUP BY cluster ORDER BY cluster"
        )
    };
    site.sql(&create("", "here")).success();
    let expected = site.sql(&ask("here")).success();
    assert_eq!(expected.lines().count(), 6, "{expected}");
    let cluster = site.cluster(2);
    site.on(&cluster, &create(LITTLE_MEMORY, "there")).success();
    assert_eq!(site.on(&cluster, &ask("there")).success(), expected);
    let taken = site.sql(&create("", "here")).failure(2);
    assert!(taken.contains("there is a file 's3://photos/models/here.parquet' already"), "{taken}");
    let left: Vec<String> = site.server.keys("photos").into_iter().filter(|key| key.starts_with("models/")).collect();
    assert_eq!(left, ["models/here.parquet", "models/there.parquet"]);
}

#[test]
fn a_dataset_of_another_models_predictions_is_another_one() {
    let workspace = Workspace::with_photos(12, 2);
    let write = |k: usize, options: &[&str]| {
        let statements = format!(
            "CREATE MODEL m USING kmeans(k => {k}) AS SELECT length FROM read_images('photos'); \
             COPY (SELECT content, predict('m', length) AS cluster FROM read_images('photos')) TO 'out' STORED AS TFRECORD OPTIONS (shards 2)"
        );
        workspace.pixmill(&[&["sql", "-c", &statements], options].concat())
    };
    write(2, &[]).success();
    write(2, &["--resume"]).success();
    let refused = write(3, &["--resume"]).failure(1);
    assert!(refused.contains("'out' already holds a finished dataset"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_a_new_model() {
    let workspace = workspace();
    let engine = Engine::local(2).expect("an engine");
    let path = workspace.path("line.onnx").display().to_string();
    let answer = async || {
        let rows = engine.sql(&format!("SELECT onnx_predict('{path}', [1, 1])[1] AS y")).await.expect("rows");
        datafusion::arrow::util::pretty::pretty_format_batches(&rows).expect("a table").to_string()
    };
    assert!(answer().await.contains("| 1.5 |"));
    let steeper = Onnx::default()
        .input("x", FLOAT32, &["batch", "2"])
        .weights("slopes", &[2, 1], &[20.0, -1.0])
        .weights("intercept", &[1], &[0.5])
        .node("Gemm", &["x", "slopes", "intercept"], "y")
        .output("y", &["batch", "1"]);
    workspace.write("line.onnx", &steeper.file());
    assert!(answer().await.contains("| 19.5 |"));
}

#[test]
fn a_model_in_a_bucket_runs_here_and_on_a_cluster_until_it_changes() {
    let site = Site::new();
    site.server.put("photos", "models/line.onnx", line().file());
    site.sql("COPY (SELECT * FROM (VALUES (1), (2), (3)) AS t(x)) TO 's3://photos/x.parquet'").success();
    let query = "SELECT x, onnx_predict('s3://photos/models/line.onnx', vector(x, 1))[1] AS y FROM 's3://photos/x.parquet' ORDER BY x";
    let expected = "x,y\n1,1.5\n2,3.5\n3,5.5\n";
    assert_eq!(site.sql(query).success(), expected);
    let cluster = site.cluster(2);
    assert_eq!(site.on(&cluster, query).success(), expected);
    site.server.put("photos", "models/line.onnx", line().metadata("name", "another").file());
    assert_eq!(
        site.on(&cluster, query).success(),
        expected,
        "executors load the model that the statement was planned with"
    );
    let none = site.sql("SELECT onnx_predict('s3://photos/models/none.onnx', [1, 1])").failure(2);
    assert!(none.contains("model 's3://photos/models/none.onnx': there is no such file"), "{none}");
}

#[test]
fn models_outside_of_an_allow_list_are_not_looked_at() {
    let workspace = workspace();
    workspace.write("data/line.onnx", &line().file());
    let within = |sql: &str| workspace.pixmill(&["sql", "--allow", "data", "-c", sql]);
    assert!(within("SELECT onnx_predict('data/line.onnx', [1, 1])").success().contains("[1.5]"));
    for outside in ["line.onnx", "data/../line.onnx", "data/../none.onnx"] {
        let message = within(&format!("SELECT onnx_predict('{outside}', [1, 1])")).failure(2);
        assert!(message.contains("is outside of what this process may reach"), "{message}");
    }
}

#[test]
fn code_is_loaded_where_whoever_starts_the_process_says_so() {
    let workspace = workspace();
    let sql = "SET pixmill.onnxruntime = '/nowhere/libonnxruntime.so'; SELECT onnx_predict('line.onnx', [1, 1])";
    let message = workspace.sql(sql).failure(2);
    assert!(message.contains("'/nowhere/libonnxruntime.so' can't be opened"), "{message}");
    let bounded = workspace.pixmill(&["sql", "--allow", ".", "-c", sql]).failure(2);
    assert!(bounded.contains("start it with PIXMILL_ONNXRUNTIME='/nowhere/libonnxruntime.so'"), "{bounded}");
}

/// Runs where `PIXMILL_TEST_ONNXRUNTIME` names a library.
#[test]
fn onnx_runtime_gives_what_the_built_in_runtime_does() {
    let Some(library) = std::env::var_os("PIXMILL_TEST_ONNXRUNTIME") else { return };
    let workspace = workspace();
    let query = "SELECT arrow_cast(image_features(image_decode(content), 'colors.onnx', output => 'means'), 'List(Float16)') AS means, \
                 image_classify(image_decode(content), 'colors.onnx', top => 1)[1]['label'] AS label, \
                 onnx_predict('line.onnx', [1, 1]) AS y FROM read_images('photos') ORDER BY path";
    let other = format!("SET pixmill.onnxruntime = '{}'; {query}", library.display());
    assert_eq!(workspace.sql(&other).success(), workspace.sql(query).success());
}
