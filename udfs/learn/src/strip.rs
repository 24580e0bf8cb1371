//! Some rows at a time, column by column, so that loops over rows vectorise.

/// How many rows stand beside each other.
pub(crate) const ROWS: usize = 64;
/// How many of them a loop keeps in registers.
const LANES: usize = 32;

/// A number of each row.
pub(crate) type Lanes = [f64; ROWS];

/// Up to [`ROWS`] rows; behind them are zeros.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strip {
    pub(crate) columns: Vec<Lanes>,
}

impl Strip {
    /// Takes in rows of so many columns.
    #[inline(always)]
    pub(crate) fn fill(&mut self, rows: &[f64], columns: usize) {
        let count = rows.len() / columns.max(1);
        if count < ROWS || self.columns.len() != columns {
            self.columns.clear();
            self.columns.resize(columns, [0.0; ROWS]);
        }
        // Four rows and four columns at a time turn in registers.
        let whole = count / 4 * 4;
        let (fours, last) = self.columns.as_chunks_mut::<4>();
        for first in (0..whole).step_by(4) {
            let part = &rows[first * columns..(first + 4) * columns];
            let (row_0, rest) = part.split_at(columns);
            let (row_1, rest) = rest.split_at(columns);
            let (row_2, row_3) = rest.split_at(columns);
            let (row_0, last_0) = row_0.as_chunks::<4>();
            let (row_1, last_1) = row_1.as_chunks::<4>();
            let (row_2, last_2) = row_2.as_chunks::<4>();
            let (row_3, last_3) = row_3.as_chunks::<4>();
            let sources = row_0.iter().zip(row_1).zip(row_2).zip(row_3);
            for (columns, (((a, b), c), d)) in fours.iter_mut().zip(sources) {
                let (a, b, c, d) = (*a, *b, *c, *d);
                for (place, column) in columns.iter_mut().enumerate() {
                    column[first..first + 4].copy_from_slice(&[a[place], b[place], c[place], d[place]]);
                }
            }
            let sources = last_0.iter().zip(last_1).zip(last_2).zip(last_3);
            for (column, (((a, b), c), d)) in last.iter_mut().zip(sources) {
                column[first..first + 4].copy_from_slice(&[*a, *b, *c, *d]);
            }
        }
        for row in whole..count {
            for (column, value) in self.columns.iter_mut().zip(&rows[row * columns..(row + 1) * columns]) {
                column[row] = *value;
            }
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.columns.capacity() * size_of::<Lanes>()
    }
}

/// For each row the squared distance to the nearest of some centres, and which that is; of equally near ones the first.
#[inline(always)]
pub(crate) fn nearest(columns: &[Lanes], centres: &[f64], distances: &mut Lanes, places: &mut Lanes) {
    let (distances, _) = distances.as_chunks_mut::<LANES>();
    let (places, _) = places.as_chunks_mut::<LANES>();
    for (part, (distances, places)) in distances.iter_mut().zip(places).enumerate() {
        let (mut least, mut place) = ([f64::INFINITY; LANES], [0.0; LANES]);
        for (index, centre) in centres.chunks_exact(columns.len()).enumerate() {
            let sums = squared_distances(columns, centre, part);
            let index = index as f64;
            for lane in 0..LANES {
                let is_nearer = sums[lane] < least[lane];
                least[lane] = if is_nearer { sums[lane] } else { least[lane] };
                place[lane] = if is_nearer { index } else { place[lane] };
            }
        }
        *distances = least;
        *places = place;
    }
}

/// For each row the squared distance to a centre.
#[inline(always)]
pub(crate) fn distances(columns: &[Lanes], centre: &[f64], out: &mut Lanes) {
    let (out, _) = out.as_chunks_mut::<LANES>();
    for (part, out) in out.iter_mut().enumerate() {
        *out = squared_distances(columns, centre, part);
    }
}

#[inline(always)]
fn squared_distances(columns: &[Lanes], centre: &[f64], part: usize) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for (column, centre) in columns.iter().zip(centre) {
        let (parts, _) = column.as_chunks::<LANES>();
        let values = &parts[part];
        for lane in 0..LANES {
            let difference = values[lane] - centre;
            sums[lane] += difference * difference;
        }
    }
    sums
}

/// A hash of each row's values, where -0 is 0.
#[inline(always)]
pub(crate) fn hashes(columns: &[Lanes], out: &mut [u64; ROWS]) {
    *out = [0x9e37_79b9_7f4a_7c15; ROWS];
    for column in columns {
        for (hash, value) in out.iter_mut().zip(column) {
            let mixed = (*hash ^ (value + 0.0).to_bits()).wrapping_mul(0xff51_afd7_ed55_8ccd);
            *hash = mixed ^ mixed >> 32;
        }
    }
}

/// Spreads a word over all of its bits (splitmix64: G. Steele, D. Lea, C. Flood 2014, OOPSLA).
#[inline(always)]
pub(crate) fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
