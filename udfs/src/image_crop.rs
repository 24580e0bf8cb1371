//! `image_crop`: a part of an image.

use datafusion::common::{Result, plan_datafusion_err};
use datafusion::logical_expr::Documentation;
use datafusion_macros::user_doc;
use fast_image_resize::Resizer;

use crate::support::arguments::{Kind, Parameter, Values, required};
use crate::support::function::Function;
use crate::support::pixels::{Pixels, PixelsRef};
use crate::support::resize::{Part, crop};
use crate::support::step::{Step, Transform};

/// The SQL function `image_crop`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Cuts out the region of `width` x `height` pixels whose upper left corner is (`x`, `y`). The result always has \
that size: what lies outside the image is 0 in every channel.",
    syntax_example = "image_crop(image, x, y, width, height)",
    sql_example = r#"```sql
> SELECT image_crop(image_decode(content), 10, 20, width => 64, height => 48) AS image FROM read_images('photos') LIMIT 1;
+-------------------+
| image             |
+-------------------+
| <image 64x48 rgb> |
+-------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`."),
    argument(name = "x", description = "Pixels from the left edge, -65535 to 65535."),
    argument(name = "y", description = "Pixels from the upper edge, -65535 to 65535."),
    argument(name = "width", description = "Pixels, 1 to 65535."),
    argument(name = "height", description = "Pixels, 1 to 65535.")
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Crop {
    x: i32,
    y: i32,
    width: u32,
    height: u32,
}

impl Function for Crop {
    const NAME: &'static str = "image_crop";
    const PARAMETERS: &'static [Parameter] = &[
        required("image", Kind::Image),
        required("x", Kind::Integer),
        required("y", Kind::Integer),
        required("width", Kind::Integer),
        required("height", Kind::Integer),
    ];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let (width, height) = values.size()?;
        let offset = |name: &str| {
            let offset = values.integer(name, -65_535..=65_535, " pixels", None)?;
            i32::try_from(offset).map_err(|error| plan_datafusion_err!("{name}: {error}"))
        };
        Ok(Self { x: offset("x")?, y: offset("y")?, width, height })
    }
}

impl Step for Crop {
    fn options(&self) -> String {
        format!("{}, {}, {}, {}", self.x, self.y, self.width, self.height)
    }
}

impl Transform for Crop {
    fn apply(&self, image: PixelsRef<'_>, _: &mut Resizer, buffer: Vec<u8>) -> Result<Pixels> {
        Ok(crop(image, self.part(), buffer))
    }

    fn cut(&self, _size: (u32, u32)) -> Option<Part> {
        Some(self.part())
    }
}

impl Crop {
    fn part(&self) -> Part {
        Part { start: (i64::from(self.x), i64::from(self.y)), size: (self.width, self.height) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::testing::{gray, transformed};

    #[test]
    fn what_lies_outside_of_the_image_is_black() {
        let image = gray(2, 2, &[1, 2, 3, 4]);
        assert_eq!(transformed::<Crop>(image, "image_crop(-1, 1, 3, 2)").values, [0, 3, 4, 0, 0, 0]);
        assert_eq!(transformed::<Crop>(image, "image_crop(5, 5, 1, 1)").values, [0]);
    }
}
