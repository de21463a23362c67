//! keyUsage and extendedKeyUsage, RFC 4945 sections 5.1.3.2 and 5.1.3.12.

use ike::config::{Purposes, SignatureDemand};
use ike::pki::PathCache;

use super::support::*;

const HOST: &str = "branch.example.com";
const IPSEC_IKE: &str = "1.3.6.1.5.5.7.3.17";
const ANY: &str = "2.5.29.37.0";
const IKE_INTERMEDIATE: &str = "1.3.6.1.5.5.8.2.2";
const SERVER: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT: &str = "1.3.6.1.5.5.7.3.2";
const IPSEC_END_SYSTEM: &str = "1.3.6.1.5.5.7.3.5";

fn outcome(authority: &Draft, host: &Draft) -> &'static str {
    let [top, middle, end] = ["root", "CA", HOST].map(Signer::of);
    let chain = [host.issue(&end, &middle), authority.issue(&middle, &top)];
    verify(&trusting(&[top.root()]), &chain, HOST)
        .map_or_else(|failure| failure.code().name(), |_| "good")
}

#[test]
fn the_end_entity_may_sign_or_says_nothing_about_it() {
    let host = || Draft::empty().names(&[&format!("dns:{HOST}")]);
    let authority = Draft::authority();
    assert_eq!(outcome(&authority, &host()), "good");
    // digitalSignature, nonRepudiation, both, one among others.
    for good in [&[0][..], &[1], &[0, 1], &[1, 2, 3, 8]] {
        assert_eq!(outcome(&authority, &host().usage(good)), "good");
    }
    for bad in [&[2][..], &[3, 4], &[5], &[7, 8]] {
        assert_eq!(
            outcome(&authority, &host().usage(bad)),
            "certificate-key-usage"
        );
    }
}

#[test]
fn purposes_name_ike_or_any_or_there_are_none() {
    let (authority, host) = (Draft::authority(), Draft::host(HOST));
    for good in [
        &[IPSEC_IKE][..],
        &[ANY],
        &[SERVER, IPSEC_IKE],
        &[CLIENT, ANY],
        &[SERVER, IKE_INTERMEDIATE],
    ] {
        assert_eq!(
            outcome(&authority, &host.clone().purposes(good)),
            "good",
            "{good:?}"
        );
        assert_eq!(
            outcome(&authority.clone().purposes(good), &host),
            "good",
            "{good:?}"
        );
    }
    for bad in [
        &[SERVER][..],
        &[CLIENT, SERVER],
        &[IPSEC_END_SYSTEM],
        &["1.2.3"],
        &[],
    ] {
        assert_eq!(
            outcome(&authority, &host.clone().purposes(bad)),
            "certificate-key-usage",
            "{bad:?}"
        );
        assert_eq!(
            outcome(&authority.clone().purposes(bad), &host),
            "certificate-key-usage",
            "{bad:?}"
        );
    }
}

#[test]
fn where_any_purpose_will_do_neither_end_entity_nor_authority_is_asked_for_it_and_key_usage_still_counts()
 {
    let demand = SignatureDemand {
        purposes: Purposes::Any,
        ..SignatureDemand::default()
    };
    let [top, middle, end] = ["root", "CA", HOST].map(Signer::of);
    let outcome = |host: Draft| {
        let authority = Draft::authority().purposes(&[SERVER]);
        let chain = [host.issue(&end, &middle), authority.issue(&middle, &top)];
        let (presented, cache) = (presented(&chain), &mut PathCache::default());
        trusting(&[top.root()])
            .verify(&presented, &id(HOST), &demand, NOW, cache)
            .map_or_else(|failure| failure.code().name(), |_| "good")
    };
    let host = || Draft::host(HOST).purposes(&[SERVER]);
    assert_eq!(outcome(host()), "good");
    assert_eq!(outcome(host().usage(&[2])), "certificate-key-usage");
}

#[test]
fn the_refusal_names_the_purposes_there_are_and_the_one_there_should_be() {
    let root = Signer::of("root");
    let chain = [Draft::host(HOST)
        .purposes(&[SERVER, "1.2.3"])
        .issue(&Signer::of(HOST), &root)];
    let failure = refused(
        verify(&trusting(&[root.root()]), &chain, HOST),
        "certificate-key-usage",
    );
    assert!(
        failure.to_string().contains("only for serverAuth, 1.2.3"),
        "{failure}"
    );
    assert!(
        failure.suggestion().contains(IPSEC_IKE),
        "{}",
        failure.suggestion()
    );
}
