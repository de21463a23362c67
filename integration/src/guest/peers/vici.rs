//! charon's control socket, spoken without `swanctl`: a process less for each command.
//!
//! ```text
//! packet   length (4 bytes) | kind (1) | name, for commands and events | message
//! message  elements: section start, name ... section end; name = value; list start, name, items, list end
//! ```
//!
//! The protocol is strongSwan's `vici`, described in its source beside the plugin of that name.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// What charon understands and says: names with values, lists and further messages, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message(Vec<(String, Element)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    Value(Vec<u8>),
    List(Vec<Vec<u8>>),
    Section(Message),
}

mod element {
    pub(super) const SECTION_START: u8 = 1;
    pub(super) const SECTION_END: u8 = 2;
    pub(super) const KEY_VALUE: u8 = 3;
    pub(super) const LIST_START: u8 = 4;
    pub(super) const LIST_ITEM: u8 = 5;
    pub(super) const LIST_END: u8 = 6;
}

mod packet {
    pub(super) const COMMAND: u8 = 0;
    pub(super) const RESPONSE: u8 = 1;
    pub(super) const UNKNOWN: u8 = 2;
    pub(super) const REGISTER: u8 = 3;
    pub(super) const CONFIRM: u8 = 5;
    pub(super) const EVENT: u8 = 7;
}

impl Message {
    /// With `name = value` added.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = Element::Value(value.as_ref().to_vec());
        self.0.push((name.to_owned(), value));
        self
    }

    /// With a list added; an empty one is left out.
    #[must_use]
    pub fn with_list<T: AsRef<[u8]>>(
        mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
    ) -> Self {
        let items: Vec<_> = items
            .into_iter()
            .map(|item| item.as_ref().to_vec())
            .collect();
        if !items.is_empty() {
            self.0.push((name.to_owned(), Element::List(items)));
        }
        self
    }

    /// With a section added.
    #[must_use]
    pub fn with_section(mut self, name: &str, section: Self) -> Self {
        self.0.push((name.to_owned(), Element::Section(section)));
        self
    }

    /// The value called `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        self.0.iter().find_map(|(found, element)| match element {
            Element::Value(value) if found == name => {
                Some(String::from_utf8_lossy(value).into_owned())
            }
            _ => None,
        })
    }

    /// The sections in it, with their names.
    pub fn sections(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.0.iter().filter_map(|(name, element)| match element {
            Element::Section(section) => Some((name.as_str(), section)),
            _ => None,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        for (name, element) in &self.0 {
            match element {
                Element::Value(value) => {
                    out.push(element::KEY_VALUE);
                    put_name(out, name);
                    put_value(out, value);
                }
                Element::List(items) => {
                    out.push(element::LIST_START);
                    put_name(out, name);
                    for item in items {
                        out.push(element::LIST_ITEM);
                        put_value(out, item);
                    }
                    out.push(element::LIST_END);
                }
                Element::Section(section) => {
                    out.push(element::SECTION_START);
                    put_name(out, name);
                    section.encode(out);
                    out.push(element::SECTION_END);
                }
            }
        }
    }

    /// Reads elements up to the end of this section, or of the packet.
    fn decode(bytes: &mut &[u8]) -> Result<Self> {
        let mut message = Self::default();
        while let Some(kind) = take(bytes, 1).ok().map(|kind| kind[0]) {
            if kind == element::SECTION_END {
                break;
            }
            let name = take_name(bytes)?;
            let element = match kind {
                element::KEY_VALUE => Element::Value(take_value(bytes)?),
                element::SECTION_START => Element::Section(Self::decode(bytes)?),
                element::LIST_START => {
                    let mut items = Vec::new();
                    while take(bytes, 1)? == [element::LIST_ITEM] {
                        items.push(take_value(bytes)?);
                    }
                    Element::List(items)
                }
                other => bail!("charon sent an element of kind {other}"),
            };
            message.0.push((name, element));
        }
        Ok(message)
    }
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    out.push(u8::try_from(name.len()).expect("names are short"));
    out.extend(name.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("values are shorter than 64 KiB");
    out.extend(length.to_be_bytes());
    out.extend(value);
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (taken, rest) = bytes
        .split_at_checked(length)
        .context("charon's message ends too early")?;
    *bytes = rest;
    Ok(taken)
}

fn take_name(bytes: &mut &[u8]) -> Result<String> {
    let length = take(bytes, 1)?[0];
    Ok(String::from_utf8_lossy(take(bytes, length.into())?).into_owned())
}

fn take_value(bytes: &mut &[u8]) -> Result<Vec<u8>> {
    let length = take(bytes, 2)?;
    Ok(take(bytes, u16::from_be_bytes([length[0], length[1]]).into())?.to_vec())
}

/// A conversation with one charon.
#[derive(Debug)]
pub struct Vici(UnixStream);

impl Vici {
    /// Connects to the socket at `path`. An answer may take as long as `patience`.
    pub fn connect(path: &Path, patience: Duration) -> Result<Self> {
        let stream = UnixStream::connect(path)
            .with_context(|| format!("connecting to {}", path.display()))?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self(stream))
    }

    /// Sends a command and returns the answer.
    ///
    /// # Errors
    /// When charon does not know the command, or says that it failed, with its reason.
    pub fn ask(&mut self, command: &str, request: &Message) -> Result<Message> {
        self.send(packet::COMMAND, command, request)?;
        let answer = self.answer(command, &mut Vec::new())?;
        if answer
            .value("success")
            .is_some_and(|success| success != "yes")
        {
            let reason = answer.value("errmsg").unwrap_or_default();
            bail!("charon: {command}: {reason}");
        }
        Ok(answer)
    }

    /// Sends a command whose answer comes in events of this name, and returns those.
    pub fn ask_for_events(&mut self, command: &str, event: &str) -> Result<Vec<Message>> {
        self.send(packet::REGISTER, event, &Message::default())?;
        let confirmed = self.receive()?;
        ensure!(
            confirmed.first() == Some(&packet::CONFIRM),
            "charon knows no event {event}"
        );
        self.send(packet::COMMAND, command, &Message::default())?;
        let mut events = Vec::new();
        self.answer(command, &mut events)?;
        Ok(events)
    }

    /// Waits for the response; the events before it go to `events`.
    fn answer(&mut self, command: &str, events: &mut Vec<Message>) -> Result<Message> {
        loop {
            let bytes = self
                .receive()
                .with_context(|| format!("waiting for charon: {command}"))?;
            let mut rest = bytes.get(1..).unwrap_or_default();
            match bytes.first() {
                Some(&packet::RESPONSE) => return Message::decode(&mut rest),
                Some(&packet::EVENT) => {
                    take_name(&mut rest)?;
                    events.push(Message::decode(&mut rest)?);
                }
                Some(&packet::UNKNOWN) => bail!("charon knows no command {command}"),
                other => bail!("charon sent a packet of kind {other:?}"),
            }
        }
    }

    fn send(&mut self, kind: u8, name: &str, message: &Message) -> Result<()> {
        let mut packet = vec![kind];
        put_name(&mut packet, name);
        message.encode(&mut packet);
        let length = u32::try_from(packet.len())?;
        self.0.write_all(&length.to_be_bytes())?;
        self.0.write_all(&packet)?;
        Ok(())
    }

    fn receive(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let mut packet = vec![0; u32::from_be_bytes(length).try_into()?];
        self.0.read_exact(&mut packet)?;
        Ok(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_as_it_was_written() {
        let message = Message::default()
            .with("version", "2")
            .with_list("proposals", ["aes128-sha256-x25519"])
            .with_section(
                "children",
                Message::default().with_section("lan", Message::default().with("mode", "tunnel")),
            )
            .with("id", "hq");
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        assert_eq!(
            Message::decode(&mut &bytes[..]).expect("well formed"),
            message
        );
        assert!(Message::decode(&mut &bytes[..bytes.len() - 1]).is_err());
    }
}
