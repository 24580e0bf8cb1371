//! Completion: what the word before the cursor may become.

mod context;
mod names;
mod paths;

use datafusion::sql::sqlparser::keywords::Keyword;
use rustyline::completion::Pair;

use self::context::{Wanted, named_tables, wanted};
pub(super) use self::names::Names;
use self::paths::{objects, paths};
use super::command::{self, COMMANDS, Takes};
use super::keywords;
use super::settings::formats;
use crate::storage::is_object_url;

/// Completes by what a session knows.
pub(super) struct Completion {
    names: Names,
}

/// The words that go on from what is typed, gathered.
struct Candidates<'a> {
    typed: &'a str,
    pairs: Vec<Pair>,
}

impl Candidates<'_> {
    /// Words that are written as they are.
    fn add(&mut self, words: impl IntoIterator<Item = String>, end: &str) {
        let typed = self.typed.to_lowercase();
        let fitting = words.into_iter().filter(|word| word.trim_start_matches('"').to_lowercase().starts_with(&typed));
        self.pairs.extend(fitting.map(|word| Pair { replacement: format!("{word}{end}"), display: word }));
    }

    /// Words that are written in the case of what is typed.
    fn add_in_case(&mut self, words: impl IntoIterator<Item = String>, end: &str, are_lower: bool) {
        let is_lower = match self.typed.chars().find(|letter| letter.is_alphabetic()) {
            Some(_) => !self.typed.chars().any(char::is_uppercase),
            None => are_lower,
        };
        let cased = words.into_iter().map(|word| if is_lower { word.to_lowercase() } else { word.to_uppercase() });
        self.add(cased, end);
    }
}

impl Completion {
    pub(super) fn new(names: Names) -> Self {
        Self { names }
    }

    /// Where the word begins, and what it may become.
    pub(super) fn complete(&self, text: &str, at: usize) -> (usize, Vec<Pair>) {
        let before = text.get(..at).unwrap_or(text);
        match command::split(before) {
            Some((name, "")) => {
                let start = at - name.trim_start().len();
                let mut candidates = Candidates { typed: name.trim_start(), pairs: Vec::new() };
                candidates.add(COMMANDS.iter().map(|page| format!("\\{}", page.name)), " ");
                (start, candidates.pairs)
            }
            Some((name, argument)) => {
                let takes = command::find(name.trim_start().trim_start_matches('\\')).map(|page| page.takes);
                self.complete_argument(takes.unwrap_or(Takes::Nothing), argument, text, at)
            }
            None => self.complete_statement(before, text, at),
        }
    }

    fn complete_argument(&self, takes: Takes, argument: &str, text: &str, at: usize) -> (usize, Vec<Pair>) {
        let typed = argument.trim_start();
        let mut candidates = Candidates { typed, pairs: Vec::new() };
        match takes {
            Takes::Nothing | Takes::Job => {}
            Takes::Table => candidates.add(self.names.tables(), ""),
            Takes::Function => {
                candidates.add(self.names.table_functions(), "");
                candidates.add(self.names.functions(), "");
            }
            Takes::Switch => candidates.add(["on", "off"].map(str::to_string), ""),
            Takes::Format => candidates.add(formats(), ""),
            Takes::Setting => candidates.add(self.names.settings().into_iter().map(|[name, ..]| name), " "),
            Takes::File => {
                let (start, names) = paths(typed, "");
                let pairs = names.into_iter().map(|name| Pair { display: name.clone(), replacement: name });
                return (at - typed.len() + start, pairs.collect());
            }
            Takes::FileAndQuery if typed.starts_with('-') => {
                let file = typed.strip_prefix("-o").map_or("", str::trim_start);
                match (file.is_empty(), file.split_once(char::is_whitespace)) {
                    (true, _) if typed.trim_end() == typed => candidates.add(["-o ".to_string()], ""),
                    (_, None) => return self.complete_argument(Takes::File, file, text, at),
                    (_, Some((_, query))) => return self.complete_argument(Takes::Query, query, text, at),
                }
            }
            Takes::Query | Takes::FileAndQuery => {
                let (start, pairs) = self.complete_statement(typed, &text[at - typed.len()..], typed.len());
                return (at - typed.len() + start, pairs);
            }
        }
        (at - typed.len(), candidates.pairs)
    }

    fn complete_statement(&self, before: &str, text: &str, at: usize) -> (usize, Vec<Pair>) {
        let (wanted, start) = wanted(before);
        let typed = &before[start..];
        let mut candidates = Candidates { typed, pairs: Vec::new() };
        match wanted {
            Wanted::Nothing => {}
            Wanted::Beginning => {
                candidates.add_in_case(keywords::beginnings(), " ", false);
            }
            Wanted::Model => candidates.add(self.names.models().iter().map(|name| names::quoted(name)), ""),
            Wanted::Step => candidates.add_in_case(self.names.steps(), "(", true),
            Wanted::Path { is_model } => {
                // A quote that stands there already isn't put there again.
                let closing = if text[at..].starts_with('\'') { "" } else { "'" };
                if is_model {
                    candidates.add(self.names.models(), closing);
                }
                let (length, names) = match is_object_url(typed) {
                    true => objects(typed, closing, &self.names.reach()),
                    false => paths(typed, closing),
                };
                let shown = |name: &String| name.strip_suffix(closing).unwrap_or(name).to_string();
                let found = names.into_iter().map(|name| Pair { display: shown(&name), replacement: name });
                if length == 0 {
                    candidates.pairs.extend(found);
                    return (start, candidates.pairs);
                }
                return (start + length, found.collect());
            }
            Wanted::Setting => candidates.add(self.names.settings().into_iter().map(|[name, ..]| name), " "),
            Wanted::Shown => {
                let words = [Keyword::ALL, Keyword::TABLES, Keyword::COLUMNS, Keyword::FUNCTIONS];
                candidates.add_in_case(words.map(keywords::text).into_iter().chain(["MODELS".to_string()]), "", false);
                candidates.add(self.names.settings().into_iter().map(|[name, ..]| name), "");
            }
            Wanted::Format { is_copy } => candidates.add_in_case(self.names.formats(is_copy), " ", false),
            Wanted::TableOption { format, is_copy } => candidates.add(self.names.options(&format, is_copy), " "),
            Wanted::Table => {
                candidates.add(self.names.tables(), "");
                candidates.add_in_case(self.names.table_functions(), "(", true);
            }
            Wanted::Member(qualifier) => candidates.add(self.members(&qualifier, text, at), ""),
            Wanted::Expression { call } => self.add_expression(&mut candidates, call.as_deref(), text, at),
        }
        (start, candidates.pairs)
    }

    /// The columns of a table that the statement calls so, or the tables of a schema.
    fn members(&self, qualifier: &str, text: &str, at: usize) -> Vec<String> {
        let named = named_tables(text, at);
        let is_called = |name: &str| name.eq_ignore_ascii_case(qualifier);
        let table =
            named.iter().find(|table| table.alias.as_deref().unwrap_or(&table.name).eq_ignore_ascii_case(qualifier));
        let name = table.map_or(qualifier, |table| &table.name);
        let columns = self.names.columns(name);
        if columns.is_empty() && named.iter().all(|table| !is_called(&table.name)) {
            return self.names.tables_of(qualifier);
        }
        columns
    }

    fn add_expression(&self, candidates: &mut Candidates, call: Option<&str>, text: &str, at: usize) {
        if let Some(call) = call {
            candidates.add(self.names.arguments(call), " => ");
            if self.names.is_table_function(call) {
                return;
            }
        }
        let named = named_tables(text, at);
        // Where the statement names no table yet, any may be meant.
        let tables = match named.is_empty() {
            true => self.names.tables(),
            false => named.iter().map(|table| table.name.clone()).collect(),
        };
        let mut columns: Vec<String> = tables.iter().flat_map(|table| self.names.columns(table)).collect();
        columns.sort();
        columns.dedup();
        candidates.add(columns, "");
        let mut names: Vec<String> = named.into_iter().map(|table| table.alias.unwrap_or(table.name)).collect();
        // A word behind a table is taken for its alias also where it is to become a keyword.
        names.retain(|name| name != candidates.typed);
        names.sort();
        names.dedup();
        candidates.add(names, "");
        // Nobody reads a thousand names.
        if !candidates.typed.is_empty() {
            candidates.add_in_case(self.names.functions(), "(", true);
            candidates.add_in_case(keywords::all(), " ", false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    fn completion() -> (Engine, Completion) {
        let engine = Engine::local(1).expect("an engine");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let sql = "CREATE TABLE flowers (label VARCHAR, \"Width\" INT); CREATE VIEW wide AS SELECT label AS name FROM flowers; \
                   CREATE MODEL kinds USING kmeans(k => 1) AS SELECT 1 AS x";
        runtime.block_on(engine.sql(sql)).expect("tables");
        let names = Names::new(engine.session().context());
        (engine, Completion::new(names))
    }

    /// What the text becomes by each candidate, the cursor being where the last `|` is.
    fn completed(text: &str) -> Vec<String> {
        let (_engine, completion) = completion();
        let (before, behind) = text.rsplit_once('|').expect("a cursor");
        let at = before.len();
        let text = format!("{before}{behind}");
        let (start, pairs) = completion.complete(&text, at);
        pairs.into_iter().map(|pair| format!("{}{}", &text[..start], pair.replacement)).collect()
    }

    #[test]
    fn the_case_of_keywords_and_functions_is_that_of_what_is_typed() {
        assert_eq!(completed("sel|"), ["select "]);
        assert_eq!(completed("SEL|"), ["SELECT "]);
        assert_eq!(completed("SELECT image_dec|"), ["SELECT image_decode("]);
        assert_eq!(completed("SELECT IMAGE_DEC|"), ["SELECT IMAGE_DECODE("]);
        assert_eq!(
            completed("SELECT * FROM flowers whe|"),
            ["SELECT * FROM flowers when ", "SELECT * FROM flowers where "]
        );
    }

    #[test]
    fn tables_and_columns_are_those_of_the_session() {
        assert_eq!(completed("SELECT * FROM fl|"), ["SELECT * FROM flowers"]);
        assert_eq!(completed("SELECT * FROM read_im|"), ["SELECT * FROM read_images("]);
        assert_eq!(completed("SELECT lab| FROM flowers"), ["SELECT label"]);
        assert_eq!(completed("SELECT wid| FROM flowers"), ["SELECT \"Width\""]);
        assert_eq!(completed("SELECT f.| FROM flowers f"), ["SELECT f.label", "SELECT f.\"Width\""]);
        assert_eq!(
            completed("SELECT * FROM read_images('x') WHERE modif|"),
            ["SELECT * FROM read_images('x') WHERE modification_time"]
        );
        assert_eq!(completed("\\d wi|"), ["\\d wide"]);
        assert!(
            completed("SELECT * FROM information_schema.ta|")
                .contains(&"SELECT * FROM information_schema.tables".into())
        );
    }

    #[test]
    fn functions_that_take_a_model_are_those_of_the_session() {
        let (engine, _) = completion();
        let models = crate::learn::Models::of(&engine.session().context().copied_config()).expect("models");
        let functions = pixmill_udfs::of_models(&(models as std::sync::Arc<dyn pixmill_udfs::FittedModels>));
        let mut names: Vec<&str> = functions.iter().map(|function| function.name()).chain(["model"]).collect();
        names.sort_unstable();
        assert_eq!(names, context::OF_MODELS);
    }

    #[test]
    fn models_and_their_steps_are_those_that_there_are() {
        assert_eq!(completed("CREATE MOD|"), ["CREATE MODEL "]);
        assert_eq!(completed("eval|"), ["evaluate "]);
        assert_eq!(completed("SHOW MOD|"), ["SHOW MODELS"]);
        for before in [
            "DROP MODEL ",
            "DROP MODEL IF EXISTS ",
            "DESCRIBE MODEL ",
            "EVALUATE MODEL ",
            "CREATE OR REPLACE MODEL ",
            "create or replace external model ",
        ] {
            assert_eq!(completed(&format!("{before}k|")), [format!("{before}kinds")]);
        }
        assert_eq!(completed("CREATE MODEL k|"), Vec::<String>::new());
        assert_eq!(completed("SELECT predict('k|"), ["SELECT predict('kinds'"]);
        assert_eq!(completed("SELECT predict_probabilities('k|', label)"), ["SELECT predict_probabilities('kinds"]);
        assert_eq!(completed("SELECT * FROM model('k|"), ["SELECT * FROM model('kinds'"]);
        assert_eq!(completed("SELECT length('k|"), Vec::<String>::new());
        let using = "CREATE MODEL m USING ";
        assert_eq!(completed(&format!("{using}km|")), [format!("{using}kmeans(")]);
        assert_eq!(completed(&format!("{using}pca(k => 2) | km|")), [format!("{using}pca(k => 2) | kmeans(")]);
        assert_eq!(
            completed(&format!("{using}one_vs_rest(log|")),
            [format!("{using}one_vs_rest(logistic_regression(")]
        );
        assert_eq!(completed(&format!("{using}kmeans(se|"))[0], format!("{using}kmeans(seed => "));
    }

    #[test]
    fn options_are_those_of_session_format_and_function() {
        assert_eq!(completed("SET pixmill.resu|"), ["SET pixmill.resume "]);
        assert_eq!(completed("\\set pixmill.resu|"), ["\\set pixmill.resume "]);
        assert_eq!(completed("CREATE EXTERNAL TABLE t STORED AS im|"), ["CREATE EXTERNAL TABLE t STORED AS images "]);
        let table = "CREATE EXTERNAL TABLE t STORED AS IMAGES LOCATION 'x' OPTIONS (shuf";
        assert_eq!(completed(&format!("{table}|")), [format!("{table}fle_seed ")]);
        let copy = "COPY t TO 'x' STORED AS TFRECORD OPTIONS (shards 4, compr";
        assert_eq!(completed(&format!("{copy}|")), [format!("{copy}ession ")]);
        let csv = "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'x' OPTIONS (has_h";
        assert_eq!(completed(&format!("{csv}|")), [format!("{csv}eader ")]);
        assert_eq!(
            completed("SELECT image_resize(image, wid|"),
            ["SELECT image_resize(image, width => ", "SELECT image_resize(image, \"Width\""]
        );
        assert_eq!(
            completed("SELECT * FROM read_images('x', parti|"),
            ["SELECT * FROM read_images('x', partitions => "]
        );
        assert!(completed("COPY t TO 'x' STORED AS webd|").contains(&"COPY t TO 'x' STORED AS webdataset ".into()));
    }

    #[test]
    fn commands_and_their_arguments_are_completed() {
        assert_eq!(completed("\\ti|"), ["\\timing "]);
        assert_eq!(completed("\\timing of|"), ["\\timing off"]);
        assert_eq!(completed("\\format j|"), ["\\format json", "\\format jsonl"]);
        assert!(completed("\\df image_dec|").contains(&"\\df image_decode".into()));
        assert_eq!(completed("\\show SELECT lab| FROM flowers"), ["\\show SELECT label"]);
    }

    #[test]
    fn nothing_is_offered_where_anything_may_stand() {
        assert_eq!(completed("SELECT 1 -- sel|"), Vec::<String>::new());
        assert_eq!(completed("SELECT x AS sel|"), Vec::<String>::new());
    }
}
