//! `image_center_crop`: the centre of an image.

use datafusion::common::Result;
use datafusion::logical_expr::Documentation;
use datafusion_macros::user_doc;
use fast_image_resize::Resizer;

use crate::support::arguments::{Kind, Parameter, Values, required};
use crate::support::function::Function;
use crate::support::pixels::{Pixels, PixelsRef};
use crate::support::resize::{Part, center, center_crop};
use crate::support::step::{Step, Transform};

/// The SQL function `image_center_crop`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Cuts out the central `width` x `height` pixels; an odd rest goes to the right and to the bottom. The result \
always has that size: a smaller image gets a border of 0 in every channel.",
    syntax_example = "image_center_crop(image, width, height)",
    sql_example = r#"```sql
> SELECT image_center_crop(image_decode(content), 224, 224) AS image FROM read_images('photos') LIMIT 1;
+---------------------+
| image               |
+---------------------+
| <image 224x224 rgb> |
+---------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`."),
    argument(name = "width", description = "Pixels, 1 to 65535."),
    argument(name = "height", description = "Pixels, 1 to 65535.")
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct CenterCrop {
    width: u32,
    height: u32,
}

impl Function for CenterCrop {
    const NAME: &'static str = "image_center_crop";
    const PARAMETERS: &'static [Parameter] =
        &[required("image", Kind::Image), required("width", Kind::Integer), required("height", Kind::Integer)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let (width, height) = values.size()?;
        Ok(Self { width, height })
    }
}

impl Step for CenterCrop {
    fn options(&self) -> String {
        format!("{}, {}", self.width, self.height)
    }
}

impl Transform for CenterCrop {
    fn apply(&self, image: PixelsRef<'_>, _: &mut Resizer, buffer: Vec<u8>) -> Result<Pixels> {
        Ok(center_crop(image, self.width, self.height, buffer))
    }

    fn cut(&self, size: (u32, u32)) -> Option<Part> {
        Some(center(size, (self.width, self.height)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::testing::{gray, transformed};

    #[test]
    fn an_odd_rest_is_cut_from_the_right_and_from_the_bottom() {
        let image = gray(4, 2, &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(transformed::<CenterCrop>(image, "image_center_crop(1, 1)").values, [2]);
    }
}
