//! What certificates, CRLs and OCSP replies have in common in DER: strictly read, in place, nothing recursive.
//!
//! The crate `der` reads; it takes nothing but DER, and here every value is read where it stands, because signatures cover
//! the bytes as they were sent.

use std::fmt;
use std::time::Duration;

use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, UtcTime};
use der::{Decode, Encode, ErrorKind, Reader as _, SliceReader, Tag, TagNumber, Tagged};

pub(super) type Reader<'a> = SliceReader<'a>;
pub(super) use der::Result;
/// Long enough for every object identifier that is met.
pub(super) type ObjectIdentifier = der::asn1::ObjectIdentifier;

/// Most extensions of one structure; certificates have about ten.
const MAX_EXTENSIONS: usize = 64;

/// Reads `der` from its first to its last byte.
pub(super) fn whole<'a, T>(
    der: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T>,
) -> Result<T> {
    let mut reader = SliceReader::new(der)?;
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// The contents of a SEQUENCE that is the whole of `der`.
pub(super) fn sequence<'a, T>(
    der: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T>,
) -> Result<T> {
    whole(der, |reader| reader.sequence(read))
}

/// Each element of a SEQUENCE OF that is the whole of `der`, with its header.
pub(super) fn each<'a>(
    der: &'a [u8],
    mut element: impl FnMut(&'a [u8]) -> Result<()>,
) -> Result<()> {
    sequence(der, |reader| {
        while !reader.is_finished() {
            element(reader.tlv_bytes()?)?;
        }
        Ok(())
    })
}

/// The contents of the context-specific field `number`, if it comes next.
pub(super) fn field<'a>(
    reader: &mut Reader<'a>,
    number: u32,
    constructed: bool,
) -> Result<Option<&'a [u8]>> {
    let tag = Tag::ContextSpecific {
        number: TagNumber(number),
        constructed,
    };
    if reader.is_finished() || Tag::peek(reader)? != tag {
        return Ok(None);
    }
    AnyRef::decode(reader).map(|any| Some(any.value()))
}

/// Whether the next element has this tag.
pub(super) fn next_is(reader: &Reader<'_>, tag: Tag) -> bool {
    !reader.is_finished() && Tag::peek(reader).is_ok_and(|found| found == tag)
}

/// The number of a context-specific tag.
pub(super) fn choice(any: &AnyRef<'_>) -> Result<(u32, bool)> {
    match any.tag() {
        Tag::ContextSpecific {
            number,
            constructed,
        } => Ok((number.value(), constructed)),
        tag => Err(tag.unexpected_error(None).into()),
    }
}

/// A BIT STRING of whole bytes.
pub(super) fn bytes<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8]> {
    BitStringRef::decode(reader)?
        .as_bytes()
        .ok_or_else(|| value_error(Tag::BitString))
}

/// UTCTime or GeneralizedTime, since the Unix epoch. A time before it is an error: there were no certificates yet.
pub(super) fn time(reader: &mut Reader<'_>) -> Result<Duration> {
    let any = AnyRef::decode(reader)?;
    let read = |any: AnyRef<'_>| match any.tag() {
        Tag::UtcTime => any
            .decode_as::<UtcTime>()
            .map(|time| time.to_unix_duration()),
        _ => any
            .decode_as::<GeneralizedTime>()
            .map(|time| time.to_unix_duration()),
    };
    // The crate knows no year before 1970: whether it is a date at all shows the next leap year.
    let (rest, year): (_, &[u8]) = match (any.tag(), any.value()) {
        (Tag::UtcTime, [b'5' | b'6', b'0'..=b'9', rest @ ..]) => (rest, b"72"),
        (Tag::GeneralizedTime, [year @ .., _, _, _, _, _, _, _, _, _, _, b'Z'])
            if year.len() == 4 && year.iter().all(u8::is_ascii_digit) && year < b"1970" =>
        {
            (&any.value()[4..], b"1972")
        }
        _ => return read(any),
    };
    let later = [year, rest].concat();
    read(AnyRef::new(any.tag(), &later)?).map(|_| Duration::ZERO)
}

/// The contents of an INTEGER, in as few bytes as there can be.
pub(super) fn integer<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8]> {
    let any = AnyRef::decode(reader)?;
    any.tag().assert_eq(Tag::Integer)?;
    match any.value() {
        [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => Err(value_error(Tag::Integer)),
        digits => Ok(digits),
    }
}

pub(super) fn value_error(tag: Tag) -> der::Error {
    ErrorKind::Value { tag }.into()
}

/// One extension, RFC 5280 section 4.1.
pub(super) struct Extension<'a> {
    pub(super) id: ObjectIdentifier,
    pub(super) critical: bool,
    pub(super) value: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Each extension of an Extensions that is the whole of `der`; two of the same are an error.
    pub(super) fn each(der: &'a [u8], mut extension: impl FnMut(Self) -> Result<()>) -> Result<()> {
        let mut seen = Vec::new();
        each(der, |der| {
            let found = sequence(der, |reader| {
                Ok(Self {
                    id: ObjectIdentifier::decode(reader)?,
                    critical: next_is(reader, Tag::Boolean) && bool::decode(reader)?,
                    value: <&der::asn1::OctetStringRef>::decode(reader)?.as_bytes(),
                })
            })?;
            if seen.contains(&found.id) {
                return Err(value_error(Tag::Sequence));
            }
            seen.push(found.id);
            at_most(MAX_EXTENSIONS, &seen)?;
            extension(found)
        })
    }
}

/// What was signed, how, and the signature: the frame of certificates, CRLs and basic OCSP responses.
pub(super) struct Signed<'a> {
    /// The bytes that the signature covers, with their header.
    pub(super) message: &'a [u8],
    /// The contents of the AlgorithmIdentifier.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self> {
        Ok(Self {
            message: reader.tlv_bytes()?,
            algorithm: algorithm(reader)?,
            signature: bytes(reader)?,
        })
    }
}

/// The contents of an AlgorithmIdentifier.
pub(super) fn algorithm<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8]> {
    let any = AnyRef::decode(reader)?;
    any.tag().assert_eq(Tag::Sequence)?;
    Ok(any.value())
}

/// The named bits of a KeyUsage or ReasonFlags, the first bit lowest.
pub(super) fn flags(bits: BitStringRef<'_>) -> u16 {
    (0..16_u8)
        .filter(|&bit| bits.get(usize::from(bit)) == Some(true))
        .fold(0, |flags, bit| flags | 1 << bit)
}

/// An error where there are more than `most`.
pub(super) fn at_most<T>(most: usize, found: &[T]) -> Result<()> {
    if found.len() > most {
        return Err(ErrorKind::Overlength.into());
    }
    Ok(())
}

/// Writes an element.
pub(super) fn element(tag: Tag, contents: &[u8]) -> Vec<u8> {
    AnyRef::new(tag, contents)
        .and_then(|any| any.to_der())
        .expect("what is written here is far below the limits of DER")
}

/// `2026-11-23T22:01:00Z`.
pub(super) struct Date(pub(super) Duration);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match der::DateTime::from_unix_duration(Duration::from_secs(self.0.as_secs())) {
            Ok(date) => write!(f, "{date}"),
            Err(_) => f.write_str("the end of time"),
        }
    }
}

/// Colons and capitals are for people; logs and files hold plain digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
