//! What only a whole engine shows of the rooms below it.

mod fingerprint;
mod image_work;
mod memory;
mod planning;
mod summarize;
