//! Markdown as the text of a manual page.

use clap_mangen::roff::{Inline, Roff, bold, roman};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Headings of the second level become sections, deeper ones subsections, rows of tables paragraphs with their first cell in
/// bold, links their text.
pub(super) fn to_roff(markdown: &str, roff: &mut Roff) {
    let mut words = Vec::new();
    let mut state = State::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Text(text) if state.code => {
                for line in text.lines() {
                    roff.text([roman(line)]);
                }
            }
            Event::Text(text) => words.push(roman(text.replace('\n', " "))),
            Event::Code(code) => words.push(bold(code.as_ref())),
            Event::SoftBreak | Event::HardBreak => words.push(roman(" ")),
            Event::Start(Tag::Paragraph) if !state.item => {
                roff.control("PP", []);
            }
            Event::Start(Tag::CodeBlock(_)) => {
                state.code = true;
                roff.control("PP", [])
                    .control("RS", ["4"])
                    .control("nf", []);
            }
            Event::End(TagEnd::CodeBlock) => {
                state.code = false;
                roff.control("fi", []).control("RE", []);
            }
            Event::Start(Tag::Item) => {
                state.item = true;
                roff.control("IP", ["\u{2022}", "2"]);
            }
            Event::End(TagEnd::TableCell) => state.cells.push(std::mem::take(&mut words)),
            // What the columns are, the text above the table says.
            Event::End(TagEnd::TableHead) => state.cells.clear(),
            Event::End(TagEnd::TableRow) => row(state.cells.drain(..), roff),
            Event::End(TagEnd::Heading(level)) => {
                let heading = words.drain(..).map(plain).collect::<String>();
                let section = if heading.contains('.') {
                    heading.clone()
                } else {
                    heading.to_uppercase()
                };
                match level {
                    HeadingLevel::H1 | HeadingLevel::H2 => roff.control("SH", [section.as_str()]),
                    _ => roff.control("SS", [heading.as_str()]),
                };
            }
            Event::End(TagEnd::Paragraph | TagEnd::Item) => {
                if !words.is_empty() {
                    roff.text(std::mem::take(&mut words));
                }
                state.item &= !matches!(event, Event::End(TagEnd::Item));
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct State {
    code: bool,
    item: bool,
    /// Of the row that is being read.
    cells: Vec<Vec<Inline>>,
}

/// The first cell, and below it those that say something, with semicolons between.
fn row(mut cells: impl Iterator<Item = Vec<Inline>>, roff: &mut Roff) {
    let first = cells.next().unwrap_or_default();
    let said: Vec<_> = cells.filter(|cell| !cell.is_empty()).collect();
    roff.control("TP", [])
        .text(first)
        .text(said.join(&roman("; ")));
}

fn plain(inline: Inline) -> String {
    match inline {
        Inline::Roman(text) | Inline::Bold(text) | Inline::Italic(text) => text,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_lists_code_and_tables_become_what_man_knows() {
        let mut roff = Roff::new();
        let page = "## The file\n\nOne `word`,\nsee [there](#there).\n\n### `a.b`\n\n- `x`: one\n\n```yaml\n.a: 1\n```\n\n\
                    | word | kind | remark |\n|---|---|---|\n| `aes` | cipher | |\n| `md5` | hash | weak |\n";
        to_roff(page, &mut roff);
        let lines = [
            ".SH \"THE FILE\"",
            ".PP",
            "One \\fBword\\fR, see there.",
            ".SS a.b",
            ".IP \u{2022} 2",
            "\\fBx\\fR: one",
            ".PP",
            ".RS 4",
            ".nf",
            "\\&.a: 1",
            ".fi",
            ".RE",
            ".TP",
            "\\fBaes\\fR",
            "cipher",
            ".TP",
            "\\fBmd5\\fR",
            "hash; weak",
        ];
        let made = roff.render();
        let (_, made) = made.split_once(".SH").expect("a section");
        assert_eq!(format!(".SH{made}"), lines.join("\n") + "\n");
    }
}
