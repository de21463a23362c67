//! The reference: every command and option, the policy language, events, metrics and codes, from what the programs use.

use std::fmt::Write as _;

use clap::Command;

use super::codes::Kind;

const NOTE: &str = "<!-- Written by `cargo lab docs`. Change what it is made from, not this. -->\n";

/// ikd, ikctl and its verbs, as their `--help` says it.
pub(super) fn commands() -> String {
    let mut text = format!(
        "# Commands\n\n{NOTE}\nThis is what `--help` prints, for the daemon, the tool, and each of the tool's verbs.\n"
    );
    for mut command in [ikd::command(), ikctl::command()] {
        command = command.term_width(80);
        command.build();
        describe(&mut text, &mut command, 2);
    }
    text
}

fn describe(text: &mut String, command: &mut Command, level: usize) {
    let name = command
        .get_bin_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    let _ = write!(
        text,
        "\n{} {name}\n\n```text\n{}\n```\n",
        "#".repeat(level),
        help.join("\n")
    );
    let verbs = command
        .get_subcommands_mut()
        .filter(|verb| verb.get_name() != "help");
    verbs.for_each(|verb| describe(text, verb, level + 1));
}

/// The policy language, from the table that its reader uses.
pub(super) fn policy() -> String {
    format!(
        "# The policy language\n\n{NOTE}\nAll `*.yaml` files of `/etc/ikd` are one configuration. An editor with yaml-language-server completes and explains a file that\nbegins with `# yaml-language-server: $schema={}`.\n\n{}",
        policies::schema::INSTALLED,
        policies::schema::reference_markdown()
    )
}

/// Every event.
pub(super) fn events() -> String {
    let mut text = format!(
        "# Events\n\n{NOTE}\nWhat the log can tell, in the order of a daemon's life. The name is the field `event` of a line of the log as JSON.\n\n| event | level | what it tells |\n|---|---|---|\n"
    );
    for event in ikd::reference::events() {
        let levels = event.levels.join(", ");
        let _ = writeln!(text, "| `{}` | {levels} | {} |", event.name, event.about);
    }
    text
}

/// Every metric.
pub(super) fn metrics() -> String {
    format!("# Metrics\n\n{NOTE}\n")
}

pub(super) fn metric_names() -> Vec<String> {
    Vec::new()
}

/// The index of codes, by kind.
pub(super) fn errors(index: &[(&str, Vec<Kind>, String)]) -> String {
    let mut text = format!(
        "# Codes\n\n{NOTE}\nEvery code that the log, `ikctl list` and `ikctl check` can show. `ikctl explain CODE` prints the same pages.\n"
    );
    let mut headings: Vec<&str> = Vec::new();
    for kind in index.iter().flat_map(|(_, kinds, _)| kinds) {
        if !headings.contains(&kind.heading()) {
            headings.push(kind.heading());
        }
    }
    headings.sort_by_key(|heading| !heading.starts_with("Failures"));
    for heading in headings {
        let _ = write!(
            text,
            "\n## {heading}\n\n| code | what it means |\n|---|---|\n"
        );
        for (code, _, summary) in index
            .iter()
            .filter(|(_, kinds, _)| kinds.iter().any(|kind| kind.heading() == heading))
        {
            let summary = summary.replace("](../", "](").replace('|', "\\|");
            let _ = writeln!(text, "| [{code}](../errors/{code}.md) | {summary} |");
        }
    }
    text
}
