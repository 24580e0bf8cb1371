//! The colours of charts: drawn in those of a light page, and mapped by a style to those of a dark one.

use std::fmt;

use plotters::style::RGBColor;

/// A colour as it is drawn, and as it is shown on a dark page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shade {
    pub(crate) name: ShadeName,
    pub(crate) light: RGBColor,
    pub(crate) dark: RGBColor,
}

/// What a style calls a colour: a word, and a number among those of the word where there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShadeName(pub(crate) &'static str, pub(crate) usize);

impl fmt::Display for ShadeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            0 => f.write_str(self.0),
            number => write!(f, "{}-{number}", self.0),
        }
    }
}

/// Shortens the table.
const fn shade(name: &'static str, number: usize, light: (u8, u8, u8), dark: (u8, u8, u8)) -> Shade {
    let (light, dark) = (RGBColor(light.0, light.1, light.2), RGBColor(dark.0, dark.1, dark.2));
    Shade { name: ShadeName(name, number), light, dark }
}

/// The page itself.
pub(crate) const PAPER: Shade = shade("paper", 0, (0xFF, 0xFF, 0xFF), (0x15, 0x18, 0x1D));
pub(crate) const INK_SHADE: Shade = shade("ink", 0, (0x1B, 0x1F, 0x24), (0xE7, 0xE9, 0xED));
pub(crate) const GREY_SHADE: Shade = shade("grey", 0, (0x5A, 0x62, 0x70), (0xA2, 0xAA, 0xB6));
pub(crate) const GRID_SHADE: Shade = shade("grid", 0, (0xE2, 0xE5, 0xEA), (0x34, 0x3A, 0x43));
pub(in crate::report) const INK: RGBColor = INK_SHADE.light;
pub(in crate::report) const GREY: RGBColor = GREY_SHADE.light;
pub(in crate::report) const GRID: RGBColor = GRID_SHADE.light;

/// Colours that stand out from their page by 3 to 1; the first six differ in lightness or along blue and yellow, which all eyes tell apart.
pub(crate) const SERIES: [Shade; 12] = [
    shade("series", 1, (0x1F, 0x6F, 0xB5), (0x6C, 0xB4, 0xF0)),
    shade("series", 2, (0xD1, 0x5F, 0x0A), (0xFF, 0xA4, 0x5C)),
    shade("series", 3, (0x0B, 0x87, 0x6B), (0x52, 0xCD, 0xAE)),
    shade("series", 4, (0xA2, 0x3B, 0x8A), (0xE7, 0x95, 0xD1)),
    shade("series", 5, (0x8A, 0x73, 0x00), (0xD8, 0xC0, 0x4D)),
    shade("series", 6, (0x4B, 0x4F, 0xA8), (0xAE, 0xB2, 0xFF)),
    shade("series", 7, (0xC6, 0x2B, 0x34), (0xFF, 0x85, 0x7D)),
    shade("series", 8, (0x0A, 0x7F, 0x9C), (0x4F, 0xCF, 0xEA)),
    shade("series", 9, (0x74, 0x46, 0x23), (0xD3, 0xA2, 0x74)),
    shade("series", 10, (0xDB, 0x3F, 0x8F), (0xFF, 0x8F, 0xC0)),
    shade("series", 11, (0x4F, 0x84, 0x0E), (0xA3, 0xD9, 0x58)),
    shade("series", 12, (0x3A, 0x46, 0x58), (0xC6, 0xD0, 0xDE)),
];

/// The colour of a series, by its number from 1.
pub(in crate::report) fn series(number: i64) -> RGBColor {
    SERIES[position(number)].light
}

/// What stands for that colour in a style.
pub(in crate::report) fn series_variable(number: i64) -> String {
    format!("var(--{})", SERIES[position(number)].name)
}

fn position(number: i64) -> usize {
    (number - 1).rem_euclid(SERIES.len() as i64) as usize
}

/// A colour as pages have it.
pub(crate) fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// The style that makes charts light or dark, wherever they stand.
pub(in crate::report) fn style() -> String {
    style_of([&INK_SHADE, &GREY_SHADE, &GRID_SHADE].into_iter().chain(&SERIES))
}

/// The style that makes what is drawn in these colours light or dark.
pub(crate) fn style_of<'a>(shades: impl Iterator<Item = &'a Shade> + Clone) -> String {
    let variables = |value: &dyn Fn(&Shade) -> RGBColor| -> String {
        shades.clone().map(|shade| format!("--{}: {}; ", shade.name, hex(value(shade)))).collect()
    };
    let (light, dark) = (variables(&|shade| shade.light), variables(&|shade| shade.dark));
    let mut style =
        format!(":root {{ {light}}}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark}}} }}\n");
    // A rule wins over the attribute that the chart is drawn with.
    for shade in shades {
        let (colour, name) = (hex(shade.light), shade.name);
        style.push_str(&format!(
            "svg [fill=\"{colour}\"] {{ fill: var(--{name}) }} svg [stroke=\"{colour}\"] {{ stroke: var(--{name}) }}\n"
        ));
    }
    style
}

/// The contrast of two colours as WCAG has it.
#[cfg(test)]
pub(crate) fn contrast(a: RGBColor, b: RGBColor) -> f64 {
    let luminance = |RGBColor(red, green, blue): RGBColor| {
        let [red, green, blue] = [red, green, blue].map(|value| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stand_out_from_light_and_dark_pages() {
        let texts = [&INK_SHADE, &GREY_SHADE].map(|shade| (shade, 4.5));
        for (shade, least) in texts.into_iter().chain(SERIES.iter().map(|shade| (shade, 3.0))) {
            assert!(contrast(shade.light, PAPER.light) >= least, "{} on a light page", shade.name);
            assert!(contrast(shade.dark, PAPER.dark) >= least, "{} on a dark page", shade.name);
        }
    }

    #[test]
    fn there_is_a_colour_for_any_number_of_series() {
        assert_eq!(series(1), series(13));
        assert_eq!(series_variable(14), "var(--series-2)");
    }
}
