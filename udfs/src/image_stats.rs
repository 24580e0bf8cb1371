//! `image_stats`: what the values of an image are like, channel by channel.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Builder, Int32Builder, ListBuilder, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, columnar, required};
use crate::support::function::{Function, Scalar};
use crate::support::moments::Moments;
use crate::support::pixels::PixelsRef;
use crate::support::rows::for_each_image;

/// The SQL function `image_stats`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "The mean, the standard deviation, the smallest and the largest value of each channel of an image, as a struct of lists: \
mean and std, Float64; min and max, Int32. Values are 0 to 255; std is that of the image's own values (divided by their number), as NumPy's \
`std` is. `image_mean_std` has mean and std of a whole dataset.",
    syntax_example = "image_stats(image)",
    sql_example = r#"```sql
> SELECT stats['min'] AS min, stats['max'] AS max, round(stats['mean'][1], 1) AS red FROM (SELECT image_stats(image_decode(content)) AS stats FROM read_images('photos') LIMIT 1);
+-------------+-----------------+-------+
| min         | max             | red   |
+-------------+-----------------+-------+
| [27, 41, 0] | [255, 255, 248] | 120.8 |
+-------------+-----------------+-------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`.")
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageStats;

impl Function for ImageStats {
    const NAME: &'static str = "image_stats";
    const PARAMETERS: &'static [Parameter] = &[required("image", Kind::Image)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Scalar for ImageStats {
    fn data_type(_: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut stats = Stats::default();
        for_each_image::<Self>(args, |row| {
            stats.append(row.map(|(image, _)| image));
            Ok(())
        })?;
        columnar(&args.args, stats.finish()?)
    }
}

fn fields() -> Fields {
    let list = |name: &str, item| Field::new(name, DataType::new_list(item, true), true);
    Fields::from(vec![
        list("mean", DataType::Float64),
        list("std", DataType::Float64),
        list("min", DataType::Int32),
        list("max", DataType::Int32),
    ])
}

#[derive(Default)]
struct Stats {
    floats: [ListBuilder<Float64Builder>; 2],
    integers: [ListBuilder<Int32Builder>; 2],
    valid: Vec<bool>,
}

impl Stats {
    fn append(&mut self, image: Option<PixelsRef<'_>>) {
        let ([mean, std], [min, max]) = (&mut self.floats, &mut self.integers);
        if let Some(image) = image {
            let channels = usize::from(image.channels);
            let pixels = u64::from(image.width) * u64::from(image.height);
            for (channel, moments) in Moments::of(image).into_iter().enumerate() {
                let values = || image.values[channel..].iter().step_by(channels).copied();
                mean.values().append_value(moments.mean(pixels));
                std.values().append_value(moments.std(pixels));
                min.values().append_option(values().min().map(i32::from));
                max.values().append_option(values().max().map(i32::from));
            }
        }
        let is_valid = image.is_some();
        self.floats.iter_mut().for_each(|list| list.append(is_valid));
        self.integers.iter_mut().for_each(|list| list.append(is_valid));
        self.valid.push(is_valid);
    }

    fn finish(mut self) -> Result<ArrayRef> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        self.floats.iter_mut().for_each(|list| columns.push(Arc::new(list.finish())));
        self.integers.iter_mut().for_each(|list| columns.push(Arc::new(list.finish())));
        Ok(Arc::new(StructArray::try_new(fields(), columns, Some(NullBuffer::from(self.valid)))?))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::util::display::array_value_to_string;

    use super::*;
    use crate::support::testing::{call, column};

    /// `numpy.array([[[1, 10], [3, 10]]])`: mean, std, min and max over the first two axes.
    #[test]
    fn channels_have_the_numbers_that_numpy_gives_and_null_has_none() {
        let image = PixelsRef { width: 2, height: 1, channels: 2, values: &[1, 10, 3, 10] };
        let images = column([Some(image), None]);
        let stats = call::<ImageStats>(vec![ColumnarValue::Array(images)]).and_then(|stats| stats.into_array(2));
        let stats = stats.expect("stats");
        let text = array_value_to_string(&stats, 0).expect("a text");
        assert_eq!(text, "{mean: [2.0, 10.0], std: [1.0, 0.0], min: [1, 10], max: [3, 10]}");
        assert!(stats.is_null(1));
    }
}
