//! The tables for the book: situations down, messages across; below them why a cell is empty, and what was never visited.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ike::engine::situation::{Flight, HalfDone, Message, Situation};

use super::reasons::{Why, rare, unreal, why};
use super::{Coverage, situations};

/// What the tables come after in a page.
pub const BEGIN: &str = "<!-- coverage: what follows is written by cargo lab sim -->";
/// What they come before.
pub const END: &str = "<!-- end of coverage -->";

/// Whether a table is of this message.
type Holds = fn(Message) -> bool;

/// The tables: what they are of, and which messages that are.
const TABLES: [(&str, Holds); 7] = [
    ("Requests that are due", |message| {
        matches!(message, Message::Request(_))
    }),
    ("Responses that are awaited, by what they say", |message| {
        matches!(message, Message::Response(_))
    }),
    ("Requests that were answered, again", |message| {
        matches!(message, Message::Repeated(_))
    }),
    ("Requests that are being worked on, again", |message| {
        matches!(message, Message::Unfinished(_))
    }),
    ("Requests with another message ID than is due", |message| {
        matches!(message, Message::OutOfTurn(_))
    }),
    (
        "Requests that are due, of an exchange that is not taken: dropped unopened",
        |message| matches!(message, Message::Untimely(_)),
    ),
    (
        "Responses that nobody waits for, and what is no message of this IKE SA",
        |message| {
            use Message::{Foreign, Unasked, Unprotected, Unreadable};
            matches!(message, Unasked(_) | Unprotected | Unreadable | Foreign)
        },
    ),
];

/// What heads a column.
const fn head(message: Message) -> &'static str {
    match message {
        Message::Request(asked) => asked.words(),
        Message::Response(answered) => answered.words(),
        Message::Repeated(exchange)
        | Message::Unfinished(exchange)
        | Message::OutOfTurn(exchange)
        | Message::Untimely(exchange)
        | Message::Unasked(exchange) => exchange.words(),
        Message::Unprotected => "without protection",
        Message::Unreadable => "unreadable",
        Message::Foreign => "other SPIs or flags",
    }
}

/// The part of the page between the marks: what lives have reached (`lived` says which), and what scripted tests have.
#[must_use]
pub fn page(lives: &Coverage, tests: &Coverage, lived: &str) -> String {
    let mut page = Page {
        lives,
        tests,
        text: String::new(),
        impossible: Vec::new(),
        not_drawn: Vec::new(),
        gaps: Vec::new(),
        visited: 0,
        tested: 0,
    };
    for (title, holds) in TABLES {
        page.table(
            title,
            &Message::all().filter(|one| holds(*one)).collect::<Vec<_>>(),
        );
    }
    let below = page.below();
    let (visited, tested, gaps) = (page.visited, page.tested, page.gaps.len());
    format!(
        "{lived}: they visited {visited} cells. Scripted tests visited {tested} more; {gaps} cells were never visited, though \
         nothing is known that rules them out.\n\n{}{below}",
        page.text
    )
}

/// The page with this part between its marks, if it has them.
#[must_use]
pub fn put(page: &str, part: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        part.trim()
    ))
}

/// A cell that nothing has visited.
struct Gap {
    table: &'static str,
    situation: Situation,
    message: Message,
}

/// A page that is being written.
struct Page<'a> {
    lives: &'a Coverage,
    tests: &'a Coverage,
    text: String,
    /// Reasons, in the order of their letters.
    impossible: Vec<&'static str>,
    not_drawn: Vec<&'static str>,
    gaps: Vec<Gap>,
    visited: usize,
    tested: usize,
}

impl Page<'_> {
    fn table(&mut self, title: &'static str, messages: &[Message]) {
        let read = messages.iter().all(|message| message.is_read());
        let (more, rule) = match read {
            true => (" ours in flight | half done |", "---|---|"),
            false => ("", ""),
        };
        let heads: Vec<_> = messages.iter().map(|message| head(*message)).collect();
        let rules = "---:|".repeat(messages.len());
        let _ = write!(
            self.text,
            "### {title}\n\n| IKE SA |{more} {} |\n|---|{rule}{rules}\n",
            heads.join(" | ")
        );
        let mut closed = Vec::new();
        for situation in situations(read) {
            let is_closed = |message: &Message| {
                let visits = |of: &Coverage| of.visits(situation, *message);
                let visited = visits(self.lives) + visits(self.tests) > 0;
                !visited && why(situation, *message).is_some()
            };
            if messages.iter().all(is_closed) {
                closed.push(situation);
                continue;
            }
            let _ = write!(self.text, "| {} |", situation.standing.words());
            if read {
                let (flight, half_done) = (situation.flight, situation.half_done);
                let _ = write!(self.text, " {} | {} |", flight.words(), half_done.words());
            }
            for message in messages {
                let cell = self.cell(title, situation, *message);
                let _ = write!(self.text, " {cell} |");
            }
            self.text.push('\n');
        }
        self.closed(&closed, messages);
    }

    fn cell(&mut self, table: &'static str, situation: Situation, message: Message) -> String {
        let visits = self.lives.visits(situation, message);
        let tested = self.tests.visits(situation, message) > 0;
        match (visits, why(situation, message)) {
            (0, Some(Why::Impossible(_))) if tested => "t (!)".to_owned(),
            (0, _) if tested => {
                self.tested += 1;
                "t".to_owned()
            }
            (0, Some(why)) => self.letter(why).to_string(),
            (0, None) => {
                self.gaps.push(Gap {
                    table,
                    situation,
                    message,
                });
                "**0**".to_owned()
            }
            (visits, None) => {
                self.visited += 1;
                rounded(visits)
            }
            (visits, Some(_)) => format!("{} (!)", rounded(visits)),
        }
    }

    /// The letter of a reason: a small one where it cannot be, a capital where it is only not drawn.
    fn letter(&mut self, why: Why) -> char {
        let (list, mut letters) = match why {
            Why::Impossible(_) => (&mut self.impossible, 'a'..='z'),
            Why::NotDrawn(_) => (&mut self.not_drawn, 'A'..='Z'),
        };
        let words = why.words();
        let at = list.iter().position(|other| *other == words);
        let at = at.unwrap_or_else(|| {
            list.push(words);
            list.len() - 1
        });
        letters.nth(at).unwrap_or('?')
    }

    /// Situations that have no row, since none of these messages comes there in a life: why.
    fn closed(&mut self, closed: &[Situation], messages: &[Message]) {
        let mut by_letters: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for situation in closed {
            let reasons = messages.iter().filter_map(|one| why(*situation, *one));
            let letters: BTreeSet<_> = reasons.map(|why| self.letter(why)).collect();
            let letters: Vec<_> = letters.iter().map(char::to_string).collect();
            let same = by_letters.entry(letters.join(", ")).or_default();
            same.insert(name_of_closed(*situation));
        }
        self.text.push('\n');
        if by_letters.is_empty() {
            return;
        }
        self.text.push_str("There is no row for\n\n");
        for (letters, names) in by_letters {
            let names: Vec<_> = names.into_iter().collect();
            let _ = writeln!(self.text, "- {} ({letters})", names.join("; "));
        }
        self.text.push('\n');
    }

    /// What comes below the tables.
    fn below(&self) -> String {
        let mut text = String::from("### Why a cell is empty\n\nIt cannot be:\n\n");
        for (letter, words) in ('a'..='z').zip(&self.impossible) {
            let _ = writeln!(text, "- {letter}: {words}");
        }
        let unreal: BTreeSet<_> = Situation::all().filter_map(unreal).collect();
        text.push_str("\nSituations that cannot be have no row:\n\n");
        for words in unreal {
            let _ = writeln!(text, "- {words}");
        }
        text.push_str("\nIt can be, but not in a life:\n\n");
        for (letter, words) in ('A'..='Z').zip(&self.not_drawn) {
            let _ = writeln!(text, "- {letter}: {words}");
        }
        text.push_str("\n### Never visited\n");
        let mut last = "";
        let of = |gap: &Gap| (gap.table, gap.situation, rare(gap.situation, gap.message));
        let same = |one: &Gap, other: &Gap| of(one) == of(other);
        for gaps in self.gaps.chunk_by(same) {
            let (table, situation, rare) = of(&gaps[0]);
            if table != last {
                let _ = write!(text, "\n{table}:\n\n");
                last = table;
            }
            let heads: Vec<_> = gaps.iter().map(|gap| head(gap.message)).collect();
            let (name, heads) = (name(situation), heads.join(", "));
            let _ = writeln!(text, "- {name}: {heads} ({rare})");
        }
        text
    }
}

/// A situation in one line.
fn name(situation: Situation) -> String {
    let Situation {
        standing,
        flight,
        half_done,
    } = situation;
    let mut name = standing.words().to_owned();
    if flight != Flight::Nothing {
        let _ = write!(name, ", {} in flight", flight.words());
    }
    if half_done != HalfDone::Nothing {
        let _ = write!(name, ", {}", half_done.words());
    }
    name
}

/// The same, where it is no matter what is in flight.
fn name_of_closed(situation: Situation) -> String {
    name(Situation {
        flight: Flight::Nothing,
        ..situation
    })
}

/// A number with two or three digits that count.
fn rounded(number: u64) -> String {
    let scaled = |unit: u64, letter| {
        let tenths = number * 10 / unit;
        match tenths {
            0..100 => format!("{}.{}{letter}", tenths / 10, tenths % 10),
            _ => format!("{}{letter}", tenths / 10),
        }
    };
    match number {
        0..1000 => number.to_string(),
        1000..1_000_000 => scaled(1000, 'k'),
        _ => scaled(1_000_000, 'M'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_what_counts() {
        let told = [7, 999, 1000, 12_345, 999_999, 1_250_000].map(rounded);
        assert_eq!(told, ["7", "999", "1.0k", "12k", "999k", "1.2M"]);
    }

    #[test]
    fn what_is_between_the_marks_is_replaced_and_nothing_else() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter");
        let new = put(&page, "new\n").expect("it has marks");
        assert_eq!(new, format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter"));
        assert_eq!(put(&new, "new").as_deref(), Some(&*new));
        assert_eq!(put("without marks", "new"), None);
    }

    #[test]
    fn every_cell_of_a_life_that_is_not_lived_is_a_gap_or_has_a_reason() {
        let nothing = Coverage::default();
        let page = page(&nothing, &nothing, "No lives");
        assert!(!page.contains("(!)"), "{page}");
        assert!(page.contains("they visited 0 cells"), "{page}");
    }
}
