//! How we prove who we are: our key, and the certificates that lead from it towards an authority.

use std::sync::Arc;

use ike::config::{OwnCredential, Revocation, SignatureDemand, Strength};
use ike::crypto::Secret;
use ike::crypto::signature::PublicKey;
use ike::pki::Certificate;

use super::theirs::{Theirs, Trust};
use super::{is_issuer, is_self_issued, read_certificates, tell, warn};
use crate::files::subject;
use crate::report::Code;
use crate::secret::{self, Use};
use crate::walk::{Fields, Place, Walk, list};
use crate::words;
use crate::yaml::{Node, Value};

/// Certificates between ours and an authority that the peer believes, at most.
const MAX_CHAIN: usize = 8;

/// How we prove who we are.
pub(super) enum Ours {
    PreSharedKey(Option<Secret>),
    Signature(OwnCredential),
}

/// What stands in `auth`, or in its `local`, about us.
pub(super) fn read(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    theirs: Option<&Theirs>,
) -> Option<Ours> {
    let (psk, certificate) = (fields.get("psk"), fields.get("certificate"));
    if let Some(psk) = psk {
        if certificate.is_some() || fields.get("key").is_some() {
            let message =
                "psk beside certificate or key: we prove who we are in one way".to_owned();
            tell(
                walk,
                Code::AuthMethods,
                &fields.place,
                message,
                "keep one of them",
            );
            return None;
        }
        return secret::read(walk, psk, &fields.path("psk"), Use::PreSharedKey)
            .map(|psk| Ours::PreSharedKey(Some(psk)));
    }
    let example = match certificate {
        Some(_) => "key: NAME.key, the private key of the certificate",
        None => "key: NAME.key, and certificate: NAME.pem unless the peer knows our raw public key",
    };
    let node = walk.required(fields, "key", example);
    let certificates =
        certificate.map(|node| read_certificates(walk, node, &fields.path("certificate")));
    let key = read_key(walk, node?, &fields.path("key"))?;
    let chain = match certificates {
        Some(certificates) => {
            let (place, key_place) = (
                walk.place(certificate?, &fields.path("certificate")),
                walk.place(node?, &fields.path("key")),
            );
            let chain = own_chain(walk, &key, &certificates?, theirs, (&place, &key_place))?;
            check_purposes(walk, &chain, &place);
            chain
        }
        None => Vec::new(),
    };
    if let Some(Theirs::Signature(demand, trust)) = theirs {
        check_own(walk, fields, &key, chain.first(), demand, trust);
    }
    Some(Ours::Signature(OwnCredential { key, chain }))
}

/// `key: FILE`, or `key: { file: FILE, passphrase: ... }`.
fn read_key(walk: &mut Walk<'_>, node: &Node, path: &str) -> Option<PublicKey> {
    if !matches!(node.value, Value::Map(_)) {
        return walk.private_key(node, path, None);
    }
    let fields = walk.fields(node, None, path, &words::KEY)?;
    let file = walk.required(&fields, "file", "file: NAME.key");
    let passphrase = match fields.get("passphrase") {
        Some(node) => Some(secret::read(
            walk,
            node,
            &fields.path("passphrase"),
            Use::Passphrase,
        )?),
        None => None,
    };
    walk.private_key(
        file?,
        &fields.path("file"),
        passphrase.as_ref().map(Secret::as_bytes),
    )
}

/// The certificate of our key, then those that lead from it towards an authority, which the peer has by itself.
fn own_chain(
    walk: &mut Walk<'_>,
    key: &PublicKey,
    certificates: &[Arc<Certificate>],
    theirs: Option<&Theirs>,
    (place, key_place): (&Place, &Place),
) -> Option<Vec<Arc<Certificate>>> {
    let Some(own) = certificates
        .iter()
        .find(|certificate| certificate.public_key() == key)
    else {
        let held: Vec<String> = certificates
            .iter()
            .take(4)
            .map(|certificate| subject(certificate))
            .collect();
        let held: Vec<&str> = held.iter().map(String::as_str).collect();
        let message = format!(
            "the key is that of no certificate in {}: {}",
            place.path,
            list(&held)
        );
        let suggestion = "compare: openssl pkey -in NAME.key -pubout, and openssl x509 -in NAME.pem -noout -pubkey";
        tell(walk, Code::KeyMismatch, key_place, message, suggestion);
        return None;
    };
    let known = match theirs {
        Some(Theirs::Signature(_, trust)) => trust.intermediates.as_slice(),
        _ => &[],
    };
    let mut chain = vec![own.clone()];
    while let Some(last) = chain
        .last()
        .filter(|last| chain.len() < MAX_CHAIN && !is_self_issued(last))
    {
        let issuer = certificates.iter().chain(known).find(|one| {
            is_issuer(one, last)
                && one.is_authority()
                && !is_self_issued(one)
                && !chain.contains(one)
        });
        let Some(issuer) = issuer.cloned() else {
            break;
        };
        chain.push(issuer);
    }
    Some(chain)
}

/// A peer that reads extendedKeyUsage will not have us.
fn check_purposes(walk: &mut Walk<'_>, chain: &[Arc<Certificate>], place: &Place) {
    let other = chain
        .iter()
        .find_map(|one| Some((one, one.other_purposes()?)));
    if let Some((certificate, purposes)) = other {
        let purposes: Vec<&str> = purposes.iter().map(String::as_str).collect();
        let message = format!(
            "{} is for {} alone (extendedKeyUsage): a peer that wants certificates for IKE refuses it",
            subject(certificate),
            list(&purposes)
        );
        let suggestion = "have it issued without extendedKeyUsage or with ipsecIKE (1.3.6.1.5.5.7.3.17), or let the peer ignore it: with ikd, purposes: any";
        warn(walk, Code::CertificatePurpose, place, message, suggestion);
    }
}

/// What the peer is asked for and we could not do ourselves is probably asked of us.
fn check_own(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    key: &PublicKey,
    certificate: Option<&Arc<Certificate>>,
    demand: &SignatureDemand,
    trust: &Trust,
) {
    if demand.strength == Strength::Cnsa1 && !demand.strength.takes(key.kind()) {
        let message = format!(
            "the peer has to be as strong as cnsa1, and our key is {}",
            key.kind()
        );
        let suggestion =
            "use ECDSA on P-384 or RSA from 3072 bits (RFC 9206), or strength: default";
        warn(walk, Code::WeakKey, &fields.place, message, suggestion);
    }
    let is_silent = |certificate: &&Arc<Certificate>| {
        certificate.crl_urls().is_empty() && certificate.ocsp_urls().is_empty()
    };
    let sibling = certificate
        .filter(|own| {
            trust
                .anchors
                .iter()
                .chain(&trust.intermediates)
                .any(|ca| is_issuer(ca, own))
        })
        .filter(is_silent);
    if demand.revocation == Revocation::Strict
        && trust.lists.is_empty()
        && let Some(sibling) = sibling
    {
        let message = format!(
            "revocation: strict without a CRL, and ours ({}) of the same authority names neither a CRL nor an OCSP responder: if the peer's is like it, the peer is refused",
            subject(sibling)
        );
        let suggestion = "add crl: FILE, or use revocation: if-available";
        warn(
            walk,
            Code::RevocationUnknowable,
            &fields.place,
            message,
            suggestion,
        );
    }
}
