//! What SQL functions have in common: a function's file holds what is its own, and [`udf`], [`udaf`] and [`udwf`] add the rest.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, internal_datafusion_err, not_impl_err, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::function::{
    AccumulatorArgs, ExpressionArgs, PartitionEvaluatorArgs, StateFieldsArgs, WindowFunctionSimplification,
    WindowUDFFieldArgs,
};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Documentation, Expr, PartitionEvaluator,
    ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, WindowFrameBound, WindowUDF,
    WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;

use super::arguments::{Parameter, Values, check_constants, coerce, constants, signature};
use super::limits::{limits_of, within_limits};

/// A SQL function; its value holds a call's options.
pub(crate) trait Function: Debug + Default + Send + Sync + 'static {
    /// The name in SQL.
    const NAME: &'static str;
    /// The parameters, an image or its content first; empty if there may be any number of arguments, which have no names.
    const PARAMETERS: &'static [Parameter];

    /// The page that `#[user_doc]` makes.
    fn documentation(&self) -> Option<&Documentation>;

    /// Checks the values of a call and reads the options from them.
    ///
    /// # Errors
    /// A value that an option can't have.
    fn from_values(_values: &Values<'_>) -> Result<Self> {
        Ok(Self::default())
    }

    /// Reads the options from scalars in the order of the parameters; the first stands for the image and is not looked at.
    ///
    /// # Errors
    /// A value that an option can't have.
    fn from_scalars(values: &[ScalarValue]) -> Result<Self> {
        Self::from_values(&Values { function: Self::NAME, parameters: Self::PARAMETERS, values })
    }

    /// The types that arguments of the given types are cast to.
    ///
    /// # Errors
    /// Types that can't be, or too few or too many.
    fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
        coerce(Self::NAME, Self::PARAMETERS, types)
    }
}

/// A function of a row's values.
pub(crate) trait Scalar: Function {
    /// The type of the result.
    ///
    /// # Errors
    /// Arguments that the result can't be told from.
    fn data_type(args: &ReturnFieldArgs<'_>) -> Result<DataType>;

    /// The results for a batch of rows.
    ///
    /// # Errors
    /// A row whose arguments the function can't have.
    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue>;

    /// The call as the optimizer would rather have it.
    ///
    /// # Errors
    /// Constants that can't be read.
    fn simplify(args: Vec<Expr>, _options: &ConfigOptions) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Original(args))
    }
}

/// A function of the values of many rows, in any order, part by part.
pub(crate) trait Aggregate: Function {
    /// The type of the result.
    fn data_type() -> DataType;

    /// What a part of the rows comes to: names and types, as the accumulator's state has them.
    fn state() -> Vec<(&'static str, DataType)>;

    /// What takes the rows of a group, or of a part of it.
    ///
    /// # Errors
    /// A number of arguments that there can't be.
    fn accumulator(arguments: usize) -> Result<Box<dyn Accumulator>>;
}

/// A function of all rows of a partition, in the order that OVER gives them. Its first argument is a column, the others are constants.
pub(crate) trait Window: Function {
    /// The type of the result.
    fn data_type() -> DataType;

    /// The results for the rows of a partition, with the options that the function's value holds.
    ///
    /// # Errors
    /// Rows that the function can't have.
    fn evaluate(&self, rows: &ArrayRef) -> Result<ArrayRef>;
}

/// The function as DataFusion has scalar ones.
pub(crate) fn udf<F: Scalar>() -> ScalarUDF {
    ScalarUDF::from(Udf::<F>::default())
}

/// The function as DataFusion has aggregate ones.
pub(crate) fn udaf<F: Aggregate>() -> AggregateUDF {
    AggregateUDF::from(Udf::<F>::default())
}

/// The function as DataFusion has window functions.
pub(crate) fn udwf<F: Window>() -> WindowUDF {
    WindowUDF::from(Udf::<F>::default())
}

#[derive(Debug)]
struct Udf<F> {
    signature: Signature,
    function: F,
}

impl<F: Function> Default for Udf<F> {
    fn default() -> Self {
        Self { signature: signature(F::PARAMETERS), function: F::default() }
    }
}

// There is one value of each type.
impl<F> PartialEq for Udf<F> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<F> Eq for Udf<F> {}

impl<F: Function> Hash for Udf<F> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        F::NAME.hash(state);
    }
}

impl<F: Scalar> ScalarUDFImpl for Udf<F> {
    fn name(&self) -> &str {
        F::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        F::coerce(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let field = |data_type: &DataType| Arc::new(Field::new("argument", data_type.clone(), true));
        let arg_fields: Vec<FieldRef> = types.iter().map(field).collect();
        F::data_type(&ReturnFieldArgs { arg_fields: &arg_fields, scalar_arguments: &vec![None; types.len()] })
    }

    /// Checks constant options, too, while the query is planned.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check_constants::<F>(&args)?;
        Ok(Arc::new(Field::new(F::NAME, F::data_type(&args)?, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        within_limits(limits_of(&args.config_options), || F::invoke(&args))
    }

    fn simplify(&self, args: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        F::simplify(args, context.config_options())
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

impl<F: Aggregate> AggregateUDFImpl for Udf<F> {
    fn name(&self) -> &str {
        F::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        F::coerce(types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(F::data_type())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        refuse_distinct::<F>(args.is_distinct)?;
        F::accumulator(args.exprs.len())
    }

    fn create_sliding_accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("{}: the start of a window frame can't move; use UNBOUNDED PRECEDING", F::NAME)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        refuse_distinct::<F>(args.is_distinct)?;
        let field = |(name, data_type)| -> FieldRef {
            Arc::new(Field::new(format_state_name(args.name, name), data_type, true))
        };
        Ok(F::state().into_iter().map(field).collect())
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

fn refuse_distinct<F: Function>(is_distinct: bool) -> Result<()> {
    if is_distinct {
        return plan_err!("{}: DISTINCT is not supported; select distinct rows in a subquery", F::NAME);
    }
    Ok(())
}

impl<F: Window> WindowUDFImpl for Udf<F> {
    fn name(&self) -> &str {
        F::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        F::coerce(types)
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), F::data_type(), true)))
    }

    /// Constants need no columns.
    fn expressions(&self, args: ExpressionArgs) -> Vec<Arc<dyn PhysicalExpr>> {
        args.input_exprs().iter().take(1).cloned().collect()
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        let value =
            |expr: &Arc<dyn PhysicalExpr>| expr.downcast_ref::<Literal>().map(|literal| literal.value().clone());
        let values: Vec<Option<ScalarValue>> = args.input_exprs().iter().map(value).collect();
        let values: Vec<Option<&ScalarValue>> = values.iter().map(Option::as_ref).collect();
        let options = constants(&values).ok_or_else(|| {
            let column = F::PARAMETERS.iter().zip(&values).skip(1).find(|(_, value)| value.is_none());
            let name = column.map_or("an option", |(parameter, _)| parameter.name);
            exec_datafusion_err!("{}: {name} must be a constant, the same for all rows", F::NAME)
        })?;
        F::from_scalars(&options).map(|options| Box::new(WholePartition(options)) as _)
    }

    /// Refuses what would be ignored without a word; DataFusion asks here while it plans.
    fn simplify(&self) -> Option<WindowFunctionSimplification> {
        Some(Box::new(|call: WindowFunction, _: &SimplifyContext| {
            check_over::<F>(&call.params)?;
            let value = |argument: &Expr| match argument {
                Expr::Literal(value, _) => Some(value.clone()),
                _ => None,
            };
            let values: Vec<Option<ScalarValue>> = call.params.args.iter().map(value).collect();
            // What isn't known yet, as of a prepared statement, is checked where it runs.
            if let Some(options) = constants(&values.iter().map(Option::as_ref).collect::<Vec<_>>()) {
                F::from_scalars(&options)?;
            }
            Ok(Expr::from(call))
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

/// Checks what stands around the arguments of a function of whole partitions.
fn check_over<F: Function>(params: &WindowFunctionParams) -> Result<()> {
    let name = F::NAME;
    refuse_distinct::<F>(params.distinct)?;
    if params.null_treatment == Some(NullTreatment::IgnoreNulls) {
        return plan_err!(
            "{name}: IGNORE NULLS is not supported; rows with NULL get NULL and count for nothing anyway"
        );
    }
    if params.order_by.is_empty() {
        return plan_err!(
            "{name}: OVER () leaves open in which order rows come, and the result depends on it; use OVER (ORDER BY key), with a key that \
             no two rows share"
        );
    }
    let frame = &params.window_frame;
    // Behind ORDER BY without a frame, DataFusion puts one that ends at the current row.
    let is_whole = frame.start_bound.is_unbounded()
        && (frame.end_bound.is_unbounded() || frame.end_bound == WindowFrameBound::CurrentRow);
    if !is_whole {
        return plan_err!("{name}: the rows of a partition are taken together, got the frame {frame}; leave it out");
    }
    Ok(())
}

/// The rows of a partition, which a function takes together.
#[derive(Debug)]
struct WholePartition<F>(F);

impl<F: Window> PartitionEvaluator for WholePartition<F> {
    fn evaluate_all(&mut self, values: &[ArrayRef], _num_rows: usize) -> Result<ArrayRef> {
        let rows = values.first().ok_or_else(|| internal_datafusion_err!("{}: no arguments", F::NAME))?;
        self.0.evaluate(rows)
    }
}
