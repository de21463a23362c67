//! Name constraints of each kind, RFC 5280 section 4.2.1.10.

use ike::pki::Certificate;

use super::support::*;

const SUBJECT: &str = "C=DE, O=Example, CN=host";

/// What comes of a host with these names below an authority with these constraints.
#[track_caller]
fn outcome(permitted: &[&str], excluded: &[&str], names: &[&str]) -> &'static str {
    let host = if names.is_empty() {
        Draft::empty()
    } else {
        Draft::empty().names(names)
    };
    judged(
        &Draft::authority().constraints(permitted, excluded),
        &host,
        SUBJECT,
    )
}

fn judged(authority: &Draft, host: &Draft, subject: &str) -> &'static str {
    let [top, middle] = ["root", "CA"].map(Signer::of);
    let end = Signer {
        name: subject.into(),
        key: Key::of("host"),
    };
    let chain = [host.issue(&end, &middle), authority.issue(&middle, &top)];
    verify(&trusting(&[top.root()]), &chain, subject)
        .map_or_else(|failure| failure.code().name(), |_| "good")
}

const REFUSED: &str = "certificate-constraints";

#[test]
fn dns_names_are_compared_by_labels_without_case() {
    let permitted = &["dns:Example.com"];
    assert_eq!(
        outcome(permitted, &[], &["dns:example.com", "dns:a.b.EXAMPLE.COM"]),
        "good"
    );
    assert_eq!(
        outcome(permitted, &[], &["dns:a.example.com", "dns:badexample.com"]),
        REFUSED
    );
    assert_eq!(
        outcome(permitted, &[], &["dns:example.com.evil.org"]),
        REFUSED
    );
    assert_eq!(
        outcome(&["dns:.example.com"], &[], &["dns:a.example.com"]),
        "good"
    );
    assert_eq!(outcome(&[], permitted, &["dns:a.exAmple.com"]), REFUSED);
    assert_eq!(outcome(&[], permitted, &["dns:a.example.org"]), "good");
    assert_eq!(
        outcome(
            permitted,
            &["dns:secret.example.com"],
            &["dns:a.SECRET.example.com"]
        ),
        REFUSED
    );
    assert_eq!(
        outcome(
            permitted,
            &["dns:secret.example.com"],
            &["dns:a.example.com"]
        ),
        "good"
    );
    assert_eq!(outcome(&[], &["dns:"], &["dns:anything"]), REFUSED);
    // What a star may stand for counts.
    assert_eq!(
        outcome(&[], &["dns:a.example.com"], &["dns:*.example.com"]),
        REFUSED
    );
    assert_eq!(outcome(permitted, &[], &["dns:*.example.com"]), "good");
    // Names of other kinds are not touched.
    assert_eq!(
        outcome(permitted, &[], &["ip:c0000201", "email:a@other.org"]),
        "good"
    );
}

#[test]
fn email_addresses_are_compared_as_mailbox_host_or_domain() {
    let names = &["email:Root@host.Example.com"];
    for base in [
        "email:Root@HOST.example.com",
        "email:host.example.COM",
        "email:.example.com",
    ] {
        assert_eq!(outcome(&[base], &[], names), "good", "{base}");
        assert_eq!(outcome(&[], &[base], names), REFUSED, "{base}");
    }
    for base in [
        "email:root@host.example.com",
        "email:example.com",
        "email:.host.example.com",
        "email:ost.example.com",
    ] {
        assert_eq!(outcome(&[base], &[], names), REFUSED, "{base}");
        assert_eq!(outcome(&[], &[base], names), "good", "{base}");
    }
}

#[test]
fn addresses_are_compared_under_their_mask() {
    let network = &["ip:c0000200ffffff00"];
    assert_eq!(outcome(network, &[], &["ip:c0000201"]), "good");
    assert_eq!(outcome(network, &[], &["ip:c0000301"]), REFUSED);
    assert_eq!(outcome(&[], network, &["ip:c0000201"]), REFUSED);
    assert_eq!(outcome(&[], network, &["ip:c0000301"]), "good");
    let v6 = "20010db8000000000000000000000001";
    let network6 = &format!("ip:20010db8{:024}ffffffff{:024}", 0, 0);
    assert_eq!(outcome(&[network6], &[], &[&format!("ip:{v6}")]), "good");
    assert_eq!(outcome(&[], &[network6], &[&format!("ip:{v6}")]), REFUSED);
    // Where only one family is permitted, the other one is not.
    assert_eq!(outcome(network, &[], &[&format!("ip:{v6}")]), REFUSED);
    assert_eq!(outcome(&[], network, &[&format!("ip:{v6}")]), "good");
    // Lengths that are no network permit nothing and exclude everything.
    assert_eq!(outcome(&["ip:c0000200"], &[], &["ip:c0000201"]), REFUSED);
    assert_eq!(outcome(&[], &["ip:c0000200"], &["ip:c0000201"]), REFUSED);
}

#[test]
fn distinguished_names_are_compared_from_the_front() {
    assert_eq!(outcome(&["dn:C=DE, O=Example"], &[], &[]), "good");
    assert_eq!(outcome(&["dn:c=de, o= EXAMPLE "], &[], &[]), "good");
    assert_eq!(outcome(&["dn:C=DE, O=Other"], &[], &[]), REFUSED);
    assert_eq!(outcome(&["dn:O=Example"], &[], &[]), REFUSED);
    assert_eq!(outcome(&["dn:C=DE, O=Other", "dn:C=DE"], &[], &[]), "good");
    assert_eq!(outcome(&[], &["dn:C=DE, O=example"], &[]), REFUSED);
    assert_eq!(
        outcome(&["dn:C=DE"], &["dn:C=DE, O=Example, CN=host"], &[]),
        REFUSED
    );
    assert_eq!(
        outcome(&[], &["dn:C=DE, O=Example, CN=host, OU=below"], &[]),
        "good"
    );
    // directoryName among the alternative names.
    assert_eq!(outcome(&["dn:C=DE"], &[], &["dn:C=DE, CN=x"]), "good");
    assert_eq!(outcome(&["dn:C=DE"], &[], &["dn:C=FR, CN=x"]), REFUSED);
}

#[test]
fn old_certificates_have_their_address_in_the_subject() {
    let authority = Draft::authority().constraints(&["email:example.com"], &[]);
    assert_eq!(
        judged(&authority, &Draft::empty(), "CN=x, E=a@example.com"),
        "good"
    );
    assert_eq!(
        judged(&authority, &Draft::empty(), "CN=x, E=a@other.org"),
        REFUSED
    );
    // With alternative names, only those count.
    let host = Draft::host("x");
    assert_eq!(judged(&authority, &host, "CN=x, E=a@other.org"), "good");
}

#[test]
fn constraints_on_other_kinds_of_names_refuse_every_such_name() {
    let urls = &["uri:.example.com"];
    assert_eq!(outcome(urls, &[], &["uri:http://a.example.com/"]), REFUSED);
    assert_eq!(outcome(&[], urls, &["uri:http://a.other.org/"]), REFUSED);
    assert_eq!(outcome(urls, &[], &["dns:a.other.org"]), "good");
    assert_eq!(outcome(&[], &["other:"], &["other:"]), REFUSED);
    // A name that cannot be read is no way around a constraint on its kind.
    assert_eq!(
        outcome(
            &[],
            &["dns:secret.example.com"],
            &["dns:se cret.example.com"]
        ),
        REFUSED
    );
    assert_eq!(
        outcome(&["email:example.com"], &[], &["email:a b@example.com"]),
        REFUSED
    );
}

#[test]
fn minimum_and_maximum_and_empty_constraints_are_malformed() {
    let [a, b] = ["a", "b"].map(Signer::of);
    let tree = |more: &[u8]| tlv(0xa0, &[&tlv(SEQUENCE, &[&general_name("dns:x"), more])]);
    for value in [tree(&[0x80, 1, 1]), tree(&[0x81, 1, 2]), Vec::new()] {
        let draft = Draft::authority().extension("2.5.29.30", true, &tlv(SEQUENCE, &[&value]));
        assert!(Certificate::parse(&draft.issue(&a, &b)).is_err());
    }
}

#[test]
fn constraints_hold_for_everything_below_and_anchors_have_them_too() {
    let [top, middle, lower] = ["root", "CA", "lower CA"].map(Signer::of);
    let root = |permitted: &[&str]| {
        trusting(&[parse(
            &Draft::authority()
                .constraints(permitted, &[])
                .issue(&top, &top),
        )])
    };
    let chain = [
        Draft::host("a.example.com").issue(&Signer::of("host"), &lower),
        Draft::authority().issue(&lower, &middle),
        Draft::authority()
            .constraints(&["dns:a.example.com"], &[])
            .issue(&middle, &top),
    ];
    verify(&root(&["dns:example.com"]), &chain, "a.example.com").expect("trusted");
    refused(
        verify(&root(&["dns:other.org"]), &chain, "a.example.com"),
        REFUSED,
    );
    // The authorities' own names are constrained as well.
    let failure = refused(
        verify(&root(&["dn:O=Other"]), &chain, "a.example.com"),
        REFUSED,
    );
    assert!(
        failure.to_string().contains("only O=Other is permitted"),
        "{failure}"
    );
}

#[test]
fn an_authority_that_renewed_itself_is_not_bound_by_its_own_constraints() {
    let (old, new) = (Signer::of("CA"), Signer::with_key("CA", "the new key"));
    let anchor = parse(
        &Draft::authority()
            .constraints(&["dn:C=DE"], &[])
            .issue(&old, &old),
    );
    let host = Signer {
        name: "C=DE, CN=host".into(),
        key: Key::of("host"),
    };
    let chain = [
        Draft::host("a").issue(&host, &new),
        Draft::authority().issue(&new, &old),
    ];
    verify(&trusting(&[anchor]), &chain, "a").expect("trusted");
}
