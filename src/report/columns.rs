//! The columns of a speed test's results, and whether a file has them.

use datafusion::arrow::datatypes::{DataType, Schema};

use crate::source::speed_test;

/// Columns that a file of something else is unlikely to have together.
const TELLING: [&str; 4] = ["batch_size", "batch_number", "repetition", "images_per_second"];

/// The schema that all files are brought to: every column of a measurement. Others are passed over.
pub(super) fn schema() -> Schema {
    speed_test::schema().as_ref().clone()
}

/// What a column holds, whatever its width.
fn kind(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Dictionary(_, values) => kind(values),
        other if other.is_string() => "text",
        other if other.is_integer() => "integers",
        other if other.is_floating() => "numbers",
        DataType::Boolean => "booleans",
        DataType::Timestamp(..) => "timestamps",
        _ => "something else",
    }
}

/// Whether a column can be brought to a type. One of nothing but NULL may have none.
fn fits(found: &DataType, wanted: &DataType) -> bool {
    found.is_null() || kind(found) == kind(wanted) || (found.is_integer() && wanted.is_floating())
}

/// What is wrong with a file's columns, in words that follow its name; `None` where nothing is.
pub(super) fn fault(schema: &Schema, version: Option<&str>) -> Option<String> {
    let all = self::schema();
    let names = all.fields().iter().map(|field| field.name().as_str());
    let missing: Vec<&str> = names.filter(|name| schema.column_with_name(name).is_none()).collect();
    let columns = if missing.len() == 1 { "column" } else { "columns" };
    if TELLING.iter().any(|name| missing.contains(name)) && missing.len() > all.fields().len() / 2 {
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
    let wrong = all.fields().iter().find_map(|wanted| {
        let (_, found) = schema.column_with_name(wanted.name())?;
        (!fits(found.data_type(), wanted.data_type())).then_some((wanted, found.data_type()))
    });
    wrong.map(|(wanted, got)| {
        let (name, words) = (wanted.name(), kind(wanted.data_type()));
        format!(
            "holds no results of 'pixmill speed-test': its column '{name}' must hold {words}, got {got}; leave it out"
        )
    })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Field;

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
