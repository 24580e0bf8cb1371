//! What the SQL functions share: arguments, image arrays, codecs, resizing, sums and models.

pub(crate) mod arguments;
pub(crate) mod bad_image;
pub(crate) mod bmp;
#[cfg(test)]
mod damage;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod exact_sum;
pub(crate) mod format;
pub(crate) mod four_taps;
pub(crate) mod function;
pub(crate) mod fuse;
pub(crate) mod gif;
pub(crate) mod guard;
pub(crate) mod header;
pub(crate) mod image_array;
pub(crate) mod jpeg;
pub(crate) mod jpeg_segments;
pub(crate) mod kernels;
pub(crate) mod least_squares;
pub(crate) mod limits;
pub(crate) mod linear_model;
pub(crate) mod moments;
pub(crate) mod number_pairs;
pub(crate) mod orientation;
pub(crate) mod other_formats;
pub(crate) mod partial;
pub(crate) mod pillow;
pub(crate) mod pixels;
pub(crate) mod png;
pub(crate) mod principal_components;
pub(crate) mod products;
pub(crate) mod qoi;
pub(crate) mod resample;
pub(crate) mod resize;
pub(crate) mod rows;
pub(crate) mod step;
pub(crate) mod sums;
pub(crate) mod tensor;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod threads;
pub(crate) mod tiff;
pub(crate) mod vector_model;
pub(crate) mod vector_sums;
pub(crate) mod vectors;
pub(crate) mod work;
