//! Revocation by OCSP, in band (RFC 4806) and fetched (RFC 6960).

use ike::config::Revocation::{IfAvailable, Strict};
use ike::pki::{RevocationCache, RevocationOutcome};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::support::*;

const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
const GOOD: &[u8] = &[0x80, 0];
const UNKNOWN: &[u8] = &[0x82, 0];

/// What a reply is to say.
#[derive(Clone)]
struct Reply {
    status: Vec<u8>,
    serial: u8,
    sha256: bool,
    issuer: &'static str,
    times: (i64, Option<i64>),
    extensions: Vec<u8>,
    certificates: Vec<u8>,
}

impl Reply {
    fn of(status: &[u8]) -> Self {
        Self {
            status: status.to_vec(),
            serial: 7,
            sha256: false,
            issuer: "root",
            times: (-3600, Some(DAY)),
            extensions: Vec::new(),
            certificates: Vec::new(),
        }
    }

    fn signed(&self, signer: &Signer) -> Vec<u8> {
        let (algorithm, id) = if self.sha256 {
            (&SHA256, "2.16.840.1.101.3.4.2.1")
        } else {
            (&SHA1_FOR_LEGACY_USE_ONLY, "1.3.14.3.2.26")
        };
        let issuer = Signer::of(self.issuer);
        let hash = |bytes: &[u8]| tlv(4, &[digest(algorithm, bytes).as_ref()]);
        let certificate = tlv(
            SEQUENCE,
            &[
                &tlv(SEQUENCE, &[&oid(id)]),
                &hash(&dn(&issuer.name)),
                &hash(issuer.key.bits()),
                &[2, 1, self.serial],
            ],
        );
        let next = self
            .times
            .1
            .map_or(Vec::new(), |next| tlv(0xa0, &[&time(after(next))]));
        let single = tlv(
            SEQUENCE,
            &[
                &certificate,
                &self.status,
                &time(after(self.times.0)),
                &next,
            ],
        );
        let body = tlv(
            SEQUENCE,
            &[
                &tlv(0xa1, &[&dn(&signer.name)]),
                &time(NOW),
                &tlv(SEQUENCE, &[&single]),
                &self.extensions,
            ],
        );
        let certificates = match self.certificates.as_slice() {
            [] => Vec::new(),
            certificates => tlv(0xa0, &[&tlv(SEQUENCE, &[certificates])]),
        };
        response(0, &signer.key.sign(&body, &certificates))
    }
}

/// OCSPResponse around a basic response.
fn response(status: u8, basic: &[u8]) -> Vec<u8> {
    let body = tlv(SEQUENCE, &[&oid("1.3.6.1.5.5.7.48.1.1"), &tlv(4, &[basic])]);
    tlv(SEQUENCE, &[&[0x0a, 1, status], &tlv(0xa0, &[&body])])
}

fn revoked() -> Vec<u8> {
    tlv(0xa1, &[&time(after(-DAY)), &tlv(0xa0, &[&[0x0a, 1, 4]])])
}

#[track_caller]
fn outcome(reply: &[u8]) -> String {
    let scene = Scene::of(Draft::host(HOST));
    let strict = word(&scene.check(Strict, &[], &[], &[reply.to_vec()]));
    let lenient = word(&scene.check(IfAvailable, &[], &[], &[reply.to_vec()]));
    let expected = if strict == "revocation-unknown" {
        "clear"
    } else {
        &strict
    };
    assert_eq!(lenient, expected);
    strict
}

#[test]
fn the_authority_says_good_revoked_or_that_it_does_not_know() {
    let root = Signer::of("root");
    for sha256 in [false, true] {
        let with = |status: &[u8]| {
            Reply {
                sha256,
                ..Reply::of(status)
            }
            .signed(&root)
        };
        assert_eq!(outcome(&with(GOOD)), "clear");
        assert_eq!(outcome(&with(&revoked())), "certificate-revoked");
        assert_eq!(outcome(&with(UNKNOWN)), "revocation-unknown");
    }
}

#[test]
fn a_reply_about_another_certificate_or_authority_says_nothing() {
    let root = Signer::of("root");
    assert_eq!(
        outcome(
            &Reply {
                serial: 8,
                ..Reply::of(GOOD)
            }
            .signed(&root)
        ),
        "revocation-unknown"
    );
    assert_eq!(
        outcome(
            &Reply {
                issuer: "other",
                ..Reply::of(GOOD)
            }
            .signed(&root)
        ),
        "revocation-unknown"
    );
}

#[test]
fn a_reply_has_to_be_in_date() {
    let root = Signer::of("root");
    for (times, expected) in [
        ((-2 * DAY, Some(-1)), "revocation-unknown"),
        ((DAY, Some(2 * DAY)), "revocation-unknown"),
        ((-3000, None), "clear"),
        ((-4000, None), "revocation-unknown"),
        ((200, Some(DAY)), "clear"),
    ] {
        assert_eq!(
            outcome(
                &Reply {
                    times,
                    ..Reply::of(GOOD)
                }
                .signed(&root)
            ),
            expected,
            "{times:?}"
        );
    }
}

#[test]
fn a_forged_reply_says_nothing() {
    let root = Signer::of("root");
    let good = Reply::of(&revoked()).signed(&root);
    for at in 1..=64 {
        let mut forged = good.clone();
        let place = forged.len() - at;
        forged[place] ^= 1;
        assert_eq!(outcome(&forged), "revocation-unknown");
    }
    let impostor = Signer::with_key("root", "another key");
    assert_eq!(
        outcome(&Reply::of(GOOD).signed(&impostor)),
        "revocation-unknown"
    );
    let other = Signer::of("other");
    assert_eq!(
        outcome(&Reply::of(GOOD).signed(&other)),
        "revocation-unknown"
    );
}

#[test]
fn a_responder_speaks_if_the_authority_named_it_for_this_purpose() {
    let (root, responder) = (Signer::of("root"), Signer::of("responder"));
    let with = |draft: Draft, issuer: &Signer| {
        let certificates = draft.issue(&responder, issuer);
        outcome(
            &Reply {
                certificates,
                ..Reply::of(GOOD)
            }
            .signed(&responder),
        )
    };
    let draft = || Draft::empty().purposes(&[OCSP_SIGNING]);
    assert_eq!(with(draft(), &root), "clear");
    assert_eq!(with(draft().usage(&[0]), &root), "clear");
    let unknown = "revocation-unknown";
    assert_eq!(with(Draft::empty(), &root), unknown);
    assert_eq!(
        with(Draft::empty().purposes(&["2.5.29.37.0"]), &root),
        unknown
    );
    assert_eq!(with(Draft::authority(), &root), unknown);
    assert_eq!(with(draft().usage(&[2]), &root), unknown);
    assert_eq!(with(draft().times(-2 * DAY, -DAY), &root), unknown);
    assert_eq!(
        with(draft().extension("1.2.3.4", true, &[5, 0]), &root),
        unknown
    );
    assert_eq!(with(draft(), &Signer::of("other")), unknown);
    assert_eq!(
        with(draft(), &Signer::with_key("root", "another key")),
        unknown
    );
    assert_eq!(with(draft(), &responder), unknown);
    // The right certificate, and the signature of somebody else.
    let certificates = draft().issue(&responder, &root);
    let thief = Signer::with_key("responder", "thief");
    assert_eq!(
        outcome(
            &Reply {
                certificates,
                ..Reply::of(GOOD)
            }
            .signed(&thief)
        ),
        unknown
    );
    assert_eq!(outcome(&Reply::of(GOOD).signed(&responder)), unknown);
}

#[test]
fn unknown_critical_extensions_make_a_reply_useless_and_a_nonce_does_not() {
    let root = Signer::of("root");
    let with = |id: &str, critical| {
        let extensions = tlv(
            0xa1,
            &[&tlv(SEQUENCE, &[&extension(id, critical, &[4, 1, 1])])],
        );
        outcome(
            &Reply {
                extensions,
                ..Reply::of(GOOD)
            }
            .signed(&root),
        )
    };
    assert_eq!(with("1.3.6.1.5.5.7.48.1.2", false), "clear");
    assert_eq!(with("1.2.3.4", false), "clear");
    assert_eq!(with("1.2.3.4", true), "revocation-unknown");
}

#[test]
fn replies_without_an_answer_say_nothing() {
    let good = Reply::of(GOOD).signed(&Signer::of("root"));
    for status in [1, 2, 3, 5, 6, 9] {
        let mut refusal = good.clone();
        let at = refusal
            .windows(2)
            .position(|pair| pair == [0x0a, 1])
            .expect("a status")
            + 2;
        refusal[at] = status;
        assert_eq!(outcome(&refusal), "revocation-unknown");
        assert_eq!(
            outcome(&tlv(SEQUENCE, &[&[0x0a, 1, status]])),
            "revocation-unknown"
        );
    }
}

#[test]
fn revoked_wins_over_good_whoever_says_so() {
    let scene = Scene::of(Draft::host(HOST));
    let (good, bad) = (
        ListDraft::of(&[1]).issue(&scene.root),
        ListDraft::of(&[7]).issue(&scene.root),
    );
    let says = |status: &[u8]| Reply::of(status).signed(&scene.root);
    let check = |list: &Vec<u8>, status: &[u8]| {
        word(&scene.check(Strict, std::slice::from_ref(list), &[], &[says(status)]))
    };
    assert_eq!(check(&good, GOOD), "clear");
    assert_eq!(check(&good, &revoked()), "certificate-revoked");
    assert_eq!(check(&bad, GOOD), "certificate-revoked");
}

#[test]
fn a_responder_is_asked_before_a_list_and_the_list_where_it_does_not_answer() {
    let scene = Scene::of(Draft::host(HOST).crl(CRL_URL).ocsp(OCSP_URL));
    let (trust, peer) = scene.peer(&[], &[], &[]);
    let mut cache = RevocationCache::default();
    let strict = demand(Strict);
    let RevocationOutcome::Needs { peer, questions } =
        peer.check_revocation(&strict, &trust, &cache, NOW)
    else {
        panic!("there is nothing yet");
    };
    assert_eq!((questions.len(), questions[0].url.as_str()), (1, OCSP_URL));
    let ocsp = questions[0].clone();
    cache.insert(&ocsp, Err("connection refused".into()), NOW);
    let RevocationOutcome::Needs { peer, questions } =
        peer.check_revocation(&strict, &trust, &cache, NOW)
    else {
        panic!("there is the list");
    };
    assert_eq!((questions.len(), questions[0].url.as_str()), (1, CRL_URL));
    cache.insert(
        &questions[0],
        Ok(ListDraft::of(&[1]).issue(&scene.root)),
        NOW,
    );
    assert_eq!(
        word(&peer.check_revocation(&strict, &trust, &cache, NOW)),
        "clear"
    );

    // An answer makes the list needless.
    let mut cache = RevocationCache::default();
    cache.insert(&ocsp, Ok(Reply::of(GOOD).signed(&scene.root)), NOW);
    let again = scene.peer(&[], &[], &[]).1;
    assert_eq!(
        word(&again.check_revocation(&strict, &trust, &cache, NOW)),
        "clear"
    );
    cache.insert(&ocsp, Ok(Reply::of(&revoked()).signed(&scene.root)), NOW);
    let again = scene.peer(&[], &[], &[]).1;
    assert_eq!(
        word(&again.check_revocation(&strict, &trust, &cache, NOW)),
        "certificate-revoked"
    );
}
