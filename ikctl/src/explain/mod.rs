//! `ikctl explain CODE`: the book's page for a code, without a daemon and without a network.
//!
//! The pages are the book's own (docs/src/errors), built in. What they use of Markdown is what is rendered here: headings,
//! paragraphs, lists, blocks of code, links, emphasis.

mod pages;

use serde_json::json;

use crate::ask::Trouble;
use crate::json::pretty;
use crate::text::{Page, clean, paint};
use crate::{Exit, Outcome};
use pages::PAGES;

/// A page: its code and its Markdown.
type Explained = (&'static str, &'static str);

/// Prints the page for `code`, or, without one, every code with its line.
pub(crate) fn run(code: Option<&str>, json: bool, colour: bool) -> Result<Outcome, Trouble> {
    let Some(code) = code else {
        return Ok(Outcome::done(if json {
            let all = PAGES.iter();
            let all = all.map(|(code, page)| json!({ "code": code, "summary": summary(page) }));
            pretty(&all.collect())
        } else {
            list(PAGES.iter(), colour)
        }));
    };
    let wanted = code.trim().to_ascii_lowercase();
    match PAGES.iter().find(|(code, _)| *code == wanted) {
        Some((code, page)) if json => Ok(Outcome::done(pretty(
            &json!({ "code": code, "summary": summary(page), "page": page }),
        ))),
        Some((_, page)) => Ok(Outcome::done(render(page, colour))),
        None => Err(unknown(code)),
    }
}

/// Whether there is a page for this code.
pub(crate) fn knows(code: &str) -> bool {
    PAGES.iter().any(|(known, _)| *known == code)
}

/// What could have been meant: a code that is nearly so, or, for the name of a notify, the pages that speak of it.
fn unknown(code: &str) -> Trouble {
    let wanted = code.to_ascii_lowercase();
    let mut near: Vec<_> = (PAGES.iter())
        .map(|page| (strsim::damerau_levenshtein(page.0, &wanted), page))
        .filter(|(distance, _)| *distance <= 3)
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    let mut found: Vec<_> = near.into_iter().take(3).map(|(_, page)| page).collect();
    if found.is_empty() && wanted.len() >= 4 {
        let speaks = |page: &&Explained| page.1.to_ascii_lowercase().contains(&wanted);
        found.extend(PAGES.iter().filter(speaks));
    }
    let mut message = format!("there is no code `{}`", clean(code));
    message += &if found.is_empty() {
        "; `ikctl explain` lists all".to_owned()
    } else {
        format!(
            "; perhaps one of these:\n{}",
            list(found.iter().copied(), false).trim_end()
        )
    };
    let codes: Vec<_> = found.iter().map(|(code, _)| code).collect();
    Trouble {
        message,
        json: json!({ "error": "org.ikctl.NoSuchCode", "parameters": { "code": code, "near": codes } }),
        exit: Exit::NotFound,
    }
}

fn list<'a>(pages: impl Iterator<Item = &'a Explained>, colour: bool) -> String {
    const CODE: usize = 28;
    let mut text = Page::default();
    for (code, page) in pages {
        let padding = CODE.saturating_sub(code.len()).max(2);
        // The code is measured without its colour.
        let mut line = Page::default();
        line.prose(0, CODE, &format!("{code}{:padding$}{}", "", summary(page)));
        let line = line.finish();
        text.line(
            0,
            line.trim_end()
                .replacen(code, &paint(code, "1", colour), 1)
                .as_str(),
        );
    }
    text.finish()
}

/// The first sentence: the paragraph below the title and the line on the code's kind.
fn summary(page: &str) -> String {
    let mut paragraphs = page.split("\n\n").skip(1);
    let first = paragraphs
        .find(|text| !text.starts_with('*'))
        .unwrap_or_default();
    let end = first.find(". ").map_or(first.len(), |at| at + 1);
    plain(&first[..end].replace('\n', " "))
}

/// The page for a terminal of 80 columns.
fn render(page: &str, colour: bool) -> String {
    let mut text = Page::default();
    let mut code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            code = !code;
        } else if code {
            text.line(4, line);
        } else if let Some(title) = line
            .trim_start_matches('#')
            .strip_prefix(' ')
            .filter(|_| line.starts_with('#'))
        {
            text.line(0, &paint(title, "1", colour));
        } else if let Some(item) = line.strip_prefix("- ") {
            text.prose(2, 2, &format!("- {}", plain(item)));
        } else if line.is_empty() {
            text.blank();
        } else {
            text.prose(0, 0, &plain(line));
        }
    }
    text.finish()
}

/// Without the marks of links and emphasis; what stands in backquotes stays as it is.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('`').enumerate() {
        if at > 0 {
            out.push('`');
        }
        if at % 2 == 1 {
            out.push_str(part);
            continue;
        }
        let mut rest = part;
        while let Some((before, link)) = rest.split_once('[') {
            out.push_str(&before.replace('*', ""));
            match link
                .split_once("](")
                .and_then(|(label, tail)| Some((label, tail.split_once(')')?)))
            {
                Some((label, (target, tail))) => {
                    out.push_str(label);
                    if target.contains("://") {
                        out.push_str(&format!(" ({target})"));
                    }
                    rest = tail;
                }
                None => {
                    out.push('[');
                    rest = link;
                }
            }
        }
        out.push_str(&rest.replace('*', ""));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_summary_and_fits_80_columns() {
        for (code, page) in PAGES {
            assert!(page.starts_with(&format!("# {code}\n")), "{code}");
            let summary = summary(page);
            assert!(
                summary.ends_with('.') && summary.len() < 200,
                "{code}: {summary}"
            );
            for line in render(page, false).lines() {
                let unbroken = line.trim_start().split(' ').count() == 1;
                let is_code = line.starts_with("    ");
                assert!(
                    line.chars().count() <= 80 || unbroken || is_code,
                    "{code}: {line}"
                );
            }
        }
        let list = list(PAGES.iter(), false);
        assert!(list.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn links_and_emphasis_are_taken_off_and_code_stays() {
        let told = plain(
            "*See* [that page](there.md), [a book](https://example.com) and `id: \"*.x[1]\"` [so]",
        );
        assert_eq!(
            told,
            "See that page, a book (https://example.com) and `id: \"*.x[1]\"` [so]"
        );
    }

    #[test]
    fn a_slip_finds_the_code_and_a_notify_the_pages_that_speak_of_it() {
        let told = |code| {
            run(Some(code), false, false)
                .err()
                .map(|trouble| trouble.message)
        };
        assert!(
            told("wrong-secrte")
                .unwrap_or_default()
                .contains("\nwrong-secret ")
        );
        assert!(
            told("TS_UNACCEPTABLE")
                .unwrap_or_default()
                .contains("\nno-common-selectors ")
        );
        assert!(told("swordfish").unwrap_or_default().ends_with("lists all"));
        assert!(run(Some("Wrong-Secret"), false, false).is_ok());
    }
}
