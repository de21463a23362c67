//! Entries of systemd's journal: MESSAGE as the text log has it, details and help included; every field of the event as
//! IKD_ and its name in capitals (IKD_EVENT, IKD_CONNECTION, IKD_CODE); PRIORITY by level.
//!
//! `journalctl -u ikd IKD_CONNECTION=branch`, `journalctl -u ikd IKD_CODE=no-response -p warning`

use std::io;
use std::os::fd::AsFd;

use tracing_journald::{Layer, Priority, PriorityMappings};

use super::format::{Fields, body, printable};
use crate::events::Record;

/// Whether standard error is the journal's, as `JOURNAL_STREAM` says (systemd.exec(5)): device and inode.
pub(super) fn is_standard_error() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stat = nix::sys::stat::fstat(io::stderr().as_fd());
    stat.is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// The way to the journal.
///
/// # Errors
/// Where journald does not listen.
pub(super) fn layer() -> io::Result<Layer> {
    let priorities = PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    };
    Ok(Layer::new()?
        .with_field_prefix(Some("IKD".to_owned()))
        .with_syslog_identifier("ikd".to_owned())
        .with_priority_mappings(priorities))
}

/// The record as the journal is to have it: nothing in it that a terminal would act upon, the message with everything
/// that a person needs.
pub(super) fn entry(record: &Record) -> Record {
    let message = body(&Fields::of(record)).trim_end().to_owned();
    let clean = |text: &Option<String>| text.as_deref().map(printable);
    Record {
        message,
        connection: clean(&record.connection),
        child: clean(&record.child),
        peer: clean(&record.peer),
        local: clean(&record.local),
        peer_id: clean(&record.peer_id),
        detail: record.detail.iter().map(|line| printable(line)).collect(),
        suggestion: clean(&record.suggestion),
        suite: clean(&record.suite),
        ..record.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_whole_text_and_nothing_that_steers() {
        let record = Record {
            event: "connection-failed",
            connection: Some("branch".to_owned()),
            peer_id: Some("CN=a\u{1b}[2J\nPRIORITY=0".to_owned()),
            code: Some("no-response"),
            detail: vec!["one\u{7}".to_owned(), "two".to_owned()],
            suggestion: Some("check the firewall".to_owned()),
            message: "no IKE SA".to_owned(),
            ..Record::default()
        };
        let entry = entry(&record);
        assert_eq!(
            entry.message,
            "branch: no IKE SA (no-response)\n    one\\u{7}\n    two\n    help: check the firewall"
        );
        assert_eq!(
            entry.peer_id.as_deref(),
            Some("CN=a\\u{1b}[2J\\u{a}PRIORITY=0")
        );
        assert_eq!(entry.code, Some("no-response"));
    }
}
