//! The book: what of it is generated, whether it holds together, and building it.
//!
//! ```text
//!   clap, schema, tables of events and metrics -> commands.md, policy.md, events.md, metrics.md
//!   codes                                      -> errors.md, SUMMARY.md's list, heads of pages, ikctl's table of pages
//!   lists of what standards ask for, tests     -> conformance.md
//!   all pages                                  -> links that lead nowhere
//! ```
//!
//! `cargo lab docs` writes what is generated and builds the HTML; what is generated is committed, and an ordinary test says
//! when it is not current.

pub mod codes;
mod conformance;
pub mod html;
pub mod links;
mod reference;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use codes::Kind;

/// The pages of the book, below the workspace.
pub const PAGES: &str = "docs/src";

/// Every generated file, below the workspace, with what it should hold.
pub fn generated(workspace: &Path) -> Result<Vec<(PathBuf, String)>> {
    let pages = workspace.join(PAGES);
    let mut files = vec![
        ("reference/commands.md", reference::commands()),
        ("reference/policy.md", reference::policy()),
        ("reference/events.md", reference::events()),
        ("reference/metrics.md", reference::metrics()),
        ("conformance.md", conformance::page(workspace)?),
    ];
    let mut index = Vec::new();
    let mut heads = Vec::new();
    for (code, kinds) in codes::all() {
        let name = format!("errors/{code}.md");
        let page = read(&pages.join(&name)).with_context(|| format!("{code} has no page"))?;
        let page = with_head(&page, code, &kinds)?;
        index.push((code, kinds, summary(&page).to_owned()));
        heads.push((name, page));
    }
    files.push(("reference/errors.md", reference::errors(&index)));
    let summary = read(&pages.join("SUMMARY.md"))?;
    files.push(("SUMMARY.md", with_list_of_codes(&summary, &index)?));
    let mut all: Vec<_> = (files.into_iter())
        .map(|(name, text)| (Path::new(PAGES).join(name), text))
        .collect();
    all.extend(
        heads
            .into_iter()
            .map(|(name, text)| (Path::new(PAGES).join(name), text)),
    );
    all.push((
        PathBuf::from("policies/policy.schema.json"),
        policies::schema::text(),
    ));
    all.push((
        PathBuf::from("ikctl/src/explain/pages.rs"),
        table_for_ikctl(&index),
    ));
    Ok(all)
}

/// The names under which Prometheus has what ikd tells.
#[must_use]
pub fn metric_names() -> Vec<String> {
    reference::metric_names()
}

/// Writes what is generated and not current. Returns which files those were.
pub fn write(workspace: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (name, text) in generated(workspace)? {
        let path = workspace.join(&name);
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        written.push(name);
    }
    Ok(written)
}

/// Every page, by its path below [`PAGES`].
pub fn pages(workspace: &Path) -> Result<Vec<(PathBuf, String)>> {
    let root = workspace.join(PAGES);
    let mut found = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in
            fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = read(&path)?;
                found.push((path.strip_prefix(&root)?.to_owned(), text));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// The page with the line below its title that says what kind of code it is.
fn with_head(page: &str, code: &str, kinds: &[Kind]) -> Result<String> {
    let title = format!("# {code}\n\n");
    let rest = page
        .strip_prefix(&title)
        .with_context(|| format!("the page of {code} does not begin with its title"))?;
    let rest = match rest
        .strip_prefix('*')
        .and_then(|rest| rest.split_once("*\n\n"))
    {
        Some((_, rest)) => rest,
        None => rest,
    };
    let kinds: Vec<_> = kinds.iter().map(ToString::to_string).collect();
    Ok(format!("{title}*{}*\n\n{rest}", kinds.join(" ")))
}

/// The first sentence of a page with a head.
fn summary(page: &str) -> &str {
    let first = page.split("\n\n").nth(2).unwrap_or_default().trim_end();
    first.find(". ").map_or(first, |end| &first[..=end])
}

const LIST_BEGINS: &str = "  - [Codes](reference/errors.md)\n";

/// SUMMARY.md with a line for each code below that of their index.
fn with_list_of_codes(summary: &str, index: &[(&str, Vec<Kind>, String)]) -> Result<String> {
    let (before, rest) = summary
        .split_once(LIST_BEGINS)
        .context("SUMMARY.md does not name the index of codes")?;
    let kept: String = (rest.split_inclusive('\n'))
        .skip_while(|line| line.starts_with("    - "))
        .collect();
    let list: String = index
        .iter()
        .map(|(code, ..)| format!("    - [{code}](errors/{code}.md)\n"))
        .collect();
    ensure!(
        !kept.contains("(errors/"),
        "SUMMARY.md names pages of codes in two places"
    );
    Ok(format!("{before}{LIST_BEGINS}{list}{kept}"))
}

/// `ikctl explain`'s table.
fn table_for_ikctl(index: &[(&str, Vec<Kind>, String)]) -> String {
    let mut text = "//! Every code with its page. Written by `cargo lab docs`.\n\nuse super::Explained;\n\n#[rustfmt::skip]\npub(super) const PAGES: &[Explained] = &[\n".to_owned();
    for (code, ..) in index {
        text +=
            &format!("    (\"{code}\", include_str!(\"../../../docs/src/errors/{code}.md\")),\n");
    }
    text + "];\n"
}
