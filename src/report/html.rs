//! Tables as HTML, whose texts are never markup.

use maud::{Markup, html};

use super::charts::series_variable;
use super::series::Series;
use crate::words::Text;

/// What stands in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Text(String),
    /// Numbers end at the same place.
    Number(String),
    /// A series, with its colour in charts.
    Series(i64, String),
    /// Nothing to say.
    Empty,
}

impl Cell {
    pub(super) fn of(series: &Series) -> Self {
        Self::Series(series.number, series.name.clone())
    }

    /// A number, or nothing.
    pub(super) fn maybe(text: Option<String>) -> Self {
        text.map_or(Self::Empty, Self::Number)
    }

    /// The cell of a row; the first one is the row's head.
    fn html(&self, is_head: bool) -> Markup {
        let content = match self {
            Self::Text(text) | Self::Number(text) => html! { (Text(text)) },
            Self::Series(number, text) => series(*number, text),
            Self::Empty => html! {},
        };
        let class = matches!(self, Self::Number(_)).then_some("number");
        html! {
            @if is_head { th scope="row" class=[class] { (content) } } @else { td class=[class] { (content) } }
        }
    }
}

/// A series' name behind a spot of its colour.
pub(super) fn series(number: i64, text: &str) -> Markup {
    html! { span class="series" style={ "--colour: " (series_variable(number)) } { (Text(text)) } }
}

/// A table.
pub(super) struct Table {
    pub(super) caption: String,
    /// Heads over several columns: their texts and how many.
    pub(super) groups: Vec<(&'static str, usize)>,
    /// Heads of columns, and whether they hold numbers.
    pub(super) heads: Vec<(String, bool)>,
    /// The first cell of each row says what the row is about.
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn html(&self) -> Markup {
        html! {
            div class="table" {
                table { "\n"
                    caption { (Text(&self.caption)) } "\n"
                    thead { "\n"
                        @if !self.groups.is_empty() {
                            tr {
                                @for (text, span) in &self.groups {
                                    @if text.is_empty() {
                                        td colspan=(span) {}
                                    } @else {
                                        th scope="colgroup" colspan=(span) class="group" { (Text(text)) }
                                    }
                                }
                            } "\n"
                        }
                        tr {
                            @for (text, is_number) in &self.heads {
                                th scope="col" class=[is_number.then_some("number")] { (Text(text)) }
                            }
                        } "\n"
                    } "\n"
                    tbody { "\n"
                        @for row in &self.rows {
                            tr { @for (column, cell) in row.iter().enumerate() { (cell.html(column == 0)) } } "\n"
                        }
                    } "\n"
                }
            } "\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_tables_are_never_markup() {
        let table = Table {
            caption: "a & b".to_string(),
            groups: vec![("", 1), ("both", 1)],
            heads: vec![("<x>".to_string(), false), ("n".to_string(), true)],
            rows: vec![vec![Cell::Series(2, "<b>".to_string()), Cell::Number("1".to_string())]],
        };
        assert_eq!(
            table.html().into_string(),
            "<div class=\"table\"><table>\n<caption>a &amp; b</caption>\n<thead>\n\
             <tr><td colspan=\"1\"></td><th scope=\"colgroup\" colspan=\"1\" class=\"group\">both</th></tr>\n\
             <tr><th scope=\"col\">&lt;x&gt;</th><th scope=\"col\" class=\"number\">n</th></tr>\n</thead>\n<tbody>\n\
             <tr><th scope=\"row\"><span class=\"series\" style=\"--colour: var(--series-2)\">&lt;b&gt;</span></th>\
             <td class=\"number\">1</td></tr>\n</tbody>\n</table></div>\n"
        );
    }
}
