//! Small formats as tables: the data of notifies and configuration attributes are short rows of known fields.

use super::names;
use super::reader::{Read, Reader, hex, hex_or_text, named};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A piece of a format. The string is the RFC's name of the field.
#[derive(Clone, Copy)]
pub(super) enum Item {
    /// Numbers of 1, 2 and 4 octets, with their unit, which may be empty.
    U8(&'static str, &'static str),
    U16(&'static str, &'static str),
    U32(&'static str, &'static str),
    /// Numbers of 1 and 2 octets that have names.
    Code8(&'static str, fn(u8) -> Option<&'static str>),
    Code16(&'static str, fn(u16) -> Option<&'static str>),
    /// One octet of bits with names.
    Bits(&'static str, &'static [(u8, &'static str)]),
    /// So many octets.
    Octets(&'static str, usize),
    /// The octets that are left, but so many.
    AllBut(&'static str, usize),
    /// What is left: as octets; as octets or text, whichever it is; as text.
    Rest(&'static str),
    Any(&'static str),
    Text(&'static str),
    Ipv4(&'static str),
    Ipv6(&'static str),
    /// An IPv6 address and a prefix length; an IPv4 address and a netmask.
    Ipv6Prefix(&'static str),
    Ipv4Subnet(&'static str),
    /// The items again and again, until nothing is left.
    Each(&'static [Self]),
    /// What no table can say.
    With(fn(&mut Reader<'_>) -> Read),
}

/// Reads one item after the other; what they say becomes the gist.
pub(super) fn read(reader: &mut Reader<'_>, items: &[Item]) -> Read {
    items.iter().try_for_each(|item| read_item(reader, item))
}

fn read_item(reader: &mut Reader<'_>, item: &Item) -> Read {
    let from = reader.at();
    let (name, value) = match *item {
        Item::U8(name, unit) => (name, with_unit(u8::from_be_bytes(reader.array()?), unit)),
        Item::U16(name, unit) => (name, with_unit(u16::from_be_bytes(reader.array()?), unit)),
        Item::U32(name, unit) => (name, with_unit(u32::from_be_bytes(reader.array()?), unit)),
        Item::Code8(name, known) => {
            let code = reader.code8(name, known)?;
            reader.gist(named(known(code), code));
            return Ok(());
        }
        Item::Code16(name, known) => {
            let code = reader.code16(name, known)?;
            reader.gist(named(known(code), code));
            return Ok(());
        }
        Item::Bits(name, bits) => {
            let [octet] = reader.array()?;
            (name, names::bits(octet, bits))
        }
        Item::Octets(name, count) => (name, hex(reader.octets(count)?)),
        Item::AllBut(name, count) => {
            let taken = reader.remaining().saturating_sub(count);
            (name, hex_or_text(reader.octets(taken)?))
        }
        Item::Rest(name) => (name, hex(reader.rest())),
        Item::Any(name) => (name, hex_or_text(reader.rest())),
        Item::Text(name) => {
            let text = reader.text_rest(name);
            reader.gist(text);
            return Ok(());
        }
        Item::Ipv4(name) => (name, Ipv4Addr::from(reader.array::<4>()?).to_string()),
        Item::Ipv6(name) => (name, Ipv6Addr::from(reader.array::<16>()?).to_string()),
        Item::Ipv6Prefix(name) => {
            let address = Ipv6Addr::from(reader.array::<16>()?);
            (
                name,
                format!("{address}/{}", u8::from_be_bytes(reader.array()?)),
            )
        }
        Item::Ipv4Subnet(name) => {
            let [address, mask] = [
                Ipv4Addr::from(reader.array::<4>()?),
                Ipv4Addr::from(reader.array::<4>()?),
            ];
            (name, subnet(address, mask))
        }
        Item::Each(items) => {
            while reader.remaining() > 0 {
                read(reader, items)?;
            }
            return Ok(());
        }
        Item::With(read) => return read(reader),
    };
    reader.gist(&value);
    reader.push(name, value, from);
    Ok(())
}

fn with_unit(number: impl std::fmt::Display, unit: &str) -> String {
    if unit.is_empty() {
        number.to_string()
    } else {
        format!("{number} {unit}")
    }
}

/// An address and a mask, which is written as a prefix length where it is one.
fn subnet(address: Ipv4Addr, mask: Ipv4Addr) -> String {
    let bits = mask.to_bits();
    if bits.leading_ones() == bits.count_ones() {
        format!("{address}/{}", bits.leading_ones())
    } else {
        format!("{address} netmask {mask}")
    }
}
