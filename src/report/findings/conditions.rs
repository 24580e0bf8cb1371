//! What is found of the conditions: repetitions, executors, cache, and what went wrong.

use super::{Finding, Name, combination};
use crate::report::facts::{Cache, Facts};
use crate::report::number::{MOST_NAMED, capital, listed, number, percent, ratio};
use crate::report::spread::Spreads;
use crate::words::counted;

pub(super) fn repetitions(spreads: &Spreads, name: Name<'_>) -> Option<Finding> {
    let seen = spreads.repetitions?;
    let (series, size, count) = seen.most_at;
    let mut how = format!(
        "The standard deviation of a combination\u{2019}s repetitions by their mean, in the median of {}; the most is {} ({}, {}).",
        counted(seen.combinations, "combination"),
        percent(seen.most),
        name(series),
        combination((size, count))
    );
    if !seen.is_alike {
        how.push_str(" They ran on different executors, or with different states of the cache.");
    }
    if let Some(first) = spreads.first_by_later {
        how.push_str(&match first {
            first if first < 0.95 => format!(
                " First repetitions are {} slower than later ones, as where the first warms a cache.",
                percent(1.0 - first)
            ),
            first if first > 1.05 => format!(" First repetitions are {} faster than later ones.", percent(first - 1.0)),
            _ => " First repetitions are as fast as later ones, within 5 %.".to_string(),
        });
    }
    Some(Finding::new(format!("Repetitions differ by {}.", percent(seen.median)), how))
}

pub(super) fn executors(spreads: &Spreads, facts: &Facts) -> Finding {
    let all = &spreads.executors;
    let most = all.iter().max_by(|a, b| a.mean.total_cmp(&b.mean));
    let least = all.iter().min_by(|a, b| a.mean.total_cmp(&b.mean));
    if let (Some(most), Some(least)) = (most, least) {
        let by = match spreads.executors_differ {
            true => {
                "No two of them have measured the same combination, so that it may be the combinations. By the mean of the source"
            }
            false => "By the mean of the combinations that several executors have measured",
        };
        return Finding::new(
            format!("The fastest executor is {} times as fast as the slowest.", ratio(most.mean / least.mean)),
            format!(
                "{by}: {} at {}, {} at {}, of {}.",
                most.name,
                ratio(most.mean),
                least.name,
                ratio(least.mean),
                counted(all.len() as u64, "executor")
            ),
        );
    }
    if facts.executors.len() > 1 || facts.hosts.len() > 1 {
        return Finding::new("Executors can\u{2019}t be compared.", "No source was measured on more than one of them.");
    }
    let place = facts.hosts.first().map(|host| format!(" on {host}")).unwrap_or_default();
    Finding::new(
        "All measurements come from one executor.",
        format!("It ran{place}; there is nothing to compare it with."),
    )
}

pub(super) fn cache(states: &[Cache], name: Name<'_>) -> Finding {
    let count = |state: Option<&str>| -> u64 {
        states.iter().filter(|one| one.state.as_deref() == state).map(|one| one.n).sum()
    };
    let (cold, warm, all) = (count(Some("cold")), count(Some("warm")), states.iter().map(|one| one.n).sum::<u64>());
    let verb = |n: u64| if n == 1 { "was" } else { "were" };
    let read = |n: u64| match n {
        n if n == all && n > 1 => "All measurements were read".to_string(),
        n => format!("{} {} read", counted(n, "measurement"), verb(n)),
    };
    let what = match (cold, warm) {
        (0, 0) => "Whether the cache was cold or warm isn\u{2019}t known.".to_string(),
        (cold, 0) => format!("{} from a cold cache.", read(cold)),
        (0, warm) => format!("{} from a warm cache.", read(warm)),
        (cold, warm) => format!("Cold and warm are mixed: {} from a cold cache, {warm} from a warm one.", read(cold)),
    };
    let means = states.iter().map(|one| {
        let state = one.state.as_deref().unwrap_or("not known");
        let from_disk = one.from_disk.map(|share| format!(", {} of the bytes from disk", percent(share.min(1.0))));
        format!(
            "{}, {state}: {} images/s in the mean of {}{}.",
            capital(&name(one.series)),
            number(one.images_per_second),
            counted(one.n, "measurement"),
            from_disk.unwrap_or_default()
        )
    });
    let more = states.len().saturating_sub(MOST_NAMED);
    let mut how = means.take(MOST_NAMED).collect::<Vec<_>>().join(" ");
    if more > 0 {
        how.push_str(&format!(" There are {more} more sources and states."));
    }
    if cold > 0 && warm > 0 {
        how.push_str(" Averages and fits hold both; differences between parameters may be differences of the cache.");
    }
    Finding::new(what, how)
}

/// What else must be known to read the rest.
pub(super) fn left_over(facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    if facts.machines.len() > 1 || facts.versions.len() > 1 {
        let kinds = [("machine", facts.machines.len()), ("version of pixmill", facts.versions.len())];
        let kinds = kinds.into_iter().filter(|(_, count)| *count > 1).map(|(kind, count)| match kind {
            "machine" => counted(count as u64, kind),
            _ => format!("{count} versions of pixmill"),
        });
        all.push(Finding::new(
            format!("Measurements of {} are taken together.", listed(&kinds.collect::<Vec<_>>())),
            "Averages and fits hold all of them; --run chooses one run.",
        ));
    }
    if !facts.notes.is_empty() {
        let notes: Vec<String> = facts.notes.iter().take(MOST_NAMED).map(|(note, n)| format!("{note} ({n})")).collect();
        let n: u64 = facts.notes.iter().map(|(_, n)| n).sum();
        let more = match facts.notes.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!("; {}", counted(more as u64, "other note")),
        };
        all.push(Finding::new(
            format!("{} didn\u{2019}t go as asked.", counted(n, "measurement")),
            format!("Noted: {}{more}.", notes.join("; ")),
        ));
    }
    if facts.rejected > 0 {
        all.push(Finding::new(
            format!("{} could not be decoded.", counted(facts.rejected, "image")),
            "They were read and left out; each is counted as often as it was met.",
        ));
    }
    if !facts.failed.is_empty() {
        all.push(Finding::new(
            format!("{} failed.", counted(facts.failed.len() as u64, "repetition")),
            "Failed repetitions are listed at the end, and are in no average, fit or chart.",
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::testing::name;
    use super::*;
    use crate::report::spread::{Executor, Repetitions};

    fn state(series: i64, state: Option<&str>, n: u64) -> Cache {
        let state = state.map(str::to_string);
        Cache { series, state, n, images_per_second: 117.2, from_disk: Some(0.98) }
    }

    #[test]
    fn mixed_states_of_the_cache_are_told() {
        let mixed = cache(&[state(1, Some("cold"), 8), state(2, Some("warm"), 40)], &name);
        assert_eq!(
            mixed.what,
            "Cold and warm are mixed: 8 measurements were read from a cold cache, 40 from a warm one."
        );
        assert_eq!(
            mixed.how,
            "Files, cold: 117 images/s in the mean of 8 measurements, 98 % of the bytes from disk. Shards, warm: 117 images/s \
             in the mean of 40 measurements, 98 % of the bytes from disk. Averages and fits hold both; differences between \
             parameters may be differences of the cache."
        );
        assert_eq!(cache(&[state(1, Some("warm"), 8)], &name).what, "All measurements were read from a warm cache.");
        let some = [state(1, Some("cold"), 8), state(1, None, 2)];
        assert_eq!(cache(&some, &name).what, "8 measurements were read from a cold cache.");
        assert_eq!(cache(&[state(1, None, 2)], &name).what, "Whether the cache was cold or warm isn’t known.");
    }

    #[test]
    fn repetitions_differ_by_their_median_spread() {
        let seen = Repetitions { combinations: 32, median: 0.043, most: 0.18, most_at: (2, 2, 3), is_alike: true };
        let spreads = Spreads { repetitions: Some(seen), first_by_later: Some(0.7), ..Spreads::default() };
        let finding = repetitions(&spreads, &name).expect("a finding");
        assert_eq!(finding.what, "Repetitions differ by 4 %.");
        assert_eq!(
            finding.how,
            "The standard deviation of a combination’s repetitions by their mean, in the median of 32 combinations; the most \
             is 18 % (shards, 2 × 3). First repetitions are 30 % slower than later ones, as where the first warms a cache."
        );
    }

    #[test]
    fn executors_are_compared_only_where_that_is_possible() {
        let executor = |name: &str, mean| Executor { name: name.to_string(), ratios: vec![mean], mean };
        let spreads = Spreads { executors: vec![executor("a", 1.2), executor("b", 0.8)], ..Spreads::default() };
        let finding = executors(&spreads, &Facts::default());
        assert_eq!(finding.what, "The fastest executor is 1.5 times as fast as the slowest.");
        let apart = Facts { executors: vec!["a".to_string(), "b".to_string()], ..Facts::default() };
        assert_eq!(executors(&Spreads::default(), &apart).what, "Executors can’t be compared.");
        let one = Facts { hosts: vec!["workstation".to_string()], ..Facts::default() };
        assert_eq!(
            executors(&Spreads::default(), &one).how,
            "It ran on workstation; there is nothing to compare it with."
        );
    }

    #[test]
    fn what_stopped_early_is_told_with_its_note() {
        let facts = Facts {
            notes: vec![("stopped early: the source has 150 images".to_string(), 6)],
            rejected: 1,
            versions: vec!["0.1.0".to_string(), "0.1.1".to_string()],
            ..Facts::default()
        };
        let findings = left_over(&facts);
        assert_eq!(
            findings.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(),
            [
                "Measurements of 2 versions of pixmill are taken together.",
                "6 measurements didn’t go as asked.",
                "1 image could not be decoded."
            ]
        );
        assert_eq!(findings[1].how, "Noted: stopped early: the source has 150 images (6).");
    }
}
