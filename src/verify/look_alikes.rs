//! Images that are there twice, and images that look alike: by hashes of their bytes and of their pixels, 24 bytes for each.

/// What is kept of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    /// A hash of its bytes.
    pub(super) bytes: u64,
    /// A hash of its path, by which it is named later.
    pub(super) path: u64,
    /// A hash of which few bits differ between images that look alike; `None` of an image that can't be decoded.
    pub(super) look: Option<u64>,
}

/// Two images that are alike, by the hashes of their paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    /// In how many bits they differ.
    pub(super) bits: u32,
    pub(super) first: u64,
    pub(super) again: u64,
}

/// Images that are alike.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Alike {
    pub(super) images: u64,
    /// The first of them, those with the fewest different bits first.
    pub(super) pairs: Vec<Pair>,
}

/// Bits in which the hashes of images that look alike may differ at most: of more than that, no byte need be the same.
pub(crate) const MOST_BITS: u32 = 7;

/// How many pairs are listed.
pub(super) const MOST_LISTED: usize = 10;

/// Finds the copies: how many images were there before, and of the first some which. One of each stays in `seen`.
pub(super) fn take_copies(seen: &mut Vec<Seen>) -> Alike {
    seen.sort_unstable();
    let groups = seen.chunk_by(|left, right| left.bytes == right.bytes);
    let pairs = groups.filter_map(|group| match group {
        [first, again, ..] => Some(Pair { bits: 0, first: first.path, again: again.path }),
        _ => None,
    });
    let pairs = pairs.take(MOST_LISTED).collect();
    let before = seen.len();
    seen.dedup_by_key(|image| image.bytes);
    Alike { images: (before - seen.len()) as u64, pairs }
}

/// Images with one hash of their pixels.
struct Look {
    hash: u64,
    path: u64,
    images: u64,
    has_neighbour: bool,
}

/// Finds the images that look like another: their hashes differ in so many bits at most.
pub(super) fn look_alikes(seen: Vec<Seen>, most_bits: u32) -> Alike {
    let mut hashes: Vec<(u64, u64)> = seen.iter().filter_map(|image| Some((image.look?, image.path))).collect();
    drop(seen);
    hashes.sort_unstable();
    let mut alike = Alike::default();
    let mut looks = Vec::new();
    for group in hashes.chunk_by(|left, right| left.0 == right.0) {
        if let [(_, first), (_, again), ..] = group {
            add(&mut alike.pairs, Pair { bits: 0, first: *first, again: *again });
        }
        looks.extend(group.first().map(|(hash, path)| {
            let images = group.len() as u64;
            Look { hash: *hash, path: *path, images, has_neighbour: images > 1 }
        }));
    }
    drop(hashes);
    if most_bits > 0 {
        find_neighbours(&mut looks, most_bits, &mut alike.pairs);
    }
    alike.pairs.sort_unstable();
    alike.pairs.truncate(MOST_LISTED);
    alike.images = looks.iter().filter(|look| look.has_neighbour).map(|look| look.images).sum();
    alike
}

/// Of hashes that differ in fewer bits than there are parts of them, one part is the same: only those are compared.
fn find_neighbours(looks: &mut [Look], most_bits: u32, pairs: &mut Vec<Pair>) {
    let width = if most_bits < 4 { 16 } else { 8 };
    let part = |hash: u64, number: u32| (hash >> (number * width)) & ((1 << width) - 1);
    for number in 0..64 / width {
        looks.sort_unstable_by_key(|look| (part(look.hash, number), look.hash));
        for group in looks.chunk_by_mut(|left, right| part(left.hash, number) == part(right.hash, number)) {
            for one in 1..group.len() {
                let (before, rest) = group.split_at_mut(one);
                let Some(look) = rest.first_mut() else { continue };
                for other in before {
                    let bits = (look.hash ^ other.hash).count_ones();
                    if bits > most_bits {
                        continue;
                    }
                    (look.has_neighbour, other.has_neighbour) = (true, true);
                    // Two that share several parts are one pair.
                    if (0..number).all(|earlier| part(look.hash, earlier) != part(other.hash, earlier)) {
                        let (first, again) = (look.path.min(other.path), look.path.max(other.path));
                        add(pairs, Pair { bits, first, again });
                    }
                }
            }
        }
    }
}

/// Keeps the pairs that come first.
fn add(pairs: &mut Vec<Pair>, pair: Pair) {
    pairs.push(pair);
    if pairs.len() >= 100 * MOST_LISTED {
        pairs.sort_unstable();
        pairs.truncate(MOST_LISTED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bytes: u64, path: u64, look: Option<u64>) -> Seen {
        Seen { bytes, path, look }
    }

    #[test]
    fn copies_are_counted_and_one_of_each_stays() {
        let mut seen = vec![image(7, 1, Some(0)), image(8, 2, None), image(7, 3, Some(0)), image(7, 4, Some(0))];
        let copies = take_copies(&mut seen);
        assert_eq!(copies, Alike { images: 2, pairs: vec![Pair { bits: 0, first: 1, again: 3 }] });
        assert_eq!(seen.iter().map(|image| image.path).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn those_that_look_alike_are_those_that_comparing_all_with_all_finds() {
        // Some hashes, and others that differ from them in up to 10 bits.
        let random = |number: u64| number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31) ^ number;
        let look = |number: u64| {
            let flips = (0..number % 11).fold(0_u64, |flips, flip| flips | 1 << (random(number * 16 + flip) % 64));
            random(number % 40).wrapping_mul(0xD134_2543_DE82_EF95) ^ flips
        };
        let looks: Vec<u64> = (0..200).map(look).collect();
        for most_bits in 0..=MOST_BITS {
            let differ = |one: usize, other: usize| (looks[one] ^ looks[other]).count_ones();
            let has_other = |one: &usize| (0..200).any(|other| other != *one && differ(*one, other) <= most_bits);
            let expected = (0..200).filter(has_other).count() as u64;
            let seen = looks.iter().enumerate().map(|(number, look)| image(number as u64, number as u64, Some(*look)));
            let alike = look_alikes(seen.collect(), most_bits);
            assert_eq!(alike.images, expected, "{most_bits}");
            assert!(alike.pairs.is_sorted() && alike.pairs.len() <= MOST_LISTED);
            for Pair { bits, first, again } in alike.pairs {
                assert_eq!(bits, differ(first as usize, again as usize));
            }
        }
    }
}
