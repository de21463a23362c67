//! `ikctl monitor`: events as they happen, a line each, written at once. A terminal gets lines that fit it.

use std::io::{self, Write};
use std::os::fd::AsFd;

use ikapi::{ClientError, Event, EventLevel, MonitorRequest, Monitored, Part, Request};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::ask::{Daemon, Trouble};
use crate::text::{self, paint};
use crate::{Exit, Outcome, cli, json};

/// What to ask for.
pub(crate) fn request(
    connection: Option<&str>,
    level: cli::EventLevel,
    events: &[String],
) -> Request {
    Request::Monitor(MonitorRequest {
        connection: connection.map(str::to_owned),
        events: events.to_vec(),
        level: Some(match level {
            cli::EventLevel::Debug => EventLevel::Debug,
            cli::EventLevel::Info => EventLevel::Info,
            cli::EventLevel::Warn => EventLevel::Warn,
            cli::EventLevel::Error => EventLevel::Error,
        }),
    })
}

/// How far what does not fit on a line is indented below it; details and help are by 4.
const HANG: usize = 6;

/// Prints until the daemon ends, or nobody reads any more.
pub(crate) fn run(
    daemon: &Daemon<'_>,
    request: Request,
    json: bool,
    colour: bool,
    width: Option<usize>,
) -> Result<Outcome, Trouble> {
    end_with_the_reader();
    let (mut stream, patience) = daemon.follow(&request)?;
    let ended = || Trouble::ended(daemon);
    // The first reply comes at once, without an event; from then on silence is nothing bad.
    let mut timeout = Some(patience);
    loop {
        let Part { parameters, last } = match stream.next(timeout.take()) {
            Ok(Some(part)) => part,
            Ok(None) | Err(ClientError::Closed) => return Err(ended()),
            Err(error) => return Err(daemon.trouble(&request, error)),
        };
        let lines = if json {
            as_json(parameters)
        } else {
            let lines = as_text(daemon, parameters, colour)?;
            match width {
                Some(width) => text::fold(&lines, width, HANG),
                None => lines,
            }
        };
        let mut output = io::stdout().lock();
        match output
            .write_all(lines.as_bytes())
            .and_then(|()| output.flush())
        {
            Ok(()) if last => return Err(ended()),
            Ok(()) => {}
            // Whoever read has had enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(Outcome::done(String::new()));
            }
            Err(error) => {
                let _ = writeln!(
                    io::stderr(),
                    "ikctl: cannot write to standard output: {error}"
                );
                return Ok(Outcome {
                    output: String::new(),
                    exit: Exit::Failed,
                });
            }
        }
    }
}

/// Ends the program once nobody can read what it prints: `ikctl monitor | head -1` does not wait for one more event.
fn end_with_the_reader() {
    let watch = || {
        let output = io::stdout();
        let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
        // Nothing is asked for: these two are told in any case.
        let mut ends = [PollFd::new(output.as_fd(), PollFlags::empty())];
        while poll(&mut ends, PollTimeout::NONE) == Err(Errno::EINTR) {}
        if ends[0].revents().is_some_and(|told| told.intersects(gone)) {
            std::process::exit(Exit::Done as i32);
        }
    };
    // Without it, the end comes with the next event.
    let _ = std::thread::Builder::new().spawn(watch);
}

/// The reply as it came, on a line; nothing of one that has nothing to tell.
fn as_json(reply: Map<String, Value>) -> String {
    let tells = |name: &str| {
        let value = reply.get(name);
        value.is_some_and(|value| !value.is_null() && *value != 0)
    };
    if tells("event") || tells("missed") {
        json::line(&Value::Object(reply))
    } else {
        String::new()
    }
}

fn as_text(
    daemon: &Daemon<'_>,
    reply: Map<String, Value>,
    colour: bool,
) -> Result<String, Trouble> {
    let mut reply = Value::Object(reply);
    text::clean_value(&mut reply);
    let monitored =
        Monitored::deserialize(reply).map_err(|error| daemon.garbage(&error.to_string()))?;
    let mut lines = String::new();
    if monitored.missed > 0 {
        let missed = text::counted(monitored.missed, "event");
        let line = format!("missed: {missed}, for this side reads too slowly");
        lines = paint(&line, "33", colour) + "\n";
    }
    if let Some(event) = &monitored.event {
        lines += &show(event, colour);
    }
    Ok(lines)
}

/// As the log has it: `2026-11-23T18:59:02.123Z WARN  branch/lan: message (code) count=3`, facts and help below.
fn show(event: &Event, colour: bool) -> String {
    let at = i64::try_from(event.at_microseconds).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_microsecond(at).map_or_else(
        |_| event.at_microseconds.to_string(),
        |at| format!("{at:.3}"),
    );
    let level = event.level.as_str().to_ascii_uppercase();
    let sgr = match event.level {
        EventLevel::Error => "1;31",
        EventLevel::Warn => "33",
        EventLevel::Info => "32",
        EventLevel::Debug | EventLevel::Unknown => "2",
    };
    let mut line = format!(
        "{} {} ",
        paint(&time, "2", colour),
        paint(&format!("{level:<5}"), sgr, colour)
    );
    if let Some(connection) = &event.connection {
        let child = event.child.as_ref().map(|child| format!("/{child}"));
        let name = format!("{connection}{}", child.unwrap_or_default());
        line += &paint(&name, "1", colour);
        line += ": ";
    }
    line += &event.message;
    if let Some(code) = &event.code {
        line += &paint(&format!(" ({code})"), "2", colour);
    }
    let behind = [
        ("suite", &event.suite),
        ("ike_spis", &event.ike_spis),
        ("spi_in", &event.spi_in),
        ("spi_out", &event.spi_out),
        ("count", &event.count.map(|count| count.to_string())),
    ];
    for (name, value) in behind {
        if let Some(value) = value {
            line += &paint(&format!(" {name}={value}"), "2", colour);
        }
    }
    line.push('\n');
    for detail in &event.detail {
        line += &format!("    {detail}\n");
    }
    if let Some(suggestion) = &event.suggestion {
        line += &format!("    {} {suggestion}\n", paint("help:", "36", colour));
    }
    line
}
