//! CRLs and OCSP replies that say more, less or something else than they should.

use ike::config::Revocation::{IfAvailable, Strict};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::support::*;

const GOOD: &[u8] = &[0x80, 0];
const UNKNOWN: &[u8] = &[0x82, 0];
const SHA1: &str = "1.3.14.3.2.26";

fn revoked() -> Vec<u8> {
    tlv(0xa1, &[&time(after(-DAY))])
}

/// The CertID of the host, or one that says nothing of the issuer by a hash that nobody knows.
fn certificate_id(serial: &[u8], known: bool) -> Vec<u8> {
    let root = Signer::of("root");
    let hash = |bytes: &[u8]| match known {
        true => tlv(4, &[digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref()]),
        false => vec![4, 0],
    };
    let algorithm = oid(if known { SHA1 } else { "1.2.3.4" });
    tlv(
        SEQUENCE,
        &[
            &tlv(SEQUENCE, &[&algorithm]),
            &hash(&dn(&root.name)),
            &hash(root.key.bits()),
            &tlv(2, &[serial]),
        ],
    )
}

fn single(id: &[u8], status: &[u8], times: (i64, i64)) -> Vec<u8> {
    let next = tlv(0xa0, &[&time(after(times.1))]);
    tlv(SEQUENCE, &[id, status, &time(after(times.0)), &next])
}

/// A reply by the authority with these answers.
fn reply(answers: &[Vec<u8>]) -> Vec<u8> {
    signed(&body(answers))
}

/// ResponseData.
fn body(answers: &[Vec<u8>]) -> Vec<u8> {
    tlv(
        SEQUENCE,
        &[
            &tlv(0xa1, &[&dn(&Signer::of("root").name)]),
            &time(NOW),
            &tlv(SEQUENCE, &[&answers.concat()]),
        ],
    )
}

/// What the authority signs, well or badly made.
pub(super) fn signed(body: &[u8]) -> Vec<u8> {
    let basic = Signer::of("root").key.sign(body, &[]);
    let body = tlv(
        SEQUENCE,
        &[&oid("1.3.6.1.5.5.7.48.1.1"), &tlv(4, &[&basic])],
    );
    tlv(SEQUENCE, &[&[0x0a, 1, 0], &tlv(0xa0, &[&body])])
}

/// An unsigned reply that says that the host is revoked.
pub(super) fn bad_news() -> Vec<u8> {
    body(&[single(&certificate_id(&[7], true), &revoked(), TODAY)])
}

fn strict(reply: Vec<u8>) -> String {
    let scene = Scene::of(Draft::host(HOST));
    word(&scene.check(Strict, &[], &[], &[reply]))
}

const TODAY: (i64, i64) = (-3600, DAY);
const YESTERDAY: (i64, i64) = (-2 * DAY, -DAY);

#[test]
fn of_two_answers_of_one_reply_revoked_wins_and_an_old_one_hides_no_new_one() {
    let id = certificate_id(&[7], true);
    let answer = |status: &[u8], times| single(&id, status, times);
    for answers in [
        [answer(GOOD, TODAY), answer(&revoked(), TODAY)],
        [answer(&revoked(), TODAY), answer(GOOD, TODAY)],
        [answer(UNKNOWN, TODAY), answer(&revoked(), TODAY)],
        [answer(GOOD, YESTERDAY), answer(&revoked(), TODAY)],
    ] {
        assert_eq!(strict(reply(&answers)), "certificate-revoked");
    }
    assert_eq!(
        strict(reply(&[answer(GOOD, YESTERDAY), answer(GOOD, TODAY)])),
        "clear"
    );
    assert_eq!(
        strict(reply(&[answer(UNKNOWN, TODAY), answer(GOOD, YESTERDAY)])),
        "revocation-unknown"
    );
}

#[test]
fn an_answer_that_names_the_authority_by_an_unknown_hash_says_nothing() {
    let id = certificate_id(&[7], false);
    assert_eq!(
        strict(reply(&[single(&id, GOOD, TODAY)])),
        "revocation-unknown"
    );
}

#[test]
fn serial_numbers_are_numbers() {
    let mut host = Draft::host(HOST);
    for (serial, listed, expected) in [
        (vec![0xff], vec![0xff], "certificate-revoked"),
        (vec![0xff], vec![0, 0xff], "clear"),
        (vec![0, 0x80], vec![0x80], "clear"),
        (vec![0, 0x80], vec![0, 0x80], "certificate-revoked"),
        (vec![0], vec![0], "certificate-revoked"),
        (vec![0x7f; 20], vec![0x7f; 20], "certificate-revoked"),
        (vec![0x7f; 20], vec![0x7f; 19], "clear"),
    ] {
        host.serial.clone_from(&serial);
        let scene = Scene::of(host.clone());
        let mut list = ListDraft::of(&[1, 2, 3]);
        list.serials.push(listed);
        list.serials.push(vec![0x7e, 1]);
        let list = list.issue(&scene.root);
        assert_eq!(word(&scene.check(Strict, &[list], &[], &[])), expected);
    }
}

#[test]
fn a_bad_list_counts_for_nothing_and_a_good_one_beside_it_counts() {
    let scene = Scene::of(Draft::host(HOST));
    let forged = ListDraft::of(&[]).issue(&Signer::with_key("root", "thief"));
    let right = ListDraft::of(&[7]).issue(&scene.root);
    for lists in [[forged.clone(), right.clone()], [right, forged]] {
        let outcome = scene.check(IfAvailable, &[], &lists, &[]);
        assert_eq!(word(&outcome), "certificate-revoked");
        let outcome = scene.check(IfAvailable, &lists[..1], &lists[1..], &[]);
        assert_eq!(word(&outcome), "certificate-revoked");
    }
}

#[test]
fn an_entry_that_takes_another_one_back_is_no_pardon() {
    // removeFromCRL belongs into delta CRLs, which are refused.
    let scene = Scene::of(Draft::host(HOST));
    let mut list = ListDraft::of(&[7]);
    list.entry_extensions = extension("2.5.29.21", false, &[0x0a, 1, 8]);
    let outcome = scene.check(Strict, &[list.issue(&scene.root)], &[], &[]);
    assert_eq!(word(&outcome), "certificate-revoked");
}
