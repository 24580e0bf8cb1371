//! `image_pad`: a border around an image.

use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::Documentation;
use datafusion_macros::user_doc;
use fast_image_resize::Resizer;

use crate::support::arguments::{Choice, Kind, Parameter, Values, optional, required};
use crate::support::function::Function;
use crate::support::pixels::{Pixels, PixelsRef, checked_size};
use crate::support::step::{Step, Transform};

/// What a border is made of; the names are NumPy's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Constant,
    Edge,
    Reflect,
    Symmetric,
}

impl Choice for Mode {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("constant", Self::Constant),
        ("edge", Self::Edge),
        ("reflect", Self::Reflect),
        ("symmetric", Self::Symmetric),
    ];
}

/// The SQL function `image_pad`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Adds a border to an image, as `numpy.pad` and torchvision's `pad` do: of one colour ('constant'), of the outermost pixels \
('edge'), or of the image mirrored at its edge, which is not repeated ('reflect') or is ('symmetric').",
    syntax_example = "image_pad(image, left, top, right, bottom, mode => 'constant', fill => 0)",
    sql_example = r#"```sql
> SELECT image_pad(image_decode(content), 8, 8, 8, 8, mode => 'reflect') AS image FROM read_images('photos') LIMIT 1;
+---------------------+
| image               |
+---------------------+
| <image 336x256 rgb> |
+---------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`."),
    argument(name = "left", description = "Pixels that are added to the left, 0 to 65535."),
    argument(name = "top", description = "Pixels that are added at the top, 0 to 65535."),
    argument(name = "right", description = "Pixels that are added to the right, 0 to 65535."),
    argument(name = "bottom", description = "Pixels that are added at the bottom, 0 to 65535."),
    argument(name = "mode", description = "'constant' (default), 'edge', 'reflect' or 'symmetric'."),
    argument(
        name = "fill",
        description = "The colour of a 'constant' border, 0 to 255: a number, or a list of one for each channel such as `[124, 116, 104]`; \
0 by default."
    )
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Pad {
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
    mode: Mode,
    /// One value for all channels, or one for each.
    fill: Vec<u8>,
}

impl Function for Pad {
    const NAME: &'static str = "image_pad";
    const PARAMETERS: &'static [Parameter] = &[
        required("image", Kind::Image),
        required("left", Kind::Integer),
        required("top", Kind::Integer),
        required("right", Kind::Integer),
        required("bottom", Kind::Integer),
        optional("mode", Kind::Text),
        optional("fill", Kind::Numbers),
    ];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let border = |name: &str| -> Result<u32> { Ok(values.integer(name, 0..=65_535, " pixels", None)? as u32) };
        let mut fill = Vec::new();
        for value in values.numbers("fill")?.unwrap_or(vec![0.0]) {
            if value.fract() != 0.0 || !(0.0..=255.0).contains(&value) {
                return plan_err!("image_pad: fill must be a whole number from 0 to 255, got {value}");
            }
            fill.push(value as u8);
        }
        if !(1..=4).contains(&fill.len()) {
            return plan_err!("image_pad: fill must be a number or a list of 1 to 4, got {} of them", fill.len());
        }
        let mode = values.choice("mode", Mode::Constant)?;
        let (left, top, right, bottom) = (border("left")?, border("top")?, border("right")?, border("bottom")?);
        Ok(Self { left, top, right, bottom, mode, fill })
    }
}

impl Step for Pad {
    fn options(&self) -> String {
        let Self { left, top, right, bottom, mode, fill } = self;
        let fill: Vec<String> = fill.iter().map(u8::to_string).collect();
        format!("{left}, {top}, {right}, {bottom}, {}, [{}]", mode.word(), fill.join(" "))
    }
}

impl Transform for Pad {
    fn apply(&self, image: PixelsRef<'_>, _: &mut Resizer, buffer: Vec<u8>) -> Result<Pixels> {
        let channels = usize::from(image.channels);
        if self.fill.len() != 1 && self.fill.len() != channels {
            return exec_err!(
                "image_pad: fill must be a number or a list of one for each of {channels} channels, got {}",
                self.fill.len()
            );
        }
        let (width, height) = (image.width + self.left + self.right, image.height + self.top + self.bottom);
        let size = match checked_size(width, height, image.channels) {
            Ok(size) => size,
            Err(reason) => return exec_err!("image_pad: the result would be {reason}"),
        };
        let mut values = buffer;
        values.clear();
        values.reserve(size);
        let columns: Vec<Option<u32>> = (0..width).map(|x| self.source(x, self.left, image.width)).collect();
        for y in 0..height {
            let row = self.source(y, self.top, image.height);
            for column in &columns {
                match row.zip(*column) {
                    Some((row, column)) => {
                        let start = (row as usize * image.width as usize + column as usize) * channels;
                        values.extend_from_slice(&image.values[start..start + channels]);
                    }
                    None => values.extend(self.fill.iter().cycle().take(channels)),
                }
            }
        }
        Ok(Pixels { width, height, channels: image.channels, values })
    }
}

impl Pad {
    /// Where a column or row of the result comes from: a side of `length` pixels behind a border of `before`.
    fn source(&self, at: u32, before: u32, length: u32) -> Option<u32> {
        let (at, length) = (i64::from(at) - i64::from(before), i64::from(length));
        let source = match self.mode {
            Mode::Constant if (0..length).contains(&at) => at,
            Mode::Constant => return None,
            Mode::Edge => at.clamp(0, length - 1),
            Mode::Reflect if length == 1 => 0,
            Mode::Reflect => {
                let at = at.rem_euclid(2 * (length - 1));
                at.min(2 * (length - 1) - at)
            }
            Mode::Symmetric => {
                let at = at.rem_euclid(2 * length);
                at.min(2 * length - 1 - at)
            }
        };
        u32::try_from(source).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::testing::{gray, transformed};

    /// `numpy.pad([1, 2, 3], (5, 4), mode)`.
    #[test]
    fn modes_are_those_of_numpy() {
        let image = gray(3, 1, &[1, 2, 3]);
        let padded = |mode: &str| transformed::<Pad>(image, &format!("image_pad(5, 0, 4, 0, {mode}, [9])")).values;
        assert_eq!(padded("constant"), [9, 9, 9, 9, 9, 1, 2, 3, 9, 9, 9, 9]);
        assert_eq!(padded("edge"), [1, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3]);
        assert_eq!(padded("reflect"), [2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3]);
        assert_eq!(padded("symmetric"), [2, 3, 3, 2, 1, 1, 2, 3, 3, 2, 1, 1]);
    }

    #[test]
    fn a_colour_has_a_value_for_each_channel() {
        let image = PixelsRef { width: 1, height: 1, channels: 3, values: &[1, 2, 3] };
        let padded = transformed::<Pad>(image, "image_pad(0, 1, 1, 0, constant, [7 8 9])");
        assert_eq!(padded.values, [7, 8, 9, 7, 8, 9, 1, 2, 3, 7, 8, 9]);
    }
}
