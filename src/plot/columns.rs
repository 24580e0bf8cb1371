//! Which columns of a query say where its points are, and what they are.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, SchemaRef};

use super::colours::is_drawn;
use crate::error::{Error, Result};
use crate::sheet::{can_be_image, listed};

/// Positions of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    place: Place,
    pub(super) color: Option<usize>,
    pub(super) label: Option<usize>,
    pub(super) image: Option<usize>,
}

/// Which columns say where a point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Two columns of numbers.
    Apart(usize, usize),
    /// One of lists of two numbers.
    Together(usize),
}

impl Columns {
    /// Finds the columns by their names.
    ///
    /// # Errors
    /// Columns that are missing, or of a type that they can't have.
    pub(super) fn choose(schema: &SchemaRef) -> Result<Self> {
        let position = |name: &str| schema.index_of(name).ok();
        let data_type = |column: usize| schema.field(column).data_type();
        let place = match (position("x"), position("y"), position("xy")) {
            (Some(x), Some(y), _) => {
                for (name, column) in [("x", x), ("y", y)] {
                    if !is_number(data_type(column)) {
                        let given = data_type(column);
                        return Err(Error::Usage(format!(
                            "column '{name}' must be a number, got {given}; cast it to one"
                        )));
                    }
                }
                Place::Apart(x, y)
            }
            (_, _, Some(xy)) => {
                if !is_numbers(data_type(xy)) {
                    let given = data_type(xy);
                    return Err(Error::Usage(format!("column 'xy' must be a list of two numbers, got {given}")));
                }
                Place::Together(xy)
            }
            _ => {
                return Err(Error::Usage(format!(
                    "a plot needs the columns x and y, or xy, a list of two numbers, or for a confusion matrix label, predicted and rows: {}; \
                     name them with AS",
                    listed(&RecordBatch::new_empty(Arc::clone(schema)))
                )));
            }
        };
        let image = position("image");
        if let Some(given) =
            image.map(data_type).filter(|given| !given.is_string() && !given.is_null() && !can_be_image(given))
        {
            return Err(Error::Usage(format!(
                "column 'image' must be an image, the bytes of a file, or its path or URL as text, got {given}"
            )));
        }
        Ok(Self { place, color: position("color"), label: position("label"), image })
    }

    /// Where the points of some rows are; `None` where a number is NULL, NaN, infinite or above 1e300 in size.
    ///
    /// # Errors
    /// A list that doesn't have two numbers.
    pub(super) fn places(&self, rows: &RecordBatch) -> Result<Vec<Option<(f64, f64)>>> {
        let arrow = |error: datafusion::arrow::error::ArrowError| Error::Query(error.into());
        let place = |x: Option<f64>, y: Option<f64>| x.zip(y).filter(|(x, y)| is_drawn(*x) && is_drawn(*y));
        match self.place {
            Place::Apart(x, y) => {
                let numbers = |column: usize| cast(rows.column(column), &DataType::Float64).map_err(arrow);
                let (x, y) = (numbers(x)?, numbers(y)?);
                let (x, y) = (x.as_primitive::<Float64Type>(), y.as_primitive::<Float64Type>());
                Ok(x.iter().zip(y).map(|(x, y)| place(x, y)).collect())
            }
            Place::Together(xy) => {
                let item = Arc::new(Field::new_list_field(DataType::Float64, true));
                let lists: ArrayRef = cast(rows.column(xy), &DataType::List(item)).map_err(arrow)?;
                let lists = lists.as_list::<i32>();
                let one = |list: Option<ArrayRef>| match list {
                    None => Ok(None),
                    Some(list) if list.len() == 2 => {
                        let numbers = list.as_primitive::<Float64Type>();
                        let number = |place: usize| numbers.is_valid(place).then(|| numbers.value(place));
                        Ok(place(number(0), number(1)))
                    }
                    Some(list) => Err(Error::Failed(format!(
                        "column 'xy' must be lists of two numbers, got one of {}",
                        list.len()
                    ))),
                };
                lists.iter().map(one).collect()
            }
        }
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || data_type.is_null()
}

fn is_numbers(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_number(item.data_type())
        }
        other => other.is_null(),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Float64Array, Int64Array, ListArray, StringArray};

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .expect("a batch")
    }

    fn lists(lists: &[Option<Vec<Option<f64>>>]) -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists.iter().cloned()))
    }

    fn places(rows: &RecordBatch) -> Result<Vec<Option<(f64, f64)>>> {
        Columns::choose(&rows.schema())?.places(rows)
    }

    #[test]
    fn points_are_two_columns_or_one_of_lists() {
        let x: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(4)]));
        let y: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 1.0, f64::NAN, 2e300]));
        assert_eq!(places(&batch(vec![("y", y), ("x", x)])).expect("places"), [Some((1.0, 0.5)), None, None, None]);
        let xy = lists(&[Some(vec![Some(1.0), Some(2.0)]), None, Some(vec![Some(1.0), None])]);
        assert_eq!(places(&batch(vec![("xy", xy)])).expect("places"), [Some((1.0, 2.0)), None, None]);
    }

    #[test]
    fn what_is_no_place_is_told() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
        let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let error = |columns| places(&batch(columns)).expect_err("refused").to_string();
        assert_eq!(
            error(vec![("x", Arc::clone(&number)), ("lat", Arc::clone(&text))]),
            "a plot needs the columns x and y, or xy, a list of two numbers, or for a confusion matrix label, predicted and rows: the columns \
             are x (Int64), lat (Utf8); name them with AS"
        );
        assert_eq!(
            error(vec![("x", Arc::clone(&number)), ("y", Arc::clone(&text))]),
            "column 'y' must be a number, got Utf8; cast it to one"
        );
        assert_eq!(error(vec![("xy", Arc::clone(&text))]), "column 'xy' must be a list of two numbers, got Utf8");
        let three = lists(&[Some(vec![Some(1.0), Some(2.0), Some(3.0)])]);
        assert_eq!(error(vec![("xy", three)]), "column 'xy' must be lists of two numbers, got one of 3");
        assert_eq!(
            error(vec![("x", Arc::clone(&number)), ("y", Arc::clone(&number)), ("image", number)]),
            "column 'image' must be an image, the bytes of a file, or its path or URL as text, got Int64"
        );
    }
}
