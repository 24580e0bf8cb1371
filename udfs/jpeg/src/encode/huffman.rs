//! Huffman tables of an encoder: those of the standard (ITU-T T.81, K.3), or the shortest codes for an image (K.2), which are libjpeg's.

use super::symbols::Counts;
use crate::standard_codes::{AC_CHROMA, AC_LUMA, DC_CHROMA, DC_LUMA};

/// The longest code that a JPEG can have.
const LONGEST_CODE: usize = 16;

/// A table as a JPEG holds it (ITU-T T.81, C.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// How many codes there are of 1 to 16 bits.
    pub(super) codes_by_length: [u8; LONGEST_CODE],
    /// The symbols in the order of their codes.
    pub(super) symbols: Vec<u8>,
}

impl Table {
    /// Tables K.3 to K.6: DC and AC of luma, DC and AC of chroma.
    pub(super) fn standard() -> [Self; 4] {
        [&DC_LUMA, &AC_LUMA, &DC_CHROMA, &AC_CHROMA]
            .map(|(codes_by_length, symbols)| Self { codes_by_length: *codes_by_length, symbols: symbols.to_vec() })
    }

    /// The shortest codes for symbols that come so often, none of them all ones.
    pub(super) fn optimal(counts: &Counts) -> Self {
        let (symbols, mut leaves): (Vec<u8>, Vec<u64>) =
            (0..=u8::MAX).zip(counts).filter(|(_, count)| **count > 0).unzip();
        // A symbol that doesn't exist takes the code of all ones.
        leaves.push(1);
        let depths = code_lengths(&leaves);
        let mut by_length = [0; 257];
        depths.iter().for_each(|depth| by_length[usize::from(*depth)] += 1);
        limit_lengths(&mut by_length);
        if let Some(longest) = by_length[..=LONGEST_CODE].iter_mut().rfind(|count| **count > 0) {
            *longest -= 1;
        }
        // libjpeg orders by the lengths as they were before they were limited.
        let mut order: Vec<(u16, u8)> = depths.into_iter().zip(symbols).collect();
        order.sort_unstable();
        Self {
            codes_by_length: std::array::from_fn(|index| by_length[index + 1] as u8),
            symbols: order.into_iter().map(|(_, symbol)| symbol).collect(),
        }
    }
}

/// How deep each leaf is in a Huffman tree for leaves that come so often.
///
/// libjpeg's rule where counts are equal: the later leaf is taken first, and a tree stands where the one of its halves stood that was
/// taken first.
fn code_lengths(counts: &[u64]) -> Vec<u16> {
    /// A key has a count and a leaf; the least count is the least key, then the latest leaf.
    const LEAF: u64 = 0xffff;
    let mut leaves =
        Queue { keys: counts.iter().zip(0..).map(|(count, leaf)| count << 16 | (LEAF - leaf)).collect(), next: 0 };
    leaves.keys.sort_unstable();
    let mut trees = Queue { keys: Vec::with_capacity(counts.len()), next: 0 };
    // The tree that stands at a leaf, and the tree that each tree became a half of.
    let mut roots: Vec<usize> = (0..counts.len()).collect();
    let mut parents = vec![0; 2 * counts.len()];
    let mut tree = counts.len();
    while let (Some(first), Some(second)) = (take(&mut leaves, &mut trees), take(&mut leaves, &mut trees)) {
        let [first_leaf, second_leaf] = [first, second].map(|key| (LEAF - (key & LEAF)) as usize);
        parents[roots[first_leaf]] = tree;
        parents[roots[second_leaf]] = tree;
        roots[first_leaf] = tree;
        trees.insert((second & !LEAF) + first);
        tree += 1;
    }
    let mut depths = vec![0; tree];
    for node in (0..tree - 1).rev() {
        depths[node] = depths[parents[node]] + 1;
    }
    depths.truncate(counts.len());
    depths
}

/// Keys in order, of which the first have been taken.
struct Queue {
    keys: Vec<u64>,
    next: usize,
}

impl Queue {
    fn first(&self) -> Option<u64> {
        self.keys.get(self.next).copied()
    }

    /// Adds a key. New trees count no less than those before, so that it belongs at or near the end.
    fn insert(&mut self, key: u64) {
        let at = self.keys.iter().rposition(|before| *before < key).map_or(0, |before| before + 1);
        self.keys.insert(at, key);
    }
}

/// Takes the least key of two queues.
fn take(leaves: &mut Queue, trees: &mut Queue) -> Option<u64> {
    let queue = match (leaves.first(), trees.first()) {
        (Some(leaf), Some(tree)) if leaf < tree => leaves,
        (Some(_), None) => leaves,
        _ => trees,
    };
    let key = queue.first()?;
    queue.next += 1;
    Some(key)
}

/// Shortens codes of over 16 bits (ITU-T T.81, figure K.3).
fn limit_lengths(by_length: &mut [u16; 257]) {
    for length in (LONGEST_CODE + 1..by_length.len()).rev() {
        while by_length[length] > 0 {
            // Two go: the prefix they share becomes the one's code, a shorter code the prefix of two, of which the other gets one.
            let shorter = (1..length - 1).rev().find(|shorter| by_length[*shorter] > 0).unwrap_or(1);
            by_length[length] -= 2;
            by_length[length - 1] += 1;
            by_length[shorter + 1] += 2;
            by_length[shorter] -= 1;
        }
    }
}

/// For each table and symbol (table times 256 plus symbol): the code, shifted for the bits that follow it, and in the upper half how
/// many bits that are with those.
pub(crate) struct Codes([u64; 1024]);

impl Default for Codes {
    fn default() -> Self {
        Self([0; 1024])
    }
}

impl Codes {
    /// Codes of tables (ITU-T T.81, C.2). Symbols that a table hasn't have no bits.
    pub(super) fn set(&mut self, tables: &[Table; 4]) {
        self.0.fill(0);
        for (codes, table) in self.0.as_chunks_mut::<256>().0.iter_mut().zip(tables) {
            let mut symbols = table.symbols.iter();
            let mut code = 0;
            for (length, count) in (1..).zip(table.codes_by_length) {
                for symbol in symbols.by_ref().take(usize::from(count)) {
                    let value_bits = u64::from(symbol % 16);
                    codes[usize::from(*symbol)] = code << value_bits | (length + value_bits) << 32;
                    code += 1;
                }
                code <<= 1;
            }
        }
    }

    /// The bits of a coded symbol (see [`super::symbols::Symbols`]), and how many those are.
    #[inline(always)]
    pub(super) fn bits(&self, coded: u32) -> (u64, u32) {
        let code = self.0[(coded >> 16) as usize % 1024];
        (u64::from(code as u32 | coded & 0xffff), (code >> 32) as u32)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use proptest::prelude::*;

    use super::*;

    /// libjpeg's way: look through all counts for the two least, as often as there are symbols.
    fn by_search(counts: &[u64]) -> Vec<u16> {
        let mut trees: Vec<(u64, Vec<usize>)> =
            counts.iter().zip(0..).map(|(count, leaf)| (*count, vec![leaf])).collect();
        let mut depths = vec![0; counts.len()];
        let least = |trees: &[(u64, Vec<usize>)], but: Option<usize>| {
            let others = (0..trees.len()).filter(|at| Some(*at) != but && trees[*at].0 > 0);
            others.min_by_key(|at| (trees[*at].0, Reverse(*at)))
        };
        while let Some(first) = least(&trees, None)
            && let Some(second) = least(&trees, Some(first))
        {
            let (count, leaves) = std::mem::take(&mut trees[second]);
            trees[first].0 += count;
            trees[first].1.extend(leaves);
            trees[first].1.iter().for_each(|leaf| depths[*leaf] += 1);
        }
        depths
    }

    proptest! {
        #[test]
        fn code_lengths_are_those_of_a_search_for_the_two_least(counts in prop::collection::vec(1..9_u64, 1..100)) {
            prop_assert_eq!(code_lengths(&counts), by_search(&counts));
        }

        #[test]
        fn optimal_tables_have_no_code_of_all_ones(counts in prop::collection::vec(prop_oneof![Just(0), 1..9_u64, 1..1_u64 << 40], 256)) {
            let table = Table::optimal(counts.as_slice().try_into().unwrap());
            let used = table.codes_by_length.iter().zip(1..).map(|(count, length)| u32::from(*count) << (16 - length)).sum::<u32>();
            prop_assert!(used < 1 << 16);
            let symbols = counts.iter().filter(|count| **count > 0).count();
            prop_assert_eq!(table.symbols.len(), symbols);
            prop_assert_eq!(table.codes_by_length.iter().map(|count| usize::from(*count)).sum::<usize>(), symbols);
        }
    }

    #[test]
    fn a_symbol_that_comes_alone_has_a_code_of_one_bit() {
        let mut counts = [0; 256];
        counts[7] = 5;
        let table = Table::optimal(&counts);
        assert_eq!(table.symbols, [7]);
        assert_eq!(table.codes_by_length[0], 1);
    }

    #[test]
    fn counts_that_double_have_codes_of_up_to_16_bits() {
        let counts = std::array::from_fn(|symbol| if symbol < 30 { 1 << symbol } else { 0 });
        let table = Table::optimal(&counts);
        assert_eq!(table.symbols, Vec::from_iter((0..30).rev()));
        // What jpeg_gen_optimal_table of libjpeg-turbo 3.1.0 makes of them.
        assert_eq!(table.codes_by_length, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 2, 15]);
    }

    #[test]
    fn the_standard_codes_end_as_its_tables_do() {
        let mut codes = Codes::default();
        codes.set(&Table::standard());
        // Tables K.3 to K.6: DC 11 and AC 15/10.
        assert_eq!(codes.bits(11 << 16), (0b1_1111_1110 << 11, 9 + 11));
        assert_eq!(codes.bits(0x1fa << 16), (0xfffe << 10, 16 + 10));
        assert_eq!(codes.bits(0x20b << 16), (0x7fe << 11, 11 + 11));
        assert_eq!(codes.bits(0x3fa << 16), (0xfffe << 10, 16 + 10));
    }
}
