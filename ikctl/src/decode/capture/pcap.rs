//! pcap: a file header of 24 bytes, then records (draft-ietf-opsawg-pcap).
//!
//! ```text
//! | magic | version | - | - | snap length | link type |   | seconds | fraction | captured | original | packet | ...
//! ```

use std::io::BufRead;

use jiff::Timestamp;

use super::source::{Damage, Source};
use super::{LONGEST, Order, Record};

const HEADER: usize = 24;

/// How the records of this file are written.
#[derive(Debug)]
pub(super) struct Reader {
    order: Order,
    nanoseconds: bool,
    /// Bytes of a record's header: 16, or 24 in the modified format of old Red Hat systems.
    record_header: usize,
    link: u16,
}

impl Reader {
    /// Reads the file header; `None`, and nothing taken, where it is not pcap.
    pub(super) fn open(
        source: &mut Source<impl BufRead>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Self>, Damage> {
        let Some(magic) = source.peek()?.first_chunk::<4>() else {
            return Ok(None);
        };
        let (order, magic) = match magic[0] {
            0xa1 => (Order::Big, u32::from_be_bytes(*magic)),
            _ => (Order::Little, u32::from_le_bytes(*magic)),
        };
        let (nanoseconds, record_header) = match magic {
            0xa1b2_c3d4 => (false, 16),
            0xa1b2_3c4d => (true, 16),
            0xa1b2_cd34 => (false, 24),
            _ => return Ok(None),
        };
        source.take(buffer, HEADER, "the file header")?;
        let (major, minor) = (order.u16(buffer, 4), order.u16(buffer, 6));
        if major != 2 {
            return Err(Damage::Malformed {
                at: 4,
                reason: format!("pcap version {major}.{minor} is not known"),
            });
        }
        Ok(Some(Self {
            order,
            nanoseconds,
            record_header,
            // Above the number stands whether frames end with a checksum, which the length of IP tells apart.
            link: order.u32(buffer, 20) as u16,
        }))
    }

    pub(super) fn next(
        &mut self,
        source: &mut Source<impl BufRead>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Record>, Damage> {
        if source.peek()?.is_empty() {
            return Ok(None);
        }
        let at = source.offset();
        source.take(buffer, self.record_header, "a packet's header")?;
        let field = |index: usize| self.order.u32(buffer, index * 4);
        let (seconds, fraction, captured) = (field(0), field(1), field(2));
        if captured > LONGEST {
            return Err(Damage::Malformed {
                at,
                reason: format!("a packet of {captured} bytes"),
            });
        }
        let nanoseconds = u64::from(fraction) * if self.nanoseconds { 1 } else { 1000 };
        source.take(buffer, captured as usize, "a packet")?;
        Ok(Some(Record {
            time: Timestamp::from_nanosecond(
                i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds),
            )
            .ok(),
            link: Some(self.link),
            data: 0..buffer.len(),
        }))
    }
}
