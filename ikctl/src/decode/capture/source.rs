//! Bytes of a capture file, counted, and never more memory than there are bytes.

use std::fmt;
use std::io::{self, BufRead, Read};

/// The bytes still to come.
pub(super) struct Source<R> {
    inner: R,
    offset: u64,
}

impl<R: BufRead> Source<R> {
    pub(super) const fn new(inner: R) -> Self {
        Self { inner, offset: 0 }
    }

    /// How many bytes have been taken.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// What comes next, without taking it; empty only at the end.
    pub(super) fn peek(&mut self) -> Result<&[u8], Damage> {
        // The borrow checker wants the look and the answer apart.
        let at = self.offset;
        let failed = |error| Damage::Read { at, error };
        loop {
            match self.inner.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        self.inner.fill_buf().map_err(failed)
    }

    /// Replaces `buffer` by the next `length` bytes, which belong to `what`.
    pub(super) fn take(
        &mut self,
        buffer: &mut Vec<u8>,
        length: usize,
        what: &'static str,
    ) -> Result<(), Damage> {
        buffer.clear();
        let at = self.offset;
        let got = (&mut self.inner)
            .take(length as u64)
            .read_to_end(buffer)
            .map_err(|error| Damage::Read { at, error })?;
        self.offset += got as u64;
        if got == length {
            return Ok(());
        }
        Err(Damage::Truncated {
            at,
            what,
            needed: length as u64,
            available: got as u64,
        })
    }

    /// Passes over `length` bytes, which belong to `what`.
    pub(super) fn skip(&mut self, length: u64, what: &'static str) -> Result<(), Damage> {
        let at = self.offset;
        let got = io::copy(&mut (&mut self.inner).take(length), &mut io::sink())
            .map_err(|error| Damage::Read { at, error })?;
        self.offset += got;
        if got == length {
            return Ok(());
        }
        Err(Damage::Truncated {
            at,
            what,
            needed: length,
            available: got,
        })
    }
}

/// Why the file cannot be read on. Offsets count bytes from the start of the file.
#[derive(Debug)]
pub(in crate::decode) enum Damage {
    /// Neither pcap nor pcapng; the bytes it begins with.
    NotACapture(Vec<u8>),
    /// The file ends within something.
    Truncated {
        at: u64,
        what: &'static str,
        needed: u64,
        available: u64,
    },
    /// Something that cannot be.
    Malformed { at: u64, reason: String },
    /// The system's error.
    Read { at: u64, error: io::Error },
}

impl Damage {
    /// Whether it is no capture, or cannot be read at all, as a directory cannot.
    pub(in crate::decode) fn before_the_first(&self) -> bool {
        matches!(self, Self::NotACapture(_) | Self::Read { at: 0, .. })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotACapture(start) => not_a_capture(start, f),
            Self::Truncated {
                at,
                what,
                needed,
                available,
            } => write!(
                f,
                "the file ends too early: {what} at byte {at} has {available} of {needed} bytes"
            ),
            Self::Malformed { at, reason } => {
                write!(f, "the file is damaged at byte {at}: {reason}")
            }
            Self::Read { at: 0, error } => write!(f, "it cannot be read: {error}"),
            Self::Read { at, error } => write!(f, "it cannot be read from byte {at} on: {error}"),
        }
    }
}

/// Says what it is instead, where that helps.
fn not_a_capture(start: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let packed = [
        (&[0x1f, 0x8b][..], "gzip", "zcat"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstdcat"),
        (&[0x04, 0x22, 0x4d, 0x18], "lz4", "lz4cat"),
        (&[0xfd, b'7', b'z', b'X', b'Z'], "xz", "xzcat"),
    ];
    if let Some((_, name, tool)) = packed.iter().find(|(magic, ..)| start.starts_with(magic)) {
        return write!(
            f,
            "it is compressed with {name}: {tool} FILE | ikctl decode -"
        );
    }
    if start.is_empty() {
        return f.write_str("it is empty");
    }
    f.write_str("it is neither pcap nor pcapng; it begins with")?;
    start
        .iter()
        .take(4)
        .try_for_each(|byte| write!(f, " {byte:02x}"))
}
