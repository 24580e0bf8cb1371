//! The words of SQL that the shell offers and highlights.

use datafusion::sql::sqlparser::keywords::Keyword;

/// What a statement begins with.
const BEGINNINGS: &[Keyword] = &[
    Keyword::ALTER,
    Keyword::CACHE,
    Keyword::COPY,
    Keyword::CREATE,
    Keyword::DEALLOCATE,
    Keyword::DESCRIBE,
    Keyword::DROP,
    Keyword::EXECUTE,
    Keyword::EXPLAIN,
    Keyword::INSERT,
    Keyword::PREPARE,
    Keyword::RESET,
    Keyword::SELECT,
    Keyword::SET,
    Keyword::SHOW,
    Keyword::UNCACHE,
    Keyword::VALUES,
    Keyword::WITH,
];

/// What stands further on. Of the parser's thousand words, those that DataFusion does something with and that aren't functions.
const OTHERS: &[Keyword] = &[
    Keyword::ALL,
    Keyword::ANALYZE,
    Keyword::AND,
    Keyword::ANY,
    Keyword::AS,
    Keyword::ASC,
    Keyword::BERNOULLI,
    Keyword::BETWEEN,
    Keyword::BIGINT,
    Keyword::BOOLEAN,
    Keyword::BY,
    Keyword::BYTEA,
    Keyword::CASE,
    Keyword::CAST,
    Keyword::COLUMNS,
    Keyword::CROSS,
    Keyword::CURRENT,
    Keyword::DATE,
    Keyword::DESC,
    Keyword::DISTINCT,
    Keyword::DOUBLE,
    Keyword::ELSE,
    Keyword::END,
    Keyword::EXCEPT,
    Keyword::EXISTS,
    Keyword::EXTERNAL,
    Keyword::EXTRACT,
    Keyword::FALSE,
    Keyword::FILTER,
    Keyword::FIRST,
    Keyword::FLOAT,
    Keyword::FOLLOWING,
    Keyword::FROM,
    Keyword::FULL,
    Keyword::FUNCTIONS,
    Keyword::GROUP,
    Keyword::GROUPING,
    Keyword::HAVING,
    Keyword::IF,
    Keyword::ILIKE,
    Keyword::IN,
    Keyword::INNER,
    Keyword::INT,
    Keyword::INTERSECT,
    Keyword::INTERVAL,
    Keyword::INTO,
    Keyword::IS,
    Keyword::JOIN,
    Keyword::LAST,
    Keyword::LATERAL,
    Keyword::LEFT,
    Keyword::LIKE,
    Keyword::LIMIT,
    Keyword::LOCATION,
    Keyword::NATURAL,
    Keyword::NOT,
    Keyword::NULL,
    Keyword::NULLS,
    Keyword::OFFSET,
    Keyword::ON,
    Keyword::OPTIONS,
    Keyword::OR,
    Keyword::ORDER,
    Keyword::OUTER,
    Keyword::OVER,
    Keyword::PARTITION,
    Keyword::PARTITIONED,
    Keyword::PRECEDING,
    Keyword::QUALIFY,
    Keyword::RANGE,
    Keyword::RECURSIVE,
    Keyword::REPEATABLE,
    Keyword::REPLACE,
    Keyword::RIGHT,
    Keyword::ROW,
    Keyword::ROWS,
    Keyword::SCHEMA,
    Keyword::SETS,
    Keyword::STORED,
    Keyword::TABLE,
    Keyword::TABLES,
    Keyword::TABLESAMPLE,
    Keyword::THEN,
    Keyword::TIMESTAMP,
    Keyword::TO,
    Keyword::TRUE,
    Keyword::TRY_CAST,
    Keyword::UNBOUNDED,
    Keyword::UNION,
    Keyword::UNNEST,
    Keyword::USING,
    Keyword::VARCHAR,
    Keyword::VERBOSE,
    Keyword::VIEW,
    Keyword::WHEN,
    Keyword::WHERE,
    Keyword::WINDOW,
    Keyword::WITHIN,
];

/// Of pixmill's own words, which are names to the parser, those that a statement begins with.
const OWN_BEGINNINGS: &[&str] = &["EVALUATE", "SUMMARIZE"];

/// Those that stand further on.
const OWN_OTHERS: &[&str] = &["CONFUSION", "MODEL"];

/// What a statement begins with, as it is written.
pub(super) fn beginnings() -> impl Iterator<Item = String> {
    BEGINNINGS.iter().copied().map(text).chain(OWN_BEGINNINGS.iter().map(|word| word.to_string()))
}

/// All of them, as they are written.
pub(super) fn all() -> impl Iterator<Item = String> {
    let others = OTHERS.iter().copied().map(text).chain(OWN_OTHERS.iter().map(|word| word.to_string()));
    beginnings().chain(others)
}

/// Whether a word is one of them.
pub(super) fn is_known(keyword: Keyword) -> bool {
    BEGINNINGS.contains(&keyword) || OTHERS.contains(&keyword)
}

/// A keyword as it is written.
pub(super) fn text(keyword: Keyword) -> String {
    format!("{keyword:?}")
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;

    use super::*;

    #[test]
    fn keywords_are_sorted_and_written_as_the_parser_reads_them() {
        for list in [BEGINNINGS, OTHERS] {
            let texts: Vec<String> = list.iter().copied().map(text).collect();
            assert!(texts.is_sorted(), "{texts:?}");
            assert!(texts.iter().all(|text| text.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')));
        }
        for own in OWN_BEGINNINGS.iter().chain(OWN_OTHERS) {
            assert!(!ALL_KEYWORDS.contains(own), "{own} is one of the parser's");
        }
    }
}
