//! What stands around the coded data: markers and their segments (ITU-T T.81, annex B), read as libjpeg-turbo reads them.
//!
//! Garbage between segments is passed over with a warning, segments that aren't needed without one; what can't be made sense of
//! is an error. Behind the end of the file stands an end-of-image marker, as if it had been there: see [`Reader::is_truncated`].

mod frame;
mod scan;
mod source;
mod tables;

pub(crate) use frame::{Blocks, ColorSpace, Component, Frame};
pub(crate) use scan::{Scan, ScanComponent};
pub(crate) use source::Source;
pub use source::Warnings;
pub(crate) use tables::{Conditioning, HuffmanSpec, Tables};

use crate::Error;
use source::marker;

/// The most scans of a file. libjpeg has no limit; but 500 scans are 500 passes over all coefficients, and no encoder needs them.
pub(crate) const MOST_SCANS: u32 = 500;

/// Walks over the segments of a file.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    /// The file.
    pub(crate) source: Source<'a>,
    /// The tables in force.
    pub(crate) tables: Tables,
    frame: Option<Frame>,
    color_space: ColorSpace,
    has_multiple_scans: bool,
    scans: u32,
    is_jfif: bool,
    adobe_transform: Option<u8>,
}

impl<'a> Reader<'a> {
    /// Reads the start-of-image marker.
    pub(crate) fn try_new(jpeg: &'a [u8]) -> Result<Self, Error> {
        if !jpeg.starts_with(&[0xff, marker::SOI]) {
            return Err(Error::NotJpeg);
        }
        let mut source = Source::new(jpeg);
        source.set_position(2);
        Ok(Self {
            source,
            tables: Tables::new(),
            frame: None,
            color_space: ColorSpace::Unknown(0),
            has_multiple_scans: false,
            scans: 0,
            is_jfif: false,
            adobe_transform: None,
        })
    }

    /// Reads up to and over the next scan header, behind which the coded data begins; `None`: the image ends here.
    ///
    /// The frame was read and checked where there is a scan; so were the tables, as far as they make sense by themselves.
    pub(crate) fn next_scan(&mut self) -> Result<Option<Scan>, Error> {
        loop {
            let marker = match self.source.unread_marker.take() {
                Some(marker) => marker,
                None => self.source.next_marker(),
            };
            self.source.unread_marker = None;
            match marker {
                marker::SOS => return self.read_scan().map(Some),
                marker::EOI if self.scans > 0 => return Ok(None),
                marker::EOI if self.frame.is_some() => return Err(Error::broken("there is a frame, but no scan")),
                marker::EOI => return Err(Error::broken("there is no image")),
                _ => self.read_segment(marker)?,
            }
        }
    }

    /// The frame, once [`Self::next_scan`] has found a scan.
    pub(crate) fn frame(&self) -> Option<&Frame> {
        self.frame.as_ref()
    }

    /// What the components are, once [`Self::next_scan`] has found a scan.
    pub(crate) fn color_space(&self) -> ColorSpace {
        self.color_space
    }

    /// Whether a segment of Adobe's was read.
    pub(crate) fn has_adobe_segment(&self) -> bool {
        self.adobe_transform.is_some()
    }

    /// Whether more scans than the first may follow.
    pub(crate) fn has_multiple_scans(&self) -> bool {
        self.has_multiple_scans
    }

    /// Whether more was read than there is.
    pub(crate) fn is_truncated(&self) -> bool {
        self.source.is_truncated()
    }

    fn read_segment(&mut self, marker: u8) -> Result<(), Error> {
        let source = &mut self.source;
        match marker {
            marker::SOI => return Err(Error::broken("the image starts twice")),
            marker::SOF0..=marker::SOF15 if !matches!(marker, marker::DHT | marker::DAC) => self.read_frame(marker)?,
            marker::DHT => self.tables.read_huffman(source)?,
            marker::DAC => self.tables.read_conditioning(source)?,
            marker::DQT => self.tables.read_quantization(source)?,
            marker::DRI => self.tables.read_restart_interval(source)?,
            marker::APP0..=marker::APP15 | marker::COM | marker::DNL => self.read_application(marker),
            marker::RST0..=marker::RST7 | marker::TEM => {}
            _ => return Err(Error::broken(format!("unknown marker {marker:02x}"))),
        }
        Ok(())
    }

    fn read_frame(&mut self, marker: u8) -> Result<(), Error> {
        let (is_progressive, is_arithmetic) = match marker {
            marker::SOF0 | marker::SOF1 => (false, false),
            marker::SOF2 => (true, false),
            marker::SOF9 => (false, true),
            marker::SOF10 => (true, true),
            marker::SOF3 | marker::SOF11 => {
                return Err(Error::unsupported(format!("lossless jpeg (frame {marker:02x})")));
            }
            marker::JPG => return Err(Error::unsupported(format!("an extension of jpeg (frame {marker:02x})"))),
            _ => return Err(Error::unsupported(format!("hierarchical jpeg (frame {marker:02x})"))),
        };
        if self.frame.is_some() {
            return Err(Error::broken("there are two frames"));
        }
        self.frame = Some(Frame::read(&mut self.source, is_progressive, is_arithmetic)?);
        Ok(())
    }

    fn read_scan(&mut self) -> Result<Scan, Error> {
        let Some(frame) = &self.frame else { return Err(Error::broken("a scan comes before the frame")) };
        let scan = Scan::read(&mut self.source, frame)?;
        self.source.start_scan();
        self.scans += 1;
        if self.scans == 1 {
            frame.check()?;
            self.has_multiple_scans = frame.is_progressive || scan.components.len() < frame.components.len();
            if !frame.is_progressive && !frame.is_arithmetic {
                self.tables.complete_huffman();
            }
            self.color_space = self.guess_color_space();
        } else if !self.has_multiple_scans {
            return Err(Error::broken("a second scan follows one with all components"));
        } else if self.scans > MOST_SCANS {
            return Err(Error::unsupported(format!("more than {MOST_SCANS} scans")));
        }
        if let Some(frame) = &self.frame {
            scan.check(frame)?;
        }
        Ok(scan)
    }

    /// Reads a segment that matters only if it is JFIF's (ITU-T T.871, 10.1) or Adobe's (ITU-T T.872, 6.5.3).
    fn read_application(&mut self, marker: u8) {
        let length = usize::from(self.source.word()).saturating_sub(2);
        let mut start = [0; 14];
        let known = if matches!(marker, marker::APP0 | marker::APP14) { length.min(start.len()) } else { 0 };
        start[..known].fill_with(|| self.source.byte());
        match (marker, &start[..known]) {
            (marker::APP0, [b'J', b'F', b'I', b'F', 0, major, minor, rest @ ..]) if rest.len() == 7 => {
                self.is_jfif = true;
                if *major != 1 {
                    self.source.warnings.add(|| format!("unknown jfif version {major}.{minor:02}"));
                }
            }
            (marker::APP14, [b'A', b'd', b'o', b'b', b'e', rest @ ..]) => {
                if let Some(transform) = rest.get(6) {
                    self.adobe_transform = Some(*transform);
                }
            }
            _ => {}
        }
        self.source.skip(length - known);
    }

    fn guess_color_space(&mut self) -> ColorSpace {
        let ids: Vec<u8> =
            self.frame.iter().flat_map(|frame| &frame.components).map(|component| component.id).collect();
        match (ids.as_slice(), self.adobe_transform) {
            ([_], _) => ColorSpace::Gray,
            ([_, _, _], _) if self.is_jfif => ColorSpace::YCbCr,
            ([_, _, _], Some(0)) => ColorSpace::Rgb,
            ([_, _, _], Some(transform)) => {
                if transform != 1 {
                    self.warn_of_transform(transform);
                }
                ColorSpace::YCbCr
            }
            ([b'R', b'G', b'B'], None) => ColorSpace::Rgb,
            ([_, _, _], None) => ColorSpace::YCbCr,
            ([_, _, _, _], None | Some(0)) => ColorSpace::Cmyk,
            ([_, _, _, _], Some(transform)) => {
                if transform != 2 {
                    self.warn_of_transform(transform);
                }
                ColorSpace::Ycck
            }
            _ => ColorSpace::Unknown(ids.len()),
        }
    }

    fn warn_of_transform(&mut self, transform: u8) {
        self.source.warnings.add(|| format!("unknown colour transform {transform} of adobe"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len() + 2).expect("a short segment").to_be_bytes();
        [&[0xff, marker], &length[..], content].concat()
    }

    fn frame(marker: u8, ids: &[u8]) -> Vec<u8> {
        let mut content = vec![8, 0, 9, 0, 17, ids.len() as u8];
        content.extend(ids.iter().flat_map(|id| [*id, 0x11, 0]));
        segment(marker, &content)
    }

    fn scan(ids: &[u8]) -> Vec<u8> {
        let mut content = vec![ids.len() as u8];
        content.extend(ids.iter().flat_map(|id| [*id, 0x10]));
        content.extend([0, 63, 0]);
        segment(marker::SOS, &content)
    }

    fn file(segments: &[Vec<u8>]) -> Vec<u8> {
        [&[0xff, marker::SOI], segments.concat().as_slice()].concat()
    }

    fn error_of(segments: &[Vec<u8>]) -> String {
        let jpeg = file(segments);
        let mut reader = Reader::try_new(&jpeg).expect("a jpeg");
        loop {
            match reader.next_scan() {
                Ok(Some(_)) => {}
                Ok(None) => return "none".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }

    fn color_space_of(segments: &[Vec<u8>]) -> ColorSpace {
        let jpeg = file(segments);
        let mut reader = Reader::try_new(&jpeg).expect("a jpeg");
        reader.next_scan().expect("a scan");
        reader.color_space()
    }

    #[test]
    fn a_frame_and_its_scan_are_read() {
        let jpeg = file(&[frame(marker::SOF0, &[1, 2, 3]), scan(&[1, 2, 3]), vec![0xff, marker::EOI]]);
        let mut reader = Reader::try_new(&jpeg).expect("a jpeg");
        let scan = reader.next_scan().expect("no error").expect("a scan");
        assert_eq!(scan.components[2], ScanComponent { index: 2, dc_table: 1, ac_table: 0 });
        let frame = reader.frame().expect("a frame");
        assert_eq!((frame.width, frame.height), (17, 9));
        assert_eq!(frame.mcus(), Blocks { wide: 3, high: 2 });
        assert!(!reader.has_multiple_scans());
        assert_eq!(reader.source.position(), jpeg.len() - 2);
        assert_eq!(reader.next_scan(), Ok(None));
        assert!(!reader.is_truncated());
    }

    #[test]
    fn a_second_scan_needs_a_first_that_left_something() {
        let scans = [scan(&[1, 2]), scan(&[1]), vec![0xff, marker::EOI]].concat();
        assert_eq!(
            error_of(&[frame(marker::SOF0, &[1, 2]), scans.clone()]),
            "broken: a second scan follows one with all components"
        );
        assert_eq!(error_of(&[frame(marker::SOF2, &[1, 2]), scans]), "none");
    }

    #[test]
    fn the_501st_scan_is_refused() {
        let mut segments = vec![frame(marker::SOF2, &[1])];
        segments.extend(vec![scan(&[1]); 501]);
        assert_eq!(error_of(&segments), "not supported: more than 500 scans");
    }

    #[test]
    fn frames_of_other_kinds_are_refused_by_name() {
        assert_eq!(error_of(&[frame(marker::SOF3, &[1])]), "not supported: lossless jpeg (frame c3)");
        assert_eq!(error_of(&[frame(0xc7, &[1])]), "not supported: hierarchical jpeg (frame c7)");
        let mut deep = frame(marker::SOF1, &[1]);
        deep[4] = 12;
        assert_eq!(error_of(&[deep, scan(&[1])]), "not supported: 12 bits a sample; 8 are decoded");
    }

    #[test]
    fn components_may_be_left_out_but_not_swapped() {
        assert_eq!(error_of(&[frame(marker::SOF0, &[1, 2, 3]), scan(&[1, 3]), vec![0xff, marker::EOI]]), "none");
        assert_eq!(
            error_of(&[frame(marker::SOF0, &[1, 2, 3]), scan(&[2, 1])]),
            "broken: a scan names component 1 as its number 2"
        );
    }

    #[test]
    fn an_end_without_an_image_is_told_from_one_without_a_scan() {
        assert_eq!(error_of(&[vec![0xff, marker::EOI]]), "broken: there is no image");
        assert_eq!(error_of(&[frame(marker::SOF0, &[1])]), "broken: there is a frame, but no scan");
    }

    #[test]
    fn colours_are_guessed_as_libjpeg_does() {
        let jfif = segment(marker::APP0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        let adobe = |transform| segment(marker::APP14, &[b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat());
        let three = |ids: &[u8]| [frame(marker::SOF0, ids), scan(ids)].concat();
        assert_eq!(color_space_of(&[three(&[1])]), ColorSpace::Gray);
        assert_eq!(color_space_of(&[three(&[1, 2, 3])]), ColorSpace::YCbCr);
        assert_eq!(color_space_of(&[three(b"RGB")]), ColorSpace::Rgb);
        assert_eq!(color_space_of(&[jfif.clone(), three(b"RGB")]), ColorSpace::YCbCr);
        assert_eq!(color_space_of(&[adobe(0), three(&[1, 2, 3])]), ColorSpace::Rgb);
        assert_eq!(color_space_of(&[jfif, adobe(0), three(&[1, 2, 3])]), ColorSpace::YCbCr);
        assert_eq!(color_space_of(&[three(&[1, 2, 3, 4])]), ColorSpace::Cmyk);
        assert_eq!(color_space_of(&[adobe(2), three(&[1, 2, 3, 4])]), ColorSpace::Ycck);
        assert_eq!(color_space_of(&[three(&[1, 2])]), ColorSpace::Unknown(2));
    }
}
