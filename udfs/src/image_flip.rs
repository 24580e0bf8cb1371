//! `image_flip`: an image as in a mirror.

use datafusion::common::Result;
use datafusion::logical_expr::Documentation;
use datafusion_macros::user_doc;
use fast_image_resize::Resizer;

use crate::support::arguments::{Choice, Kind, Parameter, Values, optional, required};
use crate::support::function::Function;
use crate::support::pixels::{Pixels, PixelsRef};
use crate::support::step::{Step, Transform};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Direction {
    #[default]
    Horizontal,
    Vertical,
}

impl Choice for Direction {
    const CHOICES: &'static [(&'static str, Self)] = &[("horizontal", Self::Horizontal), ("vertical", Self::Vertical)];
}

/// The SQL function `image_flip`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Mirrors an image: 'horizontal' swaps left and right, 'vertical' swaps top and bottom.",
    syntax_example = "image_flip(image, direction => 'horizontal')",
    sql_example = r#"```sql
> SELECT image_flip(image_decode(content)) AS image FROM read_images('photos') LIMIT 1;
+---------------------+
| image               |
+---------------------+
| <image 320x240 rgb> |
+---------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`."),
    argument(name = "direction", description = "'horizontal' (default) or 'vertical'.")
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Flip {
    direction: Direction,
}

impl Function for Flip {
    const NAME: &'static str = "image_flip";
    const PARAMETERS: &'static [Parameter] = &[required("image", Kind::Image), optional("direction", Kind::Text)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        Ok(Self { direction: values.choice("direction", Direction::Horizontal)? })
    }
}

impl Step for Flip {
    fn options(&self) -> String {
        self.direction.word().to_string()
    }
}

impl Transform for Flip {
    fn apply(&self, image: PixelsRef<'_>, _: &mut Resizer, buffer: Vec<u8>) -> Result<Pixels> {
        let mut values = buffer;
        values.clear();
        let channels = usize::from(image.channels);
        let rows = image.values.chunks_exact(image.width as usize * channels);
        match self.direction {
            Direction::Horizontal => {
                rows.flat_map(|row| row.chunks_exact(channels).rev()).for_each(|pixel| values.extend_from_slice(pixel));
            }
            Direction::Vertical => rows.rev().for_each(|row| values.extend_from_slice(row)),
        }
        Ok(Pixels { width: image.width, height: image.height, channels: image.channels, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::testing::transformed;

    #[test]
    fn pixels_move_and_their_channels_stay() {
        let image = PixelsRef { width: 2, height: 2, channels: 2, values: &[1, 2, 3, 4, 5, 6, 7, 8] };
        let flipped = |direction: &str| transformed::<Flip>(image, &format!("image_flip({direction})")).values;
        assert_eq!(flipped("horizontal"), [3, 4, 1, 2, 7, 8, 5, 6]);
        assert_eq!(flipped("vertical"), [5, 6, 7, 8, 1, 2, 3, 4]);
    }
}
