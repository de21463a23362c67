//! The Security Association payload: proposals, each a set of transforms (RFC 7296 section 3.3).
//!
//! ```text
//! SA
//!  +- Proposal 1: protocol, SPI
//!  |   +- Transform: ENCR, AES_GCM_16
//!  |   |   +- Attribute: KEY_LENGTH 256
//!  |   +- Transform: ...
//!  +- Proposal 2: ...
//! ```

use crate::wire::codec::{Hex, Reader, fill_length, narrow8, narrow16, put_u16};
use crate::wire::error::{Allowed, Field, WireError};
use crate::wire::numbers::{AttributeType, ProtocolId, TransformType};
use crate::wire::spi::SpiBytes;
use std::fmt;

/// Last Substruc of a proposal that another follows.
const MORE_PROPOSALS: u8 = 2;
/// Last Substruc of a transform that another follows.
const MORE_TRANSFORMS: u8 = 3;
/// Length of a transform without attributes.
const TRANSFORM_HEADER: usize = 8;
/// The format bit of an attribute: two octets of value instead of a length.
const SHORT_FORMAT: u16 = 0x8000;

/// Security Association payload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecurityAssociation {
    /// At least one; exactly one where the responder chose.
    pub proposals: Vec<Proposal>,
}

impl SecurityAssociation {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut proposals = Vec::new();
        loop {
            let mut body = substructure(reader, MORE_PROPOSALS)?;
            proposals.push(Proposal::read(&mut body)?);
            body.finish()?;
            if reader.is_empty() {
                return Ok(Self { proposals });
            }
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_substructures(&self.proposals, MORE_PROPOSALS, out, Proposal::write);
    }
}

/// One alternative: a protocol and, for each type, the transforms to choose from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proposal {
    /// From 1, one more than the proposal before. A choice repeats the number of what it chose.
    pub number: u8,
    /// IKE, AH or ESP.
    pub protocol: ProtocolId,
    /// Empty for a first IKE SA, 8 octets when an IKE SA is rekeyed, 4 for AH and ESP. Other lengths are kept.
    pub spi: SpiBytes,
    /// At most 255.
    pub transforms: Vec<Transform>,
}

impl Proposal {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let [number, protocol, spi_size] = reader.array()?;
        let count_offset = reader.offset();
        let count = usize::from(reader.u8()?);
        let spi = reader.spi(spi_size)?;
        let mut transforms = Vec::with_capacity(count.min(reader.remaining() / TRANSFORM_HEADER));
        while !reader.is_empty() {
            let mut body = substructure(reader, MORE_TRANSFORMS)?;
            transforms.push(Transform::read(&mut body)?);
        }
        reader.check(
            Field::TransformCount,
            count_offset,
            count,
            Allowed::only(transforms.len()),
        )?;
        Ok(Self {
            number,
            protocol: ProtocolId(protocol),
            spi,
            transforms,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let (spi_size, count) = (narrow8(self.spi.len()), narrow8(self.transforms.len()));
        out.extend_from_slice(&[self.number, self.protocol.0, spi_size, count]);
        out.extend_from_slice(&self.spi);
        write_substructures(&self.transforms, MORE_TRANSFORMS, out, Transform::write);
    }
}

/// One algorithm.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Transform {
    /// What the algorithm is for.
    pub kind: TransformType,
    /// The algorithm: `Encryption`, `Prf`, ... by `kind`.
    pub id: u16,
    /// Usually none, or the key length.
    pub attributes: Attributes,
}

impl Transform {
    /// A transform with a key length in bits, or without attributes.
    #[must_use]
    pub fn new(kind: TransformType, id: u16, key_length: Option<u16>) -> Self {
        let attributes = key_length
            .map(|bits| Attribute {
                kind: AttributeType::KEY_LENGTH,
                value: AttributeValue::Short(bits),
            })
            .into_iter()
            .collect();
        Self {
            kind,
            id,
            attributes,
        }
    }

    /// The key length in bits, if one is given.
    #[must_use]
    pub fn key_length(&self) -> Option<u16> {
        self.attributes.iter().find_map(Attribute::key_length)
    }

    /// Whether the attributes are none, or one key length. Any other transform must not be chosen (RFC 7296 section 3.3.6).
    #[must_use]
    pub fn is_understood(&self) -> bool {
        match &*self.attributes {
            [] => true,
            [only] => only.key_length().is_some(),
            _ => false,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let [kind, _reserved] = reader.array()?;
        let id = reader.u16()?;
        let mut attributes = Attributes::default();
        while !reader.is_empty() {
            attributes.push(Attribute::read(reader)?);
        }
        Ok(Self {
            kind: TransformType(kind),
            id,
            attributes,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind.0, 0]);
        put_u16(out, self.id);
        self.attributes
            .iter()
            .for_each(|attribute| attribute.write(out));
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)?;
        if self.attributes.is_empty() {
            Ok(())
        } else {
            write!(f, " {:?}", &*self.attributes)
        }
    }
}

/// The attributes of a transform, as a slice; none and one take no allocation.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Attributes(Repr);

/// Always the first variant that can hold the number of attributes, so that derived equality is right.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
enum Repr {
    #[default]
    None,
    One(Attribute),
    Many(Vec<Attribute>),
}

impl Attributes {
    /// Adds one at the end.
    pub fn push(&mut self, attribute: Attribute) {
        self.0 = match std::mem::take(&mut self.0) {
            Repr::None => Repr::One(attribute),
            Repr::One(first) => Repr::Many(vec![first, attribute]),
            Repr::Many(mut all) => {
                all.push(attribute);
                Repr::Many(all)
            }
        };
    }
}

impl std::ops::Deref for Attributes {
    type Target = [Attribute];

    fn deref(&self) -> &[Attribute] {
        match &self.0 {
            Repr::None => &[],
            Repr::One(attribute) => std::slice::from_ref(attribute),
            Repr::Many(all) => all,
        }
    }
}

impl FromIterator<Attribute> for Attributes {
    fn from_iter<I: IntoIterator<Item = Attribute>>(iter: I) -> Self {
        let mut attributes = Self::default();
        iter.into_iter()
            .for_each(|attribute| attributes.push(attribute));
        attributes
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// One attribute of a transform (RFC 7296 section 3.3.5).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// The type, 15 bits.
    pub kind: AttributeType,
    /// The value, in the format it came in.
    pub value: AttributeValue,
}

/// The two formats of an attribute.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum AttributeValue {
    /// Type/value: two octets.
    Short(u16),
    /// Type/length/value.
    Long(Box<[u8]>),
}

impl Attribute {
    /// The key length in bits. It only exists in the short format.
    fn key_length(&self) -> Option<u16> {
        match self {
            Self {
                kind: AttributeType::KEY_LENGTH,
                value: AttributeValue::Short(bits),
            } => Some(*bits),
            _ => None,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (kind, value) = (reader.u16()?, reader.u16()?);
        let value = if kind & SHORT_FORMAT != 0 {
            AttributeValue::Short(value)
        } else {
            AttributeValue::Long(reader.take(value.into())?.into())
        };
        Ok(Self {
            kind: AttributeType(kind & !SHORT_FORMAT),
            value,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        match &self.value {
            AttributeValue::Short(value) => {
                put_u16(out, self.kind.0 | SHORT_FORMAT);
                put_u16(out, *value);
            }
            AttributeValue::Long(value) => {
                put_u16(out, self.kind.0 & !SHORT_FORMAT);
                put_u16(out, narrow16(value.len()));
                out.extend_from_slice(value);
            }
        }
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind, self.value)
    }
}

impl fmt::Debug for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(value) => write!(f, "{value}"),
            Self::Long(value) => write!(f, "{:?}", Hex(value)),
        }
    }
}

/// Takes a proposal's or transform's header (Last Substruc, reserved, length), and returns the body. The header must say
/// `more` if anything follows, else 0.
fn substructure<'a>(reader: &mut Reader<'a>, more: u8) -> Result<Reader<'a>, WireError> {
    const HEADER: usize = 4;
    let (start, available) = (reader.offset(), reader.remaining());
    let [last, _reserved] = reader.array()?;
    let length = usize::from(reader.u16()?);
    reader.check(
        Field::SubstructureLength,
        start + 2,
        length,
        Allowed::range(HEADER, available),
    )?;
    let body = reader.same_part(length - HEADER)?;
    let expected = if reader.is_empty() { 0 } else { more };
    reader.check(
        Field::LastSubstructure,
        start,
        last.into(),
        Allowed::only(expected.into()),
    )?;
    Ok(body)
}

/// Appends structures that each say whether another follows.
fn write_substructures<T>(
    items: &[T],
    more: u8,
    out: &mut Vec<u8>,
    write: impl Fn(&T, &mut Vec<u8>),
) {
    for (index, item) in items.iter().enumerate() {
        let start = out.len();
        out.extend_from_slice(&[if index + 1 < items.len() { more } else { 0 }, 0, 0, 0]);
        write(item, out);
        fill_length(out, start);
    }
}
