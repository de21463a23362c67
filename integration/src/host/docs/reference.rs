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

/// Every metric, and every label.
pub(super) fn metrics() -> String {
    let mut text = format!(
        "# Metrics\n\n{NOTE}\nWhat `ikctl metrics` prints, and ikd serves with `--metrics ADDRESS`, in OpenMetrics.\n\n| metric | kind | labels | what it says |\n|---|---|---|---|\n"
    );
    let mut labels = Vec::new();
    for metric in ikd::reference::metrics() {
        let names: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{}`", label.name))
            .collect();
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            metric.series(),
            metric.kind.name(),
            names.join(", "),
            metric.help
        );
        for label in metric.labels {
            if !labels.contains(label) {
                labels.push(*label);
            }
        }
    }
    text += "\n## Labels\n\nTheir values are from bounded sets; nothing that a peer sends is among them.\n\n| label | values |\n|---|---|\n";
    for label in labels {
        let _ = writeln!(text, "| `{}` | {} |", label.name, label.values);
    }
    text
}

/// The names under which Prometheus has them.
pub(super) fn metric_names() -> Vec<String> {
    let metrics = ikd::reference::metrics().iter();
    metrics.map(|metric| metric.series()).collect()
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
