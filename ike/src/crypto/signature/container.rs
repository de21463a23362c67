//! The files that private keys come in: PEM (RFC 7468) or DER; PKCS#8, encrypted or not (RFC 5958, RFC 8018), PKCS#1
//! (RFC 8017) for RSA and SEC1 (RFC 5915) for ECDSA.
//!
//! ```text
//!   bytes --PEM--> one block --label--+
//!     |                               +--> EncryptedPrivateKeyInfo --passphrase--> PrivateKeyInfo --algorithm--> Material
//!     +-----DER----------first fields-+--> PrivateKeyInfo, RSAPrivateKey, ECPrivateKey --------------------------^
//! ```

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, SequenceRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument, pkcs5};
use zeroize::Zeroizing;

use super::public::{EC_PUBLIC_KEY, ED25519, RSA_ENCRYPTION, curve, malformed, unsupported};
use super::{KeyError, KeyKind};

/// What is inside all containers.
pub(super) enum Material<'a> {
    /// The DER of an RSAPrivateKey.
    Rsa(&'a [u8]),
    /// The scalar of an ECDSA key, and the public point where it is there.
    Ecdsa {
        kind: KeyKind,
        scalar: &'a [u8],
        point: Option<&'a [u8]>,
    },
    /// The 32 bytes of an Ed25519 key, and the public half where it is there.
    Ed25519 {
        seed: &'a [u8],
        public: Option<&'a [u8]>,
    },
}

/// Finds the one private key in `bytes`, opens it with the passphrase if it is encrypted, and hands it to `take`.
pub(super) fn open<T>(
    bytes: &[u8],
    passphrase: Option<&[u8]>,
    take: impl Fn(Material<'_>) -> Result<T, KeyError>,
) -> Result<T, KeyError> {
    let from_pem;
    let der = if is_pem(bytes) {
        from_pem = private_block(&Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()))?;
        from_pem.as_bytes()
    } else {
        bytes
    };
    match Container::of(der)? {
        Container::Pkcs8 => take(from_pkcs8(der)?),
        Container::Pkcs1 => take(Material::Rsa(der)),
        Container::Sec1 => take(from_sec1(der, None)?),
        Container::Encrypted => {
            let decrypted = decrypt(der, passphrase.ok_or(KeyError::PassphraseMissing)?)?;
            let material = from_pkcs8(decrypted.as_bytes());
            // One wrong passphrase in 256 leaves what looks like padding, and rubbish before it.
            take(material.map_err(|error| match error {
                KeyError::Malformed { .. } => KeyError::PassphraseWrong,
                other => other,
            })?)
        }
    }
}

fn is_pem(bytes: &[u8]) -> bool {
    bytes
        .windows(BEGIN.len())
        .any(|window| window == BEGIN.as_bytes())
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The DER in the only block of a private key; blocks of other things may stand beside it.
fn private_block(text: &str) -> Result<SecretDocument, KeyError> {
    let mut keys = Vec::new();
    let mut other = None;
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        let after = &rest[start + BEGIN.len()..];
        let first_line = after.lines().next().unwrap_or_default();
        // What is no label that we know may be a part of the key, and is never shown.
        let label = first_line.find(DASHES).map(|end| &first_line[..end]);
        let known = KNOWN_LABELS.into_iter().find(|known| label == Some(known));
        let broken = |reason: &str| KeyError::Pem {
            label: known.unwrap_or("of a kind unknown"),
            reason: reason.into(),
        };
        let label = label.ok_or_else(|| broken("its first line does not end in -----"))?;
        let body = &after[label.len() + DASHES.len()..];
        let end = format!("{END}{label}{DASHES}");
        let length = body
            .find(&end)
            .ok_or_else(|| broken("its last line is missing"))?;
        match kind_of_block(known) {
            Block::PrivateKey(label) => keys.push((label, &body[..length])),
            Block::Convert(what, command) => return Err(KeyError::Convert { what, command }),
            Block::Beside => (),
            Block::Other(what) => other = other.or(Some(what)),
        }
        rest = &body[length + end.len()..];
    }
    match keys[..] {
        [(label, body)] => decode_block(label, body),
        [] => Err(other.map_or(KeyError::NotAKey, KeyError::SomethingElse)),
        _ => Err(KeyError::Several(keys.len())),
    }
}

/// What may stand between `-----BEGIN ` and `-----`.
const KNOWN_LABELS: [&str; 15] = [
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "DSA PRIVATE KEY",
    "EC PARAMETERS",
    "PUBLIC KEY",
    "RSA PUBLIC KEY",
    "CERTIFICATE",
    "TRUSTED CERTIFICATE",
    "X509 CERTIFICATE",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
    "X509 CRL",
];

enum Block {
    /// A private key, with its label.
    PrivateKey(&'static str),
    /// Something to be converted first: what it is, and how.
    Convert(&'static str, &'static str),
    /// What OpenSSL puts before an ECDSA key.
    Beside,
    /// Something else.
    Other(&'static str),
}

fn kind_of_block(label: Option<&'static str>) -> Block {
    match label.unwrap_or_default() {
        label
        @ ("PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY") => {
            Block::PrivateKey(label)
        }
        "OPENSSH PRIVATE KEY" => Block::Convert(
            "it is an OpenSSH private key",
            "ssh-keygen -p -N '' -m PKCS8 -f copy-of.key",
        ),
        "EC PARAMETERS" => Block::Beside,
        "DSA PRIVATE KEY" => Block::Other("a DSA key, an algorithm that is not supported"),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => Block::Other(PUBLIC_KEY),
        "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => Block::Other(CERTIFICATE),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            Block::Other("a certificate request; give the file of the key that it was made with")
        }
        "X509 CRL" => Block::Other("a list of revoked certificates (CRL)"),
        _ => Block::Other("a PEM block of a kind unknown"),
    }
}

const PUBLIC_KEY: &str = "a public key; give the file of its private half";
const CERTIFICATE: &str = "a certificate; give the file of the private key that belongs to it";

/// Decodes a block, in constant time as to its content.
fn decode_block(label: &'static str, body: &str) -> Result<SecretDocument, KeyError> {
    if body.contains("Proc-Type:") {
        return Err(KeyError::Convert {
            what: "the private key is encrypted in OpenSSL's old way, which opens to quick guessing",
            command: "openssl pkcs8 -topk8 -in old.key -out new.key",
        });
    }
    // The decoder wants lines of 64 characters; files have any. The space is there from the start, because a string that
    // grows leaves copies of itself behind.
    let mut pem = Zeroizing::new(String::with_capacity(
        2 * body.len() + 4 * label.len() + 128,
    ));
    pem.extend([BEGIN, label, DASHES]);
    let digits = body.chars().filter(|c| !c.is_ascii_whitespace());
    for (index, digit) in digits.enumerate() {
        if index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(digit);
    }
    pem.extend(["\n", END, label, DASHES, "\n"]);
    SecretDocument::from_pem(&pem)
        .map(|(_, document)| document)
        .map_err(|error| KeyError::Pem {
            label,
            reason: error.to_string(),
        })
}

/// The structures that hold a private key.
enum Container {
    Pkcs8,
    Pkcs1,
    Sec1,
    Encrypted,
}

impl Container {
    /// Tells by the first two fields.
    fn of(der: &[u8]) -> Result<Self, KeyError> {
        let first_two = |der| {
            let fields = <&SequenceRef>::from_der(der).ok()?;
            let mut fields = SliceReader::new(fields.as_bytes()).ok()?;
            let mut next = || Some(fields.decode::<AnyRef<'_>>().ok()?.tag());
            Some((next()?, next()?))
        };
        match first_two(der).ok_or(KeyError::NotAKey)? {
            (Tag::Integer, Tag::Sequence) => Ok(Self::Pkcs8),
            (Tag::Integer, Tag::Integer) => Ok(Self::Pkcs1),
            (Tag::Integer, Tag::OctetString) => Ok(Self::Sec1),
            (Tag::Sequence, Tag::OctetString) => Ok(Self::Encrypted),
            (Tag::Sequence, Tag::BitString) => Err(KeyError::SomethingElse(PUBLIC_KEY)),
            (Tag::Sequence, Tag::Sequence) => Err(KeyError::SomethingElse(CERTIFICATE)),
            _ => Err(KeyError::NotAKey),
        }
    }
}

/// Opens an EncryptedPrivateKeyInfo.
fn decrypt(der: &[u8], passphrase: &[u8]) -> Result<SecretDocument, KeyError> {
    let info = EncryptedPrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::EncryptionMethod)?;
    info.decrypt(passphrase).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(
            pkcs5::Error::AlgorithmParametersInvalid { .. }
            | pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs5::Error::NoPbes1CryptSupport,
        ) => KeyError::EncryptionMethod,
        _ => KeyError::PassphraseWrong,
    })
}

/// What a PrivateKeyInfo holds.
fn from_pkcs8(der: &[u8]) -> Result<Material<'_>, KeyError> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(malformed("private key (PKCS#8)"))?;
    let AlgorithmIdentifierRef { oid, parameters } = info.algorithm;
    match oid {
        RSA_ENCRYPTION => Ok(Material::Rsa(info.private_key.as_bytes())),
        EC_PUBLIC_KEY => from_sec1(info.private_key.as_bytes(), Some(curve(parameters)?)),
        ED25519 => Ok(Material::Ed25519 {
            seed: <&OctetStringRef>::from_der(info.private_key.as_bytes())
                .map_err(malformed("Ed25519 private key"))?
                .as_bytes(),
            public: info.public_key.and_then(|bits| bits.as_bytes()),
        }),
        other => Err(unsupported(other)),
    }
}

/// ECPrivateKey, RFC 5915 section 3.
#[derive(der::Sequence)]
struct EcPrivateKey<'a> {
    version: u8,
    private_key: &'a OctetStringRef,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    parameters: Option<AnyRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    public_key: Option<BitStringRef<'a>>,
}

/// What an ECPrivateKey holds. The curve is named by the PKCS#8 around it, else by itself.
fn from_sec1(der: &[u8], outer: Option<KeyKind>) -> Result<Material<'_>, KeyError> {
    let key = EcPrivateKey::from_der(der).map_err(malformed("ECDSA private key (SEC1)"))?;
    if key.version != 1 {
        return Err(KeyError::Malformed {
            what: "ECDSA private key (SEC1)",
            reason: format!("its version is {} instead of 1", key.version),
        });
    }
    let inner = key.parameters.map(|any| curve(Some(any))).transpose()?;
    let kind = match (outer, inner) {
        (Some(outer), Some(inner)) if outer != inner => {
            return Err(KeyError::Inconsistent(format!(
                "it names two curves, {outer} and {inner}"
            )));
        }
        (Some(kind), _) | (None, Some(kind)) => kind,
        (None, None) => return Err(KeyError::UnnamedCurve),
    };
    Ok(Material::Ecdsa {
        kind,
        scalar: key.private_key.as_bytes(),
        point: key.public_key.and_then(|bits| bits.as_bytes()),
    })
}

/// The object identifier of a curve, for the public half.
pub(super) fn curve_identifier(kind: KeyKind) -> ObjectIdentifier {
    match kind {
        KeyKind::EcdsaP256 => super::ecdsa::P256,
        KeyKind::EcdsaP384 => super::ecdsa::P384,
        _ => super::ecdsa::P521,
    }
}
