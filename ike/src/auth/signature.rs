//! Authentication by signatures: which method and scheme we take, and what stands in an AUTH payload (RFC 7427, RFC 8420,
//! RFC 4754, RFC 7296 section 3.8).
//!
//! ```text
//!   ours:  KeyKind, peer's SIGNATURE_HASH_ALGORITHMS --choose--> SigningMethod --owner signs--> encode --> AUTH data
//!   peer's: AUTH data, PublicKey --decode--> scheme, signature --allowed--> PublicKey::verify
//! ```
//!
//! | method | data | when |
//! |---|---|---|
//! | 14, Digital Signature | length, AlgorithmIdentifier, signature | the peer sent SIGNATURE_HASH_ALGORITHMS |
//! | 9, 10, 11, ECDSA | r and s | it did not, and the key is on P-256, P-384 or P-521 |
//! | 1, RSA with SHA-1 | signature | never ours; the peer's only where the policy names it |

use std::fmt;

use der::asn1::{AnyRef, IntRef, ObjectIdentifier};
use der::{Decode, Sequence};
use pkcs8::spki::AlgorithmIdentifierRef;

use crate::config::{SignatureDemand, Strength};
use crate::crypto::signature::{KeyKind, PublicKey, SignatureScheme, hash_length};
use crate::wire::numbers::{AuthMethod, HashAlgorithm as Hash};

/// The hashes that a peer verifies with: what its SIGNATURE_HASH_ALGORITHMS says, without the numbers we do not know.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerHashes {
    /// Bit n: the hash with the number n.
    bits: u8,
}

impl PeerHashes {
    /// Reads the data of the notify: 16-bit numbers, of which unknown ones are ignored.
    ///
    /// # Errors
    /// [`OddLength`].
    pub fn parse(data: &[u8]) -> Result<Self, OddLength> {
        let (numbers, []) = data.as_chunks::<2>() else {
            return Err(OddLength(data.len()));
        };
        Ok(numbers
            .iter()
            .map(|&number| Hash(u16::from_be_bytes(number)))
            .collect())
    }

    /// Whether the peer takes signatures with this hash.
    #[must_use]
    pub const fn contains(&self, hash: Hash) -> bool {
        hash.0 < 8 && self.bits >> hash.0 & 1 == 1
    }

    /// The hashes, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = Hash> {
        KNOWN.into_iter().filter(|&hash| self.contains(hash))
    }
}

impl FromIterator<Hash> for PeerHashes {
    fn from_iter<T: IntoIterator<Item = Hash>>(hashes: T) -> Self {
        let known = hashes.into_iter().filter(|hash| KNOWN.contains(hash));
        Self {
            bits: known.fold(0, |bits, hash| bits | 1 << hash.0),
        }
    }
}

impl fmt::Debug for PeerHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// SIGNATURE_HASH_ALGORITHMS with an odd number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SIGNATURE_HASH_ALGORITHMS has {0} bytes, which are not whole 16-bit numbers")]
pub struct OddLength(pub usize);

const KNOWN: [Hash; 5] = [
    Hash::SHA1,
    Hash::SHA2_256,
    Hash::SHA2_384,
    Hash::SHA2_512,
    Hash::IDENTITY,
];

/// The data of our own SIGNATURE_HASH_ALGORITHMS: what we let the peer sign with, where that much strength is demanded.
/// Never SHA-1.
#[must_use]
pub fn hash_algorithms(demanded: Strength) -> Vec<u8> {
    let hashes = KNOWN
        .into_iter()
        .filter(|&hash| strong_hash(hash, demanded));
    hashes.flat_map(|hash| hash.0.to_be_bytes()).collect()
}

/// How we sign in one IKE_AUTH exchange. Only [`choose`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningMethod {
    method: AuthMethod,
    scheme: SignatureScheme,
}

impl SigningMethod {
    /// The authentication method, for the AUTH payload.
    #[must_use]
    pub const fn method(&self) -> AuthMethod {
        self.method
    }

    /// The scheme, for the key.
    #[must_use]
    pub const fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

/// Why a key of ours cannot sign for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoMethod {
    /// No SIGNATURE_HASH_ALGORITHMS, and no method of its own for the key.
    #[error(
        "the peer did not announce Digital Signatures (RFC 7427), without which a key of the kind {0} cannot sign; switch \
         them on at the peer, or give this connection an ECDSA key on P-256, P-384 or P-521"
    )]
    NotAnnounced(KeyKind),
    /// The peer takes none of the hashes that go with the key.
    #[error(
        "the peer verifies with {peer:?} only, and a key of the kind {kind} signs with none of them"
    )]
    NoCommonHash {
        /// Our key.
        kind: KeyKind,
        /// What the peer announced.
        peer: PeerHashes,
    },
    /// Our own key is not what the connection demands.
    #[error("{0}")]
    TooWeak(#[from] NotAllowed),
}

/// Chooses how a key of ours signs: the first of its schemes, best first, whose hash the peer has announced and `strength`
/// allows; so RSA always signs with PSS. Without an announcement the methods of RFC 4754 remain.
///
/// # Errors
/// See [`NoMethod`].
pub fn choose(
    kind: KeyKind,
    peer: Option<&PeerHashes>,
    strength: Strength,
) -> Result<SigningMethod, NoMethod> {
    strong_key(kind, strength)?;
    let Some(peer) = peer else {
        let found = CURVE_METHODS.into_iter().find(|row| row.kind == kind);
        return found.map_or(Err(NoMethod::NotAnnounced(kind)), |row| {
            Ok(SigningMethod {
                method: row.method,
                scheme: SignatureScheme::EcdsaRaw(row.hash),
            })
        });
    };
    kind.schemes()
        .iter()
        .find(|scheme| peer.contains(scheme.hash()) && strong_hash(scheme.hash(), strength))
        .map(|&scheme| SigningMethod {
            method: AuthMethod::DIGITAL_SIGNATURE,
            scheme,
        })
        .ok_or(NoMethod::NoCommonHash { kind, peer: *peer })
}

/// A method of RFC 4754 section 7: one curve, one hash, r and s of fixed length.
struct CurveMethod {
    method: AuthMethod,
    kind: KeyKind,
    hash: Hash,
    /// Of r and s together, in bytes.
    length: usize,
}

const CURVE_METHODS: [CurveMethod; 3] = [
    CurveMethod {
        method: AuthMethod::ECDSA_SHA256_P256,
        kind: KeyKind::EcdsaP256,
        hash: Hash::SHA2_256,
        length: 64,
    },
    CurveMethod {
        method: AuthMethod::ECDSA_SHA384_P384,
        kind: KeyKind::EcdsaP384,
        hash: Hash::SHA2_384,
        length: 96,
    },
    CurveMethod {
        method: AuthMethod::ECDSA_SHA512_P521,
        kind: KeyKind::EcdsaP521,
        hash: Hash::SHA2_512,
        length: 132,
    },
];

/// Authentication Data from a signature that was made with the scheme of `method`.
#[must_use]
pub fn encode(method: &SigningMethod, signature: &[u8]) -> Vec<u8> {
    let identifier = match method.method {
        AuthMethod::DIGITAL_SIGNATURE => identifier(method.scheme),
        _ => return signature.to_vec(),
    };
    let length = u8::try_from(identifier.len()).expect("identifiers have at most 72 bytes");
    [&[length], identifier, signature].concat()
}

/// Why the Authentication Data of a peer holds no signature that its key could have made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableSignature {
    /// Not a method of signatures, or DSS.
    #[error(
        "{0} is no signature method that we verify; the peer is to sign with RSA, ECDSA or Ed25519"
    )]
    Method(AuthMethod),
    /// The signature or the AlgorithmIdentifier is cut off, or the latter is not DER.
    #[error("the {0} of the authentication data is cut off or malformed")]
    Malformed(&'static str),
    /// A signature of another length than the method's.
    #[error("the signature has {actual} bytes; {method} takes {expected}")]
    Length {
        /// The method.
        method: AuthMethod,
        /// The bytes of r and s.
        expected: usize,
        /// The bytes received.
        actual: usize,
    },
    /// An algorithm that we have not.
    #[error(
        "the peer signs with the algorithm {0}, which is not supported; RSA, ECDSA and Ed25519 are"
    )]
    Algorithm(String),
    /// SHA-1 under method 14.
    #[error(
        "the peer signs with SHA-1, although we announced that we do not take it; let it use SHA2-256 or more"
    )]
    Sha1,
    /// A known algorithm with parameters that it must not have, or without those it must.
    #[error("the parameters of the peer's {0} signature are not those of RFC 7427 appendix A")]
    Parameters(&'static str),
    /// MGF1 on another hash than the message's, or another function.
    #[error("the peer's RSA PSS signature does not use MGF1 with the hash of the message")]
    MaskGeneration,
    /// PSS with a salt that is negative, or not as long as the hash.
    #[error("the peer's RSA PSS salt is not as long as the hash, {expected} bytes, but {}", match actual {
        Some(actual) => format!("{actual} bytes"),
        None => "no sensible number".into(),
    })]
    SaltLength {
        /// The length of the hash in bytes.
        expected: usize,
        /// What it says; `None`: negative, or beyond 65535.
        actual: Option<u16>,
    },
    /// PSS with another trailer field than 1.
    #[error("the trailer field of the peer's RSA PSS signature is not 1")]
    Trailer,
    /// The method or algorithm is for another kind of key than that in the peer's certificate.
    #[error("the peer signed with {algorithm}, but the key in its certificate is {kind}")]
    OtherKey {
        /// The method, or the scheme.
        algorithm: String,
        /// The peer's key.
        kind: KeyKind,
    },
}

/// Takes the Authentication Data of a peer apart: how it signed, and the signature. What comes out, the key can verify;
/// whether that will do, says [`allowed`].
///
/// # Errors
/// See [`UnreadableSignature`].
pub fn decode<'a>(
    method: AuthMethod,
    data: &'a [u8],
    key: &PublicKey,
) -> Result<(SignatureScheme, &'a [u8]), UnreadableSignature> {
    let kind = key.kind();
    let (scheme, signature) = match method {
        AuthMethod::DIGITAL_SIGNATURE => {
            let (identifier, signature) = data
                .split_first()
                .and_then(|(&length, rest)| rest.split_at_checked(usize::from(length)))
                .ok_or(UnreadableSignature::Malformed("algorithm"))?;
            (scheme_of(identifier)?, signature)
        }
        AuthMethod::RSA_SIGNATURE => (SignatureScheme::RsaPkcs1(Hash::SHA1), data),
        _ => {
            let found = CURVE_METHODS.into_iter().find(|row| row.method == method);
            let row = found.ok_or(UnreadableSignature::Method(method))?;
            if row.kind != kind {
                let algorithm = method.to_string();
                return Err(UnreadableSignature::OtherKey { algorithm, kind });
            }
            if data.len() != row.length {
                return Err(UnreadableSignature::Length {
                    method,
                    expected: row.length,
                    actual: data.len(),
                });
            }
            (SignatureScheme::EcdsaRaw(row.hash), data)
        }
    };
    if signature.is_empty() {
        return Err(UnreadableSignature::Malformed("signature"));
    }
    if kind.check(scheme).is_err() {
        let algorithm = scheme.to_string();
        return Err(UnreadableSignature::OtherKey { algorithm, kind });
    }
    Ok((scheme, signature))
}

/// Why a signature will not do, however right it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAllowed {
    /// SHA-1, which the policy does not name.
    #[error(
        "the signature is RSA with SHA-1 (method 1), which is accepted only where the policy names it; let the peer use \
         Digital Signatures (RFC 7427)"
    )]
    Sha1,
    /// The key is too short, or of a kind that the strength leaves out.
    #[error("a key of the kind {kind} is not enough; {}", match strength {
        Strength::Default => "RSA takes 2048 bits or more",
        Strength::Cnsa1 => "cnsa1 takes RSA from 3072 bits, or ECDSA on P-384",
    })]
    Key {
        /// The key.
        kind: KeyKind,
        /// What was demanded.
        strength: Strength,
    },
    /// The hash is too short.
    #[error("{hash} is not enough for cnsa1, which takes SHA2-384 or SHA2-512")]
    Hash {
        /// The hash.
        hash: Hash,
    },
}

/// Whether a peer may sign so: RSA with SHA-1 only where the policy names it, else SHA-2 or Ed25519; keys and hashes as
/// the demanded [`Strength`] says.
///
/// # Errors
/// See [`NotAllowed`].
pub fn allowed(
    scheme: SignatureScheme,
    kind: KeyKind,
    demand: &SignatureDemand,
) -> Result<(), NotAllowed> {
    let hash = scheme.hash();
    if hash == Hash::SHA1 && !demand.rsa_sha1 {
        return Err(NotAllowed::Sha1);
    }
    strong_key(kind, demand.strength)?;
    if demand.strength != Strength::Default && !strong_hash(hash, demand.strength) {
        return Err(NotAllowed::Hash { hash });
    }
    Ok(())
}

/// Whether a key is as strong as demanded: a peer's, ours, or one that signs certificates.
///
/// # Errors
/// [`NotAllowed::Key`].
pub const fn strong_key(kind: KeyKind, strength: Strength) -> Result<(), NotAllowed> {
    if strength.takes(kind) {
        Ok(())
    } else {
        Err(NotAllowed::Key { kind, strength })
    }
}

/// Whether a hash is as strong as demanded.
fn strong_hash(hash: Hash, strength: Strength) -> bool {
    match strength {
        Strength::Default => hash != Hash::SHA1,
        Strength::Cnsa1 => [Hash::SHA2_384, Hash::SHA2_512].contains(&hash),
    }
}

// What follows is DER: RFC 7427 appendix A, RFC 8420 appendix A, RFC 4055 section 3.1.

/// AlgorithmIdentifiers without variants.
const FIXED: [(SignatureScheme, &[u8]); 7] = [
    (SignatureScheme::RsaPkcs1(Hash::SHA2_256), &rsa_pkcs1(11)),
    (SignatureScheme::RsaPkcs1(Hash::SHA2_384), &rsa_pkcs1(12)),
    (SignatureScheme::RsaPkcs1(Hash::SHA2_512), &rsa_pkcs1(13)),
    (SignatureScheme::Ecdsa(Hash::SHA2_256), &ecdsa(2)),
    (SignatureScheme::Ecdsa(Hash::SHA2_384), &ecdsa(3)),
    (SignatureScheme::Ecdsa(Hash::SHA2_512), &ecdsa(4)),
    (SignatureScheme::Ed25519, &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70]),
];

/// shaNNNWithRSAEncryption, 1.2.840.113549.1.1.`last`, with NULL.
const fn rsa_pkcs1(last: u8) -> [u8; 15] {
    [
        0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last, 5, 0,
    ]
}

/// ecdsa-with-SHANNN, 1.2.840.10045.4.3.`last`, without parameters.
const fn ecdsa(last: u8) -> [u8; 12] {
    [0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, last]
}

/// id-RSASSA-PSS with the hash 2.16.840.1.101.3.4.2.`hash`, MGF1 on it, a salt of `salt` bytes, trailer field 1.
#[rustfmt::skip]
const fn rsa_pss(hash: u8, salt: u8) -> [u8; 72] {
    [
        0x30, 70, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10, 0x30, 57,
        0xa0, 15, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 5, 0,
        0xa1, 28, 0x30, 26, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8,
        0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 5, 0,
        0xa2, 3, 2, 1, salt, 0xa3, 3, 2, 1, 1,
    ]
}

/// The AlgorithmIdentifier of a scheme that [`choose`] chooses.
fn identifier(scheme: SignatureScheme) -> &'static [u8] {
    const SHA2_256: [u8; 72] = rsa_pss(1, 32);
    const SHA2_384: [u8; 72] = rsa_pss(2, 48);
    const SHA2_512: [u8; 72] = rsa_pss(3, 64);
    if let SignatureScheme::RsaPss { hash, .. } = scheme {
        return match hash {
            Hash::SHA2_256 => &SHA2_256,
            Hash::SHA2_384 => &SHA2_384,
            _ => &SHA2_512,
        };
    }
    let row = FIXED.iter().find(|(fixed, _)| *fixed == scheme);
    row.expect("choose() takes only schemes that have an identifier")
        .1
}

/// The scheme that an AlgorithmIdentifier names, byte for byte but for the variants of PSS.
fn scheme_of(identifier: &[u8]) -> Result<SignatureScheme, UnreadableSignature> {
    if let Some((scheme, _)) = FIXED.iter().find(|(_, fixed)| *fixed == identifier) {
        return Ok(*scheme);
    }
    let AlgorithmIdentifierRef { oid, parameters } =
        AlgorithmIdentifierRef::from_der(identifier)
            .map_err(|_| UnreadableSignature::Malformed("algorithm"))?;
    match oid.to_string().as_str() {
        "1.2.840.113549.1.1.10" => pss_scheme(parameters),
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" => {
            Err(UnreadableSignature::Sha1)
        }
        "1.2.840.113549.1.1.11" | "1.2.840.113549.1.1.12" | "1.2.840.113549.1.1.13" => {
            Err(UnreadableSignature::Parameters("RSA PKCS#1 v1.5"))
        }
        "1.2.840.10045.4.3.2" | "1.2.840.10045.4.3.3" | "1.2.840.10045.4.3.4" => {
            Err(UnreadableSignature::Parameters("ECDSA"))
        }
        "1.3.101.112" => Err(UnreadableSignature::Parameters("Ed25519")),
        "1.3.101.113" => Err(UnreadableSignature::Algorithm("Ed448".into())),
        "2.16.840.1.101.3.4.3.2" => Err(UnreadableSignature::Algorithm("DSA with SHA2-256".into())),
        other => Err(UnreadableSignature::Algorithm(other.into())),
    }
}

/// RSASSA-PSS-params, RFC 4055 section 3.1. What is left out means SHA-1, MGF1 with SHA-1, 20 bytes, 1.
#[derive(Sequence)]
struct PssParameters<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask_generation: Option<AlgorithmIdentifierRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt_length: Option<IntRef<'a>>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer_field: Option<IntRef<'a>>,
}

fn pss_scheme(parameters: Option<AnyRef<'_>>) -> Result<SignatureScheme, UnreadableSignature> {
    const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
    let wrong = UnreadableSignature::Parameters("RSA PSS");
    let parameters: PssParameters<'_> = parameters
        .and_then(|any| any.decode_as().ok())
        .ok_or_else(|| wrong.clone())?;
    let hash = parameters.hash.ok_or(UnreadableSignature::Sha1)?;
    let hash = match hash_of(&hash).ok_or(wrong)? {
        Hash::SHA1 => return Err(UnreadableSignature::Sha1),
        hash => hash,
    };
    let mask_generation = parameters.mask_generation.filter(|mgf| mgf.oid == MGF1);
    let mask_hash = mask_generation
        .and_then(|mgf| mgf.parameters)
        .and_then(|any| any.decode_as::<AlgorithmIdentifierRef<'_>>().ok());
    if mask_hash.and_then(|mask_hash| hash_of(&mask_hash)) != Some(hash) {
        return Err(UnreadableSignature::MaskGeneration);
    }
    let expected = hash_length(hash);
    let actual = parameters.salt_length.map_or(Some(20), small);
    if actual.map(usize::from) != Some(expected) {
        return Err(UnreadableSignature::SaltLength { expected, actual });
    }
    if parameters
        .trailer_field
        .is_some_and(|field| small(field) != Some(1))
    {
        return Err(UnreadableSignature::Trailer);
    }
    Ok(SignatureScheme::rsa_pss(hash))
}

/// The hash that an AlgorithmIdentifier names. Its parameters are NULL, or (RFC 4055 section 2.1) absent.
fn hash_of(identifier: &AlgorithmIdentifierRef<'_>) -> Option<Hash> {
    if identifier.parameters.is_some_and(|any| !any.is_null()) {
        return None;
    }
    match identifier.oid.to_string().as_str() {
        "1.3.14.3.2.26" => Some(Hash::SHA1),
        "2.16.840.1.101.3.4.2.1" => Some(Hash::SHA2_256),
        "2.16.840.1.101.3.4.2.2" => Some(Hash::SHA2_384),
        "2.16.840.1.101.3.4.2.3" => Some(Hash::SHA2_512),
        _ => None,
    }
}

/// A number of 0 to 65535; `None` for any other.
fn small(number: IntRef<'_>) -> Option<u16> {
    match *number.as_bytes() {
        [low @ ..0x80] => Some(low.into()),
        [high @ ..0x80, low] => Some(u16::from_be_bytes([high, low])),
        [0, high, low] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}
