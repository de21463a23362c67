//! Whom a certificate is for: RFC 4945 section 3.1 and 5.1.3.6.

use ike::config::identity::Identity;
use ike::pki::CertificateFailure;

use super::support::*;

fn outcome(host: &Draft, subject: &str, claimed: &str) -> &'static str {
    let root = Signer::of("root");
    let host = host.issue(
        &Signer {
            name: subject.into(),
            key: Key::of("host"),
        },
        &root,
    );
    verify(&trusting(&[root.root()]), &[host], claimed)
        .map_or_else(|failure| failure.code().name(), |_| "good")
}

const NAMES: &[&str] = &[
    "dns:hq.Example.com",
    "email:vpn@Example.com",
    "ip:c0000201",
    "ip:20010db8000000000000000000000001",
    "dns:*.wild.example.com",
    "uri:http://example.com/",
];

#[test]
fn each_kind_of_identity_is_compared_with_its_own_kind_of_name() {
    let host = Draft::empty().names(NAMES);
    let subject = "C=DE, O=Example, CN=cn.example.com";
    for good in [
        "HQ.example.COM",
        "vpn@EXAMPLE.com",
        "192.0.2.1",
        "2001:db8::1",
        subject,
        "c=DE, o=EXAMPLE, cn=CN.example.com",
    ] {
        assert_eq!(outcome(&host, subject, good), "good", "{good}");
    }
    for bad in [
        "example.com",
        "x.hq.example.com",
        "VPN@example.com",
        "192.0.2.2",
        "fqdn:192.0.2.1",
        "2001:db8::2",
        "a.wild.example.com",
        "fqdn:*.wild.example.com",
        "cn.example.com",
        "keyid:hq.example.com",
        "O=Example, C=DE, CN=cn.example.com",
        "C=DE, O=Example",
        "C=DE, O=Example, CN=cn.example.com, OU=more",
        "fqdn:http://example.com/",
    ] {
        assert_eq!(outcome(&host, subject, bad), "certificate-name", "{bad}");
    }
}

#[test]
fn a_common_name_is_nobodys_name() {
    assert_eq!(
        outcome(&Draft::empty(), "CN=hq.example.com", "hq.example.com"),
        "certificate-name"
    );
    assert_eq!(
        outcome(&Draft::empty(), "CN=192.0.2.1", "192.0.2.1"),
        "certificate-name"
    );
    assert_eq!(
        outcome(&Draft::empty(), "E=vpn@example.com", "vpn@example.com"),
        "certificate-name"
    );
}

#[test]
fn an_empty_subject_is_nobody() {
    let host = Draft::host("hq.example.com");
    assert_eq!(outcome(&host, "", "hq.example.com"), "good");
    let root = Signer::of("root");
    let host = [host.issue(
        &Signer {
            name: String::new(),
            key: Key::of("host"),
        },
        &root,
    )];
    let result = trusting(&[root.root()]).verify(
        &presented(&host),
        &Identity::DistinguishedName(vec![SEQUENCE, 0]),
        &ike::config::SignatureDemand::default(),
        NOW,
        &mut ike::pki::PathCache::default(),
    );
    refused(result, "certificate-name");
}

#[test]
fn the_first_certificate_is_the_peers_own() {
    let root = Signer::of("root");
    let issue = |name: &str| Draft::host(name).issue(&Signer::of(name), &root);
    let chain = [issue("other.example.com"), issue("hq.example.com")];
    let failure = refused(
        verify(&trusting(&[root.root()]), &chain, "hq.example.com"),
        "certificate-name",
    );
    let CertificateFailure::Name {
        elsewhere: Some(elsewhere),
        names,
        ..
    } = &failure
    else {
        panic!("{failure:?}");
    };
    assert_eq!(elsewhere.subject(), &id("O=Example, CN=hq.example.com"));
    assert_eq!(names[0], id("other.example.com"));
    assert!(failure.suggestion().contains("before all others"));
}

#[test]
fn names_that_would_steer_a_terminal_are_no_names() {
    let host = Draft::empty().names(&[
        "dns:evil\u{1b}[2J.example.com",
        "email:a b@example.com",
        "ip:c00002",
    ]);
    let der = host.issue(&Signer::of("host"), &Signer::of("root"));
    assert_eq!(parse(&der).names(), []);
}
