//! OCSP: what a peer brings with its certificate (RFC 4806), and what a responder says that is asked.

use super::*;
use ike::wire::{CertReq, Payload};
use sim::ScriptedPeer;
use sim::ocsp::{Reply, Status};

const URL: &str = "http://ocsp.example.com/";
const LIST_URL: &str = "http://crl.example.com/root.crl";
const SPI: u32 = 0x1234_5678;
/// The serial number of the peer's certificate.
const SERIAL: u64 = 7;
/// The codes of a refusal; `None`: the peer is believed. Where a certificate is refused unless it is known to be good.
type Strict = Option<&'static str>;
const REVOKED: Strict = Some("certificate-revoked");
const UNKNOWN: Strict = Some("revocation-unknown");

/// Everything that a reply may be, and what it means.
fn replies(authority: &Authority) -> Vec<(&'static str, Option<Vec<u8>>, Strict)> {
    let imitation = Authority::with_key("Root", TestKey::Ed25519("imitation"));
    let (good, revoked) = (
        Reply::of(SERIAL, Status::Good),
        Reply::of(SERIAL, Status::Revoked),
    );
    let signed = |reply: Reply| Some(reply.signed(authority, authority));
    let at = |hours| signed(Reply { hours, ..good });
    let mut changed = good.signed(authority, authority);
    *changed.last_mut().expect("a signature") ^= 1;
    vec![
        ("none", None, UNKNOWN),
        ("good", signed(good), None),
        ("revoked", signed(revoked), REVOKED),
        (
            "not known",
            signed(Reply::of(SERIAL, Status::Unknown)),
            UNKNOWN,
        ),
        ("of yesterday", at((-48, -24)), UNKNOWN),
        ("of tomorrow", at((24, 48)), UNKNOWN),
        (
            "of another certificate",
            signed(Reply::of(8, Status::Good)),
            UNKNOWN,
        ),
        ("changed", Some(changed), UNKNOWN),
        (
            "good, forged",
            Some(good.signed(authority, &imitation)),
            UNKNOWN,
        ),
        (
            "revoked, forged",
            Some(revoked.signed(authority, &imitation)),
            UNKNOWN,
        ),
        ("no reply", Some(b"<html>".to_vec()), UNKNOWN),
    ]
}

/// What it means where a certificate is good unless something says that it was revoked.
fn if_available(strict: Strict) -> Strict {
    strict.filter(|code| Some(*code) == REVOKED)
}

/// Both policies, with what a reply means to them.
fn policies(strict: Strict) -> [(Revocation, Strict); 2] {
    [
        (Revocation::Strict, strict),
        (Revocation::IfAvailable, if_available(strict)),
    ]
}

#[test]
fn a_reply_that_comes_with_the_certificate_counts_in_both_roles() {
    let authority = Authority::new("Root");
    for (what, reply, strict) in replies(&authority) {
        for (policy, refusal) in policies(strict) {
            let said = |key, name| {
                let certificate = authority.issue(key, &Wanted::of(name));
                let mut certs = vec![(CertEncoding::X509_SIGNATURE, certificate.der().to_vec())];
                certs.extend(reply.clone().map(|der| (CertEncoding::OCSP_CONTENT, der)));
                certs
            };
            let judged = |world: &World, node: usize| {
                let code = world.nodes[node].failure_codes().first().copied();
                assert_eq!(code, refusal, "{what}, {policy:?}, node {node}");
                let up = world.nodes[node].count("ike-sa-established");
                assert_eq!(up, usize::from(refusal.is_none()), "{what}, {policy:?}");
                assert!(world.nodes[node].fetched.is_empty());
            };
            let sign = |peer: &mut ScriptedPeer, key: TestKey, name| {
                peer.sign_with(key.private(), &[]);
                if let Some(credential) = &mut peer.credential {
                    credential.certs = said(key, name);
                }
            };

            let mut world = strangers(110);
            let credentials = authority.credentials(HQ_KEY, HQ);
            world.configure(0, End::hq().with(revocation(policy), credentials));
            let mut peer = ScriptedPeer::branch(&world, 110);
            sign(&mut peer, BRANCH_KEY, BRANCH);
            let mut session = peer.begin(&mut world);
            let payloads = peer.auth_payloads(&session, SPI);
            peer.ask(&mut world, &mut session, ExchangeType::IKE_AUTH, &payloads);
            judged(&world, 0);

            let mut world = strangers(111);
            let credentials = authority.credentials(BRANCH_KEY, BRANCH);
            world.configure(1, End::branch().with(revocation(policy), credentials));
            let mut peer = ScriptedPeer::hq(&world, 111);
            sign(&mut peer, HQ_KEY, HQ);
            peer.accept(&mut world, SPI);
            judged(&world, 1);
        }
    }
}

/// The headquarters asks whether the branch's certificate, which names these places, is good; there the branch's own
/// certificate is not doubted.
fn asked(
    authority: &Authority,
    policy: Revocation,
    wanted: Wanted,
    web: &[(&str, &[u8])],
) -> World {
    let mut world = strangers(112);
    for (url, body) in web {
        world.nodes[0].web.insert((*url).to_owned(), body.to_vec());
    }
    let credentials = authority.credentials(HQ_KEY, HQ);
    world.configure(0, End::hq().with(revocation(policy), credentials));
    let credentials = authority.credentials_for(BRANCH_KEY, &wanted);
    world.configure(1, End::branch().with(SIGNED, credentials));
    world.run(SECOND);
    world
}

fn with_responder() -> Wanted {
    Wanted {
        ocsp: Some(URL.to_owned()),
        ..Wanted::of(BRANCH)
    }
}

#[test]
fn the_responder_that_a_certificate_names_is_asked_once() {
    let authority = Authority::new("Root");
    for (what, reply, strict) in replies(&authority) {
        for (policy, refusal) in policies(strict) {
            let web: Vec<_> = reply.iter().map(|reply| (URL, &reply[..])).collect();
            let mut world = asked(&authority, policy, with_responder(), &web);
            match refusal {
                None => {
                    both_up(&mut world);
                    ends_clean(&mut world);
                }
                Some(code) => responder_refuses(&world, code),
            }
            let questions = &world.nodes[0].fetched;
            assert_eq!(questions.len(), 1, "{what}, {policy:?}");
            assert_eq!(questions[0].url, URL);
            assert!(questions[0].body.is_some(), "a question");
        }
    }
    let world = asked(&authority, Revocation::Off, with_responder(), &[]);
    assert!(world.nodes[0].fetched.is_empty());
}

#[test]
fn the_list_is_fetched_where_the_responder_says_nothing_of_use() {
    let authority = Authority::new("Root");
    let wanted = || Wanted {
        crl: Some(LIST_URL.to_owned()),
        ..with_responder()
    };
    for (what, reply, strict) in replies(&authority) {
        for (listed, refusal) in [(&[SERIAL][..], REVOKED), (&[99], None)] {
            let list = authority.revokes(listed);
            let mut web = vec![(LIST_URL, &list[..])];
            web.extend(reply.iter().map(|reply| (URL, &reply[..])));
            let mut world = asked(&authority, Revocation::Strict, wanted(), &web);
            let is_settled = strict != UNKNOWN;
            match if is_settled { strict } else { refusal } {
                None => both_up(&mut world),
                Some(code) => responder_refuses(&world, code),
            }
            let urls: Vec<_> = world.nodes[0]
                .fetched
                .iter()
                .map(|question| &question.url[..])
                .collect();
            let expected = if is_settled {
                &[URL][..]
            } else {
                &[URL, LIST_URL]
            };
            assert_eq!(urls, expected, "{what}");
        }
    }
}

#[test]
fn a_reply_is_asked_for_where_it_counts_and_none_is_given() {
    let authority = Authority::new("Root");
    for (policy, counts) in [
        (Revocation::Strict, true),
        (Revocation::IfAvailable, true),
        (Revocation::Off, false),
    ] {
        let mut world = strangers(113);
        let own = authority.credentials_for(BRANCH_KEY, &with_responder());
        world.configure(1, End::branch().with(revocation(policy), own));
        let mut peer = ScriptedPeer::hq(&world, 113);
        peer.sign_with(HQ_KEY.private(), &[]);
        let (_, said) = peer.accept_init(&mut world);
        let requests = said.cert_requests();
        let asks = requests.contains(&(CertEncoding::OCSP_CONTENT, Vec::new()));
        assert_eq!(asks, counts, "{policy:?}: {requests:?}");
    }

    let mut world = strangers(114);
    let own = authority.credentials_for(HQ_KEY, &Wanted::of(HQ));
    world.configure(0, End::hq().with(SIGNED, own));
    let mut peer = ScriptedPeer::branch(&world, 114);
    let certificate = authority.issue(BRANCH_KEY, &Wanted::of(BRANCH));
    peer.sign_with(BRANCH_KEY.private(), &[certificate.der()]);
    let mut session = peer.begin(&mut world);
    let mut payloads = peer.auth_payloads(&session, SPI);
    payloads.push(Payload::CertReq(CertReq {
        encoding: CertEncoding::OCSP_CONTENT,
        data: Vec::new().into(),
    }));
    let said = peer.ask(&mut world, &mut session, ExchangeType::IKE_AUTH, &payloads);
    let shown = said.expect("an answer").certs();
    let kinds: Vec<_> = shown.iter().map(|(encoding, _)| *encoding).collect();
    assert_eq!(kinds, [CertEncoding::X509_SIGNATURE]);
    assert!(world.nodes[0].fetched.is_empty());
}
