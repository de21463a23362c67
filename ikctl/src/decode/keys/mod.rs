//! The keys that IKE SAs were protected with, from a table in the format of Wireshark's `ikev2_decryption_table`.
//!
//! ```text
//! SPIi,SPIr,SK_ei,SK_er,"encryption",SK_ai,SK_ar,"integrity"
//! ```
//!
//! All but the names is hexadecimal. A line that cannot be used is told with its number, and the others are used. No
//! message holds what stands in a field, for it may be a key in the wrong column.

mod cipher;
mod names;

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;

use ike::crypto::Secret;
use ike::wire::IkeSpi;

use cipher::{Direction, Suite};
pub(super) use cipher::{Opened, Unchecked};

/// The longest table that is read, in bytes.
const LONGEST: u64 = 1 << 24;

/// All keys, by the SPIs of initiator and responder.
#[derive(Debug, Default)]
pub(super) struct Keys {
    of: HashMap<(IkeSpi, IkeSpi), Vec<Entry>>,
}

/// One line.
#[derive(Debug)]
struct Entry {
    suite: Suite,
    initiator: Direction,
    responder: Direction,
}

/// A line that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// Counts from 1.
    pub(super) line: usize,
    pub(super) reason: String,
}

impl Keys {
    /// Reads a table, and what is wrong with it.
    ///
    /// # Errors
    /// The system's, or that the file is too long to be one.
    pub(super) fn read(path: &Path) -> io::Result<(Self, Vec<BadLine>)> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?
            .take(LONGEST + 1)
            .read_to_end(&mut bytes)?;
        let bytes = Secret::from(bytes);
        if bytes.len() as u64 > LONGEST {
            return Err(io::Error::other("it is too long to be a table of keys"));
        }
        Ok(Self::parse(bytes.as_bytes()))
    }

    /// Reads the text of a table.
    pub(super) fn parse(table: &[u8]) -> (Self, Vec<BadLine>) {
        let mut keys = Self::default();
        let mut bad = Vec::new();
        let table = table.strip_prefix("\u{feff}".as_bytes()).unwrap_or(table);
        for (index, line) in table.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            match entry(line) {
                Ok((spis, entry)) => keys.of.entry(spis).or_default().push(entry),
                Err(reason) => bad.push(BadLine {
                    line: index + 1,
                    reason,
                }),
            }
        }
        (keys, bad)
    }

    /// Opens the body of an SK or SKF payload by the keys for these SPIs; `None` where there are none. `associated`: the
    /// message up to the body.
    pub(super) fn open(
        &self,
        spis: (IkeSpi, IkeSpi),
        from_initiator: bool,
        associated: &[u8],
        body: &[u8],
    ) -> Option<Opened> {
        let mut best = None;
        for entry in self.of.get(&spis)? {
            let direction = if from_initiator {
                &entry.initiator
            } else {
                &entry.responder
            };
            let opened = entry.suite.open(direction, associated, body);
            if matches!(opened, Opened::Checked(_)) {
                return Some(opened);
            }
            best.get_or_insert(opened);
        }
        best
    }

    /// Whether there is not one key.
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

fn entry(line: &[u8]) -> Result<((IkeSpi, IkeSpi), Entry), String> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not text".to_owned())?;
    let fields = fields(line)?;
    let count = fields.len();
    let [spi_i, spi_r, sk_ei, sk_er, encryption, sk_ai, sk_ar, integrity] =
        <[&str; 8]>::try_from(fields)
            .map_err(|_| format!("it has {count} fields instead of 8: SPIi,SPIr,SK_ei,SK_er,encryption,SK_ai,SK_ar,integrity"))?;
    let spis = (spi("SPIi", spi_i)?, spi("SPIr", spi_r)?);
    let initiator = Direction {
        encryption: hex("SK_ei", sk_ei)?,
        integrity: hex("SK_ai", sk_ai)?,
    };
    let responder = Direction {
        encryption: hex("SK_er", sk_er)?,
        integrity: hex("SK_ar", sk_ar)?,
    };
    let suite = Suite {
        cipher: names::encryption(encryption, initiator.encryption.len())?,
        code: names::integrity(integrity)?,
    };
    suite.check()?;
    let (encryption, integrity) = suite.key_lengths();
    let checks = [
        ("SK_ei", &initiator.encryption, encryption),
        ("SK_er", &responder.encryption, encryption),
        ("SK_ai", &initiator.integrity, integrity),
        ("SK_ar", &responder.integrity, integrity),
    ];
    for (name, key, expected) in checks {
        // Codes that are not checked take any key, or none.
        if let Some(expected) = expected.filter(|expected| *expected != key.len()) {
            return Err(format!(
                "{name} has {} bytes; the algorithm takes {expected}",
                key.len()
            ));
        }
    }
    Ok((
        spis,
        Entry {
            suite,
            initiator,
            responder,
        },
    ))
}

/// The fields between commas; a comma in quotes separates nothing.
fn fields(line: &str) -> Result<Vec<&str>, String> {
    let mut fields = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                fields.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if quoted {
        return Err("a quotation mark is missing".to_owned());
    }
    fields.push(&line[start..]);
    Ok(fields
        .iter()
        .map(|field| field.trim().trim_matches('"').trim())
        .collect())
}

fn spi(name: &str, text: &str) -> Result<IkeSpi, String> {
    let octets = hex(name, text)?;
    octets
        .as_bytes()
        .try_into()
        .map(IkeSpi)
        .map_err(|_| format!("{name} has {} bytes instead of 8", octets.len()))
}

fn hex(name: &str, text: &str) -> Result<Secret, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    if let Some(at) = digits.iter().position(|digit| !digit.is_ascii_hexdigit()) {
        return Err(format!(
            "{name} is not hexadecimal: see its character {}",
            at + 1
        ));
    }
    if !digits.len().is_multiple_of(2) {
        return Err(format!("{name} has an odd number of hexadecimal digits"));
    }
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
    let mut octets = Secret::zeroed(digits.len() / 2);
    for (octet, pair) in octets.as_mut_bytes().iter_mut().zip(digits.chunks_exact(2)) {
        *octet = value(pair[0]) << 4 | value(pair[1]);
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"ea684d21597afd36,d9fe2ab22dac23ac,00112233445566778899aabbccddeeff000102,00112233445566778899aabbccddeeff000102,"AES-CCM-128 with 12 octet ICV [RFC5282]",,,"NONE [RFC4306]""#;

    #[test]
    fn lines_that_cannot_be_used_are_told_and_the_rest_is() {
        let key = "00112233445566778899aabbccddeeff";
        let spis = "ea684d21597afd36,d9fe2ab22dac23ac";
        let lines = [
            (GOOD.to_owned(), ""),
            ("# a remark".to_owned(), ""),
            (String::new(), ""),
            (
                "one,two".to_owned(),
                "it has 2 fields instead of 8: SPIi,SPIr,SK_ei,SK_er,encryption,SK_ai,SK_ar,integrity",
            ),
            (
                format!(r#"{spis},{key},{key},"AES-CBC-256 [RFC3602]",,,"NONE""#),
                "SK_ei has 16 bytes; the algorithm takes 32",
            ),
            (
                format!(r#"{spis},{key},{key},"ROT-13",,,"NONE""#),
                "the encryption algorithm ROT-13 is not known",
            ),
            (
                format!(r#"{spis},{key},{key},"{key}",,,"NONE""#),
                "a key stands where the name of the encryption algorithm should",
            ),
            (
                format!(r#"{spis},{key},{key},"AES-CBC-128",{key},{key},"WHIRLPOOL""#),
                "the integrity algorithm WHIRLPOOL is not known",
            ),
            (
                format!(r#"ea,d9fe2ab22dac23ac,{key},{key},"AES-CBC-128",,,"NONE""#),
                "SPIi has 1 bytes instead of 8",
            ),
            (
                format!(r#"{spis},{key}0,{key},"AES-CBC-128",,,"NONE""#),
                "SK_ei has an odd number of hexadecimal digits",
            ),
            (
                format!(r#"{spis},{key},0x{key}xy,"AES-CBC-128",,,"NONE""#),
                "SK_er is not hexadecimal: see its character 33",
            ),
            (
                format!(r#"{spis},{key},{key},"AES-CBC-128",,,"NONE"#),
                "a quotation mark is missing",
            ),
            (
                format!(r#"{spis},{key},{key},"ENCR_CAMELLIA_CBC",,,"NONE""#),
                "the encryption algorithm CAMELLIA_CBC is known, but not decrypted here",
            ),
        ];
        let table: Vec<_> = lines.iter().map(|(line, _)| line.as_str()).collect();
        let (keys, bad) = Keys::parse(table.join("\r\n").as_bytes());
        assert_eq!(keys.of.values().flatten().count(), 1);
        let expected: Vec<_> = lines
            .iter()
            .enumerate()
            .filter(|(_, (_, reason))| !reason.is_empty())
            .map(|(index, (_, reason))| BadLine {
                line: index + 1,
                reason: (*reason).to_owned(),
            })
            .collect();
        assert_eq!(bad, expected);
    }
}
