//! How the two ends of a connection prove who they are, as both daemons' configurations are made from it.

use std::path::PathBuf;

/// How this gateway proves who it is.
#[derive(Debug, Clone, Default)]
pub enum Proof {
    /// By the policy's pre-shared key.
    #[default]
    PreSharedKey,
    /// By a signature.
    Signature(Credential),
}

/// A private key, and what is shown for it.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The key's file.
    pub key: PathBuf,
    /// Its certificate, then the intermediates that are sent along. Empty: the peer knows the key itself.
    pub chain: Vec<PathBuf>,
}

/// How the other gateway must prove who it is.
#[derive(Debug, Clone, Default)]
pub enum Demand {
    /// By the policy's pre-shared key.
    #[default]
    PreSharedKey,
    /// By a certificate.
    Certificate(Authorities),
    /// By the key whose public half is in this file.
    PublicKey(PathBuf),
}

/// Whose certificates are believed.
#[derive(Debug, Clone, Default)]
pub struct Authorities {
    /// Trusted by themselves.
    pub anchors: Vec<PathBuf>,
    /// Certificates that a chain may need and the peer may not send.
    pub intermediates: Vec<PathBuf>,
    /// What is revoked, by file.
    pub crls: Vec<PathBuf>,
    /// Whether a certificate is refused unless something says that it is not revoked.
    pub strict: bool,
    /// Whether authentication method 1, RSA with SHA-1, will do. Only ikd reads it: strongSwan always takes it.
    pub rsa_sha1: bool,
}

/// Which signatures strongSwan makes and asks for: ikd decides by its key and by what the peer announces.
#[derive(Debug, Clone)]
pub struct StrongswanSignatures {
    /// strongSwan's word for how it signs: `pubkey` for the best that its key can do, `ike:rsa/pss-sha512`, ...
    pub scheme: &'static str,
    /// Whether it announces SIGNATURE_HASH_ALGORITHMS (RFC 7427). If not, the methods 1, 9, 10 and 11 are left.
    pub announces_hashes: bool,
}

impl Default for StrongswanSignatures {
    fn default() -> Self {
        Self {
            scheme: "pubkey",
            announces_hashes: true,
        }
    }
}
