//! Wycheproof: the signatures that break implementations. Every case of a file counts.

use std::io::Read;

use ike::crypto::signature::PublicKey;
use serde_json::Value;

use crate::{hex, scheme, vectors};

/// Verifies every case of a file, and says how many were accepted and refused. `acceptable` are those that the project
/// could accept: we refuse them.
fn run(file: &str, scheme_word: &str, valid: usize, invalid: usize, acceptable: usize) {
    let path = vectors().join(format!("wycheproof/{file}_test.json.gz"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let file_content: Value = serde_json::from_str(&text).unwrap();
    let (mut accepted, mut refused, mut could) = (0, 0, 0);
    for group in file_content["testGroups"].as_array().unwrap() {
        let spki = hex(group["publicKeyDer"].as_str().unwrap());
        let key = PublicKey::from_spki(&spki).unwrap();
        for case in group["tests"].as_array().unwrap() {
            let field = |name: &str| hex(case[name].as_str().unwrap());
            let result = key.verify(scheme(scheme_word), &field("msg"), &field("sig"));
            match case["result"].as_str().unwrap() {
                "valid" => {
                    assert_eq!(result, Ok(()), "{case}");
                    accepted += 1;
                }
                "acceptable" => {
                    assert!(result.is_err(), "{case}");
                    could += 1;
                }
                _ => {
                    assert!(result.is_err(), "{case}");
                    refused += 1;
                }
            }
        }
    }
    println!(
        "Wycheproof {file}: {accepted} accepted, {refused} refused, {could} refused that some accept"
    );
    assert_eq!((accepted, refused, could), (valid, invalid, acceptable));
    assert_eq!(file_content["numberOfTests"], accepted + refused + could);
}

#[test]
fn ecdsa_on_each_curve() {
    run("ecdsa_secp256r1_sha256", "ecdsa-sha256", 174, 310, 0);
    run("ecdsa_secp384r1_sha384", "ecdsa-sha384", 194, 310, 0);
    run("ecdsa_secp521r1_sha512", "ecdsa-sha512", 232, 310, 0);
}

#[test]
fn ed25519() {
    run("ed25519", "ed25519", 88, 63, 0);
}

#[test]
fn rsa_pss() {
    run("rsa_pss_2048_sha256_mgf1_32", "pss-sha256", 63, 45, 0);
    run("rsa_pss_4096_sha384_mgf1_48", "pss-sha384", 95, 46, 0);
    run("rsa_pss_4096_sha512_mgf1_64", "pss-sha512", 132, 47, 0);
}

/// The one acceptable case in each leaves the NULL out of the DigestInfo.
#[test]
fn rsa_pkcs1() {
    run("rsa_signature_2048_sha256", "pkcs1-sha256", 9, 249, 1);
    run("rsa_signature_3072_sha384", "pkcs1-sha384", 7, 251, 1);
    run("rsa_signature_4096_sha512", "pkcs1-sha512", 7, 251, 1);
}
