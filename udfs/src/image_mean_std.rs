//! `image_mean_std`: mean and standard deviation of each channel, over the images of a dataset.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, StructArray};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, Fields, Int64Type};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::{Accumulator, Documentation};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, required};
use crate::support::function::{Aggregate, Function};
use crate::support::image_array::ImageArray;
use crate::support::moments::Moments;
use crate::support::tensor::counted;

/// The SQL function `image_mean_std`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "The mean and the standard deviation of each channel over all pixels of all images, as an aggregate: over a table or each \
group of a GROUP BY. The result is a struct: mean and std, lists of Float64, of values from 0 to 255; images and pixels, the numbers of what \
was counted. With `image_to_tensor(image, ..., mean => ..., std => ...)` these are what normalises a dataset. Sums are whole numbers: the result \
is the same whatever the order and the partitions are. NULL images are left out; without an image the result is NULL, and images with different \
numbers of channels are an error. DISTINCT, by which images of the same pixels count once, is refused beside other aggregates, and so are window frames whose start moves.",
    syntax_example = "image_mean_std(image)",
    sql_example = r#"```sql
> SELECT s['images'] AS images, s['pixels'] AS pixels, round(s['mean'][1], 2) AS red, round(s['std'][1], 2) AS std FROM (SELECT image_mean_std(image_decode(content)) AS s FROM read_images('photos'));
+--------+--------+--------+-------+
| images | pixels | red    | std   |
+--------+--------+--------+-------+
| 6      | 460800 | 133.64 | 71.04 |
+--------+--------+--------+-------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`.")
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageMeanStd;

impl Function for ImageMeanStd {
    const NAME: &'static str = "image_mean_std";
    const PARAMETERS: &'static [Parameter] = &[required("image", Kind::Image)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Aggregate for ImageMeanStd {
    fn data_type() -> DataType {
        DataType::Struct(fields())
    }

    fn state() -> Vec<(&'static str, DataType)> {
        let sums = DataType::new_list(SUM, true);
        vec![("images", DataType::Int64), ("pixels", DataType::Int64), ("sums", sums.clone()), ("squares", sums)]
    }

    fn accumulator(_arguments: usize) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Pixels::default()))
    }
}

/// The type of sums of values and of squares.
const SUM: DataType = DataType::Decimal128(38, 0);

fn fields() -> Fields {
    let list = |name: &str| Field::new(name, DataType::new_list(DataType::Float64, true), true);
    let integer = |name: &str| Field::new(name, DataType::Int64, true);
    Fields::from(vec![list("mean"), list("std"), integer("images"), integer("pixels")])
}

/// The pixels of a group, or of parts of it.
#[derive(Debug, Default)]
struct Pixels {
    images: i64,
    pixels: u64,
    /// One for each channel; none before the first image.
    channels: Vec<Moments>,
}

impl Pixels {
    fn add(&mut self, images: i64, pixels: u64, channels: &[Moments]) -> Result<()> {
        if self.channels.is_empty() {
            self.channels = vec![Moments::default(); channels.len()];
        }
        if self.channels.len() != channels.len() {
            let counted = |channels: usize| counted(channels as u8);
            return exec_err!(
                "image_mean_std: images must have the same number of channels, got one with {} and one with {}; use \
                 image_decode(content, mode => 'rgb')",
                counted(self.channels.len()),
                counted(channels.len())
            );
        }
        self.images += images;
        self.pixels += pixels;
        for (sum, channel) in self.channels.iter_mut().zip(channels) {
            sum.sum += channel.sum;
            sum.squares += channel.squares;
        }
        Ok(())
    }
}

impl Accumulator for Pixels {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [images] = values else { return internal_err!("image_mean_std: one argument, got {}", values.len()) };
        let rows = ImageArray::try_new(ImageMeanStd::NAME, images)?;
        for row in 0..images.len() {
            if let Some(image) = rows.get(ImageMeanStd::NAME, row)? {
                self.add(1, u64::from(image.width) * u64::from(image.height), &Moments::of(image))?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.images == 0 {
            return ScalarValue::try_from(&ImageMeanStd::data_type());
        }
        let list = |of: fn(Moments, u64) -> f64| -> ArrayRef {
            let numbers = self.channels.iter().map(|channel| of(*channel, self.pixels));
            Arc::new(
                SingleRowListArrayBuilder::new(Arc::new(Float64Array::from_iter_values(numbers))).build_list_array(),
            )
        };
        let integer = |number: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![number])) };
        let columns = vec![list(Moments::mean), list(Moments::std), integer(self.images), integer(self.pixels as i64)];
        Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(fields(), columns, None)?)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.channels.capacity() * size_of::<Moments>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = |of: fn(&Moments) -> u128| {
            let sums = self.channels.iter().map(|channel| of(channel) as i128);
            let sums = Decimal128Array::from_iter_values(sums).with_data_type(SUM);
            SingleRowListArrayBuilder::new(Arc::new(sums)).build_list_scalar()
        };
        let (sums, squares) = (list(|channel| channel.sum), list(|channel| channel.squares));
        Ok(vec![ScalarValue::from(self.images), ScalarValue::from(self.pixels as i64), sums, squares])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [images, pixels, sums, squares] = states else {
            return internal_err!("image_mean_std: a state has 4 columns, got {}", states.len());
        };
        let (images, pixels) = (images.as_primitive::<Int64Type>(), pixels.as_primitive::<Int64Type>());
        for row in 0..images.len() {
            if images.value(row) == 0 {
                continue;
            }
            let list = |lists: &ArrayRef| lists.as_list::<i32>().value(row).as_primitive::<Decimal128Type>().clone();
            let (sums, squares) = (list(sums), list(squares));
            let channels = sums.values().iter().zip(squares.values());
            let channels: Vec<Moments> =
                channels.map(|(sum, squares)| Moments { sum: *sum as u128, squares: *squares as u128 }).collect();
            self.add(images.value(row), pixels.value(row) as u64, &channels)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::support::pixels::PixelsRef;
    use crate::support::testing::column;

    fn updated(images: &[Vec<u8>]) -> Pixels {
        let images = images.iter().map(|values| {
            Some(PixelsRef { width: values.len() as u32 / 2, height: 1, channels: 2, values: values.as_slice() })
        });
        let mut pixels = Pixels::default();
        pixels.update_batch(&[column(images)]).expect("updated");
        pixels
    }

    /// The states of parts as the columns in which they travel.
    fn columns(parts: Vec<Pixels>) -> Vec<ArrayRef> {
        let states: Vec<_> = parts.into_iter().map(|mut part| part.state().expect("a state")).collect();
        let column = |index: usize| ScalarValue::iter_to_array(states.iter().map(|state| state[index].clone()));
        (0..4).map(|index| column(index).expect("a column")).collect()
    }

    fn image() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<[u8; 2]>(), 1..9).prop_map(|pixels| pixels.concat())
    }

    proptest! {
        #[test]
        fn parts_in_any_order_give_what_the_whole_gives(
            images in prop::collection::vec(image(), 1..9), cut in any::<prop::sample::Index>(),
        ) {
            let cut = cut.index(images.len());
            let parts = [&images[cut..], &[], &images[..cut]].map(updated);
            let mut merged = Pixels::default();
            merged.merge_batch(&columns(parts.into())).expect("merged");
            prop_assert_eq!(merged.evaluate().expect("a result"), updated(&images).evaluate().expect("a result"));
        }
    }

    /// `numpy.array([[1, 8], [1, 8], [5, 8], [5, 8]])`: mean and std over the first axis.
    #[test]
    fn pixels_of_all_images_are_taken_together_and_null_is_left_out() {
        let mut pixels = updated(&[vec![1, 8, 1, 8, 5, 8]]);
        pixels.update_batch(&[column([None])]).expect("updated");
        pixels.merge_batch(&columns(vec![updated(&[vec![5, 8]])])).expect("merged");
        let result = pixels.evaluate().expect("a result").to_string();
        assert_eq!(result, "{mean:[3.0, 8.0],std:[2.0, 0.0],images:2,pixels:4}");
    }

    #[test]
    fn images_with_other_channels_are_told() {
        let mut pixels = updated(&[vec![1, 2]]);
        let gray = PixelsRef { width: 1, height: 1, channels: 1, values: &[7] };
        let error = pixels.update_batch(&[column([Some(gray)])]).expect_err("other channels").strip_backtrace();
        assert!(error.contains("got one with 2 channels and one with 1 channel; use image_decode("), "{error}");
    }
}
