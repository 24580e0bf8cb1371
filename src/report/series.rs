//! Series: what the report compares, which is a source read in one way, and what each is called.

use std::collections::BTreeSet;

use super::query::QueryRows;
use crate::engine::Engine;
use crate::error::Result;

/// Characters of a location in a chart's legend: the fewest that tell it from the others.
const LENGTHS: [usize; 3] = [18, 32, 64];

/// A source, read in one way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    /// Its number in the table `measured`, from 1.
    pub(super) number: i64,
    pub(super) source: String,
    pub(super) format: Option<String>,
    pub(super) decode: Option<bool>,
    pub(super) size: Option<(i64, i64)>,
    pub(super) concurrent: Option<i64>,
    pub(super) rows: u64,
    pub(super) bytes_per_image: f64,
    pub(super) dataset_images: Option<i64>,
    pub(super) dataset_bytes: Option<i64>,
    /// What sentences and legends call it.
    pub(super) name: String,
}

impl Series {
    pub(super) fn is_shards(&self) -> bool {
        self.format.as_deref() == Some("tfrecord")
    }

    /// `files`, `shards`, or what else the format is called.
    fn kind(&self) -> &str {
        match self.format.as_deref() {
            Some("images") => "files",
            Some("tfrecord") => "shards",
            Some(other) => other,
            None => "source",
        }
    }

    /// What was done with each image.
    pub(super) fn treatment(&self) -> String {
        match (self.decode, self.size) {
            (Some(false), _) => "read only".to_string(),
            (Some(true), Some((width, height))) => format!("decoded, resized to {width}x{height}"),
            (Some(true), None) => "decoded".to_string(),
            (None, _) => "not known".to_string(),
        }
    }

    fn concurrency(&self) -> String {
        self.concurrent.map(|tests| format!("{tests} at once")).unwrap_or_default()
    }
}

/// All series, files before shards.
pub(super) async fn all(engine: &Engine) -> Result<Vec<Series>> {
    let rows = QueryRows::of(
        engine,
        "SELECT series, first_value(source) AS source, first_value(format) AS format, first_value(decode) AS decode,
                first_value(width) AS width, first_value(height) AS height, first_value(concurrent) AS concurrent,
                count(*) AS measurements, sum(bytes) / CAST(sum(images) AS DOUBLE) AS bytes_per_image,
                max(dataset_images) AS dataset_images, max(dataset_bytes) AS dataset_bytes
         FROM measured GROUP BY series ORDER BY series",
    )
    .await?;
    let (numbers, measurements) = (rows.integers("series")?, rows.integers("measurements")?);
    let (sources, formats) = (rows.texts("source")?, rows.texts("format")?);
    let (decodes, concurrents) = (rows.truths("decode")?, rows.integers("concurrent")?);
    let (widths, heights) = (rows.integers("width")?, rows.integers("height")?);
    let bytes_per_image = rows.numbers("bytes_per_image")?;
    let (dataset_images, dataset_bytes) = (rows.integers("dataset_images")?, rows.integers("dataset_bytes")?);
    let mut all: Vec<Series> = (0..rows.len())
        .map(|row| Series {
            number: numbers[row].unwrap_or_default(),
            source: sources[row].clone().unwrap_or_default(),
            format: formats[row].clone(),
            decode: decodes[row],
            size: widths[row].zip(heights[row]),
            concurrent: concurrents[row],
            rows: measurements[row].unwrap_or_default().unsigned_abs(),
            bytes_per_image: bytes_per_image[row].unwrap_or_default(),
            dataset_images: dataset_images[row].filter(|images| *images > 0),
            dataset_bytes: dataset_bytes[row].filter(|bytes| *bytes > 0),
            name: String::new(),
        })
        .collect();
    name(&mut all);
    Ok(all)
}

/// Gives each the shortest name that tells it from the others.
fn name(all: &mut [Series]) {
    let names: Vec<String> = all
        .iter()
        .map(|series| {
            let of_kind: Vec<&Series> = all.iter().filter(|other| other.kind() == series.kind()).collect();
            let mut name = series.kind().to_string();
            if varies(&of_kind, |other| other.source.clone()) {
                let sources: BTreeSet<&str> = of_kind.iter().map(|other| other.source.as_str()).collect();
                name = format!("{name} {}", shortened(&series.source, &sources));
            }
            // Only what differs among those of the same source has to be said.
            let of_source: Vec<&Series> = of_kind.into_iter().filter(|other| other.source == series.source).collect();
            let mut ways = Vec::new();
            if varies(&of_source, Series::treatment) {
                ways.push(series.treatment());
            }
            if varies(&of_source, Series::concurrency) {
                ways.push(series.concurrency());
            }
            ways.retain(|way| !way.is_empty());
            if ways.is_empty() { name } else { format!("{name} ({})", ways.join(", ")) }
        })
        .collect();
    for (series, name) in all.iter_mut().zip(names) {
        series.name = name;
    }
}

fn varies(all: &[&Series], value: impl Fn(&Series) -> String) -> bool {
    all.iter().map(|series| value(series)).collect::<BTreeSet<_>>().len() > 1
}

/// The end of a location, which tells more than its beginning, as long as it is the only one with this end.
fn shortened(location: &str, all: &BTreeSet<&str>) -> String {
    let end = |location: &str, length: usize| -> Option<String> {
        let skipped = location.chars().count().checked_sub(length).filter(|skipped| *skipped > 0)?;
        Some(location.chars().skip(skipped).collect())
    };
    let told = LENGTHS.into_iter().find_map(|length| {
        let own = end(location, length)?;
        let same = all.iter().filter(|other| end(other, length).as_ref() == Some(&own)).count();
        (same == 1).then(|| format!("\u{2026}{own}"))
    });
    match told {
        Some(told) if told.chars().count() < location.chars().count() => told,
        _ => location.to_string(),
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::Series;

    pub(in crate::report) fn series(number: i64, source: &str, format: &str) -> Series {
        Series {
            number,
            source: source.to_string(),
            format: Some(format.to_string()),
            decode: Some(true),
            size: None,
            concurrent: Some(1),
            rows: 12,
            bytes_per_image: 100_000.0,
            dataset_images: Some(3670),
            dataset_bytes: Some(367_000_000),
            name: if format == "images" { "files".to_string() } else { "shards".to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::series;
    use super::*;

    fn names(mut all: Vec<Series>) -> Vec<String> {
        name(&mut all);
        all.into_iter().map(|series| series.name).collect()
    }

    #[test]
    fn one_of_each_kind_is_called_by_its_kind() {
        assert_eq!(names(vec![series(1, "a", "images"), series(2, "b", "tfrecord")]), ["files", "shards"]);
    }

    #[test]
    fn names_say_what_differs() {
        let only_read = Series { decode: Some(false), ..series(2, "a", "images") };
        let four = Series { concurrent: Some(4), ..series(4, "c", "tfrecord") };
        let all = vec![series(1, "a", "images"), only_read, series(3, "a/long/location/of/many/photos", "images")];
        assert_eq!(names(all), ["files a (decoded)", "files a (read only)", "files …ion/of/many/photos"]);
        assert_eq!(names(vec![series(3, "c", "tfrecord"), four]), ["shards (1 at once)", "shards (4 at once)"]);
        let alike = ["gs://first-bucket/flowers/*/*.jpg", "gs://other-bucket/flowers/*/*.jpg"];
        assert_eq!(
            names(alike.iter().zip(1..).map(|(source, number)| series(number, source, "images")).collect()),
            ["files gs://first-bucket/flowers/*/*.jpg", "files gs://other-bucket/flowers/*/*.jpg"]
        );
    }
}
