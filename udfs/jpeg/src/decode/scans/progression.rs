//! What is known of the coefficients between the scans of a progressive image (ITU-T T.81, G.1.1.1).

use crate::Error;
use crate::decode::markers::{Scan, Warnings};

/// How many coefficients smoothing asks for.
pub(super) const SMOOTHED: usize = 10;

/// How well a component's coefficients are known, in the order of coding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Precision {
    /// The lowest bit of each coefficient that is known; -1: none is.
    pub(super) current: [i8; 64],
    /// That before the component's last scan.
    pub(super) before: [i8; SMOOTHED],
}

/// How well the coefficients of all components are known.
#[derive(Debug, Clone)]
pub(super) struct Progression {
    pub(super) components: Vec<Precision>,
    /// How many scans there were.
    pub(super) scans: u32,
}

impl Progression {
    pub(super) fn new(components: usize) -> Self {
        Self { components: vec![Precision { current: [-1; 64], before: [-1; SMOOTHED] }; components], scans: 0 }
    }

    /// Notes what a scan will tell. Refuses what no scan can tell, and warns of what doesn't continue the scans before it.
    pub(super) fn add(&mut self, scan: &Scan, warnings: &mut Warnings) -> Result<(), Error> {
        check(scan)?;
        self.scans += 1;
        let is_first = self.scans == 1;
        let (start, end) = scan.spectral;
        let (high, low) = scan.successive;
        for component in &scan.components {
            let index = component.index;
            let Some(precision) = self.components.get_mut(index) else { continue };
            let mut warn = |coefficient: usize| {
                warnings.add(|| format!("coefficient {coefficient} of component {index} is out of turn"));
            };
            if start > 0 && precision.current[0] < 0 {
                warn(0);
            }
            let first = usize::from(start.min(1));
            for (before, current) in precision.before.iter_mut().zip(precision.current).skip(first) {
                *before = if is_first { 0 } else { current };
            }
            let spectrum = precision.current.iter_mut().enumerate().take(usize::from(end) + 1).skip(usize::from(start));
            for (coefficient, current) in spectrum {
                if i32::from(high) != i32::from((*current).max(0)) {
                    warn(coefficient);
                }
                *current = low as i8;
            }
        }
        Ok(())
    }
}

/// Refuses parameters that make no sense (ITU-T T.81, table B.3 and G.1.1.1).
fn check(scan: &Scan) -> Result<(), Error> {
    let (start, end) = scan.spectral;
    let (high, low) = scan.successive;
    let is_right_spectrum = match start {
        0 => end == 0,
        _ => start <= end && end < 64 && scan.components.len() == 1,
    };
    let is_right_approximation = (high == 0 || low + 1 == high) && low <= 13;
    if is_right_spectrum && is_right_approximation {
        return Ok(());
    }
    let count = scan.components.len();
    Err(Error::broken(format!(
        "a progressive scan of {count} components has coefficients {start} to {end}, bits {high} to {low}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::markers::ScanComponent;

    fn scan(spectral: (u8, u8), successive: (u8, u8)) -> Scan {
        Scan { components: vec![ScanComponent { index: 0, dc_table: 0, ac_table: 0 }], spectral, successive }
    }

    #[test]
    fn scans_in_turn_give_no_warning() {
        let (mut progression, mut warnings) = (Progression::new(1), Warnings::default());
        for scan in [scan((0, 0), (0, 1)), scan((1, 63), (0, 2)), scan((0, 0), (1, 0)), scan((1, 63), (2, 1))] {
            progression.add(&scan, &mut warnings).expect("a scan");
        }
        assert_eq!(warnings.count, 0);
        assert_eq!(progression.components[0].current[..3], [0, 1, 1]);
        assert_eq!(progression.components[0].before[..3], [1, 2, 2]);
    }

    #[test]
    fn ac_coefficients_before_dc_are_warned_of() {
        let (mut progression, mut warnings) = (Progression::new(1), Warnings::default());
        progression.add(&scan((1, 2), (3, 2)), &mut warnings).expect("a scan");
        assert_eq!(warnings.count, 3);
        assert_eq!(warnings.first.as_deref(), Some("coefficient 0 of component 0 is out of turn"));
    }

    #[test]
    fn senseless_parameters_are_refused() {
        for (spectral, successive) in [
            ((0, 5), (0, 0)),
            ((5, 4), (0, 0)),
            ((1, 64), (0, 0)),
            ((0, 0), (2, 0)),
            ((0, 0), (0, 14)),
            ((0, 0), (15, 14)),
        ] {
            let result = Progression::new(1).add(&scan(spectral, successive), &mut Warnings::default());
            assert!(result.is_err(), "{spectral:?} {successive:?}");
        }
    }
}
