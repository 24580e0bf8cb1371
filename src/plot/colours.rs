//! What the colours of points mean: classes, each with a colour and a shape, or numbers on a scale.

use std::borrow::Cow;
use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use indicatif::HumanCount;
use plotters::style::RGBColor;

use super::marker::Marker;
use crate::error::{Error, Result};
use crate::report::Axis;
use crate::report::palette::{GREY_SHADE, SERIES, Shade, ShadeName};
use crate::sheet::texts;
use crate::words::beginning;

/// Classes that have a mark of their own; with it, 12 colours and 11 shapes, of which none is there twice.
pub(super) const MOST_CLASSES: usize = 131;
/// Up to so many classes are all circles.
pub(super) const ONLY_CIRCLES: usize = 6;
/// More different integers are numbers on a scale.
const MOST_INTEGERS: usize = 24;
/// More of a class's name nobody reads.
const MOST_NAME: usize = 200;
/// The colours of a scale.
pub(super) const STEPS: usize = 32;

/// How a point is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) marker: Marker,
    /// Its place among the shades of the plot.
    pub(super) shade: usize,
}

/// A class of points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) points: u64,
    pub(super) mark: Mark,
}

/// What colours mean.
#[derive(Debug)]
pub(super) enum Meaning {
    /// Nothing.
    Nothing,
    /// Classes, in the order of their names.
    Classes(Vec<Class>),
    /// Numbers between the ends of the axis. Points without a number are grey.
    Scale(Axis),
}

/// The colours of all points.
#[derive(Debug)]
pub(super) struct Colours {
    pub(super) meaning: Meaning,
    pub(super) shades: Vec<Shade>,
    /// For each point its class.
    classes: Vec<u32>,
    /// For each point its number.
    numbers: Vec<f64>,
    /// Points whose colour is NULL or no finite number, on a scale.
    pub(super) without: u64,
}

/// The mark of all points where colours mean nothing.
const PLAIN: Mark = Mark { marker: Marker::Circle, shade: 0 };

impl Colours {
    /// How a point is drawn.
    pub(super) fn mark(&self, point: usize) -> Mark {
        match &self.meaning {
            Meaning::Nothing => PLAIN,
            Meaning::Classes(classes) => {
                let class = self.classes.get(point).and_then(|class| classes.get(*class as usize));
                class.map_or(PLAIN, |class| class.mark)
            }
            Meaning::Scale(axis) => {
                let share = self.numbers.get(point).map_or(f64::NAN, |number| axis.share(*number));
                // Grey stands behind the steps.
                let step = if share.is_finite() { ((share * STEPS as f64) as usize).min(STEPS - 1) } else { STEPS };
                Mark { marker: Marker::Circle, shade: step }
            }
        }
    }

    /// The class of a point, where there are classes.
    pub(super) fn class(&self, point: usize) -> Option<usize> {
        match self.meaning {
            Meaning::Classes(_) => self.classes.get(point).map(|class| *class as usize),
            _ => None,
        }
    }

    /// What the colour of a point says, in words.
    pub(super) fn words(&self, point: usize) -> Option<Cow<'_, str>> {
        match &self.meaning {
            Meaning::Nothing => None,
            Meaning::Classes(classes) => Some(Cow::Borrowed(classes.get(self.class(point)?)?.name.as_str())),
            Meaning::Scale(_) => {
                let number = self.numbers.get(point).copied().filter(|number| number.is_finite())?;
                Some(Cow::Owned(number.to_string()))
            }
        }
    }
}

/// The values of the column `color`, as they come.
#[derive(Debug, Default)]
pub(super) enum Values {
    /// There is no such column.
    #[default]
    Nothing,
    Texts {
        names: HashMap<String, u32>,
        points: Vec<u32>,
    },
    Numbers {
        points: Vec<f64>,
        is_integer: bool,
    },
}

/// The number of no class.
const NONE: u32 = u32::MAX;

impl Values {
    /// Values of a column of this type.
    ///
    /// # Errors
    /// A type that is neither text nor a number.
    pub(super) fn of(data_type: &DataType) -> Result<Self> {
        let data_type = match data_type {
            DataType::Dictionary(_, values) => values,
            other => other,
        };
        match data_type {
            DataType::Boolean | DataType::Null | DataType::Date32 | DataType::Date64 => {}
            text if text.is_string() => {}
            number if number.is_numeric() => {
                return Ok(Self::Numbers { points: Vec::new(), is_integer: number.is_integer() });
            }
            other => {
                return Err(Error::Usage(format!(
                    "column 'color' must be text, a number, a boolean or a date, got {other}; cast it to one of them"
                )));
            }
        }
        Ok(Self::Texts { names: HashMap::new(), points: Vec::new() })
    }

    /// Takes the values of the rows that become points.
    ///
    /// # Errors
    /// Values that can't be read.
    pub(super) fn add(&mut self, column: &ArrayRef, is_point: &BooleanArray) -> Result<()> {
        let wanted = (0..column.len()).filter(|row| is_point.value(*row));
        match self {
            Self::Nothing => {}
            Self::Texts { names, points } => {
                let texts = texts(column, None)?;
                for row in wanted {
                    let Some(text) = &texts[row] else {
                        points.push(NONE);
                        continue;
                    };
                    let name = beginning(text, MOST_NAME);
                    let next = names.len() as u32;
                    let number = match names.get(name) {
                        Some(number) => *number,
                        None => *names.entry(name.to_string()).or_insert(next),
                    };
                    points.push(number);
                }
            }
            Self::Numbers { points, .. } => {
                let numbers = cast(column, &DataType::Float64).map_err(|error| Error::Query(error.into()))?;
                let numbers = numbers.as_primitive::<Float64Type>();
                points.extend(wanted.map(|row| if numbers.is_valid(row) { numbers.value(row) } else { f64::NAN }));
            }
        }
        Ok(())
    }

    /// What all of them mean.
    pub(super) fn colours(self) -> Colours {
        match self {
            Self::Nothing => Colours {
                meaning: Meaning::Nothing,
                shades: vec![SERIES[0]],
                classes: Vec::new(),
                numbers: Vec::new(),
                without: 0,
            },
            Self::Texts { names, points } => {
                let mut names: Vec<(String, u32)> = names.into_iter().collect();
                names.sort();
                let mut order = vec![0; names.len()];
                names.iter().enumerate().for_each(|(place, (_, number))| order[*number as usize] = place as u32);
                let points = points.into_iter().map(|number| order.get(number as usize).copied().unwrap_or(NONE));
                classes(names.into_iter().map(|(name, _)| name).collect(), points.collect())
            }
            Self::Numbers { points, is_integer } => {
                let integers = is_integer.then(|| few_integers(&points)).flatten();
                integers.map_or_else(|| scale(points), |(names, points)| classes(names, points))
            }
        }
    }
}

/// The different integers and which of them each point has, where they are few and none is so large that it may be another by now.
fn few_integers(points: &[f64]) -> Option<(Vec<String>, Vec<u32>)> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if points.iter().any(|number| number.abs() >= EXACT) {
        return None;
    }
    let mut different: Vec<i64> = Vec::new();
    for number in points.iter().filter(|number| !number.is_nan()) {
        if let Err(place) = different.binary_search(&(*number as i64)) {
            if different.len() == MOST_INTEGERS {
                return None;
            }
            different.insert(place, *number as i64);
        }
    }
    let class = |number: &f64| match different.binary_search(&(*number as i64)) {
        Ok(place) if !number.is_nan() => place as u32,
        _ => NONE,
    };
    Some((different.iter().map(i64::to_string).collect(), points.iter().map(class).collect()))
}

/// Classes by their sorted names; those with few points are put together where there are too many.
fn classes(names: Vec<String>, mut points: Vec<u32>) -> Colours {
    let mut counts = vec![0_u64; names.len()];
    let mut without = 0;
    for point in &points {
        match counts.get_mut(*point as usize) {
            Some(count) => *count += 1,
            None => without += 1,
        }
    }
    let mut by_count: Vec<usize> = (0..names.len()).collect();
    by_count.sort_by_key(|class| (std::cmp::Reverse(counts[*class]), *class));
    let mut kept = by_count[..names.len().min(MOST_CLASSES)].to_vec();
    kept.sort_unstable();
    let grey = SERIES.len();
    let mut place = vec![NONE; names.len()];
    let mut shown = Vec::new();
    for class in kept.iter().copied() {
        let number = shown.len();
        let marker = if kept.len() <= ONLY_CIRCLES { Marker::Circle } else { Marker::ALL[number % Marker::ALL.len()] };
        place[class] = number as u32;
        let mark = Mark { marker, shade: number % SERIES.len() };
        shown.push(Class { name: names[class].clone(), points: counts[class], mark });
    }
    let others = shown.len() as u32;
    if names.len() > kept.len() {
        let name = format!("{} others", HumanCount((names.len() - kept.len()) as u64));
        let points = counts.iter().sum::<u64>() - shown.iter().map(|class| class.points).sum::<u64>();
        shown.push(Class { name, points, mark: Mark { marker: Marker::Circle, shade: grey } });
    }
    let null = shown.len() as u32;
    if without > 0 {
        let mark = Mark { marker: Marker::Ring, shade: grey };
        shown.push(Class { name: "NULL".to_string(), points: without, mark });
    }
    for point in &mut points {
        *point = match place.get(*point as usize) {
            Some(&NONE) => others,
            Some(place) => *place,
            None => null,
        };
    }
    let shades = SERIES.into_iter().chain([GREY_SHADE]).collect();
    Colours { meaning: Meaning::Classes(shown), shades, classes: points, numbers: Vec::new(), without: 0 }
}

fn scale(mut numbers: Vec<f64>) -> Colours {
    numbers.iter_mut().filter(|number| !is_drawn(**number)).for_each(|number| *number = f64::NAN);
    let without = numbers.iter().filter(|number| number.is_nan()).count() as u64;
    let axis = Axis::over("", numbers.iter().copied(), 0.0);
    let mut shades: Vec<Shade> = (0..STEPS).map(step).collect();
    shades.push(GREY_SHADE);
    Colours { meaning: Meaning::Scale(axis), shades, classes: Vec::new(), numbers, without }
}

/// Numbers whose differences are numbers, too.
pub(super) fn is_drawn(number: f64) -> bool {
    number.abs() <= 1e300
}

/// The colours of viridis (S. van der Walt, N. Smith 2015), a ninth of the scale from each other.
const VIRIDIS: [RGBColor; 10] = [
    RGBColor(0x44, 0x01, 0x54),
    RGBColor(0x48, 0x28, 0x78),
    RGBColor(0x3E, 0x4A, 0x89),
    RGBColor(0x31, 0x68, 0x8E),
    RGBColor(0x26, 0x82, 0x8E),
    RGBColor(0x1F, 0x9E, 0x89),
    RGBColor(0x35, 0xB7, 0x79),
    RGBColor(0x6D, 0xCD, 0x59),
    RGBColor(0xB4, 0xDE, 0x2C),
    RGBColor(0xFD, 0xE7, 0x25),
];
/// The part of viridis that stands out from a light page, from low to high numbers: the highest stands out most.
const ON_LIGHT: (f64, f64) = (0.55, 0.0);
/// The same from a dark page.
const ON_DARK: (f64, f64) = (0.38, 1.0);

/// A step of the scale.
pub(super) fn step(number: usize) -> Shade {
    let share = number as f64 / (STEPS - 1) as f64;
    let colour = |(from, to): (f64, f64)| viridis(from + (to - from) * share);
    Shade { name: ShadeName("step", number + 1), light: colour(ON_LIGHT), dark: colour(ON_DARK) }
}

fn viridis(share: f64) -> RGBColor {
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    let (RGBColor(r, g, b), RGBColor(r2, g2, b2)) = (VIRIDIS[below], VIRIDIS[(below + 1).min(VIRIDIS.len() - 1)]);
    let mixed = |low: u8, high: u8| (f64::from(low) + (f64::from(high) - f64::from(low)) * part).round() as u8;
    RGBColor(mixed(r, r2), mixed(g, g2), mixed(b, b2))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use datafusion::arrow::array::{Float64Array, Int64Array, StringArray};

    use super::*;
    use crate::report::palette::{PAPER, contrast};

    fn colours(column: ArrayRef) -> Colours {
        let mut values = Values::of(column.data_type()).expect("a type");
        values.add(&column, &BooleanArray::from(vec![true; column.len()])).expect("values");
        values.colours()
    }

    fn shown(colours: &Colours) -> Vec<(String, u64)> {
        let Meaning::Classes(classes) = &colours.meaning else { panic!("classes") };
        classes.iter().map(|class| (class.name.clone(), class.points)).collect()
    }

    #[test]
    fn no_two_of_131_classes_look_alike_and_neighbours_differ_in_colour_and_shape() {
        let names = (0..131).map(|class| format!("class {class:03}"));
        let colours = colours(Arc::new(StringArray::from_iter_values(names)));
        let marks: Vec<Mark> = (0..131).map(|point| colours.mark(point)).collect();
        let different: HashSet<_> = marks.iter().map(|mark| (mark.marker.number(), mark.shade)).collect();
        assert_eq!(different.len(), 131);
        assert!(marks.windows(2).all(|pair| pair[0].marker != pair[1].marker && pair[0].shade != pair[1].shade));
    }

    #[test]
    fn classes_are_sorted_and_counted_and_null_stands_last() {
        let column = StringArray::from(vec![Some("b"), None, Some("a"), Some("b")]);
        let colours = colours(Arc::new(column));
        assert_eq!(shown(&colours), [("a".into(), 1), ("b".into(), 2), ("NULL".into(), 1)]);
        assert_eq!([0, 1, 2].map(|point| colours.words(point).expect("a class").into_owned()), ["b", "NULL", "a"]);
    }

    #[test]
    fn classes_beyond_131_are_put_together() {
        let names = (0..200).map(|class| format!("{class:03}")).chain(["199".to_string()]);
        let colours = colours(Arc::new(StringArray::from_iter_values(names)));
        let shown = shown(&colours);
        assert_eq!(shown.len(), 132);
        assert_eq!(shown[129..], [("129".into(), 1), ("199".into(), 2), ("69 others".into(), 69)]);
    }

    #[test]
    fn few_integers_are_classes_and_many_a_scale() {
        let integers = |count: i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values((0..count).map(|n| n - 2))) };
        assert_eq!(shown(&colours(integers(3)))[0].0, "-2");
        assert!(matches!(colours(integers(25)).meaning, Meaning::Scale(_)));
        let large = Int64Array::from(vec![1_i64 << 53, (1_i64 << 53) + 1]);
        assert!(matches!(colours(Arc::new(large)).meaning, Meaning::Scale(_)));
        let floats = Float64Array::from(vec![Some(0.5), None, Some(f64::NAN), Some(f64::INFINITY), Some(1.5)]);
        let colours = colours(Arc::new(floats));
        assert_eq!([0, 1, 2, 3, 4].map(|point| colours.mark(point).shade), [0, STEPS, STEPS, STEPS, STEPS - 1]);
        assert_eq!(colours.without, 3);
    }

    #[test]
    fn every_step_of_the_scale_stands_out_from_its_page() {
        for step in (0..STEPS).map(step) {
            assert!(contrast(step.light, PAPER.light) >= 3.0, "{} on a light page", step.name);
            assert!(contrast(step.dark, PAPER.dark) >= 3.0, "{} on a dark page", step.name);
        }
    }

    #[test]
    fn what_has_no_colour_is_told() {
        let error = Values::of(&DataType::new_list(DataType::Int8, true)).expect_err("refused").to_string();
        assert!(error.starts_with("column 'color' must be text, a number, a boolean or a date, got List("), "{error}");
    }
}
