//! Less and less of a life, as long as it breaks the same.

use super::{Entry, Outcome, Scenario, live};

/// The scenario with as few entries as can be found that breaks the same invariant, and what became of it, with its diagram.
#[must_use]
pub fn shrink(scenario: &Scenario) -> (Scenario, Outcome) {
    let first = live(scenario, false);
    let Some(violation) = &first.violation else {
        return (scenario.clone(), live(scenario, true));
    };
    let invariant = violation.invariant;
    let breaks = |scenario: &Scenario| {
        let violation = live(scenario, false).violation;
        violation.is_some_and(|violation| violation.invariant == invariant)
    };
    let mut least = scenario.clone();
    let mut pieces = 2;
    while !least.entries.is_empty() {
        let length = least.entries.len().div_ceil(pieces);
        let starts = (0..least.entries.len()).step_by(length.max(1));
        let without = starts.map(|start| {
            let end = (start + length).min(least.entries.len());
            let (before, after) = (&least.entries[..start], &least.entries[end..]);
            let entries: Vec<Entry> = before.iter().chain(after).cloned().collect();
            Scenario {
                entries,
                ..least.clone()
            }
        });
        if let Some(smaller) = without.into_iter().find(|smaller| breaks(smaller)) {
            least = smaller;
            pieces = pieces.saturating_sub(1).max(2);
        } else if length <= 1 {
            break;
        } else {
            pieces = (pieces * 2).min(least.entries.len());
        }
    }
    // Calm where that does not matter.
    let weather = Scenario {
        weather: super::Weather::FINE,
        ..least.clone()
    };
    if breaks(&weather) {
        least = weather;
    }
    let outcome = live(&least, true);
    (least, outcome)
}
