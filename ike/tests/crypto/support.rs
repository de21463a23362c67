//! Reading vectors, randomness that repeats itself, and the one algorithm that only vectors need.

use std::io::Read;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use ike::crypto::{PrfAlgorithm, ProtectionAlgorithm, Random, Secret, standard};
use ike::wire::numbers::{Encryption, Integrity, Prf};
use serde_json::Value;

/// Hexadecimal to bytes.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    let digits = text
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    digits
        .map(|pair| u8::from_str_radix(pair, 16).expect(text))
        .collect()
}

/// The bytes of a field of hexadecimal digits.
pub(crate) fn field(value: &Value, name: &str) -> Vec<u8> {
    hex(value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no field {name}")))
}

/// A vector file, uncompressed if its name ends in `.gz`.
pub(crate) fn vectors(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    if name.ends_with(".gz") {
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    text
}

/// A vector file in JSON.
pub(crate) fn json(name: &str) -> Value {
    serde_json::from_str(&vectors(name)).unwrap()
}

/// The Apache-2.0 chain and messages of the Android IPsec tests.
pub(crate) fn android() -> Value {
    json("android-ike.json")
}

/// Gives the same bytes again and again.
#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) Vec<u8>);

impl Random for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0[..bytes.len()]);
    }
}

/// The suite that ships.
pub(crate) fn suite(
    encryption: Encryption,
    key_bits: impl Into<Option<u16>>,
    integrity: Integrity,
) -> &'static dyn ProtectionAlgorithm {
    standard()
        .protection(encryption, key_bits.into(), integrity)
        .unwrap()
}

/// HMAC with SHA-224, which NIST tests and IKE does not have.
#[derive(Debug)]
pub(crate) struct HmacSha224;

impl PrfAlgorithm for HmacSha224 {
    fn id(&self) -> Prf {
        Prf(u16::MAX)
    }

    fn output_length(&self) -> usize {
        28
    }

    fn key_length(&self) -> usize {
        28
    }

    fn compute(&self, key: &[u8], parts: &[&[u8]]) -> Secret {
        let mut mac = Hmac::<sha2::Sha224>::new_from_slice(key).unwrap();
        parts.iter().for_each(|part| mac.update(part));
        Secret::from(&mac.finalize().into_bytes()[..])
    }
}
