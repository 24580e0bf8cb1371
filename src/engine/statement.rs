//! What a text of SQL is taken apart into: DataFusion's statements, and those that it has not.

use std::fmt;

use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::sql::parser::{DFParser, DFParserBuilder, Statement as SqlStatement};
use datafusion::sql::sqlparser::ast::{ObjectName, Query, TableFactor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::nesting::too_deep;
use crate::learn::ModelStatement;

/// A statement that was parsed.
#[derive(Debug, Clone)]
pub struct Statement(pub(crate) Parsed);

/// What was parsed.
#[derive(Debug, Clone)]
pub(crate) enum Parsed {
    /// A statement that DataFusion plans.
    Sql(Box<SqlStatement>),
    /// `SUMMARIZE table`, or a query.
    Summarize(Box<Summarized>),
    /// `CACHE TABLE name [AS query]`.
    Cache { table: ObjectName, query: Option<Box<Query>> },
    /// `UNCACHE TABLE [IF EXISTS] name`.
    Uncache { table: ObjectName, if_exists: bool },
    /// `CREATE MODEL` and the like.
    Model(Box<ModelStatement>),
}

/// What is summarized.
#[derive(Debug, Clone)]
pub(crate) enum Summarized {
    /// A table, a file or the call of a table function.
    Table(TableFactor),
    /// The rows of a query.
    Query(Query),
}

impl fmt::Display for Summarized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(table) => table.fmt(f),
            Self::Query(query) => query.fmt(f),
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Parsed::Sql(statement) => statement.fmt(f),
            Parsed::Summarize(summarized) => write!(f, "SUMMARIZE {summarized}"),
            Parsed::Cache { table, query: Some(query) } => write!(f, "CACHE TABLE {table} AS {query}"),
            Parsed::Cache { table, query: None } => write!(f, "CACHE TABLE {table}"),
            Parsed::Uncache { table, if_exists } => {
                write!(f, "UNCACHE TABLE {}{table}", if *if_exists { "IF EXISTS " } else { "" })
            }
            Parsed::Model(statement) => statement.fmt(f),
        }
    }
}

impl Statement {
    /// Takes a text apart.
    ///
    /// # Errors
    /// A text that is no SQL, with the place where it stops being it.
    pub(crate) fn parse_all(sql: &str) -> Result<Vec<Self>> {
        let mut tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().map_err(ParserError::from)?;
        if let Some(token) = too_deep(&tokens) {
            let place = token.span.start;
            return Err(ParserError::ParserError(format!("the statement is nested too deeply{place}")).into());
        }
        number_placeholders(&mut tokens);
        name_clusters(&mut tokens);
        let mut parser = DFParserBuilder::new(tokens).build()?;
        let mut statements = Vec::new();
        loop {
            while parser.parser.consume_token(&Token::SemiColon) {}
            if parser.parser.peek_token() == Token::EOF {
                return Ok(statements);
            }
            statements.push(Self(parse_one(&mut parser)?));
            let next = parser.parser.peek_token();
            if next != Token::SemiColon && next != Token::EOF {
                return Ok(parser.parser.expected("end of statement", next)?);
            }
        }
    }

    /// The statement as DataFusion has it; `None` where it has none such.
    pub(crate) fn as_sql(&self) -> Option<&SqlStatement> {
        match &self.0 {
            Parsed::Sql(statement) => Some(statement),
            _ => None,
        }
    }
}

fn parse_one(parser: &mut DFParser<'_>) -> Result<Parsed> {
    if let Some(statement) = ModelStatement::parse(&mut parser.parser)? {
        return Ok(Parsed::Model(Box::new(statement)));
    }
    let is_table = |parser: &DFParser<'_>| match parser.parser.peek_nth_token(1).token {
        Token::Word(word) => word.keyword == Keyword::TABLE,
        _ => false,
    };
    match &parser.parser.peek_token().token {
        Token::Word(word) if word.value.eq_ignore_ascii_case("summarize") => {
            parser.parser.next_token();
            let is_query = match parser.parser.peek_token().token {
                Token::Word(word) => matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES),
                _ => false,
            };
            let summarized = match is_query {
                true => Summarized::Query(*parser.parser.parse_query()?),
                false => Summarized::Table(parser.parser.parse_table_factor()?),
            };
            Ok(Parsed::Summarize(Box::new(summarized)))
        }
        Token::Word(word) if word.value.eq_ignore_ascii_case("cache") && is_table(parser) => {
            parser.parser.next_token();
            parser.parser.next_token();
            let table = parser.parser.parse_object_name(false)?;
            let query = match parser.parser.parse_keyword(Keyword::AS) {
                true => Some(parser.parser.parse_query()?),
                false => None,
            };
            Ok(Parsed::Cache { table, query })
        }
        Token::Word(word) if word.value.eq_ignore_ascii_case("uncache") && is_table(parser) => {
            parser.parser.next_token();
            parser.parser.next_token();
            let if_exists = parser.parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
            Ok(Parsed::Uncache { table: parser.parser.parse_object_name(false)?, if_exists })
        }
        _ => Ok(Parsed::Sql(Box::new(parser.parse_statement()?))),
    }
}

/// Has `cluster` be a name where it isn't `CLUSTER BY`: the parser takes it for the end of what was selected, as in `SELECT size, cluster`.
fn name_clusters(tokens: &mut [TokenWithSpan]) {
    for place in 0..tokens.len() {
        let mut behind = tokens[place + 1..].iter().filter(|next| !matches!(next.token, Token::Whitespace(_)));
        let is_by =
            behind.next().is_some_and(|next| matches!(&next.token, Token::Word(word) if word.keyword == Keyword::BY));
        if let Token::Word(word) = &mut tokens[place].token
            && word.keyword == Keyword::CLUSTER
            && !is_by
        {
            word.keyword = Keyword::NoKeyword;
        }
    }
}

/// Gives the parameters `?` of each statement the numbers that DataFusion wants them to have.
fn number_placeholders(tokens: &mut [TokenWithSpan]) {
    let mut number = 0;
    for token in tokens {
        match &mut token.token {
            Token::SemiColon => number = 0,
            Token::Placeholder(name) if name == "?" => {
                number += 1;
                *name = format!("${number}");
            }
            _ => {}
        }
    }
}

/// The statement of a text that this crate has written.
///
/// # Errors
/// A text without a statement of DataFusion's.
pub(crate) fn only(sql: &str) -> Result<SqlStatement, DataFusionError> {
    match Statement::parse_all(sql)?.pop() {
        Some(Statement(Parsed::Sql(statement))) => Ok(*statement),
        _ => plan_err!("no statement of SQL: '{sql}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<String> {
        Statement::parse_all(sql).expect("SQL").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn statements_that_datafusion_has_not_are_told_from_its_own() {
        assert_eq!(
            texts(
                "summarize 'a/*.jpg'; SUMMARIZE SELECT 1; cache table t; CACHE TABLE t AS SELECT 1;uncache table if exists t; SELECT 1 AS cache"
            ),
            [
                "SUMMARIZE 'a/*.jpg'",
                "SUMMARIZE SELECT 1",
                "CACHE TABLE t",
                "CACHE TABLE t AS SELECT 1",
                "UNCACHE TABLE IF EXISTS t",
                "SELECT 1 AS cache"
            ]
        );
    }

    #[test]
    fn question_marks_are_numbered_anew_in_each_statement() {
        assert_eq!(texts("SELECT ?, ?; SELECT ?, '?'"), ["SELECT $1, $2", "SELECT $1, '?'"]);
    }

    #[test]
    fn cluster_is_a_name_wherever_it_stands() {
        let sql = "SELECT size, cluster, x AS cluster FROM t GROUP BY size, cluster ORDER BY size, cluster";
        assert_eq!(texts(sql), [sql]);
    }

    #[test]
    fn statements_about_models_are_told_from_others() {
        let statements = [
            "CREATE OR REPLACE MODEL m USING standard_scaler() | kmeans(k => 8) LOCATION 'm.parquet' AS SELECT x FROM t",
            "CREATE MODEL IF NOT EXISTS \"M\" USING pca(2) AS SELECT x FROM t",
            "CREATE EXTERNAL MODEL m LOCATION 'm.parquet'",
            "EVALUATE MODEL m AS SELECT x FROM t",
            "EVALUATE MODEL m CONFUSION AS SELECT x FROM t",
            "SHOW MODELS",
            "DESCRIBE MODEL m",
            "DROP MODEL IF EXISTS m",
        ];
        assert_eq!(texts(&statements.join(";")), statements);
        assert!(matches!(Statement::parse_all("DESCRIBE model").expect("SQL")[0].0, Parsed::Sql(_)));
        let error = Statement::parse_all("CREATE MODEL m AS SELECT 1").expect_err("no steps").to_string();
        assert!(error.contains("Expected: USING, found: AS at Line: 1, Column: 16"), "{error}");
    }

    #[test]
    fn what_follows_a_statement_without_a_semicolon_is_an_error_with_its_place() {
        let error = Statement::parse_all("SELECT 1;\nSUMMARIZE t t2 t3").expect_err("no SQL").to_string();
        assert!(error.contains("end of statement, found: t3 at Line: 2, Column: 16"), "{error}");
    }
}
