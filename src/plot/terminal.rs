//! A plot in a terminal.

use std::io::Write;

use super::colours::Meaning;
use super::png::{coarse, pixels};
use super::{Drawing, Look, Plot, PlotFormat, Theme};
use crate::engine::{Session, Statement};
use crate::error::{Error, Result};
use crate::report::number;
use crate::report::palette::Shade;
use crate::sheet::{Graphics, NO_PICTURES, Screen, Thumbnail};
use crate::words::{cut_between, padded, printable, width};

/// Classes that are named below a coarse picture.
const MOST_KEYS: usize = 48;
/// The most letters of a name there.
const MOST_NAME: usize = 24;

/// Draws a query in a terminal so many characters wide.
///
/// # Errors
/// What can't be drawn, and a terminal without pictures.
pub(crate) async fn show(
    session: &Session,
    query: Statement,
    mut look: Look,
    out: &mut impl Write,
    graphics: Graphics,
    columns: usize,
) -> Result<String> {
    if graphics == Graphics::None {
        return Err(Error::Usage(format!(
            "{NO_PICTURES}; write a file, or PIXMILL_GRAPHICS=blocks shows it in colours"
        )));
    }
    let screen = Screen::whole(graphics, columns);
    // Most terminals are dark.
    let theme = look.theme.unwrap_or(Theme::Dark);
    look.width = screen.side().max(200);
    look.height = look.width * 2 / 3;
    let plot = Plot::of(session, query, look, PlotFormat::Png).await?;
    let text = if screen.is_coarse() { coarsely(&plot, &screen, theme) } else { finely(&plot, &screen, theme) };
    out.write_all(text.map_err(super::cannot_draw)?.as_bytes()).map_err(Error::output)?;
    for note in plot.notes(PlotFormat::Png) {
        eprintln!("{note}");
    }
    Ok(plot.summary())
}

fn finely(plot: &Plot, screen: &Screen, theme: Theme) -> std::result::Result<String, String> {
    let canvas = pixels(plot, theme);
    screen.picture(Thumbnail::new(canvas.width, canvas.height, 3, canvas.rgb())?)
}

/// Points alone, and in words what they mean; a matrix as its numbers.
fn coarsely(plot: &Plot, screen: &Screen, theme: Theme) -> std::result::Result<String, String> {
    let colour = |shade: &Shade| {
        let colour = theme.colour(shade);
        [colour.0, colour.1, colour.2]
    };
    let points = match &plot.drawing {
        Drawing::Points(points) => points,
        Drawing::Matrix(matrix) => return Ok(matrix.lines(&|text, shade| screen.coloured(text, colour(shade)))),
    };
    let side = screen.side();
    let canvas = coarse(points, (side, side * 3 / 5 / 2 * 2), theme);
    let mut text = screen.picture(Thumbnail::new(canvas.width, canvas.height, 3, canvas.rgb())?)?;
    let range = |axis: fn(&(f64, f64)) -> f64| {
        let values = points.places.iter().map(axis);
        let (least, most) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
        format!("{} to {}", number(least), number(most))
    };
    text.push_str(&format!("x {}, y {}\n", range(|place| place.0), range(|place| place.1)));
    let shades = &points.colours.shades;
    match &points.colours.meaning {
        Meaning::Nothing => {}
        Meaning::Scale(axis) => {
            let steps = shades.iter().rev().skip(1).rev().map(|shade| screen.coloured("█", colour(shade)));
            let ticks: Vec<&str> = axis.ticks().map(|(_, text)| text).collect();
            let ends = (ticks.first().unwrap_or(&""), ticks.last().unwrap_or(&""));
            text.push_str(&format!("{} {} {}\n", ends.0, steps.collect::<String>(), ends.1));
        }
        Meaning::Classes(classes) => {
            let keys = classes.iter().take(MOST_KEYS).map(|class| {
                let name = cut_between(&printable(&class.name), MOST_NAME);
                (shades.get(class.mark.shade).map(colour), format!("{name} {}", class.points))
            });
            let keys: Vec<_> = keys.collect();
            let wide = keys.iter().map(|(_, key)| width(key)).max().unwrap_or(0);
            let across = ((side as usize + 2) / (wide + 4)).max(1);
            for row in keys.chunks(across) {
                for (colour, key) in row {
                    let dot = colour.map_or_else(|| "●".to_string(), |colour| screen.coloured("●", colour));
                    text.push_str(&format!("{dot} {}  ", padded(key, wide, false)));
                }
                text.truncate(text.trim_end().len());
                text.push('\n');
            }
            if classes.len() > MOST_KEYS {
                text.push_str(&format!("and {} more classes\n", classes.len() - MOST_KEYS));
            }
        }
    }
    Ok(text)
}
