//! Paths: found in any order, through bounded work, and kept while they hold.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ike::config::SignatureDemand;
use ike::pki::{Certificate, CertificateFailure, PathCache, TrustStore, UntrustedFault};

use super::support::*;

const HOST: &str = "branch.example.com";

/// A chain of `length` authorities and a host: the host's first, the root not among them.
fn chain(length: usize) -> (Arc<Certificate>, Vec<Vec<u8>>) {
    let signers: Vec<_> = (0..length)
        .map(|n| Signer::of(&format!("CA {n}")))
        .collect();
    let mut certificates = vec![Draft::host(HOST).issue(&Signer::of(HOST), &signers[length - 1])];
    for pair in signers.windows(2).rev() {
        certificates.push(Draft::authority().issue(&pair[1], &pair[0]));
    }
    (signers[0].root(), certificates)
}

#[test]
fn a_certificate_that_the_anchor_signed_is_believed() {
    let (root, certificates) = chain(1);
    let peer =
        verify(&trusting(std::slice::from_ref(&root)), &certificates, HOST).expect("trusted");
    assert_eq!(peer.path().len(), 2);
    assert_eq!(peer.path()[1], root);
    assert_eq!(peer.public_key().spki(), Signer::of(HOST).key.spki);
    assert_eq!(peer.valid_until(), Some(after(100 * DAY)));
}

#[test]
fn chains_of_ten_in_any_order_with_strangers_among_them_are_believed() {
    let (root, mut certificates) = chain(10);
    let trust = trusting(std::slice::from_ref(&root));
    assert_eq!(
        verify(&trust, &certificates, HOST)
            .expect("trusted")
            .path()
            .len(),
        11
    );
    certificates[1..].reverse();
    let stranger = Signer::of("stranger");
    certificates.insert(3, stranger.root().der().to_vec());
    certificates.insert(5, b"no certificate at all".to_vec());
    certificates.push(root.der().to_vec());
    certificates.push(certificates[2].clone());
    assert_eq!(
        verify(&trust, &certificates, HOST)
            .expect("trusted")
            .path()
            .len(),
        11
    );
}

#[test]
fn intermediates_come_from_files_too() {
    let (root, certificates) = chain(3);
    let files = certificates[1..].iter().map(|der| parse(der)).collect();
    let trust = TrustStore::new(vec![root], files, Vec::new(), Vec::new());
    verify(&trust, &certificates[..1], HOST).expect("trusted");
}

#[test]
fn an_intermediate_is_no_anchor_and_says_who_is_missing() {
    let (root, certificates) = chain(3);
    let files = vec![parse(&certificates[1])];
    let trust = TrustStore::new(vec![root], files, Vec::new(), Vec::new());
    let failure = refused(
        verify(&trust, &certificates[..1], HOST),
        "certificate-untrusted",
    );
    let CertificateFailure::Untrusted {
        issuer,
        fault,
        trusted,
        ..
    } = failure
    else {
        panic!("{failure:?}");
    };
    assert_eq!(issuer, id("O=Example, CN=CA 1"));
    assert_eq!(fault, UntrustedFault::UnknownIssuer);
    assert_eq!(trusted, [id("O=Example, CN=CA 0")]);
}

#[test]
fn nobody_is_believed_by_default() {
    let (root, mut certificates) = chain(2);
    certificates.push(root.der().to_vec());
    let failure = refused(
        verify(&TrustStore::default(), &certificates, HOST),
        "certificate-untrusted",
    );
    assert!(
        failure.to_string().contains("no authority is configured"),
        "{failure}"
    );
    refused(
        verify(&TrustStore::default(), &[], HOST),
        "certificate-missing",
    );
}

#[test]
fn an_authority_of_the_same_name_with_another_key_is_another_one() {
    let (_, certificates) = chain(1);
    let other = Signer::with_key("CA 0", "impostor").root();
    let failure = refused(
        verify(&trusting(std::slice::from_ref(&other)), &certificates, HOST),
        "certificate-untrusted",
    );
    assert!(matches!(
        failure,
        CertificateFailure::Untrusted {
            fault: UntrustedFault::WrongSignature,
            ..
        }
    ));
    // Where both are trusted, the right one is found.
    let (right, _) = chain(1);
    verify(&trusting(&[other, right]), &certificates, HOST).expect("trusted");
}

#[test]
fn a_signature_with_any_bit_wrong_is_not_believed() {
    let (root, certificates) = chain(1);
    let trust = trusting(&[root]);
    for at in 1..=64 {
        let mut broken = certificates.clone();
        let place = broken[0].len() - at;
        broken[0][place] ^= 1;
        refused(verify(&trust, &broken, HOST), "certificate-untrusted");
    }
}

#[test]
fn a_self_signed_certificate_is_believed_only_where_it_is_an_anchor_itself() {
    let host = Signer::of(HOST);
    let own = Draft::host(HOST).issue(&host, &host);
    refused(
        verify(
            &trusting(&[Signer::of("CA").root()]),
            std::slice::from_ref(&own),
            HOST,
        ),
        "certificate-untrusted",
    );
    let peer =
        verify(&trusting(&[parse(&own)]), std::slice::from_ref(&own), HOST).expect("trusted");
    assert_eq!(peer.path().len(), 1);
    // It is one host, and no authority.
    let other = Signer::of("other");
    let below = Draft::host("other").issue(&other, &host);
    refused(
        verify(&trusting(&[parse(&own)]), &[below], "other"),
        "certificate-untrusted",
    );
}

#[test]
fn keys_from_the_configuration_need_no_path_whatever_certificate_they_come_with() {
    let host = Signer::of(HOST);
    let own = Draft::host("another.name")
        .times(-20 * DAY, -10 * DAY)
        .issue(&host, &Signer::of("nobody"));
    let key = parse(&own).public_key().clone();
    let trust = TrustStore::new(Vec::new(), Vec::new(), Vec::new(), vec![key.clone()]);
    assert!(trust.wants_raw_keys() && trust.certificate_request().is_empty());
    for (certificates, raw_key) in [
        (vec![own.as_slice()], None),
        (vec![], Some(key.spki())),
        (vec![], None),
    ] {
        let presented = ike::pki::Presented {
            certificates,
            raw_key,
            ..Default::default()
        };
        let cache = &mut PathCache::default();
        let peer = trust
            .verify(
                &presented,
                &id(HOST),
                &SignatureDemand::default(),
                NOW,
                cache,
            )
            .expect("trusted");
        assert!(peer.path().is_empty() && peer.valid_until().is_none());
        assert_eq!(peer.public_key(), &key);
        refused(
            trust.verify(&presented, &id(HOST), &CNSA, NOW, cache),
            "certificate-weak",
        );
    }
    let other = Key::of("other").spki;
    for (raw_key, code) in [
        (other.as_slice(), "key-untrusted"),
        (b"x", "certificate-malformed"),
    ] {
        let presented = ike::pki::Presented {
            raw_key: Some(raw_key),
            ..Default::default()
        };
        let result = trust.verify(
            &presented,
            &id(HOST),
            &SignatureDemand::default(),
            NOW,
            &mut PathCache::default(),
        );
        refused(result, code);
    }
}

#[test]
fn loops_of_cross_signed_authorities_end() {
    let [a, b, c] = ["A", "B", "C"].map(Signer::of);
    let mut certificates = vec![Draft::host(HOST).issue(&Signer::of(HOST), &a)];
    for (subject, issuer) in [
        (&a, &b),
        (&b, &c),
        (&c, &a),
        (&a, &c),
        (&c, &b),
        (&b, &a),
        (&a, &a),
    ] {
        certificates.push(Draft::authority().issue(subject, issuer));
    }
    refused(
        verify(&trusting(&[Signer::of("root").root()]), &certificates, HOST),
        "certificate-untrusted",
    );
    verify(&trusting(&[c.root()]), &certificates, HOST).expect("trusted");
}

#[test]
fn a_path_that_breaks_a_rule_does_not_hide_another_one() {
    let (root, authority, host) = (Signer::of("root"), Signer::of("CA"), Signer::of(HOST));
    let certificates = [
        Draft::host(HOST).issue(&host, &authority),
        Draft::authority()
            .times(-20 * DAY, -DAY)
            .issue(&authority, &root),
        Draft::authority().issue(&authority, &root),
    ];
    verify(&trusting(&[root.root()]), &certificates, HOST).expect("trusted");
    refused(
        verify(&trusting(&[root.root()]), &certificates[..2], HOST),
        "certificate-expired",
    );
}

/// A hundred certificates of which each may have signed each: a full graph, and a ladder with two rungs on each step.
#[test]
fn searches_that_would_explode_are_given_up_in_bounded_time() {
    let root = Signer::of("same");
    let host = Draft::host(HOST).issue(&Signer::of(HOST), &root);
    let mut graph = vec![host];
    for n in 0..99 {
        let other = Signer::with_key("same", &format!("key {n}"));
        graph.push(Draft::authority().issue(&other, &other));
    }
    let begun = Instant::now();
    let anchor = Signer::with_key("same", "the anchor").root();
    refused(
        verify(&trusting(&[anchor]), &graph, HOST),
        "certificate-untrusted",
    );
    refused(
        verify(&trusting(&[Signer::of("other").root()]), &graph, HOST),
        "certificate-untrusted",
    );

    let mut ladder = vec![Draft::host(HOST).issue(&Signer::of(HOST), &Signer::of("step 0"))];
    for step in 0..14 {
        let above = Signer::of(&format!("step {}", step + 1));
        for key in 0..7 {
            let rung = Signer::with_key(&format!("step {step}"), &format!("{step} {key}"));
            ladder.push(Draft::authority().issue(&rung, &above));
        }
    }
    refused(
        verify(&trusting(&[Signer::of("step 14").root()]), &ladder, HOST),
        "certificate-untrusted",
    );
    // Generous for a slow machine and a debug build; without bounds it would be years.
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn more_certificates_or_bytes_than_are_looked_at_are_refused() {
    let (root, mut certificates) = chain(1);
    let trust = trusting(&[root]);
    certificates.resize(100, b"?".to_vec());
    verify(&trust, &certificates, HOST).expect("trusted");
    certificates.resize(101, b"?".to_vec());
    refused(verify(&trust, &certificates, HOST), "certificate-too-many");
    certificates.truncate(2);
    certificates[1] = vec![0; 256 * 1024];
    refused(verify(&trust, &certificates, HOST), "certificate-too-many");
}

#[test]
fn a_path_is_kept_while_it_holds_and_no_longer() {
    let (root, certificates) = chain(3);
    let trust = trusting(std::slice::from_ref(&root));
    let demand = SignatureDemand::default();
    let mut cache = PathCache::default();
    let mut verify = |trust: &TrustStore, certificates: &[Vec<u8>], claimed, now| {
        let before = cache.len();
        let result = trust.verify(
            &presented(certificates),
            &id(claimed),
            &demand,
            now,
            &mut cache,
        );
        (result, cache.len() - before.min(cache.len()))
    };
    let (first, new) = verify(&trust, &certificates, HOST, NOW);
    assert_eq!(new, 1);
    let (again, new) = verify(&trust, &certificates, HOST, NOW);
    assert_eq!(new, 0);
    assert_eq!(
        first.expect("trusted").path(),
        again.expect("trusted").path()
    );
    // Whose name it is, is looked at each time; so is the time.
    refused(
        verify(&trust, &certificates, "other.example.com", NOW).0,
        "certificate-name",
    );
    refused(
        verify(&trust, &certificates, HOST, after(101 * DAY)).0,
        "certificate-expired",
    );
    verify(&trust, &certificates, HOST, NOW).0.expect("trusted");
    refused(
        verify(&trust, &certificates, HOST, after(-101 * DAY)).0,
        "certificate-not-yet-valid",
    );
    // Other authorities, other paths.
    let other = trusting(&[Signer::of("other").root()]);
    refused(
        verify(&other, &certificates, HOST, NOW).0,
        "certificate-untrusted",
    );
    // A chain that differs in one bit is another one.
    let mut broken = certificates.clone();
    *broken[0].last_mut().expect("bytes") ^= 1;
    refused(
        verify(&trust, &broken, HOST, NOW).0,
        "certificate-untrusted",
    );
}

#[test]
fn the_path_cache_is_bounded() {
    let root = Signer::of("root");
    let (trust, host) = (trusting(&[root.root()]), Signer::of(HOST));
    let mut cache = PathCache::default();
    for n in 0..600_u16 {
        let mut draft = Draft::host(HOST);
        draft.serial = [&[1][..], &n.to_be_bytes()].concat();
        let certificates = [draft.issue(&host, &root)];
        trust
            .verify(
                &presented(&certificates),
                &id(HOST),
                &SignatureDemand::default(),
                NOW,
                &mut cache,
            )
            .expect("trusted");
    }
    assert_eq!(cache.len(), 512);
}

#[test]
fn a_request_names_each_anchor_by_the_hash_of_its_key_and_stays_short() {
    let root = Signer::of("root").root();
    let trust = trusting(std::slice::from_ref(&root));
    assert_eq!(trust.certificate_request(), root.key_hash());
    let many: Vec<_> = (0..100)
        .map(|n| Signer::of(&format!("CA {n}")).root())
        .collect();
    assert_eq!(trusting(&many).certificate_request().len(), 64 * 20);
    assert_eq!(trusting(&many).certificates().count(), 100);
}
