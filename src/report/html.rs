//! Tables as HTML, whose texts are never markup.

use super::charts::series_variable;
use super::series::Series;
use crate::sheet::escaped;

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

    fn html(&self, tag: &str) -> String {
        match self {
            Self::Text(text) => format!("<{tag}>{}</{}>", escaped(text), name(tag)),
            Self::Number(text) => format!("<{tag} class=\"number\">{}</{}>", escaped(text), name(tag)),
            Self::Series(number, text) => format!("<{tag}>{}</{}>", series(*number, text), name(tag)),
            Self::Empty => format!("<{tag}></{}>", name(tag)),
        }
    }
}

/// A tag's name, without its attributes.
fn name(tag: &str) -> &str {
    tag.split(' ').next().unwrap_or(tag)
}

/// A series' name behind a spot of its colour.
pub(super) fn series(number: i64, text: &str) -> String {
    format!("<span class=\"series\" style=\"--colour: {}\">{}</span>", series_variable(number), escaped(text))
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
    pub(super) fn html(&self) -> String {
        let mut html =
            format!("<div class=\"table\"><table>\n<caption>{}</caption>\n<thead>\n", escaped(&self.caption));
        if !self.groups.is_empty() {
            let groups = self.groups.iter().map(|(text, span)| match text.is_empty() {
                true => format!("<td colspan=\"{span}\"></td>"),
                false => format!("<th scope=\"colgroup\" colspan=\"{span}\" class=\"group\">{}</th>", escaped(text)),
            });
            html.push_str(&format!("<tr>{}</tr>\n", groups.collect::<String>()));
        }
        let heads = self.heads.iter().map(|(text, is_number)| {
            let class = if *is_number { " class=\"number\"" } else { "" };
            format!("<th scope=\"col\"{class}>{}</th>", escaped(text))
        });
        html.push_str(&format!("<tr>{}</tr>\n</thead>\n<tbody>\n", heads.collect::<String>()));
        for row in &self.rows {
            html.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                html.push_str(&cell.html(if column == 0 { "th scope=\"row\"" } else { "td" }));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n</table></div>\n");
        html
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
            table.html(),
            "<div class=\"table\"><table>\n<caption>a &amp; b</caption>\n<thead>\n\
             <tr><td colspan=\"1\"></td><th scope=\"colgroup\" colspan=\"1\" class=\"group\">both</th></tr>\n\
             <tr><th scope=\"col\">&lt;x&gt;</th><th scope=\"col\" class=\"number\">n</th></tr>\n</thead>\n<tbody>\n\
             <tr><th scope=\"row\"><span class=\"series\" style=\"--colour: var(--series-2)\">&lt;b&gt;</span></th>\
             <td class=\"number\">1</td></tr>\n</tbody>\n</table></div>\n"
        );
    }
}
