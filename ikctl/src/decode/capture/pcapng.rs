//! pcapng: sections of blocks (draft-ietf-opsawg-pcapng).
//!
//! ```text
//! | section header | interface 0 | interface 1 | packet | packet | ... | section header, perhaps in the other byte order | ...
//!
//! a block:  | type | total length | body | total length |
//! ```
//!
//! Blocks that hold no packet (names, statistics, decryption secrets, journal entries, ...) are passed over unread.

use std::io::BufRead;

use jiff::Timestamp;

use super::source::{Damage, Source};
use super::{LONGEST, Order, Record};

/// The same in either byte order.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Type and two lengths.
const FRAME: u32 = 12;
/// Interfaces of one section; more are taken for damage.
const MOST_INTERFACES: usize = 1 << 16;

/// Where in the file we are.
#[derive(Debug, Default)]
pub(super) struct Reader {
    order: Order,
    /// Of the current section.
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u16,
    snap_length: u32,
    /// if_tsresol: units of a second as a negative power of 10, or of 2 with the highest bit.
    resolution: u8,
    /// if_tsoffset, in seconds.
    offset: i64,
}

impl Reader {
    pub(super) fn next(
        &mut self,
        source: &mut Source<impl BufRead>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Record>, Damage> {
        while !source.peek()?.is_empty() {
            let at = source.offset();
            let malformed = |reason: String| Damage::Malformed { at, reason };
            source.take(buffer, 8, "a block's header")?;
            let head: [u8; 8] = buffer[..].try_into().expect("8 bytes were taken");
            let kind = self.order.u32(&head, 0);
            if kind == SECTION_HEADER {
                source.take(buffer, 4, "a section header")?;
                self.order = match buffer[..] {
                    [0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
                    [0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
                    _ => {
                        return Err(malformed(
                            "a section header without a byte order".to_owned(),
                        ));
                    }
                };
                self.interfaces.clear();
            }
            let length = self.order.u32(&head, 4);
            let least = if kind == SECTION_HEADER { 28 } else { FRAME };
            if length < least || !length.is_multiple_of(4) {
                return Err(malformed(format!(
                    "a block of type {kind} with {length} bytes"
                )));
            }
            let body = length - FRAME;
            let record = match kind {
                SECTION_HEADER => {
                    source.take(buffer, 4, "a section header")?;
                    let (major, minor) = (self.order.u16(buffer, 0), self.order.u16(buffer, 2));
                    if major != 1 {
                        return Err(malformed(format!(
                            "pcapng version {major}.{minor} is not known"
                        )));
                    }
                    source.skip(u64::from(body - 8), "a section header")?;
                    None
                }
                INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET => {
                    if body > LONGEST {
                        return Err(malformed(format!("a packet of {body} bytes")));
                    }
                    source.take(buffer, body as usize, "a block")?;
                    let record = match kind {
                        INTERFACE => self.interface(buffer).map(|()| None),
                        _ => self.packet(kind, buffer).map(Some),
                    };
                    record.ok_or_else(|| {
                        malformed(format!("a block of type {kind} with only {length} bytes"))
                    })?
                }
                _ => {
                    source.skip(body.into(), "a block")?;
                    None
                }
            };
            if self.interfaces.len() > MOST_INTERFACES {
                return Err(malformed(format!("more than {MOST_INTERFACES} interfaces")));
            }
            let mut again = Vec::with_capacity(4);
            source.take(&mut again, 4, "the end of a block")?;
            let again = self.order.u32(&again, 0);
            if again != length {
                return Err(malformed(format!(
                    "a block with {length} bytes at its start and {again} at its end"
                )));
            }
            if record.is_some() {
                return Ok(record);
            }
        }
        Ok(None)
    }

    /// Link type, reserved, snap length, options; `None` where it is too short.
    fn interface(&mut self, body: &[u8]) -> Option<()> {
        if body.len() < 8 {
            return None;
        }
        let order = self.order;
        let mut interface = Interface {
            link: order.u16(body, 0),
            snap_length: order.u32(body, 4),
            resolution: 6,
            offset: 0,
        };
        let mut options = &body[8..];
        while options.len() >= 4 {
            let (code, length) = (order.u16(options, 0), usize::from(order.u16(options, 2)));
            let Some(value) = options.get(4..4 + length) else {
                break;
            };
            match (code, length) {
                (0, _) => break,
                (9, 1) => interface.resolution = value[0],
                (14, 8) => {
                    let (first, second) = (order.u32(value, 0), order.u32(value, 4));
                    let (high, low) = match order {
                        Order::Big => (first, second),
                        Order::Little => (second, first),
                    };
                    interface.offset = (u64::from(high) << 32 | u64::from(low)).cast_signed();
                }
                _ => {}
            }
            options = options
                .get(4 + length.next_multiple_of(4)..)
                .unwrap_or_default();
        }
        self.interfaces.push(interface);
        Some(())
    }

    /// A packet of any kind; `None` where its block is too short.
    fn packet(&self, kind: u32, body: &[u8]) -> Option<Record> {
        let order = self.order;
        // Where the packet starts, the number of its interface, its time in units, and the bytes captured.
        let (start, interface, units, captured) = match kind {
            SIMPLE_PACKET if body.len() >= 4 => {
                let original = order.u32(body, 0);
                let snap = self.interfaces.first().map_or(0, |first| first.snap_length);
                let captured = if snap == 0 {
                    original
                } else {
                    original.min(snap)
                };
                (4, 0, None, captured)
            }
            ENHANCED_PACKET | OBSOLETE_PACKET if body.len() >= 20 => {
                let interface = if kind == ENHANCED_PACKET {
                    order.u32(body, 0)
                } else {
                    u32::from(order.u16(body, 0))
                };
                let units = u64::from(order.u32(body, 4)) << 32 | u64::from(order.u32(body, 8));
                (20, interface, Some(units), order.u32(body, 12))
            }
            _ => return None,
        };
        let interface = self.interfaces.get(interface as usize);
        let end = body.len().min(start + captured as usize);
        Some(Record {
            time: interface
                .zip(units)
                .and_then(|(interface, units)| interface.time(units)),
            link: interface.map(|interface| interface.link),
            data: start..end,
        })
    }
}

impl Interface {
    /// The time that so many units after 1970 are; `None` beyond the year 9999.
    fn time(&self, units: u64) -> Option<Timestamp> {
        let power = u32::from(self.resolution & 0x7f);
        let base: u128 = if self.resolution & 0x80 == 0 { 10 } else { 2 };
        let second = base.checked_pow(power)?;
        let units = u128::from(units);
        let nanoseconds = (units % second).checked_mul(1_000_000_000)? / second;
        let seconds = i128::try_from(units / second).ok()? + i128::from(self.offset);
        let nanoseconds = seconds
            .checked_mul(1_000_000_000)?
            .checked_add(i128::try_from(nanoseconds).ok()?)?;
        Timestamp::from_nanosecond(nanoseconds).ok()
    }
}
