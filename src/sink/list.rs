//! The one list of formats of shards.

use serde::{Deserialize, Serialize};

use super::format::{OwnOptions, ShardFormat, WithEncoder};
use super::parquet::ParquetOptions;
use super::tfrecord::TfRecordOptions;
use super::webdataset::WebDatasetOptions;
use crate::config::OptionPage;

/// Makes the list of formats.
macro_rules! formats {
    ($($(#[$doc:meta])+ $name:ident: $options:ty,)+) => {
        /// What shards are.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Format {
            $($(#[$doc])+ $name,)+
        }

        /// A format and its own options.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
        #[serde(tag = "format", rename_all = "lowercase")]
        pub enum FormatOptions {
            $($(#[$doc])+ $name($options),)+
        }

        impl Format {
            /// Each of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            fn page_of(self) -> &'static FormatPage {
                match self {
                    $(Self::$name => const { &FormatPage::of::<$options>() },)+
                }
            }
        }

        impl FormatOptions {
            /// The defaults of a format.
            pub(super) fn new(format: Format) -> Self {
                match format {
                    $(Format::$name => Self::$name(<$options>::default()),)+
                }
            }

            /// The format.
            pub(super) fn format(&self) -> Format {
                match self {
                    $(Self::$name(_) => Format::$name,)+
                }
            }

            /// The format's own options.
            pub(super) fn own(&self) -> &dyn OwnOptions {
                match self {
                    $(Self::$name(own) => own,)+
                }
            }

            /// The format's own options, to be set.
            pub(super) fn own_mut(&mut self) -> &mut dyn OwnOptions {
                match self {
                    $(Self::$name(own) => own,)+
                }
            }

            /// Does something with the format's encoder.
            pub(super) fn with_encoder<W: WithEncoder>(&self, work: W) -> W::Output {
                match self {
                    $(Self::$name(_) => work.with::<<$options as ShardFormat>::Encoder>(),)+
                }
            }
        }
    };
}

formats! {
    /// Records of `tf.train.Example`.
    TfRecord: TfRecordOptions,
    /// Tar files whose neighbouring members are a sample.
    WebDataset: WebDatasetOptions,
    /// Parquet files with the image columns of Hugging Face.
    Parquet: ParquetOptions,
}

/// What there is to say of a format, whatever its options are.
struct FormatPage {
    name: &'static str,
    shown: &'static str,
    asked_by: Option<&'static str>,
    page: (&'static str, &'static str),
    options: &'static [OptionPage],
    name_template: &'static str,
    named_templates: &'static [(&'static str, &'static str)],
    prefix: &'static str,
    directory_prefix: fn(&str) -> bool,
}

impl FormatPage {
    const fn of<F: ShardFormat>() -> Self {
        Self {
            name: F::NAME,
            shown: F::SHOWN,
            asked_by: F::ASKED_BY,
            page: F::PAGE,
            options: F::OPTIONS,
            name_template: F::NAME_TEMPLATE,
            named_templates: F::NAMED_TEMPLATES,
            prefix: F::PREFIX,
            directory_prefix: F::DIRECTORY_PREFIX,
        }
    }
}

impl Format {
    /// The type name in `STORED AS`, in lower case; the manifest's name, too.
    pub fn name(self) -> &'static str {
        self.page_of().name
    }

    /// The format of a type name in lower case.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }

    /// The option by which a `COPY` asks for these shards, where DataFusion has a format of the same name.
    pub(crate) fn asked_by(self) -> Option<&'static str> {
        self.page_of().asked_by
    }

    /// The title of the options' page, and how they are given.
    pub(crate) fn page(self) -> (&'static str, &'static str) {
        self.page_of().page
    }

    /// What `OPTIONS (...)` knows.
    pub fn options(self) -> &'static [OptionPage] {
        self.page_of().options
    }

    /// As a statement has it.
    pub(super) fn shown(self) -> &'static str {
        self.page_of().shown
    }

    /// How shards are named where no `name_template` says otherwise.
    pub(super) fn name_template(self) -> &'static str {
        self.page_of().name_template
    }

    /// Names for other templates.
    pub(super) fn named_templates(self) -> &'static [(&'static str, &'static str)] {
        self.page_of().named_templates
    }

    /// What shard names begin with where no `prefix` says otherwise.
    pub(super) fn prefix(self) -> &'static str {
        self.page_of().prefix
    }

    /// Whether names of shards may begin with such a value of their directory.
    pub(super) fn is_directory_prefix(self, value: &str) -> bool {
        (self.page_of().directory_prefix)(value)
    }
}
