//! What a session knows by name: tables, columns, functions and options.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::config::{ConfigFileType, TableOptions};
use datafusion::prelude::SessionContext;
use futures::FutureExt;

use crate::learn::{Models, step_names, step_parameters};
use crate::sink::Format;
use crate::source::{SOURCES, Source};
use crate::storage::Reach;
use crate::words::identifier;

/// The schema that the session has of itself.
const INFORMATION: &str = "information_schema";

/// The names of a session.
#[derive(Clone)]
pub(in crate::shell) struct Names(SessionContext);

impl Names {
    pub(in crate::shell) fn new(context: &SessionContext) -> Self {
        Self(context.clone())
    }

    /// What the session can reach.
    pub(super) fn reach(&self) -> Reach {
        Reach::of(self.0.state().config())
    }

    /// Tables and views, as statements name them.
    pub(in crate::shell) fn tables(&self) -> Vec<String> {
        let state = self.0.state();
        let default = &state.config_options().catalog;
        let mut names = Vec::new();
        for catalog in self.0.catalog_names() {
            let Some(provider) = self.0.catalog(&catalog) else { continue };
            for schema in provider.schema_names() {
                if schema == INFORMATION {
                    continue;
                }
                let is_default = (&catalog, &schema) == (&default.default_catalog, &default.default_schema);
                let tables = provider.schema(&schema).map(|schema| schema.table_names()).unwrap_or_default();
                let named = |table: String| match (is_default, catalog == default.default_catalog) {
                    (true, _) => quoted(&table),
                    (false, true) => format!("{}.{}", quoted(&schema), quoted(&table)),
                    (false, false) => format!("{}.{}.{}", quoted(&catalog), quoted(&schema), quoted(&table)),
                };
                names.extend(tables.into_iter().map(named));
            }
        }
        names.sort();
        names
    }

    /// The tables of a schema.
    pub(super) fn tables_of(&self, schema: &str) -> Vec<String> {
        let schema = self.0.state().schema_for_ref(TableReference::partial(schema, ""));
        let tables = schema.map(|schema| schema.table_names()).unwrap_or_default();
        tables.iter().map(|table| quoted(table)).collect()
    }

    /// The table of a name.
    pub(in crate::shell) fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        // The session's own catalogs are in memory, and answer at once.
        let found = self.0.table_provider(TableReference::from(name)).now_or_never();
        found.and_then(Result::ok)
    }

    /// The columns of a table, or of what a table function gives.
    pub(super) fn columns(&self, name: &str) -> Vec<String> {
        let source = SOURCES.iter().find(|source| source.function.name.eq_ignore_ascii_case(name));
        let schema = match source.and_then(|source| source.function.columns) {
            Some(columns) => Some(columns()),
            None => self.table(name).map(|table| table.schema()),
        };
        let fields = schema.iter().flat_map(|schema| schema.fields());
        fields.map(|field| quoted(field.name())).collect()
    }

    /// Models.
    pub(super) fn models(&self) -> Vec<String> {
        Models::of(&self.0.copied_config()).map(|models| models.names()).unwrap_or_default()
    }

    /// The steps that models are made of.
    pub(super) fn steps(&self) -> Vec<String> {
        step_names().map(str::to_string).collect()
    }

    /// Functions of expressions.
    pub(super) fn functions(&self) -> Vec<String> {
        let state = self.0.state();
        let mut names: BTreeSet<&String> = state.scalar_functions().keys().collect();
        names.extend(state.aggregate_functions().keys());
        names.extend(state.window_functions().keys());
        names.extend(state.higher_order_functions().keys());
        names.into_iter().filter(|name| !name.starts_with("__")).cloned().collect()
    }

    /// Functions that stand where a table stands.
    pub(super) fn table_functions(&self) -> Vec<String> {
        let state = self.0.state();
        let own = SOURCES.iter().map(|source| source.function.name.to_string());
        let names: BTreeSet<String> = own.chain(state.table_functions().keys().cloned()).collect();
        names.into_iter().collect()
    }

    /// Whether a function stands where a table stands and takes constants alone.
    pub(super) fn is_table_function(&self, function: &str) -> bool {
        SOURCES.iter().any(|source| source.function.name == function)
    }

    /// The names of the arguments of a function, or of a model's step.
    pub(super) fn arguments(&self, function: &str) -> Vec<String> {
        if let Some(source) = SOURCES.iter().find(|source| source.function.name == function) {
            return source.options.iter().map(|option| option.name.to_string()).collect();
        }
        let state = self.0.state();
        let of_row = state.scalar_functions().get(function).map(|function| function.signature());
        let of_rows = || state.aggregate_functions().get(function).map(|function| function.signature());
        let of_window = || state.window_functions().get(function).map(|function| function.signature());
        let signature = of_row.or_else(of_rows).or_else(of_window);
        let mut names = signature.and_then(|signature| signature.parameter_names.clone()).unwrap_or_default();
        let of_step = step_parameters(function).iter().map(|name| name.to_string());
        names.extend(of_step.filter(|name| !names.contains(name)).collect::<Vec<_>>());
        names
    }

    /// Options of the session: names, values and what they are about.
    pub(in crate::shell) fn settings(&self) -> Vec<[String; 3]> {
        let entries = self.0.state().config_options().entries().into_iter();
        let settings = entries.map(|entry| [entry.key, entry.value.unwrap_or_default(), entry.description.to_string()]);
        let mut settings: Vec<_> = settings.collect();
        settings.sort();
        settings
    }

    /// What can stand behind `STORED AS`.
    pub(super) fn formats(&self, is_copy: bool) -> Vec<String> {
        let state = self.0.state();
        let mut formats: BTreeSet<String> = state.table_factories().keys().cloned().collect();
        if is_copy {
            formats.extend(Format::ALL.iter().map(|format| format.name().to_uppercase()));
            formats.retain(|format| state.get_file_format_factory(format).is_some());
        }
        formats.into_iter().collect()
    }

    /// What `OPTIONS` of a format knows.
    pub(super) fn options(&self, format: &str, is_copy: bool) -> Vec<String> {
        let own = match is_copy {
            true => Format::of(&format.to_lowercase()).map(Format::options),
            false => {
                let is_it = |source: &&Source| source.format.as_ref().is_some_and(|own| own.name == format);
                SOURCES.iter().find(is_it).map(|source| source.options)
            }
        };
        let own = own.unwrap_or_default().iter().map(|option| option.name.to_string());
        let format = match format {
            "CSV" => Some(ConfigFileType::CSV),
            "JSON" | "NDJSON" => Some(ConfigFileType::JSON),
            "PARQUET" => Some(ConfigFileType::PARQUET),
            _ => None,
        };
        let of_format = format.map(|format| {
            let mut options: TableOptions = self.0.copied_table_options();
            options.set_config_format(format);
            options.entries()
        });
        let keys = of_format.into_iter().flatten();
        let keys = keys.filter_map(|entry| entry.key.strip_prefix("format.").map(str::to_string));
        let names: BTreeSet<String> = own.chain(keys).collect();
        names.into_iter().collect()
    }
}

/// A name as a statement has it.
pub(super) fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    if is_plain { name.to_string() } else { identifier(name) }
}
