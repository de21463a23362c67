//! What each certificate of a path must be: its time, its form, its strength.

use ike::config::SignatureDemand;
use ike::pki::{Certificate, CertificateError, PathCache};

use super::support::*;

const HOST: &str = "branch.example.com";

/// Root, authority and host, each made from a draft; the host's first.
fn made(root: &Draft, authority: &Draft, host: &Draft) -> (ike::pki::TrustStore, Vec<Vec<u8>>) {
    let [top, middle, end] = ["root", "CA", HOST].map(Signer::of);
    let anchor = parse(&root.issue(&top, &top));
    let chain = vec![host.issue(&end, &middle), authority.issue(&middle, &top)];
    (trusting(&[anchor]), chain)
}

#[track_caller]
fn outcome(root: &Draft, authority: &Draft, host: &Draft) -> &'static str {
    let (trust, chain) = made(root, authority, host);
    verify(&trust, &chain, HOST).map_or_else(|failure| failure.code().name(), |_| "good")
}

#[test]
fn each_certificate_of_the_path_has_to_be_in_date() {
    let (good, host) = (Draft::authority(), Draft::host(HOST));
    assert_eq!(outcome(&good, &good, &host), "good");
    for (first, last, code) in [
        (-DAY, -1, "certificate-expired"),
        (1, DAY, "certificate-not-yet-valid"),
        (DAY, -DAY, "certificate-not-yet-valid"),
        (0, 0, "good"),
    ] {
        let authority = good.clone().times(first, last);
        assert_eq!(outcome(&authority, &good, &host), code);
        assert_eq!(outcome(&good, &authority, &host), code);
        assert_eq!(
            outcome(&good, &good, &host.clone().times(first, last)),
            code
        );
    }
}

#[test]
fn a_failure_says_which_certificate_and_since_when() {
    let (trust, chain) = made(
        &Draft::authority(),
        &Draft::authority().serial(0x2a).times(-DAY, -1),
        &Draft::host(HOST),
    );
    let failure = refused(verify(&trust, &chain, HOST), "certificate-expired");
    assert_eq!(
        failure.to_string(),
        "the certificate of O=Example, CN=CA (serial 2a) expired at 2027-01-15T07:59:59Z; it is 2027-01-15T08:00:00Z"
    );
    assert!(
        failure
            .details()
            .contains(&("not-after", "2027-01-15T07:59:59Z".into()))
    );
}

#[test]
fn unknown_critical_extensions_are_refused_and_others_passed_over() {
    let (good, host) = (Draft::authority(), Draft::host(HOST));
    let unknown = |draft: &Draft, critical| draft.clone().extension("1.2.3.4", critical, &[5, 0]);
    assert_eq!(
        outcome(
            &unknown(&good, false),
            &unknown(&good, false),
            &unknown(&host, false)
        ),
        "good"
    );
    assert_eq!(
        outcome(&unknown(&good, true), &good, &host),
        "certificate-unsupported"
    );
    assert_eq!(
        outcome(&good, &unknown(&good, true), &host),
        "certificate-unsupported"
    );
    assert_eq!(
        outcome(&good, &good, &unknown(&host, true)),
        "certificate-unsupported"
    );
    // certificatePolicies restrict nothing by themselves, policyConstraints do.
    let policies = tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&oid("1.2.3")])]);
    assert_eq!(
        outcome(
            &good,
            &good,
            &host.clone().extension("2.5.29.32", true, &policies)
        ),
        "good"
    );
    let demanded = tlv(SEQUENCE, &[&[0x80, 1, 0]]);
    let policed = good.clone().extension("2.5.29.36", true, &demanded);
    assert_eq!(outcome(&good, &policed, &host), "certificate-unsupported");
}

#[test]
fn version_one_is_good_for_an_anchor_only() {
    let old = Draft {
        version: 1,
        ..Draft::empty()
    };
    let (good, host) = (Draft::authority(), Draft::host(HOST));
    assert_eq!(outcome(&old, &good, &host), "good");
    assert_eq!(outcome(&good, &old, &host), "certificate-unsupported");
    let (trust, chain) = made(&good, &good, &old);
    refused(
        verify(&trust, &chain, &format!("O=Example, CN={HOST}")),
        "certificate-unsupported",
    );
    // Only version 3 has extensions.
    let [a, b] = ["a", "b"].map(Signer::of);
    for version in [1, 2, 4, 9] {
        let odd = Draft {
            version,
            ..Draft::host(HOST)
        };
        assert!(Certificate::parse(&odd.issue(&a, &b)).is_err(), "{version}");
    }
}

#[test]
fn only_authorities_sign_certificates_and_only_as_deep_as_they_may() {
    let (good, host) = (Draft::authority(), Draft::host(HOST));
    let not = Draft::empty()
        .extension("2.5.29.19", true, &[SEQUENCE, 0])
        .usage(&[5]);
    for no_authority in [not, Draft::empty().usage(&[5]), Draft::host("CA")] {
        assert_eq!(
            outcome(&good, &no_authority, &host),
            "certificate-untrusted"
        );
        assert_eq!(
            outcome(&no_authority, &good, &host),
            "certificate-untrusted"
        );
    }
    assert_eq!(
        outcome(&good, &good.clone().usage(&[0, 6]), &host),
        "certificate-key-usage"
    );
    assert_eq!(
        outcome(&good.clone().usage(&[0, 6]), &good, &host),
        "certificate-key-usage"
    );
    // One authority below the root, none below the other.
    assert_eq!(
        outcome(
            &good.clone().limited(Some(1)),
            &good.clone().limited(Some(0)),
            &host
        ),
        "good"
    );
    assert_eq!(
        outcome(&good.clone().limited(Some(0)), &good, &host),
        "certificate-constraints"
    );
}

#[test]
fn an_authority_that_renewed_itself_does_not_count_for_the_path_length() {
    let (old, new) = (Signer::of("CA"), Signer::with_key("CA", "the new key"));
    let anchor = parse(&Draft::authority().limited(Some(0)).issue(&old, &old));
    let chain = [
        Draft::host(HOST).issue(&Signer::of(HOST), &new),
        Draft::authority().limited(Some(0)).issue(&new, &old),
    ];
    assert_eq!(
        verify(&trusting(&[anchor]), &chain, HOST)
            .expect("trusted")
            .path()
            .len(),
        3
    );
}

#[test]
fn what_is_weaker_than_the_connection_asks_for_is_refused_on_each_step() {
    let (trust, chain) = made(&Draft::authority(), &Draft::authority(), &Draft::host(HOST));
    let result = trust.verify(
        &presented(&chain),
        &id(HOST),
        &CNSA,
        NOW,
        &mut PathCache::default(),
    );
    let failure = refused(result, "certificate-weak");
    assert!(failure.to_string().contains("Ed25519"), "{failure}");
}

#[test]
fn what_a_cache_holds_for_a_weak_demand_does_not_serve_a_strong_one() {
    let (trust, chain) = made(&Draft::authority(), &Draft::authority(), &Draft::host(HOST));
    let mut cache = PathCache::default();
    let mut with = |demand: &SignatureDemand| {
        trust.verify(&presented(&chain), &id(HOST), demand, NOW, &mut cache)
    };
    with(&SignatureDemand::default()).expect("trusted");
    refused(with(&CNSA), "certificate-weak");
}

#[test]
fn an_extension_that_comes_twice_makes_a_certificate_malformed() {
    let [a, b] = ["a", "b"].map(Signer::of);
    let mut twice = Draft::host(HOST);
    twice.extensions.push(twice.extensions[0].clone());
    let error = Certificate::parse(&twice.issue(&a, &b)).expect_err("malformed");
    assert!(matches!(error, CertificateError::Der { .. }), "{error}");
}
