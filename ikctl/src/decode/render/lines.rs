//! JSON for scripts: one object on each line, so that captures of any size can be read as they come. The help describes
//! them; later versions may add keys.

use std::io::{self, Write};

use ike::wire::describe::{Described, Field};
use serde_json::{Map, Value, json};

use super::super::Ending;
use super::super::keys::Unchecked;
use super::super::messages::{Message, Protection};
use super::super::network::Other;
use super::Output;

pub(super) struct Lines<W> {
    pub(super) to: W,
}

impl<W: Write> Output for Lines<W> {
    fn message(&mut self, message: &Message) -> io::Result<()> {
        self.line(&message_value(message))
    }

    fn end(&mut self, ending: &Ending) -> io::Result<()> {
        self.line(&end_value(ending))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<W: Write> Lines<W> {
    fn line(&mut self, value: &Value) -> io::Result<()> {
        self.to.write_all(crate::json::line(value).as_bytes())
    }
}

fn message_value(message: &Message) -> Value {
    let datagram = &message.datagram;
    let header = message.header.map(|header| {
        json!({
            "version": format!("{}.{}", header.major, header.minor),
            "exchange": header.exchange.to_string(),
            "response": header.flags.response,
            "from_initiator": header.flags.initiator,
            "message_id": header.message_id,
            "initiator_spi": header.initiator_spi.to_string(),
            "responder_spi": header.responder_spi.to_string(),
        })
    });
    json!({
        "type": "message",
        "frames": datagram.frames,
        "time": datagram.time.map(|time| time.to_string()),
        "source": datagram.source.to_string(),
        "destination": datagram.destination.to_string(),
        "length": datagram.payload.len(),
        "missing": datagram.missing,
        "nat": message.nat.map(|nat| json!({
            "source_fits": nat.source_fits,
            "destination_fits": nat.destination_fits,
        })),
        "retransmission_of": message.earlier.map(|earlier| earlier.frame),
        "broken": message.is_broken() || !message.is_ike(),
        "header": header,
        "fields": fields(&message.clear),
        "fault": fault(&message.clear),
        "protection": protection(&message.protection),
    })
}

fn protection(protection: &Protection) -> Value {
    let integrity = |doubt: &Option<Unchecked>| match doubt {
        None => "right",
        Some(Unchecked::NotAsked) => "unchecked",
        Some(Unchecked::Mismatch) => "wrong",
    };
    match protection {
        Protection::None => Value::Null,
        Protection::NoKey => json!({ "state": "no_key" }),
        Protection::Failed(reason) => json!({ "state": "failed", "reason": reason }),
        Protection::Open { inner, doubt } => json!({
            "state": "decrypted",
            "integrity": integrity(doubt),
            "fields": fields(inner),
            "fault": fault(inner),
        }),
        Protection::Piece {
            fragment,
            length,
            doubt,
            whole,
        } => {
            let mut value = json!({
                "state": "decrypted",
                "integrity": integrity(doubt),
                "fragment": fragment.number,
                "fragments": fragment.total,
                "fragment_length": length,
            });
            if let Some((inner, frames)) = whole {
                value["fields"] = fields(inner);
                value["fault"] = fault(inner);
                value["fragment_frames"] = json!(frames);
            }
            value
        }
    }
}

fn fields(described: &Described) -> Value {
    described.fields.iter().map(field).collect()
}

/// Empty keys are left out: there are many fields.
fn field(from: &Field) -> Value {
    let mut value = Map::new();
    value.insert("name".to_owned(), from.name.as_ref().into());
    if !from.value.is_empty() {
        value.insert("value".to_owned(), from.value.as_str().into());
    }
    value.insert("offset".to_owned(), from.range.start.into());
    value.insert("length".to_owned(), from.range.len().into());
    if !from.children.is_empty() {
        value.insert(
            "fields".to_owned(),
            from.children.iter().map(field).collect(),
        );
    }
    if let Some(fault) = &from.fault {
        value.insert("fault".to_owned(), fault.as_str().into());
    }
    Value::Object(value)
}

fn fault(described: &Described) -> Value {
    let fault = described.fault.as_ref();
    fault.map_or(
        Value::Null,
        |fault| json!({ "offset": fault.at, "reason": fault.reason }),
    )
}

fn end_value(ending: &Ending) -> Value {
    let (counts, open) = (&ending.counts, &ending.open);
    let other: Map<_, Value> = counts
        .other
        .iter()
        .map(|(other, count)| (name(other), (*count).into()))
        .collect();
    let unanswered = open.unanswered.iter().map(|request| {
        json!({
            "exchange": request.exchange.to_string(),
            "message_id": request.message_id,
            "frame": request.frame,
            "times": request.times,
            "source": request.source.to_string(),
            "destination": request.destination.to_string(),
        })
    });
    let incomplete = open.incomplete.iter().map(|message| {
        json!({
            "exchange": message.exchange.to_string(),
            "response": message.response,
            "message_id": message.message_id,
            "frames": message.frames,
            "fragments": message.total,
            "missing": message.missing,
        })
    });
    let without_keys = open
        .without_keys
        .iter()
        .map(|((initiator, responder), messages)| {
            json!({
                "initiator_spi": initiator.to_string(),
                "responder_spi": responder.to_string(),
                "messages": messages,
            })
        });
    let lost = ending.lost.iter().map(|lost| {
        json!({
            "frames": lost.frames,
            "source": lost.ends.map(|(from, _)| from.to_string()),
            "destination": lost.ends.map(|(_, to)| to.to_string()),
            "reason": lost.reason,
        })
    });
    json!({
        "type": "end",
        "frames": counts.frames,
        "messages": counts.messages,
        "decrypted": counts.decrypted,
        "encrypted": counts.sealed,
        "broken": counts.broken,
        "retransmissions": counts.retransmissions,
        "ikev1": counts.ikev1,
        "not_ike": counts.not_ike,
        "esp_in_udp": counts.esp_in_udp,
        "keepalives": counts.keepalives,
        "other_udp": counts.elsewhere,
        "not_decoded": other,
        "unanswered": unanswered.collect::<Vec<_>>(),
        "incomplete": incomplete.collect::<Vec<_>>(),
        "without_keys": without_keys.collect::<Vec<_>>(),
        "lost_ip_fragments": lost.collect::<Vec<_>>(),
        "damage": ending.damage.as_ref().map(ToString::to_string),
    })
}

fn name(other: &Other) -> String {
    match other {
        Other::LinkType(link) => format!("link_type_{link}"),
        Other::UnknownInterface => "unknown_interface".to_owned(),
        Other::NotIp => "not_ip".to_owned(),
        Other::Broken => "broken_headers".to_owned(),
        Other::Esp => "esp".to_owned(),
        Other::Ah => "ah".to_owned(),
        Other::Tcp4500 => "tcp_4500".to_owned(),
        Other::IpProtocol => "other_protocols".to_owned(),
        Other::Fragment => "ip_fragments".to_owned(),
    }
}
