//! Where rows come from. Sources know no sink.

pub mod images;
