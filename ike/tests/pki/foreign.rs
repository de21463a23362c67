//! Certificates, CRLs and OCSP replies that another implementation made: `vectors/pki`.

use ike::config::Revocation::Strict;
use ike::config::SignatureDemand;
use ike::crypto::signature::KeyError;
use ike::pki::{
    Certificate, CertificateError, CertificateFailure, PathCache, Presented, RevocationCache,
    RevocationList, RevocationOutcome, TrustStore,
};

use super::support::{CNSA, HOST, NOW, demand, id, parse, refused, trusting};

fn file(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/vectors/pki/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn outcome(
    name: &str,
    demand: &SignatureDemand,
) -> Result<ike::pki::TrustedPeer, CertificateFailure> {
    let host = file(&format!("{name}-host.der"));
    let presented = Presented {
        certificates: vec![&host],
        ..Presented::default()
    };
    let trust = trusting(&[parse(&file(&format!("{name}.der")))]);
    trust.verify(
        &presented,
        &id(HOST),
        demand,
        NOW,
        &mut PathCache::default(),
    )
}

#[test]
fn chains_of_every_algorithm_are_believed() {
    for name in [
        "rsa-sha256",
        "rsa-sha512",
        "rsa3072-sha384",
        "rsa-pss",
        "p256",
        "p256-sha512",
        "p384",
        "p521",
        "ed25519",
    ] {
        let peer = outcome(name, &SignatureDemand::default())
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert_eq!(peer.path().len(), 2);
    }
}

#[test]
fn cnsa_1_takes_rsa_from_3072_bits_and_p384() {
    for (name, good) in [
        ("rsa3072-sha384", true),
        ("p384", true),
        ("rsa-sha512", false),
        ("p256", false),
        ("p521", false),
        ("ed25519", false),
    ] {
        match outcome(name, &CNSA) {
            Ok(_) => assert!(good, "{name}"),
            failed => {
                assert!(!good, "{name}");
                refused(failed, "certificate-weak");
            }
        }
    }
}

#[test]
fn sha_1_and_md5_are_weak_and_say_so() {
    for (name, what) in [
        ("rsa-sha1", "RSA with SHA-1"),
        ("rsa-md5", "RSA with MD5"),
        ("p256-sha1", "ECDSA with SHA-1"),
    ] {
        let failure = refused(
            outcome(name, &SignatureDemand::default()),
            "certificate-weak",
        );
        assert!(failure.to_string().contains(what), "{failure}");
    }
}

#[test]
fn pss_with_a_salt_of_another_length_is_not_supported() {
    refused(
        outcome("rsa-pss-salt", &SignatureDemand::default()),
        "certificate-unsupported",
    );
}

#[test]
fn keys_that_are_not_for_us_are_refused_where_they_are_read() {
    for name in ["rsa1024", "ed448", "brainpool"] {
        for file in [
            file(&format!("{name}.der")),
            file(&format!("{name}-host.der")),
        ] {
            let error = Certificate::parse(&file).expect_err(name);
            assert!(matches!(error, CertificateError::Key { .. }), "{error}");
        }
    }
    let host = file("rsa1024-host.der");
    let presented = Presented {
        certificates: vec![&host],
        ..Presented::default()
    };
    let trust = trusting(&[parse(&file("p256.der"))]);
    let result = trust.verify(
        &presented,
        &id(HOST),
        &SignatureDemand::default(),
        NOW,
        &mut PathCache::default(),
    );
    let failure = refused(result, "certificate-weak");
    assert!(matches!(
        failure,
        CertificateFailure::Malformed(CertificateError::Key {
            error: KeyError::RsaTooShort { bits: 1024 },
            ..
        })
    ));
}

#[test]
fn everything_in_a_certificate_is_read() {
    let certificate = parse(&file("p256-host.der"));
    let subject = id("C=DE, O=Example, CN=p256-host");
    assert!(certificate.subject().matches(&subject));
    assert!(
        certificate
            .issuer()
            .matches(&id("C=DE, O=Example, CN=p256 root"))
    );
    assert_eq!(certificate.serial(), "1234");
    assert_eq!(
        certificate.names(),
        [id("host.example.com"), id("192.0.2.1")]
    );
    assert_eq!(certificate.crl_urls(), ["http://pki.example.com/ca.crl"]);
    assert_eq!(certificate.ocsp_urls(), ["http://pki.example.com/ocsp"]);
    assert!(!certificate.is_authority() && parse(&file("p256.der")).is_authority());
    assert!(certificate.not_before() < NOW && NOW < certificate.not_after());
}

#[test]
fn bundles_are_read_in_their_order() {
    let bundle = Certificate::read_all(&file("bundle.pem")).expect("two");
    assert_eq!(
        bundle.iter().map(Certificate::der).collect::<Vec<_>>(),
        [file("p256-host.der"), file("p256.der")]
    );
    assert_eq!(
        Certificate::read_all(&file("p256.der")).expect("one").len(),
        1
    );
    assert_eq!(
        RevocationList::read_all(&file("crl.pem"))
            .expect("one")
            .len(),
        1
    );
    for nothing in [
        &b""[..],
        b"hello",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        assert_eq!(
            Certificate::read_all(nothing),
            Err(CertificateError::Nothing("certificate"))
        );
    }
    let broken = b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    assert_eq!(Certificate::read_all(broken), Err(CertificateError::Pem));
}

/// What is known about a certificate under the P-256 root with one CRL or OCSP reply in band.
fn revocation(
    certificate: &str,
    lists: &[Vec<u8>],
    replies: &[Vec<u8>],
) -> (RevocationOutcome, TrustStore) {
    let own = file(&format!("{certificate}.der"));
    let presented = Presented {
        certificates: vec![&own],
        lists: lists.iter().map(Vec::as_slice).collect(),
        ocsp: replies.iter().map(Vec::as_slice).collect(),
        raw_key: None,
    };
    let trust = trusting(&[parse(&file("p256.der"))]);
    let peer = trust
        .verify(
            &presented,
            &id(HOST),
            &SignatureDemand::default(),
            NOW,
            &mut PathCache::default(),
        )
        .expect("trusted");
    (
        peer.check_revocation(&demand(Strict), &trust, &RevocationCache::default(), NOW),
        trust,
    )
}

#[test]
fn foreign_lists_and_replies_are_understood() {
    let says = |certificate: &str, lists: &[&str], replies: &[&str]| {
        let read = |names: &[&str]| names.iter().map(|name| file(name)).collect::<Vec<_>>();
        super::support::word(&revocation(certificate, &read(lists), &read(replies)).0)
    };
    let (clear, revoked, asked) = ("clear", "certificate-revoked", super::support::OCSP_URL);
    assert_eq!(says("p256-host", &["crl.der"], &[]), clear);
    assert_eq!(says("revoked", &["crl.der"], &[]), revoked);
    assert_eq!(says("p256-host", &[], &["ocsp-good.der"]), clear);
    assert_eq!(says("p256-host", &[], &["ocsp-good-sha256.der"]), clear);
    assert_eq!(says("p256-host", &[], &["ocsp-delegated.der"]), clear);
    assert_eq!(says("p256-host", &[], &["ocsp-not-delegated.der"]), asked);
    assert_eq!(says("p256-host", &[], &["ocsp-revoked.der"]), asked);
    assert_eq!(says("revoked", &[], &["ocsp-revoked.der"]), revoked);
    assert_eq!(says("revoked", &[], &["ocsp-good.der"]), asked);
}

#[test]
fn our_request_is_the_one_that_others_make() {
    let (outcome, _) = revocation("p256-host", &[], &[]);
    let RevocationOutcome::Needs { questions, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        questions[0].body.as_deref(),
        Some(&file("ocsp-request.der")[..])
    );
}
