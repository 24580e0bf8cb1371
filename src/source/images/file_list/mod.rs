//! Images whose places stand in a list, one in each row: a Parquet, CSV or JSON file, or several.

mod columns;
mod load;
mod rows;

pub(super) use columns::{ListColumns, check_list};
pub(super) use load::{ListLoader, Tools};
pub(super) use rows::{columns_of, scan};
