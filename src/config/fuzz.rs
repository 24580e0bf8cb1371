//! What fuzzing and tests run of the options of sessions.

use datafusion::common::config::ConfigOptions;
use datafusion::prelude::SessionContext;

use super::PixmillOptions;

/// Options, one in each line, as in `pixmill.batch_bytes=1000`: what is set is read back as it was, and has a size.
pub(crate) fn settings(input: &[u8]) {
    let mut options = ConfigOptions::default();
    options.extensions.insert(PixmillOptions::default());
    for (name, value) in String::from_utf8_lossy(input).lines().filter_map(|line| line.split_once('=')).take(20) {
        let _ = SessionContext::parse_capacity_limit(name, value);
        // Of a name what stands behind a further dot isn't looked at.
        if name.contains('.') || options.set(&format!("pixmill.{name}"), value).is_err() {
            continue;
        }
        let key = format!("pixmill.{name}");
        let entry = options.entries().into_iter().find(|entry| entry.key.eq_ignore_ascii_case(key.trim()));
        let shown = entry.and_then(|entry| entry.value).unwrap_or_default();
        assert!(options.set(&key, &shown).is_ok(), "{name} is {shown:?}, which can't be set");
    }
    let ours = PixmillOptions::of(&options);
    assert!((1..=1 << 30).contains(&ours.batch_bytes()) && (1..=1 << 30).contains(&ours.decoded_batch_bytes()));
    assert!((1..=1000).contains(&ours.prefetch_batches()));
    let _ = (ours.prefetch_bytes(), ours.executor_wait(), ours.resume(), ours.retry_rejects(), ours.memory_limit());
}
