//! How a record becomes bytes and back: a version, the fields as postcard writes them, and a check that nothing is missing.
//!
//! ```text
//!   | version, 1 byte | fields | check, 8 bytes: SHA-256 of the key's text, version and fields, cut |
//! ```
//!
//! The check is not against an enemy, who could write what he likes where records are kept: it finds what was cut off, and
//! a body that stands under another key. Buffers wipe themselves, also those that had to grow.

use postcard::ser_flavors::Flavor;
use ring::digest;
use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroize;

use crate::crypto::Secret;

use super::RecordKey;

/// What the fields of this version mean. A change of any record's fields is another version.
pub(super) const VERSION: u8 = 1;
/// Bytes of the check.
const CHECK: usize = 8;
/// Room for an IKE SA with one child and a cached response.
const USUAL: usize = 2048;

/// Key material in a record: written as bytes, printed as a length.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Hidden(pub(in crate::engine) Secret);

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_bytes())
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = deserializer.deserialize_bytes(Borrowed)?;
        Ok(Self(Secret::from(bytes)))
    }
}

/// Bytes that anybody on the wire has seen.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Octets(pub(in crate::engine) Vec<u8>);

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = deserializer.deserialize_bytes(Borrowed)?;
        Ok(Self(bytes.to_vec()))
    }
}

/// Bytes where they stand, so that no copy is left behind.
struct Borrowed;

impl<'de> Visitor<'de> for Borrowed {
    type Value = &'de [u8];

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bytes")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<&'de [u8], E> {
        Ok(bytes)
    }
}

/// A buffer that leaves no copy behind when it grows.
struct Wiping(Vec<u8>);

impl Wiping {
    fn make_room(&mut self, more: usize) {
        if self.0.capacity() - self.0.len() < more {
            let mut larger = Vec::with_capacity((self.0.capacity() * 2).max(self.0.len() + more));
            larger.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = larger;
        }
    }
}

impl Flavor for Wiping {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.make_room(1);
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.make_room(bytes.len());
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// A record's body.
pub(super) fn encode(key: &RecordKey, fields: &impl Serialize) -> Secret {
    let mut buffer = Wiping(Vec::with_capacity(USUAL));
    buffer.0.push(VERSION);
    let body = postcard::serialize_with_flavor(fields, buffer);
    let mut buffer =
        Wiping(body.expect("a vector takes whatever is written, and no type of ours refuses"));
    let check = check(key, &buffer.0);
    buffer.make_room(CHECK);
    buffer.0.extend_from_slice(&check);
    Secret::from(buffer.0)
}

/// The fields of a body, or `None` where it is cut short, stands under another key or is of a version that we do not know.
pub(super) fn decode<T: DeserializeOwned>(key: &RecordKey, body: &Secret) -> Option<T> {
    let (fields, found) = body.as_bytes().split_last_chunk::<CHECK>()?;
    if check(key, fields) != *found {
        return None;
    }
    let (version, fields) = fields.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (fields, rest) = postcard::take_from_bytes(fields).ok()?;
    rest.is_empty().then_some(fields)
}

fn check(key: &RecordKey, body: &[u8]) -> [u8; CHECK] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(key.to_string().as_bytes());
    context.update(&[0]);
    context.update(body);
    let digest = context.finish();
    *digest
        .as_ref()
        .first_chunk()
        .expect("SHA-256 is longer than the check")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Name;

    fn key(name: &str) -> RecordKey {
        RecordKey::Connection(Name::new(name).expect("a name"))
    }

    #[test]
    fn a_body_comes_back_and_a_damaged_one_does_not() {
        let fields = (
            7u32,
            Hidden(Secret::from(vec![1; 5000])),
            Octets(vec![2; 3]),
        );
        let body = encode(&key("a"), &fields);
        let (number, hidden, octets): (u32, Hidden, Octets) =
            decode(&key("a"), &body).expect("whole");
        assert_eq!((number, hidden.0.len(), octets.0), (7, 5000, vec![2; 3]));
        assert!(decode::<(u32, Hidden, Octets)>(&key("b"), &body).is_none());
        let bytes = body.as_bytes();
        for cut in 0..bytes.len() {
            let cut = Secret::from(&bytes[..cut]);
            assert!(decode::<(u32, Hidden, Octets)>(&key("a"), &cut).is_none());
        }
        for at in [0, 1, 100, bytes.len() - 1] {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1;
            assert!(decode::<(u32, Hidden, Octets)>(&key("a"), &Secret::from(damaged)).is_none());
        }
    }
}
