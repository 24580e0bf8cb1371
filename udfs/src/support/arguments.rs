//! SQL arguments: which a function takes, how they are coerced, and how a row's values are read and checked.

use std::ops::RangeInclusive;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, Signature, Volatility};

use super::function::Function;
use super::image_array::image_type;
use super::pixels::checked_size;

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The bytes of an image file.
    Content,
    /// An image struct.
    Image,
    Integer,
    /// A number that need not be whole.
    Number,
    /// One number, or a list of them.
    Numbers,
    /// A list of numbers.
    Vector,
    Text,
    /// What a row is known by: text, bytes, or what is written in one way only.
    Key,
    Boolean,
    /// The function itself says which.
    Any,
}

/// One parameter of a SQL function.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
}

/// A parameter that must be given.
pub(crate) const fn required(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, is_required: true }
}

/// A parameter with a default, which NULL stands for, too.
pub(crate) const fn optional(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, is_required: false }
}

/// A word for an enum's value, as users write it.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    /// Every value with its word.
    const CHOICES: &'static [(&'static str, Self)];

    /// The word for this value.
    fn word(self) -> &'static str {
        Self::CHOICES.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

/// The signature of a function with these parameters; names and missing optional arguments are accepted.
pub(crate) fn signature(parameters: &'static [Parameter]) -> Signature {
    let names: Vec<String> = parameters.iter().map(|p| p.name.to_string()).collect();
    let signature = Signature::user_defined(Volatility::Immutable);
    if names.is_empty() {
        return signature;
    }
    // Naming fails only for duplicate names, which `all()`'s test would show; positional calls still work then.
    signature.clone().with_parameter_names(names).unwrap_or(signature)
}

/// The types that arguments of the given types are cast to.
pub(crate) fn coerce(function: &str, parameters: &[Parameter], types: &[DataType]) -> Result<Vec<DataType>> {
    check_count(function, parameters, types)?;
    parameters.iter().zip(types).map(|(parameter, given)| coerce_one(function, parameter, given)).collect()
}

/// Checks how many arguments there are.
pub(crate) fn check_count(function: &str, parameters: &[Parameter], types: &[DataType]) -> Result<()> {
    let least = parameters.iter().filter(|p| p.is_required).count();
    if !(least..=parameters.len()).contains(&types.len()) {
        let names: Vec<&str> = parameters.iter().map(|p| p.name).collect();
        let most = parameters.len();
        let expected = if least == most { format!("{least}") } else { format!("{least} to {most}") };
        return plan_err!("{function} takes {expected} arguments ({}), got {}", names.join(", "), types.len());
    }
    Ok(())
}

fn coerce_one(function: &str, parameter: &Parameter, given: &DataType) -> Result<DataType> {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Dictionary, FixedSizeBinary, FixedSizeList, Float64, Int64, LargeBinary,
        LargeList, List, Null, Utf8,
    };
    // Columns of directories' names are dictionaries.
    let values = if let (Dictionary(_, values), false) = (given, parameter.kind == Kind::Any) { values } else { given };
    let (target, expected) = match (parameter.kind, values) {
        (Kind::Content, Binary | LargeBinary | BinaryView) => return Ok(given.clone()),
        (Kind::Content, Null | FixedSizeBinary(_)) => return Ok(Binary),
        (Kind::Content, _) => (None, "the bytes of an image file (BINARY)"),
        (Kind::Image, given) if *given == image_type() => return Ok(image_type()),
        (Kind::Image, Null) => return Ok(image_type()),
        (Kind::Image, _) => (None, "an image struct; make one with image_decode(content)"),
        (Kind::Integer, given) if given.is_integer() || given.is_null() => (Some(Int64), ""),
        (Kind::Integer, _) => (None, "an integer"),
        (Kind::Number | Kind::Numbers, given) if given.is_numeric() || given.is_null() => (Some(Float64), ""),
        (Kind::Number, _) => (None, "a number"),
        (Kind::Numbers | Kind::Vector, List(item) | LargeList(item) | FixedSizeList(item, _))
            if item.data_type().is_numeric() || item.data_type().is_null() =>
        {
            (Some(DataType::new_list(Float64, true)), "")
        }
        (Kind::Numbers, _) => (None, "a number or a list of numbers"),
        (Kind::Vector, Null) => (Some(DataType::new_list(Float64, true)), ""),
        (Kind::Vector, _) => (None, "a list of numbers; make one with vector(x1, x2, ...)"),
        (Kind::Text, given) if given.is_string() || given.is_null() => (Some(Utf8), ""),
        (Kind::Text, _) => (None, "a string"),
        (Kind::Key, given) if given.is_string() || given.is_integer() || given.is_decimal() => (Some(Utf8), ""),
        (Kind::Key, Boolean | Date32 | Null) => (Some(Utf8), ""),
        (Kind::Key, Binary | LargeBinary | BinaryView | FixedSizeBinary(_)) => (Some(Binary), ""),
        (Kind::Key, _) => (None, "text, bytes, an integer, a decimal, a date or a boolean; cast it to one of them"),
        (Kind::Boolean, Boolean | Null) => (Some(Boolean), ""),
        (Kind::Boolean, _) => (None, "true or false"),
        (Kind::Any, given) => return Ok(given.clone()),
    };
    target.ok_or_else(|| plan_datafusion_err!("{function}: {} must be {expected}, got {given}", parameter.name))
}

/// The arguments of one call, for one row or for all: position by position the value, where there is one.
pub(crate) struct Values<'a> {
    pub(crate) function: &'static str,
    pub(crate) parameters: &'static [Parameter],
    pub(crate) values: &'a [ScalarValue],
}

impl Values<'_> {
    fn get(&self, name: &str) -> Option<&ScalarValue> {
        let position = self.parameters.iter().position(|p| p.name == name)?;
        self.values.get(position).filter(|value| !value.is_null())
    }

    /// An integer in `range`; the default, if there is one, where none is given.
    pub(crate) fn integer(
        &self,
        name: &str,
        range: RangeInclusive<i64>,
        unit: &str,
        default: Option<i64>,
    ) -> Result<i64> {
        let (function, low, high) = (self.function, range.start(), range.end());
        let value = match self.get(name) {
            Some(ScalarValue::Int64(Some(value))) => Some(*value),
            Some(other) => return plan_err!("{function}: {name} must be an integer, got {other}"),
            None => default,
        };
        match value {
            Some(value) if range.contains(&value) => Ok(value),
            Some(value) => {
                plan_err!("{function}: {name} must be {low} to {high}{unit}, got {value}")
            }
            None => plan_err!("{function}: {name} must be {low} to {high}{unit}, got NULL"),
        }
    }

    /// A finite number, if one is given.
    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>> {
        match self.numbers(name)?.as_deref() {
            None => Ok(None),
            Some([number]) => Ok(Some(*number)),
            Some(numbers) => plan_err!("{}: {name} must be a number, got {} of them", self.function, numbers.len()),
        }
    }

    /// One or more finite numbers, if any are given.
    pub(crate) fn numbers(&self, name: &str) -> Result<Option<Vec<f64>>> {
        let function = self.function;
        let Some(given) = self.get(name) else { return Ok(None) };
        let list = match given {
            ScalarValue::List(list) => list.value(0),
            number => number.to_array()?,
        };
        if !list.data_type().is_numeric() {
            return plan_err!("{function}: {name} must be a number or a list of numbers, got {given}");
        }
        // While the call is planned, arguments may still be of the types that they were written in.
        let list = cast(&list, &DataType::Float64)?;
        let numbers = list.as_primitive::<Float64Type>();
        let mut finite = Vec::with_capacity(numbers.len());
        for number in numbers {
            match number {
                Some(number) if number.is_finite() => finite.push(number),
                Some(number) => return plan_err!("{function}: {name} must be finite, got {number}"),
                None => return plan_err!("{function}: {name} must not hold NULL"),
            }
        }
        Ok(Some(finite))
    }

    /// `width` and `height`: 1 to 65535 pixels each, and no larger an image than can be decoded.
    pub(crate) fn size(&self) -> Result<(u32, u32)> {
        let side = |name| self.integer(name, 1..=65_535, " pixels", None);
        let (width, height) = (side("width")? as u32, side("height")? as u32);
        match checked_size(width, height, 4) {
            Ok(_) => Ok((width, height)),
            Err(reason) => plan_err!("{}: the result would be {reason}", self.function),
        }
    }

    /// One of the words of `C`, in any case.
    pub(crate) fn choice<C: Choice>(&self, name: &str, default: C) -> Result<C> {
        let given = match self.get(name) {
            None => return Ok(default),
            Some(ScalarValue::Utf8(Some(word))) => word,
            Some(other) => {
                return plan_err!("{}: {name} must be a string, got {other}", self.function);
            }
        };
        let found = C::CHOICES.iter().find(|(word, _)| word.eq_ignore_ascii_case(given));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<String> = C::CHOICES.iter().map(|(word, _)| format!("'{word}'")).collect();
            let (last, first) = words.split_last().map_or(("", &[][..]), |(l, f)| (l.as_str(), f));
            plan_datafusion_err!("{}: {name} must be {} or {last}, got '{given}'", self.function, first.join(", "))
        })
    }

    /// Whether a value is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A text, if one is given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.try_as_str().flatten()
    }

    /// True or false.
    pub(crate) fn boolean(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(ScalarValue::Boolean(Some(value))) => Ok(*value),
            Some(other) => plan_err!("{}: {name} must be true or false, got {other}", self.function),
        }
    }
}

/// Checks constant options while the query is planned; options that come from columns are checked row by row.
pub(crate) fn check_constants<F: Function>(args: &ReturnFieldArgs<'_>) -> Result<()> {
    constants(args.scalar_arguments).map_or(Ok(()), |values| F::from_scalars(&values).map(|_| ()))
}

/// The values behind the first argument if all of them are constant, with NULL in the first place.
pub(crate) fn constants(arguments: &[Option<&ScalarValue>]) -> Option<Vec<ScalarValue>> {
    let rest = arguments.iter().skip(1).map(|value| value.cloned());
    std::iter::once(Some(ScalarValue::Null)).chain(rest).collect()
}

/// The options of every row of a batch.
pub(crate) enum RowOptions<F> {
    /// The same for all rows; `None` where a required option is NULL.
    Constant(Option<F>),
    /// The argument arrays to read each row's options from.
    PerRow(Vec<ArrayRef>),
}

impl<F: Function + Clone> RowOptions<F> {
    /// Reads the options of a call from its arguments.
    pub(crate) fn try_new(args: &[ColumnarValue], rows: usize) -> Result<Self> {
        let scalars: Option<Vec<ScalarValue>> = args[1..]
            .iter()
            .map(|arg| match arg {
                ColumnarValue::Scalar(value) => Some(value.clone()),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        if let Some(scalars) = scalars {
            if required_options::<F>().zip(&scalars).any(|(is_required, value)| is_required && value.is_null()) {
                return Ok(Self::Constant(None));
            }
            let values: Vec<_> = std::iter::once(ScalarValue::Null).chain(scalars).collect();
            return F::from_scalars(&values).map(|options| Self::Constant(Some(options)));
        }
        let arrays: Result<Vec<ArrayRef>> = args[1..].iter().map(|arg| arg.to_array(rows)).collect();
        arrays.map(Self::PerRow)
    }

    /// The options of one row; NULL where a required option is NULL.
    pub(crate) fn row(&self, row: usize) -> Result<Option<F>> {
        let arrays = match self {
            Self::Constant(options) => return Ok(options.clone()),
            Self::PerRow(arrays) => arrays,
        };
        if required_options::<F>().zip(arrays).any(|(is_required, array)| is_required && array.is_null(row)) {
            return Ok(None);
        }
        let mut values = vec![ScalarValue::Null];
        for array in arrays {
            values.push(ScalarValue::try_from_array(array, row)?);
        }
        F::from_scalars(&values).map(Some)
    }
}

fn required_options<F: Function>() -> impl Iterator<Item = bool> {
    F::PARAMETERS.iter().skip(1).map(|parameter| parameter.is_required)
}

/// The bytes of image files in any of Arrow's binary types.
pub(crate) enum Contents {
    Binary(ArrayRef),
    Large(ArrayRef),
    View(ArrayRef),
}

impl Contents {
    pub(crate) fn try_new(function: &str, argument: &ColumnarValue, rows: usize) -> Result<Self> {
        let array = match argument {
            ColumnarValue::Array(array) => Arc::clone(array),
            ColumnarValue::Scalar(scalar) => scalar.to_array_of_size(rows)?,
        };
        match array.data_type() {
            DataType::Binary => Ok(Self::Binary(array)),
            DataType::LargeBinary => Ok(Self::Large(array)),
            DataType::BinaryView => Ok(Self::View(array)),
            other => exec_err!("{function}: content must be BINARY, got {other}"),
        }
    }

    pub(crate) fn get(&self, row: usize) -> Option<&[u8]> {
        match self {
            Self::Binary(array) => array.is_valid(row).then(|| array.as_binary::<i32>().value(row)),
            Self::Large(array) => array.is_valid(row).then(|| array.as_binary::<i64>().value(row)),
            Self::View(array) => array.is_valid(row).then(|| array.as_binary_view().value(row)),
        }
    }
}

/// A result array as the columnar value that a call with these arguments returns: a scalar where all of them are.
pub(crate) fn columnar(args: &[ColumnarValue], array: ArrayRef) -> Result<ColumnarValue> {
    let is_scalar = args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    if is_scalar && array.len() == 1 {
        return ScalarValue::try_from_array(&array, 0).map(ColumnarValue::Scalar);
    }
    Ok(ColumnarValue::Array(array))
}
