//! What can be wrong with a key, and with a signature. Nothing here carries a secret.

use super::{Fingerprint, KeyKind, SignatureScheme};

/// Why bytes are not a key that we use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The structure cannot be read.
    #[error("the {what} cannot be read: {reason}")]
    Malformed {
        /// Which structure.
        what: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// An algorithm that is not for signatures, or that we have not.
    #[error(
        "{0} keys are not supported; RSA, ECDSA on P-256, P-384 or P-521, and Ed25519 keys are"
    )]
    Algorithm(String),
    /// id-RSASSA-PSS: certificates with it could not be checked by most peers.
    #[error(
        "RSA keys that are bound to PSS (id-RSASSA-PSS) are not supported; make the key as plain RSA (`openssl genpkey \
         -algorithm RSA`), with which PSS signatures are made all the same"
    )]
    BoundToPss,
    /// A curve that we have not.
    #[error("ECDSA keys on the curve {0} are not supported; those on P-256, P-384 and P-521 are")]
    Curve(String),
    /// RFC 5480 section 2.1.1 forbids curves spelled out in numbers.
    #[error(
        "the curve of the ECDSA key is given by its parameters instead of its name; make the key again with `-pkeyopt ec_param_enc:named_curve`"
    )]
    UnnamedCurve,
    /// A compressed or hybrid point.
    #[error(
        "the ECDSA public key is not an uncompressed point, the only form that IKE peers have in common"
    )]
    PointForm,
    /// A point that is not on the curve, or at infinity.
    #[error("the ECDSA public key is not a point on its curve")]
    Point,
    /// An Ed25519 point of small order, under which signatures can be made without a private key.
    #[error("the Ed25519 public key is a point of small order, under which anybody can sign")]
    SmallOrder,
    /// An RSA modulus that is zero or even.
    #[error("the RSA modulus is {0}, and so not a product of two large primes")]
    Modulus(&'static str),
    /// An RSA public exponent that is even, below 3 or above 2^33 - 1.
    #[error("the RSA public exponent must be odd, at least 3 and below 2^33")]
    Exponent,
    /// RSA with less than 2048 bits.
    #[error("the RSA key has {bits} bits; 2048 are the least")]
    RsaTooShort {
        /// Of the modulus.
        bits: u32,
    },
    /// RSA with more than 8192 bits, or more than 4096 where it is to sign.
    #[error("the RSA key has {bits} bits; {most} are the most that can be {}", if *.most == 4096 { "signed with" } else { "verified with" })]
    RsaTooLong {
        /// Of the modulus.
        bits: u32,
        /// What would do.
        most: u32,
    },
    /// There is no PEM block and no DER in the file.
    #[error("there is no private key in it: neither a PEM block nor DER")]
    NotAKey,
    /// There is something else instead of a private key.
    #[error("there is no private key in it, but {0}")]
    SomethingElse(&'static str),
    /// More than one private key.
    #[error("there are {0} private keys in it; put each into a file of its own")]
    Several(usize),
    /// A PEM block without its end, or with broken base64.
    #[error("the PEM block ({label}) is broken: {reason}")]
    Pem {
        /// What stands after BEGIN.
        label: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// OpenSSL's or OpenSSH's own encodings.
    #[error("{what}; convert it with `{command}`")]
    Convert {
        /// What it is.
        what: &'static str,
        /// How it becomes something that we read.
        command: &'static str,
    },
    /// Encrypted, and no passphrase given.
    #[error("the private key is encrypted, and there is no passphrase for it")]
    PassphraseMissing,
    /// Encrypted with another passphrase, or damaged.
    #[error("the passphrase does not open the private key")]
    PassphraseWrong,
    /// Encrypted by a method that we have not.
    #[error(
        "the private key is encrypted by a method that is not supported; encrypt it anew with `openssl pkcs8 -topk8 -v2 \
         aes-256-cbc -v2prf hmacWithSHA256 -in old.key -out new.key`"
    )]
    EncryptionMethod,
    /// The parts of the private key contradict one another.
    #[error("the private key is inconsistent: {0}")]
    Inconsistent(String),
}

/// Why a signature is not made, or not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The key is of another kind, or the hash is not one for it.
    #[error("{scheme} is nothing that a key of the kind {kind} does")]
    Scheme {
        /// What kind of key.
        kind: KeyKind,
        /// What was asked of it.
        scheme: SignatureScheme,
    },
    /// PSS with another salt than one as long as the hash.
    #[error(
        "the RSA PSS salt has {actual} bytes; only {expected}, the length of the hash, are accepted"
    )]
    SaltLength {
        /// The length of the hash in bytes.
        expected: usize,
        /// The length of the salt in bytes.
        actual: usize,
    },
    /// Signatures with SHA-1 are verified at most.
    #[error("signatures with SHA-1 are never made")]
    Sha1,
    /// The signature is not that of this key on this message.
    #[error("the signature ({scheme}) was not made with the key {key} on these octets")]
    Wrong {
        /// How it was verified.
        scheme: SignatureScheme,
        /// The key.
        key: Fingerprint,
    },
    /// The computation failed: no randomness, or a private key that is damaged in memory.
    #[error(
        "the key {0} did not produce a signature: the system has no randomness, or the key is damaged"
    )]
    Failed(Fingerprint),
}
