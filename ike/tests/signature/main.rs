//! Long-term keys, their signatures and the AUTH data made of them, against Wycheproof, OpenSSL and hostile input. The files
//! stand in `tests/vectors`, with their sources in its README.
#![allow(clippy::unwrap_used)] // a broken vector file is a failed test

mod auth;
mod private;
mod public;
mod wycheproof;

use std::path::PathBuf;

use ike::crypto::signature::{PrivateKey, PublicKey, SignatureScheme};
use ike::wire::numbers::HashAlgorithm;
use pkcs8::SecretDocument;

const MESSAGE: &[u8] = b"the octets that AUTH covers";
const PASSPHRASE: &[u8] = b"correct horse";

/// The keys, by the names of their files.
const KEYS: [&str; 7] = [
    "rsa-2048",
    "rsa-3072",
    "rsa-4096",
    "ecdsa-p256",
    "ecdsa-p384",
    "ecdsa-p521",
    "ed25519",
];

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// A file of `vectors/keys`.
fn pem(name: &str) -> Vec<u8> {
    let path = vectors().join("keys").join(format!("{name}.pem"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The DER in the last block of such a file.
fn der(name: &str) -> Vec<u8> {
    let text = String::from_utf8(pem(name)).unwrap();
    let block = &text[text.rfind("-----BEGIN").unwrap()..];
    SecretDocument::from_pem(block)
        .unwrap()
        .1
        .as_bytes()
        .to_vec()
}

fn public(name: &str) -> PublicKey {
    PublicKey::from_spki(&der(&format!("{name}.public"))).unwrap()
}

fn private(name: &str) -> PrivateKey {
    PrivateKey::read(&pem(&format!("{name}.pkcs8")), None).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap())
        .collect()
}

/// `pkcs1-sha256`, `pss-sha384`, `ecdsa-sha512`, `ed25519`.
fn scheme(word: &str) -> SignatureScheme {
    let Some((padding, hash)) = word.split_once("-sha") else {
        return SignatureScheme::Ed25519;
    };
    let hash = match hash {
        "1" => HashAlgorithm::SHA1,
        "256" => HashAlgorithm::SHA2_256,
        "384" => HashAlgorithm::SHA2_384,
        _ => HashAlgorithm::SHA2_512,
    };
    match padding {
        "pkcs1" => SignatureScheme::RsaPkcs1(hash),
        "pss" => SignatureScheme::rsa_pss(hash),
        _ => SignatureScheme::Ecdsa(hash),
    }
}
