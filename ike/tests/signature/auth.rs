//! AUTH data of signatures: RFC 7427 byte for byte, the choice of a method, and what a peer may not send.

use ike::auth::signature::{
    NoMethod, NotAllowed, OddLength, PeerHashes, SigningMethod, UnreadableSignature, allowed,
    choose, decode, encode, hash_algorithms,
};
use ike::config::{SignatureDemand, Strength};
use ike::crypto::signature::{KeyKind, PublicKey, SignatureScheme};
use ike::wire::numbers::{AuthMethod, HashAlgorithm};

use crate::{KEYS, MESSAGE, hex, private, public, scheme};

const SHA2: [HashAlgorithm; 3] = [
    HashAlgorithm::SHA2_256,
    HashAlgorithm::SHA2_384,
    HashAlgorithm::SHA2_512,
];

fn hashes(hashes: &[HashAlgorithm]) -> PeerHashes {
    hashes.iter().copied().collect()
}

/// The AlgorithmIdentifiers of RFC 7427 appendix A, and of RFC 8420 appendix A.
const IDENTIFIERS: [(&str, &str, &str); 8] = [
    ("rsa-2048", "pkcs1-sha256", "300d06092a864886f70d01010b0500"),
    ("rsa-2048", "pkcs1-sha384", "300d06092a864886f70d01010c0500"),
    ("rsa-2048", "pkcs1-sha512", "300d06092a864886f70d01010d0500"),
    ("ecdsa-p256", "ecdsa-sha256", "300a06082a8648ce3d040302"),
    ("ecdsa-p384", "ecdsa-sha384", "300a06082a8648ce3d040303"),
    ("ecdsa-p521", "ecdsa-sha512", "300a06082a8648ce3d040304"),
    ("rsa-2048", "pss-sha256", PSS_SHA256),
    ("ed25519", "ed25519", "300506032b6570"),
];

/// RFC 7427 appendix A.4.3.
const PSS_SHA256: &str = "3046 0609 2a86 4886 f70d 0101 0a30 39a0 \
    0f30 0d06 0960 8648 0165 0304 0201 0500 \
    a11c 301a 0609 2a86 4886 f70d 0101 0830 \
    0d06 0960 8648 0165 0304 0201 0500 a203 \
    0201 20a3 0302 0101";

/// Method 14: the length of the AlgorithmIdentifier, itself, a signature.
fn auth_data(identifier: &str) -> Vec<u8> {
    let identifier = hex(identifier);
    let length = u8::try_from(identifier.len()).unwrap();
    [&[length], &identifier[..], b"signature"].concat()
}

fn read(identifier: &str, key: &PublicKey) -> Result<SignatureScheme, UnreadableSignature> {
    decode(AuthMethod::DIGITAL_SIGNATURE, &auth_data(identifier), key).map(|(scheme, signature)| {
        assert_eq!(signature, b"signature");
        scheme
    })
}

#[test]
fn the_identifiers_of_rfc_7427_and_rfc_8420_are_read() {
    for (key, word, identifier) in IDENTIFIERS {
        assert_eq!(read(identifier, &public(key)), Ok(scheme(word)), "{word}");
    }
}

#[test]
fn what_we_send_stands_in_the_appendices_byte_for_byte() {
    let all = hashes(&[SHA2[0], SHA2[1], SHA2[2], HashAlgorithm::IDENTITY]);
    for (key, word, identifier) in IDENTIFIERS
        .into_iter()
        .filter(|(_, word, _)| !word.starts_with("pkcs1"))
    {
        let method = choose(public(key).kind(), Some(&all), Strength::Default).unwrap();
        assert_eq!(
            (method.method(), method.scheme()),
            (AuthMethod::DIGITAL_SIGNATURE, scheme(word))
        );
        assert_eq!(
            encode(&method, b"signature"),
            auth_data(identifier),
            "{word}"
        );
    }
    // SHA-384 and SHA-512 in PSS differ in the hash and in the length of the salt.
    for (hash, number, salt) in [
        (SHA2[1], "0402020500", "a203020130"),
        (SHA2[2], "0402030500", "a203020140"),
    ] {
        let method = choose(
            public("rsa-2048").kind(),
            Some(&hashes(&[hash])),
            Strength::Default,
        )
        .unwrap();
        let identifier = PSS_SHA256
            .replace(' ', "")
            .replace("0402010500", number)
            .replace("a203020120", salt);
        assert_eq!(encode(&method, b"signature"), auth_data(&identifier));
        assert_eq!(
            read(&identifier, &public("rsa-2048")),
            Ok(SignatureScheme::rsa_pss(hash))
        );
    }
}

#[test]
fn the_notify_is_read_and_written() {
    let parse = |text: &str| PeerHashes::parse(&hex(text));
    let known = parse("0001 0002 0003 0004 0005").unwrap();
    assert_eq!(
        known.iter().map(|hash| hash.0).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    // Unknown numbers, one of them with known bits, and repetition.
    let odd = parse("0002 ffff 0102 0000 0008 0011 0002 0006").unwrap();
    assert_eq!(odd.iter().collect::<Vec<_>>(), [HashAlgorithm::SHA2_256]);
    assert_eq!(parse(""), Ok(PeerHashes::default()));
    assert_eq!(parse("00"), Err(OddLength(1)));
    assert_eq!(parse("0002 00"), Err(OddLength(3)));
    assert_eq!(
        hash_algorithms(Strength::Default),
        hex("0002 0003 0004 0005")
    );
    assert_eq!(hash_algorithms(Strength::Cnsa1), hex("0003 0004"));
    assert_eq!(format!("{odd:?}"), "{SHA2_256}");
}

fn chosen(
    kind: KeyKind,
    peer: Option<&[HashAlgorithm]>,
) -> Result<(u8, SignatureScheme), NoMethod> {
    let peer = peer.map(hashes);
    choose(kind, peer.as_ref(), Strength::Default)
        .map(|method| (method.method().0, method.scheme()))
}

#[test]
fn the_hash_goes_with_the_strength_of_the_key_else_it_is_the_next_the_peer_has() {
    let rsa = |bits| KeyKind::Rsa { bits };
    for (kind, first) in [
        (rsa(2048), "pss-sha256"),
        (rsa(3072), "pss-sha256"),
        (rsa(3073), "pss-sha384"),
        (rsa(4096), "pss-sha384"),
        (rsa(8192), "pss-sha512"),
        (KeyKind::EcdsaP256, "ecdsa-sha256"),
        (KeyKind::EcdsaP384, "ecdsa-sha384"),
        (KeyKind::EcdsaP521, "ecdsa-sha512"),
    ] {
        assert_eq!(chosen(kind, Some(&SHA2)), Ok((14, scheme(first))), "{kind}");
        for only in SHA2 {
            let (method, scheme) = chosen(kind, Some(&[HashAlgorithm::SHA1, only])).unwrap();
            assert_eq!((method, scheme.hash()), (14, only), "{kind}");
        }
        let sha1 = hashes(&[HashAlgorithm::SHA1, HashAlgorithm::IDENTITY]);
        let refused = Err(NoMethod::NoCommonHash { kind, peer: sha1 });
        assert_eq!(choose(kind, Some(&sha1), Strength::Default), refused);
    }
    let ed25519 = chosen(KeyKind::Ed25519, Some(&[HashAlgorithm::IDENTITY]));
    assert_eq!(ed25519, Ok((14, SignatureScheme::Ed25519)));
    let error = chosen(KeyKind::Ed25519, Some(&SHA2)).unwrap_err();
    assert!(error.to_string().contains("SHA2_256"), "{error}");
}

#[test]
fn without_the_notify_only_ecdsa_signs() {
    let raw = SignatureScheme::EcdsaRaw;
    assert_eq!(chosen(KeyKind::EcdsaP256, None), Ok((9, raw(SHA2[0]))));
    assert_eq!(chosen(KeyKind::EcdsaP384, None), Ok((10, raw(SHA2[1]))));
    assert_eq!(chosen(KeyKind::EcdsaP521, None), Ok((11, raw(SHA2[2]))));
    for kind in [KeyKind::Rsa { bits: 2048 }, KeyKind::Ed25519] {
        assert_eq!(chosen(kind, None), Err(NoMethod::NotAnnounced(kind)));
    }
}

#[test]
fn cnsa1_signs_with_strong_keys_and_hashes_only() {
    let choose = |kind, peer: &[HashAlgorithm]| {
        choose(kind, Some(&hashes(peer)), Strength::Cnsa1).map(|method| method.scheme())
    };
    let rsa = |bits| KeyKind::Rsa { bits };
    assert_eq!(choose(rsa(3072), &SHA2), Ok(scheme("pss-sha384")));
    assert_eq!(
        choose(KeyKind::EcdsaP384, &SHA2),
        Ok(scheme("ecdsa-sha384"))
    );
    assert_eq!(
        choose(KeyKind::EcdsaP384, &SHA2[2..]),
        Ok(scheme("ecdsa-sha512"))
    );
    assert!(matches!(
        choose(KeyKind::EcdsaP384, &SHA2[..1]),
        Err(NoMethod::NoCommonHash { .. })
    ));
    for kind in [
        rsa(2048),
        rsa(3071),
        KeyKind::EcdsaP256,
        KeyKind::EcdsaP521,
        KeyKind::Ed25519,
    ] {
        assert!(
            matches!(choose(kind, &SHA2), Err(NoMethod::TooWeak(_))),
            "{kind}"
        );
    }
}

#[test]
fn what_one_end_signs_the_other_reads_and_verifies() {
    let everything = hashes(&[SHA2[0], SHA2[1], SHA2[2], HashAlgorithm::IDENTITY]);
    for name in KEYS {
        let (ours, theirs) = (private(name), public(name));
        let kind = theirs.kind();
        let methods = [Some(&everything), None].map(|peer| choose(kind, peer, Strength::Default));
        for method in methods.into_iter().flatten() {
            let data = encode(&method, &ours.sign(method.scheme(), MESSAGE).unwrap());
            let (scheme, signature) = decode(method.method(), &data, &theirs).unwrap();
            assert_eq!(scheme, method.scheme());
            assert_eq!(allowed(scheme, kind, &SignatureDemand::default()), Ok(()));
            assert_eq!(theirs.verify(scheme, MESSAGE, signature), Ok(()), "{name}");
            for other in KEYS.iter().filter(|other| **other != name) {
                let other = public(other);
                let verified =
                    decode(method.method(), &data, &other).is_ok_and(|(scheme, signature)| {
                        other.verify(scheme, MESSAGE, signature).is_ok()
                    });
                assert!(!verified, "{other:?} takes a signature of {name}");
            }
        }
    }
}

#[test]
fn an_algorithm_that_does_not_fit_the_key_is_refused() {
    for (own, word, identifier) in IDENTIFIERS {
        for key in KEYS {
            // Any ECDSA hash goes with any curve.
            if key[..3] == own[..3] {
                assert_eq!(read(identifier, &public(key)), Ok(scheme(word)));
                continue;
            }
            let error = read(identifier, &public(key)).unwrap_err();
            assert!(
                matches!(error, UnreadableSignature::OtherKey { .. }),
                "{key} {word}"
            );
        }
    }
    let rsa_sha1 = decode(AuthMethod::RSA_SIGNATURE, &[1; 256], &public("ed25519"));
    assert!(matches!(
        rsa_sha1,
        Err(UnreadableSignature::OtherKey { .. })
    ));
}

#[test]
fn raw_ecdsa_has_its_own_curve_and_exactly_its_length() {
    for (name, method, length) in [
        ("ecdsa-p256", AuthMethod::ECDSA_SHA256_P256, 64),
        ("ecdsa-p384", AuthMethod::ECDSA_SHA384_P384, 96),
        ("ecdsa-p521", AuthMethod::ECDSA_SHA512_P521, 132),
    ] {
        assert!(decode(method, &vec![1; length], &public(name)).is_ok());
        for wrong in [0, 1, 64, 96, 132, length - 1, length + 1, 65_000] {
            if wrong != length {
                let error = UnreadableSignature::Length {
                    method,
                    expected: length,
                    actual: wrong,
                };
                assert_eq!(decode(method, &vec![1; wrong], &public(name)), Err(error));
            }
        }
        for other in KEYS.iter().filter(|other| **other != name) {
            let error = decode(method, &vec![1; length], &public(other)).unwrap_err();
            assert!(
                matches!(error, UnreadableSignature::OtherKey { .. }),
                "{other}"
            );
        }
        // r or s of zero never verifies.
        let hash = SignatureScheme::EcdsaRaw(scheme_hash(method));
        assert!(
            public(name)
                .verify(hash, MESSAGE, &vec![0; length])
                .is_err()
        );
    }
}

fn scheme_hash(method: AuthMethod) -> HashAlgorithm {
    SHA2[usize::from(method.0 - AuthMethod::ECDSA_SHA256_P256.0)]
}

#[test]
fn methods_that_are_no_signatures_we_verify_are_refused() {
    for number in (0..=u8::MAX).filter(|number| ![1, 9, 10, 11, 14].contains(number)) {
        let method = AuthMethod(number);
        for name in KEYS {
            let result = decode(method, &[1; 64], &public(name));
            assert_eq!(result, Err(UnreadableSignature::Method(method)));
        }
    }
}

#[test]
fn method_1_is_sha_1_and_only_where_the_policy_names_it() {
    let key = public("rsa-2048");
    let (scheme, signature) = decode(AuthMethod::RSA_SIGNATURE, &[1; 256], &key).unwrap();
    assert_eq!(scheme, SignatureScheme::RsaPkcs1(HashAlgorithm::SHA1));
    assert_eq!(signature, [1; 256]);
    let mut demand = SignatureDemand::default();
    assert_eq!(allowed(scheme, key.kind(), &demand), Err(NotAllowed::Sha1));
    demand.rsa_sha1 = true;
    assert_eq!(allowed(scheme, key.kind(), &demand), Ok(()));
    demand.strength = Strength::Cnsa1;
    assert!(matches!(
        allowed(scheme, key.kind(), &demand),
        Err(NotAllowed::Key { .. })
    ));
    let hash = HashAlgorithm::SHA1;
    let kind = KeyKind::Rsa { bits: 4096 };
    assert_eq!(
        allowed(scheme, kind, &demand),
        Err(NotAllowed::Hash { hash })
    );
}

#[test]
fn demands_on_strength() {
    let default = SignatureDemand::default();
    let cnsa1 = SignatureDemand {
        strength: Strength::Cnsa1,
        ..default
    };
    let rsa = |bits| KeyKind::Rsa { bits };
    for (kind, word, by_default, by_cnsa1) in [
        (rsa(2048), "pss-sha512", true, false),
        (rsa(2047), "pss-sha512", false, false),
        (rsa(3072), "pss-sha256", true, false),
        (rsa(3072), "pss-sha384", true, true),
        (rsa(4096), "pkcs1-sha512", true, true),
        (KeyKind::EcdsaP384, "ecdsa-sha384", true, true),
        (KeyKind::EcdsaP384, "ecdsa-sha256", true, false),
        (KeyKind::EcdsaP256, "ecdsa-sha384", true, false),
        (KeyKind::EcdsaP521, "ecdsa-sha512", true, false),
        (KeyKind::Ed25519, "ed25519", true, false),
    ] {
        let scheme = scheme(word);
        assert_eq!(
            allowed(scheme, kind, &default).is_ok(),
            by_default,
            "{kind} {word}"
        );
        assert_eq!(
            allowed(scheme, kind, &cnsa1).is_ok(),
            by_cnsa1,
            "{kind} {word}"
        );
    }
}

#[test]
fn authentication_data_that_is_cut_off_is_refused() {
    let key = public("rsa-2048");
    let whole = auth_data(PSS_SHA256);
    for length in 0..=1 + 72 {
        let error = decode(AuthMethod::DIGITAL_SIGNATURE, &whole[..length], &key).unwrap_err();
        assert!(
            matches!(error, UnreadableSignature::Malformed(_)),
            "{length}: {error}"
        );
    }
    let rubbish = [
        &[0][..],
        &[0, 1],
        &[3, 0x30, 1, 5, 1],
        &[255; 256],
        &[255; 255],
        &[2, 5, 0, 1],
    ];
    for data in rubbish {
        let error = decode(AuthMethod::DIGITAL_SIGNATURE, data, &key).unwrap_err();
        assert!(
            matches!(error, UnreadableSignature::Malformed(_)),
            "{data:?}: {error}"
        );
    }
    let empty = decode(AuthMethod::RSA_SIGNATURE, &[], &key);
    assert_eq!(empty, Err(UnreadableSignature::Malformed("signature")));
}

#[test]
fn algorithms_that_are_not_for_method_14_are_refused_by_name() {
    use UnreadableSignature::{Algorithm, Malformed, Parameters, Sha1};
    let (rsa, ecdsa) = (public("rsa-2048"), public("ecdsa-p256"));
    for (key, identifier, error) in [
        // RFC 7427 appendices A.1.1, A.2.1, A.2.2, A.3.1.
        (&rsa, "300d06092a864886f70d0101050500", Sha1),
        (&rsa, "300906072a8648ce380403", Sha1),
        (
            &rsa,
            "300b0609608648016503040302",
            Algorithm("DSA with SHA2-256".into()),
        ),
        (&ecdsa, "300906072a8648ce3d0401", Sha1),
        // Ed448, md5WithRSAEncryption, sha224WithRSAEncryption, rsaEncryption.
        (&rsa, "300506032b6571", Algorithm("Ed448".into())),
        (
            &rsa,
            "300d06092a864886f70d0101040500",
            Algorithm("1.2.840.113549.1.1.4".into()),
        ),
        (
            &rsa,
            "300d06092a864886f70d01010e0500",
            Algorithm("1.2.840.113549.1.1.14".into()),
        ),
        (
            &rsa,
            "300d06092a864886f70d0101010500",
            Algorithm("1.2.840.113549.1.1.1".into()),
        ),
        // Without NULL, with something else for it, and with NULL where there is none.
        (
            &rsa,
            "300b06092a864886f70d01010b",
            Parameters("RSA PKCS#1 v1.5"),
        ),
        (
            &rsa,
            "300d06092a864886f70d01010b3000",
            Parameters("RSA PKCS#1 v1.5"),
        ),
        (&ecdsa, "300c06082a8648ce3d0403020500", Parameters("ECDSA")),
        (&rsa, "300706032b65700500", Parameters("Ed25519")),
        // Trailing octets inside and outside, and lengths that are not minimal.
        (&ecdsa, "300a06082a8648ce3d04030200", Malformed("algorithm")),
        (
            &rsa,
            "300f06092a864886f70d01010b05000500",
            Malformed("algorithm"),
        ),
        (&ecdsa, "30810a06082a8648ce3d040302", Malformed("algorithm")),
        (
            &ecdsa,
            "308006082a8648ce3d0403020000",
            Malformed("algorithm"),
        ),
    ] {
        assert_eq!(read(identifier, key), Err(error), "{identifier}");
    }
}

/// id-RSASSA-PSS with these parameters, in DER.
fn pss(fields: &[&str]) -> String {
    let parameters = hex(&fields.concat());
    let tail = [vec![0x30], length(parameters.len()), parameters].concat();
    let content = [hex("06092a864886f70d01010a"), tail].concat();
    let whole = [vec![0x30], length(content.len()), content].concat();
    whole.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn length(length: usize) -> Vec<u8> {
    match u8::try_from(length).unwrap() {
        short @ ..0x80 => vec![short],
        long => vec![0x81, long],
    }
}

#[test]
fn pss_parameters_are_taken_only_if_they_mean_what_we_verify() {
    use UnreadableSignature::{MaskGeneration, Parameters, SaltLength, Sha1, Trailer};
    let key = public("rsa-2048");
    let read = |fields: &[&str]| read(&pss(fields), &key);
    let hash = "a00f300d06096086480165030402010500";
    let hash_without_null = "a00d300b0609608648016503040201";
    let hash_sha384 = "a00f300d06096086480165030402020500";
    let mgf = "a11c301a06092a864886f70d010108300d06096086480165030402010500";
    let mgf_without_null = "a11a301806092a864886f70d010108300b0609608648016503040201";
    let (salt, trailer) = ("a203020120", "a303020101");

    let scheme = Ok(SignatureScheme::rsa_pss(HashAlgorithm::SHA2_256));
    assert_eq!(read(&[hash, mgf, salt, trailer]), scheme);
    assert_eq!(read(&[hash, mgf, salt]), scheme); // 1 is the default
    assert_eq!(read(&[hash_without_null, mgf_without_null, salt]), scheme);

    // RFC 7427 appendices A.4.1 and A.4.2: all that is left out is SHA-1.
    assert_eq!(read(&[]), Err(Sha1));
    let sha1 = "a00b300906052b0e03021a0500";
    let mgf_sha1 = "a118301606092a864886f70d010108300906052b0e03021a0500";
    assert_eq!(read(&[sha1, mgf_sha1, "a203020114", trailer]), Err(Sha1));
    assert_eq!(read(&[mgf, salt, trailer]), Err(Sha1));

    // Missing MGF1 means MGF1 with SHA-1; then MGF1 on other hashes, without one, and another function.
    assert_eq!(read(&[hash, salt, trailer]), Err(MaskGeneration));
    assert_eq!(read(&[hash, mgf_sha1, salt]), Err(MaskGeneration));
    assert_eq!(read(&[hash_sha384, mgf, "a203020130"]), Err(MaskGeneration));
    assert_eq!(
        read(&[hash, "a10d300b06092a864886f70d010108", salt]),
        Err(MaskGeneration)
    );
    assert_eq!(
        read(&[hash, "a10f300d06092a864886f70d0101080500", salt]),
        Err(MaskGeneration)
    );
    let mgf2 = mgf.replace("010108300d", "010109300d");
    assert_eq!(read(&[hash, &mgf2, salt]), Err(MaskGeneration));

    for (salt, actual) in [
        ("", Some(20)),
        ("a203020100", Some(0)),
        ("a203020114", Some(20)),
        ("a20302011f", Some(31)),
        ("a203020121", Some(33)),
        ("a20402020120", Some(0x120)),
        ("a205020300ffff", Some(65535)),
        ("a2050203010020", None),
        ("a2060204 7fffffff", None),
        ("a2070205 0080000000", None),
        ("a2060204 80000000", None),
        ("a2030201ff", None),
        ("a2030201e0", None),
        ("a20b0209 010000000000000020", None),
    ] {
        let expected = 32;
        assert_eq!(
            read(&[hash, mgf, salt]),
            Err(SaltLength { expected, actual }),
            "{salt}"
        );
    }
    for trailer in [
        "a303020100",
        "a303020102",
        "a3030201ff",
        "a30402020101",
        "a3050203010001",
    ] {
        assert_eq!(read(&[hash, mgf, salt, trailer]), Err(Trailer), "{trailer}");
    }

    let wrong = Err(Parameters("RSA PSS"));
    let md5 = "a00e300c06082a864886f70d02050500";
    assert_eq!(read(&[md5, mgf, salt]), wrong);
    assert_eq!(
        read(&["a011300f0609608648016503040201300205 00", mgf, salt]),
        wrong
    ); // a SEQUENCE for NULL
    assert_eq!(read(&[mgf, hash, salt]), wrong); // out of order
    assert_eq!(read(&[hash, hash, mgf, salt]), wrong);
    assert_eq!(read(&[hash, mgf, salt, trailer, "a403020101"]), wrong);
    assert_eq!(read(&[hash, mgf, "a20402020020"]), wrong); // 32 with a zero too many
    assert_eq!(read(&[hash, mgf, "a2020200"]), wrong); // an INTEGER without content
    // id-RSASSA-PSS without parameters at all, and with NULL.
    for identifier in [
        "300b06092a864886f70d01010a",
        "300d06092a864886f70d01010a0500",
    ] {
        assert_eq!(
            super::auth::read(identifier, &key),
            Err(Parameters("RSA PSS"))
        );
    }
}

#[test]
fn errors_say_what_to_change() {
    let kind = KeyKind::Rsa { bits: 2048 };
    let text = NoMethod::NotAnnounced(kind).to_string();
    assert!(
        text.contains("RSA with 2048 bits") && text.contains("RFC 7427"),
        "{text}"
    );
    let text = NotAllowed::Sha1.to_string();
    assert!(text.contains("policy names it"), "{text}");
    let key = public("ecdsa-p256");
    let text = read("300506032b6570", &key).unwrap_err().to_string();
    assert_eq!(
        text,
        "the peer signed with Ed25519, but the key in its certificate is ECDSA on P-256"
    );
}

/// Only [`choose`] makes one, so that what is encoded has an identifier.
#[test]
fn every_method_that_can_be_chosen_is_encoded() {
    let mut encoded = 0;
    for name in KEYS {
        for bits in 0..64u16 {
            let peer: PeerHashes = (0..6)
                .filter(|bit| bits >> bit & 1 == 1)
                .map(HashAlgorithm)
                .collect();
            for strength in [Strength::Default, Strength::Cnsa1] {
                for peer in [Some(&peer), None] {
                    let chosen: Result<SigningMethod, _> =
                        choose(public(name).kind(), peer, strength);
                    let Ok(method) = chosen else { continue };
                    let length = public_length(&method);
                    let data = encode(&method, &vec![1; length]);
                    let (scheme, signature) =
                        decode(method.method(), &data, &public(name)).unwrap();
                    assert_eq!((scheme, signature.len()), (method.scheme(), length));
                    encoded += 1;
                }
            }
        }
    }
    assert!(encoded > 500, "{encoded}");
}

/// A length that the method takes.
fn public_length(method: &SigningMethod) -> usize {
    match method.method().0 {
        9 => 64,
        10 => 96,
        11 => 132,
        _ => 10,
    }
}
