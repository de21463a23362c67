//! Peers that claim what they cannot prove, and say too much of it.

use super::*;
use ike::wire::{Authentication, Cert, CertReq, Payload, VendorId};
use sim::ScriptedPeer;
use sim::peer::{Chain, Said, Session, id_payload};

const SPI: u32 = 0x1234_5678;

/// A headquarters that signs and wants signatures, and the branch as its own key and certificate make it.
fn responder(seed: u64) -> (World, ScriptedPeer) {
    let authority = Authority::new("Root");
    let mut world = strangers(seed);
    world.configure(0, hq(&authority));
    let mut peer = ScriptedPeer::branch(&world, seed);
    let certificate = authority.issue(BRANCH_KEY, &Wanted::of(BRANCH));
    peer.sign_with(BRANCH_KEY.private(), &[certificate.der()]);
    (world, peer)
}

/// The peer goes through IKE_SA_INIT and says this in IKE_AUTH.
fn says(
    world: &mut World,
    peer: &mut ScriptedPeer,
    change: impl FnOnce(&Session, &mut Chain),
) -> Said {
    peer.renew();
    let mut session = peer.begin(world);
    let mut chain = peer.auth_payloads(&session, SPI);
    change(&session, &mut chain);
    let said = peer.ask(world, &mut session, ExchangeType::IKE_AUTH, &chain);
    said.expect("an answer")
}

/// The peer is told that authentication failed, and nothing else; we know more.
fn refused(world: &World, said: &Said, code: &str) {
    assert_eq!(
        said.notifies(),
        [NotifyType::AUTHENTICATION_FAILED],
        "{code}"
    );
    assert_eq!(said.payloads.len(), 1, "{code}");
    assert_eq!(world.nodes[0].count("ike-sa-established"), 0, "{code}");
    fails(world, 0, code);
}

fn auth_of(chain: &mut Chain) -> &mut Authentication<'static> {
    let auth = chain.iter_mut().find_map(|payload| match payload {
        Payload::Auth(auth) => Some(auth),
        _ => None,
    });
    auth.expect("AUTH")
}

#[test]
fn wrong_key_for_the_right_name_and_right_key_for_the_wrong_name_all_fail() {
    let authority = Authority::new("Root");
    // The right certificate, another key.
    let (mut world, mut peer) = responder(80);
    let certificate = authority.issue(BRANCH_KEY, &Wanted::of(BRANCH));
    peer.sign_with(TestKey::Ed25519("thief").private(), &[certificate.der()]);
    let said = says(&mut world, &mut peer, |_, _| {});
    refused(&world, &said, "wrong-signature");
    // The right key and certificate, the name of another.
    peer.sign_with(BRANCH_KEY.private(), &[certificate.der()]);
    peer.id = "hq.example.com".parse().expect("an identity");
    let said = says(&mut world, &mut peer, |_, _| {});
    refused(&world, &said, "unknown-identity");
    // A good certificate of another peer, under the name of this one.
    let (mut world, mut peer) = responder(81);
    let other = authority.issue(TestKey::P256, &Wanted::of("other.example.com"));
    peer.sign_with(TestKey::P256.private(), &[other.der()]);
    let said = says(&mut world, &mut peer, |_, _| {});
    refused(&world, &said, "certificate-name");
    // The certificate of this peer for show, behind one of its own, and the other way round.
    let (mut world, mut peer) = responder(82);
    for chain in [[&other, &certificate], [&certificate, &other]] {
        peer.sign_with(TestKey::P256.private(), &chain.map(|one| one.der()));
        let said = says(&mut world, &mut peer, |_, _| {});
        assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
        assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
    }
}

#[test]
fn our_own_proof_reflected_is_not_the_peers() {
    let (mut world, mut peer) = responder(83);
    let authority = Authority::new("Root");
    let ours = authority.issue(HQ_KEY, &Wanted::of(HQ));
    peer.sign_with(HQ_KEY.private(), &[ours.der()]);
    let said = says(&mut world, &mut peer, |session, chain| {
        // What we would sign, signed by our key, under the peer's name.
        let octets = session.node_octets(&id_payload(&HQ.parse().expect("an id")).body());
        let signature = HQ_KEY
            .private()
            .sign(ike::crypto::signature::SignatureScheme::Ed25519, &octets);
        let auth = auth_of(chain);
        let mut data = auth.data[..8].to_vec();
        data.extend(signature.expect("a signature"));
        auth.data = data.into();
    });
    refused(&world, &said, "certificate-name");
}

#[test]
fn a_signature_that_is_changed_anywhere_is_not_believed() {
    let (mut world, mut peer) = responder(84);
    let session = peer.begin(&mut world);
    let length = auth_of(&mut peer.auth_payloads(&session, SPI)).data.len();
    for at in 0..length {
        let (mut world, mut peer) = responder(85);
        let said = says(&mut world, &mut peer, |_, chain| {
            auth_of(chain).data.to_mut()[at] ^= 1;
        });
        assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
        assert_eq!(world.nodes[0].count("ike-sa-established"), 0, "octet {at}");
    }
    for cut in 0..length {
        let (mut world, mut peer) = responder(86);
        let said = says(&mut world, &mut peer, |_, chain| {
            auth_of(chain).data.to_mut().truncate(cut);
        });
        assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
        assert_eq!(
            world.nodes[0].count("ike-sa-established"),
            0,
            "cut at {cut}"
        );
    }
}

#[test]
fn the_signature_of_another_negotiation_is_not_believed() {
    let (mut world, mut peer) = responder(87);
    let session = peer.begin(&mut world);
    let old = auth_of(&mut peer.auth_payloads(&session, SPI)).clone();
    let said = says(&mut world, &mut peer, |_, chain| *auth_of(chain) = old);
    refused(&world, &said, "wrong-signature");
}

#[test]
fn a_method_without_its_signature_is_not_believed_whatever_else_is_said() {
    for method in [0, 1, 2, 3, 9, 10, 11, 12, 13, 14, 200, 255] {
        for length in [0, 1, 32, 64, 96, 132, 256, 5000] {
            let (mut world, mut peer) = responder(88);
            let said = says(&mut world, &mut peer, |_, chain| {
                *auth_of(chain) = Authentication {
                    method: AuthMethod(method),
                    data: vec![0; length].into(),
                };
                chain.push(Payload::VendorId(VendorId {
                    data: b"strongSwan".to_vec().into(),
                }));
            });
            assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
            assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
            let code = match method {
                1 => "signature-not-allowed",
                9..=11 | 14 => "signature-unreadable",
                _ => "auth-method",
            };
            let codes = world.nodes[0].failure_codes();
            assert!(
                codes.contains(&code) || codes.contains(&"wrong-signature"),
                "{method} {length}: {codes:?}"
            );
        }
    }
}

#[test]
fn a_secret_is_no_way_around_a_certificate() {
    let (mut world, mut peer) = responder(89);
    peer.credential = None;
    let said = says(&mut world, &mut peer, |_, _| {});
    refused(&world, &said, "auth-method");
}

#[test]
fn certificates_without_end_are_refused_before_any_is_looked_at() {
    let payloads = |count: usize, length: usize| {
        (0..count).map(move |_| {
            Payload::Cert(Cert {
                encoding: CertEncoding::X509_SIGNATURE,
                data: vec![0x30; length].into(),
            })
        })
    };
    for (count, length) in [(100, 10), (13, 0), (1000, 0), (2, 20_000)] {
        let (mut world, mut peer) = responder(90);
        let said = says(&mut world, &mut peer, |_, chain| {
            chain.extend(payloads(count, length));
        });
        refused(&world, &said, "too-many-certificates");
    }
    // Where a secret is wanted, they change nothing.
    let mut world = strangers(91);
    world.configure(0, End::hq().configuration());
    let mut peer = ScriptedPeer::branch(&world, 91);
    let said = says(&mut world, &mut peer, |_, chain| {
        chain.extend(payloads(100, 10))
    });
    assert!(said.has(PayloadType::AUTH));
}

#[test]
fn what_is_no_certificate_is_refused_politely() {
    let cert = |encoding, data: &[u8]| {
        Payload::Cert(Cert {
            encoding: CertEncoding(encoding),
            data: data.to_vec().into(),
        })
    };
    let url = b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13http://10.0.0.1/admin?reboot";
    for encoding in [12, 13] {
        let (mut world, mut peer) = responder(92);
        let said = says(&mut world, &mut peer, |_, chain| {
            chain.retain(|payload| payload.payload_type() != PayloadType::CERT);
            chain.push(cert(encoding, url));
        });
        refused(&world, &said, "hash-and-url");
        assert!(world.nodes[0].fetched.is_empty());
        // With a certificate beside it, it is not needed.
        let (mut world, mut peer) = responder(93);
        let said = says(&mut world, &mut peer, |_, chain| {
            chain.push(cert(encoding, url))
        });
        assert!(said.has(PayloadType::AUTH));
        assert!(world.nodes[0].fetched.is_empty());
    }
    for encoding in [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 14, 15, 200, 255] {
        for data in [
            &[][..],
            &[0x30],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0; 3000],
        ] {
            let (mut world, mut peer) = responder(94);
            let said = says(&mut world, &mut peer, |_, chain| {
                chain.retain(|payload| payload.payload_type() != PayloadType::CERT);
                chain.push(cert(encoding, data));
            });
            assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
            assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
            let codes = world.nodes[0].failure_codes();
            let certificates =
                |code: &&str| code.starts_with("certificate-") || code.starts_with("key-");
            assert!(codes.iter().any(certificates), "{encoding}: {codes:?}");
        }
    }
}

#[test]
fn requests_for_certificates_of_any_shape_are_borne() {
    let request = |encoding, data: Vec<u8>| {
        Payload::CertReq(CertReq {
            encoding: CertEncoding(encoding),
            data: data.into(),
        })
    };
    let ours = Authority::new("Root").certificate().key_hash().to_vec();
    let cases = [
        (vec![], CertEncoding::X509_SIGNATURE),
        (vec![request(4, Vec::new())], CertEncoding::X509_SIGNATURE),
        (vec![request(4, vec![7; 19])], CertEncoding::X509_SIGNATURE),
        (
            vec![request(4, vec![7; 20_000])],
            CertEncoding::X509_SIGNATURE,
        ),
        (vec![request(4, ours)], CertEncoding::X509_SIGNATURE),
        (vec![request(15, Vec::new())], CertEncoding::RAW_PUBLIC_KEY),
        (
            vec![request(15, Vec::new()), request(4, Vec::new())],
            CertEncoding::X509_SIGNATURE,
        ),
        (
            (0..=255)
                .map(|encoding| request(encoding, vec![1; 40]))
                .collect(),
            CertEncoding::X509_SIGNATURE,
        ),
    ];
    for (requests, expected) in cases {
        let (mut world, mut peer) = responder(95);
        let said = says(&mut world, &mut peer, |_, chain| chain.extend(requests));
        let shown = said.certs();
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0].0, expected);
    }
}

#[test]
fn hash_announcements_of_any_shape_are_borne() {
    for (data, signs) in [
        (vec![], false),
        (vec![0], false),
        (vec![0, 1], false),
        (vec![0, 2, 0, 3, 0, 4], false),
        (vec![0, 5], true),
        ([0xff, 0xfe].repeat(2000), false),
        ([&[0xff, 0xfe].repeat(2000)[..], &[0, 5]].concat(), true),
    ] {
        let (mut world, mut peer) = responder(96);
        let session = {
            let announced = data.clone();
            let mut payloads = peer.init_payloads();
            payloads.retain(|payload| payload.payload_type() != PayloadType::NOTIFY);
            payloads.push(sim::peer::notify(
                NotifyType::SIGNATURE_HASH_ALGORITHMS,
                &announced,
            ));
            let request = peer.init_with(payloads);
            let answers = peer.send(&mut world, &request);
            peer.keys(request, answers[0].clone())
        };
        let mut session = session.expect("an IKE SA");
        let chain = peer.auth_payloads(&session, SPI);
        let said = peer.ask(&mut world, &mut session, ExchangeType::IKE_AUTH, &chain);
        // Our key is Ed25519, which hashes by itself.
        let said = said.expect("an answer");
        assert_eq!(said.has(PayloadType::AUTH), signs, "{data:02x?}");
        if !signs {
            refused(&world, &said, "no-signing-method");
        }
    }
}

#[test]
fn an_impostor_that_answers_is_told_that_it_is_not_believed() {
    let authority = Authority::new("Root");
    let good = authority.issue(HQ_KEY, &Wanted::of(HQ));
    let other = authority.issue(TestKey::P256, &Wanted::of("other.example.com"));
    let unknown = Authority::new("Other").issue(HQ_KEY, &Wanted::of(HQ));
    let cases = [
        (TestKey::P256, &good, "signature-unreadable"),
        (TestKey::Ed25519("thief"), &good, "wrong-signature"),
        (TestKey::P256, &other, "certificate-name"),
        (HQ_KEY, &unknown, "certificate-untrusted"),
    ];
    for (key, certificate, code) in cases {
        let mut world = strangers(97);
        world.configure(1, branch(&authority));
        let mut peer = ScriptedPeer::hq(&world, 97);
        peer.sign_with(key.private(), &[certificate.der()]);
        let since = world.nodes[1].sent.len();
        let mut session = peer.accept(&mut world, SPI);
        let sent = peer.heard(&world, since);
        let said = session.open(sent.last().expect("a word")).expect("for us");
        assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
        assert!(said.has(PayloadType::DELETE));
        fails(&world, 1, code);
        assert_eq!(world.nodes[1].count("ike-sa-established"), 0);
        assert_eq!(world.nodes[1].kernel.sas.len(), 0);
        peer.respond(&mut world, &mut session, &said.header, &[]);
    }
}

#[test]
fn an_initiator_shows_its_certificate_to_whoever_has_answered_and_its_secrets_to_nobody() {
    let authority = Authority::new("Root");
    let mut world = strangers(98);
    world.configure(1, branch(&authority));
    let mut peer = ScriptedPeer::hq(&world, 98);
    peer.sign_with(HQ_KEY.private(), &[]);
    let (_, asked) = peer.accept_init(&mut world);
    assert_eq!(asked.certs().len(), 1);
    assert_eq!(
        asked.cert_requests()[0],
        (
            CertEncoding::X509_SIGNATURE,
            authority.certificate().key_hash().to_vec()
        )
    );
    assert_eq!(
        asked.auth().expect("AUTH").method,
        AuthMethod::DIGITAL_SIGNATURE
    );
}
