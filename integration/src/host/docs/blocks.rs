//! The fenced blocks of a page, and the commands in them and between backquotes.
//!
//! The words behind the fence say what a block is:
//!
//! | words | what it is | who tries it |
//! |---|---|---|
//! | `yaml policy` | a whole policy file | policies/tests/book.rs |
//! | `yaml file`, `connection`, `auth`, `children` | lines at that place of one | the same, within a whole one |
//! | `yaml text` | the language described, or another program's file | nobody |
//! | `sh` | commands | those of `ikd` and `ikctl` are parsed |
//! | `sh run` | commands that a test of the lab runs, in their order on the page | the lab's `book` tests |
//! | `console` | commands after `$`, and what they print | as `sh` |

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
        let console = block.words.first().is_some_and(|word| word == "console");
        if !console && block.words.first().is_none_or(|word| word != "sh") {
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
    let mut code = false;
    for (at, line) in page.lines().enumerate() {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        if !code && !fence {
            let quoted = line.split('`').skip(1).step_by(2);
            found.extend(quoted.flat_map(ours).map(|command| (at + 1, command)));
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
