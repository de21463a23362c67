//! `ikctl check`: policy files as ikd would read them, without it.

use std::path::PathBuf;

use policies::{Loaded, Report, Severity};
use serde_json::{Value, json};

use crate::json::pretty;
use crate::text::{Page, counted};
use crate::{Exit, Outcome};

/// Reads the files as one configuration, and tells what ikd would say.
pub(crate) fn run(files: &[PathBuf], json: bool, colour: bool) -> Outcome {
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
    let output = if json {
        let problems: Vec<_> = report.problems.iter().map(as_json).collect();
        pretty(&json!({ "good": exit == Exit::Done, "problems": problems }))
    } else {
        let mut page = Page::default();
        for problem in &report.problems {
            page.line(0, &problem.draw(colour));
            page.blank();
        }
        page.prose(0, 2, &summary);
        page.finish()
    };
    Outcome { output, exit }
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
