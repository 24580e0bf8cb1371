//! How wide the columns of a table are, and which of them are hidden, so that it fits a terminal.

/// What a column would like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    /// The width at which nothing of it is cut.
    pub(super) width: usize,
    /// The width that its values need, where they must not be cut.
    pub(super) whole: usize,
}

/// A column of the table as it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnPlace {
    /// Which column it is; `None` stands for those that are hidden here.
    pub(super) column: Option<usize>,
    pub(super) width: usize,
}

/// Columns aren't cut to less while others can be hidden.
const LEAST: usize = 10;
/// A column's bar and the spaces around its cells.
const AROUND: usize = 3;
/// In less there is no table.
const LEAST_TABLE: usize = 12;

/// Places for the columns. What doesn't fit is cut first, the widest most; then columns in the middle are hidden.
pub(super) fn laid_out(wishes: &[Wish], most: Option<usize>) -> Vec<ColumnPlace> {
    let whole = |(column, wish): (usize, &Wish)| ColumnPlace { column: Some(column), width: wish.width };
    let Some(most) = most.map(|most| most.max(LEAST_TABLE)) else {
        return wishes.iter().enumerate().map(whole).collect();
    };
    let least: Vec<usize> = wishes.iter().map(|wish| wish.width.min(wish.whole.max(LEAST))).collect();
    let shown = shown(&least, most);
    let is_complete = shown.len() == wishes.len();
    // The last bar, and the place of what is hidden.
    let taken = 1 + if is_complete { 0 } else { AROUND + 1 };
    let room = most.saturating_sub(taken + AROUND * shown.len());
    let cap = cap(&shown, wishes, &least, room);
    let mut places = Vec::with_capacity(shown.len() + 1);
    let mut next = 0;
    for column in shown {
        if column > next {
            places.push(ColumnPlace { column: None, width: 1 });
        }
        let width = wishes[column].width.min(cap.max(least[column])).min(room);
        places.push(ColumnPlace { column: Some(column), width });
        next = column + 1;
    }
    if next < wishes.len() {
        places.push(ColumnPlace { column: None, width: 1 });
    }
    places
}

/// The columns that fit at their least widths: all, or the first and the last ones, and one at least.
fn shown(least: &[usize], most: usize) -> Vec<usize> {
    let needed = |columns: &mut dyn Iterator<Item = usize>| columns.map(|column| least[column] + AROUND).sum::<usize>();
    if needed(&mut (0..least.len())) < most {
        return (0..least.len()).collect();
    }
    let room = most.saturating_sub(1 + AROUND + 1);
    let (mut first, mut last, mut used) = (0, least.len(), 0);
    while first < last {
        let is_first = first <= least.len() - last;
        let column = if is_first { first } else { last - 1 };
        used += least[column] + AROUND;
        if used > room && first > 0 {
            break;
        }
        if is_first { first += 1 } else { last -= 1 }
    }
    (0..first).chain(last..least.len()).collect()
}

/// The greatest width to which columns can be cut so that they fit.
fn cap(shown: &[usize], wishes: &[Wish], least: &[usize], room: usize) -> usize {
    let used =
        |cap: usize| -> usize { shown.iter().map(|column| wishes[*column].width.min(cap.max(least[*column]))).sum() };
    let widest = shown.iter().map(|column| wishes[*column].width).max().unwrap_or(0);
    let (mut fits, mut too_wide) = (LEAST, widest + 1);
    while fits + 1 < too_wide {
        let middle = fits.midpoint(too_wide);
        if used(middle) <= room { fits = middle } else { too_wide = middle }
    }
    fits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(widths: &[usize], most: usize) -> Vec<(Option<usize>, usize)> {
        let wishes: Vec<Wish> = widths.iter().map(|width| Wish { width: *width, whole: 0 }).collect();
        laid_out(&wishes, Some(most)).into_iter().map(|place| (place.column, place.width)).collect()
    }

    #[test]
    fn what_fits_is_left_as_it_is() {
        assert_eq!(places(&[10, 20], 37), [(Some(0), 10), (Some(1), 20)]);
        let wide = [Wish { width: 1000, whole: 0 }];
        assert_eq!(laid_out(&wide, None), [ColumnPlace { column: Some(0), width: 1000 }]);
    }

    #[test]
    fn the_widest_columns_are_cut_first() {
        assert_eq!(places(&[10, 20], 36), [(Some(0), 10), (Some(1), 19)]);
        assert_eq!(places(&[5, 100, 80], 50), [(Some(0), 5), (Some(1), 17), (Some(2), 17)]);
    }

    #[test]
    fn columns_in_the_middle_are_hidden() {
        assert_eq!(places(&[20; 9], 40), [(Some(0), 14), (None, 1), (Some(8), 14)]);
        assert_eq!(
            places(&[3; 9], 40),
            [(Some(0), 3), (Some(1), 3), (Some(2), 3), (None, 1), (Some(7), 3), (Some(8), 3)]
        );
    }

    #[test]
    fn values_that_must_be_whole_cost_their_neighbours() {
        let wishes = [Wish { width: 20, whole: 20 }, Wish { width: 40, whole: 0 }];
        let widths: Vec<usize> = laid_out(&wishes, Some(40)).iter().map(|place| place.width).collect();
        assert_eq!(widths, [20, 13]);
    }

    proptest! {
        #[test]
        fn a_table_is_never_wider_than_it_may_be(
            widths in prop::collection::vec((0..60_usize, any::<bool>()), 1..30),
            most in 0..150_usize,
        ) {
            let wishes: Vec<Wish> = widths
                .iter()
                .map(|(width, is_whole)| Wish { width: *width, whole: if *is_whole { *width } else { 0 } })
                .collect();
            let places = laid_out(&wishes, Some(most));
            let total = 1 + places.iter().map(|place| place.width + AROUND).sum::<usize>();
            prop_assert!(total <= most.max(LEAST_TABLE), "{total}: {places:?}");
            prop_assert!(places.iter().any(|place| place.column.is_some()));
            prop_assert!(places.iter().filter(|place| place.column.is_none()).count() <= 1);
        }
    }
}
