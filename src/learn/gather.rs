//! The rows that a model is fitted to: from the columns of a query to vectors and numbers of labels.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{and, cast, concat_batches, filter_record_batch, is_not_null, take};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema, SchemaRef, UInt64Type};
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{Column, Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::functions_nested::expr_fn::{array_length, make_array};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast as cast_expr, when};
use datafusion::physical_plan::{ExecutionPlan, execute_stream_partitioned};
use futures::StreamExt;
use pixmill_udfs::{FittedFeature, FittedLabel};
use tokio::task::JoinSet;

use super::spill::{SpillPlace, SpilledRows, SpillingRows};
use crate::words::counted;

/// The most classes of a label.
const MOST_CLASSES: usize = 10_000;
/// Batches of fewer rows are put together.
const BATCH_ROWS: usize = 4096;

/// The columns of a query, as a model takes them.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub(super) features: Vec<FieldRef>,
    pub(super) label: Option<FieldRef>,
    /// Whether the label is one of several classes.
    is_class: bool,
}

impl Columns {
    /// Those of a query's rows.
    ///
    /// # Errors
    /// A label that isn't there, or a column that can't be part of a vector.
    pub(super) fn of(rows: &LogicalPlan, label: Option<&str>, is_class: bool) -> Result<Self> {
        let fields = rows.schema().fields();
        for (place, field) in fields.iter().enumerate() {
            if fields.iter().take(place).any(|other| other.name() == field.name()) {
                return plan_err!("CREATE MODEL: there are two columns '{}'; name one with AS", field.name());
            }
        }
        let found = label.and_then(|label| fields.iter().find(|field| field.name() == label));
        if let (Some(label), None) = (label, found) {
            let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            return plan_err!(
                "CREATE MODEL: the query has no column '{label}' for a label; it has {}",
                names.join(", ")
            );
        }
        let features: Vec<FieldRef> =
            fields.iter().filter(|field| Some(field.name()) != found.map(|label| label.name())).cloned().collect();
        for field in &features {
            if !is_feature(field.data_type()) {
                return plan_err!(
                    "CREATE MODEL: every column but the label is a feature, and '{}' is of type {}, neither a number nor a boolean nor a \
                     list of numbers; leave it out, or make numbers of it",
                    field.name(),
                    field.data_type()
                );
            }
        }
        if features.is_empty() {
            return plan_err!("CREATE MODEL: the query has no column besides the label");
        }
        if let Some(label) = found
            && (label.data_type().is_nested() || (!is_class && !label.data_type().is_numeric()))
        {
            let expected = if is_class { "one of several classes" } else { "a number" };
            return plan_err!(
                "CREATE MODEL: the label '{}' must be {expected}, and it is of type {}",
                label.name(),
                label.data_type()
            );
        }
        Ok(Self { features, label: found.cloned(), is_class })
    }

    /// The features and the label.
    fn all(&self) -> impl Iterator<Item = &FieldRef> {
        self.features.iter().chain(&self.label)
    }

    /// The query of vectors `x`, of the label `y`, of the lengths of lists, and of what is NULL in rows that are left out.
    pub(super) fn gathered(&self, rows: LogicalPlan) -> Result<LogicalPlan> {
        let column = |field: &FieldRef| Expr::Column(Column::new_unqualified(field.name()));
        let vector = pixmill_udfs::all().into_iter().find(|function| function.name() == "vector");
        let vector = vector.ok_or_else(|| exec_datafusion_err!("internal error: there is no function vector"))?;
        let mut columns = vec![vector.call(self.features.iter().map(column).collect()).alias("x")];
        if let Some(label) = &self.label {
            let data_type = match (self.is_class, label.data_type()) {
                (false, _) => DataType::Float64,
                (true, DataType::Dictionary(_, values)) => values.as_ref().clone(),
                (true, DataType::Utf8View | DataType::LargeUtf8) => DataType::Utf8,
                (true, other) => other.clone(),
            };
            columns.push(cast_expr(column(label), data_type).alias("y"));
        }
        for (place, field) in self.features.iter().enumerate().filter(|(_, field)| field.data_type().is_nested()) {
            columns.push(array_length(column(field)).alias(format!("length{place}")));
        }
        let are_null: Vec<Expr> = self.all().map(|field| column(field).is_null()).collect();
        if let Some(is_left_out) = are_null.iter().cloned().reduce(Expr::or) {
            columns.push(when(is_left_out, make_array(are_null)).end()?.alias("nulls"));
        }
        // A subquery's qualifiers are no part of the names.
        LogicalPlanBuilder::from(rows).alias("rows")?.project(columns)?.build()
    }
}

/// Columns in words: `'a' is`, or `'a' and 'b' are`.
fn are(columns: &[&FieldRef]) -> String {
    let names: Vec<String> = columns.iter().map(|field| format!("'{}'", field.name())).collect();
    format!("{} {}", names.join(" and "), if names.len() == 1 { "is" } else { "are" })
}

fn is_feature(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item.data_type().is_numeric()
        }
        DataType::Boolean => true,
        other => other.is_numeric(),
    }
}

/// Rows that were gathered.
pub(super) struct Gathered {
    pub(super) features: Vec<FittedFeature>,
    pub(super) label: Option<FittedLabel>,
    /// The class of each number of the label, in the labels' order.
    pub(super) classes: Vec<f64>,
    /// `x` and, where there is a label, `y`.
    pub(super) kept: KeptRows,
    pub(super) rows: u64,
    pub(super) left_out: u64,
}

/// Where the rows are. Memory and files are given back with this.
pub(super) enum KeptRows {
    InMemory(Vec<RecordBatch>, MemoryReservation),
    Spilled(SpilledRows),
}

/// What a batch of `x` and `y` looks like.
fn schema(has_label: bool) -> SchemaRef {
    let mut fields = vec![Field::new("x", DataType::new_list(DataType::Float64, true), true)];
    if has_label {
        fields.push(Field::new("y", DataType::Float64, true));
    }
    Arc::new(Schema::new(fields))
}

/// Executes the query of [`Columns::gathered`] and keeps its rows: in memory up to a quarter of the limit, else all of them in files.
///
/// # Errors
/// What stopped the query; numbers that aren't finite; more rows than the place to spill to holds.
pub(super) async fn gather(
    columns: &Columns,
    plan: Arc<dyn ExecutionPlan>,
    context: &Arc<TaskContext>,
    place: SpillPlace,
) -> Result<Gathered> {
    let mut gathering = Gathering::new(columns, context, place);
    // Batches come from tasks of their own, so that partitions are worked on side by side.
    let mut tasks = JoinSet::new();
    let (sender, mut pieces) = tokio::sync::mpsc::channel::<Result<Piece>>(4);
    let (count, has_label) = (columns.all().count(), columns.label.is_some());
    for mut stream in execute_stream_partitioned(plan, Arc::clone(context))? {
        let sender = sender.clone();
        tasks.spawn(async move {
            while let Some(batch) = stream.next().await {
                let piece = batch.and_then(|batch| Piece::of(&batch, has_label, count));
                // Nobody takes more of a query that has failed.
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    while let Some(piece) = pieces.recv().await {
        gathering.add(piece?)?;
    }
    while let Some(task) = tasks.join_next().await {
        task.map_err(|error| exec_datafusion_err!("internal error: a task stopped: {error}"))?;
    }
    gathering.finish()
}

/// Rows of a batch, as far as no other batch has a say.
struct Piece {
    /// Without those that hold NULL.
    batch: RecordBatch,
    left_out: u64,
    /// In how many rows each column is NULL.
    nulls: Vec<u64>,
    /// Whether all numbers of the vectors are.
    is_finite: bool,
}

impl Piece {
    fn of(batch: &RecordBatch, has_label: bool, columns: usize) -> Result<Self> {
        let mut whole = is_not_null(batch.column(0))?;
        if has_label {
            whole = and(&whole, &is_not_null(batch.column(1))?)?;
        }
        let left_out = (batch.num_rows() - whole.true_count()) as u64;
        let mut nulls = vec![0; columns];
        let lists = batch.column_by_name("nulls").and_then(|nulls| nulls.as_list_opt::<i32>());
        for list in lists.into_iter().filter(|_| left_out > 0).flat_map(|lists| lists.iter().flatten()) {
            for (count, is_null) in nulls.iter_mut().zip(as_boolean_array(&list)?) {
                *count += u64::from(is_null == Some(true));
            }
        }
        let batch = if left_out == 0 { batch.clone() } else { filter_record_batch(batch, &whole)? };
        let is_finite = batch.column(0).as_list_opt::<i32>().is_none_or(|lists| {
            let offsets = lists.value_offsets();
            let (start, end) = (offsets[0] as usize, offsets[lists.len()] as usize);
            let numbers = lists.values().as_primitive_opt::<Float64Type>();
            numbers.is_none_or(|numbers| numbers.values()[start..end].iter().all(|number| number.is_finite()))
        });
        Ok(Self { batch, left_out, nulls, is_finite })
    }
}

struct Gathering<'a> {
    columns: &'a Columns,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    classes: Option<Classes>,
    /// How many numbers each feature gives.
    widths: Option<Vec<usize>>,
    rows: u64,
    left_out: u64,
    /// In how many rows each column is NULL.
    nulls: Vec<u64>,
    memory: MemoryReservation,
    most: Option<usize>,
    place: SpillPlace,
    spilling: Option<SpillingRows>,
}

impl<'a> Gathering<'a> {
    fn new(columns: &'a Columns, context: &Arc<TaskContext>, place: SpillPlace) -> Self {
        let pool = context.memory_pool();
        let most = match pool.memory_limit() {
            MemoryLimit::Finite(bytes) => Some(bytes / 4),
            _ => None,
        };
        Self {
            columns,
            schema: schema(columns.label.is_some()),
            batches: Vec::new(),
            classes: None,
            widths: None,
            rows: 0,
            left_out: 0,
            nulls: vec![0; columns.all().count()],
            memory: MemoryConsumer::new("CREATE MODEL").register(pool),
            most,
            place,
            spilling: None,
        }
    }

    fn add(&mut self, Piece { batch, left_out, nulls, is_finite }: Piece) -> Result<()> {
        self.left_out += left_out;
        self.nulls.iter_mut().zip(nulls).for_each(|(all, nulls)| *all += nulls);
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let widths = self.widths_of(&batch)?;
        if !is_finite {
            check_finite(self.columns, &widths, batch.column(0))?;
        }
        self.widths = Some(widths);
        let mut columns = vec![cast(batch.column(0), self.schema.field(0).data_type())?];
        if let Some(label) = &self.columns.label {
            let y = batch.column(1);
            columns.push(match self.columns.is_class {
                true => {
                    if self.classes.is_none() {
                        self.classes = Some(Classes::new(y.data_type())?);
                    }
                    let classes =
                        self.classes.as_mut().ok_or_else(|| exec_datafusion_err!("internal error: no classes"))?;
                    Arc::new(classes.numbers(label.name(), y)?) as ArrayRef
                }
                false => {
                    let odd = y.as_primitive::<Float64Type>().values().iter().find(|value| !value.is_finite());
                    if let Some(odd) = odd {
                        return exec_err!(
                            "CREATE MODEL: the label '{}' must be finite, got {odd}; leave such rows out with WHERE",
                            label.name()
                        );
                    }
                    Arc::clone(y)
                }
            });
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        self.rows += batch.num_rows() as u64;
        self.keep(batch)
    }

    fn keep(&mut self, batch: RecordBatch) -> Result<()> {
        if let Some(spilling) = &mut self.spilling {
            return spilling.write(&batch);
        }
        let bytes = batch.get_array_memory_size();
        let has_room = self.most.is_none_or(|most| self.memory.size() + bytes <= most);
        if has_room && self.memory.try_grow(bytes).is_ok() {
            self.batches.push(batch);
            return Ok(());
        }
        let numbers = self.widths.iter().flatten().sum();
        let mut spilling = SpillingRows::new(self.place.clone(), &self.schema, numbers);
        for batch in self.batches.drain(..).chain([batch]) {
            spilling.write(&batch)?;
        }
        self.memory.free();
        self.spilling = Some(spilling);
        Ok(())
    }

    /// How many numbers each feature gives, which is the same in all rows.
    fn widths_of(&self, batch: &RecordBatch) -> Result<Vec<usize>> {
        let mut widths = vec![1; self.columns.features.len()];
        for (place, field) in self.columns.features.iter().enumerate() {
            let Some(lengths) = batch.column_by_name(&format!("length{place}")) else { continue };
            let lengths = cast(lengths, &DataType::UInt64)?;
            let lengths = lengths.as_primitive::<UInt64Type>();
            // The length of an empty list is NULL in some versions.
            let mut lengths = lengths.iter().map(|length| length.unwrap_or_default() as usize);
            let first = match &self.widths {
                Some(widths) => widths[place],
                None => lengths.next().unwrap_or_default(),
            };
            if let Some(other) = lengths.find(|length| *length != first) {
                return exec_err!(
                    "CREATE MODEL: the lists of '{}' must have the same length in all rows, got {first} and {other}",
                    field.name()
                );
            }
            widths[place] = first;
        }
        Ok(widths)
    }

    fn finish(self) -> Result<Gathered> {
        let (label, classes) = match (&self.columns.label, self.classes) {
            (Some(label), Some(classes)) => {
                let (values, order) = classes.sorted()?;
                (Some(FittedLabel { name: label.name().clone(), classes: Some(values) }), order)
            }
            (Some(label), None) => (Some(FittedLabel { name: label.name().clone(), classes: None }), Vec::new()),
            (None, _) => (None, Vec::new()),
        };
        let features = self.columns.features.iter().zip(self.widths.unwrap_or_default());
        let features = features.map(|(field, numbers)| FittedFeature {
            name: field.name().clone(),
            data_type: field.data_type().to_string(),
            numbers,
        });
        let features: Vec<FittedFeature> = features.collect();
        if self.rows == 0 {
            let why = match self.left_out {
                0 => "the query has no rows".to_string(),
                rows => {
                    let only: Vec<&FieldRef> = self
                        .columns
                        .all()
                        .zip(&self.nulls)
                        .filter(|(_, nulls)| **nulls == rows)
                        .map(|(f, _)| f)
                        .collect();
                    match only.is_empty() {
                        true => format!("all {} hold NULL", counted(rows, "row")),
                        false => format!("{} NULL in all {}", are(&only), counted(rows, "row")),
                    }
                }
            };
            return exec_err!("CREATE MODEL: there is nothing to learn from: {why}");
        }
        Ok(Gathered {
            features,
            label,
            classes,
            kept: match self.spilling {
                Some(spilling) => KeptRows::Spilled(spilling.finish()?),
                None => KeptRows::InMemory(in_larger(&self.schema, self.batches)?, self.memory),
            },
            rows: self.rows,
            left_out: self.left_out,
        })
    }
}

/// Few large batches of many small ones.
fn in_larger(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    let (mut larger, mut some, mut rows) = (Vec::new(), Vec::new(), 0);
    for batch in batches {
        rows += batch.num_rows();
        some.push(batch);
        if rows >= BATCH_ROWS {
            larger.push(concat_batches(schema, &some)?);
            some.clear();
            rows = 0;
        }
    }
    if !some.is_empty() {
        larger.push(concat_batches(schema, &some)?);
    }
    Ok(larger)
}

/// Checks that all numbers are finite, and names the column of one that isn't.
fn check_finite(columns: &Columns, widths: &[usize], vectors: &ArrayRef) -> Result<()> {
    let Some(lists) = vectors.as_list_opt::<i32>() else { return Ok(()) };
    for row in 0..lists.len() {
        let vector = lists.value(row);
        let vector = vector.as_primitive::<Float64Type>().values();
        let Some(place) = vector.iter().position(|number| !number.is_finite()) else { continue };
        let mut before = 0;
        let found = columns.features.iter().zip(widths).find(|(_, width)| {
            before += **width;
            place < before
        });
        let name = found.map_or("x", |(field, _)| field.name().as_str());
        return exec_err!(
            "CREATE MODEL: '{name}' must be finite, got {}; leave such rows out with WHERE (those with NULL are left out)",
            vector[place]
        );
    }
    Ok(())
}

/// Numbers for classes, in the order in which they come.
struct Classes {
    rows: RowConverter,
    numbers: HashMap<OwnedRow, u32>,
}

impl Classes {
    fn new(data_type: &DataType) -> Result<Self> {
        Ok(Self { rows: RowConverter::new(vec![SortField::new(data_type.clone())])?, numbers: HashMap::new() })
    }

    fn numbers(&mut self, label: &str, values: &ArrayRef) -> Result<Float64Array> {
        let rows = self.rows.convert_columns(std::slice::from_ref(values))?;
        let mut numbers = Vec::with_capacity(values.len());
        for row in &rows {
            let next = self.numbers.len() as u32;
            numbers.push(f64::from(*self.numbers.entry(row.owned()).or_insert(next)));
        }
        if self.numbers.len() > MOST_CLASSES {
            return exec_err!(
                "CREATE MODEL: the label '{label}' has more than {MOST_CLASSES} classes; linear_regression takes a number for a label"
            );
        }
        Ok(Float64Array::from(numbers))
    }

    /// The classes in their order, and of each number the class.
    fn sorted(self) -> Result<(ArrayRef, Vec<f64>)> {
        let mut known: Vec<(OwnedRow, u32)> = self.numbers.into_iter().collect();
        known.sort();
        let mut classes = vec![0.0; known.len()];
        for (class, (_, number)) in known.iter().enumerate() {
            classes[*number as usize] = class as f64;
        }
        let values = self.rows.convert_rows(known.iter().map(|(row, _)| row.row()))?.swap_remove(0);
        // As an array of its own.
        let all: UInt32Array = (0..values.len() as u32).collect();
        Ok((take(&values, &all, None)?, classes))
    }
}
