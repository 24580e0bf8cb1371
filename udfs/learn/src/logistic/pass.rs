//! What the passes of logistic regression over the rows sum up.

use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::exact_sum::{two_product, two_sum};
use crate::functions::{exp, ln_1p};
use crate::precise::PreciseSums;
use crate::strip::{Lanes, ROWS, Strip};

/// Columns of a tile of second derivatives, and its rows: as many sums as registers hold.
const TILE: usize = 8;
const TILE_ROWS: usize = 4;

/// More than any pass asks for; what damaged numbers ask for could fit into no memory.
const MOST_SECONDS: usize = 1 << 25;

/// A pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LogisticPass {
    /// Means and spreads of the columns, and how many rows each class has.
    Moments {
        classes: usize,
    },
    Evaluate(Evaluate),
}

/// Loss and derivatives at points: for each problem, or for each class of one problem, a coefficient of each column, less `means` and
/// times `scales`, and an intercept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Evaluate {
    pub(crate) classes: usize,
    pub(crate) means: Vec<f64>,
    pub(crate) scales: Vec<f64>,
    /// All classes at once: one point for all of them.
    pub(crate) is_multinomial: bool,
    pub(crate) with_second: bool,
    /// Else which class is told from all others by each point.
    pub(crate) targets: Vec<usize>,
    pub(crate) points: Vec<f64>,
}

/// What a pass has found.
#[derive(Debug, Clone)]
pub(crate) enum LogisticSums {
    Moments(Moments),
    Evaluate(Derivatives),
}

#[derive(Debug, Clone)]
pub(crate) struct Moments {
    pub(crate) class_counts: Vec<u64>,
    /// Of the columns, then of their squares.
    pub(crate) sums: PreciseSums,
    pub(crate) least: Vec<f64>,
    pub(crate) most: Vec<f64>,
    pub(crate) strange_labels: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Derivatives {
    /// Parameters of a class: the columns and the intercept.
    size: usize,
    /// Of each problem.
    losses: PreciseSums,
    /// By problem or class, padded to whole tiles.
    first: PreciseSums,
    /// Of each problem, or each pair of classes, second not above first: a matrix of whole tiles, of which the lower triangle counts.
    second: Vec<f64>,
    /// How far the row that is worst off is on its right side.
    margins: Vec<f64>,
    strange_labels: u64,
    scratch: Scratch,
}

#[derive(Debug, Clone, Default)]
struct Scratch {
    /// The rows, some columns of them at a time.
    tiles: Vec<[[f64; TILE]; ROWS]>,
    scores: Vec<Lanes>,
}

impl LogisticPass {
    pub(crate) fn sums(&self, columns: usize) -> LogisticSums {
        match self {
            Self::Moments { classes } => LogisticSums::Moments(Moments {
                class_counts: vec![0; *classes],
                sums: PreciseSums::new(2 * columns),
                least: vec![f64::INFINITY; columns],
                most: vec![f64::NEG_INFINITY; columns],
                strange_labels: 0,
            }),
            Self::Evaluate(evaluate) => {
                LogisticSums::Evaluate(Derivatives::new(columns + 1, evaluate.shape(), evaluate.with_second))
            }
        }
    }

    /// Adds up to [`ROWS`] rows; false if the sums are those of another pass.
    #[inline(always)]
    pub(crate) fn add(
        &self,
        sums: &mut LogisticSums,
        rows: &[f64],
        columns: usize,
        labels: &[f64],
        strip: &mut Strip,
    ) -> bool {
        match (self, sums) {
            (Self::Moments { .. }, LogisticSums::Moments(moments)) => {
                strip.fill(rows, columns);
                moments.add(labels, strip);
            }
            (Self::Evaluate(evaluate), LogisticSums::Evaluate(derivatives)) => {
                strip.fill(rows, columns);
                evaluate.add(derivatives, rows, labels, strip);
            }
            _ => return false,
        }
        true
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Moments { classes } => {
                writer.count(0);
                writer.count(*classes as u64);
            }
            Self::Evaluate(evaluate) => {
                writer.count(1);
                writer.count(evaluate.classes as u64);
                writer.count(u64::from(evaluate.is_multinomial));
                writer.count(u64::from(evaluate.with_second));
                writer.count(evaluate.targets.len() as u64);
                evaluate.targets.iter().for_each(|target| writer.count(*target as u64));
                writer.numbers(&evaluate.means);
                writer.numbers(&evaluate.scales);
                writer.numbers(&evaluate.points);
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: usize) -> Result<Self, Error> {
        let kind = reader.count()?;
        let classes = usize::try_from(reader.count()?).unwrap_or(usize::MAX);
        if !(2..=1 << 24).contains(&classes) {
            return Err(Error::Damaged("its classes are too few or too many"));
        }
        match kind {
            0 => Ok(Self::Moments { classes }),
            1 => {
                let is_multinomial = reader.count()? == 1;
                let with_second = reader.count()? == 1;
                let targets = reader.size()?;
                let targets = (0..targets).map(|_| reader.size()).collect::<Result<Vec<_>, _>>()?;
                let parts = if is_multinomial { classes } else { targets.len() };
                let (means, scales) = (reader.numbers(columns)?, reader.numbers(columns)?);
                let points = reader.matrix(parts, columns + 1)?;
                if is_multinomial != targets.is_empty() || targets.iter().any(|target| *target >= classes) {
                    return Err(Error::Damaged("its classes are others"));
                }
                let (height, width) = padded(columns + 1);
                let blocks = Shape { is_multinomial, parts }.blocks();
                if with_second && blocks.saturating_mul(height * width) > MOST_SECONDS {
                    return Err(Error::Damaged("its second derivatives are too many"));
                }
                Ok(Self::Evaluate(Evaluate { classes, means, scales, is_multinomial, with_second, targets, points }))
            }
            _ => Err(Error::Damaged("there is no such pass")),
        }
    }
}

impl Moments {
    #[inline(always)]
    fn add(&mut self, labels: &[f64], strip: &Strip) {
        let count = labels.len();
        for label in labels {
            match class_of(*label, self.class_counts.len()) {
                Some(class) => self.class_counts[class] += 1,
                None => self.strange_labels += 1,
            }
        }
        for (column, values) in strip.columns.iter().enumerate() {
            let (mut squares, mut lost) = ([0.0; ROWS], [0.0; ROWS]);
            for lane in 0..ROWS {
                (squares[lane], lost[lane]) = two_product(values[lane], values[lane]);
            }
            let mut negative = *values;
            for value in &mut negative {
                *value = -*value;
            }
            self.sums.add_all(column, &values[..count]);
            self.sums.add_all(strip.columns.len() + column, &squares[..count]);
            self.sums.add_lost(strip.columns.len() + column, lost.iter().sum());
            self.least[column] = least(self.least[column], &mut values.clone(), count);
            self.most[column] = -least(-self.most[column], &mut negative, count);
        }
    }
}

/// The class that a label is the number of.
#[inline(always)]
fn class_of(label: f64, classes: usize) -> Option<usize> {
    let class = label as usize;
    (class < classes && class as f64 == label).then_some(class)
}

impl Evaluate {
    fn shape(&self) -> Shape {
        Shape { is_multinomial: self.is_multinomial, parts: self.parts() }
    }

    fn parts(&self) -> usize {
        if self.is_multinomial { self.classes } else { self.targets.len() }
    }

    #[inline(always)]
    fn add(&self, sums: &mut Derivatives, rows: &[f64], labels: &[f64], strip: &mut Strip) {
        let count = labels.len();
        sums.strange_labels += labels.iter().filter(|label| class_of(**label, self.classes).is_none()).count() as u64;
        let mut own = [f64::NAN; ROWS];
        own[..count].copy_from_slice(labels);
        for ((column, mean), scale) in strip.columns.iter_mut().zip(&self.means).zip(&self.scales) {
            for value in column {
                *value = (*value - mean) * scale;
            }
        }
        let mut scratch = std::mem::take(&mut sums.scratch);
        scratch.lay_out(rows, &self.means, &self.scales);
        if self.is_multinomial {
            self.add_all_classes(sums, &own, count, &strip.columns, &mut scratch);
        } else {
            for (index, (target, point)) in
                self.targets.iter().zip(self.points.chunks_exact(strip.columns.len() + 1)).enumerate()
            {
                let scores = scores(&strip.columns, point);
                let mut residuals = [0.0; ROWS];
                let mut weights = [0.0; ROWS];
                let mut losses = [0.0; ROWS];
                let mut margins = [0.0; ROWS];
                let target = *target as f64;
                for lane in 0..ROWS {
                    let is_target = own[lane] == target;
                    let margin = if is_target { scores[lane] } else { -scores[lane] };
                    let small = exp(-margin.abs());
                    let of_smaller = small / (1.0 + small);
                    let of_larger = 1.0 / (1.0 + small);
                    let of_other = if margin >= 0.0 { of_smaller } else { of_larger };
                    margins[lane] = margin;
                    losses[lane] = ln_1p(small) + if margin < 0.0 { -margin } else { 0.0 };
                    residuals[lane] = if is_target { -of_other } else { of_other };
                    weights[lane] = of_smaller * of_larger;
                }
                residuals[count..].fill(0.0);
                weights[count..].fill(0.0);
                sums.losses.add_all(index, &losses[..count]);
                sums.margins[index] = least(sums.margins[index], &mut margins, count);
                sums.add_first(index, &residuals, count, &scratch);
                if self.with_second {
                    sums.add_second(index, &weights, &scratch);
                }
            }
        }
        sums.scratch = scratch;
    }

    #[inline(always)]
    fn add_all_classes(
        &self,
        sums: &mut Derivatives,
        own: &Lanes,
        count: usize,
        columns: &[Lanes],
        scratch: &mut Scratch,
    ) {
        let mut probabilities = std::mem::take(&mut scratch.scores);
        probabilities.clear();
        for point in self.points.chunks_exact(columns.len() + 1) {
            probabilities.push(scores(columns, point));
        }
        let (mut largest, mut place) = ([f64::NEG_INFINITY; ROWS], [0.0; ROWS]);
        let (mut own_score, mut best_other) = ([0.0; ROWS], [f64::NEG_INFINITY; ROWS]);
        for (class, scores) in probabilities.iter().enumerate() {
            let class = class as f64;
            for lane in 0..ROWS {
                let score = scores[lane];
                let is_larger = score > largest[lane];
                largest[lane] = if is_larger { score } else { largest[lane] };
                place[lane] = if is_larger { class } else { place[lane] };
                let is_own = own[lane] == class;
                own_score[lane] = if is_own { score } else { own_score[lane] };
                let is_best_other = !is_own && score > best_other[lane];
                best_other[lane] = if is_best_other { score } else { best_other[lane] };
            }
        }
        let mut others = [0.0; ROWS];
        for (class, scores) in probabilities.iter_mut().enumerate() {
            let class = class as f64;
            for lane in 0..ROWS {
                let value = exp(scores[lane] - largest[lane]);
                others[lane] += if place[lane] == class { 0.0 } else { value };
                scores[lane] = value;
            }
        }
        let mut losses = [0.0; ROWS];
        for lane in 0..ROWS {
            losses[lane] = ln_1p(others[lane]) + (largest[lane] - own_score[lane]);
        }
        sums.losses.add_all(0, &losses[..count]);
        for lane in 0..ROWS {
            own_score[lane] -= best_other[lane];
        }
        sums.margins[0] = least(sums.margins[0], &mut own_score, count);
        for (class, probabilities) in probabilities.iter_mut().enumerate() {
            let mut residuals = [0.0; ROWS];
            let number = class as f64;
            for lane in 0..ROWS {
                probabilities[lane] /= 1.0 + others[lane];
                residuals[lane] = probabilities[lane] - if own[lane] == number { 1.0 } else { 0.0 };
            }
            residuals[count..].fill(0.0);
            sums.add_first(class, &residuals, count, scratch);
        }
        if self.with_second {
            let mut index = 0;
            for (class, ours) in probabilities.iter().enumerate() {
                for theirs in &probabilities[..class] {
                    let mut weights = [0.0; ROWS];
                    for lane in 0..ROWS {
                        weights[lane] = -ours[lane] * theirs[lane];
                    }
                    weights[count..].fill(0.0);
                    sums.add_second(index, &weights, scratch);
                    index += 1;
                }
                let mut weights = [0.0; ROWS];
                for lane in 0..ROWS {
                    weights[lane] = ours[lane] * (1.0 - ours[lane]);
                }
                weights[count..].fill(0.0);
                sums.add_second(index, &weights, scratch);
                index += 1;
            }
        }
        scratch.scores = probabilities;
    }
}

/// The least of `start` and the first numbers.
#[inline(always)]
fn least(start: f64, values: &mut Lanes, count: usize) -> f64 {
    values[count..].fill(f64::INFINITY);
    let mut lanes = [start; 8];
    for values in values.as_chunks::<8>().0 {
        for lane in 0..8 {
            lanes[lane] = if values[lane] < lanes[lane] { values[lane] } else { lanes[lane] };
        }
    }
    lanes.iter().fold(start, |least, value| least.min(*value))
}

/// For each row its intercept and the products of its values with the coefficients, summed in that order.
#[inline(always)]
pub(crate) fn scores(columns: &[Lanes], point: &[f64]) -> Lanes {
    const LANES: usize = 32;
    let intercept = point.last().copied().unwrap_or_default();
    let mut scores = [0.0; ROWS];
    let (parts, _) = scores.as_chunks_mut::<LANES>();
    for (index, part) in parts.iter_mut().enumerate() {
        let mut sums = [intercept; LANES];
        for (column, coefficient) in columns.iter().zip(point) {
            let (values, _) = column.as_chunks::<LANES>();
            let values = &values[index];
            for lane in 0..LANES {
                sums[lane] += values[lane] * coefficient;
            }
        }
        *part = sums;
    }
    scores
}

impl Scratch {
    /// Lays out the rows in tiles: columns, then 1 for the intercept, then zeros.
    #[inline(always)]
    fn lay_out(&mut self, rows: &[f64], means: &[f64], scales: &[f64]) {
        let columns = means.len();
        let count = (columns + 1).div_ceil(TILE);
        if self.tiles.len() != count {
            self.tiles = vec![[[0.0; TILE]; ROWS]; count];
            for row in &mut self.tiles[columns / TILE] {
                row[columns % TILE] = 1.0;
            }
        }
        let of_columns = means.chunks(TILE).zip(scales.chunks(TILE));
        for (index, (tile, (means, scales))) in self.tiles.iter_mut().zip(of_columns).enumerate() {
            let start = index * TILE;
            match (<&[f64; TILE]>::try_from(means), <&[f64; TILE]>::try_from(scales)) {
                (Ok(means), Ok(scales)) => {
                    for (out, row) in tile.iter_mut().zip(rows.chunks_exact(columns)) {
                        let (row, _) = row[start..].as_chunks::<TILE>();
                        for lane in 0..TILE {
                            out[lane] = (row[0][lane] - means[lane]) * scales[lane];
                        }
                    }
                }
                _ => {
                    for (out, row) in tile.iter_mut().zip(rows.chunks_exact(columns)) {
                        for (place, (mean, scale)) in means.iter().zip(scales).enumerate() {
                            out[place] = (row[start + place] - mean) * scale;
                        }
                    }
                }
            }
        }
    }
}

/// How many problems, or classes of one problem, points are for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shape {
    pub(crate) is_multinomial: bool,
    pub(crate) parts: usize,
}

impl Shape {
    fn problems(self) -> usize {
        if self.is_multinomial { 1 } else { self.parts }
    }

    fn blocks(self) -> usize {
        if self.is_multinomial { self.parts * (self.parts + 1) / 2 } else { self.parts }
    }
}

impl Derivatives {
    fn new(size: usize, shape: Shape, with_second: bool) -> Self {
        let (height, width) = padded(size);
        Self {
            size,
            losses: PreciseSums::new(shape.problems()),
            first: PreciseSums::new(shape.parts * width),
            second: vec![0.0; if with_second { shape.blocks() * height * width } else { 0 }],
            margins: vec![f64::INFINITY; shape.problems()],
            strange_labels: 0,
            scratch: Scratch::default(),
        }
    }

    /// Adds residuals times rows; the sums stay in registers while the rows pass.
    #[inline(always)]
    fn add_first(&mut self, part: usize, residuals: &Lanes, count: usize, scratch: &Scratch) {
        let (_, width) = padded(self.size);
        let (sums, rests) = self.first.range_mut(part * width, width);
        let tiles = sums.as_chunks_mut::<TILE>().0.iter_mut().zip(rests.as_chunks_mut::<TILE>().0);
        for ((sums, rests), rows) in tiles.zip(&scratch.tiles) {
            let (mut sum, mut rest) = (*sums, *rests);
            for (row, residual) in rows[..count].iter().zip(residuals) {
                for lane in 0..TILE {
                    let (rounded, lost) = two_sum(sum[lane], residual * row[lane]);
                    sum[lane] = rounded;
                    rest[lane] += lost;
                }
            }
            (*sums, *rests) = (sum, rest);
        }
    }

    #[inline(always)]
    fn add_second(&mut self, block: usize, weights: &Lanes, scratch: &Scratch) {
        let (height, width) = padded(self.size);
        let matrix = &mut self.second[block * height * width..(block + 1) * height * width];
        for (j, tile) in scratch.tiles.iter().enumerate() {
            let mut weighted = [[0.0; TILE]; ROWS];
            for ((weighted, row), weight) in weighted.iter_mut().zip(tile).zip(weights) {
                for lane in 0..TILE {
                    weighted[lane] = weight * row[lane];
                }
            }
            for i in j * TILE / TILE_ROWS..height / TILE_ROWS {
                let rows = &scratch.tiles[i * TILE_ROWS / TILE];
                let place = i * TILE_ROWS % TILE;
                let mut sums = [[0.0; TILE]; TILE_ROWS];
                for (row, weighted) in rows.iter().zip(&weighted) {
                    let (parts, _) = row[place..].as_chunks::<TILE_ROWS>();
                    for (sums, value) in sums.iter_mut().zip(&parts[0]) {
                        for lane in 0..TILE {
                            sums[lane] += value * weighted[lane];
                        }
                    }
                }
                for (row, sums) in sums.iter().enumerate() {
                    let start = (i * TILE_ROWS + row) * width + j * TILE;
                    for (all, sum) in matrix[start..start + TILE].iter_mut().zip(sums) {
                        *all += sum;
                    }
                }
            }
        }
    }

    pub(crate) fn loss(&self, problem: usize) -> f64 {
        self.losses.value(problem)
    }

    pub(crate) fn margin(&self, problem: usize) -> f64 {
        self.margins[problem]
    }

    pub(crate) fn strange_labels(&self) -> u64 {
        self.strange_labels
    }

    pub(crate) fn first(&self, part: usize) -> Vec<f64> {
        let (_, width) = padded(self.size);
        (part * width..part * width + self.size).map(|index| self.first.value(index)).collect()
    }

    /// A second derivative of a block.
    pub(crate) fn second(&self, block: usize, i: usize, j: usize) -> f64 {
        let (height, width) = padded(self.size);
        self.second[block * height * width + i.max(j) * width + i.min(j)]
    }

    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.size == other.size
            && self.losses.len() == other.losses.len()
            && self.first.len() == other.first.len()
            && self.second.len() == other.second.len()
    }

    pub(crate) fn fits(&self, pass: &Evaluate) -> bool {
        self.is_like(&Self::new(pass.means.len() + 1, pass.shape(), pass.with_second))
    }
}

/// Rows and columns of a matrix of whole tiles.
fn padded(size: usize) -> (usize, usize) {
    (size.next_multiple_of(TILE_ROWS), size.next_multiple_of(TILE))
}

impl LogisticSums {
    /// False if the other sums are those of another pass.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Moments(ours), Self::Moments(theirs))
                if ours.class_counts.len() == theirs.class_counts.len() && ours.sums.len() == theirs.sums.len() =>
            {
                ours.class_counts.iter_mut().zip(&theirs.class_counts).for_each(|(count, other)| *count += other);
                ours.sums.merge(&theirs.sums);
                ours.least.iter_mut().zip(&theirs.least).for_each(|(least, other)| *least = least.min(*other));
                ours.most.iter_mut().zip(&theirs.most).for_each(|(most, other)| *most = most.max(*other));
                ours.strange_labels += theirs.strange_labels;
            }
            (Self::Evaluate(ours), Self::Evaluate(theirs)) if ours.is_like(theirs) => {
                ours.losses.merge(&theirs.losses);
                ours.first.merge(&theirs.first);
                ours.second.iter_mut().zip(&theirs.second).for_each(|(sum, other)| *sum += other);
                ours.margins.iter_mut().zip(&theirs.margins).for_each(|(least, other)| *least = least.min(*other));
                ours.strange_labels += theirs.strange_labels;
            }
            _ => return false,
        }
        true
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Moments(moments) => {
                let numbers = moments.class_counts.capacity() + moments.least.capacity() + moments.most.capacity();
                numbers * size_of::<f64>() + moments.sums.heap_bytes()
            }
            Self::Evaluate(sums) => {
                let scratch = &sums.scratch;
                let rows = scratch.tiles.capacity() * TILE + scratch.scores.capacity();
                (rows * ROWS + sums.second.capacity() + sums.margins.capacity()) * size_of::<f64>()
                    + sums.losses.heap_bytes()
                    + sums.first.heap_bytes()
            }
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Moments(moments) => {
                writer.count(0);
                writer.count(moments.class_counts.len() as u64);
                moments.class_counts.iter().for_each(|count| writer.count(*count));
                moments.sums.write(writer);
                writer.numbers(&moments.least);
                writer.numbers(&moments.most);
                writer.count(moments.strange_labels);
            }
            Self::Evaluate(sums) => {
                writer.count(1);
                writer.count(sums.losses.len() as u64);
                writer.count(sums.first.len() as u64);
                sums.losses.write(writer);
                sums.first.write(writer);
                writer.numbers(&sums.margins);
                writer.count(sums.strange_labels);
                let (height, width) = padded(sums.size);
                let blocks = sums.second.len() / (height * width);
                writer.count(blocks as u64);
                for block in 0..blocks {
                    for i in 0..sums.size {
                        let start = (block * height + i) * width;
                        writer.numbers(&sums.second[start..=start + i]);
                    }
                }
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: usize) -> Result<Self, Error> {
        match reader.count()? {
            0 => {
                let classes = reader.size()?;
                Ok(Self::Moments(Moments {
                    class_counts: (0..classes).map(|_| reader.count()).collect::<Result<_, _>>()?,
                    sums: PreciseSums::read(reader, columns.saturating_mul(2))?,
                    least: reader.numbers(columns)?,
                    most: reader.numbers(columns)?,
                    strange_labels: reader.count()?,
                }))
            }
            1 => {
                let (problems, parameters) = (reader.size()?, reader.size()?);
                let losses = PreciseSums::read(reader, problems)?;
                let first = PreciseSums::read(reader, parameters)?;
                let margins = reader.numbers(problems)?;
                let strange_labels = reader.count()?;
                let blocks = reader.size()?;
                let size = columns + 1;
                let (height, width) = padded(size);
                if blocks > 0 && blocks.saturating_mul(size) > reader.left() {
                    return Err(Error::Damaged("it ends too early"));
                }
                let mut second = vec![0.0; blocks * height * width];
                for block in 0..blocks {
                    for i in 0..size {
                        let start = (block * height + i) * width;
                        second[start..=start + i].copy_from_slice(&reader.numbers(i + 1)?);
                    }
                }
                let scratch = Scratch::default();
                Ok(Self::Evaluate(Derivatives { size, losses, first, second, margins, strange_labels, scratch }))
            }
            _ => Err(Error::Damaged("there is no such pass")),
        }
    }
}
