//! The tolerant reader: takes octets, and makes fields of them as it goes, so that what was read before a fault is kept.

use super::{Described, Fault, Field, MAX_FIELDS, MAX_HEX, MAX_VALUE, title};
use crate::wire::numbers::PayloadType;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt::{Display, Write as _};
use std::ops::RangeInclusive;

/// The structure that was being read cannot be read on. The reason is for its field.
pub(super) struct Broken(String);

/// What reading gives.
pub(super) type Read<T = ()> = Result<T, Broken>;

/// What all readers of one description share.
#[derive(Default)]
struct Shared {
    shown: Cell<usize>,
    hidden: Cell<usize>,
    fault: RefCell<Option<Fault>>,
}

/// A field that was pushed, to complain about. There may be none, if there are too many fields.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    index: Option<usize>,
    at: usize,
}

/// Octets still to be read, and the fields made of those before.
pub(super) struct Reader<'a> {
    shared: &'a Shared,
    whole: &'a [u8],
    at: usize,
    end: usize,
    payload: PayloadType,
    /// Whether the strict reader looks at what is read here: then faults count for the whole message.
    strict: bool,
    fields: Vec<Field>,
    gist: String,
    last: Mark,
}

/// Describes `bytes` with `read`.
pub(super) fn run(bytes: &[u8], read: impl FnOnce(&mut Reader<'_>)) -> Described {
    let shared = Shared::default();
    let mut reader = Reader {
        shared: &shared,
        whole: bytes,
        at: 0,
        end: bytes.len(),
        payload: PayloadType::NONE,
        strict: true,
        fields: Vec::new(),
        gist: String::new(),
        last: Mark { index: None, at: 0 },
    };
    read(&mut reader);
    let mut fields = reader.fields;
    if shared.hidden.get() > 0 {
        fields.push(Field {
            name: "More fields".into(),
            value: format!("{} are not shown", shared.hidden.get()),
            range: bytes.len()..bytes.len(),
            children: Vec::new(),
            fault: None,
        });
    }
    Described {
        fields,
        fault: shared.fault.into_inner(),
    }
}

impl<'a> Reader<'a> {
    /// Number of the next octet.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// How many octets are left.
    pub(super) const fn remaining(&self) -> usize {
        self.end - self.at
    }

    /// What is left, without taking it.
    pub(super) fn peek(&self) -> &'a [u8] {
        &self.whole[self.at..self.end]
    }

    /// The number of two octets that stands `offset` octets further on, if they are there: most structures have their length
    /// behind other fields.
    pub(super) fn peek_u16(&self, offset: usize) -> Option<u16> {
        let octets = self.peek().get(offset..)?.first_chunk()?;
        Some(u16::from_be_bytes(*octets))
    }

    /// The next octets, without a field.
    pub(super) fn octets(&mut self, count: usize) -> Read<&'a [u8]> {
        let Some((taken, _)) = self.peek().split_at_checked(count) else {
            let left = self.remaining();
            return Err(self.broken(format!("{} needed here, {left} left", octets(count))));
        };
        self.at += count;
        Ok(taken)
    }

    /// As [`Self::octets`], of a fixed number.
    pub(super) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let taken = self.octets(N)?;
        Ok(taken
            .try_into()
            .expect("octets() gives as many as asked for"))
    }

    /// All octets that are left, without a field.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        let rest = self.peek();
        self.at = self.end;
        rest
    }

    /// Ends at octet `end` of the whole, if that is before the end now; returns the end before.
    pub(super) fn narrow(&mut self, end: usize) -> Option<usize> {
        (self.at..self.end)
            .contains(&end)
            .then(|| std::mem::replace(&mut self.end, end))
    }

    /// Undoes [`Self::narrow`], and goes on where it ended.
    pub(super) fn widen(&mut self, end: usize) {
        self.at = self.end;
        self.end = end;
    }

    /// Adds to the value of the structure that is being read.
    pub(super) fn gist(&mut self, text: impl AsRef<str>) {
        self.gist_after(", ", text);
    }

    /// As [`Self::gist`], with something else than a comma between what there is and the text.
    pub(super) fn gist_after(&mut self, separator: &str, text: impl AsRef<str>) {
        let text = text.as_ref();
        if self.gist.len() > MAX_VALUE || text.is_empty() {
            return;
        }
        if !self.gist.is_empty() {
            self.gist.push_str(separator);
        }
        self.gist.push_str(text);
    }

    /// A field from octet `from` to the next.
    pub(super) fn push(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: String,
        from: usize,
    ) -> Mark {
        let field = Field {
            name: name.into(),
            value: shorten(value),
            range: from..self.at,
            children: Vec::new(),
            fault: None,
        };
        let room = self.reserve();
        self.add(field, room)
    }

    /// Room for one more field, if there is.
    fn reserve(&self) -> bool {
        let room = self.shared.shown.get() < MAX_FIELDS;
        let counter = if room {
            &self.shared.shown
        } else {
            &self.shared.hidden
        };
        counter.set(counter.get() + 1);
        room
    }

    fn add(&mut self, field: Field, room: bool) -> Mark {
        let at = field.range.start;
        let index = room.then_some(self.fields.len());
        if room {
            self.fields.push(field);
        }
        self.last = Mark { index, at };
        self.last
    }

    /// The field that was pushed last.
    pub(super) const fn last(&self) -> Mark {
        self.last
    }

    /// A number in decimal.
    pub(super) fn u8(&mut self, name: &'static str) -> Read<u8> {
        self.number(name, u8::from_be_bytes)
    }

    /// As [`Self::u8`].
    pub(super) fn u16(&mut self, name: &'static str) -> Read<u16> {
        self.number(name, u16::from_be_bytes)
    }

    /// As [`Self::u8`].
    pub(super) fn u32(&mut self, name: &'static str) -> Read<u32> {
        self.number(name, u32::from_be_bytes)
    }

    fn number<const N: usize, T: Display>(
        &mut self,
        name: &'static str,
        from_octets: fn([u8; N]) -> T,
    ) -> Read<T> {
        let from = self.at;
        let number = from_octets(self.array()?);
        self.push(name, number.to_string(), from);
        Ok(number)
    }

    /// A number that has a name.
    pub(super) fn code8(
        &mut self,
        name: &'static str,
        known: impl Fn(u8) -> Option<&'static str>,
    ) -> Read<u8> {
        let from = self.at;
        let [code] = self.array()?;
        self.push(name, spelled(known(code), code), from);
        Ok(code)
    }

    /// As [`Self::code8`].
    pub(super) fn code16(
        &mut self,
        name: &'static str,
        known: impl Fn(u16) -> Option<&'static str>,
    ) -> Read<u16> {
        let from = self.at;
        let code = u16::from_be_bytes(self.array()?);
        self.push(name, spelled(known(code), code), from);
        Ok(code)
    }

    /// Octets in hexadecimal.
    pub(super) fn hex(&mut self, name: &'static str, count: usize) -> Read<&'a [u8]> {
        let from = self.at;
        let octets = self.octets(count)?;
        self.push(name, hex(octets), from);
        Ok(octets)
    }

    /// All that is left, in hexadecimal; no field for nothing.
    pub(super) fn hex_rest(&mut self, name: impl Into<Cow<'static, str>>) -> Mark {
        let from = self.at;
        let octets = self.rest();
        self.push(name, hex(octets), from)
    }

    /// All that is left as the sender's text, or in hexadecimal where it is none.
    pub(super) fn text_rest(&mut self, name: impl Into<Cow<'static, str>>) -> String {
        let from = self.at;
        let octets = self.rest();
        let text = std::str::from_utf8(octets).map(str::to_owned);
        let value = text.clone().unwrap_or_else(|_| hex(octets));
        let mark = self.push(name, value.clone(), from);
        if text.is_err() {
            self.note(mark, "no text (UTF-8)");
        }
        value
    }

    /// Reserved octets.
    pub(super) fn reserved(&mut self, count: usize) -> Read {
        let octets = self.hex("RESERVED", count)?;
        if octets.iter().any(|&octet| octet != 0) {
            self.note(self.last, "should be zero; receivers ignore it");
        }
        Ok(())
    }

    /// Complains about a field that the strict reader takes all the same.
    pub(super) fn note(&mut self, mark: Mark, reason: impl Into<String>) {
        if let Some(field) = mark.index.and_then(|index| self.fields.get_mut(index)) {
            field.fault.get_or_insert_with(|| reason.into());
        }
    }

    /// Complains about a field for which the message is refused, and reads on.
    pub(super) fn refuse(&mut self, mark: Mark, reason: impl Into<String>) {
        let reason = reason.into();
        match mark.index.and_then(|index| self.fields.get(index)) {
            Some(field) => self.record(mark.at, &format!("{}: {reason}", field.name)),
            None => self.record(mark.at, &reason),
        }
        self.note(mark, reason);
    }

    /// The structure cannot be read on from here.
    pub(super) fn broken(&self, reason: impl Into<String>) -> Broken {
        let reason = reason.into();
        match self.payload {
            PayloadType::NONE => self.record(self.at, &format!("Header: {reason}")),
            _ => self.record(self.at, &reason),
        }
        Broken(reason)
    }

    fn record(&self, at: usize, reason: &str) {
        if self.strict {
            self.shared.fault.borrow_mut().get_or_insert_with(|| Fault {
                at,
                reason: match self.payload {
                    PayloadType::NONE => reason.to_owned(),
                    payload => format!("{}: {reason}", title(payload)),
                },
            });
        }
    }

    /// The next `length` octets, at most those that are left, as a structure of its own. What breaks in it, breaks it alone.
    pub(super) fn group(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        length: usize,
        read: impl FnOnce(&mut Self) -> Read,
    ) -> String {
        self.part(name.into(), length, (self.payload, self.strict), read)
    }

    /// As [`Self::group`], for a payload.
    pub(super) fn payload(
        &mut self,
        name: Cow<'static, str>,
        kind: PayloadType,
        length: usize,
        read: impl FnOnce(&mut Self) -> Read,
    ) {
        self.part(name, length, (kind, true), read);
    }

    /// As [`Self::group`], for what the strict reader leaves unread.
    pub(super) fn data(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        length: usize,
        read: impl FnOnce(&mut Self) -> Read,
    ) -> String {
        self.part(name.into(), length, (self.payload, false), read)
    }

    fn part(
        &mut self,
        name: Cow<'static, str>,
        length: usize,
        (payload, strict): (PayloadType, bool),
        read: impl FnOnce(&mut Self) -> Read,
    ) -> String {
        let room = self.reserve();
        let (start, end) = (self.at, self.at + length.min(self.remaining()));
        let mut inner = Self {
            end,
            payload,
            strict,
            fields: Vec::new(),
            gist: String::new(),
            last: Mark {
                index: None,
                at: start,
            },
            ..*self
        };
        let fault = match read(&mut inner) {
            Ok(()) => {
                if inner.remaining() > 0 {
                    let mark = inner.hex_rest("Octets left over");
                    inner.refuse(mark, "nothing more belongs here");
                }
                None
            }
            Err(Broken(reason)) => {
                inner.gist("broken off");
                // What was taken for a field that then broke is in no field.
                inner.at = inner.fields.last().map_or(start, |field| field.range.end);
                if inner.remaining() > 0 {
                    inner.hex_rest("Not read");
                }
                Some(reason)
            }
        };
        let (children, value) = (inner.fields, shorten(inner.gist));
        self.at = end;
        self.add(
            Field {
                name,
                value: value.clone(),
                range: start..end,
                children,
                fault,
            },
            room,
        );
        value
    }
}

/// How many octets.
pub(super) fn octets(count: usize) -> String {
    if count == 1 {
        "1 octet".into()
    } else {
        format!("{count} octets")
    }
}

/// What a length may be.
pub(super) fn possible(range: &RangeInclusive<usize>) -> String {
    match (range.start(), range.end()) {
        (least, most) if least > most => "there is no room for it".into(),
        (least, most) if least == most => format!("only {least} is possible here"),
        (least, most) => format!("{least} to {most} are possible here"),
    }
}

/// A code's name and number.
pub(super) fn spelled(name: Option<&str>, code: impl Display) -> String {
    match name {
        Some(name) => format!("{name} ({code})"),
        None => format!("unknown ({code})"),
    }
}

/// A code's name alone, for gists.
pub(super) fn named(name: Option<&str>, code: impl Display) -> String {
    name.map_or_else(|| spelled(None, code), str::to_owned)
}

/// The text, where octets are nothing else.
pub(super) fn printable(octets: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?;
    (!text.is_empty()
        && text
            .bytes()
            .all(|octet| octet.is_ascii_graphic() || octet == b' '))
    .then_some(text)
}

/// Octets in hexadecimal, and as text where that is hardly by chance.
pub(super) fn hex_or_text(octets: &[u8]) -> String {
    match printable(octets).filter(|text| text.len() >= 4) {
        Some(text) => format!("{} = \"{text}\"", hex(octets)),
        None => hex(octets),
    }
}

/// Octets in hexadecimal, as far as they are shown.
pub(super) fn hex(octets: &[u8]) -> String {
    let mut out = String::with_capacity(2 * octets.len().min(MAX_HEX));
    for octet in octets.iter().take(MAX_HEX) {
        // Writing into a String does not fail.
        let _ = write!(out, "{octet:02x}");
    }
    if octets.len() > MAX_HEX {
        let _ = write!(out, "... and {} more octets", octets.len() - MAX_HEX);
    }
    out
}

/// Cuts a value at a character's end.
fn shorten(mut value: String) -> String {
    if value.len() > MAX_VALUE {
        let cut = (0..=MAX_VALUE)
            .rev()
            .find(|&at| value.is_char_boundary(at))
            .unwrap_or(0);
        let left_out = value.len() - cut;
        value.truncate(cut);
        let _ = write!(value, "... and {left_out} more octets");
    }
    value
}
