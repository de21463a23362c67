//! Gateways that prove who they are by signing, and are believed: every kind of key, of signature and of certificate.

use anyhow::{Context, Result, ensure};

use super::company::{authorities, by_certificate, company};
use super::harness::{self, Test};
use super::{pairs, with_strongswan};
use crate::guest::certificates::{Contents, Key};
use crate::guest::peers::{Demand, Kind, Policy, Proof};
use crate::guest::sniffer::{self, Kind as Frame};
use crate::guest::topology::{ALICE, BOB, CAROL};
use crate::guest::traffic::{self, ping};
use crate::guest::web::Web;
use crate::guest::world::{Pair, World};

/// A way in which strongSwan can sign, and the key that it takes.
struct Signature {
    key: Key,
    /// In strongSwan's words.
    scheme: &'static str,
    /// What its log calls it.
    logged: &'static str,
    /// Whether strongSwan speaks RFC 7427; if not, the methods 1, 9, 10 and 11 are left.
    announces_hashes: bool,
}

#[rustfmt::skip] // a table
const SIGNATURES: &[Signature] = &[
    rfc7427(Key::Rsa(2048), "ike:rsa-sha256", "RSA_EMSA_PKCS1_SHA2_256"),
    rfc7427(Key::Rsa(2048), "ike:rsa-sha384", "RSA_EMSA_PKCS1_SHA2_384"),
    rfc7427(Key::Rsa(2048), "ike:rsa-sha512", "RSA_EMSA_PKCS1_SHA2_512"),
    rfc7427(Key::Rsa(3072), "ike:rsa/pss-sha256", "RSA_EMSA_PSS_SHA2_256"),
    rfc7427(Key::Rsa(3072), "ike:rsa/pss-sha384", "RSA_EMSA_PSS_SHA2_384"),
    rfc7427(Key::Rsa(3072), "ike:rsa/pss-sha512", "RSA_EMSA_PSS_SHA2_512"),
    rfc7427(Key::P256, "ike:ecdsa-sha256", "ECDSA_WITH_SHA256_DER"),
    rfc7427(Key::P256, "ike:ecdsa-sha512", "ECDSA_WITH_SHA512_DER"),
    rfc7427(Key::P384, "ike:ecdsa-sha384", "ECDSA_WITH_SHA384_DER"),
    rfc7427(Key::P521, "ike:ecdsa-sha512", "ECDSA_WITH_SHA512_DER"),
    rfc7427(Key::Ed25519, "ike:ed25519", "ED25519"),
    older_method(Key::P256, "ECDSA-256 signature"),
    older_method(Key::P384, "ECDSA-384 signature"),
    older_method(Key::P521, "ECDSA-521 signature"),
];

/// Only where a policy names it.
const METHOD_1: Signature = older_method(Key::Rsa(2048), "RSA signature");

const fn rfc7427(key: Key, scheme: &'static str, logged: &'static str) -> Signature {
    Signature {
        key,
        scheme,
        logged,
        announces_hashes: true,
    }
}

const fn older_method(key: Key, logged: &'static str) -> Signature {
    Signature {
        key,
        scheme: "pubkey",
        logged,
        announces_hashes: false,
    }
}

pub(super) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    // The lab itself first: where two strongSwans fail, the failures behind are not ikd's.
    tests.push(Test::new("certificates::two_strongswans", |world| {
        let (hq, branch) = by_certificate(Key::P256, Key::Rsa(2048))?;
        comes_up(world, (Kind::Strongswan, &hq), (Kind::Strongswan, &branch))
    }));
    for (initiator, responder) in pairs() {
        // Each kind of key once at each end, never the same at both.
        for (index, key) in Key::ALL.into_iter().enumerate() {
            let other = Key::ALL[(index + 3) % Key::ALL.len()];
            tests.push(Test::new(
                format!("certificates::{key}_and_{other}::{initiator}_to_{responder}"),
                move |world| {
                    let (hq, branch) = by_certificate(key, other)?;
                    comes_up(world, (initiator, &hq), (responder, &branch))
                },
            ));
        }
        for (name, arrange) in ARRANGEMENTS {
            tests.push(Test::new(
                format!("{name}::{initiator}_to_{responder}"),
                move |world| {
                    let (hq, branch) = arrange()?;
                    comes_up(world, (initiator, &hq), (responder, &branch))
                },
            ));
        }
        for (name, by_ocsp) in [("crl_from_a_distribution_point", false), ("ocsp", true)] {
            tests.push(Test::new(
                format!("strict_revocation::good_by_{name}::{initiator}_to_{responder}"),
                move |world| good_by_download(world, by_ocsp, initiator, responder),
            ));
        }
    }
    for (initiator, responder) in with_strongswan() {
        for signature in SIGNATURES {
            let method = if signature.announces_hashes {
                signature
                    .scheme
                    .trim_start_matches("ike:")
                    .replace('/', "_")
            } else {
                "older_method".to_owned()
            };
            tests.push(Test::new(
                format!(
                    "signatures::{}::{method}::{initiator}_to_{responder}",
                    signature.key
                ),
                move |world| strongswan_signs(world, signature, initiator, responder),
            ));
        }
        tests.push(Test::new(
            format!("signatures::method_1_where_the_policy_names_it::{initiator}_to_{responder}"),
            move |world| strongswan_signs(world, &METHOD_1, initiator, responder),
        ));
    }
    tests
}

/// Policies of both gateways that fit together.
type Arrangement = fn() -> Result<(Policy, Policy)>;

const ARRANGEMENTS: &[(&str, Arrangement)] = &[
    ("raw_public_keys", || raw_keys(Key::P256, Key::Ed25519)),
    ("raw_public_keys_rsa", || {
        raw_keys(Key::Rsa(2048), Key::P384)
    }),
    ("mixed::psk_and_certificate", || {
        let (mut hq, mut branch) = by_certificate(Key::P256, Key::P256)?;
        (hq.proof, branch.demand) = (Proof::PreSharedKey, Demand::PreSharedKey);
        Ok((hq, branch))
    }),
    ("mixed::certificate_and_psk", || {
        let (mut hq, mut branch) = by_certificate(Key::P256, Key::P256)?;
        (branch.proof, hq.demand) = (Proof::PreSharedKey, Demand::PreSharedKey);
        Ok((hq, branch))
    }),
    ("mixed::certificate_and_raw_public_key", || {
        let (mut hq, mut branch) = by_certificate(Key::P256, Key::P384)?;
        let raw = raw_keys(Key::Ed25519, Key::P384)?;
        (hq.demand, branch.proof) = (raw.0.demand, raw.1.proof);
        Ok((hq, branch))
    }),
    ("chain::three_intermediates", three_intermediates),
    ("chain::intermediates_known_instead_of_sent", || {
        let (mut hq, mut branch) = by_certificate(Key::P256, Key::P256)?;
        for policy in [&mut hq, &mut branch] {
            let Proof::Signature(credential) = &mut policy.proof else {
                continue;
            };
            let intermediates = credential.chain.split_off(1);
            authorities(policy).intermediates = intermediates;
        }
        Ok((hq, branch))
    }),
    ("strict_revocation::good_by_crl_files", || {
        let (mut hq, mut branch) = by_certificate(Key::P256, Key::P256)?;
        let company = company()?;
        let crls = vec![company.root.crl()?, company.office.crl()?];
        for policy in [&mut hq, &mut branch] {
            authorities(policy).strict = true;
            authorities(policy).crls = crls.clone();
        }
        Ok((hq, branch))
    }),
];

/// Each gateway knows the other's key, and nobody shows a certificate.
fn raw_keys(hq: Key, branch: Key) -> Result<(Policy, Policy)> {
    let (mut hq, mut branch) = by_certificate(hq, branch)?;
    (branch.demand, hq.demand) = (shows_its_key(&mut hq), shows_its_key(&mut branch));
    Ok((hq, branch))
}

/// Takes the certificate from a gateway's proof; its peer is to demand the key.
fn shows_its_key(policy: &mut Policy) -> Demand {
    let Proof::Signature(credential) = &mut policy.proof else {
        return Demand::PreSharedKey;
    };
    credential.chain.clear();
    Demand::PublicKey(credential.key.with_extension("pub"))
}

fn three_intermediates() -> Result<(Policy, Policy)> {
    let (mut hq, mut branch) = by_certificate(Key::P256, Key::P256)?;
    let mut authority = company()?
        .office
        .intermediate(&Contents::authority("Floor", Key::P384))?;
    authority = authority.intermediate(&Contents::authority("Room", Key::Ed25519))?;
    for policy in [&mut hq, &mut branch] {
        let contents = Contents::gateway(&policy.local_id, Key::P256);
        policy.proof = Proof::Signature(authority.issue(&contents)?);
    }
    Ok((hq, branch))
}

/// Both gateways' certificates say where to learn whether they are revoked, and both ask.
fn good_by_download(world: &World, by_ocsp: bool, initiator: Kind, responder: Kind) -> Result<()> {
    let (mut hq, mut branch) = by_certificate(Key::P256, Key::P256)?;
    let company = company()?;
    let office = company
        .root
        .intermediate(&Contents::authority("Connected Office", Key::P256))?;
    let pointer = if by_ocsp {
        format!("authorityInfoAccess = OCSP;URI:http://{CAROL}/ocsp")
    } else {
        format!("crlDistributionPoints = URI:http://{CAROL}/office.crl")
    };
    // The office itself is the root's, whose CRL is there by file.
    let root_crl = company.root.crl()?;
    for policy in [&mut hq, &mut branch] {
        let contents = Contents::gateway(&policy.local_id, Key::P256).with(&pointer);
        policy.proof = Proof::Signature(office.issue(&contents)?);
        authorities(policy).strict = true;
        authorities(policy).crls = vec![root_crl.clone()];
    }
    let crl = office.crl_der()?;
    let web = Web::start(&world.net.carol, CAROL, move |request| {
        if by_ocsp {
            office.ocsp_reply(request)
        } else {
            Ok(crl.clone())
        }
    })?;
    comes_up(world, (initiator, &hq), (responder, &branch))?;
    let asked = web.asked();
    for (gateway, kind, peer) in [(&hq, initiator, responder), (&branch, responder, initiator)] {
        // strongSwan brings the reply along, in band (RFC 4806), and ikd has no more to ask.
        let is_told = by_ocsp && (kind, peer) == (Kind::Ikd, Kind::Strongswan);
        ensure!(
            asked.contains(&gateway.local) != is_told,
            "{} asked whether its peer's certificate is revoked: {}, and should: {}; all who asked: {asked:?}",
            gateway.local_id,
            asked.contains(&gateway.local),
            !is_told
        );
    }
    Ok(())
}

/// strongSwan signs in this way, and hears an ECDSA signature: an RSA one, or EdDSA, is not for who announces no hashes.
fn strongswan_signs(
    world: &World,
    signature: &Signature,
    initiator: Kind,
    responder: Kind,
) -> Result<()> {
    let begins = responder == Kind::Ikd;
    let (mut hq, mut branch) = match begins {
        true => by_certificate(signature.key, Key::P256)?,
        false => by_certificate(Key::P256, signature.key)?,
    };
    let (signer, other) = if begins {
        (&mut hq, &mut branch)
    } else {
        (&mut branch, &mut hq)
    };
    signer.strongswan_signatures.scheme = signature.scheme;
    signer.strongswan_signatures.announces_hashes = signature.announces_hashes;
    authorities(other).rsa_sha1 = signature.key == METHOD_1.key && !signature.announces_hashes;
    comes_up_so_that(world, (initiator, &hq), (responder, &branch), |pair| {
        let log = if begins {
            pair.hq.log()
        } else {
            pair.branch.log()
        };
        let signed = log
            .lines()
            .any(|line| line.contains(&format!("(myself) with {}", signature.logged)));
        ensure!(signed, "strongSwan did not sign with {}", signature.logged);
        Ok(())
    })
}

fn comes_up(world: &World, hq: (Kind, &Policy), branch: (Kind, &Policy)) -> Result<()> {
    comes_up_so_that(world, hq, branch, |_| Ok(()))
}

/// Headquarters brings the tunnel up, and it carries traffic, all of it in ESP.
fn comes_up_so_that(
    world: &World,
    hq: (Kind, &Policy),
    branch: (Kind, &Policy),
    holds: impl Fn(&Pair<'_>) -> Result<()>,
) -> Result<()> {
    let net = &world.net;
    let mut pair = Pair::start(world, hq, branch)?;
    let result = (|| {
        pair.hq.up("lan").context("the tunnel does not come up")?;
        let mark = world.wire.mark();
        let answered = ping(&net.alice, ALICE, BOB, 2, 56, traffic::PATIENCE)?;
        ensure!(
            answered == 2,
            "{answered} of 2 pings were answered through the tunnel"
        );
        let seen = sniffer::count(&world.wire.since(mark));
        ensure!(
            seen.get(&Frame::Esp).is_some_and(|count| *count >= 4)
                && !seen.contains_key(&Frame::Clear),
            "the wire carried {seen:?}, expected ESP and nothing in clear"
        );
        holds(&pair)
    })();
    pair.explain(result)?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}
