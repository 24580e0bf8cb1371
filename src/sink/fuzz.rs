//! What fuzzing and tests run of the sink: options of a `COPY`, and names of shards.

use std::collections::HashMap;

use super::{Format, NameTemplate, SinkOptions};

/// Options. The first byte is the format, the second the number of columns of `PARTITIONED BY`; names and values stand in lines, as in
/// `shards=3`.
pub(crate) fn options(input: &[u8]) {
    let Some(([format, columns], text)) = input.split_first_chunk() else { return };
    let format = Format::ALL[usize::from(*format) % Format::ALL.len()];
    let columns: Vec<String> = (0..columns % 3).map(|number| format!("column{number}")).collect();
    let text = String::from_utf8_lossy(text);
    let given = text.lines().filter_map(|line| line.split_once('='));
    let given: HashMap<String, String> = given.map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let Ok(options) = SinkOptions::try_new(format, &given, &columns) else { return };
    assert!(SinkOptions::try_new(format, &given, &columns).is_ok_and(|again| again == options));
    let wire = serde_json::to_vec(&options).unwrap_or_default();
    assert!(serde_json::from_slice::<SinkOptions>(&wire).is_ok_and(|again| again == options), "others on the wire");
    let _ = (options.warning(), options.check_schema(&datafusion::arrow::datatypes::Schema::empty()));
    names(&options.name_template, &options.prefix);
}

/// Names of shards are those of the template, and no two are one.
fn names(template: &NameTemplate, prefix: &str) {
    let name = |shard, records| template.name(prefix, shard, 12, records);
    for (shard, records) in [(0, 0), (1, 10), (11, 1), (10, u64::MAX)] {
        let name = name(shard, records);
        assert!(!name.contains(['/', '\0']), "{name:?}");
        assert!(template.matches(prefix, &name), "{name:?} isn't of the template {template} and the prefix {prefix:?}");
    }
    assert!(name(0, 1) != name(1, 1) && name(1, 11) != name(11, 1), "two shards of {template} have one name");
}
