//! The decoding of the ordinary kind of JPEG, row by row of MCUs: sequential, Huffman-coded, all components in one scan.
//!
//! Here is no recovery from anything: what is irregular is left to [`super::scans`], which follows libjpeg in that.

use std::ops::Range;
use std::time::Instant;

use super::bits::{Bits, ScanData};
use super::block::BlockPair;
use super::check_time;
use super::lookup::{Class, Lookup};
use super::planes::{Plane, Sampling};
use super::transform::Transform;

/// Components of an ordinary JPEG.
pub(super) const MOST_COMPONENTS: usize = 3;
/// Pairs of blocks of a component in two neighbouring MCUs: up to 2 x 2 blocks each.
const PAIRS: usize = 4;

/// Something irregular about a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Irregular;

/// A component, ready to be decoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanComponent {
    pub(super) sampling: Sampling,
    /// Which of the tables its codes are from.
    pub(super) dc: usize,
    pub(super) ac: usize,
    pub(super) transform: Transform,
}

/// The scan that is to be decoded.
#[derive(Debug)]
pub(super) struct OrdinaryScan<'a> {
    /// MCUs across and down.
    pub(super) mcus: (usize, usize),
    /// MCUs between two restart markers; 0 if there are none.
    pub(super) restart_interval: usize,
    /// One or three.
    pub(super) components: &'a [ScanComponent],
    /// When decoding is given up.
    pub(super) deadline: Option<Instant>,
    /// The MCUs whose samples are wanted, across and down; the others are only walked through.
    pub(super) wanted: (Range<usize>, Range<usize>),
    /// How many of the components are wanted.
    pub(super) used: usize,
}

impl OrdinaryScan<'_> {
    /// Whether any AC coefficients of a component are wanted: a sample for a block is made from its first coefficient alone.
    fn needs_ac(&self, index: usize) -> bool {
        index < self.used && self.components.get(index).is_some_and(|component| component.sampling.size > 1)
    }

    /// About how many of a component's blocks are only walked through.
    fn blocks_passed_over(&self, index: usize) -> usize {
        let Some(component) = self.components.get(index) else { return 0 };
        let (across, down) = component.sampling.blocks;
        let wanted = |range: &Range<usize>, all: usize| range.end.min(all).saturating_sub(range.start);
        let (columns, rows) = &self.wanted;
        let wanted = wanted(columns, self.mcus.0) * wanted(rows, self.mcus.1) * usize::from(self.needs_ac(index));
        (self.mcus.0 * self.mcus.1 - wanted) * across * down
    }
}

/// Decodes one scan; its memory is used again for the next image.
pub(super) struct ScanDecoder {
    pub(super) data: ScanData,
    pub(super) dc: [Lookup; 4],
    pub(super) ac: [Lookup; 4],
    pairs: [[BlockPair; PAIRS]; MOST_COMPONENTS],
}

impl Default for ScanDecoder {
    fn default() -> Self {
        Self {
            data: ScanData::default(),
            dc: std::array::from_fn(|_| Lookup::new(Class::Dc)),
            ac: std::array::from_fn(|_| Lookup::new(Class::Ac)),
            pairs: std::array::from_fn(|_| std::array::from_fn(|_| BlockPair::default())),
        }
    }
}

impl ScanDecoder {
    /// Decodes the data into the planes, and calls `each` for every row of MCUs.
    pub(super) fn decode(
        &mut self,
        scan: &OrdinaryScan<'_>,
        planes: &mut [Plane],
        each: &mut dyn FnMut(&mut [Plane], usize),
    ) -> Result<(), Irregular> {
        // An image that broke off has left its last blocks.
        let Self { data, dc, ac, pairs } = self;
        pairs.as_flattened_mut().iter_mut().for_each(BlockPair::clear);
        for (index, component) in scan.components.iter().enumerate() {
            ac[component.ac & 3].prepare_steps(scan.blocks_passed_over(index));
        }
        let mut entropy = Entropy::start(data, scan).ok_or(Irregular)?;
        for row in 0..scan.mcus.1 {
            if check_time(scan.deadline).is_err() {
                return Err(Irregular);
            }
            decode_row(scan, row, (dc, ac), pairs, planes, &mut entropy).ok_or(Irregular)?;
            each(planes, row);
            planes.iter_mut().for_each(Plane::advance);
        }
        if entropy.is_at_end() { Ok(()) } else { Err(Irregular) }
    }
}

/// Decodes and transforms a row of MCUs, two at a time.
fn decode_row(
    scan: &OrdinaryScan<'_>,
    row: usize,
    (dc, ac): (&[Lookup; 4], &[Lookup; 4]),
    pairs: &mut [[BlockPair; PAIRS]; MOST_COMPONENTS],
    planes: &mut [Plane],
    entropy: &mut Entropy<'_>,
) -> Option<()> {
    let components = scan.components;
    let coding = |index: usize| {
        let component = components.get(index)?;
        Some((component.sampling.blocks, (&dc[component.dc & 3], &ac[component.ac & 3])))
    };
    let (first, others) = (coding(0)?, coding(1).zip(coding(2)));
    let (first_needs_ac, others_need_ac) = (scan.needs_ac(0), scan.needs_ac(1) || scan.needs_ac(2));
    let (columns, rows) = &scan.wanted;
    for mcu in (0..scan.mcus.0).step_by(2) {
        let is_wanted = rows.contains(&row) && mcu + 2 > columns.start && mcu < columns.end;
        for half in 0..(scan.mcus.0 - mcu).min(2) {
            entropy.restart()?;
            // One call for each component: the processor learns the branches of each by themselves.
            if is_wanted && first_needs_ac {
                entropy.component::<true>(0, half, first, &mut pairs[0])?;
            } else {
                entropy.component::<false>(0, half, first, &mut pairs[0])?;
            }
            let Some((second, third)) = others else { continue };
            if is_wanted && others_need_ac {
                entropy.component::<true>(1, half, second, &mut pairs[1])?;
                entropy.component::<true>(2, half, third, &mut pairs[2])?;
            } else {
                entropy.component::<false>(1, half, second, &mut pairs[1])?;
                entropy.component::<false>(2, half, third, &mut pairs[2])?;
            }
        }
        if !is_wanted {
            continue;
        }
        for ((component, plane), pairs) in
            components.iter().zip(planes.iter_mut()).zip(pairs.iter_mut()).take(scan.used)
        {
            let (across, down) = component.sampling.blocks;
            for (index, pair) in pairs.iter_mut().take(across * down).enumerate() {
                let size = component.sampling.size;
                let (row, column) = (index / across * size, (mcu * across + index % across * 2) * size);
                let stride = plane.stride;
                component.transform.apply(pair.coefficients(), plane.at(row, column), stride);
            }
        }
    }
    entropy.is_plausible().then_some(())
}

/// The entropy-coded data while it is decoded.
struct Entropy<'a> {
    data: &'a ScanData,
    bits: Bits<'a>,
    restart_interval: usize,
    /// Which restart interval this is.
    interval: usize,
    /// MCUs to the next restart marker.
    left: usize,
    predictions: [i32; MOST_COMPONENTS],
}

impl<'a> Entropy<'a> {
    /// At the beginning; `None` if there are other restart intervals than there should be.
    fn start(data: &'a ScanData, scan: &OrdinaryScan<'_>) -> Option<Self> {
        let mcus = scan.mcus.0 * scan.mcus.1;
        let intervals = if scan.restart_interval == 0 { 1 } else { mcus.div_ceil(scan.restart_interval) };
        let left = if scan.restart_interval == 0 { mcus } else { scan.restart_interval };
        (data.intervals() == intervals).then_some(())?;
        let bits = data.interval(0)?;
        Some(Self { data, bits, restart_interval: left, interval: 0, left, predictions: [0; MOST_COMPONENTS] })
    }

    /// Before an MCU: goes on to the next restart interval where one ends.
    #[inline(always)]
    fn restart(&mut self) -> Option<()> {
        if self.left == 0 {
            self.next_interval()?;
        }
        self.left -= 1;
        Some(())
    }

    #[cold]
    fn next_interval(&mut self) -> Option<()> {
        self.bits.is_within().then_some(())?;
        self.interval += 1;
        self.bits = self.data.interval(self.interval)?;
        self.left = self.restart_interval;
        self.predictions = [0; MOST_COMPONENTS];
        Some(())
    }

    /// Decodes a component's blocks of an MCU, the left or the right of a pair of them.
    #[inline(always)]
    fn component<const WITH_AC: bool>(
        &mut self,
        index: usize,
        half: usize,
        ((across, down), tables): ((usize, usize), (&Lookup, &Lookup)),
        pairs: &mut [BlockPair; PAIRS],
    ) -> Option<()> {
        for row in 0..down {
            for column in 0..across {
                let block = half * across + column;
                let pair = &mut pairs[(row * across + block / 2) % PAIRS];
                pair.decode::<WITH_AC>(&mut self.bits, tables, &mut self.predictions[index], (block % 2 * 8) as u8)?;
            }
        }
        Some(())
    }

    /// Whether the data of the last restart interval was enough.
    fn is_at_end(&self) -> bool {
        self.bits.is_within()
    }

    /// libjpeg refuses predictions that leave 32 bits: they are told from those of images long before that.
    fn is_plausible(&self) -> bool {
        self.predictions.iter().all(|prediction| prediction.abs() < 1 << 24)
    }
}
