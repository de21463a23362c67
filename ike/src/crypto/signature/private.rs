//! Private keys: from a file's bytes to signatures.

use der::asn1::{AnyRef, BitStringRef, UintRef};
use der::{Decode, Encode, Sequence};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use ring::rand::SystemRandom;
use ring::signature as ring_signature;
use ring::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair};

use crate::wire::numbers::HashAlgorithm as Hash;

use super::container::{self, Material, curve_identifier};
use super::ecdsa::{self, p256, p384, p521};
use super::public::{EC_PUBLIC_KEY, ED25519, RSA_ENCRYPTION, RsaPublicKey, malformed};
use super::{KeyError, KeyKind, PublicKey, SignatureError, SignatureScheme};

/// The most bits of an RSA modulus that ring signs with.
const RSA_BITS_TO_SIGN: u32 = 4096;

/// A private key that signs.
///
/// `Debug` prints what kind of key it is and its fingerprint. What was read from the file on the way, and the RustCrypto
/// keys, wipe themselves; ring wipes nothing, so that its copy of an RSA, P-256, P-384 or Ed25519 key stays in memory
/// that is free until that is used again.
pub struct PrivateKey {
    public: PublicKey,
    signer: Signer,
}

/// Who signs.
enum Signer {
    Rsa(Box<RsaKeyPair>),
    /// ring with the curve's own hash, RustCrypto with the others.
    P256(Box<(EcdsaKeyPair, p256::SigningKey)>),
    P384(Box<(EcdsaKeyPair, p384::SigningKey)>),
    P521(Box<p521::SigningKey>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl PrivateKey {
    /// Reads a private key from the bytes of a file: PEM, in which other things than private keys may stand beside it, or
    /// DER; PKCS#8, PKCS#1, SEC1, or PKCS#8 encrypted with PBES2 (AES-CBC, with PBKDF2 on SHA-2 or scrypt).
    ///
    /// RSA signs with 2048 to 4096 bits, a limit of ring. The passphrase is ignored where nothing is encrypted.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn read(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        container::open(bytes, passphrase, |material| match material {
            Material::Rsa(der) => Self::rsa(der),
            Material::Ecdsa {
                kind,
                scalar,
                point,
            } => Self::ecdsa(kind, scalar, point),
            Material::Ed25519 { seed, public } => Self::ed25519(seed, public),
        })
    }

    /// The public half.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs. ECDSA and PSS signatures differ each time, but for ECDSA with what ring has not, which RFC 6979 makes
    /// deterministic.
    ///
    /// # Errors
    /// [`SignatureError::Scheme`] or [`SignatureError::SaltLength`] where the key cannot do that,
    /// [`SignatureError::Sha1`], [`SignatureError::Failed`].
    pub fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        self.public.kind().check(scheme)?;
        if scheme.hash() == Hash::SHA1 {
            return Err(SignatureError::Sha1);
        }
        let signature = match &self.signer {
            Signer::Rsa(key) => rsa_sign(key, scheme, message),
            Signer::Ed25519(key) => Some(key.sign(message).as_ref().to_vec()),
            Signer::P256(keys) => match scheme.hash() {
                Hash::SHA2_256 => ring_sign(&keys.0, message),
                hash => p256::sign(&keys.1, ecdsa::digest(hash, message).as_ref()),
            },
            Signer::P384(keys) => match scheme.hash() {
                Hash::SHA2_384 => ring_sign(&keys.0, message),
                hash => p384::sign(&keys.1, ecdsa::digest(hash, message).as_ref()),
            },
            Signer::P521(key) => p521::sign(key, ecdsa::digest(scheme.hash(), message).as_ref()),
        };
        let encoded = signature.and_then(|signature| match (scheme, self.public.kind()) {
            (SignatureScheme::Ecdsa(_), KeyKind::EcdsaP256) => p256::to_der(&signature),
            (SignatureScheme::Ecdsa(_), KeyKind::EcdsaP384) => p384::to_der(&signature),
            (SignatureScheme::Ecdsa(_), KeyKind::EcdsaP521) => p521::to_der(&signature),
            _ => Some(signature),
        });
        encoded.ok_or_else(|| SignatureError::Failed(self.public.fingerprint()))
    }

    fn rsa(der: &[u8]) -> Result<Self, KeyError> {
        let key = RsaPrivateKey::from_der(der).map_err(malformed("RSA private key"))?;
        let public_key = RsaPublicKey {
            modulus: key.modulus,
            exponent: key.exponent,
        }
        .to_der()
        .map_err(malformed("RSA private key"))?;
        let public = public_half(
            AlgorithmIdentifierRef {
                oid: RSA_ENCRYPTION,
                parameters: Some(AnyRef::NULL),
            },
            &public_key,
        )?;
        if let KeyKind::Rsa { bits } = public.kind()
            && bits > RSA_BITS_TO_SIGN
        {
            let most = RSA_BITS_TO_SIGN;
            return Err(KeyError::RsaTooLong { bits, most });
        }
        let key = RsaKeyPair::from_der(der).map_err(inconsistent)?;
        // ring does not compare all parts of the key, but each signature with the public half.
        if rsa_sign(&key, SignatureScheme::RsaPkcs1(Hash::SHA2_256), b"").is_none() {
            return Err(KeyError::Inconsistent(
                "what it signs, its public half does not verify".into(),
            ));
        }
        Ok(Self {
            public,
            signer: Signer::Rsa(Box::new(key)),
        })
    }

    fn ecdsa(kind: KeyKind, scalar: &[u8], given: Option<&[u8]>) -> Result<Self, KeyError> {
        let out_of_range =
            || KeyError::Inconsistent("its number is zero or beyond the order of the curve".into());
        let ring_key = |algorithm, scalar: &[u8], point: &[u8]| {
            EcdsaKeyPair::from_private_key_and_public_key(
                algorithm,
                scalar,
                point,
                &SystemRandom::new(),
            )
            .map_err(inconsistent)
        };
        let (signer, point) = match kind {
            KeyKind::EcdsaP256 => {
                let (key, point) = p256::private_key(scalar).ok_or_else(out_of_range)?;
                let algorithm = &ring_signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let ring_key = ring_key(algorithm, scalar, &point)?;
                (Signer::P256(Box::new((ring_key, key))), point)
            }
            KeyKind::EcdsaP384 => {
                let (key, point) = p384::private_key(scalar).ok_or_else(out_of_range)?;
                let algorithm = &ring_signature::ECDSA_P384_SHA384_FIXED_SIGNING;
                let ring_key = ring_key(algorithm, scalar, &point)?;
                (Signer::P384(Box::new((ring_key, key))), point)
            }
            _ => {
                let (key, point) = p521::private_key(scalar).ok_or_else(out_of_range)?;
                (Signer::P521(Box::new(key)), point)
            }
        };
        check_public_half(given, &point)?;
        let curve = curve_identifier(kind);
        let public = public_half(
            AlgorithmIdentifierRef {
                oid: EC_PUBLIC_KEY,
                parameters: Some((&curve).into()),
            },
            &point,
        )?;
        Ok(Self { public, signer })
    }

    fn ed25519(seed: &[u8], given: Option<&[u8]>) -> Result<Self, KeyError> {
        let key = Ed25519KeyPair::from_seed_unchecked(seed).map_err(inconsistent)?;
        check_public_half(given, key.public_key().as_ref())?;
        let public = public_half(
            AlgorithmIdentifierRef {
                oid: ED25519,
                parameters: None,
            },
            key.public_key().as_ref(),
        )?;
        Ok(Self {
            public,
            signer: Signer::Ed25519(Box::new(key)),
        })
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, fingerprint) = (self.public.kind(), self.public.fingerprint());
        write!(f, "PrivateKey({kind}, {fingerprint})")
    }
}

/// RSAPrivateKey with two primes, RFC 8017 appendix A.1.2. ring reads the rest by itself.
#[derive(Sequence)]
struct RsaPrivateKey<'a> {
    version: u8,
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
    private_exponent: UintRef<'a>,
    prime_1: UintRef<'a>,
    prime_2: UintRef<'a>,
    exponent_1: UintRef<'a>,
    exponent_2: UintRef<'a>,
    coefficient: UintRef<'a>,
}

/// The public half, through the same checks as everybody's.
fn public_half(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Result<PublicKey, KeyError> {
    let error = malformed("public half of the private key");
    let info = SubjectPublicKeyInfoRef {
        algorithm,
        subject_public_key: BitStringRef::from_bytes(key).map_err(&error)?,
    };
    PublicKey::from_spki(&info.to_der().map_err(error)?)
}

/// Compares the public half that a file gives with the one that belongs to the private half.
fn check_public_half(given: Option<&[u8]>, right: &[u8]) -> Result<(), KeyError> {
    if given.is_none_or(|given| given == right) {
        return Ok(());
    }
    Err(KeyError::Inconsistent(
        "its public half belongs to another key".into(),
    ))
}

fn inconsistent(error: ring::error::KeyRejected) -> KeyError {
    KeyError::Inconsistent(error.to_string())
}

/// RSA, with ring. It checks its own result before it hands it out, against faults in the computation.
fn rsa_sign(key: &RsaKeyPair, scheme: SignatureScheme, message: &[u8]) -> Option<Vec<u8>> {
    let encoding: &dyn RsaEncoding = match scheme {
        SignatureScheme::RsaPkcs1(Hash::SHA2_256) => &ring_signature::RSA_PKCS1_SHA256,
        SignatureScheme::RsaPkcs1(Hash::SHA2_384) => &ring_signature::RSA_PKCS1_SHA384,
        SignatureScheme::RsaPkcs1(Hash::SHA2_512) => &ring_signature::RSA_PKCS1_SHA512,
        SignatureScheme::RsaPss { hash, .. } => match hash {
            Hash::SHA2_256 => &ring_signature::RSA_PSS_SHA256,
            Hash::SHA2_384 => &ring_signature::RSA_PSS_SHA384,
            Hash::SHA2_512 => &ring_signature::RSA_PSS_SHA512,
            _ => return None,
        },
        _ => return None,
    };
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(encoding, &SystemRandom::new(), message, &mut signature)
        .ok()?;
    Some(signature)
}

/// ECDSA, with ring: raw r | s.
fn ring_sign(key: &EcdsaKeyPair, message: &[u8]) -> Option<Vec<u8>> {
    let signature = key.sign(&SystemRandom::new(), message).ok()?;
    Some(signature.as_ref().to_vec())
}
