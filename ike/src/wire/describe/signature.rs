//! The Authentication payload (RFC 7296 section 3.8), with the algorithm of a digital signature (RFC 7427 section 3).

use super::reader::{Read, Reader, octets};
use crate::wire::numbers::AuthMethod;
use der::Decode as _;
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Reader as _, SliceReader, Tag, Tagged as _};
use pkcs8::spki::AlgorithmIdentifierRef;

pub(super) fn authentication(reader: &mut Reader<'_>) -> Read {
    let method = AuthMethod(reader.code8("Auth Method", |n| AuthMethod(n).name())?);
    reader.gist(method.to_string());
    reader.reserved(3)?;
    let length = reader.remaining();
    if method != AuthMethod::DIGITAL_SIGNATURE {
        reader.gist(octets(length));
        reader.hex_rest("Authentication Data");
        return Ok(());
    }
    let value = reader.data("Authentication Data", length, |reader| {
        let length = reader.u8("ASN.1 Length")?;
        identifier(reader, length.into())?;
        reader.gist(octets(reader.remaining()));
        reader.hex_rest("Signature Value");
        Ok(())
    });
    reader.gist(value);
    Ok(())
}

/// An AlgorithmIdentifier of so many octets.
pub(super) fn identifier(reader: &mut Reader<'_>, length: usize) -> Read {
    let from = reader.at();
    let octets = reader.octets(length)?;
    let read = AlgorithmIdentifierRef::from_der(octets);
    let value = read.as_ref().map_or_else(|_| "cannot be read".into(), text);
    reader.gist(&value);
    let mark = reader.push("AlgorithmIdentifier", value, from);
    if let Err(error) = read {
        reader.note(mark, format!("cannot be read: {error}"));
    }
    Ok(())
}

/// Object identifiers of signature and hash algorithms: RFC 8017, 5758, 8410, 8692 and 9881.
const ALGORITHMS: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.1", "rsaEncryption"),
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption"),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption"),
    ("1.2.840.113549.1.1.8", "MGF1"),
    ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
    ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption"),
    ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption"),
    ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption"),
    ("1.2.840.113549.1.1.14", "sha224WithRSAEncryption"),
    ("1.2.840.10040.4.3", "dsa-with-sha1"),
    ("2.16.840.1.101.3.4.3.2", "dsa-with-sha256"),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256"),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384"),
    ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
    ("1.3.14.3.2.26", "SHA-1"),
    ("2.16.840.1.101.3.4.2.1", "SHA-256"),
    ("2.16.840.1.101.3.4.2.2", "SHA-384"),
    ("2.16.840.1.101.3.4.2.3", "SHA-512"),
];

fn name(oid: &ObjectIdentifier) -> String {
    let oid = oid.to_string();
    let known = ALGORITHMS.iter().find(|(known, _)| *known == oid);
    known.map_or(oid, |(_, name)| (*name).to_owned())
}

/// The algorithm's name, and for RSASSA-PSS (RFC 4055 section 3.1) its parameters. What they leave out is SHA-1, MGF1 with
/// SHA-1 and 20 octets of salt.
fn text(algorithm: &AlgorithmIdentifierRef<'_>) -> String {
    let name = name(&algorithm.oid);
    let parameters = algorithm.parameters.filter(|_| name == "RSASSA-PSS");
    match parameters.and_then(|parameters| pss(&parameters)) {
        Some(parameters) => format!("{name} ({parameters})"),
        None => name,
    }
}

fn pss(parameters: &AnyRef<'_>) -> Option<String> {
    let mut hash = "SHA-1".to_owned();
    let mut mask = "MGF1 with SHA-1".to_owned();
    let mut salt = "20".to_owned();
    let mut reader = SliceReader::new(parameters.value()).ok()?;
    while !reader.is_finished() {
        let field = AnyRef::decode(&mut reader).ok()?;
        let Tag::ContextSpecific {
            number,
            constructed: true,
        } = field.tag()
        else {
            return None;
        };
        match number.value() {
            0 => hash = self::name(&AlgorithmIdentifierRef::from_der(field.value()).ok()?.oid),
            1 => {
                let function = AlgorithmIdentifierRef::from_der(field.value()).ok()?;
                let inner = function
                    .parameters?
                    .decode_as::<AlgorithmIdentifierRef<'_>>()
                    .ok()?;
                mask = format!(
                    "{} with {}",
                    self::name(&function.oid),
                    self::name(&inner.oid)
                );
            }
            2 => salt = u32::from_der(field.value()).ok()?.to_string(),
            _ => {}
        }
    }
    Some(format!("{hash}, {mask}, salt of {salt} octets"))
}
