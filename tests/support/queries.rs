//! Random queries over small tables whose columns are `k`, `v`, `x` (integers), `s` (text), `d` (dates), `b` (booleans) and `m`
//! (decimals with two digits behind the point), with NULLs and duplicates.
//!
//! What is asked has one answer, as a bag of rows, or in its order: what limits rows orders them by all columns first.

use std::fmt::Write;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a column holds.
#[derive(Clone, Copy, PartialEq)]
enum Type {
    Integer,
    Text,
    Date,
    Boolean,
    Decimal,
}

/// The columns of every table.
const COLUMNS: [(&str, Type); 7] = [
    ("k", Type::Integer),
    ("v", Type::Integer),
    ("x", Type::Integer),
    ("s", Type::Text),
    ("d", Type::Date),
    ("b", Type::Boolean),
    ("m", Type::Decimal),
];
const INTEGERS: [&str; 3] = ["k", "v", "x"];

/// The names of the columns of every table, as a list in SQL.
pub(crate) fn column_list() -> String {
    COLUMNS.map(|(name, _)| name).join(", ")
}

/// Makes queries, the same ones from a seed.
pub(crate) struct Queries {
    random: ChaCha8Rng,
    tables: Vec<String>,
    /// Names of relations that are taken.
    names: usize,
}

/// A relation in `FROM`: its text, and its columns by their qualified names.
struct Relation {
    text: String,
    columns: Vec<(String, Type)>,
    is_join: bool,
}

impl Queries {
    /// Queries over these tables.
    pub(crate) fn new(seed: u64, tables: &[&str]) -> Self {
        let tables = tables.iter().map(|table| (*table).to_string()).collect();
        Self { random: ChaCha8Rng::seed_from_u64(seed), tables, names: 0 }
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> String {
        self.names = 0;
        match self.below(20) {
            0 => self.with(),
            1..4 => self.set_operation(2),
            4..6 => self.limited(),
            _ => self.select(2).0,
        }
    }

    fn below(&mut self, most: u32) -> u32 {
        self.random.next_u32() % most
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u32) as usize]
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn table(&mut self) -> String {
        let at = self.below(self.tables.len() as u32) as usize;
        self.tables[at].clone()
    }

    fn with(&mut self) -> String {
        let (inner, names) = self.select(1);
        let (a, b) = (self.name("w"), self.name("w"));
        let key = &names[0];
        let kind = self.one_of(&["JOIN", "LEFT JOIN", "FULL JOIN"]);
        let condition = match self.below(3) {
            0 => format!("{a}.{key} = {b}.{key}"),
            1 => format!("{a}.{key} < {b}.{key}"),
            _ => format!("{a}.{key} IS NOT DISTINCT FROM {b}.{key}"),
        };
        format!(
            "WITH c AS ({inner}) SELECT {a}.{key} AS c0, count(*) AS n FROM c {a} {kind} c {b} ON {condition} GROUP BY {a}.{key}"
        )
    }

    /// Both sides have `k` and `s`.
    fn set_operation(&mut self, depth: u32) -> String {
        let operation = self.one_of(&["UNION", "UNION ALL", "UNION ALL", "INTERSECT", "EXCEPT"]);
        let (left, right) = (self.pairs(depth), self.pairs(depth));
        let (u1, u2) = (self.name("u"), self.name("u"));
        let query = format!("SELECT k, s FROM ({left}) {u1} {operation} SELECT k, s FROM ({right}) {u2}");
        match self.below(4) {
            0 => format!("SELECT s, count(*) AS n, min(k) AS m FROM ({query}) {} GROUP BY s", self.name("g")),
            1 => {
                let name = self.name("o");
                let limit = self.below(12);
                format!("SELECT k, s FROM ({query}) {name} ORDER BY k NULLS LAST, s NULLS LAST LIMIT {limit}")
            }
            _ => query,
        }
    }

    /// A query of `k` and `s`.
    fn pairs(&mut self, depth: u32) -> String {
        let relation = self.relation(depth.saturating_sub(1));
        // Constants are in every order as long as their rows aren't mixed with others.
        let number = if self.below(6) == 0 { self.below(4).to_string() } else { self.number(&relation) };
        let text = if self.below(6) == 0 { "'c'".to_string() } else { self.text(&relation) };
        let distinct = if self.below(4) == 0 { "DISTINCT " } else { "" };
        let mut query = format!("SELECT {distinct}{number} AS k, {text} AS s FROM {}", relation.text);
        if self.below(2) == 0 {
            let predicate = self.predicates(&relation, true);
            write!(query, " WHERE {predicate}").expect("written");
        }
        query
    }

    fn limited(&mut self) -> String {
        let (inner, names) = self.select(2);
        let direction = if self.below(3) == 0 { " DESC" } else { "" };
        let (name, order) = (self.name("o"), ordered(&names, direction));
        let (limit, offset) = (self.below(15), self.below(4));
        format!("SELECT * FROM ({inner}) {name} ORDER BY {order} LIMIT {limit} OFFSET {offset}")
    }

    /// A query, and the names of its columns.
    fn select(&mut self, depth: u32) -> (String, Vec<String>) {
        let relation = self.relation(depth);
        let condition = match self.below(3) {
            0 => String::new(),
            _ => format!(" WHERE {}", self.predicates(&relation, true)),
        };
        let from = format!("FROM {}{condition}", relation.text);
        match self.below(10) {
            0..3 => self.grouped(&relation, &from),
            3..5 => self.windowed(&relation, &from),
            5 => {
                let column = self.column(&relation);
                (format!("SELECT DISTINCT {column} AS c0 {from}"), vec!["c0".to_string()])
            }
            _ => {
                let columns = 1 + self.below(3);
                let columns: Vec<String> =
                    (0..columns).map(|at| format!("{} AS c{at}", self.expression(&relation))).collect();
                let names = (0..columns.len()).map(|at| format!("c{at}")).collect();
                (format!("SELECT {} {from}", columns.join(", ")), names)
            }
        }
    }

    fn grouped(&mut self, relation: &Relation, from: &str) -> (String, Vec<String>) {
        let (first, second, value) = (self.column(relation), self.column(relation), self.number(relation));
        let aggregates = [
            "count(*)".to_string(),
            format!("sum({value})"),
            format!("min({value})"),
            format!("count(DISTINCT {value})"),
            format!("max({first})"),
            format!("sum({value}) FILTER (WHERE {value} > 2)"),
            format!("avg({value})"),
            format!("sum({})", self.of(relation, Type::Decimal)),
            format!("max({})", self.of(relation, Type::Date)),
            format!("bool_and({})", self.of(relation, Type::Boolean)),
        ];
        let a = self.below(aggregates.len() as u32) as usize;
        let b = self.below(aggregates.len() as u32) as usize;
        let values = format!("{} AS a, {} AS b", aggregates[a], aggregates[b]);
        let having = if self.below(4) == 0 { " HAVING count(*) > 1" } else { "" };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect();
        match self.below(8) {
            0 => (format!("SELECT {values} {from}"), names(&["a", "b"])),
            1 | 2 if first != second => {
                let sets = self.one_of(&["ROLLUP", "CUBE"]);
                (
                    format!(
                        "SELECT {first} AS g0, {second} AS g1, {values} {from} GROUP BY {sets} ({first}, {second}){having}"
                    ),
                    names(&["g0", "g1", "a", "b"]),
                )
            }
            3 if first != second => (
                format!(
                    "SELECT {first} AS g0, {second} AS g1, {values} {from} GROUP BY GROUPING SETS (({first}), ({second}), ()){having}"
                ),
                names(&["g0", "g1", "a", "b"]),
            ),
            4 | 5 if first != second => (
                format!("SELECT {first} AS g0, {second} AS g1, {values} {from} GROUP BY {first}, {second}{having}"),
                names(&["g0", "g1", "a", "b"]),
            ),
            _ => (format!("SELECT {first} AS g0, {values} {from} GROUP BY {first}{having}"), names(&["g0", "a", "b"])),
        }
    }

    fn windowed(&mut self, relation: &Relation, from: &str) -> (String, Vec<String>) {
        let (value, partition) = (self.number(relation), self.column(relation));
        // Rows that are the same in all columns of the relation can't be told apart.
        let order: Vec<&str> = relation.columns.iter().map(|(name, _)| name.as_str()).collect();
        let order = order.join(", ");
        let partition = match self.below(3) {
            0 => String::new(),
            _ => format!("PARTITION BY {partition} "),
        };
        let function = match self.below(7) {
            0 => "row_number()".to_string(),
            1 => format!("sum({value})"),
            2 => format!("lag({value})"),
            3 => "rank()".to_string(),
            4 => format!("min({value})"),
            5 => "dense_rank()".to_string(),
            _ => format!("count({value})"),
        };
        let frame = match (function.starts_with("sum") || function.starts_with("count"), self.below(3)) {
            (true, 0) => " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
            (true, 1) => " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
            _ => "",
        };
        let shown = self.column(relation);
        let window = format!("{function} OVER ({partition}ORDER BY {order}{frame})");
        let names = vec!["c0".to_string(), "w".to_string()];
        match self.below(4) {
            0 => {
                let name = self.name("f");
                let text = format!("SELECT c0, w FROM (SELECT {shown} AS c0, {window} AS w {from}) {name} WHERE w > 1");
                (text, names)
            }
            _ => (format!("SELECT {shown} AS c0, {window} AS w {from}"), names),
        }
    }

    fn relation(&mut self, depth: u32) -> Relation {
        match self.below(10) {
            0..3 => self.named_table(),
            3 if depth > 0 => self.subquery(depth),
            4 if depth > 0 => self.union(depth),
            _ if depth > 0 => self.join(depth),
            _ => self.named_table(),
        }
    }

    fn named_table(&mut self) -> Relation {
        let (table, name) = (self.table(), self.name("r"));
        let text = if self.below(4) == 0 {
            format!("(SELECT {} FROM {table}) {name}", column_list())
        } else {
            format!("{table} {name}")
        };
        columns_of(text, &name)
    }

    /// The columns of every table, each made of one of its type.
    fn same_columns(&mut self, inner: &Relation) -> String {
        COLUMNS.map(|(name, of_type)| format!("{} AS {name}", self.of(inner, of_type))).join(", ")
    }

    /// The columns of a table, out of something deeper.
    fn subquery(&mut self, depth: u32) -> Relation {
        let inner = self.relation(depth - 1);
        let name = self.name("q");
        let columns = self.same_columns(&inner);
        let distinct = if self.below(4) == 0 { "DISTINCT " } else { "" };
        let condition = self.predicates(&inner, false);
        let query = format!("SELECT {distinct}{columns} FROM {} WHERE {condition}", inner.text);
        columns_of(format!("({query}) {name}"), &name)
    }

    fn union(&mut self, depth: u32) -> Relation {
        let name = self.name("q");
        let sides: Vec<String> = (0..2)
            .map(|_| {
                let inner = self.relation(depth - 1);
                format!("SELECT {} FROM {}", self.same_columns(&inner), inner.text)
            })
            .collect();
        let kind = self.one_of(&["UNION ALL", "UNION ALL", "UNION"]);
        columns_of(format!("({}) {name}", sides.join(&format!(" {kind} "))), &name)
    }

    fn join(&mut self, depth: u32) -> Relation {
        let (left, right) = (self.relation(depth - 1), self.relation(depth - 1));
        // The rows of four tables, each with each, would take minutes.
        let is_large = left.is_join && right.is_join;
        let kinds = ["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"];
        let kind = self.one_of(&kinds[..kinds.len() - usize::from(is_large)]);
        let (l, r) = (self.number(&left), self.number(&right));
        let (l2, r2) = (self.number(&left), self.number(&right));
        let mut condition = match self.below(15) {
            _ if is_large => format!("{l} = {r}"),
            0 => format!("{l} < {r}"),
            1 => format!("{l} <= {r}"),
            2 => format!("{l} = {r} + 0"),
            3 => format!("{l} = {r} AND {l2} = {r2}"),
            4 => format!("({l} > 5 OR {} = {})", self.text(&left), self.text(&right)),
            5 => format!("{l} > {r} + 3"),
            6 => format!("{} = {}", self.text(&left), self.text(&right)),
            7 => format!("{l} BETWEEN {r} AND {r2} + 1"),
            8 => format!("({l} IS NOT DISTINCT FROM {r})"),
            9 => "true".to_string(),
            10 => format!("{} = {}", self.of(&left, Type::Date), self.of(&right, Type::Date)),
            11 => format!("{} = {} AND {l} = {r}", self.of(&left, Type::Boolean), self.of(&right, Type::Boolean)),
            12 => format!("{} = {}", self.of(&left, Type::Decimal), self.of(&right, Type::Decimal)),
            _ => format!("{l} = {r}"),
        };
        if self.below(3) == 0 {
            let side = if self.below(2) == 0 { &left } else { &right };
            write!(condition, " AND {}", self.predicate(side)).expect("written");
        }
        let on = if kind == "CROSS JOIN" { String::new() } else { format!(" ON {condition}") };
        let right_text = if right.is_join { format!("({})", right.text) } else { right.text };
        let text = format!("{} {kind} {right_text}{on}", left.text);
        Relation { text, columns: left.columns.into_iter().chain(right.columns).collect(), is_join: true }
    }

    fn column(&mut self, relation: &Relation) -> String {
        let at = self.below(relation.columns.len() as u32) as usize;
        relation.columns[at].0.clone()
    }

    fn of(&mut self, relation: &Relation, of_type: Type) -> String {
        let columns: Vec<&str> =
            relation.columns.iter().filter(|column| column.1 == of_type).map(|column| column.0.as_str()).collect();
        self.one_of(&columns).to_string()
    }

    fn number(&mut self, relation: &Relation) -> String {
        self.of(relation, Type::Integer)
    }

    fn text(&mut self, relation: &Relation) -> String {
        self.of(relation, Type::Text)
    }

    fn expression(&mut self, relation: &Relation) -> String {
        let number = self.number(relation);
        match self.below(12) {
            0 => format!("{number} + 1"),
            1 => format!("coalesce({number}, -9)"),
            2 => format!("CASE WHEN {} THEN {number} ELSE 0 END", self.predicate(relation)),
            3 => self.text(relation),
            4 if self.below(3) == 0 => {
                let (table, name) = (self.table(), self.name("z"));
                format!("(SELECT max({name}.v) FROM {table} {name} WHERE {name}.k = {number})")
            }
            5 => format!("{} * 2", self.of(relation, Type::Decimal)),
            6 => format!("extract(day FROM {})", self.of(relation, Type::Date)),
            7 => format!("NOT {}", self.of(relation, Type::Boolean)),
            _ => self.column(relation),
        }
    }

    fn predicates(&mut self, relation: &Relation, with_subqueries: bool) -> String {
        let count = 1 + self.below(2);
        let predicates: Vec<String> = (0..count)
            .map(|_| match with_subqueries && self.below(4) == 0 {
                true => {
                    let predicate = self.subquery_predicate(relation);
                    self.larger(predicate, relation)
                }
                false => self.predicate(relation),
            })
            .collect();
        predicates.join(" AND ")
    }

    fn predicate(&mut self, relation: &Relation) -> String {
        let number = self.number(relation);
        let value = i64::from(self.below(8)) - 2;
        match self.below(13) {
            0 => format!("{number} > {value}"),
            1 => format!("{number} <> {value}"),
            2 => format!("{number} IS NULL"),
            3 => format!("{} IS NOT NULL", self.column(relation)),
            4 => format!("{number} IN (0, 1, {value})"),
            5 => format!("{} = '{}'", self.text(relation), self.one_of(&["a", "b", "c", ""])),
            6 => format!("({number} > {value} OR {} = 'b')", self.text(relation)),
            7 => format!("{number} = {value}"),
            8 => format!("{} >= DATE '2024-01-0{}'", self.of(relation, Type::Date), 1 + self.below(5)),
            9 => self.of(relation, Type::Boolean),
            10 => format!("{} < {value}.50", self.of(relation, Type::Decimal)),
            11 => format!("{} IS NOT TRUE", self.of(relation, Type::Boolean)),
            _ => format!("NOT ({number} < {value})"),
        }
    }

    /// The predicate as it is, or below operators, where it makes a difference whether it is false or NULL.
    fn larger(&mut self, predicate: String, relation: &Relation) -> String {
        match self.below(6) {
            0 => format!("({predicate}) IS NULL"),
            1 => format!("(({predicate}) OR {})", self.predicate(relation)),
            2 => format!("NOT (({predicate}) AND {})", self.predicate(relation)),
            3 => {
                format!("CASE WHEN {predicate} THEN {} ELSE {} END", self.predicate(relation), self.predicate(relation))
            }
            _ => predicate,
        }
    }

    fn subquery_predicate(&mut self, relation: &Relation) -> String {
        let (table, name) = (self.table(), self.name("e"));
        let (outer, column) = (self.number(relation), self.one_of(&INTEGERS));
        let not = if self.below(2) == 0 { "NOT " } else { "" };
        match self.below(5) {
            0 => format!("{outer} {not}IN (SELECT {name}.{column} FROM {table} {name})"),
            1 => format!(
                "{outer} {not}IN (SELECT {name}.{column} FROM {table} {name} WHERE {name}.{column} IS NOT NULL)"
            ),
            2 => format!("{not}EXISTS (SELECT 1 FROM {table} {name} WHERE {name}.{column} = {outer})"),
            3 => format!(
                "{not}EXISTS (SELECT 1 FROM {table} {name} WHERE {name}.{column} < {outer} AND {name}.k = {outer})"
            ),
            _ => format!("{outer} >= (SELECT min({name}.{column}) FROM {table} {name})"),
        }
    }
}

fn columns_of(text: String, name: &str) -> Relation {
    let columns = COLUMNS.iter().map(|(column, of_type)| (format!("{name}.{column}"), *of_type)).collect();
    Relation { text, columns, is_join: false }
}

/// NULLs have their place in each engine's own way unless it is said.
fn ordered(names: &[String], direction: &str) -> String {
    let columns: Vec<String> = names.iter().map(|name| format!("{name}{direction} NULLS LAST")).collect();
    columns.join(", ")
}
