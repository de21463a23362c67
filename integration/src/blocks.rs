//! The fenced blocks of a page of the book, and the commands in them and between backquotes.
//!
//! The words behind the fence say what a block is:
//!
//! | words | what it is | who tries it |
//! |---|---|---|
//! | `yaml policy` | a whole policy file | tests/book.rs |
//! | `yaml policy hq=PATH` | the same; the lab puts it there | tests/book.rs, and the lab's `book` tests |
//! | `yaml` | lines of a policy: their indentation and first key say where they stand | tests/book.rs, within a whole one |
//! | `text` | another program's file, or output | nobody |
//! | `sh` | commands | those of `ikd` and `ikctl` are parsed |
//! | `sh run=hq` | commands; the lab runs them there, or at `branch`, or at `both` | the lab's `book` tests |
//! | `console run=hq` | commands after `$`, and what they print, where `...` stands for anything | the lab's `book` tests |
//!
//! `with=NAME` behind `run` says in which trouble of the lab's a block is run.

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The words behind the fence.
    pub words: Vec<String>,
    /// The line of the page that the fence stands on, from 1.
    pub line: usize,
    /// What is within, without the fence's indentation.
    pub text: String,
}

impl Block {
    /// Whether it begins with this word.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        self.words.first().is_some_and(|first| first == word)
    }

    /// The value of `key=value` among its words.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        let pairs = self.words.iter().filter_map(|word| word.split_once('='));
        pairs
            .into_iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }
}

/// All blocks of a page, in their order.
#[must_use]
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (at, line) in page.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(words)) => {
                let words = words.split([' ', ',']).filter(|word| !word.is_empty());
                let block = Block {
                    words: words.map(str::to_owned).collect(),
                    line: at + 1,
                    text: String::new(),
                };
                open = Some((block, indent));
            }
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(block, _)| block)),
            (Some((block, indent)), None) => {
                block.text.push_str(line.get(*indent..).unwrap_or_default());
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Every command line of `ikd` and `ikctl` on a page, in blocks of commands and between backquotes, with its line.
#[must_use]
pub fn commands(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for block in blocks(page) {
        let console = block.is("console");
        if !console && !block.is("sh") {
            continue;
        }
        for (at, line) in joined(&block.text) {
            let line = if console {
                let Some(line) = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")) else {
                    continue;
                };
                line.to_owned()
            } else {
                line
            };
            found.extend(
                ours(&line)
                    .into_iter()
                    .map(|command| (block.line + 1 + at, command)),
            );
        }
    }
    let quoted = inline(page).into_iter();
    found.extend(
        quoted.flat_map(|(line, text)| ours(&text).into_iter().map(move |command| (line, command))),
    );
    found
}

/// What stands between backquotes outside of blocks, with its line.
#[must_use]
pub fn inline(page: &str) -> Vec<(usize, String)> {
    let mut code = false;
    let mut found = Vec::new();
    for (at, line) in page.lines().enumerate() {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        if !code && !fence {
            let quoted = line.split('`').skip(1).step_by(2);
            found.extend(quoted.map(|text| (at + 1, text.to_owned())));
        }
    }
    found
}

/// Lines, with those that a backslash continues put together.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (at, line) in text.lines().enumerate() {
        let (line, continued) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        match lines.last_mut() {
            Some((_, last)) if goes_on => last.push_str(line.trim_start()),
            _ => lines.push((at, line.to_owned())),
        }
        goes_on = continued;
    }
    lines
}

/// The commands of a shell line that are `ikd` or `ikctl` with at least one argument.
fn ours(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default();
    let parts = line
        .split("&&")
        .flat_map(|part| part.split(['|', ';', '>']));
    parts
        .map(|part| part.trim().trim_start_matches("sudo ").to_owned())
        .filter(|part| {
            ["ikctl ", "ikd "]
                .iter()
                .any(|program| part.starts_with(program))
        })
        .collect()
}

/// The words of a command as a shell would split it; quotes are all that is understood.
#[must_use]
pub fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.chars() {
        match quote {
            Some(mark) if c == mark => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_words_and_lines() {
        let page = "# x\n\n- y\n\n  ```sh run\n  ikctl list \\\n      --failed\n  ```\n";
        let expected = Block {
            words: vec!["sh".into(), "run".into()],
            line: 5,
            text: "ikctl list \\\n    --failed\n".into(),
        };
        assert_eq!(blocks(page), [expected]);
        assert_eq!(commands(page), [(6, "ikctl list --failed".to_owned())]);
    }

    #[test]
    fn commands_are_found_wherever_they_stand() {
        let page = "Run `ikctl check /etc/ikd && ikctl reload`, not `ikctl`.\n```console\n$ sudo ikctl list | jq .\nikctl prints this\n```\n";
        let found: Vec<_> = commands(page)
            .into_iter()
            .map(|(_, command)| command)
            .collect();
        assert_eq!(
            found,
            ["ikctl list", "ikctl check /etc/ikd", "ikctl reload"]
        );
        assert_eq!(
            words("ikctl up 'a b' \"\" c"),
            ["ikctl", "up", "a b", "", "c"]
        );
    }
}
