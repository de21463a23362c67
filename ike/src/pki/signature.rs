//! Signatures on certificates, CRLs and OCSP replies, and which of them are strong enough.

use der::Decode;

use super::asn1::{self, ObjectIdentifier};
use super::certificate::Certificate;
use crate::config::Strength;
use crate::crypto::signature::{KeyKind, certificate_algorithms};
use rustls_pki_types::alg_id;

/// What is wrong with a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SignatureFault {
    /// A hash, or all of the algorithm, that does not do: its name.
    Weak(String),
    /// An algorithm that we have not: its name.
    Unsupported(String),
    /// Not the signature of this key.
    Wrong,
}

/// Verifies what `issuer` is said to have signed. `algorithm` is the contents of the AlgorithmIdentifier.
pub(super) fn verify(
    issuer: &Certificate,
    algorithm: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureFault> {
    if hash_bits(algorithm).is_some_and(|bits| bits < 224) {
        return Err(SignatureFault::Weak(algorithm_name(algorithm)));
    }
    let key_algorithm = asn1::sequence(issuer.public_key().spki(), |reader| {
        let algorithm = asn1::algorithm(reader)?;
        asn1::bytes(reader)?;
        Ok(algorithm)
    })
    .map_err(|_| SignatureFault::Wrong)?;
    let mut candidates = certificate_algorithms()
        .iter()
        .filter(|known| known.signature_alg_id().as_ref() == algorithm)
        .peekable();
    if candidates.peek().is_none() {
        return Err(SignatureFault::Unsupported(algorithm_name(algorithm)));
    }
    // Another kind of key cannot have made it: of two authorities with one name, the other one has.
    candidates
        .find(|known| known.public_key_alg_id().as_ref() == key_algorithm)
        .ok_or(SignatureFault::Wrong)?
        .verify_signature(&issuer.key_bits, message, signature)
        .map_err(|_| SignatureFault::Wrong)
}

/// Whether a hash will do that a signature was made with.
pub(super) fn check_hash(algorithm: &[u8], strength: Strength) -> Result<(), String> {
    let least = match strength {
        Strength::Default => 256,
        Strength::Cnsa1 => 384,
    };
    match hash_bits(algorithm) {
        Some(bits) if bits >= least => Ok(()),
        // Unknown algorithms cannot be verified anyway.
        _ => Err(algorithm_name(algorithm)),
    }
}

/// Whether a key will do.
pub(super) fn check_key(kind: KeyKind, strength: Strength) -> Result<(), String> {
    strength
        .takes(kind)
        .then_some(())
        .ok_or_else(|| match kind {
            KeyKind::Rsa { bits } => format!("an RSA key of {bits} bits"),
            KeyKind::EcdsaP256 => "a key on P-256".into(),
            KeyKind::EcdsaP384 => "a key on P-384".into(),
            KeyKind::EcdsaP521 => "a key on P-521".into(),
            KeyKind::Ed25519 => "an Ed25519 key".into(),
        })
}

const ED25519: ObjectIdentifier = oid("1.3.101.112");

/// Names and hash lengths of the algorithms that are met. PSS has its hash in its parameters.
const ALGORITHMS: &[(ObjectIdentifier, &str, Option<u16>)] = &[
    (oid("1.2.840.113549.1.1.2"), "RSA with MD2", Some(128)),
    (oid("1.2.840.113549.1.1.4"), "RSA with MD5", Some(128)),
    (oid("1.2.840.113549.1.1.5"), "RSA with SHA-1", Some(160)),
    (oid("1.2.840.113549.1.1.14"), "RSA with SHA-224", Some(224)),
    (oid("1.2.840.113549.1.1.11"), "RSA with SHA-256", Some(256)),
    (oid("1.2.840.113549.1.1.12"), "RSA with SHA-384", Some(384)),
    (oid("1.2.840.113549.1.1.13"), "RSA with SHA-512", Some(512)),
    (
        oid("1.2.840.113549.1.1.10"),
        "RSA-PSS with unusual parameters",
        None,
    ),
    (oid("1.2.840.10040.4.3"), "DSA with SHA-1", Some(160)),
    (oid("1.2.840.10045.4.1"), "ECDSA with SHA-1", Some(160)),
    (oid("1.2.840.10045.4.3.1"), "ECDSA with SHA-224", Some(224)),
    (oid("1.2.840.10045.4.3.2"), "ECDSA with SHA-256", Some(256)),
    (oid("1.2.840.10045.4.3.3"), "ECDSA with SHA-384", Some(384)),
    (oid("1.2.840.10045.4.3.4"), "ECDSA with SHA-512", Some(512)),
    (ED25519, "Ed25519", Some(512)),
    (oid("1.3.101.113"), "Ed448", Some(912)),
];

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

fn known(algorithm: &[u8]) -> Option<&'static (ObjectIdentifier, &'static str, Option<u16>)> {
    let id = ObjectIdentifier::decode(&mut asn1::Reader::new(algorithm).ok()?).ok()?;
    ALGORITHMS.iter().find(|(known, ..)| *known == id)
}

fn hash_bits(algorithm: &[u8]) -> Option<u16> {
    let pss = [
        (alg_id::RSA_PSS_SHA256, 256),
        (alg_id::RSA_PSS_SHA384, 384),
        (alg_id::RSA_PSS_SHA512, 512),
    ];
    pss.iter()
        .find_map(|(known, bits)| (known.as_ref() == algorithm).then_some(*bits))
        .or_else(|| known(algorithm).and_then(|(.., bits)| *bits))
}

fn algorithm_name(algorithm: &[u8]) -> String {
    let id = asn1::Reader::new(algorithm)
        .ok()
        .and_then(|mut reader| ObjectIdentifier::decode(&mut reader).ok());
    match (known(algorithm), id) {
        (Some((_, name, _)), _) => (*name).into(),
        (None, Some(id)) => format!("the algorithm {id}"),
        (None, None) => "an algorithm without a name".into(),
    }
}
