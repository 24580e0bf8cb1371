//! Files that DataFusion reads by itself, told by their names.

/// What a name says of a file that DataFusion reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListedFormat {
    /// What DataFusion calls it.
    pub(crate) name: &'static str,
    /// The extension of its compression.
    pub(crate) compression: Option<&'static str>,
    /// Whether tabs are between the values.
    pub(crate) has_tabs: bool,
}

/// What a compressed file's name ends in.
const COMPRESSIONS: [&str; 4] = ["gz", "bz2", "xz", "zst"];

impl ListedFormat {
    /// What a file name says; `None` where it says nothing.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (plain, end) = name.rsplit_once('.')?;
        let compression = COMPRESSIONS.into_iter().find(|compression| *compression == end);
        let extension = if compression.is_some() { plain.rsplit_once('.')?.1 } else { end };
        let name = match extension {
            "csv" | "tsv" => "csv",
            "json" | "jsonl" | "ndjson" => "json",
            // These are compressed within.
            _ if compression.is_some() => return None,
            "parquet" => "parquet",
            "arrow" => "arrow",
            "avro" => "avro",
            _ => return None,
        };
        Some(Self { name, compression, has_tabs: extension == "tsv" })
    }

    /// How the name of such a file ends: from its last dot on, or of compressed files from the one before.
    pub(crate) fn name_end(name: &str) -> &str {
        let is_compressed = Self::of_name(name).is_some_and(|format| format.compression.is_some());
        name.rmatch_indices('.').nth(usize::from(is_compressed)).map_or("", |(dot, _)| &name[dot..])
    }

    /// What DataFusion is told of it.
    pub(crate) fn options(self) -> impl Iterator<Item = (String, String)> {
        let compression =
            self.compression.map(|compression| ("format.compression".to_string(), compression.to_string()));
        let delimiter = self.has_tabs.then(|| ("format.delimiter".to_string(), "\t".to_string()));
        compression.into_iter().chain(delimiter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_tell_format_compression_and_delimiter() {
        let told = |name: &str| ListedFormat::of_name(name).map(|it| (it.name, it.compression, it.has_tabs));
        assert_eq!(told("r.csv"), Some(("csv", None, false)));
        assert_eq!(told("R.TSV"), Some(("csv", None, true)));
        assert_eq!(told("x/r.tsv.gz"), Some(("csv", Some("gz"), true)));
        assert_eq!(told("r.csv.bz2"), Some(("csv", Some("bz2"), false)));
        assert_eq!(told("r.json.xz"), Some(("json", Some("xz"), false)));
        assert_eq!(told("r.v2.jsonl.zst"), Some(("json", Some("zst"), false)));
        assert_eq!(told("r.ndjson"), Some(("json", None, false)));
        assert_eq!(told("r.parquet"), Some(("parquet", None, false)));
        for name in ["csv", "r.parquet.gz", "r.gz", "csv.gz", "r.txt", "r.csv.zip", ".gz"] {
            assert_eq!(told(name), None, "{name}");
        }
    }
}
