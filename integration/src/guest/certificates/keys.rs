//! Private keys of every kind that signs, each made once.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{HOME, run};

/// What kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// RSA, with the length of its modulus in bits.
    Rsa(u32),
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "rsa_{bits}"),
            Self::P256 => f.write_str("ecdsa_p256"),
            Self::P384 => f.write_str("ecdsa_p384"),
            Self::P521 => f.write_str("ecdsa_p521"),
            Self::Ed25519 => f.write_str("ed25519"),
        }
    }
}

impl Key {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Rsa(2048),
        Self::Rsa(3072),
        Self::Rsa(4096),
        Self::P256,
        Self::P384,
        Self::P521,
        Self::Ed25519,
    ];

    /// The file with the private key of this kind that belongs to `owner`; its public half is beside it as `.pub`.
    /// Owners share RSA keys, which take seconds to make: whoever proves something to another takes two kinds.
    pub fn file(self, owner: &str) -> Result<PathBuf> {
        let directory = Path::new(HOME).join("keys");
        let owner = if matches!(self, Self::Rsa(_)) {
            "all"
        } else {
            owner
        };
        let file = directory.join(format!("{self}-{}.pem", owner.replace([' ', '*'], "_")));
        if file.exists() {
            return Ok(file);
        }
        std::fs::create_dir_all(&directory)?;
        let mut openssl = Command::new("openssl");
        openssl.args(["genpkey", "-quiet", "-algorithm"]);
        match self {
            Self::Rsa(bits) => {
                openssl.args(["RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}")])
            }
            Self::P256 => openssl.args(["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
            Self::P384 => openssl.args(["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
            Self::P521 => openssl.args(["EC", "-pkeyopt", "ec_paramgen_curve:P-521"]),
            Self::Ed25519 => openssl.arg("ED25519"),
        };
        run(openssl.arg("-out").arg(&file))?;
        let mut public = Command::new("openssl");
        public.args(["pkey", "-pubout", "-in"]).arg(&file);
        run(public.arg("-out").arg(file.with_extension("pub")))?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        Ok(file)
    }
}
