//! The nearest neighbours of vectors, by comparing every two of them.

use super::vectors::square_of_distance;

/// For each vector the indexes of the `count` others that are nearest to it, with the squares of their distances: the nearest first, and of
/// those that are as near the first ones.
pub(crate) fn nearest(vectors: &[&[f64]], count: usize) -> Vec<Vec<(f64, usize)>> {
    let order = |one: &(f64, usize), other: &(f64, usize)| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1));
    let mut near = Vec::with_capacity(vectors.len());
    let mut of_vector = |(index, vector): (usize, &&[f64])| {
        near.clear();
        let others = vectors.iter().enumerate().filter(|(other, _)| *other != index);
        near.extend(others.map(|(other, another)| (square_of_distance(vector, another), other)));
        if count < near.len() {
            near.select_nth_unstable_by(count, order);
            near.truncate(count);
        }
        near.sort_unstable_by(order);
        near.clone()
    };
    vectors.iter().enumerate().map(&mut of_vector).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_of_equally_near_ones_the_first() {
        let vectors: Vec<Vec<f64>> = [0.0, 1.0, -1.0, 0.5, 3.0].map(|x| vec![x; 9]).to_vec();
        let vectors: Vec<&[f64]> = vectors.iter().map(Vec::as_slice).collect();
        assert_eq!(nearest(&vectors, 3)[0], [(2.25, 3), (9.0, 1), (9.0, 2)]);
        assert_eq!(nearest(&vectors, 9)[4].iter().map(|(_, index)| *index).collect::<Vec<_>>(), [1, 3, 0, 2]);
    }
}
