//! What fuzzing and tests run of object stores: addresses, rules and profiles.

use url::Url;

use super::address::{Bucket, check_object_url, is_object_url};
use super::aws_profile::{Section, section};
use super::settings::{StoreRule, StoreSettings};
use super::{check_object, split};

/// URLs of objects: what is accepted names a bucket, and tells no secret.
pub(crate) fn addresses(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let checked = check_object_url(&text);
    let _ = check_object(&text);
    if let Ok((place, key)) = split(&text) {
        assert_eq!(format!("{place}{key}"), text);
    }
    let Ok(url) = Url::parse(&text) else { return };
    match Bucket::of_url(&url) {
        Ok(Some(bucket)) => {
            assert!(!bucket.name.is_empty() && url.password().is_none(), "{text:?}");
            let shown = bucket.to_string();
            let again = Url::parse(&shown).ok().and_then(|url| Bucket::of_url(&url).ok().flatten());
            assert!(again.is_none_or(|again| again == bucket), "{shown} is another bucket than that of {text:?}");
            let _ = StoreSettings::default().of(&bucket);
        }
        Ok(None) => {}
        Err(_) => assert!(!is_object_url(&text) || checked.is_err(), "{text:?}"),
    }
}

/// Rules of stores: what one says, it says again when it is read from its text.
pub(crate) fn rules(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(rule) = text.parse::<StoreRule>() {
        let shown = rule.to_string();
        assert!(shown.parse::<StoreRule>().is_ok_and(|again| again == rule), "{text:?} is shown as {shown:?}");
    }
}

/// Profiles of AWS: the first line is a name, the rest a file.
pub(crate) fn profiles(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Some((name, file)) = text.split_once('\n') else { return };
    if let Some(values) = section(file, Section::Profile, name) {
        assert!(file.contains('[') && values.keys().all(|key| key.trim() == key), "{values:?}");
    }
    // A line more of another section changes nothing.
    let with_more = format!("{file}\n[profile another of three words]\nregion = x\n");
    assert_eq!(section(&with_more, Section::Profile, name), section(file, Section::Profile, name), "{file:?}");
}
