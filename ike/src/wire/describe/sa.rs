//! The Security Association payload (RFC 7296 section 3.3).

use super::names;
use super::reader::{Read, Reader, hex, possible, spelled};
use crate::wire::numbers::{AttributeType, ProtocolId, TransformType};

/// Last Substruc, RESERVED and the length, with which proposals and transforms begin.
const SUBSTRUCTURE_HEADER: usize = 4;

pub(super) fn proposals(reader: &mut Reader<'_>) -> Read {
    loop {
        let value = substructure(reader, "Proposal", 2, proposal);
        reader.gist_after("; ", value);
        if reader.remaining() == 0 {
            return Ok(());
        }
    }
}

/// A proposal or a transform, as long as it says. `more` is the Last Substruc of one that another follows.
fn substructure(
    reader: &mut Reader<'_>,
    name: &'static str,
    more: u8,
    read: impl FnOnce(&mut Reader<'_>) -> Read,
) -> String {
    let available = reader.remaining();
    let declared = reader.peek_u16(2).map_or(available, usize::from);
    let lengths = SUBSTRUCTURE_HEADER..=available;
    let right = lengths.contains(&declared);
    let length = if right { declared } else { available };
    reader.group(name, length, |reader| {
        let expected = if length == available { 0 } else { more };
        let last = reader.code8("Last Substruc", |n| match n {
            0 => Some("last"),
            n if n == more => Some("more follow"),
            _ => None,
        })?;
        if right && last != expected {
            reader.refuse(
                reader.last(),
                format!("{expected} is right here, by the lengths"),
            );
        }
        reader.reserved(1)?;
        reader.u16(if more == 2 {
            "Proposal Length"
        } else {
            "Transform Length"
        })?;
        if !right {
            reader.refuse(reader.last(), possible(&lengths));
        }
        read(reader)
    })
}

fn proposal(reader: &mut Reader<'_>) -> Read {
    let number = reader.u8("Proposal Num")?;
    reader.gist(format!("proposal {number}"));
    let protocol = reader.code8("Protocol ID", |n| ProtocolId(n).name())?;
    reader.gist_after(": ", ProtocolId(protocol).to_string());
    let size = reader.u8("SPI Size")?;
    let count = reader.u8("Num Transforms")?;
    let count_mark = reader.last();
    if size > 0 {
        let spi = reader.hex("SPI", size.into())?;
        reader.gist_after(" ", format!("SPI {}", hex(spi)));
    }
    let mut found = 0_usize;
    while reader.remaining() > 0 {
        let value = substructure(reader, "Transform", 3, transform);
        reader.gist(value);
        found += 1;
    }
    if found != usize::from(count) {
        reader.refuse(count_mark, format!("{found} found"));
    }
    Ok(())
}

fn transform(reader: &mut Reader<'_>) -> Read {
    let kind = TransformType(reader.code8("Transform Type", |n| TransformType(n).name())?);
    reader.reserved(1)?;
    let id = reader.code16("Transform ID", |id| names::transform(kind, id))?;
    let mut name = names::transform(kind, id).map_or_else(|| format!("{id}"), str::to_owned);
    while reader.remaining() > 0 {
        if let Some(bits) = attribute(reader)? {
            name += &format!("-{bits}");
        }
    }
    reader.gist(format!("{kind} {name}"));
    Ok(())
}

/// One attribute; returns a key length.
fn attribute(reader: &mut Reader<'_>) -> Read<Option<u16>> {
    let from = reader.at();
    let (kind, short, value) = type_and_value(reader)?;
    let kind = AttributeType(kind);
    let name = spelled(kind.name(), kind.0);
    if short {
        let is_length = kind == AttributeType::KEY_LENGTH;
        let unit = if is_length { " bits" } else { "" };
        reader.push(
            "Transform Attribute",
            format!("{name} = {value}{unit}"),
            from,
        );
        return Ok(is_length.then_some(value));
    }
    let octets = reader.octets(value.into())?;
    let mark = reader.push(
        "Transform Attribute",
        format!("{name} = {}", hex(octets)),
        from,
    );
    if kind == AttributeType::KEY_LENGTH {
        reader.note(
            mark,
            "a key length has the short format, two octets of value",
        );
    }
    Ok(None)
}

/// The type of an attribute, whether it has the short format, and its value, or the value's length.
pub(super) fn type_and_value(reader: &mut Reader<'_>) -> Read<(u16, bool, u16)> {
    let [a, b, c, d] = reader.array()?;
    let (kind, value) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    Ok((kind & 0x7fff, kind & 0x8000 != 0, value))
}
