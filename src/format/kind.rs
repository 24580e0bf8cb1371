//! What a file is by its name.

use std::path::Path;

use super::tfrecord::is_beside_data;

/// File name extensions of images, in any case.
pub(crate) const IMAGE_EXTENSIONS: [&str; 17] = [
    "bmp", "gif", "ico", "jfif", "jpe", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm", "qoi", "tga", "tif", "tiff",
    "webp",
];

/// Whether a name is that of a JPEG.
pub(crate) fn is_jpeg(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["jfif", "jpe", "jpeg", "jpg"].iter().any(|jpeg| jpeg.eq_ignore_ascii_case(extension))
}

/// Names of columns and features that hold images, the likeliest first.
pub(crate) const IMAGE_COLUMNS: [&str; 8] =
    ["image", "image/encoded", "jpg", "jpeg", "png", "image/bytes", "content", "bytes"];

/// Names of columns that hold labels, the likeliest first.
pub(crate) const LABEL_COLUMNS: [&str; 8] = [
    "label",
    "label_name",
    "class_name",
    "image/class/text",
    "class",
    "image/class/label",
    "cls",
    "image/object/class/text",
];

/// What a name says that a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// An image file.
    Image,
    /// A file of records, compressed or not.
    TfRecord,
    /// A tar file, compressed or not.
    Tar,
    /// A Parquet file.
    Parquet,
}

impl FileKind {
    /// What a file name says; `None` where it says nothing.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zlib")).unwrap_or(&name);
        match plain.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "parquet" => Some(Self::Parquet),
            "tar" | "tgz" => Some(Self::Tar),
            extension if IMAGE_EXTENSIONS.contains(&extension) => Some(Self::Image),
            // As in `x.tfrecord-00000-of-00012` or `x.record-00000-of-00012`, the extension may go on.
            _ if plain.contains("tfrec") || plain.contains(".record") => Some(Self::TfRecord),
            _ => None,
        }
    }

    /// What a file's name says that it holds; `None` also of what stands beside data, such as an index.
    pub(crate) fn of_data(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        Self::of_name(name).filter(|_| !is_beside_data(path))
    }

    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::TfRecord => "TFRecord",
            Self::Tar => "tar",
            Self::Parquet => "Parquet",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_file_is() {
        let cases = [
            ("1.JPG", Some(FileKind::Image)),
            ("my.recording.png", Some(FileKind::Image)),
            ("flowers00-230.tfrec", Some(FileKind::TfRecord)),
            ("flowers00-230.tfrec.GZ", Some(FileKind::TfRecord)),
            ("part-00000.tfrecord.zlib", Some(FileKind::TfRecord)),
            ("mnist-train.tfrecord-00000-of-00001", Some(FileKind::TfRecord)),
            ("val.record", Some(FileKind::TfRecord)),
            ("coco.records", Some(FileKind::TfRecord)),
            ("coco_train.record-00000-of-00100", Some(FileKind::TfRecord)),
            ("train-00000-of-00016.parquet", Some(FileKind::Parquet)),
            ("tfrecs.parquet", Some(FileKind::Parquet)),
            ("name-000000.tar", Some(FileKind::Tar)),
            ("name-000000.tar.gz", Some(FileKind::Tar)),
            ("name-000000.tgz", Some(FileKind::Tar)),
            ("LICENSE.txt", None),
            ("part-00000", None),
        ];
        for (name, expected) in cases {
            assert_eq!(FileKind::of_name(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_beside_the_data_tells_nothing() {
        let kinds = ["out/1.jpg", "out/.1.jpg", "out/a.tfrec", "out/a.tfrec.idx", "_manifest.json"];
        let expected = [Some(FileKind::Image), None, Some(FileKind::TfRecord), None, None];
        assert_eq!(kinds.map(|path| FileKind::of_data(Path::new(path))), expected);
    }
}
