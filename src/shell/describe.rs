//! What `\d` says of tables.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Field;
use datafusion::catalog::TableProvider;
use datafusion::common::stats::Precision;
use datafusion::datasource::TableType;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;
use indicatif::HumanCount;

use super::complete::Names;
use super::lex::Lexed;
use crate::error::{Error, Result};
use crate::output::{aligned, type_name};
use crate::source::stored::StoredTable;

/// All tables and views: name, what they are, and rows as far as they are known.
pub(super) fn tables(names: &Names) -> String {
    let titles = ["name", "type", "rows"].map(str::to_string);
    let named = names.tables().into_iter();
    let tables = named.filter_map(|name| names.table(&name).map(|table| (name, table)));
    let row = |(name, table): (String, Arc<dyn TableProvider>)| {
        let count = rows(table.as_ref()).map(|rows| HumanCount(rows as u64).to_string());
        [name, kind(table.as_ref()), count.unwrap_or_default()]
    };
    let rows: Vec<_> = std::iter::once(titles).chain(tables.map(row)).collect();
    match rows.len() {
        1 => "there are no tables yet; CREATE EXTERNAL TABLE makes one, and FROM 'photos/**/*.jpg' needs none\n"
            .to_string(),
        _ => aligned(&rows, 2..3),
    }
}

/// The columns of a table, and how it was made.
///
/// # Errors
/// A table that isn't there.
pub(super) fn table(names: &Names, name: &str) -> Result<String> {
    let table = names.table(name);
    let table =
        table.ok_or_else(|| Error::Usage(format!("there is no table '{name}'; \\d lists those that there are")))?;
    let titles = ["column", "type", "null"].map(str::to_string);
    let schema = table.schema();
    let row = |field: &Arc<Field>| {
        let null = if field.is_nullable() { "" } else { "no" };
        [field.name().clone(), type_name(field.data_type()), null.to_string()]
    };
    let rows: Vec<_> = std::iter::once(titles).chain(schema.fields().iter().map(row)).collect();
    let mut text = aligned(&rows, 0..0);
    if let Some(definition) = table.get_table_definition() {
        text.push_str(&format!("\n{definition}\n"));
    }
    Ok(text)
}

/// `view`, what it is stored as, or `table`.
fn kind(table: &dyn TableProvider) -> String {
    if table.table_type() == TableType::View {
        return "view".to_string();
    }
    let definition = table.get_table_definition().unwrap_or_default();
    let lexed = Lexed::new(definition);
    let words: Vec<_> = lexed.words().map(|(token, _)| token).collect();
    let is = |token: &Token, keyword| matches!(token, Token::Word(word) if word.keyword == keyword);
    let stored = words.windows(3).find(|words| is(words[0], Keyword::STORED) && is(words[1], Keyword::AS));
    stored.map_or_else(|| "table".to_string(), |words| words[2].to_string().to_lowercase())
}

/// How many rows there are, where nothing has to be read to know it.
fn rows(table: &dyn TableProvider) -> Option<usize> {
    if let Some(stored) = table.downcast_ref::<StoredTable>() {
        let partitions = stored.rows().batches.iter().map(|partition| partition.try_read().ok());
        return partitions.map(|rows| Some(rows?.iter().map(RecordBatch::num_rows).sum::<usize>())).sum();
    }
    match table.statistics()?.num_rows {
        Precision::Exact(rows) => Some(rows),
        _ => None,
    }
}
