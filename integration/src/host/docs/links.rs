//! Links within the book that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// Every link that leads nowhere, and every page that SUMMARY.md does not name: `page: what is wrong`.
///
/// `outside` says whether a path below the book's pages that is no page is there: a file of the repository.
pub fn dead(pages: &[(PathBuf, String)], outside: impl Fn(&Path) -> bool) -> Vec<String> {
    let anchors: BTreeMap<&Path, BTreeSet<String>> = (pages.iter())
        .map(|(path, text)| (path.as_path(), anchors(text)))
        .collect();
    let mut wrong = Vec::new();
    let mut named = BTreeSet::from([PathBuf::from("SUMMARY.md")]);
    for (path, text) in pages {
        for target in targets(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let to = if file.is_empty() {
                path.clone()
            } else {
                resolve(path, file)
            };
            if path.ends_with("SUMMARY.md") {
                named.insert(to.clone());
            }
            match anchors.get(to.as_path()) {
                Some(there) if !anchor.is_empty() && !there.contains(anchor) => {
                    wrong.push(format!("{}: {target}: no such heading", path.display()));
                }
                None if !outside(&to) => {
                    wrong.push(format!("{}: {target}: no such page", path.display()))
                }
                _ => {}
            }
        }
    }
    for (path, text) in pages {
        let included = text.split("{{#include ").skip(1);
        for file in included.filter_map(|rest| rest.split(['}', ':']).next()) {
            if !outside(&resolve(path, file)) {
                wrong.push(format!(
                    "{}: {file}: no such file to include",
                    path.display()
                ));
            }
        }
    }
    let missing = pages.iter().filter(|(path, _)| !named.contains(path));
    wrong.extend(
        missing.map(|(path, _)| format!("{}: SUMMARY.md does not name it", path.display())),
    );
    wrong
}

fn resolve(from: &Path, target: &str) -> PathBuf {
    let mut path = from.parent().unwrap_or_else(|| Path::new("")).to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir if path.file_name().is_some() => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path
}

/// The lines outside of blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// What the links of a page lead to.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        // What stands in backquotes is code.
        let line: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let mut rest = line.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, tail)) = after.split_once(')') else {
                break;
            };
            found.push(target.to_owned());
            rest = tail;
        }
    }
    found
}

/// The anchors of headings, as mdBook makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_and_pages_that_nobody_finds_are_told() {
        let page = |path: &str, text: &str| (PathBuf::from(path), text.to_owned());
        let pages = [
            page("SUMMARY.md", "- [a](a.md)\n- [b](errors/b.md)\n"),
            page(
                "a.md",
                "# A title\n[b](errors/b.md#what-to-do) [c](c.md) [x](errors/b.md#nothing) `[no](link.md)`\n```sh\n[no](link.md)\n```\n",
            ),
            page(
                "errors/b.md",
                "# b\n## What to do\n[a](../a.md#a-title) [web](https://example.com) [file](../../x.yaml)\n",
            ),
            page("lost.md", "# lost"),
        ];
        let told = dead(&pages, |path| path == Path::new("../x.yaml"));
        assert_eq!(
            told,
            [
                "a.md: c.md: no such page",
                "a.md: errors/b.md#nothing: no such heading",
                "lost.md: SUMMARY.md does not name it"
            ]
        );
    }
}
