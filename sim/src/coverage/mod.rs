//! What was reached: which message met which situation, how often, and why the rest was not (`cargo lab sim --coverage`).
//!
//! ```text
//!   engine --Encounter--> Coverage --merge, over threads--> table::page, for docs/src/simulation.md
//!      scripted tests --contribution--> Coverage ---^    ^--- reasons::why, for each cell that nothing has visited
//! ```
//!
//! A cell is a situation and a message ([`ike::engine::situation`]). Where nobody looks inside the message, what is in flight
//! and what is half done has no say, and only where the IKE SA stands counts.

mod contribution;
mod reasons;
mod table;

use std::collections::BTreeMap;

use ike::engine::situation::{Encounter, Flight, Message, Situation};

pub use contribution::{Contribution, FILE};
pub use reasons::{Why, unreal, why};
pub use table::{BEGIN, END, page, put};

/// How often which message met which situation.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    visits: BTreeMap<Encounter, u64>,
}

impl Coverage {
    /// Takes in what an engine has taken down.
    pub fn add(&mut self, encounters: Vec<Encounter>) {
        for encounter in encounters {
            *self.visits.entry(cell(encounter)).or_default() += 1;
        }
    }

    /// Takes in what another has seen.
    pub fn merge(&mut self, other: &Self) {
        for (cell, count) in &other.visits {
            *self.visits.entry(*cell).or_default() += count;
        }
    }

    /// How often a cell was visited.
    #[must_use]
    pub fn visits(&self, situation: Situation, message: Message) -> u64 {
        let encounter = Encounter { situation, message };
        self.visits.get(&encounter).copied().unwrap_or_default()
    }

    /// What was visited though there is a reason why it is not.
    #[must_use]
    pub fn contradictions(&self) -> Vec<(Encounter, Why)> {
        let visited = self.visits.keys();
        let reasons = visited.filter_map(|cell| Some((*cell, why(cell.situation, cell.message)?)));
        reasons.collect()
    }
}

/// Where an encounter is counted.
const fn cell(mut encounter: Encounter) -> Encounter {
    if !encounter.message.is_read() {
        encounter.situation = standing_alone(encounter.situation);
    }
    encounter
}

/// With nothing in flight and nothing half done, whether there is such a situation or not.
const fn standing_alone(situation: Situation) -> Situation {
    Situation::new(situation.standing, Flight::Nothing)
}

/// The situations of a table: of messages that are read, or of those that are not.
fn situations(read: bool) -> impl Iterator<Item = Situation> {
    let counts = move |situation: &Situation| match read {
        true => unreal(*situation).is_none(),
        false => standing_alone(*situation) == *situation,
    };
    Situation::all().filter(counts)
}
