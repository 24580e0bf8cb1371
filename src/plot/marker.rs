//! The shapes of points: each is drawn as a path, or pixel by pixel.

/// A shape about as large as a circle of radius 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Up,
    Cross,
    Diamond,
    Ring,
    Down,
    Plus,
    Frame,
    HollowUp,
    HollowDiamond,
}

/// The part of a hollow shape that is hollow, from its middle.
const HOLLOW: f64 = 0.62;
/// Samples of a pixel, each way.
const SAMPLES: u32 = 4;

impl Marker {
    /// All shapes; those beside each other differ most.
    pub(super) const ALL: [Self; 11] = [
        Self::Circle,
        Self::Square,
        Self::Up,
        Self::Cross,
        Self::Diamond,
        Self::Ring,
        Self::Down,
        Self::Plus,
        Self::Frame,
        Self::HollowUp,
        Self::HollowDiamond,
    ];

    /// Its place among all shapes.
    pub(super) fn number(self) -> usize {
        Self::ALL.iter().position(|marker| *marker == self).unwrap_or_default()
    }

    fn is_hollow(self) -> bool {
        matches!(self, Self::Ring | Self::Frame | Self::HollowUp | Self::HollowDiamond)
    }

    /// The corners; none of a circle.
    fn corners(self) -> &'static [(f64, f64)] {
        match self {
            Self::Circle | Self::Ring => &[],
            Self::Square | Self::Frame => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Self::Up | Self::HollowUp => &[(0.0, -1.3), (1.15, 0.8), (-1.15, 0.8)],
            Self::Down => &[(0.0, 1.3), (1.15, -0.8), (-1.15, -0.8)],
            Self::Diamond | Self::HollowDiamond => &[(0.0, -1.3), (1.15, 0.0), (0.0, 1.3), (-1.15, 0.0)],
            Self::Plus => &[
                (-0.35, -1.2),
                (0.35, -1.2),
                (0.35, -0.35),
                (1.2, -0.35),
                (1.2, 0.35),
                (0.35, 0.35),
                (0.35, 1.2),
                (-0.35, 1.2),
                (-0.35, 0.35),
                (-1.2, 0.35),
                (-1.2, -0.35),
                (-0.35, -0.35),
            ],
            Self::Cross => &[
                (-1.1, -0.6),
                (-0.6, -1.1),
                (0.0, -0.5),
                (0.6, -1.1),
                (1.1, -0.6),
                (0.5, 0.0),
                (1.1, 0.6),
                (0.6, 1.1),
                (0.0, 0.5),
                (-0.6, 1.1),
                (-1.1, 0.6),
                (-0.5, 0.0),
            ],
        }
    }

    /// The path of the shape around (0, 0), to be filled by the rule `evenodd`.
    pub(super) fn path(self, radius: f64) -> String {
        let mut path = self.outline(radius);
        if self.is_hollow() {
            path.push_str(&self.outline(radius * HOLLOW));
        }
        path
    }

    fn outline(self, radius: f64) -> String {
        let corners = self.corners();
        if corners.is_empty() {
            return format!(
                "M-{radius:.2} 0a{radius:.2} {radius:.2} 0 1 0 {0:.2} 0a{radius:.2} {radius:.2} 0 1 0 -{0:.2} 0Z",
                2.0 * radius
            );
        }
        let corner = |(x, y): &(f64, f64)| format!("{:.2} {:.2}", x * radius, y * radius);
        format!("M{}Z", corners.iter().map(corner).collect::<Vec<_>>().join("L"))
    }

    /// Whether a place is inside of the shape.
    fn contains(self, x: f64, y: f64) -> bool {
        self.reaches(x, y) && !(self.is_hollow() && self.reaches(x / HOLLOW, y / HOLLOW))
    }

    fn reaches(self, x: f64, y: f64) -> bool {
        let corners = self.corners();
        if corners.is_empty() {
            return x * x + y * y <= 1.0;
        }
        // A ray to the right crosses the outline an odd number of times.
        let sides = corners.iter().zip(corners.iter().cycle().skip(1));
        let crosses = |((ax, ay), (bx, by)): &(&(f64, f64), &(f64, f64))| {
            (*ay > y) != (*by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax
        };
        sides.filter(crosses).count() % 2 == 1
    }

    /// How much of each pixel the shape covers, of 255 parts: pixels around the one in the middle, with their distances from it.
    pub(super) fn pixels(self, radius: f64) -> Vec<(i32, i32, u8)> {
        let reach = (radius * 1.3).ceil() as i32;
        let mut pixels = Vec::new();
        for y in -reach..=reach {
            for x in -reach..=reach {
                let at = |pixel: i32, sample: u32| {
                    (f64::from(pixel) + (f64::from(sample) + 0.5) / f64::from(SAMPLES) - 0.5) / radius
                };
                let samples = (0..SAMPLES * SAMPLES).map(|sample| (at(x, sample % SAMPLES), at(y, sample / SAMPLES)));
                let covered = samples.filter(|(x, y)| self.contains(*x, *y)).count() as u32;
                if covered > 0 {
                    pixels.push((x, y, (covered * 255 / (SAMPLES * SAMPLES)) as u8));
                }
            }
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_about_as_large_as_each_other_and_none_is_another() {
        let mut seen = Vec::new();
        for marker in Marker::ALL {
            let pixels = marker.pixels(6.0);
            let area: f64 = pixels.iter().map(|(.., covered)| f64::from(*covered) / 255.0).sum();
            assert!((50.0..140.0).contains(&area), "{marker:?}: {area}");
            assert!(!seen.contains(&pixels), "{marker:?}");
            seen.push(pixels);
        }
    }

    #[test]
    fn a_small_point_is_at_least_a_pixel() {
        assert!(Marker::Circle.pixels(1.0).contains(&(0, 0, 255)));
    }

    #[test]
    fn paths_are_closed() {
        assert_eq!(Marker::Up.path(5.0), "M0.00 -6.50L5.75 4.00L-5.75 4.00Z");
        assert_eq!(Marker::Frame.path(5.0).matches('Z').count(), 2);
    }
}
