//! The colours of charts: drawn in those of a light page, and mapped by a style to those of a dark one.

use plotters::style::RGBColor;

/// A colour as it is drawn, and as it is shown on a dark page.
struct Shade {
    name: &'static str,
    light: RGBColor,
    dark: &'static str,
}

pub(in crate::report) const INK: RGBColor = RGBColor(0x1B, 0x1F, 0x24);
pub(in crate::report) const GREY: RGBColor = RGBColor(0x5A, 0x62, 0x70);
pub(in crate::report) const GRID: RGBColor = RGBColor(0xE2, 0xE5, 0xEA);

/// Colours that differ in lightness or along blue and yellow, which all eyes tell apart; each stands out from its page by 3 to 1.
const SERIES: [RGBColor; 6] = [
    RGBColor(0x1F, 0x6F, 0xB5),
    RGBColor(0xD1, 0x5F, 0x0A),
    RGBColor(0x0B, 0x87, 0x6B),
    RGBColor(0xA2, 0x3B, 0x8A),
    RGBColor(0x8A, 0x73, 0x00),
    RGBColor(0x4B, 0x4F, 0xA8),
];

const SHADES: [Shade; 9] = [
    Shade { name: "ink", light: INK, dark: "#E7E9ED" },
    Shade { name: "grey", light: GREY, dark: "#A2AAB6" },
    Shade { name: "grid", light: GRID, dark: "#343A43" },
    Shade { name: "series-1", light: SERIES[0], dark: "#6CB4F0" },
    Shade { name: "series-2", light: SERIES[1], dark: "#FFA45C" },
    Shade { name: "series-3", light: SERIES[2], dark: "#52CDAE" },
    Shade { name: "series-4", light: SERIES[3], dark: "#E795D1" },
    Shade { name: "series-5", light: SERIES[4], dark: "#D8C04D" },
    Shade { name: "series-6", light: SERIES[5], dark: "#AEB2FF" },
];

/// The colour of a series, by its number from 1.
pub(in crate::report) fn series(number: i64) -> RGBColor {
    SERIES[position(number)]
}

/// What stands for that colour in a style.
pub(in crate::report) fn series_variable(number: i64) -> String {
    format!("var(--series-{})", position(number) + 1)
}

fn position(number: i64) -> usize {
    (number - 1).rem_euclid(SERIES.len() as i64) as usize
}

/// The style that makes charts light or dark, wherever they stand.
pub(in crate::report) fn style() -> String {
    let hex = |colour: RGBColor| format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2);
    let variables = |value: &dyn Fn(&Shade) -> String| -> String {
        SHADES.iter().map(|shade| format!("--{}: {}; ", shade.name, value(shade))).collect()
    };
    let (light, dark) = (variables(&|shade| hex(shade.light)), variables(&|shade| shade.dark.to_string()));
    let mut style =
        format!(":root {{ {light}}}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark}}} }}\n");
    // A rule wins over the attribute that the chart is drawn with.
    for shade in &SHADES {
        let (colour, name) = (hex(shade.light), shade.name);
        style.push_str(&format!(
            "svg [fill=\"{colour}\"] {{ fill: var(--{name}) }} svg [stroke=\"{colour}\"] {{ stroke: var(--{name}) }}\n"
        ));
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast of two colours as WCAG has it.
    fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
        let luminance = |colour: [u8; 3]| {
            let [r, g, b] = colour.map(|value| {
                let value = f64::from(value) / 255.0;
                if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn parsed(hex: &str) -> [u8; 3] {
        [1, 3, 5].map(|start| u8::from_str_radix(&hex[start..start + 2], 16).expect("a colour"))
    }

    #[test]
    fn colours_stand_out_from_light_and_dark_pages() {
        for shade in SHADES.iter().filter(|shade| shade.name != "grid") {
            let least = if shade.name.starts_with("series") { 3.0 } else { 4.5 };
            let RGBColor(r, g, b) = shade.light;
            assert!(contrast([r, g, b], [255, 255, 255]) >= least, "{} on a light page", shade.name);
            assert!(contrast(parsed(shade.dark), [0x15, 0x18, 0x1D]) >= least, "{} on a dark page", shade.name);
        }
    }

    #[test]
    fn there_is_a_colour_for_any_number_of_series() {
        assert_eq!(series(1), series(7));
        assert_eq!(series_variable(8), "var(--series-2)");
    }
}
