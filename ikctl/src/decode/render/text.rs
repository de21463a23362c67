//! Text for people: a block or a line for each message.

use std::io::{self, Write};

use ike::wire::Header;
use ike::wire::describe::{Described, Field};
use ike::wire::numbers::NotifyType;
use jiff::Timestamp;

use super::super::Ending;
use super::super::keys::Unchecked;
use super::super::messages::{Earlier, Message, Protection};
use super::wrap::{self, BOLD, DIM, GREEN, PLAIN, RED, YELLOW};
use super::{Look, Output, ending};
use crate::text::{counted, number};

pub(super) struct Text<W> {
    to: W,
    look: Look,
    first: bool,
}

impl<W: Write> Output for Text<W> {
    fn message(&mut self, message: &Message) -> io::Result<()> {
        let first = std::mem::take(&mut self.first);
        if self.look.summary {
            return self.one_line(message);
        }
        if !first {
            self.to.write_all(b"\n")?;
        }
        self.block(message)
    }

    fn end(&mut self, ending: &Ending) -> io::Result<()> {
        if !self.first {
            self.to.write_all(b"\n")?;
        }
        for (sgr, text) in ending::lines(ending) {
            self.line(0, 2, sgr, &text)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<W: Write> Text<W> {
    pub(super) const fn new(to: W, look: Look) -> Self {
        Self {
            to,
            look,
            first: true,
        }
    }

    fn line(&mut self, indent: usize, hang: usize, sgr: &str, text: &str) -> io::Result<()> {
        wrap::line(&mut self.to, self.look, indent, hang, sgr, text)
    }

    /// A message with its tree.
    fn block(&mut self, message: &Message) -> io::Result<()> {
        let datagram = &message.datagram;
        let heading = format!(
            "{}  {}  {}",
            frames(&datagram.frames),
            time(datagram.time),
            title(message)
        );
        self.line(0, 4, BOLD, &heading)?;
        let length = counted(datagram.payload.len() as u64, "byte");
        self.line(
            4,
            4,
            PLAIN,
            &format!("{} -> {}, {length}", datagram.source, datagram.destination),
        )?;
        if let Some(header) = &message.header {
            let sender = if header.flags.initiator {
                "initiator"
            } else {
                "responder"
            };
            let (initiator, responder) = (header.initiator_spi, header.responder_spi);
            self.line(
                4,
                4,
                DIM,
                &format!("from the {sender}, SPIs {initiator} and {responder}"),
            )?;
        }
        if let Some(earlier) = &message.earlier {
            self.line(4, 2, YELLOW, &again(earlier, datagram.time))?;
        }
        if (message.earlier.is_some() || message.is_ikev1()) && !self.look.full {
            return Ok(());
        }
        if datagram.missing > 0 {
            let missing = counted(datagram.missing as u64, "byte");
            let cut = format!(
                "! the capture lacks its last {missing}: capture with a greater snap length"
            );
            self.line(4, 2, RED, &cut)?;
        }
        self.tree(4, &message.clear)?;
        self.nat(message)?;
        self.protection(&message.protection)
    }

    /// Addresses that were changed on the way.
    fn nat(&mut self, message: &Message) -> io::Result<()> {
        let Some(nat) = message.nat else {
            return Ok(());
        };
        let (source, destination) = (message.datagram.source, message.datagram.destination);
        if !nat.source_fits {
            let text = format!(
                "behind a NAT: the sender did not send from {source}, or says so to get ESP into UDP"
            );
            self.line(4, 2, YELLOW, &text)?;
        }
        if !nat.destination_fits {
            let text =
                format!("the receiver is behind a NAT: the sender did not send to {destination}");
            self.line(4, 2, YELLOW, &text)?;
        }
        Ok(())
    }

    /// What is inside of SK or SKF, indented below it.
    fn protection(&mut self, protection: &Protection) -> io::Result<()> {
        match protection {
            Protection::None => Ok(()),
            Protection::NoKey => self.line(6, 2, DIM, "there is no key for these SPIs"),
            Protection::Failed(reason) => {
                self.line(6, 2, RED, &format!("! not decrypted: {reason}"))
            }
            Protection::Open { inner, doubt } => {
                self.doubt("decrypted", *doubt, inner.fault.is_some())?;
                self.tree(6, inner)
            }
            Protection::Piece {
                fragment,
                length,
                doubt,
                whole,
            } => {
                let (number, total) = (fragment.number, fragment.total);
                self.doubt(
                    &format!("fragment {number} of {total} decrypted, {length} bytes"),
                    *doubt,
                    false,
                )?;
                let Some((inner, from)) = whole else {
                    return Ok(());
                };
                self.line(
                    6,
                    2,
                    GREEN,
                    &format!("the whole message, from frames {}", list(from)),
                )?;
                self.tree(6, inner)
            }
        }
    }

    /// How far the text below can be trusted. `broken`: it is none that a peer would take.
    fn doubt(&mut self, what: &str, doubt: Option<Unchecked>, broken: bool) -> io::Result<()> {
        let (sgr, text) = match doubt {
            // An AEAD does not open under a wrong key, but a code beside a cipher says nothing of the cipher's key.
            None if broken => (
                YELLOW,
                format!(
                    "{what}, its integrity is right; that it is broken is the sender's fault, or SK_ei or SK_er is wrong"
                ),
            ),
            None => (GREEN, format!("{what}, its integrity is right")),
            Some(Unchecked::NotAsked) => (
                YELLOW,
                format!(
                    "{what}; its integrity was not checked, for the key table names nothing to check it with"
                ),
            ),
            Some(Unchecked::Mismatch) => (
                RED,
                format!(
                    "! {what}, although the integrity check value does not match: SK_ai or SK_ar is wrong, or the message was altered"
                ),
            ),
        };
        self.line(6, 2, sgr, &text)
    }

    fn tree(&mut self, indent: usize, described: &Described) -> io::Result<()> {
        for field in &described.fields {
            self.field(indent, field, 0)?;
        }
        match &described.fault {
            Some(fault) => {
                let text = format!("! broken at byte {}: {}", fault.at, fault.reason);
                self.line(indent, 2, RED, &text)
            }
            None => Ok(()),
        }
    }

    /// A field, and those that it is made of, as far as its value does not say what they say.
    fn field(&mut self, indent: usize, field: &Field, depth: usize) -> io::Result<()> {
        let full = self.look.full;
        // The heading has said it.
        let said = !full && depth == 0 && field.name == "Header";
        let parts = field.children.iter().filter(|child| {
            full || is_faulty(child) || depth == 0 && !said && !child.children.is_empty()
        });
        if said {
            return parts
                .into_iter()
                .try_for_each(|child| self.field(indent, child, 1));
        }
        // Proposals and selectors stand below, one by one.
        let listed = !full
            && depth == 0
            && field
                .children
                .iter()
                .filter(|child| !child.children.is_empty())
                .count()
                > 1;
        let text = if field.value.is_empty() || listed {
            field.name.to_string()
        } else {
            format!("{}: {}", field.name, field.value)
        };
        if is_error(field) {
            self.line(indent, 4, RED, &format!("{text}  <-- error"))?;
        } else {
            self.line(indent, 4, PLAIN, &text)?;
        }
        if let Some(fault) = &field.fault {
            self.line(indent + 2, 2, RED, &format!("! {fault}"))?;
        }
        let single = field
            .children
            .iter()
            .filter(|child| !child.children.is_empty())
            .count()
            == 1;
        for child in parts {
            // The value of a single part is that of the whole.
            if full || !single || is_faulty(child) {
                self.field(indent + 2, child, depth + 1)?;
            }
        }
        Ok(())
    }

    /// A message on one line, which is broken where it is too long.
    fn one_line(&mut self, message: &Message) -> io::Result<()> {
        let datagram = &message.datagram;
        let clock = |time: Timestamp| time.strftime("%H:%M:%S%.6f").to_string();
        let mut line = format!(
            "{}  {}  {} -> {}  {}",
            frames(&datagram.frames),
            datagram.time.map_or_else(|| "no time".to_owned(), clock),
            datagram.source,
            datagram.destination,
            title(message)
        );
        let broken = message.is_broken() || !message.is_ike();
        let said = match (&message.earlier, &message.clear.fault) {
            (Some(earlier), _) => again(earlier, datagram.time),
            (None, Some(fault)) if broken => format!("broken, {}", fault.reason),
            (None, _) if message.is_ikev1() => String::new(),
            (None, _) if message.is_broken() => format!("{}, broken", gist(message)),
            (None, _) => gist(message),
        };
        if !said.is_empty() {
            line += &format!(": {said}");
        }
        let sgr = match &message.earlier {
            _ if broken || has_error(message) => RED,
            Some(_) => DIM,
            None => PLAIN,
        };
        self.line(0, 6, sgr, &line)
    }
}

/// `#3`, `#3+4`
fn frames(frames: &[u64]) -> String {
    let numbers: Vec<_> = frames.iter().map(u64::to_string).collect();
    format!("#{}", numbers.join("+"))
}

/// `frame 3`, `frames 3, 4 and 5`
pub(super) fn frame_list(frames: &[u64]) -> String {
    let plural = if frames.len() == 1 { "" } else { "s" };
    format!("frame{plural} {}", list(frames))
}

/// `3, 4 and 5`
fn list(frames: &[u64]) -> String {
    let numbers: Vec<_> = frames.iter().map(u64::to_string).collect();
    match numbers.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn time(time: Option<Timestamp>) -> String {
    let Some(time) = time else {
        return "no time".to_owned();
    };
    format!("{} UTC", time.strftime("%Y-%m-%d %H:%M:%S%.6f"))
}

/// `IKE_AUTH request 1`
fn title(message: &Message) -> String {
    match &message.header {
        Some(header) if header.major == 1 => "IKEv1, not decoded".to_owned(),
        Some(Header {
            exchange,
            flags,
            message_id,
            major: 2,
            ..
        }) => {
            let kind = if flags.response {
                "response"
            } else {
                "request"
            };
            format!("{exchange} {kind} {message_id}")
        }
        _ => "not IKE".to_owned(),
    }
}

/// `retransmission of frame 3, 1.5 s later`
fn again(earlier: &Earlier, now: Option<Timestamp>) -> String {
    let frame = number(earlier.frame);
    let Some((now, then)) = now.zip(earlier.time) else {
        return format!("retransmission of frame {frame}");
    };
    let seconds = (now.as_nanosecond() - then.as_nanosecond()) as f64 / 1e9;
    if seconds.abs() < 0.01 {
        // No daemon sends again so soon, but a capture on several interfaces sees one packet several times.
        return format!("frame {frame} once more, captured twice");
    }
    format!("retransmission of frame {frame}, {seconds:.1} s later")
}

/// The payloads in short: `SA, KE, Nonce, N(COOKIE)`.
fn gist(message: &Message) -> String {
    let clear = names(&message.clear);
    match &message.protection {
        Protection::None => clear,
        Protection::NoKey => format!("{clear}, no key"),
        Protection::Failed(_) => format!("{clear}, not decrypted"),
        Protection::Open { inner, doubt } => {
            let sure = if doubt.is_some() { ", unchecked" } else { "" };
            format!("{clear}{{{}}}{sure}", names(inner))
        }
        Protection::Piece {
            fragment, whole, ..
        } => {
            let piece = format!("{clear} {} of {}", fragment.number, fragment.total);
            match whole {
                Some((inner, _)) => format!("{piece}, whole: {{{}}}", names(inner)),
                None => piece,
            }
        }
    }
}

/// The payloads by the short names in brackets, notifies by their types.
fn names(described: &Described) -> String {
    let payloads = described
        .fields
        .iter()
        .filter(|field| field.name != "Header");
    payloads.map(short_name).collect::<Vec<_>>().join(", ")
}

fn short_name(field: &Field) -> String {
    let name = &field.name;
    let short = match (name.rfind('('), name.rfind(')')) {
        (Some(from), Some(to)) if from < to => &name[from + 1..to],
        _ => name,
    };
    match field
        .children
        .iter()
        .find(|child| child.name == NOTIFY_TYPE)
    {
        // `COOKIE (16390)`
        Some(kind) => format!(
            "{short}({})",
            kind.value.split(" (").next().unwrap_or_default()
        ),
        None => short.to_owned(),
    }
}

/// The field that says what a notify is about.
const NOTIFY_TYPE: &str = "Notify Message Type";

fn has_error(message: &Message) -> bool {
    let trees = [Some(&message.clear), message.inner()];
    trees
        .into_iter()
        .flatten()
        .flat_map(|tree| &tree.fields)
        .any(is_error)
}

/// Whether it is a notify that reports an error, by the number of its type: `NO_PROPOSAL_CHOSEN (14)`.
fn is_error(field: &Field) -> bool {
    field
        .children
        .iter()
        .filter(|child| child.name == NOTIFY_TYPE)
        .any(|child| {
            let number = child
                .value
                .rsplit_once('(')
                .and_then(|(_, number)| number.strip_suffix(')'));
            number
                .and_then(|number| number.parse().ok())
                .is_some_and(|number| NotifyType(number).is_error())
        })
}

fn is_faulty(field: &Field) -> bool {
    field.fault.is_some() || field.children.iter().any(is_faulty)
}
