//! The one list of sources.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};

use super::cifar10::Cifar10Table;
use super::format::{Source, SourceTable};
use super::images::ImagesTable;
use super::node::{ReadExec, Reader};
use super::speed_test::SpeedTestTable;
use super::tfrecord::TfRecordTable;
use super::webdataset::WebDatasetTable;

/// Makes the list of sources, and their messages.
macro_rules! sources {
    ($($name:ident = $kind:ident::<$table:ty>;)+) => {
        /// Each source.
        pub(crate) const SOURCES: &[Source] = &[$(Source::$kind::<$table>()),+];

        /// A table on the wire.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "table", rename_all = "lowercase")]
        pub(crate) enum TableMessage {
            $($name(<$table as SourceTable>::Message)),+
        }

        impl TableMessage {
            /// The message of a table of ours; `None` of others.
            pub(crate) fn of(table: &dyn TableProvider) -> Option<Self> {
                $(if let Some(table) = table.downcast_ref::<$table>() {
                    return Some(Self::$name(table.to_message()));
                })+
                None
            }

            fn locations(&mut self) -> &mut [String] {
                match self {
                    $(Self::$name(message) => <$table>::locations(message)),+
                }
            }

            /// The table.
            ///
            /// # Errors
            /// A message that makes none.
            pub(crate) fn table(self) -> Result<Arc<dyn TableProvider>> {
                match self {
                    $(Self::$name(message) => Ok(Arc::new(<$table>::from_message(message)?))),+
                }
            }
        }

        /// A node that reads, on the wire.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "reader", rename_all = "lowercase")]
        pub(crate) enum ReaderMessage {
            $($name(<$table as SourceTable>::ReaderMessage)),+
        }

        impl ReaderMessage {
            fn reader(self) -> Result<Arc<dyn Reader>> {
                match self {
                    $(Self::$name(message) => <$table>::reader(message)),+
                }
            }
        }

        $(impl From<<$table as SourceTable>::ReaderMessage> for ReaderMessage {
            fn from(message: <$table as SourceTable>::ReaderMessage) -> Self {
                Self::$name(message)
            }
        })+
    };
}

sources! {
    Images = files::<ImagesTable>;
    TfRecord = files::<TfRecordTable>;
    Cifar10 = files::<Cifar10Table>;
    WebDataset = files::<WebDatasetTable>;
    SpeedTest = function::<SpeedTestTable>;
}

impl TableMessage {
    /// The same table somewhere else.
    pub(crate) fn with_location(mut self, change: impl Fn(&str) -> String) -> Self {
        for location in self.locations() {
            *location = change(location);
        }
        self
    }
}

impl ReaderMessage {
    /// The node, above its work items.
    ///
    /// # Errors
    /// A message that makes none.
    pub(crate) fn node(self, items: Arc<dyn ExecutionPlan>, fetch: Option<usize>) -> Result<ReadExec> {
        ReadExec::try_new(items, self.reader()?, fetch)
    }
}
