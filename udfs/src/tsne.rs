//! `tsne`: vectors as points of a plane in which neighbours stay neighbours.

use bhtsne::{Neighbor, tSNE};
use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::Documentation;
use datafusion_macros::user_doc;
use twox_hash::XxHash3_64;

use crate::support::arguments::{Kind, Parameter, Values, optional, required};
use crate::support::function::{Function, Window};
use crate::support::guard::catch_panic;
use crate::support::linear_model::numbers_type;
use crate::support::neighbours::nearest;
use crate::support::principal_components::{check_columns, components};
use crate::support::products::Products;
use crate::support::vector_sums::VectorSums;
use crate::support::vectors::{VectorBuilder, Vectors, dot};

/// The perplexity, where none is asked for.
const PERPLEXITY: f64 = 30.0;
/// The most vectors of a partition: finding the neighbours takes time with their square.
const MAX_ROWS: usize = 200_000;
/// The most neighbours of all vectors of a partition, which take some 40 bytes each.
const MAX_NEIGHBOURS: usize = 1 << 26;
/// Up to so many vectors lie in a plane as they are.
const IN_A_PLANE: usize = 3;
/// From so many vectors on, what pushes points apart is read off a grid instead of a tree of the points.
const ON_A_GRID: usize = 20_000;
/// How coarse the tree may be read, as van der Maaten has it (2014, J. Mach. Learn. Res. 15, 3221-3245).
const THETA: f64 = 0.5;
/// The standard deviation of the points along the first axis before anything moves.
const START: f64 = 1e-4;
/// By which part of that the seed moves points: equal ones must part.
const JITTER: f64 = 0.01;
/// Where fewer iterations than 4 times this are asked for, points are drawn together for a quarter of them.
const TOGETHER: usize = 250;

/// The SQL function `tsne`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "Points of a plane, [x, y], one for each vector, in which vectors that are near each other are near each other (t-SNE, van der Maaten \
and Hinton 2008), as a window function: OVER (ORDER BY key) gives one picture of all rows, with PARTITION BY one of each partition. Distances between \
groups, their sizes and the axes mean nothing. The order decides about the last digits that the picture grows from, so OVER needs an ORDER BY, by a key \
that no two rows share; a frame (ROWS, RANGE) is refused, as is all that would be ignored. Then the same rows give the same bits, on any number of \
threads and executors, with processors of the same kind. NULL for a vector that is or holds NULL, which counts for nothing else. Vectors of several \
lengths or of more than 4096 numbers, NaN, infinite numbers, those above 1e140 in size and partitions of more than 200000 rows are an error. \
There is no larger perplexity than a third of the rows but one: a larger one is lowered to it, with a warning in the log where it was asked for. Up to three vectors lie in a plane as they \
are, and equal ones all at [0, 0]. Points begin at the first two principal components, with a standard deviation of 1e-4, and move by n / 4 times the \
gradient, at least by 50 times; what pushes them apart comes from a tree of the points (Barnes-Hut, theta 0.5), from 20000 rows on from a grid \
(FIt-SNE). One thread works on a partition, which can't be cancelled meanwhile; the square of the rows times the length of a vector is what finding \
neighbours takes, so project long vectors on 50 principal components before (`pca`, `pca_projection`).",
    syntax_example = "tsne(x, perplexity => 30, iterations => 1000, seed => 0) OVER (ORDER BY key)",
    sql_example = r#"```sql
> SELECT name, tsne(x) OVER (ORDER BY name) AS xy FROM (VALUES ('a', [0, 0, 0]), ('b', [3, 4, 0]), ('c', NULL), ('d', [0, 0, 0])) AS t(name, x) ORDER BY name;
+------+----------------------------+
| name | xy                         |
+------+----------------------------+
| a    | [-1.6666666666666667, 0.0] |
| b    | [3.333333333333334, 0.0]   |
| c    | NULL                       |
| d    | [-1.6666666666666667, 0.0] |
+------+----------------------------+
```"#,
    argument(name = "x", description = "A list of up to 4096 numbers; `vector` makes one of columns."),
    argument(
        name = "perplexity",
        description = "About how many neighbours of a vector count, 1 to 1000; 30 by default, or as many as the rows allow."
    ),
    argument(name = "iterations", description = "How often points are moved, 1 to 100000; 1000 by default."),
    argument(name = "seed", description = "Another seed, another picture; 0 by default.")
)]
#[derive(Debug)]
pub(crate) struct Tsne {
    /// As it is asked for.
    perplexity: Option<f64>,
    iterations: usize,
    seed: i64,
}

impl Default for Tsne {
    fn default() -> Self {
        Self { perplexity: None, iterations: 1000, seed: 0 }
    }
}

impl Function for Tsne {
    const NAME: &'static str = "tsne";
    const PARAMETERS: &'static [Parameter] = &[
        required("x", Kind::Vector),
        optional("perplexity", Kind::Number),
        optional("iterations", Kind::Integer),
        optional("seed", Kind::Integer),
    ];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let default = Self::default();
        let perplexity = values.number("perplexity")?;
        if let Some(given) = perplexity.filter(|given| !(1.0..=1000.0).contains(given)) {
            return plan_err!("tsne: perplexity must be 1 to 1000, got {given}");
        }
        let iterations = values.integer("iterations", 1..=100_000, "", Some(default.iterations as i64))?;
        let seed = values.integer("seed", i64::MIN..=i64::MAX, "", Some(default.seed))?;
        Ok(Self { perplexity, iterations: iterations as usize, seed })
    }
}

impl Window for Tsne {
    fn data_type() -> DataType {
        numbers_type()
    }

    fn evaluate(&self, rows: &ArrayRef) -> Result<ArrayRef> {
        let vectors = Vectors::try_new(rows)?;
        let mut known = Known::default();
        for vector in (0..rows.len()).filter_map(|row| vectors.get(row)) {
            known.add(vector)?;
        }
        let points = self.points(&mut known)?;
        let mut points = points.chunks_exact(2);
        let mut column = VectorBuilder::default();
        for row in 0..rows.len() {
            let point = vectors.get(row).and_then(|_| points.next());
            column.append(point.map(|point| point.iter().copied()));
        }
        column.finish(Self::NAME)
    }
}

/// The vectors of a partition, without those that are NULL.
struct Known {
    sums: VectorSums,
    products: Products,
    values: Vec<f64>,
}

impl Default for Known {
    fn default() -> Self {
        Self { sums: VectorSums::new(Tsne::NAME), products: Products::default(), values: Vec::new() }
    }
}

impl Known {
    fn add(&mut self, vector: &[f64]) -> Result<()> {
        check_columns(Tsne::NAME, vector)?;
        self.sums.add(vector)?;
        if self.sums.rows() == 1 {
            self.products = Products::new(vector.len());
        }
        self.products.add(vector);
        self.values.extend_from_slice(vector);
        if self.rows() > MAX_ROWS {
            return exec_err!(
                "tsne: a partition can't have more than {MAX_ROWS} rows with a vector; take a sample, or PARTITION BY what is drawn apart"
            );
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.sums.rows() as usize
    }
}

impl Tsne {
    /// The points of the vectors, x and y by turns.
    fn points(&self, known: &mut Known) -> Result<Vec<f64>> {
        let (rows, columns) = (known.rows(), known.sums.columns());
        let still = || vec![0.0; 2 * rows];
        if rows < 2 {
            return Ok(still());
        }
        let found = components(Self::NAME, &known.sums, &mut known.products, 2)?;
        let Some(largest) = found.variances.first().copied() else { return Ok(still()) };
        let means: Vec<f64> = known.sums.means().collect();
        let mut start = still();
        for (vector, point) in known.values.chunks_exact_mut(columns).zip(start.chunks_exact_mut(2)) {
            vector.iter_mut().zip(&means).for_each(|(value, mean)| *value -= mean);
            for (direction, place) in found.directions.chunks_exact(columns).zip(point) {
                *place = dot(direction, vector);
            }
        }
        if rows <= IN_A_PLANE {
            return Ok(start);
        }
        // Squares of distances stay within the range of numbers, and the search for bandwidths begins near its end.
        let scale = largest.sqrt().recip();
        known.values.iter_mut().for_each(|value| *value *= scale);
        for (place, value) in start.iter_mut().enumerate() {
            *value = START * (*value * scale + JITTER * noise(self.seed, place));
        }
        self.moved(&known.values, columns, start)
    }

    /// The points after all iterations.
    fn moved(&self, values: &[f64], columns: usize, start: Vec<f64>) -> Result<Vec<f64>> {
        let vectors: Vec<&[f64]> = values.chunks_exact(columns).collect();
        let rows = vectors.len();
        let most = (rows - 1) as f64 / 3.0;
        if let Some(asked) = self.perplexity.filter(|asked| *asked > most) {
            log::warn!("tsne: perplexity lowered from {asked} to {most:.1}: there are {rows} vectors");
        }
        let perplexity = self.perplexity.unwrap_or(PERPLEXITY).min(most);
        let count = ((3.0 * perplexity).round() as usize).clamp(1, rows - 1);
        if rows * count > MAX_NEIGHBOURS {
            return exec_err!(
                "tsne: {rows} vectors with {count} neighbours each, three times the perplexity, are more than {MAX_NEIGHBOURS} neighbours; \
                 lower the perplexity or take a sample"
            );
        }
        let neighbours = neighbours(&vectors, count);
        let together = TOGETHER.min(self.iterations / 4);
        // Sums of several threads have other last digits each time.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "pixmill-tsne".to_string()).build();
        let pool = pool.map_err(|error| exec_datafusion_err!("tsne: no thread can be started: {error}"))?;
        let points = pool.install(|| {
            catch_panic(|| {
                let mut tsne: tSNE<'_, f64, &[f64]> = tSNE::new(&vectors);
                tsne.perplexity(perplexity)
                    .epochs(self.iterations)
                    .learning_rate((rows as f64 / 4.0).max(50.0))
                    .stop_lying_epoch(together)
                    .momentum_switch_epoch(together)
                    .initial_embedding(start);
                match rows < ON_A_GRID {
                    true => tsne.barnes_hut_with_neighbors(THETA, &neighbours),
                    false => tsne.fit_sne_with_neighbors(&neighbours),
                };
                tsne.embedding()
            })
        });
        let points = points.map_err(|reason| exec_datafusion_err!("tsne: the points can't be computed: {reason}"))?;
        match points.iter().all(|place| place.is_finite()) {
            true => Ok(points),
            false => exec_err!("tsne: the points of {rows} vectors move beyond all bounds; use another perplexity"),
        }
    }
}

/// The nearest other vectors of each, as the crate takes them.
fn neighbours(vectors: &[&[f64]], count: usize) -> Vec<Vec<Neighbor<f64>>> {
    let neighbour = |(square, index): (f64, usize)| Neighbor { index, distance: square.sqrt() };
    nearest(vectors, count).into_iter().map(|near| near.into_iter().map(neighbour).collect()).collect()
}

/// A number from -1 to 1 for each place.
fn noise(seed: i64, place: usize) -> f64 {
    let hash = XxHash3_64::oneshot_with_seed(seed as u64, &(place as u64).to_le_bytes());
    hash as f64 / u64::MAX as f64 * 2.0 - 1.0
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::Float64Type;

    use super::*;
    use crate::support::testing::{part, vectors};

    const FEW: Tsne = Tsne { perplexity: Some(5.0), iterations: 300, seed: 0 };

    /// Points of vectors, which are none of them NULL.
    fn points(tsne: &Tsne, rows: &[Vec<f64>]) -> Vec<(f64, f64)> {
        let points = tsne.evaluate(&vectors(rows)).expect("points");
        let points = Vectors::try_new(&points).expect("lists");
        (0..rows.len()).map(|row| points.get(row).map(|point| (point[0], point[1])).expect("a point")).collect()
    }

    fn error(rows: &[Vec<f64>]) -> String {
        FEW.evaluate(&vectors(rows)).expect_err("refused").strip_backtrace()
    }

    fn distance((x, y): (f64, f64), (x2, y2): (f64, f64)) -> f64 {
        (x - x2).hypot(y - y2)
    }

    /// Vectors around three centres in ten dimensions, by turns.
    fn blobs(count: u32) -> Vec<Vec<f64>> {
        let number = |i: u32, place: u32| {
            let centre = if place % 3 == i % 3 { 8.0 } else { 0.0 };
            centre + (0..4).map(|draw| part(i * 31 + place * 7 + draw * 13 + 1, 7919, 10_007)).sum::<f64>()
        };
        (0..count).map(|i| (0..10).map(|place| number(i, place)).collect()).collect()
    }

    #[test]
    fn neighbours_in_the_picture_are_of_the_same_group() {
        for perplexity in [Some(5.0), None] {
            let points = points(&Tsne { perplexity, ..Tsne::default() }, &blobs(150));
            for (index, point) in points.iter().enumerate() {
                let others = (0..points.len()).filter(|other| *other != index);
                let near = others.min_by(|a, b| distance(points[*a], *point).total_cmp(&distance(points[*b], *point)));
                assert_eq!(near.expect("another") % 3, index % 3, "perplexity {perplexity:?}, point {index}");
            }
        }
    }

    #[test]
    fn the_same_rows_give_the_same_bits_and_another_seed_another_picture() {
        let rows = blobs(60);
        assert_eq!(points(&FEW, &rows), points(&FEW, &rows));
        assert_ne!(points(&FEW, &rows), points(&Tsne { seed: 1, ..FEW }, &rows));
    }

    #[test]
    fn up_to_three_vectors_lie_as_they_are() {
        assert_eq!(points(&FEW, &[vec![5.0, 5.0, 5.0]]), [(0.0, 0.0)]);
        let three = [vec![0.0, 0.0, 0.0], vec![3.0, 4.0, 0.0], vec![0.0, 0.0, 12.0]];
        for count in [2, 3] {
            let points = points(&FEW, &three[..count]);
            assert!((distance(points[0], points[1]) - 5.0).abs() < 1e-12);
        }
    }

    #[test]
    fn few_vectors_and_equal_ones_have_points_that_are_numbers() {
        for count in 4..20_u32 {
            for perplexity in [Some(1.0), None] {
                let tsne = Tsne { perplexity, iterations: 1000, seed: 0 };
                points(&tsne, &blobs(count));
                let corners: Vec<Vec<f64>> =
                    (0..count).map(|i| (0..count).map(|j| f64::from(u8::from(i == j))).collect()).collect();
                points(&tsne, &corners);
                let twos: Vec<Vec<f64>> = (0..count).map(|i| vec![f64::from(i % 2) * 1e-9 + 1e6]).collect();
                points(&tsne, &twos);
            }
        }
        assert_eq!(points(&FEW, &vec![vec![0.1, 0.7]; 9]), [(0.0, 0.0); 9]);
        let far: Vec<Vec<f64>> = (0..40).map(|i| vec![f64::from(i) * 1e138, 1e-150 * f64::from(i % 3)]).collect();
        points(&FEW, &far);
    }

    #[test]
    fn null_is_null_and_changes_nothing_else() {
        let rows = blobs(20);
        let with_null: Vec<Option<Vec<Option<f64>>>> = [None, Some(vec![Some(1.0), None])]
            .into_iter()
            .chain(rows.iter().map(|row| Some(row.iter().copied().map(Some).collect())))
            .collect();
        let column = datafusion::arrow::array::ListArray::from_iter_primitive::<Float64Type, _, _>(with_null);
        let column: ArrayRef = std::sync::Arc::new(column);
        let got = FEW.evaluate(&column).expect("points");
        assert_eq!([got.is_null(0), got.is_null(1), got.is_null(2)], [true, true, false]);
        let without = FEW.evaluate(&vectors(&rows)).expect("points");
        assert_eq!(got.slice(2, 20).as_list::<i32>().value(0).to_data(), without.as_list::<i32>().value(0).to_data());
        let nothing = FEW.evaluate(&column.slice(0, 2)).expect("no points");
        assert_eq!(nothing.null_count(), 2);
        assert_eq!(FEW.evaluate(&column.slice(0, 0)).expect("no rows").len(), 0);
    }

    #[test]
    fn what_has_no_picture_is_told() {
        assert_eq!(
            error(&[vec![1.0], vec![1.0, 2.0]]),
            "Execution error: tsne: the vectors of all rows must have the same length, got one of 1 number and one of 2"
        );
        assert!(error(&[vec![1.0, f64::NAN]]).contains("tsne: x[2] must be finite, got NaN"));
        assert!(error(&[vec![f64::INFINITY]]).contains("tsne: x[1] must be finite, got inf"));
        assert!(error(&[vec![0.5; 5000]]).contains("tsne: x must have at most 4096 numbers, got 5000"));
        assert!(error(&[vec![]]).contains("tsne: x must have 1 number or more"));
    }
}
