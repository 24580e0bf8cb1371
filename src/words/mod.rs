//! Texts as people read them: numbers of things in words, names and constants in SQL, what object stores say, what a terminal and a page may show.

mod cut;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod html;
mod number;
mod sql;
mod store;
mod terminal;

pub(crate) use cut::{first_sentence, one_line};
pub(crate) use html::{Text, page};
pub(crate) use number::counted;
pub(crate) use sql::{identifier, quoted};
pub(crate) use store::{Advised, chain, elements, of_store, unescaped};
pub(crate) use terminal::{beginning, cut, cut_between, padded, printable, push, width};
