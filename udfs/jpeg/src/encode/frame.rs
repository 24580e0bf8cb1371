//! How an image is divided into blocks and minimum coded units (ITU-T T.81, A.1 and A.2).

use super::{PixelLayout, Subsampling};
use crate::Error;
use crate::encode::symbols::{Batch, MOST_BLOCKS, Place};

/// libjpeg's limit; the format's is 65535.
const LONGEST_SIDE: u32 = 65500;

/// A component: luma, or one of both chromas.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Component {
    /// Its blocks in a minimum coded unit, across and down: the sampling factors.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Its blocks that have samples of the image; the others fill the last units up.
    blocks_wide: usize,
    blocks_high: usize,
    /// Where its blocks begin in a batch.
    pub(super) first_block: usize,
    /// Samples from a row to the next: those of all batches in a row.
    pub(super) stride: usize,
}

impl Component {
    fn fill_up(&self, batch: &mut Batch, index: usize, row_of_units: usize) {
        let in_row = 2 * self.across;
        for row in 0..self.down {
            let is_below = row_of_units * self.down + row >= self.blocks_high;
            for column in 0..in_row {
                let is_right = index * in_row + column >= self.blocks_wide;
                let before = if is_below {
                    // The last block of the unit's row above.
                    row.saturating_sub(1) * in_row + (column / self.across + 1) * self.across - 1
                } else if is_right {
                    (row * in_row + column).saturating_sub(1)
                } else {
                    continue;
                };
                let block = self.first_block + row * in_row + column;
                let dc = batch.blocks[self.first_block + before][0];
                batch.blocks[block] = [0; 64];
                batch.blocks[block][0] = dc;
                batch.nonzero[block] = 0;
            }
        }
    }
}

/// An image's size and its components.
///
/// Two neighbouring units are a batch, so that every component's blocks come in pairs; the second unit may be missing in the last one.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    components: [Component; 3],
    component_count: usize,
    units_wide: usize,
    pub(super) rows_of_units: usize,
    /// The blocks of a batch as they are coded.
    order: [Place; MOST_BLOCKS],
    blocks_in_unit: usize,
}

impl Frame {
    /// # Errors
    ///
    /// [`Error::Unsupported`] if a side is 0 or over 65500.
    pub(super) fn new(width: u32, height: u32, layout: PixelLayout, subsampling: Subsampling) -> Result<Self, Error> {
        for (side, name) in [(width, "width"), (height, "height")] {
            if side == 0 || side > LONGEST_SIDE {
                return Err(Error::unsupported(format!("a {name} of {side} pixels; it must be 1 to {LONGEST_SIDE}")));
            }
        }
        let (width, height) = (width as usize, height as usize);
        let (across, down) = match (layout, subsampling) {
            (PixelLayout::Gray, _) | (_, Subsampling::Full) => (1, 1),
            (_, Subsampling::HalfWidth) => (2, 1),
            (_, Subsampling::Quarter) => (2, 2),
        };
        let (units_wide, rows_of_units) = (width.div_ceil(8 * across), height.div_ceil(8 * down));
        let factors = [(across, down), (1, 1), (1, 1)];
        let mut first_block = 0;
        let components = factors.map(|factors| {
            let component = Component {
                across: factors.0,
                down: factors.1,
                blocks_wide: (width * factors.0).div_ceil(8 * across),
                blocks_high: (height * factors.1).div_ceil(8 * down),
                first_block,
                stride: units_wide.next_multiple_of(2) * factors.0 * 8,
            };
            first_block += 2 * factors.0 * factors.1;
            component
        });
        let component_count = if layout == PixelLayout::Gray { 1 } else { 3 };
        let blocks_in_unit = across * down + component_count - 1;
        let mut frame = Self {
            width,
            height,
            components,
            component_count,
            units_wide,
            rows_of_units,
            order: [Place::default(); MOST_BLOCKS],
            blocks_in_unit,
        };
        frame.order = frame.coding_order();
        Ok(frame)
    }

    pub(super) fn components(&self) -> &[Component] {
        &self.components[..self.component_count]
    }

    /// Batches in a row of units.
    pub(super) fn batches(&self) -> usize {
        self.units_wide.div_ceil(2)
    }

    /// The blocks of a row of units, those of a missing unit too.
    pub(super) fn blocks_in_row(&self) -> usize {
        2 * self.batches() * self.blocks_in_unit
    }

    /// The blocks of a batch in the order in which they are coded.
    pub(super) fn order(&self, batch: usize) -> &[Place] {
        let units = (self.units_wide - 2 * batch).min(2);
        &self.order[..units * self.blocks_in_unit]
    }

    /// Unit by unit, component by component, from the left and from the top (ITU-T T.81, A.2.3).
    fn coding_order(&self) -> [Place; MOST_BLOCKS] {
        let mut order = [Place::default(); MOST_BLOCKS];
        let mut places = order.iter_mut();
        for unit in 0..2 {
            for (index, component) in (0u8..).zip(self.components()) {
                for row in 0..component.down {
                    let first = component.first_block + (2 * row + unit) * component.across;
                    for (block, place) in (first..first + component.across).zip(&mut places) {
                        *place = Place { block: block as u8, component: index };
                    }
                }
            }
        }
        order
    }

    /// Empties the blocks of a batch that have no samples of the image; with the DC coefficient of the block before they cost least.
    pub(super) fn fill_up(&self, batch: &mut Batch, index: usize, row_of_units: usize) {
        if index + 1 < self.batches() && row_of_units + 1 < self.rows_of_units {
            return;
        }
        for component in self.components() {
            component.fill_up(batch, index, row_of_units);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u32, height: u32, subsampling: Subsampling) -> Frame {
        Frame::new(width, height, PixelLayout::Rgb, subsampling).unwrap()
    }

    #[test]
    fn a_units_blocks_are_coded_component_by_component_and_row_by_row() {
        let blocks =
            |subsampling| frame(64, 64, subsampling).order(0).iter().map(|place| place.block).collect::<Vec<_>>();
        assert_eq!(blocks(Subsampling::Full), [0, 2, 4, 1, 3, 5]);
        assert_eq!(blocks(Subsampling::HalfWidth), [0, 1, 4, 6, 2, 3, 5, 7]);
        assert_eq!(blocks(Subsampling::Quarter), [0, 1, 4, 5, 8, 10, 2, 3, 6, 7, 9, 11]);
    }

    #[test]
    fn the_last_batch_of_an_odd_number_of_units_codes_one() {
        let frame = frame(33, 1, Subsampling::Quarter);
        assert_eq!(frame.batches(), 2);
        assert_eq!(frame.order(0).len(), 12);
        assert_eq!(frame.order(1).len(), 6);
    }

    #[test]
    fn blocks_without_samples_are_empty_and_have_the_dc_coefficient_before_them() {
        // 8x8 pixels: one of the four blocks of luma.
        let frame = frame(8, 8, Subsampling::Quarter);
        let mut batch = Batch { blocks: [[7; 64]; MOST_BLOCKS], nonzero: [u64::MAX; MOST_BLOCKS] };
        batch.blocks[0][0] = 5;
        frame.fill_up(&mut batch, 0, 0);
        let mut empty = [0; 64];
        empty[0] = 5;
        for place in frame.order(0) {
            let block = usize::from(place.block);
            let has_samples = [0, 8, 10].contains(&block);
            assert_eq!(batch.nonzero[block] == 0, !has_samples, "{block}");
            assert_eq!(batch.blocks[block] == empty, !has_samples, "{block}");
        }
    }
}
