//! What a fit comes to.

/// Numbers with a name, in rows and columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// What they are.
    pub name: String,
    /// How many there are in each direction, the outermost first; empty for a single number.
    pub shape: Vec<usize>,
    /// Row by row; NaN where there is no such number.
    pub values: Vec<f64>,
}

impl Numbers {
    pub(crate) fn new(name: &str, shape: &[usize], values: Vec<f64>) -> Self {
        Self { name: name.to_string(), shape: shape.to_vec(), values }
    }
}

/// A fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// How many rows it is made from.
    pub rows: u64,
    /// How often it went over them to come nearer, without passes that only prepare.
    pub rounds: usize,
    /// Whether it came to its end, rather than to the most rounds.
    pub converged: bool,
    /// What it found.
    pub numbers: Vec<Numbers>,
    /// What should be known of it, as sentences.
    pub notes: Vec<String>,
}
