//! Revocation by CRL: what each list is worth, what is asked, and what is kept of the answers.

use ike::auth::ask::FetchQuestion;
use ike::config::Revocation::{self, IfAvailable, Off, Strict};
use ike::pki::{
    CertificateError, CertificateFailure, RevocationCache, RevocationList, RevocationOutcome,
};

use super::support::*;

fn host() -> Draft {
    Draft::host(HOST)
}

/// What comes of one list: from a file, and in band.
#[track_caller]
fn outcome(host: Draft, revocation: Revocation, list: &[u8]) -> String {
    let scene = Scene::of(host);
    let list = [list.to_vec()];
    let from_file = word(&scene.check(revocation, &list, &[], &[]));
    assert_eq!(from_file, word(&scene.check(revocation, &[], &list, &[])));
    from_file
}

#[test]
fn a_list_says_who_is_revoked_and_who_is_not() {
    let root = Signer::of("root");
    let (good, bad) = (
        ListDraft::of(&[1, 9]).issue(&root),
        ListDraft::of(&[9, 7, 1]).issue(&root),
    );
    assert_eq!(outcome(host(), Strict, &good), "clear");
    assert_eq!(outcome(host(), IfAvailable, &good), "clear");
    assert_eq!(outcome(host(), Strict, &bad), "certificate-revoked");
    assert_eq!(outcome(host(), IfAvailable, &bad), "certificate-revoked");
    assert_eq!(outcome(host(), Off, &bad), "clear");
    assert_eq!(
        outcome(host(), Strict, &ListDraft::of(&[]).issue(&root)),
        "clear"
    );
}

#[test]
fn the_failure_says_when_why_and_by_whom() {
    let scene = Scene::of(host());
    let list = ListDraft::of(&[7]).issue(&scene.root);
    let RevocationOutcome::Revoked(failure) = scene.check(IfAvailable, &[list], &[], &[]) else {
        panic!("it is revoked");
    };
    assert_eq!(
        failure.to_string(),
        "the certificate of O=Example, CN=host (serial 07) was revoked at 2027-01-15T06:00:00Z (keyCompromise), says CRL"
    );
}

#[test]
fn a_list_that_is_not_to_be_believed_says_nothing() {
    let (root, other) = (Signer::of("root"), Signer::with_key("root", "another key"));
    let with = |times| {
        ListDraft {
            times,
            ..ListDraft::of(&[7])
        }
        .issue(&root)
    };
    let mut forged = ListDraft::of(&[7]).issue(&root);
    *forged.last_mut().expect("bytes") ^= 1;
    for useless in [
        forged,
        ListDraft::of(&[7]).issue(&other),
        ListDraft::of(&[7]).issue(&Signer::of("somebody else")),
        with((-2 * DAY, Some(-DAY))),
        with((DAY, Some(2 * DAY))),
        with((-DAY, None)),
    ] {
        assert_eq!(outcome(host(), Strict, &useless), "revocation-unknown");
        assert_eq!(outcome(host(), IfAvailable, &useless), "clear");
    }
    // A clock may be some minutes behind.
    assert_eq!(
        outcome(host(), Strict, &with((200, Some(DAY)))),
        "certificate-revoked"
    );
}

#[test]
fn an_authority_without_crl_sign_signs_none() {
    let root = Signer::of("root");
    let anchor = parse(&Draft::authority().usage(&[5]).issue(&root, &root));
    let host = [host().issue(&Signer::of("host"), &root)];
    let list = list(&ListDraft::of(&[7]).issue(&root));
    let trust = ike::pki::TrustStore::new(vec![anchor], vec![], vec![list], vec![]);
    let peer = verify(&trust, &host, HOST).expect("trusted");
    let outcome = peer.check_revocation(&demand(Strict), &trust, &RevocationCache::default(), NOW);
    let RevocationOutcome::Unknown(CertificateFailure::RevocationUnknown { tried, .. }) = outcome
    else {
        panic!("{outcome:?}");
    };
    assert!(tried[0].contains("keyUsage"), "{tried:?}");
}

#[test]
fn a_list_for_a_part_is_for_that_part() {
    let root = Signer::of("root");
    let with = |scope: &[u8]| ListDraft::of(&[7]).scope(scope).issue(&root);
    // Only end entities; only authorities.
    assert_eq!(
        outcome(host(), Strict, &with(&[0x81, 1, 0xff])),
        "certificate-revoked"
    );
    assert_eq!(
        outcome(host(), Strict, &with(&[0x82, 1, 0xff])),
        "revocation-unknown"
    );
    // A distribution point that the certificate names, or another one: no list stands for another (RFC 4945 section 5.1.3.13).
    let named = host().crl(CRL_URL);
    let point = |url| ListDraft::of(&[7]).point(url).issue(&root);
    assert_eq!(
        outcome(named.clone(), IfAvailable, &point(CRL_URL)),
        "certificate-revoked"
    );
    assert_eq!(
        outcome(named, Strict, &point("http://pki.example.com/other.crl")),
        CRL_URL
    );
    assert_eq!(
        outcome(host(), Strict, &point(CRL_URL)),
        "revocation-unknown"
    );
}

#[test]
fn lists_that_mean_something_else_are_refused_by_name() {
    let root = Signer::of("root");
    let more = |id: &str, critical, value: &[u8]| {
        let mut draft = ListDraft::of(&[7]);
        draft.extensions.push(extension(id, critical, value));
        RevocationList::parse(&draft.issue(&root))
    };
    let scope =
        |scope: &[u8]| RevocationList::parse(&ListDraft::of(&[7]).scope(scope).issue(&root));
    let entry = |id: &str, critical| {
        let entry_extensions = extension(id, critical, &[5, 0]);
        RevocationList::parse(
            &ListDraft {
                entry_extensions,
                ..ListDraft::of(&[7])
            }
            .issue(&root),
        )
    };
    for (result, what) in [
        (more("2.5.29.27", true, &[2, 1, 1]), "delta CRLs"),
        (scope(&[0x83, 2, 1, 2]), "CRLs for some reasons only"),
        (scope(&[0x84, 1, 0xff]), "indirect CRLs"),
        (scope(&[0x85, 1, 0xff]), "CRLs for attribute certificates"),
        (
            scope(&tlv(0xa0, &[&[0xa1, 0]])),
            "CRLs for a distribution point that is named relatively",
        ),
        (entry("2.5.29.29", true), "indirect CRLs"),
    ] {
        assert_eq!(
            result.expect_err("refused"),
            CertificateError::Unsupported(what)
        );
    }
    for result in [more("1.2.3.4", true, &[5, 0]), entry("1.2.3.4", true)] {
        assert_eq!(
            result.expect_err("refused"),
            CertificateError::CriticalExtension("1.2.3.4".into())
        );
    }
    more("1.2.3.4", false, &[5, 0]).expect("a list");
    entry("1.2.3.4", false).expect("a list");
}

#[test]
fn every_certificate_below_the_anchor_is_looked_at() {
    let [top, middle] = ["root", "CA"].map(Signer::of);
    let chain = [
        host().issue(&Signer::of("host"), &middle),
        Draft::authority().serial(5).issue(&middle, &top),
    ];
    let check = |lists: &[Vec<u8>]| {
        let lists = lists.iter().map(|der| list(der)).collect();
        let trust = ike::pki::TrustStore::new(vec![top.root()], vec![], lists, vec![]);
        let peer = verify(&trust, &chain, HOST).expect("trusted");
        peer.check_revocation(&demand(Strict), &trust, &RevocationCache::default(), NOW)
    };
    let (upper, lower) = (
        ListDraft::of(&[9]).issue(&top),
        ListDraft::of(&[9]).issue(&middle),
    );
    assert_eq!(word(&check(&[upper.clone(), lower.clone()])), "clear");
    assert_eq!(word(&check(&[upper])), "revocation-unknown");
    assert_eq!(
        word(&check(std::slice::from_ref(&lower))),
        "revocation-unknown"
    );
    assert_eq!(
        word(&check(&[ListDraft::of(&[5]).issue(&top), lower])),
        "certificate-revoked"
    );
}

#[test]
fn what_the_certificate_names_is_asked_for_once_and_kept() {
    let scene = Scene::of(host().crl(CRL_URL).crl(CRL_URL));
    let (trust, peer) = scene.peer(&[], &[], &[]);
    let mut cache = RevocationCache::default();
    let strict = demand(Strict);
    let RevocationOutcome::Needs { peer, questions } =
        peer.check_revocation(&strict, &trust, &cache, NOW)
    else {
        panic!("there is nothing yet");
    };
    assert_eq!(questions.len(), 1);
    assert_eq!(
        questions[0],
        FetchQuestion {
            url: CRL_URL.into(),
            body: None,
            limit: questions[0].limit
        }
    );
    cache.insert(
        &questions[0],
        Ok(ListDraft::of(&[1]).issue(&scene.root)),
        NOW,
    );
    assert_eq!(
        word(&peer.check_revocation(&strict, &trust, &cache, NOW)),
        "clear"
    );
    // Another peer asks nobody, until the list is old.
    let again = |cache: &RevocationCache, now| {
        word(
            &scene
                .peer(&[], &[], &[])
                .1
                .check_revocation(&strict, &trust, cache, now),
        )
    };
    assert_eq!(again(&cache, after(3600)), "clear");
    assert_eq!(again(&cache, after(DAY + 1)), CRL_URL);
    // The next one revokes.
    let mut next = ListDraft::of(&[7]);
    next.times = (DAY, Some(2 * DAY));
    cache.insert(&questions[0], Ok(next.issue(&scene.root)), after(DAY + 1));
    assert_eq!(again(&cache, after(DAY + 2)), "certificate-revoked");
}

#[test]
fn a_failure_is_told_and_tried_again_after_a_minute_and_the_loop_ends() {
    let scene = Scene::of(host().crl(CRL_URL));
    for revocation in [Strict, IfAvailable] {
        let (trust, peer) = scene.peer(&[], &[], &[]);
        let mut cache = RevocationCache::default();
        let demand = demand(revocation);
        let RevocationOutcome::Needs { peer, questions } =
            peer.check_revocation(&demand, &trust, &cache, NOW)
        else {
            panic!("there is nothing yet");
        };
        cache.insert(&questions[0], Err("no answer within 5 s".into()), NOW);
        // Also a peer that comes back late, and to a cache that forgot, asks nothing twice.
        let (now, forgetful) = (after(1000), RevocationCache::default());
        let outcome = peer.check_revocation(
            &demand,
            &trust,
            if revocation == Strict {
                &cache
            } else {
                &forgetful
            },
            now,
        );
        match (revocation, outcome) {
            (Strict, RevocationOutcome::Unknown(failure)) => assert_eq!(
                failure.to_string(),
                "whether the certificate of O=Example, CN=host (serial 07) was revoked is not known: \
                 http://pki.example.com/ca.crl: no answer within 5 s"
            ),
            (IfAvailable, RevocationOutcome::Clear(_)) => {}
            (_, outcome) => panic!("{outcome:?}"),
        }
        let peer = |now| {
            word(
                &scene
                    .peer(&[], &[], &[])
                    .1
                    .check_revocation(&demand, &trust, &cache, now),
            )
        };
        let settled = if revocation == Strict {
            "revocation-unknown"
        } else {
            "clear"
        };
        assert_eq!(peer(after(30)), settled);
        assert_eq!(peer(after(61)), CRL_URL);
    }
}

#[test]
fn a_failed_refresh_keeps_what_still_holds() {
    let scene = Scene::of(host().crl(CRL_URL));
    let (trust, peer) = scene.peer(&[], &[], &[]);
    let mut cache = RevocationCache::default();
    let strict = demand(Strict);
    let RevocationOutcome::Needs { questions, .. } =
        peer.check_revocation(&strict, &trust, &cache, NOW)
    else {
        panic!("there is nothing yet");
    };
    let mut long = ListDraft::of(&[1]);
    long.times = (-3600, Some(30 * DAY));
    cache.insert(&questions[0], Ok(long.issue(&scene.root)), NOW);
    let later = after(2 * DAY);
    let peer = || scene.peer(&[], &[], &[]).1;
    let RevocationOutcome::Needs { peer: same, .. } =
        peer().check_revocation(&strict, &trust, &cache, later)
    else {
        panic!("it is old");
    };
    cache.insert(&questions[0], Err("no answer".into()), later);
    assert_eq!(
        word(&same.check_revocation(&strict, &trust, &cache, later)),
        "clear"
    );
    assert_eq!(
        word(&peer().check_revocation(&strict, &trust, &cache, later)),
        "clear"
    );
}

#[test]
fn what_is_fetched_is_believed_no_more_than_anything_else() {
    let scene = Scene::of(host().crl(CRL_URL));
    for (body, why) in [
        (b"<html>not found</html>".to_vec(), "there is no CRL in it"),
        (
            ListDraft::of(&[1]).issue(&Signer::with_key("root", "another key")),
            "not signed by the key",
        ),
        (
            ListDraft::of(&[1]).issue(&Signer::of("somebody else")),
            "about other certificates",
        ),
        (vec![0x30; 1000], "no well-formed CRL"),
    ] {
        let (trust, peer) = scene.peer(&[], &[], &[]);
        let mut cache = RevocationCache::default();
        let RevocationOutcome::Needs { peer, questions } =
            peer.check_revocation(&demand(Strict), &trust, &cache, NOW)
        else {
            panic!("there is nothing yet");
        };
        cache.insert(&questions[0], Ok(body), NOW);
        let RevocationOutcome::Unknown(failure) =
            peer.check_revocation(&demand(Strict), &trust, &cache, NOW)
        else {
            panic!("nothing was learned");
        };
        assert!(failure.to_string().contains(why), "{failure}");
    }
}

#[test]
fn the_cache_of_answers_is_bounded() {
    let scene = Scene::of(host());
    let list = ListDraft::of(&[1]).issue(&scene.root);
    let mut cache = RevocationCache::default();
    for n in 0..1000 {
        let question = FetchQuestion {
            url: format!("http://{n}.example.com/"),
            body: None,
            limit: 1,
        };
        cache.insert(&question, Ok(list.clone()), NOW);
    }
    assert_eq!(cache.len(), 256);
}

#[test]
fn urls_that_are_not_plain_http_are_not_asked() {
    for url in [
        "https://x.example/",
        "ldap://x/cn=x",
        "file:///etc/passwd",
        "http://x y/",
        "http:/x",
        &format!("http://{}", "x".repeat(2000)),
    ] {
        let draft = host().crl(url).ocsp(url);
        let der = draft.issue(&Signer::of("host"), &Signer::of("root"));
        let certificate = parse(&der);
        assert!(
            certificate.crl_urls().is_empty() && certificate.ocsp_urls().is_empty(),
            "{url}"
        );
    }
}

#[test]
fn a_list_of_a_hundred_thousand_is_read_once_and_searched_quickly() {
    let scene = Scene::of(host());
    let mut draft = ListDraft::of(&[]);
    draft.serials = (0..100_000_u32)
        .map(|n| [&[1][..], &n.to_be_bytes()].concat())
        .collect();
    draft.serials.push(vec![7]);
    let der = draft.issue(&scene.root);
    assert_eq!(list(&der).entries(), 100_001);
    assert_eq!(
        word(&scene.check(Strict, &[der], &[], &[])),
        "certificate-revoked"
    );
}
