//! Texts as people read them: numbers of things in words, names and constants in SQL, what a terminal may show.

mod cut;
mod number;
mod sql;
mod terminal;

pub(crate) use cut::first_sentence;
pub(crate) use number::counted;
pub(crate) use sql::{identifier, quoted};
pub(crate) use terminal::{beginning, cut, cut_between, padded, printable, push, width};
