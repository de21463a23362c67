//! How the peer has to prove who it is: whom we believe, and what we ask beyond that.

use std::sync::Arc;

use ike::config::{Purposes, Revocation, SignatureDemand, Strength};
use ike::crypto::Secret;
use ike::crypto::signature::PublicKey;
use ike::pki::{Certificate, RevocationList};

use super::super::values::read_word;
use super::{is_issuer, is_self_issued, read_certificates, tell, warn};
use crate::files::subject;
use crate::report::{Code, Severity, printable};
use crate::secret::{self, Use};
use crate::walk::{Bad, Draft, Fields, Walk, list};
use crate::words::MAX_FILES;
use crate::yaml::{Node, Value};

/// How the peer has to.
pub(super) enum Theirs {
    PreSharedKey(Option<Secret>),
    Signature(SignatureDemand, Trust),
}

/// Whom we believe.
#[derive(Default)]
pub(super) struct Trust {
    pub(super) anchors: Vec<Arc<Certificate>>,
    pub(super) intermediates: Vec<Arc<Certificate>>,
    pub(super) lists: Vec<Arc<RevocationList>>,
    pub(super) keys: Vec<PublicKey>,
    pub(super) pinned: Vec<Arc<Certificate>>,
}

/// How the peer has to prove who it is: in one of `ways`.
pub(super) fn read(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    ways: &[&str],
    implied: Strength,
) -> Option<Theirs> {
    let named: Vec<&str> = ways
        .iter()
        .filter(|way| fields.get(way).is_some())
        .copied()
        .collect();
    let way = match named.as_slice() {
        [way] => *way,
        [] if fields.is_misspelt() => return None,
        [] => {
            let message = "nothing says whom to believe".to_owned();
            let suggestion = "add ca: CA.pem, the authority that has signed the peer's certificate, or public_key: PEER.pub";
            tell(walk, Code::MissingKey, &fields.place, message, suggestion);
            return None;
        }
        several => {
            let message = format!("{}: the peer proves itself in one way", list(several));
            tell(
                walk,
                Code::AuthMethods,
                &fields.place,
                message,
                "keep one of them",
            );
            return None;
        }
    };
    let meaningless: &[&str] = match way {
        "psk" => &["crl", "revocation", "strength", "rsa_sha1", "purposes"],
        "ca" => &[],
        _ => &["crl", "revocation", "purposes"],
    };
    if let Some(key) = meaningless.iter().find(|key| fields.get(key).is_some()) {
        let message = format!("{key} says nothing about {way}");
        tell(
            walk,
            Code::AuthMethods,
            &fields.place,
            message,
            "leave it out, or name an authority: ca: CA.pem",
        );
        return None;
    }
    let node = fields.get(way)?;
    let path = fields.path(way);
    if way == "psk" {
        return secret::read(walk, node, &path, Use::PreSharedKey)
            .map(|psk| Theirs::PreSharedKey(Some(psk)));
    }
    let demand = read_demand(walk, fields, implied);
    let lists = read_lists(walk, fields);
    let expected = ("a file with a public key or a list of them", MAX_FILES);
    let trust = match way {
        "ca" => read_authorities(walk, node, &path).and_then(|trust| {
            Some(Trust {
                lists: lists?,
                ..trust
            })
        }),
        "certificate" => read_certificates(walk, node, &path).map(|pinned| Trust {
            keys: pinned
                .iter()
                .map(|certificate| certificate.public_key().clone())
                .collect(),
            pinned,
            ..Trust::default()
        }),
        _ => walk
            .one_or_more(node, &path, expected, |walk, node, path| {
                walk.public_key(node, path)
            })
            .map(|keys| Trust {
                keys,
                ..Trust::default()
            }),
    };
    let (demand, trust) = (demand?, trust?);
    check_lists(walk, fields, &demand, &trust);
    Some(Theirs::Signature(demand, trust))
}

fn read_demand(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    implied: Strength,
) -> Option<SignatureDemand> {
    let revocation = read_word(
        walk,
        fields,
        "revocation",
        Revocation::default(),
        &[
            ("off", Revocation::Off),
            ("if-available", Revocation::IfAvailable),
            ("strict", Revocation::Strict),
        ],
        &[
            ("relaxed", "if-available"),
            ("if_available", "if-available"),
            ("ifuri", "strict"),
            ("yes", "strict"),
            ("no", "off"),
            ("none", "off"),
            ("never", "off"),
        ],
    );
    let strength = read_word(
        walk,
        fields,
        "strength",
        implied,
        &[("default", Strength::Default), ("cnsa1", Strength::Cnsa1)],
        &[("cnsa", "cnsa1"), ("suite-b", "cnsa1")],
    );
    let rsa_sha1 = read_word(
        walk,
        fields,
        "rsa_sha1",
        false,
        &[("refuse", false), ("accept", true)],
        &[
            ("yes", "accept"),
            ("true", "accept"),
            ("no", "refuse"),
            ("false", "refuse"),
        ],
    );
    let purposes = read_word(
        walk,
        fields,
        "purposes",
        Purposes::default(),
        &[("ike", Purposes::Ike), ("any", Purposes::Any)],
        &[("ipsecIKE", "ike"), ("all", "any"), ("ignore", "any")],
    );
    let demand = SignatureDemand {
        revocation: revocation?,
        strength: strength?,
        rsa_sha1: rsa_sha1?,
        purposes: purposes?,
    };
    if demand.rsa_sha1 && demand.strength == Strength::Cnsa1 {
        let message = "rsa_sha1: accept, where cnsa1 wants SHA2-384 and above".to_owned();
        let suggestion = "take one of the two out; strength: default beside ike: cnsa1 is possible";
        tell(walk, Code::AuthMethods, &fields.place, message, suggestion);
        return None;
    }
    Some(demand)
}

/// Sorts authorities: who has signed itself, or has no authority here, is believed as it is.
fn read_authorities(walk: &mut Walk<'_>, node: &Node, path: &str) -> Option<Trust> {
    let all = read_certificates(walk, node, path)?;
    let place = walk.place(node, path);
    if let Some(other) = all.iter().find(|certificate| !certificate.is_authority()) {
        let message = format!(
            "{} is no authority: its certificate may sign no others",
            subject(other)
        );
        let suggestion = "name the authority's certificate; to believe this one alone, write remote: { certificate: FILE }";
        tell(walk, Code::BadCertificate, &place, message, suggestion);
        return None;
    }
    let is_anchor = |one: &Arc<Certificate>| {
        is_self_issued(one) || !all.iter().any(|other| is_issuer(other, one))
    };
    let (anchors, intermediates): (Vec<_>, Vec<_>) = all.iter().cloned().partition(is_anchor);
    for anchor in anchors.iter().filter(|anchor| !is_self_issued(anchor)) {
        let message = format!(
            "{} is believed as it is: its authority, {}, is not here, and could not revoke it",
            subject(anchor),
            printable(&anchor.issuer().to_string())
        );
        let draft = Draft::of(Code::PartialChain, Severity::Note, &place, message);
        walk.drafts
            .push(draft.suggest("add the certificate of its authority if that is not meant"));
    }
    Some(Trust {
        anchors,
        intermediates,
        ..Trust::default()
    })
}

fn read_lists(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Vec<Arc<RevocationList>>> {
    let Some(node) = fields.get("crl") else {
        return Some(Vec::new());
    };
    let expected = ("a file with CRLs or a list of them", MAX_FILES);
    let files = walk.one_or_more(node, &fields.path("crl"), expected, |walk, node, path| {
        if let Value::Scalar(text) = &node.value && ["http://", "https://", "ldap://"].iter().any(|scheme| text.starts_with(scheme)) {
            let text = walk.scalar(node, path, "the path of a file")?;
            let bad = Bad::new(format!("`{}`: a CRL is read from a file here", printable(text)));
            let bad = bad.suggest("leave it out: the URLs in certificates are asked without it; else fetch the CRL into a file, which is watched");
            walk.tell(Code::NotYet, Severity::Error, node, path, bad);
            return None;
        }
        walk.lists(node, path)
    })?;
    Some(files.iter().flat_map(|file| file.iter().cloned()).collect())
}

/// CRLs that belong to nobody, and authorities of which nothing can be learned.
fn check_lists(walk: &mut Walk<'_>, fields: &Fields<'_>, demand: &SignatureDemand, trust: &Trust) {
    let authorities = || trust.anchors.iter().chain(&trust.intermediates);
    let stray = trust
        .lists
        .iter()
        .find(|list| !authorities().any(|ca| ca.subject().matches(list.issuer())));
    if let Some(stray) = stray {
        let message = format!(
            "a CRL of {}, which is not in ca: it counts only where a peer brings that authority's certificate",
            printable(&stray.issuer().to_string())
        );
        let draft = Draft::of(Code::BadCertificate, Severity::Note, &fields.place, message);
        walk.drafts
            .push(draft.suggest("add the authority to ca if peers do not bring it"));
    }
    let silent = trust.intermediates.iter().find(|one| {
        one.crl_urls().is_empty()
            && one.ocsp_urls().is_empty()
            && !trust
                .lists
                .iter()
                .any(|list| list.issuer().matches(one.issuer()))
    });
    if demand.revocation == Revocation::Strict
        && let Some(silent) = silent
    {
        let message = format!(
            "revocation: strict, and nothing says whether {} is revoked: whoever it vouches for is refused",
            subject(silent)
        );
        let suggestion =
            "add the CRL of its authority with crl: FILE, or use revocation: if-available";
        warn(
            walk,
            Code::RevocationUnknowable,
            &fields.place,
            message,
            suggestion,
        );
    }
}
