//! A life as a sequence diagram in text: a column for each gateway, time downwards.

use std::fmt::Write;

use ike::engine::event::Event;
use ike::engine::io::{
    Direction, KernelAction, KernelRequest, Path, PolicyAction, PolicyInstall, SaReference,
};
use ike::wire::describe::{self, Field};
use ike::wire::{Header, Message};

use crate::provider::RECORDED_LENGTH;

use super::scenario::{NAMES, gateway_at};

/// Of a column, in characters.
const WIDTH: usize = 62;

/// The diagram while it grows.
pub(super) struct Trace {
    text: String,
    gateways: usize,
}

impl Trace {
    pub(super) fn new(gateways: usize) -> Self {
        let mut text = format!("{:>10}  ", "seconds");
        for name in &NAMES[..gateways] {
            let _ = write!(text, "{name:WIDTH$}  ");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        Self { text, gateways }
    }

    /// A line in a gateway's column; one that begins with dashes or stars goes across. What is longer than the column goes
    /// on below.
    pub(super) fn line(&mut self, at: f64, gateway: usize, text: &str) {
        let across = text.starts_with("---") || text.starts_with("***");
        let width = if across { self.gateways * WIDTH } else { WIDTH };
        let indent = if across { 0 } else { gateway * (WIDTH + 2) };
        let mut time = format!("{at:>10.3}");
        for (number, piece) in wrapped(text, width).into_iter().enumerate() {
            let hang = if number > 0 { "  " } else { "" };
            let _ = writeln!(self.text, "{time:>10}  {:indent$}{hang}{piece}", "");
            time.clear();
        }
    }

    pub(super) fn diagram(self) -> String {
        self.text
    }
}

/// Broken at spaces.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A datagram that is sent, and in how many copies it will arrive.
pub(super) fn departure(path: Path, bytes: &[u8], copies: usize) -> String {
    let to = gateway_at(path.remote.ip()).map_or("nobody", |gateway| NAMES[gateway]);
    let fate = match copies {
        0 => " (lost)",
        1 => "",
        _ => " (doubled)",
    };
    format!("-> {to}: {}{fate}", message(bytes))
}

/// A datagram that arrives.
pub(super) fn arrival(path: Path, bytes: &[u8]) -> String {
    let from = gateway_at(path.remote.ip()).map_or("nobody", |gateway| NAMES[gateway]);
    let header = Header::parse(bytes).map(|header| name_of(&header));
    format!("<- {from}: {}", header.unwrap_or_default())
}

fn name_of(header: &Header) -> String {
    let kind = if header.flags.response {
        "answer"
    } else {
        "request"
    };
    let spi = |spi: ike::wire::IkeSpi| spi.to_string().chars().take(6).collect::<String>();
    format!(
        "{} {kind} #{} [{}/{}]",
        header.exchange,
        header.message_id,
        spi(header.initiator_spi),
        spi(header.responder_spi)
    )
}

/// Its exchange, its number, and what is in it.
fn message(bytes: &[u8]) -> String {
    let Ok(parsed) = Message::parse(bytes) else {
        return "something that is no message".to_owned();
    };
    let fields = match &parsed.protected {
        Some(protected) => {
            let body = protected.body;
            let text = body.get(RECORDED_LENGTH..body.len().saturating_sub(RECORDED_LENGTH));
            let text = text.unwrap_or_default();
            let padding = text.last().map_or(0, |length| usize::from(*length) + 1);
            let chain = &text[..text.len().saturating_sub(padding)];
            describe::payloads(protected.first_inner, chain).fields
        }
        // The header is the first.
        None => describe::message(bytes)
            .fields
            .into_iter()
            .skip(1)
            .collect(),
    };
    let payloads: Vec<_> = fields.iter().map(payload).collect();
    format!("{}: {}", name_of(&parsed.header), payloads.join(", "))
}

/// A payload by its name; what it says where that is short and matters.
fn payload(field: &Field) -> String {
    let name = field.name.split(" (").next().unwrap_or_default();
    match name {
        "Notify" => field
            .value
            .split(": ")
            .next()
            .unwrap_or_default()
            .to_owned(),
        "Delete" => format!("Delete {}", field.value),
        _ => name
            .replace("Traffic Selector - ", "TS ")
            .replace("Security Association", "SA"),
    }
}

fn sa(SaReference { spi, destination }: SaReference) -> String {
    let at = gateway_at(destination).map_or("nobody", |gateway| NAMES[gateway]);
    format!("{spi:08x} to {at}")
}

/// What the kernel is asked for.
pub(super) fn request(request: &KernelRequest) -> String {
    let steps: Vec<_> = (request.steps.iter())
        .map(|step| match &step.action {
            KernelAction::AddSa(install) => {
                let way = if install.inbound { "in" } else { "out" };
                let (spi, destination) = (install.spi, install.destination);
                format!("+{way} {}", sa(SaReference { spi, destination }))
            }
            KernelAction::DeleteSa(reference) | KernelAction::RetireSa(reference) => {
                format!("-{}", sa(*reference))
            }
            KernelAction::SetPolicy(policy) => set(policy),
            KernelAction::DeletePolicy { index, .. } => format!("-policy {index:x}"),
        })
        .collect();
    format!("kernel: {}", steps.join(", "))
}

fn set(policy: &PolicyInstall) -> String {
    let direction = match policy.direction {
        Direction::In => "in",
        Direction::Out => "out",
        Direction::Forward => "fwd",
    };
    let action = match policy.action {
        PolicyAction::Pass => "pass".to_owned(),
        PolicyAction::Block => "block".to_owned(),
        PolicyAction::Trap { reqid, .. } => format!("trap {reqid:x}"),
        PolicyAction::Protect { reqid, .. } => format!("protect {reqid:x}"),
    };
    format!("{direction} policy {:x}: {action}", policy.index)
}

/// An event, where it says something that the rest of the diagram does not.
pub(super) fn event(event: &Event) -> Option<String> {
    let detail = match event {
        Event::Retransmitting { .. } | Event::Initiating { .. } => return None,
        Event::ChildUp {
            child,
            spi_in,
            spi_out,
            ..
        } => format!("{child} {spi_in:08x}/{spi_out:08x}"),
        Event::ChildRekeyed {
            child,
            old_spi_in,
            spi_in,
            spi_out,
            by_us,
            ..
        } => format!(
            "{child} {old_spi_in:08x} -> {spi_in:08x}/{spi_out:08x}{}",
            if *by_us { ", by us" } else { "" }
        ),
        Event::ChildDown {
            child,
            spi_in,
            reason,
            ..
        } => format!("{child} {spi_in:08x}: {}", reason.cause.code().name()),
        Event::IkeSaRekeyed { spis, by_us, .. } => format!(
            "{}/{}{}",
            spis.initiator,
            spis.responder,
            if *by_us { ", by us" } else { "" }
        ),
        Event::IkeSaEstablished { spis, .. } => format!("{}/{}", spis.initiator, spis.responder),
        Event::IkeSaClosed { spis, reason, .. } => format!(
            "{}/{}: {}",
            spis.initiator,
            spis.responder,
            reason.cause.code().name()
        ),
        Event::RekeyFailed { child, failure, .. } => {
            let child = child.as_ref().map_or("the IKE SA", |child| child.as_str());
            format!("{child}: {}", failure.cause)
        }
        Event::ConnectionFailed { failure, .. }
        | Event::ChildFailed { failure, .. }
        | Event::PeerRefused { failure, .. }
        | Event::PolicyFailed { failure } => failure.cause.to_string(),
        Event::Dropped { reason, .. } => reason.name().to_owned(),
        _ => String::new(),
    };
    Some(format!("! {} {detail}", event.name()))
}
