//! Public keys: what is taken, what is refused, and what OpenSSL signed.

use ike::crypto::signature::{
    KeyError, KeyKind, PublicKey, SignatureError, SignatureScheme, certificate_algorithms,
};
use ike::wire::numbers::HashAlgorithm;

use crate::{KEYS, MESSAGE, der, hex, public, scheme, vectors};

#[test]
fn every_kind_of_key_is_known_by_its_subject_public_key_info() {
    let kinds = KEYS.map(|name| public(name).kind());
    assert_eq!(
        kinds,
        [
            KeyKind::Rsa { bits: 2048 },
            KeyKind::Rsa { bits: 3072 },
            KeyKind::Rsa { bits: 4096 },
            KeyKind::EcdsaP256,
            KeyKind::EcdsaP384,
            KeyKind::EcdsaP521,
            KeyKind::Ed25519,
        ]
    );
    assert_eq!(public("rsa-e3").kind(), KeyKind::Rsa { bits: 2048 });
    assert_eq!(public("rsa-4160").kind(), KeyKind::Rsa { bits: 4160 });
}

/// The lines of the file: key, scheme, signature.
fn signatures() -> Vec<(PublicKey, String, Vec<u8>)> {
    let text = std::fs::read_to_string(vectors().join("openssl-signatures.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let [key, scheme, signature] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            (public(key), scheme.to_owned(), hex(signature))
        })
        .collect()
}

#[test]
fn signatures_of_openssl_verify_and_forgeries_do_not() {
    let (mut right, mut wrong) = (0, 0);
    for (key, word, signature) in signatures() {
        if let Some(word) = word.strip_prefix("wrong-") {
            let result = key.verify(scheme(word), MESSAGE, &signature);
            assert!(
                matches!(result, Err(SignatureError::Wrong { .. })),
                "{key:?} {word}"
            );
            wrong += 1;
        } else {
            key.verify(scheme(&word), MESSAGE, &signature)
                .unwrap_or_else(|error| panic!("{key:?} {word}: {error}"));
            right += 1;
        }
    }
    assert_eq!((right, wrong), (32, 3));
}

#[test]
fn a_signature_is_bound_to_its_message_its_key_its_scheme_and_its_last_bit() {
    let all = signatures();
    for (key, word, signature) in all.iter().filter(|(_, word, _)| !word.starts_with("wrong")) {
        let scheme = scheme(word);
        let refused = |scheme, message, signature: &[u8]| {
            let result = key.verify(scheme, message, signature);
            assert!(result.is_err(), "{key:?} {word} {scheme}");
        };
        refused(scheme, b"other octets", signature);
        refused(scheme, b"", signature);
        refused(scheme, MESSAGE, &[]);
        refused(scheme, MESSAGE, &[0]);
        refused(scheme, MESSAGE, &signature[..signature.len() - 1]);
        refused(scheme, MESSAGE, &[signature, &[0][..]].concat());
        refused(scheme, MESSAGE, &[&[0][..], signature].concat());
        refused(scheme, MESSAGE, &vec![0; signature.len()]);
        refused(scheme, MESSAGE, &vec![0xff; signature.len()]);
        refused(scheme, MESSAGE, &vec![0; 65_536]);
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            refused(scheme, MESSAGE, &changed);
        }
        for other in key
            .kind()
            .schemes()
            .iter()
            .filter(|other| **other != scheme)
        {
            refused(*other, MESSAGE, signature);
        }
        for (other, ..) in all.iter().filter(|(other, ..)| other != key) {
            let result = other.verify(scheme, MESSAGE, signature);
            assert!(result.is_err(), "{other:?} takes a signature of {key:?}");
        }
    }
}

/// A cube root of 1, or a multiple of the modulus, must not pass as a signature (hence the modulus as a bound).
#[test]
fn an_rsa_signature_that_is_not_below_the_modulus_is_refused() {
    let key = public("rsa-2048");
    let spki = key.spki();
    let modulus = &spki[33..33 + 256]; // after the headers of the 2048-bit key
    assert!(modulus[0] >= 0x80 && modulus[255] % 2 == 1);
    let (_, word, signature) = signatures().remove(1);
    key.verify(scheme(&word), MESSAGE, &signature).unwrap();
    let mut above = modulus.to_vec();
    above[255] += 1;
    // The signature plus the modulus: the same residue, in as many bytes if they suffice.
    let mut sum = vec![0; 257];
    let mut carry = 0;
    for at in (0..256).rev() {
        let digit = u16::from(signature[at]) + u16::from(modulus[at]) + carry;
        sum[at + 1] = digit.to_le_bytes()[0];
        carry = digit >> 8;
    }
    sum[0] = carry.to_le_bytes()[0];
    let sum_start = usize::from(sum[0] == 0);
    for forged in [modulus, &above, &sum[sum_start..], &sum[..]] {
        for scheme in key.kind().schemes() {
            let result = key.verify(*scheme, MESSAGE, forged);
            assert!(
                matches!(result, Err(SignatureError::Wrong { .. })),
                "{scheme}"
            );
        }
    }
}

#[test]
fn a_salt_of_another_length_is_refused_by_name() {
    let scheme = SignatureScheme::RsaPss {
        hash: HashAlgorithm::SHA2_256,
        salt_length: 20,
    };
    let error = SignatureError::SaltLength {
        expected: 32,
        actual: 20,
    };
    assert_eq!(
        public("rsa-2048").verify(scheme, MESSAGE, &[0; 256]),
        Err(error)
    );
    let kind = KeyKind::Ed25519;
    let error = SignatureError::Scheme { kind, scheme };
    assert_eq!(
        public("ed25519").verify(scheme, MESSAGE, &[0; 64]),
        Err(error)
    );
}

/// SubjectPublicKeyInfo of RSA with this modulus and exponent, as INTEGERs with their headers.
fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let tlv = |tag: u8, value: &[u8]| {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        let header = match value.len() {
            0..0x80 => vec![tag, length[1]],
            0x80..0x100 => vec![tag, 0x81, length[1]],
            _ => vec![tag, 0x82, length[0], length[1]],
        };
        [header, value.to_vec()].concat()
    };
    let key = tlv(0x30, &[tlv(2, modulus), tlv(2, exponent)].concat());
    let bits = tlv(3, &[&[0], &key[..]].concat());
    let algorithm = hex("300d 0609 2a864886f70d010101 0500");
    tlv(0x30, &[algorithm, bits].concat())
}

#[test]
fn absurd_rsa_keys_are_refused() {
    let refused = |modulus: &[u8], exponent: &[u8]| {
        PublicKey::from_spki(&rsa_spki(modulus, exponent)).unwrap_err()
    };
    let modulus = [&[0][..], &[0xff; 256]].concat();
    let f4 = [1, 0, 1];
    assert!(PublicKey::from_spki(&rsa_spki(&modulus, &f4)).is_ok());
    assert_eq!(refused(&[0], &f4), KeyError::Modulus("zero"));
    assert_eq!(
        refused(&[&modulus[..256], &[0xfe]].concat(), &f4),
        KeyError::Modulus("even")
    );
    for exponent in [
        &[0][..],
        &[1],
        &[2],
        &[1, 0, 0],
        &[2, 0, 0, 0, 1],
        &[1; 8],
        &[1; 9],
        &[1; 300],
    ] {
        assert_eq!(
            refused(&modulus, exponent),
            KeyError::Exponent,
            "{exponent:?}"
        );
    }
    let bits_1024 = [&[0][..], &[0xff; 128]].concat();
    assert_eq!(
        refused(&bits_1024, &f4),
        KeyError::RsaTooShort { bits: 1024 }
    );
    assert_eq!(refused(&[3], &f4), KeyError::RsaTooShort { bits: 2 });
    let bits_2047 = [&[0x7f][..], &[0xff; 255]].concat();
    assert_eq!(
        refused(&bits_2047, &f4),
        KeyError::RsaTooShort { bits: 2047 }
    );
    let bits_8193 = [&[1][..], &[0xff; 1024]].concat();
    let too_long = KeyError::RsaTooLong {
        bits: 8193,
        most: 8192,
    };
    assert_eq!(refused(&bits_8193, &f4), too_long);
    // Negative, empty, and with more zeros than DER has.
    for modulus in [&[0xff; 256][..], &[], &[&[0, 0][..], &[0xff; 256]].concat()] {
        assert!(matches!(refused(modulus, &f4), KeyError::Malformed { .. }));
    }
}

#[test]
fn what_does_not_fit_the_algorithm_is_refused() {
    let rsa = der("rsa-2048.public");
    let refused = |der: &[u8]| PublicKey::from_spki(der).unwrap_err();
    // NULL turned into a boolean, and left out.
    let mut boolean = rsa.clone();
    let null = boolean.windows(2).position(|pair| pair == [5, 0]).unwrap();
    boolean[null] = 1;
    assert!(matches!(refused(&boolean), KeyError::Malformed { .. }));
    let mut absent = rsa;
    absent.drain(null..null + 2);
    absent[3] -= 2; // the length of the whole
    absent[5] -= 2; // the length of the AlgorithmIdentifier
    let KeyError::Malformed { reason, .. } = refused(&absent) else {
        panic!();
    };
    assert!(reason.contains("NULL"), "{reason}");

    for (name, length) in [("ecdsa-p256", 32), ("ecdsa-p384", 48), ("ecdsa-p521", 66)] {
        let spki = der(&format!("{name}.public"));
        let mut off_the_curve = spki.clone();
        *off_the_curve.last_mut().unwrap() ^= 1;
        assert_eq!(refused(&off_the_curve), KeyError::Point, "{name}");
        let mut origin = spki.clone();
        origin[spki.len() - 2 * length..].fill(0);
        assert_eq!(refused(&origin), KeyError::Point, "{name}");
        let mut infinity = spki;
        infinity.truncate(infinity.len() - 2 * length);
        assert!(PublicKey::from_spki(&infinity).is_err(), "{name}");
    }
    assert_eq!(
        refused(&der("refused.compressed-point.public")),
        KeyError::PointForm
    );
    assert_eq!(
        refused(&der("refused.unnamed-curve.public")),
        KeyError::UnnamedCurve
    );

    let ed25519 = der("ed25519.public");
    let mut with_null = ed25519.clone();
    with_null.splice(9..9, [5, 0]);
    with_null[1] += 2;
    with_null[3] += 2;
    assert!(matches!(refused(&with_null), KeyError::Malformed { .. }));
    let mut ed448 = ed25519;
    ed448[8] = 0x71;
    assert_eq!(refused(&ed448), KeyError::Algorithm("Ed448".into()));
}

#[test]
fn nothing_may_follow_and_nothing_may_lack() {
    for name in KEYS {
        let spki = der(&format!("{name}.public"));
        assert!(PublicKey::from_spki(&[&spki[..], &[0]].concat()).is_err());
        for length in 0..spki.len() {
            assert!(
                PublicKey::from_spki(&spki[..length]).is_err(),
                "{name} {length}"
            );
        }
    }
}

#[test]
fn a_key_prints_its_kind_and_its_fingerprint() {
    let key = public("ed25519");
    let text = format!("{key:?}");
    assert_eq!(text, format!("PublicKey(Ed25519, {})", key.fingerprint()));
    assert_eq!(key.fingerprint().to_string().len(), 64);
}

/// What the path check gets verifies what the keys verify, P-521 among it.
#[test]
fn certificates_are_verified_with_all_but_sha_1() {
    let mut verified = 0;
    for (key, word, signature) in signatures() {
        let subject_public_key = subject_public_key(&key);
        let matching = certificate_algorithms().iter().filter(|algorithm| {
            let subject = algorithm.verify_signature(subject_public_key, MESSAGE, &signature);
            subject.is_ok()
        });
        let by_parameters = if word.starts_with("pkcs1") { 2 } else { 1 };
        let expected = match &word[..] {
            "pkcs1-sha1" => 0,
            word if word.starts_with("wrong") => 0,
            _ => by_parameters,
        };
        assert_eq!(matching.count(), expected, "{key:?} {word}");
        verified += usize::from(expected > 0);
    }
    assert_eq!(verified, 29);
}

/// The bits of the subjectPublicKey.
fn subject_public_key(key: &PublicKey) -> &[u8] {
    use der::Decode;
    pkcs8::SubjectPublicKeyInfoRef::from_der(key.spki())
        .unwrap()
        .subject_public_key
        .as_bytes()
        .unwrap()
}
