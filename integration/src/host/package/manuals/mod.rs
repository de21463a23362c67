//! Manual pages and completions, made from the programs' own definitions of their command lines.

mod markdown;

use anyhow::Result;
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::tree::Tree;

/// What stands at the top of each page.
const MANUAL: &str = "IKEv2 for Linux gateways";
/// Administration: the pages of commands are of this section.
const SECTION: &str = "8";

/// Files that both pages name.
const FILES: &[(&str, &str)] = &[
    (
        "/etc/ikd/*.yaml",
        "The policy. Secrets, keys and certificates that it names stand beside it, mode 0600.",
    ),
    (
        "/run/ikd/control",
        "The control socket, for the groups ikd (may look) and ikd-admin (may change as well).",
    ),
    (
        "/etc/default/ikd",
        "Options that systemd starts the daemon with.",
    ),
    ("/usr/share/doc/ikd/examples", "Policies to begin with."),
];

/// Puts the pages of both programs, and what the shells complete with.
pub(super) fn put(tree: &mut Tree, date: &str) -> Result<()> {
    page(
        tree,
        &ikd::command(),
        date,
        "ikd-policy(5), ikctl(8), systemctl(1), ip-xfrm(8)",
    )?;
    // Built, so that every verb has the options that are everybody's.
    let mut tool = ikctl::command().disable_help_subcommand(true);
    tool.build();
    let verbs: Vec<String> = tool
        .get_subcommands()
        .map(|verb| format!("ikctl-{}({SECTION})", verb.get_name()))
        .collect();
    page(tree, &tool, date, &format!("ikd(8), {}", verbs.join(", ")))?;
    for verb in tool.get_subcommands() {
        page(tree, verb, date, "ikctl(8), ikd(8)")?;
    }
    policy(tree, date)?;
    for command in [ikd::command(), ikctl::command()] {
        completions(tree, command)?;
    }
    Ok(())
}

fn page(tree: &mut Tree, command: &Command, date: &str, see_also: &str) -> Result<()> {
    let man = Man::new(command.clone())
        .section(SECTION)
        .source(concat!("ikd ", env!("CARGO_PKG_VERSION")))
        .date(date)
        .manual(MANUAL);
    let name = man.get_filename();
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut page)?;
    }
    if command.get_subcommands().next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut rest = Roff::new();
    if let Some(help) = command
        .get_after_long_help()
        .or_else(|| command.get_after_help())
    {
        after_help(&mut rest, &help.to_string());
    }
    ending(&mut rest, see_also);
    rest.to_writer(&mut page)?;
    tree.compressed(&format!("usr/share/man/man{SECTION}/{name}"), &page)
}

fn ending(roff: &mut Roff, see_also: &str) {
    roff.control("SH", ["FILES"]);
    for (file, what) in FILES {
        roff.control("TP", [])
            .text([bold(*file)])
            .text([roman(*what)]);
    }
    roff.control("SH", ["SEE ALSO"]).text([roman(see_also)]);
}

/// The page of the policy language, from the table that its reader is held against.
fn policy(tree: &mut Tree, date: &str) -> Result<()> {
    let mut page = Roff::new();
    let source = concat!("ikd ", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["ikd-policy", "5", date, source, MANUAL])
        .control("SH", ["NAME"])
        .text([roman("ikd-policy - the policy files of ikd")])
        .control("SH", ["DESCRIPTION"])
        .text([roman(
            "ikd(8) reads every file of /etc/ikd whose name ends in .yaml, in the order of their names, as one policy. \
             `ikctl check` says what is wrong with it, with line and column. In headings, NAME stands for a name of your own.",
        )]);
    markdown::to_roff(&policies::schema::reference_markdown(), &mut page);
    ending(&mut page, "ikd(8), ikctl-check(8)");
    tree.compressed("usr/share/man/man5/ikd-policy.5", page.to_roff().as_bytes())
}

/// `Signals:` and lines below it become a section, with a sentence instead of the word a paragraph: lines that are further in
/// stay as they are.
fn after_help(roff: &mut Roff, help: &str) {
    for paragraph in help.split("\n\n") {
        let (first, lines) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        if !lines.starts_with(' ') {
            roff.control("PP", []).text([roman(paragraph)]);
            continue;
        }
        match first.strip_suffix(':') {
            Some(heading) if heading.split(' ').count() <= 2 => {
                roff.control("SH", [heading.to_uppercase().as_str()])
            }
            _ => roff.control("PP", []).text([roman(first)]),
        };
        roff.control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
}

fn completions(tree: &mut Tree, mut command: Command) -> Result<()> {
    let name = command.get_name().to_owned();
    for (shell, path) in [
        (
            Shell::Bash,
            format!("usr/share/bash-completion/completions/{name}"),
        ),
        (
            Shell::Zsh,
            format!("usr/share/zsh/vendor-completions/_{name}"),
        ),
        (
            Shell::Fish,
            format!("usr/share/fish/vendor_completions.d/{name}.fish"),
        ),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, &name, &mut script);
        tree.file(&path, 0o644, &script)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_above_lines_become_sections_and_sentences_stay_sentences() {
        let mut roff = Roff::new();
        let help = "The table has one line for each:\n  a,b\n\nExit status:\n  0  well\n  1  not\n\nSee the\nbook.";
        after_help(&mut roff, help);
        let made = roff.to_roff();
        let lines = [
            ".PP",
            "The table has one line for each:",
            ".nf",
            "  a,b",
            ".fi",
            ".SH \"EXIT STATUS\"",
            ".nf",
            "  0  well",
            "  1  not",
            ".fi",
            ".PP",
            "See the",
            "book.",
        ];
        assert_eq!(made.trim(), lines.join("\n"));
    }
}
