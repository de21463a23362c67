//! Capture files as a stream of packets: pcap and pcapng, of unknown size, possibly damaged.
//!
//! ```text
//! file or pipe --Source (counts bytes, never believes a length)--> pcap::Reader   \
//!                                                                  pcapng::Reader --> Packet, Packet, ..., end or Damage
//! ```
//!
//! Memory is one packet, at most [`LONGEST`] bytes, and grows only as bytes really arrive. Where the file breaks,
//! [`Damage`] says at which byte; what came before has been handed out by then.
//!
//! Written here and not taken from a crate: pcap-parser 0.17 reads neither obsolete packet blocks, nor big-endian files of
//! the modified kind, nor binary timestamp resolutions, adds time offsets with an overflow that panics, and gives up at
//! the first odd block without saying where; pcap-file is a release candidate whose errors have no place in the file.

mod pcap;
mod pcapng;
mod source;

use std::io::BufRead;

use jiff::Timestamp;

pub(super) use source::Damage;
use source::Source;

/// The longest packet that is believed, in bytes: more than any network carries.
const LONGEST: u32 = 1 << 24;

/// One captured packet, as the link layer saw it.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    /// Counts from 1, as Wireshark's and tcpdump's do.
    pub(super) number: u64,
    /// When it was captured, where the file says so and the time is one.
    pub(super) time: Option<Timestamp>,
    /// The number of the link type (<https://www.tcpdump.org/linktypes.html>); `None` where the file does not describe
    /// the interface.
    pub(super) link: Option<u16>,
    /// What was captured of it.
    pub(super) data: &'a [u8],
}

/// A capture file that is being read.
pub(super) struct Capture<R> {
    source: Source<R>,
    format: Format,
    /// The body of the current record or block.
    buffer: Vec<u8>,
    number: u64,
}

enum Format {
    Pcap(pcap::Reader),
    Pcapng(pcapng::Reader),
}

/// A packet whose bytes are in the reader's buffer.
struct Record {
    time: Option<Timestamp>,
    link: Option<u16>,
    data: std::ops::Range<usize>,
}

impl<R: BufRead> Capture<R> {
    /// Reads the start of the file.
    ///
    /// # Errors
    /// [`Damage::NotACapture`] with a hint where it is something else, or what is wrong with its header.
    pub(super) fn open(input: R) -> Result<Self, Damage> {
        let mut source = Source::new(input);
        let mut buffer = Vec::new();
        let start = source.peek()?;
        let format = if start.starts_with(&pcapng::SECTION_HEADER.to_be_bytes()) {
            Format::Pcapng(pcapng::Reader::default())
        } else if let Some(reader) = pcap::Reader::open(&mut source, &mut buffer)? {
            Format::Pcap(reader)
        } else {
            return Err(Damage::NotACapture(source.peek()?.to_vec()));
        };
        Ok(Self {
            source,
            format,
            buffer,
            number: 0,
        })
    }

    /// The next packet; `None` at the proper end of the file.
    ///
    /// # Errors
    /// [`Damage`], after which nothing more can be read.
    pub(super) fn next(&mut self) -> Result<Option<Packet<'_>>, Damage> {
        let Self {
            source,
            format,
            buffer,
            ..
        } = self;
        let record = match format {
            Format::Pcap(reader) => reader.next(source, buffer)?,
            Format::Pcapng(reader) => reader.next(source, buffer)?,
        };
        Ok(record.map(|record| {
            self.number += 1;
            Packet {
                number: self.number,
                time: record.time,
                link: record.link,
                data: &self.buffer[record.data],
            }
        }))
    }
}

/// The order of the bytes in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    Big,
    #[default]
    Little,
}

impl Order {
    /// The two bytes at `at`, which are there.
    fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let bytes = [bytes[at], bytes[at + 1]];
        match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        }
    }

    /// The four bytes at `at`, which are there.
    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let (first, second) = (self.u16(bytes, at), self.u16(bytes, at + 2));
        let (high, low) = match self {
            Self::Big => (first, second),
            Self::Little => (second, first),
        };
        u32::from(high) << 16 | u32::from(low)
    }
}
