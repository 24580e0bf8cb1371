//! The columns of a speed test's results, and whether a file has them.

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};

/// What a column holds, whatever its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    Integer,
    Number,
    Truth,
    Time,
}

/// Every column that the report needs; others are passed over.
const COLUMNS: [(&str, Holds); 29] = [
    ("source", Holds::Text),
    ("batch_size", Holds::Integer),
    ("batch_number", Holds::Integer),
    ("repetition", Holds::Integer),
    ("images", Holds::Integer),
    ("bytes", Holds::Integer),
    ("seconds", Holds::Number),
    ("images_per_second", Holds::Number),
    ("mb_per_second", Holds::Number),
    ("first_batch_seconds", Holds::Number),
    ("host", Holds::Text),
    ("executor", Holds::Text),
    ("vcores", Holds::Integer),
    ("started_at", Holds::Time),
    ("cache", Holds::Text),
    ("version", Holds::Text),
    ("run", Holds::Text),
    ("format", Holds::Text),
    ("rejected", Holds::Integer),
    ("disk_bytes", Holds::Integer),
    ("decode", Holds::Truth),
    ("width", Holds::Integer),
    ("height", Holds::Integer),
    ("concurrent", Holds::Integer),
    ("dataset_images", Holds::Integer),
    ("dataset_bytes", Holds::Integer),
    ("machine", Holds::Text),
    ("note", Holds::Text),
    ("error", Holds::Text),
];

/// Columns that a file of something else is unlikely to have together.
const TELLING: [&str; 4] = ["batch_size", "batch_number", "repetition", "images_per_second"];

impl Holds {
    fn is(self, data_type: &DataType) -> bool {
        match self {
            // A column of nothing but NULL may have no type.
            _ if data_type.is_null() => true,
            Self::Text => match data_type {
                DataType::Dictionary(_, values) => self.is(values),
                other => other.is_string(),
            },
            Self::Integer => data_type.is_integer(),
            Self::Number => data_type.is_integer() || data_type.is_floating(),
            Self::Truth => *data_type == DataType::Boolean,
            Self::Time => matches!(data_type, DataType::Timestamp(..)),
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Truth => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integers",
            Self::Number => "numbers",
            Self::Truth => "booleans",
            Self::Time => "timestamps",
        }
    }
}

/// The schema that all files are brought to.
pub(super) fn schema() -> Schema {
    Schema::new(COLUMNS.map(|(name, holds)| Field::new(name, holds.data_type(), true)).to_vec())
}

/// What is wrong with a file's columns, in words that follow its name; `None` where nothing is.
pub(super) fn fault(schema: &Schema, version: Option<&str>) -> Option<String> {
    let missing: Vec<&str> =
        COLUMNS.iter().map(|(name, _)| *name).filter(|name| schema.column_with_name(name).is_none()).collect();
    let columns = if missing.len() == 1 { "column" } else { "columns" };
    if TELLING.iter().any(|name| missing.contains(name)) && missing.len() > COLUMNS.len() / 2 {
        return Some(format!(
            "holds no results of 'pixmill speed-test': it lacks the {columns} {}; leave it out",
            missing.join(", ")
        ));
    }
    if !missing.is_empty() {
        let version = version.map(|version| format!(" ({version})")).unwrap_or_default();
        return Some(format!(
            "was written by another version of pixmill{version}: it lacks the {columns} {}; measure again or leave the file out",
            missing.join(", ")
        ));
    }
    let wrong = COLUMNS.iter().find_map(|(name, holds)| {
        let (_, field) = schema.column_with_name(name)?;
        (!holds.is(field.data_type())).then(|| (name, holds.words(), field.data_type().clone()))
    });
    wrong.map(|(name, words, got)| {
        format!(
            "holds no results of 'pixmill speed-test': its column '{name}' must hold {words}, got {got}; leave it out"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(names: &[&str]) -> Schema {
        let all = schema();
        let fields = all.fields().iter().filter(|field| !names.contains(&field.name().as_str())).cloned();
        Schema::new(fields.collect::<Vec<_>>())
    }

    #[test]
    fn a_file_of_another_version_is_told_by_what_it_lacks() {
        assert_eq!(fault(&schema(), Some("0.0.9")), None);
        assert_eq!(
            fault(&without(&["cache", "run"]), Some("0.0.9")).as_deref(),
            Some(
                "was written by another version of pixmill (0.0.9): it lacks the columns cache, run; \
                 measure again or leave the file out"
            )
        );
        assert_eq!(
            fault(&without(&["machine"]), None).as_deref(),
            Some(
                "was written by another version of pixmill: it lacks the column machine; \
                 measure again or leave the file out"
            )
        );
    }

    #[test]
    fn a_file_of_something_else_is_none_of_ours() {
        let other = Schema::new(vec![Field::new("source", DataType::Utf8, true)]);
        let fault = fault(&other, None).expect("a fault");
        assert!(fault.starts_with("holds no results of 'pixmill speed-test': it lacks the columns batch_size, "));
    }

    #[test]
    fn columns_may_be_wider_but_not_of_another_kind() {
        let with = |data_type: DataType| {
            let all = schema();
            let fields = all.fields().iter().map(|field| match field.name().as_str() {
                "seconds" => Field::new("seconds", data_type.clone(), true),
                _ => field.as_ref().clone(),
            });
            Schema::new(fields.collect::<Vec<_>>())
        };
        assert_eq!(fault(&with(DataType::Float32), None), None);
        assert_eq!(
            fault(&with(DataType::Utf8), None).as_deref(),
            Some(
                "holds no results of 'pixmill speed-test': its column 'seconds' must hold numbers, got Utf8; leave it out"
            )
        );
    }
}
