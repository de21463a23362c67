//! What strangers send in place of certificates: the cases that have brought other implementations down, and noise.

use std::time::{Duration, Instant};

use ike::pki::{Certificate, CertificateError, RevocationList};

use super::support::*;

const HOST: &str = "branch.example.com";

fn with_key(spki: Vec<u8>) -> Vec<u8> {
    let draft = Draft {
        spki: Some(spki),
        ..Draft::host(HOST)
    };
    draft.issue(&Signer::of(HOST), &Signer::of("root"))
}

/// The SubjectPublicKeyInfo of an RSA key.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = tlv(SEQUENCE, &[&tlv(2, &[modulus]), &tlv(2, &[exponent])]);
    let algorithm = tlv(SEQUENCE, &[&oid("1.2.840.113549.1.1.1"), &[5, 0]]);
    tlv(SEQUENCE, &[&algorithm, &tlv(3, &[&[0], &key])])
}

#[test]
fn broken_rsa_keys_are_refused_where_they_are_read() {
    let modulus = |last: u8| [&[0, 0xc1][..], &[0x5a; 254], &[last]].concat();
    assert!(Certificate::parse(&with_key(rsa(&modulus(1), &[1, 0, 1]))).is_ok());
    for spki in [
        rsa(&modulus(0), &[1, 0, 1]),
        rsa(&[0], &[1, 0, 1]),
        rsa(&modulus(1), &[0]),
        rsa(&modulus(1), &[1]),
        rsa(&modulus(1), &[2]),
        rsa(&modulus(1), &[0xff]),
        rsa(&[0xc1; 256], &[1, 0, 1]),
        rsa(&[], &[]),
        tlv(SEQUENCE, &[]),
        vec![5, 0],
    ] {
        let error = Certificate::parse(&with_key(spki.clone())).expect_err("refused");
        assert!(
            matches!(
                error,
                CertificateError::Key { .. } | CertificateError::Der { .. }
            ),
            "{error}"
        );
        // As the peer's own it is refused, among the others it is passed over.
        let root = Signer::of("root");
        let trust = trusting(&[root.root()]);
        let own = Draft::host(HOST).issue(&Signer::of(HOST), &root);
        assert!(verify(&trust, &[with_key(spki.clone()), own.clone()], HOST).is_err());
        verify(&trust, &[own, with_key(spki)], HOST).expect("trusted");
    }
}

#[test]
fn every_truncation_and_every_changed_byte_is_an_error_or_another_certificate() {
    let root = Signer::of("root");
    let draft = Draft::host(HOST)
        .purposes(&["1.3.6.1.5.5.7.3.17"])
        .crl(CRL_URL)
        .ocsp(OCSP_URL)
        .constraints(
            &["dns:example.com", "ip:c0000200ffffff00"],
            &["email:x", "dn:C=DE"],
        );
    let good = draft.issue(&Signer::of(HOST), &root);
    let list = ListDraft::of(&[1, 2, 3]).point(CRL_URL).issue(&root);
    for length in 0..good.len() {
        assert!(Certificate::parse(&good[..length]).is_err(), "{length}");
    }
    for length in 0..list.len() {
        assert!(RevocationList::parse(&list[..length]).is_err(), "{length}");
    }
    let trust = trusting(&[root.root()]);
    for at in 0..good.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, good[at] ^ 1, good[at] ^ 0x20] {
            if value == good[at] {
                continue;
            }
            let mut changed = good.clone();
            changed[at] = value;
            assert!(verify(&trust, &[changed], HOST).is_err(), "{at} {value}");
        }
    }
    for at in 0..list.len() {
        for value in [0, 0x80, 0xff, list[at] ^ 1] {
            let mut changed = list.clone();
            changed[at] = value;
            drop(RevocationList::parse(&changed));
        }
    }
}

#[test]
fn something_after_a_certificate_is_an_error() {
    let [a, b] = ["a", "b"].map(Signer::of);
    let mut der = Draft::host(HOST).issue(&a, &b);
    der.push(0);
    assert!(Certificate::parse(&der).is_err());
}

#[test]
fn two_algorithms_in_one_certificate_are_an_error() {
    let [a, b] = ["a", "b"].map(Signer::of);
    let body = Draft::host(HOST).body(&a, &b);
    let other = tlv(SEQUENCE, &[&oid("1.2.840.10045.4.3.2")]);
    let der = tlv(SEQUENCE, &[&body, &other, &[3, 1, 0]]);
    assert_eq!(
        Certificate::parse(&der),
        Err(CertificateError::TwoAlgorithms)
    );
}

#[test]
fn nested_without_end_and_numerous_without_end_is_refused_quickly() {
    let begun = Instant::now();
    let [a, b] = ["a", "b"].map(Signer::of);
    let nested = (0..5000).fold(vec![5, 0], |inner, _| tlv(SEQUENCE, &[&inner]));
    let many_names: Vec<u8> = (0..8000).flat_map(|_| general_name("dns:a")).collect();
    let many_trees: Vec<u8> = (0..6000)
        .flat_map(|_| tlv(SEQUENCE, &[&general_name("dns:a")]))
        .collect();
    let mut many_extensions = Draft::empty();
    many_extensions.extensions = (0..5000)
        .map(|n| extension(&format!("1.2.{n}"), false, &[]))
        .collect();
    for draft in [
        Draft::host(HOST).extension("2.5.29.17", false, &tlv(SEQUENCE, &[&many_names])),
        Draft::host(HOST).extension(
            "2.5.29.30",
            true,
            &tlv(SEQUENCE, &[&tlv(0xa0, &[&many_trees])]),
        ),
        Draft::host(HOST).extension("2.5.29.17", false, &nested),
        Draft::host(HOST).extension("2.5.29.31", false, &nested),
        many_extensions,
    ] {
        assert!(Certificate::parse(&draft.issue(&a, &b)).is_err());
    }
    for bytes in [
        nested,
        vec![0x30; 60_000],
        vec![0xa0; 60_000],
        vec![0; 60_000],
        vec![0xff; 60_000],
    ] {
        assert!(Certificate::parse(&bytes).is_err());
        assert!(RevocationList::parse(&bytes).is_err());
    }
    assert!(matches!(
        Certificate::parse(&vec![0x30; 70_000]),
        Err(CertificateError::TooLong { .. })
    ));
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}
