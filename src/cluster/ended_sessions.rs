//! Sessions of clients that are gone: what they have asked for is cancelled when it begins.

use std::collections::{HashSet, VecDeque};

/// Sessions that are remembered after their end.
const MOST_REMEMBERED: usize = 1000;

/// The sessions that have ended last. What was asked for long before is under way by now, or never will be.
#[derive(Default)]
pub(super) struct EndedSessions {
    all: HashSet<String>,
    in_order: VecDeque<String>,
}

impl EndedSessions {
    /// Remembers one more.
    pub(super) fn add(&mut self, session: &str) {
        if !self.all.insert(session.to_string()) {
            return;
        }
        self.in_order.push_back(session.to_string());
        if self.in_order.len() > MOST_REMEMBERED
            && let Some(first) = self.in_order.pop_front()
        {
            self.all.remove(&first);
        }
    }

    /// Whether a session is known to have ended.
    pub(super) fn contains(&self, session: &str) -> bool {
        self.all.contains(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_sessions_that_have_ended_the_last_ones_are_remembered() {
        let mut ended = EndedSessions::default();
        for number in 0..3 * MOST_REMEMBERED {
            ended.add(&number.to_string());
            ended.add(&number.to_string());
        }
        assert_eq!((ended.all.len(), ended.in_order.len()), (MOST_REMEMBERED, MOST_REMEMBERED));
        assert!(ended.contains("2000") && ended.contains("2999") && !ended.contains("1999"));
    }
}
