//! Private keys: every container, every refusal, and signing by every scheme.

use ike::crypto::signature::{KeyError, KeyKind, PrivateKey, SignatureError, SignatureScheme};
use ike::wire::numbers::HashAlgorithm;

use crate::{KEYS, MESSAGE, PASSPHRASE, der, hex, pem, private, public};

#[test]
fn every_kind_of_key_is_read_from_every_container() {
    let mut read = 0;
    for name in KEYS {
        let traditional = match name.split_once('-') {
            Some(("rsa", _)) => Some("pkcs1"),
            Some(_) => Some("sec1"),
            None => None,
        };
        for container in ["pkcs8", "encrypted"].into_iter().chain(traditional) {
            let file = format!("{name}.{container}");
            for bytes in [pem(&file), der(&file)] {
                let key = PrivateKey::read(&bytes, Some(PASSPHRASE)).unwrap();
                assert_eq!(key.public_key(), &public(name), "{file}");
                read += 1;
            }
        }
    }
    assert_eq!(read, 40);
    for file in ["ecdsa-p256.scrypt", "ecdsa-p256.aes128"] {
        let key = PrivateKey::read(&pem(file), Some(PASSPHRASE)).unwrap();
        assert_eq!(key.public_key(), &public("ecdsa-p256"), "{file}");
    }
}

#[test]
fn keys_of_rcgen_are_read() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ] {
        let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
        for bytes in [pair.serialize_der(), pair.serialize_pem().into_bytes()] {
            let key = PrivateKey::read(&bytes, None).unwrap();
            assert_eq!(
                key.public_key().spki(),
                rcgen::PublicKeyData::subject_public_key_info(&pair)
            );
        }
    }
}

#[test]
fn pem_may_be_indented_have_any_line_length_crlf_and_other_blocks_beside_it() {
    let text = String::from_utf8(pem("rsa-2048.pkcs8")).unwrap();
    let mut digits: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let certificate = String::from_utf8(pem("refused.certificate")).unwrap();
    let one_line = format!("-----BEGIN PRIVATE KEY-----\n{digits}\n-----END PRIVATE KEY-----");
    digits.insert_str(7, "\n \n\t");
    for form in [
        text.replace('\n', "\r\n"),
        text.replace('\n', "\n    "),
        format!("a comment\n{certificate}{text}{certificate}"),
        one_line,
        format!("-----BEGIN PRIVATE KEY-----\n{digits}\n-----END PRIVATE KEY-----"),
    ] {
        let key = PrivateKey::read(form.as_bytes(), None).unwrap();
        assert_eq!(key.public_key(), &public("rsa-2048"), "{form}");
    }
}

/// The error, and its words for a person.
fn refusal(bytes: &[u8], passphrase: Option<&[u8]>) -> (KeyError, String) {
    let error = PrivateKey::read(bytes, passphrase).unwrap_err();
    let text = error.to_string();
    (error, text)
}

#[test]
fn a_passphrase_that_lacks_or_is_wrong_is_told_apart() {
    for name in KEYS {
        for bytes in [
            pem(&format!("{name}.encrypted")),
            der(&format!("{name}.encrypted")),
        ] {
            assert_eq!(
                refusal(&bytes, None).0,
                KeyError::PassphraseMissing,
                "{name}"
            );
        }
    }
    for guess in [&b""[..], b"correct", b"correct horse\n"] {
        let error = refusal(&pem("ecdsa-p256.encrypted"), Some(guess)).0;
        assert_eq!(error, KeyError::PassphraseWrong, "{guess:?}");
    }
}

/// One wrong passphrase in 256 decrypts to something that ends like padding.
#[test]
fn no_wrong_passphrase_is_taken_for_damage() {
    let bytes = quickly_encrypted();
    assert!(PrivateKey::read(&bytes, Some(PASSPHRASE)).is_ok());
    for number in 0..2000 {
        let guess = format!("guess {number}");
        let error = refusal(&bytes, Some(guess.as_bytes())).0;
        assert_eq!(error, KeyError::PassphraseWrong, "{guess}");
    }
}

/// The Ed25519 key, encrypted with one iteration.
fn quickly_encrypted() -> Vec<u8> {
    use der::Encode;
    use pkcs8::pkcs5::pbes2;
    let parameters =
        pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(1, &[7; 16], [9; 16]).unwrap();
    let encrypted = parameters
        .encrypt(PASSPHRASE, &der("ed25519.pkcs8"))
        .unwrap();
    let info = pkcs8::EncryptedPrivateKeyInfoRef {
        encryption_algorithm: parameters.into(),
        encrypted_data: der::asn1::OctetStringRef::new(&encrypted).unwrap(),
    };
    info.to_der().unwrap()
}

#[test]
fn each_thing_that_is_no_usable_private_key_is_refused_in_its_own_words() {
    for (file, words) in [
        (
            "certificate",
            "but a certificate; give the file of the private key",
        ),
        ("request", "but a certificate request"),
        ("openssh", "ssh-keygen -p"),
        ("proc-type", "openssl pkcs8 -topk8 -in old.key -out new.key"),
        ("des3", "-v2 aes-256-cbc"),
        ("pbes1", "-v2 aes-256-cbc"),
        ("hmac-sha1", "-v2prf hmacWithSHA256"),
        ("rsa-1024", "has 1024 bits; 2048 are the least"),
        (
            "rsa-4160",
            "has 4160 bits; 4096 are the most that can be signed with",
        ),
        ("rsa-pss", "id-RSASSA-PSS"),
        ("rsa-e3", "inconsistent"),
        ("x25519", "X25519 keys are not supported"),
        ("ed448", "Ed448 keys are not supported"),
        ("secp256k1", "secp256k1"),
        ("unnamed-curve", "named_curve"),
    ] {
        let file = format!("refused.{file}");
        let (_, text) = refusal(&pem(&file), Some(PASSPHRASE));
        assert!(text.contains(words), "{file}: {text}");
    }
    let public_key = "but a public key; give the file of its private half";
    for bytes in [pem("rsa-2048.public"), der("rsa-2048.public")] {
        assert!(refusal(&bytes, None).1.contains(public_key));
    }
    let (_, text) = refusal(&der("refused.certificate"), None);
    assert!(text.contains("but a certificate"), "{text}");
}

#[test]
fn there_must_be_one_key_and_all_of_it() {
    let (one, other) = (pem("ed25519.pkcs8"), pem("ecdsa-p256.sec1"));
    assert_eq!(
        refusal(&[one, other].concat(), None).0,
        KeyError::Several(2)
    );
    for bytes in [
        &b""[..],
        b"\n",
        b"hello",
        &[0x30],
        &[0x30, 0x80, 0, 0],
        &[0xff; 300],
    ] {
        assert_eq!(refusal(bytes, None).0, KeyError::NotAKey, "{bytes:?}");
    }
    for name in [
        "ed25519.pkcs8",
        "ecdsa-p256.sec1",
        "rsa-2048.pkcs1",
        "ecdsa-p521.encrypted",
    ] {
        let whole = der(name);
        let truncated = (0..whole.len()).step_by(1 + whole.len() / 64);
        for length in truncated {
            assert!(
                PrivateKey::read(&whole[..length], None).is_err(),
                "{name} {length}"
            );
        }
        assert!(PrivateKey::read(&[&whole[..], &[0]].concat(), None).is_err());
    }
    for (broken, words) in [
        ("-----BEGIN PRIVATE KEY", "does not end in -----"),
        (
            "-----BEGIN PRIVATE KEY-----\nMC4=\n",
            "its last line is missing",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nM!4=\n-----END PRIVATE KEY-----",
            "is broken",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
            "is broken",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\näöü\n-----END PRIVATE KEY-----",
            "is broken",
        ),
    ] {
        let (_, text) = refusal(broken.as_bytes(), None);
        assert!(text.contains(words), "{broken}: {text}");
    }
}

#[test]
fn a_public_half_that_belongs_to_another_key_is_noticed() {
    // SEC1 of P-256 ends with the public point.
    let mut sec1 = der("ecdsa-p256.sec1");
    let last = sec1.len() - 1;
    sec1[last] ^= 1;
    let (error, text) = refusal(&sec1, None);
    assert!(matches!(error, KeyError::Inconsistent(_)), "{text}");

    // A bit of each part of an RSA key.
    let pkcs1 = der("rsa-2048.pkcs1");
    for at in (40..pkcs1.len()).step_by(61) {
        let mut changed = pkcs1.clone();
        changed[at] ^= 4;
        // Only the private exponent is superfluous, beside the primes and their exponents.
        let superfluous = (275..535).contains(&at);
        assert!(
            superfluous || PrivateKey::read(&changed, None).is_err(),
            "{at}"
        );
    }

    // The scalar is zero, or the order of the curve and above.
    for fill in [0, 0xff] {
        let mut sec1 = der("ecdsa-p256.sec1");
        sec1[7..39].fill(fill);
        let (error, text) = refusal(&sec1, None);
        assert!(matches!(error, KeyError::Inconsistent(_)), "{text}");
    }
}

#[test]
fn what_a_key_signs_verifies_for_each_kind_and_scheme() {
    let mut signed = 0;
    for name in KEYS {
        let key = private(name);
        for &scheme in key.public_key().kind().schemes() {
            if scheme.hash() == HashAlgorithm::SHA1 {
                assert_eq!(key.sign(scheme, MESSAGE), Err(SignatureError::Sha1));
                continue;
            }
            for message in [MESSAGE, b"", &[0x5a; 5000]] {
                let signature = key.sign(scheme, message).unwrap();
                public(name)
                    .verify(scheme, message, &signature)
                    .unwrap_or_else(|error| panic!("{name} {scheme}: {error}"));
                let wrong = public(name).verify(scheme, b"other octets", &signature);
                assert!(
                    matches!(wrong, Err(SignatureError::Wrong { .. })),
                    "{name} {scheme}"
                );
            }
            signed += 1;
        }
        let other = match key.public_key().kind() {
            KeyKind::Ed25519 => SignatureScheme::Ecdsa(HashAlgorithm::SHA2_256),
            _ => SignatureScheme::Ed25519,
        };
        let refused = key.sign(other, MESSAGE);
        assert!(
            matches!(refused, Err(SignatureError::Scheme { .. })),
            "{name}"
        );
    }
    assert_eq!(signed, 3 * 6 + 3 * 4 + 1);
}

#[test]
fn raw_ecdsa_signatures_have_the_length_of_the_group() {
    for (name, hash, length) in [
        ("ecdsa-p256", HashAlgorithm::SHA2_256, 64),
        ("ecdsa-p384", HashAlgorithm::SHA2_384, 96),
        ("ecdsa-p521", HashAlgorithm::SHA2_512, 132),
    ] {
        let (key, scheme) = (private(name), SignatureScheme::EcdsaRaw(hash));
        for _ in 0..8 {
            let signature = key.sign(scheme, MESSAGE).unwrap();
            assert_eq!(signature.len(), length);
            for wrong in [&signature[1..], &[&[0], &signature[..]].concat()] {
                assert!(key.public_key().verify(scheme, MESSAGE, wrong).is_err());
            }
        }
    }
}

/// RFC 6979 appendix A.2.7, with SHA-512.
#[test]
fn p521_signs_as_rfc_6979_says() {
    let scalar = hex(
        "00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836a6d16fcc1466f6d8fbec67
         db89ec0c08b0e996b83538",
    );
    let sec1 = [
        &hex("3050 020101 0442")[..],
        &scalar,
        &hex("a007 0605 2b81040023"),
    ]
    .concat();
    let key = PrivateKey::read(&sec1, None).unwrap();
    let scheme = SignatureScheme::EcdsaRaw(HashAlgorithm::SHA2_512);
    assert_eq!(
        key.sign(scheme, b"sample").unwrap(),
        hex(
            "00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b534931d7d4e8
             455cc91f9b15bf05ec36e377fa
             00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8c37ff0777b1a20f8cc
             b1dccc43997f1ee0e44da4a67a"
        )
    );
}

/// Line ends get lost. The key must not become a part of an error then.
#[test]
fn no_error_shows_a_piece_of_the_file() {
    let key = "MC4CAQAwBQYDK2VwBCIEIKUFTFjJWe0MBBJvYHIDIYOcFcsmLyHjRDVd2mcmJ6q5";
    for form in [
        format!("-----BEGIN PRIVATE KEY----- {key} -----END PRIVATE KEY"),
        format!("-----BEGIN PRIVATE KEY {key} -----END PRIVATE KEY"),
        format!("-----BEGIN {key}-----"),
        format!("-----BEGIN {key}"),
        format!("-----BEGIN {key}-----\n-----END {key}-----"),
        format!("-----BEGIN PRIVATE KEY-----\n{key}{key}!\n-----END PRIVATE KEY-----"),
    ] {
        let (error, text) = refusal(form.as_bytes(), None);
        for shown in [text, format!("{error:?}")] {
            assert!(!shown.contains("MC4C") && !shown.contains("Jq5"), "{shown}");
        }
    }
    let one_line = format!("-----BEGIN PRIVATE KEY----- {key} -----END PRIVATE KEY-----");
    assert!(PrivateKey::read(one_line.as_bytes(), None).is_ok());
}

#[test]
fn a_private_key_prints_nothing_of_itself() {
    for name in KEYS {
        let (key, public) = (private(name), public(name));
        let text = format!("PrivateKey({}, {})", public.kind(), public.fingerprint());
        assert_eq!(format!("{key:?}"), text);
    }
}
