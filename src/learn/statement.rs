//! Statements about models, as they are parsed: `CREATE MODEL`, `CREATE EXTERNAL MODEL`, `EVALUATE MODEL`, `SHOW MODELS`, `DESCRIBE MODEL` and
//! `DROP MODEL`.

use std::fmt;

use datafusion::common::{Result, internal_err, plan_err};
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::names::Models;
use crate::words::quoted;

/// A statement about models.
#[derive(Debug, Clone)]
pub(crate) enum ModelStatement {
    Create(Box<CreateModel>),
    /// `CREATE EXTERNAL MODEL name LOCATION 'file'`.
    CreateExternal {
        name: Ident,
        location: String,
        or_replace: bool,
        if_not_exists: bool,
    },
    /// `EVALUATE MODEL name [CONFUSION] AS query`.
    Evaluate {
        name: Ident,
        is_confusion: bool,
        query: Box<Query>,
    },
    /// `SHOW MODELS`.
    Show,
    /// `DESCRIBE MODEL name`.
    Describe {
        name: Ident,
    },
    /// `DROP MODEL [IF EXISTS] name`.
    Drop {
        name: Ident,
        if_exists: bool,
    },
}

/// `CREATE MODEL name USING step() | step() [LOCATION 'file'] AS query`.
#[derive(Debug, Clone)]
pub(crate) struct CreateModel {
    pub(crate) name: Ident,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    /// Calls, joined by `|`.
    pub(crate) using: Expr,
    pub(crate) location: Option<String>,
    pub(crate) query: Box<Query>,
}

impl ModelStatement {
    /// The statement that a parser stands before; `None` where it is about something else, and nothing was taken.
    ///
    /// # Errors
    /// One about models that isn't whole, with the place where it stops being one.
    pub(crate) fn parse(parser: &mut Parser<'_>) -> std::result::Result<Option<Self>, ParserError> {
        let words: Vec<String> = (0..5).map(|place| word(parser, place)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let taken = match words.as_slice() {
            ["create", "model", ..] => 2,
            ["create", "external", "model", ..] => 3,
            ["create", "or", "replace", "model", _] => 4,
            ["create", "or", "replace", "external", "model"] => 5,
            ["evaluate" | "describe" | "desc" | "drop", "model", ..] => 2,
            ["show", "models", ..] => 2,
            _ => return Ok(None),
        };
        // A table may be called model, too.
        if matches!(words[0], "describe" | "desc") && matches!(words[2], "" | ";") {
            return Ok(None);
        }
        (0..taken).for_each(|_| parser.advance_token());
        let (or_replace, is_external) = (words[1] == "or", words[taken - 2] == "external");
        Ok(Some(match words[0] {
            "create" if is_external => Self::create_external(parser, or_replace)?,
            "create" => Self::Create(Box::new(CreateModel::parse(parser, or_replace)?)),
            "evaluate" => {
                let name = parser.parse_identifier()?;
                let is_confusion = word(parser, 0) == "confusion";
                if is_confusion {
                    parser.advance_token();
                }
                parser.expect_keyword(Keyword::AS)?;
                Self::Evaluate { name, is_confusion, query: parser.parse_query()? }
            }
            "show" => Self::Show,
            "drop" => {
                let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
                Self::Drop { name: parser.parse_identifier()?, if_exists }
            }
            _ => Self::Describe { name: parser.parse_identifier()? },
        }))
    }

    /// Does what a statement without rows says.
    ///
    /// # Errors
    /// A name that is taken or that nothing has, a file that is no model.
    pub(crate) fn define(&self, models: &Models) -> Result<()> {
        match self {
            Self::CreateExternal { name, location, or_replace, if_not_exists } => {
                models.open(&model_name(name), location, *or_replace, *if_not_exists)
            }
            Self::Drop { name, if_exists } => match models.remove(&model_name(name)) || *if_exists {
                true => Ok(()),
                false => plan_err!("there is no model {name} to drop"),
            },
            other => internal_err!("{other} has rows"),
        }
    }

    fn create_external(parser: &mut Parser<'_>, or_replace: bool) -> std::result::Result<Self, ParserError> {
        let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
        let name = parser.parse_identifier()?;
        parser.expect_keyword(Keyword::LOCATION)?;
        let location = parser.parse_literal_string()?;
        Ok(Self::CreateExternal { name, location, or_replace, if_not_exists })
    }
}

impl CreateModel {
    fn parse(parser: &mut Parser<'_>, or_replace: bool) -> std::result::Result<Self, ParserError> {
        let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
        let name = parser.parse_identifier()?;
        parser.expect_keyword(Keyword::USING)?;
        let using = parser.parse_expr()?;
        let location = match parser.parse_keyword(Keyword::LOCATION) {
            true => Some(parser.parse_literal_string()?),
            false => None,
        };
        parser.expect_keyword(Keyword::AS)?;
        Ok(Self { name, or_replace, if_not_exists, using, location, query: parser.parse_query()? })
    }
}

/// A word in small letters; nothing where there is none.
fn word(parser: &Parser<'_>, place: usize) -> String {
    match &parser.peek_nth_token(place).token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_lowercase(),
        Token::Word(_) => "name".to_string(),
        _ => String::new(),
    }
}

/// The name of a model, as names of tables are.
pub(super) fn model_name(name: &Ident) -> String {
    match name.quote_style {
        None => name.value.to_lowercase(),
        Some(_) => name.value.clone(),
    }
}

impl fmt::Display for ModelStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(create) => create.fmt(f),
            Self::CreateExternal { name, location, or_replace, if_not_exists } => {
                let (replace, exists) = options(*or_replace, *if_not_exists);
                write!(f, "CREATE {replace}EXTERNAL MODEL {exists}{name} LOCATION {}", quoted(location))
            }
            Self::Evaluate { name, is_confusion, query } => {
                write!(f, "EVALUATE MODEL {name} {}AS {query}", if *is_confusion { "CONFUSION " } else { "" })
            }
            Self::Show => f.write_str("SHOW MODELS"),
            Self::Describe { name } => write!(f, "DESCRIBE MODEL {name}"),
            Self::Drop { name, if_exists } => {
                write!(f, "DROP MODEL {}{name}", if *if_exists { "IF EXISTS " } else { "" })
            }
        }
    }
}

impl fmt::Display for CreateModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (replace, exists) = options(self.or_replace, self.if_not_exists);
        write!(f, "CREATE {replace}MODEL {exists}{} USING {} ", self.name, self.using)?;
        if let Some(location) = &self.location {
            write!(f, "LOCATION {} ", quoted(location))?;
        }
        write!(f, "AS {}", self.query)
    }
}

fn options(or_replace: bool, if_not_exists: bool) -> (&'static str, &'static str) {
    (if or_replace { "OR REPLACE " } else { "" }, if if_not_exists { "IF NOT EXISTS " } else { "" })
}
