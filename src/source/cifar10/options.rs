//! Options of the source `CIFAR10`.

use datafusion::common::{Result, plan_err};
use serde::{Deserialize, Serialize};

use crate::config::{OptionPage, names, option, value};
use crate::source::Partitions;
use crate::source::arguments::SourceOptions;

/// How the images of CIFAR-10 are cut into partitions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cifar10Options {
    /// How many partitions.
    pub partitions: Partitions,
}

impl SourceOptions for Cifar10Options {
    const OPTIONS: &'static [OptionPage] = &[option(
        "partitions",
        "by images and bytes",
        "How many parts the images are cut into, 1 to 100000, across files; their counts differ by one at most. `shards` of a COPY outranks it.",
    )];

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "partitions" => self.partitions = Partitions::Exactly(value::count(name, value)?),
            _ => return plan_err!("unknown option '{name}' for CIFAR-10; the options are {}", names(Self::OPTIONS)),
        }
        Ok(())
    }
}
