//! Problems drawn for a terminal, as rustc draws them, in 80 columns.

use annotate_snippets::{
    AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet as Drawing,
};

use crate::report::{Problem, Severity, Snippet, printable};

/// How wide is drawn, in columns, on terminals of any width.
const WIDTH: usize = 80;

impl Problem {
    /// The problem as the rustc-like drawing of the line it is in.
    #[must_use]
    pub fn draw(&self, colour: bool) -> String {
        let file = printable(&self.file.display().to_string());
        let Some(Snippet { text, at }) = &self.snippet else {
            let message = format!("{file}: {}", self.message);
            let suggestion = self.suggestion.as_deref();
            return draw(
                self.severity,
                self.code.name(),
                &message,
                suggestion,
                colour,
            );
        };
        let is_whole = text[..at.start].chars().count() + 1 == self.column;
        // The keys stand beside the mark where there is room.
        let margin = self.line.to_string().len() + 3;
        let marked = text[..at.end].chars().count();
        let is_short = margin + marked + 1 + self.path.chars().count() <= WIDTH;
        let label = if is_short { self.path.as_str() } else { "" };
        let mark = AnnotationKind::Primary.span(at.clone()).label(label);
        let drawing = Drawing::source(text.as_str())
            .line_start(self.line)
            .annotation(mark);
        let mut elements: Vec<Element<'_>> = Vec::new();
        // Behind a mask the drawing's column is not that of the file, which is then said apart.
        if is_whole {
            elements.push(drawing.path(file.as_str()).into());
        } else {
            let origin = Origin::path(file.as_str()).line(self.line);
            elements.push(origin.char_column(self.column).into());
            elements.push(drawing.into());
        }
        if !is_short {
            let path = wrapped(&self.path, margin + "= at: ".len());
            elements.push(Level::NOTE.with_name("at").message(path).into());
        }
        let drawn = render(
            self.severity,
            self.code.name(),
            &self.message,
            elements,
            self.suggestion.as_deref(),
            margin,
            colour,
        );
        if is_whole {
            drawn
        } else {
            without_empty_origin(&drawn)
        }
    }
}

/// Something to know that has no place in a file, drawn as [`Problem::draw`] does.
#[must_use]
pub fn draw(
    severity: Severity,
    code: &str,
    message: &str,
    suggestion: Option<&str>,
    colour: bool,
) -> String {
    render(severity, code, message, Vec::new(), suggestion, 1, colour)
}

fn render(
    severity: Severity,
    code: &str,
    message: &str,
    elements: Vec<Element<'_>>,
    suggestion: Option<&str>,
    margin: usize,
    colour: bool,
) -> String {
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = wrapped(message, format!("{severity}[{code}]: ").len());
    let mut group = Group::with_title(level.primary_title(title).id(code)).elements(elements);
    if let Some(suggestion) = suggestion {
        let help = wrapped(suggestion, margin + "= help: ".len());
        group = group.element(Level::HELP.message(help));
    }
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    renderer.term_width(WIDTH).render(&[group])
}

/// The text in lines that fit behind a margin; what has no blank stays whole.
fn wrapped(text: &str, margin: usize) -> String {
    let room = WIDTH.saturating_sub(margin).max(20);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// The library draws an arrow to nowhere for a piece of a file whose place was said apart.
fn without_empty_origin(drawn: &str) -> String {
    let lines = drawn.split('\n').filter(|line| !is_empty_origin(line));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_empty_origin(line: &str) -> bool {
    let mut rest = line;
    let mut text = String::new();
    while let Some(at) = rest.find("\u{1b}[") {
        text.push_str(&rest[..at]);
        rest = rest[at..].split_once('m').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    text.trim() == ":::"
}
