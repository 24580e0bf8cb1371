//! BMPs that end too early: the rows that are there, which may be the last ones.

/// How the pixels of an uncompressed BMP lie in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    offset: usize,
    row_bytes: usize,
    height: usize,
    is_top_down: bool,
}

impl Layout {
    /// `None` of what is compressed, or makes no sense.
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        let short = |at: usize| Some(u16::from_le_bytes(*content.get(at..at + 2)?.first_chunk()?));
        let long = |at: usize| Some(u32::from_le_bytes(*content.get(at..at + 4)?.first_chunk()?));
        let offset = long(10)? as usize;
        let (width, height, bits, compression) = match long(14)? {
            12 => (i32::from(short(18)?), i32::from(short(20)?), short(24)?, 0),
            _ => (long(18)? as i32, long(22)? as i32, short(28)?, long(30)?),
        };
        let is_plain = matches!(compression, 0 | 3 | 6) && matches!(bits, 1 | 4 | 8 | 16 | 24 | 32);
        let width = usize::try_from(width).ok().filter(|width| is_plain && (1..=1 << 16).contains(width))?;
        let row_bytes = (width * usize::from(bits)).div_ceil(32) * 4;
        let rows = height.unsigned_abs() as usize;
        (1..=1 << 16).contains(&rows).then_some(Self { offset, row_bytes, height: rows, is_top_down: height < 0 })
    }

    /// The file with zeros for the pixels that it lacks, and the rows of the image that it has; `None` if it lacks none, or all.
    pub(crate) fn completed(&self, content: &[u8]) -> Option<(Vec<u8>, std::ops::Range<usize>)> {
        const MOST_BYTES: usize = 1 << 31;
        let rows = content.len().checked_sub(self.offset)? / self.row_bytes;
        let length = self.offset + self.row_bytes * self.height;
        if rows == 0 || rows >= self.height || length > MOST_BYTES {
            return None;
        }
        let mut completed = Vec::with_capacity(length);
        completed.extend_from_slice(content);
        completed.resize(length, 0);
        let there = if self.is_top_down { 0..rows } else { self.height - rows..self.height };
        Some((completed, there))
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat};

    use super::*;
    use crate::support::testing::{file, picture};

    #[test]
    fn the_lower_rows_come_first() {
        let bmp = file(DynamicImage::from(picture(5, 4)), ImageFormat::Bmp);
        let layout = Layout::read(&bmp).expect("a layout");
        assert_eq!((layout.row_bytes, layout.height, layout.is_top_down), (16, 4, false));
        assert_eq!(layout.completed(&bmp), None);
        let (completed, rows) = layout.completed(&bmp[..bmp.len() - 17]).expect("a part");
        assert_eq!((completed.len(), rows), (bmp.len(), 2..4));
        for end in 0..60 {
            assert_eq!(Layout::read(&bmp[..end]).and_then(|layout| layout.completed(&bmp[..end])), None);
        }
    }
}
