//! Every way of listing gives what listing page after page gives.

use std::collections::BTreeSet;
use std::sync::Arc;

use object_store::ObjectMeta;
use pixmill_object_server::{Action, Dialect, Operation, Options, Rule, Server};
use proptest::prelude::*;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use url::Url;

use super::pages::{Folder, Odd, Pages};
use super::{Sender, folders, ranges, rest};
use crate::storage::{StoreSettings, Stores};

/// A bucket on a server of these options.
struct Site {
    server: Server,
    // Stops behind the others.
    stores: Arc<Stores>,
    dialect: Dialect,
    io: Runtime,
}

impl Site {
    fn with(options: Options) -> Self {
        let dialect = options.dialect;
        let server = Server::start(options);
        server.make_bucket("many");
        let scheme = if dialect == Dialect::Gcs { "gs" } else { "s3" };
        let rule = format!("{scheme}://many,endpoint={},anonymous=true", server.endpoint());
        let io = Runtime::new().expect("a runtime");
        let settings = StoreSettings::new(vec![rule.parse().expect("a rule")]);
        Self { server, stores: Arc::new(Stores::new(settings, io.handle().clone())), dialect, io }
    }

    fn put<'a>(&self, keys: impl IntoIterator<Item = &'a String>) {
        for key in keys {
            self.server.put("many", key, if key.ends_with('/') { "" } else { "x" });
        }
    }

    fn folder(&self, prefix: &str, page: usize) -> Folder {
        let url = if self.dialect == Dialect::Gcs { "gs://many" } else { "s3://many" };
        let store = self.stores.open(&Url::parse(url).expect("a URL")).expect("a store");
        Folder { page, ..Folder::new(store.pages, prefix.to_string()) }
    }

    /// What a way of listing gives, but marks of folders, in the order of keys.
    fn listed<F: Future<Output = Option<Odd>> + Send + 'static>(
        &self,
        list: impl FnOnce(Sender) -> F,
    ) -> (Vec<ObjectMeta>, Option<Odd>) {
        let (sender, mut pages) = mpsc::channel(2);
        self.io.block_on(async {
            let task = tokio::spawn(list(sender));
            let mut objects = Vec::new();
            while let Some(page) = pages.recv().await {
                objects.extend(page.expect("a page").into_iter().flatten().filter(|meta| meta.size > 0));
            }
            objects.sort_by(|left, right| left.location.as_ref().cmp(right.location.as_ref()));
            (objects, task.await.expect("a listing"))
        })
    }

    fn in_order(&self, folder: Folder) -> (Vec<ObjectMeta>, Option<Odd>) {
        self.listed(|pages| async move { rest(Pages::new(folder), &pages).await })
    }

    fn in_ranges(&self, folder: Folder, slots: usize) -> (Vec<ObjectMeta>, Option<Odd>) {
        self.listed(move |pages| async move { ranges::list(folder, slots, &pages).await })
    }

    fn by_folder(&self, folder: Folder, slots: usize) -> (Vec<ObjectMeta>, Option<Odd>) {
        self.listed(move |pages| async move { folders::list(folder, slots, &pages).await })
    }
}

/// Keys of a tree: names that are alike, names of other alphabets, marks of folders, and keys that are no paths.
fn keys() -> impl Strategy<Value = BTreeSet<String>> {
    let name = prop_oneof![
        6 => "[0-9]{1,3}",
        3 => "(photo|photos|img)-[0-9]{2}",
        2 => "[a-c]",
        1 => "[ -.:-~äöü漢😀]{1,3}".prop_filter("a name", |name| ![".", ".."].contains(&name.as_str())),
    ];
    let folders = prop::collection::vec(name.clone(), 0..3);
    let key = (folders, name, 0..40_u8).prop_map(|(folders, name, kind)| {
        let folder: String = folders.iter().map(|folder| format!("{folder}/")).collect();
        match kind {
            0 => format!("{folder}x//{name}.jpg"),
            1 => format!("{folder}../{name}"),
            2 | 3 => format!("{folder}{name}/"),
            4 | 5 => format!("/{folder}{name}.jpg"),
            _ => format!("{folder}{name}.jpg"),
        }
    });
    prop::collection::btree_set(key, 0..300)
}

#[test]
fn every_way_of_listing_gives_what_page_after_page_gives() {
    let sites = [
        Site::with(Options::default()),
        Site::with(Options { dialect: Dialect::Gcs, ..Options::default() }),
        Site::with(Options { ignores_start_after: true, ..Options::default() }),
        Site::with(Options { lists_trees: true, ..Options::default() }),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(60));
    let prefixes = prop_oneof![Just(""), Just("a/"), Just("photo"), Just("1")];
    let cases = (keys(), prefixes, 1..12_usize, 1..9_usize);
    let run = runner.run(&cases, |(keys, prefix, page, slots)| {
        for site in &sites {
            site.server.clear();
            site.put(&keys);
            let expected = site.in_order(site.folder(prefix, page));
            let is_odd = |key: &&String| {
                let is_path = !key.starts_with('/') && !key.contains("//") && key.split('/').all(|name| name != "..");
                key.starts_with(prefix) && !is_path
            };
            let odd = keys.iter().filter(is_odd);
            let odd = Odd { count: odd.clone().count() as u64, first: odd.min().cloned() };
            prop_assert_eq!(expected.1.as_ref(), Some(&odd));
            prop_assert_eq!(&site.in_ranges(site.folder(prefix, page), slots), &expected);
            prop_assert_eq!(&site.by_folder(site.folder(prefix, page), slots), &expected);
        }
        Ok(())
    });
    run.expect("the same objects");
}

#[test]
fn a_range_ends_with_its_key_whatever_order_a_store_lists_keys_in() {
    // By letters `a.jpg` stands before what is in `a`; in a tree of files, behind it.
    let keys = ["a.jpg", "a/1", "a/2", "a/3", "b/1"].map(|key| format!("set/{key}"));
    for (lists_trees, last, expected) in [
        (true, "set/a.jpg", &["a.jpg", "a/1", "a/2", "a/3"][..]),
        (false, "set/a.jpg", &["a.jpg"]),
        (true, "set/a/2", &["a/1", "a/2"]),
        (false, "set/a/2", &["a.jpg", "a/1", "a/2"]),
        // One that has been deleted since.
        (false, "set/a/2x", &["a.jpg", "a/1", "a/2"]),
        (false, "set/c", &["a.jpg", "a/1", "a/2", "a/3", "b/1"]),
    ] {
        let site = Site::with(Options { lists_trees, ..Options::default() });
        site.put(&keys);
        for page in 1..7 {
            let folder = site.folder("set/", page);
            let (objects, _) = site.listed(|pages| async move { ranges::list_until(folder, last, &pages).await });
            let listed: Vec<&str> = objects.iter().map(|meta| &meta.location.as_ref()["set/".len()..]).collect();
            assert_eq!(listed, expected, "{lists_trees} {last} {page}");
        }
    }
}

#[test]
fn long_listings_are_asked_for_in_parts_at_the_same_time() {
    let site = Site::with(Options { latency: std::time::Duration::from_millis(5), ..Options::default() });
    for folder in 0..10 {
        site.put(&(0..500).map(|number| format!("set/c{folder}/img-{number:04}.jpg")).collect::<Vec<_>>());
    }
    for (folder, most) in [("set/", 250), ("set/c3/", 80)] {
        let expected = site.in_order(site.folder(folder, 25));
        site.server.forget_requests();
        let listed = site.in_ranges(site.folder(folder, 25), 8);
        let lists = site.server.requests().len();
        assert_eq!(listed, expected);
        let at_once = site.server.counts().most_requests_at_once;
        let least = if folder == "set/" { 6 } else { 2 };
        assert!(at_once >= least && lists < 2 * most, "{folder}: {at_once} at once, {lists} lists");
        site.server.forget_requests();
        assert_eq!(site.by_folder(site.folder(folder, 25), 8), expected);
        let (at_once, lists) = (site.server.counts().most_requests_at_once, site.server.requests().len());
        assert!(lists <= most, "{folder}: {lists} lists");
        assert!(folder == "set/c3/" || at_once == 8, "{folder}: {at_once} at once");
    }
}

#[test]
fn keys_that_begin_with_a_slash_are_left_out_because_their_paths_are_those_of_others() {
    let site = Site::with(Options::default());
    site.put(&(0..300).map(|number| format!("/{number:04}.jpg")).collect::<Vec<_>>());
    site.put(&(0..300).map(|number| format!("a/{number:04}.jpg")).collect::<Vec<_>>());
    let (objects, odd) = site.in_ranges(site.folder("", 10), 8);
    assert_eq!(objects.len(), 300);
    assert_eq!(odd, Some(Odd { count: 300, first: Some("/0000.jpg".to_string()) }));
    assert_eq!((objects, odd), site.in_order(site.folder("", 10)));
}

#[test]
fn short_listings_take_no_request_more() {
    let site = Site::with(Options::default());
    site.put(&(0..60).map(|number| format!("set/{number:04}.jpg")).collect::<Vec<_>>());
    let (objects, _) = site.in_ranges(site.folder("set/", 30), 8);
    assert_eq!((objects.len(), site.server.requests().len()), (60, 2));
}

#[test]
fn a_failure_of_one_part_is_one_of_all() {
    let site = Site::with(Options::default());
    site.put(&(0..5000).map(|number| format!("set/{number:04}.jpg")).collect::<Vec<_>>());
    for number in 60..120 {
        site.server.script(Rule::new(Action::status(403, "AccessDenied")).operation(Operation::List).nth(number));
    }
    let folder = site.folder("set/", 20);
    let (sender, mut pages) = mpsc::channel(2);
    let failed = site.io.block_on(async {
        let task = tokio::spawn(async move { ranges::list(folder, 8, &sender).await });
        let mut failed = None;
        while let Some(page) = pages.recv().await {
            failed = failed.or(page.err());
        }
        assert!(task.await.expect("a listing").is_none());
        failed
    });
    let error = failed.expect("a failure").to_string();
    assert!(error.contains("AccessDenied"), "{error}");
}
