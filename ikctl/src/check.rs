//! `ikctl check`: policy files as ikd would read them, without it; and what is good, against this machine.

use std::path::PathBuf;

use policies::report::{Severity, draw};
use policies::{Loaded, Report};
use preflight::{Asker, Level, ThisMachine, Warning, Whose};
use serde_json::{Value, json};

use crate::json::pretty;
use crate::text::{Page, counted};
use crate::{Exit, Outcome};

/// Whether the machine was looked at, and what there was to see.
enum Machine {
    /// It was not asked for.
    Offline,
    /// ikd would refuse the configuration: first things first.
    Refused,
    /// The configuration is that of another machine: the addresses that it speaks from, as a list.
    Elsewhere(String),
    /// These are the warnings.
    Checked(Vec<Warning>),
}

/// Reads the files as one configuration, and tells what ikd would say; unless `offline`, also of this machine.
pub(crate) fn run(files: &[PathBuf], offline: bool, json: bool, colour: bool) -> Outcome {
    let loaded = policies::load(files);
    let (report, summary, exit) = match &loaded {
        Ok(loaded) => (
            &loaded.warnings,
            format!("good: {}", contents(loaded)),
            Exit::Done,
        ),
        Err(report) => (
            report,
            format!("{}: ikd would refuse this", count(report)),
            Exit::CheckFailed,
        ),
    };
    let machine = match &loaded {
        _ if offline => Machine::Offline,
        Err(_) => Machine::Refused,
        Ok(loaded) => look(loaded),
    };
    let warnings = match &machine {
        Machine::Checked(warnings) => warnings.as_slice(),
        _ => &[],
    };
    let output = if json {
        let problems = report.problems.iter().map(as_json);
        let problems: Vec<_> = problems.chain(warnings.iter().map(of_machine)).collect();
        pretty(
            &json!({ "good": exit == Exit::Done, "machine": machine.word(), "problems": problems }),
        )
    } else {
        let mut page = Page::default();
        let drawn = report.problems.iter().map(|problem| problem.draw(colour));
        for problem in drawn.chain(warnings.iter().map(|one| draw_warning(one, colour))) {
            page.line(0, &problem);
            page.blank();
        }
        page.prose(0, 2, &summary);
        if let Machine::Elsewhere(addresses) = &machine {
            let which = if addresses.is_empty() {
                String::new()
            } else {
                format!(" ({addresses})")
            };
            let line = format!(
                "this machine was not looked at: none of the policies' own addresses{which} and networks is here"
            );
            page.prose(0, 2, &line);
        }
        page.finish()
    };
    Outcome { output, exit }
}

fn look(loaded: &Loaded) -> Machine {
    match preflight::whose(&loaded.configuration, &ThisMachine) {
        Whose::Elsewhere { addresses } => Machine::Elsewhere(addresses),
        Whose::Ours => Machine::Checked(preflight::look(
            &loaded.configuration,
            &ThisMachine,
            Asker::Tool,
        )),
    }
}

impl Machine {
    /// For scripts. The words are stable.
    const fn word(&self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Refused => "refused",
            Self::Elsewhere(_) => "elsewhere",
            Self::Checked(_) => "checked",
        }
    }
}

const fn severity(level: Level) -> Severity {
    match level {
        Level::Note => Severity::Note,
        Level::Warning => Severity::Warning,
    }
}

fn draw_warning(warning: &Warning, colour: bool) -> String {
    let suggestion = Some(warning.suggestion.as_str());
    draw(
        severity(warning.level),
        warning.code.name(),
        &warning.message,
        suggestion,
        colour,
    )
}

/// As [`as_json`], of no file; with a path where it is about one connection.
fn of_machine(warning: &Warning) -> Value {
    let path = match warning.connections.as_slice() {
        [one] => format!("connections.{one}"),
        _ => String::new(),
    };
    json!({
        "code": warning.code.name(),
        "severity": severity(warning.level).to_string(),
        "file": null,
        "line": null,
        "column": null,
        "path": path,
        "message": warning.message,
        "suggestion": warning.suggestion,
    })
}

/// `2 connections with 3 children, 1 pass or drop policy`
fn contents(Loaded { configuration, .. }: &Loaded) -> String {
    let children: usize = configuration
        .connections
        .iter()
        .map(|connection| connection.children.len())
        .sum();
    let children = if children == 1 {
        "1 child".to_owned()
    } else {
        format!("{children} children")
    };
    let connections = counted(configuration.connections.len() as u64, "connection");
    match configuration.shunts.len() {
        0 => format!("{connections} with {children}"),
        1 => format!("{connections} with {children}, 1 pass or drop policy"),
        shunts => format!("{connections} with {children}, {shunts} pass or drop policies"),
    }
}

fn count(report: &Report) -> String {
    let errors = report
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    counted(errors as u64, "error")
}

/// Places count from 1; null where the file as a whole is meant.
fn as_json(problem: &policies::Problem) -> Value {
    let place = |number: usize| (number > 0).then_some(number);
    json!({
        "code": problem.code.name(),
        "severity": problem.severity.to_string(),
        "file": problem.file.to_string_lossy(),
        "line": place(problem.line),
        "column": place(problem.column),
        "path": problem.path,
        "message": problem.message,
        "suggestion": problem.suggestion,
    })
}
