//! One round of fitting as an aggregate: what a pass over rows comes to, wherever they are.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use pixmill_learn::{Pass, Rows, Sums};

use super::row::fingerprint;
use crate::support::linear_model::numbers_type;
use crate::support::sums::{list, list_of};

/// What the names of such aggregates begin with, before the fingerprint of what they hold.
const NAME: &str = "learning_round_";

/// An aggregate of lists of as many numbers each, and of the label's numbers, if there is a label. It gives the sums of the pass as a list.
#[derive(Debug)]
pub struct Round {
    name: String,
    pass: Arc<Pass>,
    /// The class of each number of the label; none where the label is the number itself.
    classes: Arc<[f64]>,
    signature: Signature,
}

impl Round {
    /// The round of a pass.
    pub fn new(pass: &Pass, classes: &[f64]) -> Self {
        Self::named(pass, classes, &bytes(pass, classes))
    }

    fn named(pass: &Pass, classes: &[f64], bytes: &[u8]) -> Self {
        let name = format!("{NAME}{}", fingerprint(bytes));
        let signature = Signature::variadic_any(Volatility::Immutable);
        Self { name, pass: Arc::new(pass.clone()), classes: classes.into(), signature }
    }

    /// The aggregate.
    pub fn aggregate(self) -> AggregateUDF {
        AggregateUDF::from(self)
    }

    /// The sums that the aggregate gave.
    ///
    /// # Errors
    /// A value that are none.
    pub fn sums(value: &ArrayRef) -> Result<Sums> {
        sums_of(value, 0)
    }
}

fn sums_of(lists: &ArrayRef, row: usize) -> Result<Sums> {
    let numbers = list_of(lists, row)?;
    Sums::from_numbers(numbers.values()).map_err(|error| exec_datafusion_err!("{error}"))
}

/// How many classes there are, the classes, and the pass.
fn bytes(pass: &Pass, classes: &[f64]) -> Vec<u8> {
    let count = std::iter::once(classes.len() as f64);
    let numbers = count.chain(classes.iter().copied()).chain(pass.to_numbers());
    numbers.flat_map(f64::to_le_bytes).collect()
}

/// Appends what an aggregate holds; nothing where it is none of these.
pub fn encode_round(function: &AggregateUDF, buf: &mut Vec<u8>) {
    if let Some(round) = function.inner().downcast_ref::<Round>() {
        buf.extend(bytes(&round.pass, &round.classes));
    }
}

/// The aggregate of a name and what it holds; `None` where the name is another's.
///
/// # Errors
/// Bytes that are none.
pub fn decode_round(name: &str, bytes: &[u8]) -> Result<Option<AggregateUDF>> {
    if !name.starts_with(NAME) {
        return Ok(None);
    }
    let (numbers, rest) = bytes.as_chunks::<8>();
    let numbers: Vec<f64> = numbers.iter().map(|number| f64::from_le_bytes(*number)).collect();
    let parts = numbers.split_first().and_then(|(count, rest)| rest.split_at_checked(*count as usize));
    let Some((classes, pass)) = parts.filter(|_| rest.is_empty()) else {
        return exec_err!("a round of fitting came damaged");
    };
    let pass = Pass::from_numbers(pass).map_err(|error| exec_datafusion_err!("{error}"))?;
    Ok(Some(Round::named(&pass, classes, bytes).aggregate()))
}

impl PartialEq for Round {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Round {}

impl Hash for Round {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Round {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(numbers_type())
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Part {
            sums: self.pass.sums(),
            pass: Arc::clone(&self.pass),
            classes: Arc::clone(&self.classes),
            labels: Vec::new(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "sums"), numbers_type(), true))])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// What some of the rows come to.
#[derive(Debug)]
struct Part {
    pass: Arc<Pass>,
    sums: Sums,
    classes: Arc<[f64]>,
    labels: Vec<f64>,
}

impl Accumulator for Part {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [x, y @ ..] = values else { return internal_err!("a round of fitting has no arguments") };
        let Some(lists) = x.as_list_opt::<i32>() else {
            return internal_err!("a round of fitting takes lists, got {}", x.data_type());
        };
        let numbers = lists.values().as_primitive_opt::<Float64Type>();
        let Some(numbers) = numbers.filter(|numbers| numbers.null_count() == 0 && lists.null_count() == 0) else {
            return internal_err!("a round of fitting takes lists of Float64 without NULL");
        };
        let offsets = lists.value_offsets();
        let (start, end) = (offsets[0] as usize, offsets[lists.len()] as usize);
        let columns = if lists.is_empty() { return Ok(()) } else { (end - start) / lists.len() };
        self.labels.clear();
        if let [labels, ..] = y {
            let Some(labels) = labels.as_primitive_opt::<Float64Type>() else {
                return internal_err!("a round of fitting takes labels of Float64, got {}", labels.data_type());
            };
            match self.classes.is_empty() {
                true => self.labels.extend_from_slice(labels.values()),
                false => {
                    let class = |number: &f64| self.classes.get(*number as usize).copied().unwrap_or(f64::NAN);
                    self.labels.extend(labels.values().iter().map(class));
                }
            }
        }
        self.pass.add(&mut self.sums, Rows { x: &numbers.values()[start..end], columns, y: &self.labels });
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(list(self.sums.to_numbers().into_iter()))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.heap_bytes() + self.labels.capacity() * size_of::<f64>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(states) = states.first() else { return internal_err!("a round of fitting has no state") };
        for row in 0..states.len() {
            self.sums.merge(&sums_of(states, row)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pixmill_learn::Estimator;

    use super::*;

    #[test]
    fn a_round_travels_with_its_pass_and_damaged_ones_are_refused_or_others() {
        let fitting = Estimator::LogisticRegression { classes: 2, l2: 1.0 }.fitting(vec!["x".to_string()]);
        let fitting = fitting.expect("a fit");
        let sent = Round::new(fitting.pass().expect("a pass"), &[1.0, 0.0]).aggregate();
        let mut bytes = Vec::new();
        encode_round(&sent, &mut bytes);
        let arrived = decode_round(sent.name(), &bytes).expect("bytes").expect("an aggregate");
        assert_eq!(arrived, sent);
        assert!(decode_round("sum", &bytes).expect("another").is_none());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x41;
            let _ = decode_round(sent.name(), &damaged);
        }
        assert!(decode_round(sent.name(), &bytes[..bytes.len() - 4]).is_err());
        assert!(decode_round(sent.name(), &[]).is_err());
    }
}
