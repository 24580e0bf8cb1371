//! Sums of pixel values, from which means and standard deviations follow: whole numbers, so that it is all one in which order they are added.

use super::pixels::PixelsRef;

/// What the values of one channel come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moments {
    pub(crate) sum: u128,
    pub(crate) squares: u128,
}

impl Moments {
    /// Of each channel of an image.
    pub(crate) fn of(image: PixelsRef<'_>) -> Vec<Self> {
        let channels = usize::from(image.channels);
        let mut moments = vec![Self::default(); channels];
        // A row of 65,535 values at most, whose squares fit into 64 bits.
        for row in image.values.chunks_exact(image.width as usize * channels) {
            for (channel, moments) in moments.iter_mut().enumerate() {
                let (mut sum, mut squares) = (0_u64, 0_u64);
                for value in row[channel..].iter().step_by(channels) {
                    let value = u64::from(*value);
                    sum += value;
                    squares += value * value;
                }
                moments.sum += u128::from(sum);
                moments.squares += u128::from(squares);
            }
        }
        moments
    }

    pub(crate) fn mean(self, pixels: u64) -> f64 {
        self.sum as f64 / pixels as f64
    }

    /// The standard deviation of the values, not an estimate from a sample of them: divided by their number.
    pub(crate) fn std(self, pixels: u64) -> f64 {
        // n * squares - sum^2 is n^2 times the variance, and a whole number that is never negative.
        let variance = u128::from(pixels) * self.squares - self.sum * self.sum;
        (variance as f64).sqrt() / pixels as f64
    }
}
