//! What can go wrong while something is learned.

/// Why there is no fit, or no prediction.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument of a step is out of its range.
    #[error("{step}: {argument} must be {allowed}, got {got}")]
    Argument {
        /// The step.
        step: &'static str,
        /// Which argument.
        argument: &'static str,
        /// What it may be.
        allowed: &'static str,
        /// What it is.
        got: String,
    },
    /// Nothing to learn from.
    #[error("{step}: there are no columns to learn from, got 0; select one or more beside the label")]
    NoColumns {
        /// The step.
        step: &'static str,
    },
    /// The fit would take more memory than any machine gives it.
    #[error("{step}: {what} of {columns} columns are too many, got {got}; at most {most} fit")]
    TooLarge {
        /// The step.
        step: &'static str,
        /// Of what there are too many.
        what: &'static str,
        /// The columns.
        columns: usize,
        /// How many there are.
        got: usize,
        /// How many there may be.
        most: usize,
    },
    /// There was no row.
    #[error("{step}: there are no rows to learn from, got 0")]
    NoRows {
        /// The step.
        step: &'static str,
    },
    /// k is larger than the number of different rows.
    #[error("kmeans: k must be at most the number of different rows, which is {distinct}, got {k}")]
    TooFewRows {
        /// How many clusters were asked for.
        k: usize,
        /// How many different rows there are.
        distinct: usize,
    },
    /// Squares of distances are out of a double's range.
    #[error(
        "{step}: values are too far apart: sums of their squares leave the range of doubles; scale the columns before, as by standard_scaler()"
    )]
    OutOfRange {
        /// The step.
        step: &'static str,
    },
    /// A label that tells nothing apart.
    #[error("{step}: the label must have at least 2 classes, got {got}")]
    TooFewClasses {
        /// The step.
        step: &'static str,
        /// How many classes there are.
        got: usize,
    },
    /// A class that no row is of.
    #[error("{step}: class {class} of {classes} has no rows; leave it out of the classes")]
    EmptyClass {
        /// The step.
        step: &'static str,
        /// The class, from 0.
        class: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// Coefficients would grow without end.
    #[error("{}: the classes can be separated without an error{}, so that coefficients grow without end; add a penalty, as l2 => 1.0", .step, of_class(.class))]
    Separated {
        /// The step.
        step: &'static str,
        /// The class that is separated from all others, from 0; `None` for all of them.
        class: Option<usize>,
    },
    /// A column that says nothing beside the others.
    #[error("{step}: column '{column}' is {}; leave it out, or add a penalty, as l2 => 1.0", if *.is_constant { "constant" } else { "a linear combination of the columns before it" })]
    Dependent {
        /// The step.
        step: &'static str,
        /// The column.
        column: String,
        /// Whether all of its values are the same.
        is_constant: bool,
    },
    /// The sums of a pass were made for another one.
    #[error(
        "the sums are not those of this pass: {0}; every partition must look at all its rows by the pass that is next"
    )]
    OtherPass(&'static str),
    /// A label that is no class number.
    #[error("{step}: labels must be class numbers from 0 to {}, one for each row, got others", .classes.saturating_sub(1))]
    Label {
        /// The step.
        step: &'static str,
        /// How many classes there are.
        classes: usize,
    },
    /// A result was asked for before the last pass.
    #[error("{step}: the fit is not done, got {rounds} rounds; make the passes that are left")]
    NotDone {
        /// The step.
        step: &'static str,
        /// The rounds so far.
        rounds: usize,
    },
    /// Numbers that travelled, or lay in a file, are not what was written.
    #[error("the numbers of a pass or of its sums are damaged: {0}")]
    Damaged(&'static str),
    /// The numbers of a model aren't those of its step.
    #[error("the model is damaged: '{name}' of {step} {wrong}; create it again")]
    Model {
        /// The step.
        step: String,
        /// Which numbers.
        name: String,
        /// What is wrong with them.
        wrong: String,
    },
    /// There is no such step.
    #[error(
        "there is no step '{0}' that predicts: it is one of kmeans, logistic_regression, one_vs_rest, linear_regression"
    )]
    UnknownStep(String),
}

fn of_class(class: &Option<usize>) -> String {
    class.map_or_else(String::new, |class| format!(" (class {class} from all others)"))
}
