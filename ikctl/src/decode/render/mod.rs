//! What is printed: [`text`] for people, [`lines`] of JSON for scripts. Whatever comes from the capture passes through the
//! cleaning of [`crate::text`] or [`crate::json`] on its way.

mod ending;
mod lines;
mod text;
mod wrap;

use std::io::{self, Write};

use super::Ending;
use super::messages::Message;

/// How text for people looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Whether to use colour.
    pub(crate) colour: bool,
    /// Columns.
    pub(crate) width: usize,
    /// One line for each message.
    pub(crate) summary: bool,
    /// Every field.
    pub(crate) full: bool,
}

impl Look {
    /// Blocks, without the fields that say nothing new.
    pub(crate) const fn new(colour: bool, width: usize) -> Self {
        Self {
            colour,
            width,
            summary: false,
            full: false,
        }
    }
}

/// Where messages go as they come.
pub(super) trait Output {
    fn message(&mut self, message: &Message) -> io::Result<()>;
    /// The counts, and what never became whole.
    fn end(&mut self, ending: &Ending) -> io::Result<()>;
    fn flush(&mut self) -> io::Result<()>;
}

pub(super) fn output<'a>(to: impl Write + 'a, json: bool, look: Look) -> Box<dyn Output + 'a> {
    if json {
        Box::new(lines::Lines { to })
    } else {
        Box::new(text::Text::new(to, look))
    }
}
