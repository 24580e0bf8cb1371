//! Names of what is gone, so that what comes late of it is known: the last ones of many.

use std::collections::{HashSet, VecDeque};

/// Names that are remembered.
const MOST_REMEMBERED: usize = 1000;

/// The names that have come last. What was long before has nothing under way any more.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    all: HashSet<String>,
    in_order: VecDeque<String>,
}

impl Remembered {
    /// Remembers one more; whether it wasn't there.
    pub(super) fn add(&mut self, name: &str) -> bool {
        if !self.all.insert(name.to_string()) {
            return false;
        }
        self.in_order.push_back(name.to_string());
        if self.in_order.len() > MOST_REMEMBERED
            && let Some(first) = self.in_order.pop_front()
        {
            self.all.remove(&first);
        }
        true
    }

    /// Whether a name is remembered.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.all.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_names_are_remembered() {
        let mut remembered = Remembered::default();
        for number in 0..3 * MOST_REMEMBERED {
            assert!(remembered.add(&number.to_string()));
            assert!(!remembered.add(&number.to_string()));
        }
        assert_eq!((remembered.all.len(), remembered.in_order.len()), (MOST_REMEMBERED, MOST_REMEMBERED));
        assert!(remembered.contains("2000") && remembered.contains("2999") && !remembered.contains("1999"));
    }
}
