//! `image_rotate`: an image turned by right angles.

use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::Documentation;
use datafusion_macros::user_doc;
use fast_image_resize::Resizer;

use crate::support::arguments::{Kind, Parameter, Values, required};
use crate::support::function::Function;
use crate::support::pixels::{Pixels, PixelsRef};
use crate::support::step::{Step, Transform};

/// The SQL function `image_rotate`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Turns an image counter-clockwise by a right angle or several, as `numpy.rot90`, `tf.image.rot90` and Pillow do. No pixel is \
changed or lost; by 90 and 270 degrees, width and height change places.",
    syntax_example = "image_rotate(image, degrees)",
    sql_example = r#"```sql
> SELECT image_rotate(image_decode(content), 90) AS image FROM read_images('photos') LIMIT 1;
+---------------------+
| image               |
+---------------------+
| <image 240x320 rgb> |
+---------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`."),
    argument(name = "degrees", description = "0, 90, 180 or 270, counter-clockwise.")
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Rotate {
    degrees: i64,
}

impl Function for Rotate {
    const NAME: &'static str = "image_rotate";
    const PARAMETERS: &'static [Parameter] = &[required("image", Kind::Image), required("degrees", Kind::Integer)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let degrees = values.integer("degrees", 0..=270, "", None)?;
        if degrees % 90 != 0 {
            return plan_err!("image_rotate: degrees must be 0, 90, 180 or 270, got {degrees}");
        }
        Ok(Self { degrees })
    }
}

impl Step for Rotate {
    fn options(&self) -> String {
        self.degrees.to_string()
    }
}

impl Transform for Rotate {
    fn apply(&self, image: PixelsRef<'_>, _: &mut Resizer, buffer: Vec<u8>) -> Result<Pixels> {
        let (from_width, from_height) = (image.width as usize, image.height as usize);
        let channels = usize::from(image.channels);
        let (width, height) =
            if self.degrees % 180 == 0 { (from_width, from_height) } else { (from_height, from_width) };
        let mut values = buffer;
        values.clear();
        for y in 0..height {
            for x in 0..width {
                // The pixel of the image that comes to column x and row y.
                let (column, row) = match self.degrees {
                    0 => (x, y),
                    90 => (from_width - 1 - y, x),
                    180 => (from_width - 1 - x, from_height - 1 - y),
                    _ => (y, from_height - 1 - x),
                };
                let start = (row * from_width + column) * channels;
                values.extend_from_slice(&image.values[start..start + channels]);
            }
        }
        Ok(Pixels { width: width as u32, height: height as u32, channels: image.channels, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::testing::{gray, transformed};

    /// `numpy.rot90([[1, 2, 3], [4, 5, 6]], k)`.
    #[test]
    fn angles_are_those_of_numpy() {
        let image = gray(3, 2, &[1, 2, 3, 4, 5, 6]);
        let rotated = |degrees: i64| {
            let rotated = transformed::<Rotate>(image, &format!("image_rotate({degrees})"));
            (rotated.width, rotated.height, rotated.values)
        };
        assert_eq!(rotated(0), (3, 2, vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(rotated(90), (2, 3, vec![3, 6, 2, 5, 1, 4]));
        assert_eq!(rotated(180), (3, 2, vec![6, 5, 4, 3, 2, 1]));
        assert_eq!(rotated(270), (2, 3, vec![4, 1, 5, 2, 6, 3]));
    }
}
