//! What is said at the end: answers that never came, messages that never became whole, keys that are missing, and the
//! counts.

use super::super::Ending;
use super::super::counts::Counts;
use super::super::messages::{Incomplete, MOST_FRAGMENTED, MOST_OPEN, Open, Unanswered};
use super::super::network::{Lost, MOST_LOST, Other, link_type_name};
use super::text::frame_list;
use super::wrap::{BOLD, DIM, PLAIN, RED, YELLOW};
use crate::text::{counted, number};

/// How many of a kind are named.
const NAMED: usize = 10;

/// Colours and texts.
pub(super) fn lines(ending: &Ending) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    open(&mut lines, &ending.open, ending.keys);
    // Fragments of somebody else's traffic are nobody's concern here.
    let ours = ending.lost.iter().filter(|lost| {
        lost.ends.is_none_or(|(from, to)| {
            [from, to]
                .iter()
                .any(|end| matches!(end.port(), 500 | 4500))
        })
    });
    let some_went = ending.lost.len() >= MOST_LOST;
    let what = "datagrams in IP fragments";
    some(&mut lines, ours.map(lost), what, some_went);
    counts(&mut lines, &ending.counts);
    if let Some(damage) = &ending.damage {
        lines.push((RED, format!("Not read to the end: {damage}")));
    }
    lines
}

type Lines = Vec<(&'static str, String)>;

/// `some_went`: there may have been more than were remembered.
fn some(lines: &mut Lines, all: impl Iterator<Item = String>, what: &str, some_went: bool) {
    let mut more = 0;
    for (index, text) in all.enumerate() {
        if index < NAMED {
            lines.push((YELLOW, text));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        let least = if some_went { "at least " } else { "" };
        let text = format!("... and {least}{} more {what}", number(more));
        lines.push((YELLOW, text));
    }
}

fn open(lines: &mut Lines, open: &Open, keys: bool) {
    some(
        lines,
        open.unanswered.iter().map(unanswered),
        "requests without a response",
        open.unanswered.len() >= MOST_OPEN,
    );
    some(
        lines,
        open.incomplete.iter().map(incomplete),
        "messages in fragments",
        open.incomplete.len() >= MOST_FRAGMENTED,
    );
    if keys {
        let shut = open
            .without_keys
            .iter()
            .map(|((initiator, responder), count)| {
                let count = counted(*count, "message");
                format!("No key for SPIs {initiator} and {responder}: {count} stayed encrypted")
            });
        let some_went = open.without_keys.len() >= MOST_OPEN;
        some(lines, shut, "IKE SAs without keys", some_went);
    } else if !open.without_keys.is_empty() {
        let hint = "To decrypt: --keys TABLE, which ikd --keylog FILE writes";
        lines.push((DIM, hint.to_owned()));
    }
}

fn unanswered(request: &Unanswered) -> String {
    let times = match request.times {
        0 | 1 => String::new(),
        times => format!(", sent {} times", number(times)),
    };
    format!(
        "No response to {} request {} (frame {}{times}) from {} to {}",
        request.exchange, request.message_id, request.frame, request.source, request.destination
    )
}

fn incomplete(message: &Incomplete) -> String {
    let kind = if message.response {
        "response"
    } else {
        "request"
    };
    let missing: Vec<_> = message.missing.iter().map(u16::to_string).collect();
    let (fragments, are) = match missing[..] {
        [_] => ("fragment", "is"),
        _ => ("fragments", "are"),
    };
    let more = if missing.len() == Incomplete::MOST_MISSING {
        ", ..."
    } else {
        ""
    };
    format!(
        "{} {kind} {} ({}) never became whole: {fragments} {}{more} of {} {are} missing or not decrypted",
        message.exchange,
        message.message_id,
        frame_list(&message.frames),
        missing.join(", "),
        message.total,
    )
}

fn lost(lost: &Lost) -> String {
    let ends = lost
        .ends
        .map(|(from, to)| format!(" from {from} to {to}"))
        .unwrap_or_default();
    format!(
        "A datagram{ends} in IP fragments ({}) never became whole: {}; does something on the path drop fragments?",
        frame_list(&lost.frames),
        lost.reason
    )
}

fn counts(lines: &mut Lines, counts: &Counts) {
    let told = [
        (counts.decrypted, "decrypted"),
        (counts.sealed, "still encrypted"),
        (counts.broken, "broken"),
        (counts.retransmissions, "retransmitted"),
        (counts.ikev1, "of IKEv1 and not decoded"),
    ];
    let messages = counted(counts.messages, "IKE message");
    let summary = format!("{messages} in {}", counted(counts.frames, "frame"));
    lines.push((
        BOLD,
        joined(
            &summary,
            ": ",
            told.into_iter()
                .map(|(count, what)| (count, what.to_owned())),
        ),
    ));
    let mine = [
        (counts.not_ike, "on IKE's ports, but no IKE"),
        (counts.esp_in_udp, "ESP in UDP"),
        (counts.keepalives, "NAT keepalive"),
        (counts.elsewhere, "UDP on other ports"),
    ];
    let mine = mine
        .into_iter()
        .map(|(count, what)| (count, what.to_owned()));
    let other = counts
        .other
        .iter()
        .map(|(other, count)| (*count, kind(other)));
    let line = joined("Not decoded", ": ", mine.chain(other));
    if line.contains(':') {
        lines.push((PLAIN, line));
    }
}

/// The start, and what is not zero.
fn joined(start: &str, colon: &str, counts: impl Iterator<Item = (u64, String)>) -> String {
    let told: Vec<_> = counts
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", number(count)))
        .collect();
    if told.is_empty() {
        return start.to_owned();
    }
    format!("{start}{colon}{}", told.join(", "))
}

fn kind(other: &Other) -> String {
    match other {
        Other::LinkType(link) => match link_type_name(*link) {
            "" => format!("of link type {link}, which is not supported"),
            name => format!("of link type {link}, {name}, which is not supported"),
        },
        Other::UnknownInterface => "of an interface that the file does not describe".to_owned(),
        Other::NotIp => "not IP".to_owned(),
        Other::Broken => "with broken headers of the link, IP or UDP".to_owned(),
        Other::Esp => "ESP".to_owned(),
        Other::Ah => "AH".to_owned(),
        Other::Tcp4500 => "TCP on port 4500 (IKE in TCP is not supported)".to_owned(),
        Other::IpProtocol => "of other protocols on IP".to_owned(),
        Other::Fragment => "IP fragments before the last".to_owned(),
    }
}
