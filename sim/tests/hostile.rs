//! Peers and strangers that mean harm: nothing they send costs more than one small answer before they have proved who they
//! are, kills an attempt or an IKE SA that is not theirs, or leaves anything behind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ike::config::proposal::ChildExchange;
use ike::config::{Configuration, Limits};
use ike::engine::io::{Path, Transmit};
use ike::wire::numbers::{
    AuthMethod, ExchangeType, IdType, KeyExchangeMethod, NotifyType, PayloadType, ProtocolId,
    TransformType, TsType,
};
use ike::wire::payload::UnknownPayload;
use ike::wire::{
    Authentication, Flags, Fragment, Header, Identification, IkeSpi, KeyExchange, Message, Nonce,
    Notify, Payload, PortRange, SpiBytes, TrafficSelector, TrafficSelectors, Transform,
    begin_protected, encode_chain,
};
use sim::network::Quality;
use sim::peer::{Chain, delete_esp, delete_ike, id_payload, notifies, notify, plain, sa_of};
use sim::setup::{End, name, tunnel, two_gateways};
use sim::{Fate, ScriptedPeer, Session, World};

const AUTH: ExchangeType = ExchangeType::IKE_AUTH;
const CREATE: ExchangeType = ExchangeType::CREATE_CHILD_SA;
const INFORMATIONAL: ExchangeType = ExchangeType::INFORMATIONAL;
const SPI: u32 = 0xabc0_0001;
/// Longer than every half-open IKE SA and everything that is kept for a refused peer.
const LONG: Duration = Duration::from_secs(100);

/// The headquarters, which waits, and a scripted branch.
fn responder(seed: u64) -> (World, ScriptedPeer) {
    let mut world = two_gateways(seed, Quality::default());
    world.configure(0, End::hq().configuration());
    let peer = ScriptedPeer::branch(&world, seed);
    (world, peer)
}

/// The branch, which begins, and a scripted headquarters. The branch's IKE_SA_INIT is out.
fn initiator(seed: u64) -> (World, ScriptedPeer) {
    let mut world = two_gateways(seed, Quality::default());
    let peer = ScriptedPeer::hq(&world, seed);
    // What the scripted peer says goes in directly; the real headquarters is not configured and must not answer.
    world.meddler = Some(Box::new(|_, _| Fate::Drop));
    world.configure(1, End::branch().configuration());
    (world, peer)
}

/// Nothing is left at the headquarters but its block policies, once everything has timed out.
fn forgotten(world: &mut World, node: usize) {
    world.run(LONG);
    let now = world.now;
    world.nodes[node].assert_clean(now, 3);
    assert_eq!(world.nodes[node].engine().ike_sa_count(), 0);
}

fn still_up(world: &mut World, peer: &mut ScriptedPeer, session: &mut Session) {
    let now = world.now;
    world.nodes[peer.node].assert_up(now, 1);
    assert!(peer.ask(world, session, INFORMATIONAL, &[]).is_some());
}

/// A chain with each payload left out, then with each doubled.
fn maimed(chain: &Chain) -> Vec<(String, Chain)> {
    let mut all = Vec::new();
    for at in 0..chain.len() {
        let kind = chain[at].payload_type();
        let mut without = chain.clone();
        without.remove(at);
        all.push((format!("without {kind}"), without));
        let mut doubled = chain.clone();
        doubled.insert(at, chain[at].clone());
        all.push((format!("{kind} twice"), doubled));
    }
    all
}

fn unknown(kind: u8, critical: bool) -> Payload<'static> {
    Payload::Unknown(UnknownPayload {
        payload_type: PayloadType(kind),
        critical,
        body: vec![0; 5].into(),
    })
}

fn ke(method: KeyExchangeMethod, data: Vec<u8>) -> Payload<'static> {
    Payload::Ke(KeyExchange {
        method,
        data: data.into(),
    })
}

fn put_ke(chain: &mut Chain, payload: Payload<'static>) {
    for place in chain.iter_mut() {
        if place.payload_type() == PayloadType::KE {
            *place = payload.clone();
        }
    }
}

/// One unprotected answer at most, not larger than the request (but for a few octets); its notifies.
fn told(answers: &[Vec<u8>], request: &[u8]) -> Vec<NotifyType> {
    assert!(answers.len() <= 1, "{} answers", answers.len());
    answers.first().map_or_else(Vec::new, |answer| {
        assert!(answer.len() <= request.len() + 40);
        notifies(&Message::parse(answer).expect("our own message").payloads)
    })
}

// --- IKE_SA_INIT, to the responder

#[test]
fn an_init_request_without_a_payload_or_with_one_twice_leaves_nothing() {
    let (mut world, mut peer) = responder(1);
    let good = peer.init_payloads();
    for (what, chain) in maimed(&good) {
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        let expected = vec![NotifyType::INVALID_SYNTAX];
        assert_eq!(told(&answers, &request), expected, "{what}");
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 0, "{what}");
    }
    let request = peer.init_request();
    for length in 28..request.len() {
        let mut cut = request[..length].to_vec();
        let declared = u32::try_from(length).expect("short");
        cut[24..28].copy_from_slice(&declared.to_be_bytes());
        told(&peer.send(&mut world, &cut), &cut);
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 0, "{length}");
        world.run(Duration::from_millis(50));
    }
    peer.establish(&mut world, SPI);
}

#[test]
fn header_lengths_that_lie_get_no_answer() {
    let (mut world, mut peer) = responder(2);
    let request = peer.init_request();
    let right = u32::try_from(request.len()).expect("short");
    for length in [0, 1, 27, 28, right - 1, right + 1, 0xdead, u32::MAX] {
        let mut lying = request.clone();
        lying[24..28].copy_from_slice(&length.to_be_bytes());
        assert_eq!(peer.send(&mut world, &lying), Vec::<Vec<u8>>::new());
    }
    for length in 0..28 {
        assert_eq!(
            peer.send(&mut world, &request[..length]),
            Vec::<Vec<u8>>::new()
        );
    }
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
}

#[test]
fn every_payload_type_is_known_skipped_or_refused_when_critical() {
    for kind in (1..=32).chain(49..=255).filter(|kind| *kind != 53) {
        let (mut world, mut peer) = responder(3);
        let mut chain = peer.init_payloads();
        chain.insert(0, unknown(kind, true));
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        let message = Message::parse(&answers[0]).expect("an answer");
        let expected = notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[kind]);
        assert_eq!(message.payloads, [expected]);
        let mut chain = peer.init_payloads();
        chain.insert(0, unknown(kind, false));
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        let message = Message::parse(&answers[0]).expect("an answer");
        assert_eq!(message.payloads[0].payload_type(), PayloadType::SA);
    }
}

#[test]
fn a_thousand_unknown_payloads_are_skipped_or_dropped() {
    let (mut world, mut peer) = responder(4);
    let mut chain = peer.init_payloads();
    chain.extend((0..1000).map(|_| unknown(77, false)));
    let request = peer.init_with(chain);
    let answers = peer.send(&mut world, &request);
    assert!(answers.len() <= 1);
    let (mut world, mut peer) = responder(4);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let many: Chain = (0..1000).map(|_| unknown(77, false)).collect();
    assert!(
        peer.ask(&mut world, &mut session, INFORMATIONAL, &many)
            .is_some()
    );
    still_up(&mut world, &mut peer, &mut session);
}

#[test]
fn key_exchange_values_that_are_none_are_refused_without_a_trace() {
    let x25519 = KeyExchangeMethod::CURVE25519;
    let p256 = KeyExchangeMethod::ECP_256;
    let cases: [(&str, KeyExchangeMethod, Vec<u8>); 11] = [
        ("x25519", x25519, vec![0; 32]),
        ("x25519", x25519, {
            let mut one = vec![0; 32];
            one[0] = 1;
            one
        }),
        ("x25519", x25519, vec![]),
        ("x25519", x25519, vec![9; 31]),
        ("x25519", x25519, vec![9; 33]),
        ("x25519", x25519, vec![9; 7000]),
        ("ecp256", p256, vec![0; 64]),
        ("ecp256", p256, vec![7; 64]),
        ("ecp256", p256, vec![0xff; 64]),
        ("ecp256", p256, vec![4; 65]),
        ("ecp256", p256, vec![]),
    ];
    for (word, method, data) in cases {
        let (mut world, mut peer) = responder(5);
        peer.ike = vec![
            format!("aes256gcm16-prfsha256-{word}")
                .parse()
                .expect("good"),
        ];
        let mut chain = peer.init_payloads();
        put_ke(&mut chain, ke(method, data.clone()));
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        let expected = vec![NotifyType::INVALID_SYNTAX];
        assert_eq!(told(&answers, &request), expected, "{word} {data:?}");
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    }
}

#[test]
fn groups_that_nobody_has_build_nothing() {
    for group in [0, 1, 2, 22, 1025, 65535] {
        let (mut world, mut peer) = responder(6);
        let mut chain = peer.init_payloads();
        // Offered beside what we have: we ask for ours. Offered alone: nothing fits.
        put_ke(&mut chain, ke(KeyExchangeMethod(group), vec![7; 32]));
        let request = peer.init_with(chain.clone());
        let answers = peer.send(&mut world, &request);
        assert_eq!(told(&answers, &request), [NotifyType::INVALID_KE_PAYLOAD]);
        for transform in &mut sa_of(&mut chain).proposals[0].transforms {
            if transform.kind == TransformType::KE {
                *transform = Transform::new(TransformType::KE, group, None);
            }
        }
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        assert_eq!(told(&answers, &request), [NotifyType::NO_PROPOSAL_CHOSEN]);
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    }
}

#[test]
fn proposals_without_a_mandatory_transform_are_not_chosen() {
    for missing in [TransformType::ENCR, TransformType::PRF, TransformType::KE] {
        let (mut world, mut peer) = responder(7);
        let mut chain = peer.init_payloads();
        sa_of(&mut chain).proposals[0]
            .transforms
            .retain(|transform| transform.kind != missing);
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        assert_eq!(told(&answers, &request), [NotifyType::NO_PROPOSAL_CHOSEN]);
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    }
}

#[test]
fn gmac_and_null_are_never_chosen() {
    for (kind, id) in [
        (TransformType::ENCR, 11),
        (TransformType::ENCR, 21),
        (TransformType::INTEG, 9),
        (TransformType::INTEG, 11),
    ] {
        let (mut world, mut peer) = responder(8);
        let mut chain = peer.init_payloads();
        let transforms = &mut sa_of(&mut chain).proposals[0].transforms;
        transforms.retain(|transform| transform.kind != kind);
        for bits in [None, Some(0), Some(128), Some(256)] {
            transforms.push(Transform::new(kind, id, bits));
        }
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        assert_eq!(told(&answers, &request), [NotifyType::NO_PROPOSAL_CHOSEN]);
        // The same for ESP.
        peer.renew();
        let mut session = peer.begin(&mut world);
        let mut chain = peer.auth_payloads(&session, SPI);
        let transforms = &mut sa_of(&mut chain).proposals[0].transforms;
        transforms.retain(|transform| transform.kind != kind);
        if kind == TransformType::INTEG {
            transforms[0] = Transform::new(TransformType::ENCR, 12, Some(256));
        }
        transforms.push(Transform::new(kind, id, Some(128)));
        let said = peer
            .ask(&mut world, &mut session, AUTH, &chain)
            .expect("an answer");
        assert_eq!(said.notifies(), [NotifyType::NO_PROPOSAL_CHOSEN]);
        let now = world.now;
        world.nodes[0].assert_up(now, 0);
    }
}

#[test]
fn cookies_and_notifies_of_any_length_do_no_harm() {
    for length in [0, 1, 19, 21, 64, 65, 255, 6000] {
        for kind in [
            NotifyType::COOKIE,
            NotifyType::NAT_DETECTION_SOURCE_IP,
            NotifyType::NAT_DETECTION_DESTINATION_IP,
            NotifyType(40999),
            NotifyType(8999),
        ] {
            let (mut world, mut peer) = responder(9);
            let mut chain = peer.init_payloads();
            for _ in 0..2 {
                chain.insert(0, notify(kind, &vec![7; length]));
            }
            let request = peer.init_with(chain);
            let answers = peer.send(&mut world, &request);
            assert!(answers.len() <= 1, "{kind} {length}");
        }
    }
}

#[test]
fn an_spi_size_behind_the_end_of_a_notify_is_invalid_syntax() {
    let (mut world, mut peer) = responder(10);
    let mut chain = peer.init_payloads();
    chain.push(notify(NotifyType(40999), &[]));
    let mut request = peer.init_with(chain);
    let at = request.len() - 3;
    request[at] = 200;
    let answers = peer.send(&mut world, &request);
    assert_eq!(told(&answers, &request), [NotifyType::INVALID_SYNTAX]);
}

#[test]
fn other_versions_are_dropped_and_later_ones_hear_which_we_speak_rarely() {
    let (mut world, mut peer) = responder(11);
    let mut request = peer.init_request();
    for version in [0x00, 0x10, 0x11] {
        request[17] = version;
        assert_eq!(peer.send(&mut world, &request), Vec::<Vec<u8>>::new());
    }
    request[17] = 0x30;
    let answers = peer.send(&mut world, &request);
    assert_eq!(
        told(&answers, &request),
        [NotifyType::INVALID_MAJOR_VERSION]
    );
    assert_eq!(answers[0][17], 0x20);
    let many: usize = (0..10_000)
        .map(|_| peer.send(&mut world, &request).len())
        .sum();
    assert!(many <= 50, "{many} answers");
    // And no answer to an answer.
    request[19] |= 0x20;
    world.run(LONG);
    assert_eq!(peer.send(&mut world, &request), Vec::<Vec<u8>>::new());
    request[17] = 0x2f;
    request[19] = 0x08;
    assert_eq!(
        peer.send(&mut world, &request).len(),
        1,
        "a later minor version"
    );
}

#[test]
fn an_ikev1_packet_of_a_dead_peer_detection_does_nothing() {
    let (mut world, mut peer) = responder(12);
    let mut packet = vec![7; 16];
    packet.extend([16, 0x0b, 16, 0]);
    packet.extend([0; 4]);
    packet.extend(28u32.to_be_bytes());
    assert_eq!(peer.send(&mut world, &packet), Vec::<Vec<u8>>::new());
    peer.establish(&mut world, SPI);
}

#[test]
fn requests_for_unknown_spis_hear_so_rarely_and_nothing_else_does() {
    let (mut world, mut peer) = responder(13);
    let mut session = peer.begin(&mut world);
    session.spis.responder = IkeSpi([9; 8]);
    let header = session.header(INFORMATIONAL, 5, false);
    let request = session.seal(&mut peer.random, header, &[]);
    let answers = peer.send(&mut world, &request);
    assert_eq!(told(&answers, &request), [NotifyType::INVALID_IKE_SPI]);
    let answer = Header::parse(&answers[0]).expect("a header");
    let spis = (answer.initiator_spi, answer.responder_spi);
    assert_eq!(spis, (session.spis.initiator, session.spis.responder));
    assert_eq!((answer.message_id, answer.flags.response), (5, true));
    let many: usize = (0..10_000)
        .map(|_| peer.send(&mut world, &request).len())
        .sum();
    assert!(many <= 50, "{many} answers");
    world.run(LONG);
    let response = session.header(INFORMATIONAL, 5, true);
    let response = session.seal(&mut peer.random, response, &[]);
    assert_eq!(peer.send(&mut world, &response), Vec::<Vec<u8>>::new());
    let bare = plain(
        session.header(INFORMATIONAL, 0, false),
        vec![notify(NotifyType::INVALID_SPI, &[1, 2, 3, 4])],
    );
    assert_eq!(peer.send(&mut world, &bare), Vec::<Vec<u8>>::new());
}

#[test]
fn without_a_connection_a_request_costs_one_small_answer() {
    let (mut world, mut peer) = responder(14);
    world.configure(0, Configuration::default());
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    assert_eq!(told(&answers, &request), [NotifyType::NO_PROPOSAL_CHOSEN]);
    let many: usize = (0..100_000)
        .map(|_| peer.send(&mut world, &request).len())
        .sum();
    assert!(many <= 50);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    let now = world.now;
    assert_eq!(world.nodes[0].list(now).strangers.len(), 1);
}

// --- IKE_SA_INIT, to the initiator

/// The request that the branch has out, its header turned round.
fn answer_header(world: &World, peer: &ScriptedPeer) -> (Vec<u8>, Header) {
    let request = peer.heard(world, 0).pop().expect("a request");
    let header = Header::parse(&request).expect("a header");
    let header = Header {
        flags: Flags {
            response: true,
            ..Flags::default()
        },
        ..header
    };
    (request, header)
}

/// The attempt stands: the right answer still makes a tunnel.
fn attempt_survives(world: &mut World, peer: &mut ScriptedPeer) {
    peer.accept(world, SPI);
    let now = world.now;
    world.nodes[1].assert_up(now, 1);
}

#[test]
fn forged_errors_do_not_end_an_attempt() {
    let (mut world, mut peer) = initiator(20);
    let (_, header) = answer_header(&world, &peer);
    for kind in (0..=50)
        .map(NotifyType)
        .chain([NotifyType(8000), NotifyType(16383)])
    {
        for data in [&[][..], &[0, 19], &[7; 100]] {
            if kind == NotifyType::INVALID_KE_PAYLOAD && data == [0, 19] {
                continue;
            }
            let forged = plain(header, vec![notify(kind, data)]);
            assert_eq!(
                peer.send(&mut world, &forged),
                Vec::<Vec<u8>>::new(),
                "{kind}"
            );
        }
    }
    world.run(Duration::from_secs(40));
    attempt_survives(&mut world, &mut peer);
}

#[test]
fn a_forged_wish_for_another_group_does_not_make_the_true_answer_useless() {
    let (mut world, mut peer) = initiator(21);
    let (request, header) = answer_header(&world, &peer);
    let session = peer.answer_init(&request);
    let forged = plain(
        header,
        vec![notify(NotifyType::INVALID_KE_PAYLOAD, &[0, 19])],
    );
    assert_eq!(peer.send(&mut world, &forged).len(), 1, "it tries");
    for group in [19u16, 31, 0, 1, 2, 14, 65535] {
        let data = group.to_be_bytes();
        let forged = plain(header, vec![notify(NotifyType::INVALID_KE_PAYLOAD, &data)]);
        assert_eq!(peer.send(&mut world, &forged), Vec::<Vec<u8>>::new());
    }
    let answers = peer.send(&mut world, &session.init_response);
    let asked = session.open(&answers[0]).expect("IKE_AUTH");
    let id = "branch.example.com".parse().expect("an identity");
    let expected = session.node_auth(&peer.secret, &id_payload(&id).body());
    let auth = asked.payloads.iter().find_map(|payload| match payload {
        Payload::Auth(auth) => Some(auth.data.to_vec()),
        _ => None,
    });
    assert_eq!(auth, Some(expected), "of the request that was answered");
}

#[test]
fn endless_cookies_are_sent_back_a_few_times_only() {
    let (mut world, mut peer) = initiator(22);
    let (_, header) = answer_header(&world, &peer);
    let mut sent = 0;
    for number in 0..1000u32 {
        let cookie = notify(NotifyType::COOKIE, &number.to_be_bytes());
        sent += peer.send(&mut world, &plain(header, vec![cookie])).len();
    }
    assert_eq!(sent, 5);
    for length in [0, 65, 255] {
        let cookie = notify(NotifyType::COOKIE, &vec![7; length]);
        let answers = peer.send(&mut world, &plain(header, vec![cookie]));
        assert_eq!(answers, Vec::<Vec<u8>>::new());
    }
    attempt_survives(&mut world, &mut peer);
}

#[test]
fn broken_init_responses_are_waited_out() {
    let (mut world, mut peer) = initiator(23);
    let (request, header) = answer_header(&world, &peer);
    let mut good = Vec::new();
    peer.answer_init_with(&request, |chain| {
        good.clone_from(&chain);
        chain
    });
    let header = Header {
        responder_spi: IkeSpi([5; 8]),
        ..header
    };
    let mut broken: Vec<Vec<u8>> = maimed(&good[..3].to_vec())
        .into_iter()
        .map(|(_, chain)| plain(header, chain))
        .collect();
    let mut no_spi = header;
    no_spi.responder_spi = IkeSpi::ZERO;
    broken.push(plain(no_spi, good.clone()));
    for data in [vec![], vec![9; 31], vec![9; 33], vec![9; 60_000]] {
        let mut chain = good.clone();
        put_ke(&mut chain, ke(KeyExchangeMethod::CURVE25519, data));
        broken.push(plain(header, chain));
    }
    let mut other_group = good.clone();
    put_ke(
        &mut other_group,
        ke(KeyExchangeMethod::ECP_256, vec![9; 64]),
    );
    broken.push(plain(header, other_group));
    let mut all_offered = good.clone();
    if let Payload::Sa(offer) = &Message::parse(&request).expect("a message").payloads[0] {
        *sa_of(&mut all_offered) = offer.clone();
    }
    broken.push(plain(header, all_offered));
    let mut not_offered = good.clone();
    sa_of(&mut not_offered).proposals[0].transforms[0] =
        Transform::new(TransformType::ENCR, 3, None);
    broken.push(plain(header, not_offered));
    let mut critical = good.clone();
    critical.push(unknown(200, true));
    broken.push(plain(header, critical));
    for length in 28..broken[0].len() {
        broken.push(broken[0][..length].to_vec());
    }
    for bytes in broken {
        assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
    }
    world.run(Duration::from_secs(20));
    attempt_survives(&mut world, &mut peer);
}

#[test]
fn init_responses_from_elsewhere_or_with_the_wrong_flags_are_nobodys() {
    let (mut world, mut peer) = initiator(24);
    let (request, _) = answer_header(&world, &peer);
    let session = peer.answer_init(&request);
    let good = session.init_response.clone();
    for flags in [0x00, 0x08, 0x28] {
        let mut wrong = good.clone();
        wrong[19] = flags;
        let answers = peer.send(&mut world, &wrong);
        assert!(
            answers.iter().all(|answer| session.open(answer).is_none()),
            "{flags:#x}"
        );
    }
    for (at, value) in [(23, 1), (18, 35), (0, 0xff)] {
        let mut wrong = good.clone();
        wrong[at] = value;
        assert_eq!(peer.send(&mut world, &wrong), Vec::<Vec<u8>>::new());
    }
    let home = peer.path.local;
    peer.path.local = "203.0.113.5:500".parse().expect("an address");
    assert_eq!(peer.send(&mut world, &good), Vec::<Vec<u8>>::new());
    peer.path.local = home;
    let answers = peer.send(&mut world, &good);
    assert!(session.open(&answers[0]).is_some());
}

// --- Between IKE_SA_INIT and the end of IKE_AUTH

#[test]
fn nothing_but_ike_auth_is_taken_before_ike_auth() {
    for exchange in [
        CREATE,
        INFORMATIONAL,
        ExchangeType::IKE_FOLLOWUP_KE,
        ExchangeType::IKE_INTERMEDIATE,
        ExchangeType(77),
    ] {
        let (mut world, mut peer) = responder(30);
        let mut session = peer.begin(&mut world);
        for payloads in [
            vec![],
            peer.auth_payloads(&session, SPI),
            vec![delete_ike()],
        ] {
            let header = session.header(exchange, 1, false);
            let bytes = session.seal(&mut peer.random, header, &payloads);
            assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
        }
        assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
        let payloads = peer.auth_payloads(&session, SPI);
        assert!(
            peer.ask(&mut world, &mut session, AUTH, &payloads)
                .is_some()
        );
    }
}

#[test]
fn protection_before_there_are_keys_is_dropped() {
    let (mut world, mut peer) = responder(31);
    let mut chain = Vec::new();
    let first = encode_chain(&peer.init_payloads(), &mut chain);
    for fragment in [
        None,
        Some(Fragment {
            number: 1,
            total: 1,
        }),
        Some(Fragment {
            number: 1,
            total: 65535,
        }),
    ] {
        let mut bytes = begin_protected(&peer.init_header(), fragment, first, chain.len());
        bytes.extend(&chain);
        assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
    }
    let (mut world, mut peer) = initiator(32);
    let (_, header) = answer_header(&world, &peer);
    let mut bytes = begin_protected(&header, None, PayloadType::NOTIFY, 100);
    bytes.extend([7; 100]);
    assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
    attempt_survives(&mut world, &mut peer);
}

#[test]
fn fragments_that_were_not_negotiated_are_dropped_in_any_order() {
    let (mut world, mut peer) = responder(33);
    let mut session = peer.begin(&mut world);
    for (number, total) in [
        (1, 1),
        (2, 2),
        (1, 2),
        (0, 0),
        (5, 3),
        (65535, 65535),
        (1, 65535),
    ] {
        let header = session.header(AUTH, 1, false);
        let mut bytes = begin_protected(
            &header,
            Some(Fragment { number, total }),
            PayloadType::IDI,
            60,
        );
        bytes.extend([7; 60]);
        assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
    }
    let payloads = peer.auth_payloads(&session, SPI);
    assert!(
        peer.ask(&mut world, &mut session, AUTH, &payloads)
            .is_some()
    );
}

#[test]
fn a_broken_integrity_check_changes_nothing_and_the_right_one_still_counts() {
    let (mut world, mut peer) = responder(34);
    let mut session = peer.begin(&mut world);
    let payloads = peer.auth_payloads(&session, SPI);
    let good = session.request(&mut peer.random, AUTH, &payloads);
    for at in (16..good.len()).filter(|at| !(24..28).contains(at)) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let answers = peer.send(&mut world, &bad);
        assert!(
            answers.iter().all(|answer| session.open(answer).is_none()),
            "octet {at}"
        );
        assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
    }
    for length in 28..good.len() {
        let mut cut = good[..length].to_vec();
        let declared = u32::try_from(length).expect("short");
        cut[24..28].copy_from_slice(&declared.to_be_bytes());
        assert_eq!(peer.send(&mut world, &cut), Vec::<Vec<u8>>::new());
    }
    let said = peer
        .ask_bytes(&mut world, &session, &good)
        .expect("an answer");
    assert!(said.has(PayloadType::AUTH));
}

#[test]
fn ike_auth_without_a_payload_or_with_one_twice_makes_no_ike_sa_where_it_matters() {
    let (mut world, mut peer) = responder(35);
    let session = peer.begin(&mut world);
    let count = maimed(&peer.auth_payloads(&session, SPI)).len();
    for case in 0..count {
        let (mut world, mut peer) = responder(36);
        let mut session = peer.begin(&mut world);
        let (what, chain) = maimed(&peer.auth_payloads(&session, SPI)).swap_remove(case);
        let said = peer
            .ask(&mut world, &mut session, AUTH, &chain)
            .expect("an answer");
        let established = world.nodes[0].count("ike-sa-established");
        if what == "without IDr" {
            assert_eq!(established, 1, "whom it wants is optional");
            continue;
        }
        assert_eq!(established, 0, "{what}");
        assert!(!said.has(PayloadType::AUTH), "{what}");
        // A peer that leaves AUTH out asks for EAP, which is well-formed and not there.
        let told = match &*what {
            "without AUTH" => NotifyType::AUTHENTICATION_FAILED,
            _ => NotifyType::INVALID_SYNTAX,
        };
        assert_eq!(said.notifies(), [told], "{what}");
        forgotten(&mut world, 0);
    }
}

#[test]
fn an_unknown_critical_payload_inside_is_named_and_ends_ike_auth_but_not_an_ike_sa() {
    let (mut world, mut peer) = responder(37);
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    chain.insert(2, unknown(200, true));
    let said = peer
        .ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    let critical = notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[200]);
    assert_eq!(said.payloads, std::slice::from_ref(&critical));
    forgotten(&mut world, 0);

    peer.renew();
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    chain.insert(2, unknown(200, false));
    assert!(peer.ask(&mut world, &mut session, AUTH, &chain).is_some());
    for exchange in [INFORMATIONAL, CREATE] {
        let said = peer.ask(&mut world, &mut session, exchange, &[unknown(200, true)]);
        assert_eq!(
            said.expect("an answer").payloads,
            std::slice::from_ref(&critical)
        );
    }
    still_up(&mut world, &mut peer, &mut session);
}

#[test]
fn identities_of_any_kind_are_refused_or_escaped_and_never_believed() {
    let long = vec![b'a'; 60_000];
    let cases: Vec<(IdType, Vec<u8>)> = vec![
        (IdType::FQDN, vec![]),
        (IdType::FQDN, b"x".to_vec()),
        (IdType::FQDN, b"evil\x1b[31m.example.com".to_vec()),
        (IdType::FQDN, b"branch.example.com\0".to_vec()),
        (IdType::FQDN, b"branch.example.com\n".to_vec()),
        (IdType::FQDN, vec![0xff, 0xfe]),
        (IdType::FQDN, vec![b'a'; 255]),
        (IdType::FQDN, long.clone()),
        (IdType::KEY_ID, long),
        (IdType::KEY_ID, b"branch.example.com".to_vec()),
        (IdType::KEY_ID, b"$(reboot)".to_vec()),
        (IdType::IPV4_ADDR, vec![1, 2, 3]),
        (IdType::IPV4_ADDR, vec![1; 5]),
        (IdType::IPV6_ADDR, vec![1; 15]),
        (
            IdType::DER_ASN1_DN,
            vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        ),
        (IdType::DER_ASN1_DN, [0x30, 0x80].repeat(1000)),
        (IdType::RFC822_ADDR, b"@".to_vec()),
        (IdType::RFC822_ADDR, b"a@b@c".to_vec()),
        (IdType(0), vec![]),
        (IdType(13), vec![]),
        (IdType(255), b"branch.example.com".to_vec()),
    ];
    for (kind, data) in cases {
        for responder_side in [false, true] {
            let (mut world, mut peer) = responder(38);
            let mut session = peer.begin(&mut world);
            let id = Identification::new(kind, data.clone());
            let auth = session.auth(&peer.secret, &id.body());
            let mut chain = peer.auth_payloads(&session, SPI);
            if responder_side {
                chain[1] = Payload::IdR(id);
            } else {
                chain[0] = Payload::IdI(id);
                chain[2] = Payload::Auth(Authentication {
                    method: AuthMethod::SHARED_KEY_MIC,
                    data: auth.into(),
                });
            }
            let said = peer
                .ask(&mut world, &mut session, AUTH, &chain)
                .expect("an answer");
            assert_eq!(
                said.notifies(),
                [NotifyType::AUTHENTICATION_FAILED],
                "{kind}"
            );
            assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
            let now = world.now;
            let told = world.nodes[0].list(now);
            let text = format!(
                "{:?} {}",
                world.nodes[0].events, told.strangers[0].failure.cause
            );
            assert!(!text.contains('\x1b') && !text.contains('\0'), "{kind}");
            assert!(told.strangers[0].failure.cause.to_string().len() < 2000);
        }
    }
}

#[test]
fn auth_of_any_method_and_length_is_not_believed() {
    for method in [0, 1, 2, 3, 9, 12, 13, 14, 200, 255] {
        for length in [0, 1, 31, 32, 33, 64, 5000] {
            let (mut world, mut peer) = responder(39);
            let mut session = peer.begin(&mut world);
            let mut chain = peer.auth_payloads(&session, SPI);
            chain[2] = Payload::Auth(Authentication {
                method: AuthMethod(method),
                data: vec![0; length].into(),
            });
            // Nothing else in the message changes whether AUTH is believed.
            chain.push(Payload::VendorId(ike::wire::VendorId {
                data: b"strongSwan".to_vec().into(),
            }));
            let said = peer
                .ask(&mut world, &mut session, AUTH, &chain)
                .expect("an answer");
            assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
            assert_eq!(said.payloads.len(), 1);
            assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
        }
    }
}

#[test]
fn the_right_method_with_the_wrong_one_named_is_not_believed() {
    let (mut world, mut peer) = responder(40);
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    if let Payload::Auth(auth) = &mut chain[2] {
        auth.method = AuthMethod::NULL;
    }
    let said = peer
        .ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
    forgotten(&mut world, 0);
}

#[test]
fn a_peer_cannot_reflect_our_proof_back() {
    let (mut world, mut peer) = responder(41);
    let mut session = peer.begin(&mut world);
    let hq = "hq.example.com".parse().expect("an identity");
    let ours = session.node_auth(&peer.secret, &id_payload(&hq).body());
    let mut chain = peer.auth_payloads(&session, SPI);
    chain[2] = Payload::Auth(Authentication {
        method: AuthMethod::SHARED_KEY_MIC,
        data: ours.into(),
    });
    let said = peer
        .ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
}

#[test]
fn an_auth_response_that_lacks_or_doubles_something_is_not_believed_and_the_peer_hears_so() {
    let (mut world, mut peer) = initiator(42);
    let (session, asked) = peer.accept_init(&mut world);
    let full = |peer: &ScriptedPeer, session: &Session, asked: &sim::peer::Said| {
        let mut chain = peer.proof(session);
        chain.extend(peer.child_answer(&asked.payloads, SPI, ChildExchange::IkeAuth));
        chain
    };
    let count = maimed(&full(&peer, &session, &asked)).len();
    for case in 0..count {
        let (mut world, mut peer) = initiator(43);
        let (mut session, asked) = peer.accept_init(&mut world);
        let (what, chain) = maimed(&full(&peer, &session, &asked)).swap_remove(case);
        let since = world.nodes[1].sent.len();
        peer.respond(&mut world, &mut session, &asked.header, &chain);
        let next = peer.heard(&world, since);
        let said = session.open(next.first().expect("a word")).expect("for us");
        let now = world.now;
        if matches!(&what[..], "without SA" | "without TSi" | "without TSr") {
            // The child alone is no good: the IKE SA stands, what the peer may have made is deleted.
            world.nodes[1].assert_up(now, 0);
        } else {
            assert_eq!(world.nodes[1].count("ike-sa-established"), 0, "{what}");
            assert!(said.has(PayloadType::DELETE), "{what}: {said:?}");
            assert_eq!(world.nodes[1].kernel.sas.len(), 0);
        }
    }
}

#[test]
fn an_impostor_is_told_that_it_is_not_believed() {
    for impostor in 0..3 {
        let (mut world, mut peer) = initiator(44);
        match impostor {
            0 => peer.secret = b"not the secret".to_vec(),
            1 => peer.id = "evil.example.com".parse().expect("an identity"),
            _ => peer.id = "keyid:hq.example.com".parse().expect("an identity"),
        }
        let since = world.nodes[1].sent.len();
        let mut session = peer.accept(&mut world, SPI);
        let sent = peer.heard(&world, since);
        let said = session.open(sent.last().expect("a word")).expect("for us");
        assert_eq!(said.header.exchange, INFORMATIONAL);
        assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
        assert!(said.has(PayloadType::DELETE));
        assert_eq!(world.nodes[1].count("ike-sa-established"), 0);
        assert_eq!(world.nodes[1].kernel.sas.len(), 0);
        peer.respond(&mut world, &mut session, &said.header, &[]);
        world.nodes[1].failure(if impostor == 0 {
            "wrong-secret"
        } else {
            "wrong-identity"
        });
    }
}

// --- Afterwards

#[test]
fn create_child_sa_without_a_payload_or_with_one_twice_ends_the_ike_sa_with_invalid_syntax() {
    let (mut world, mut peer) = responder(50);
    let (_, _) = peer.establish(&mut world, SPI);
    let count = maimed(&peer.create_child(SPI + 1)).len();
    for case in 0..count {
        let (mut world, mut peer) = responder(51);
        let (mut session, _) = peer.establish(&mut world, SPI);
        let (what, chain) = maimed(&peer.create_child(SPI + 1)).swap_remove(case);
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert_eq!(said.notifies(), [NotifyType::INVALID_SYNTAX], "{what}");
        forgotten(&mut world, 0);
    }
}

#[test]
fn a_delete_or_rekey_of_sas_that_are_not_the_peers_touches_nothing() {
    let mut world = two_gateways(52, Quality::default());
    let mut other = End::hq().connection();
    other.name = name("other");
    other.remote.id = Some("other.example.com".parse().expect("an identity"));
    other.children = vec![Arc::new(ike::config::Child {
        name: name("else"),
        local: vec!["10.1.0.0/16".parse().expect("a selector")],
        remote: vec!["10.77.0.0/16".parse().expect("a selector")],
        ..clone_child(&End::hq().connection().children[0])
    })];
    world.nodes[0]
        .secrets
        .insert(name("other"), b"its own secret".to_vec());
    world.configure(
        0,
        Configuration {
            connections: vec![Arc::new(End::hq().connection()), Arc::new(other)],
            ..Configuration::default()
        },
    );
    let mut victim = ScriptedPeer::branch(&world, 1);
    let (mut victims, said) = victim.establish(&mut world, SPI);
    let hq_spi = said.esp_spi().expect("an SPI");
    let mut peer = ScriptedPeer::branch(&world, 2);
    peer.id = "other.example.com".parse().expect("an identity");
    peer.secret = b"its own secret".to_vec();
    peer.local = vec!["10.77.0.0/16".parse().expect("a selector")];
    let (mut session, _) = peer.establish(&mut world, SPI + 1);
    let sas = world.nodes[0].kernel.sas.len();
    assert_eq!(sas, 4);
    for payload in [
        delete_esp(&[SPI, hq_spi, 0, 1, u32::MAX]),
        delete_esp(&[SPI; 1000]),
        Payload::Delete(ike::wire::Delete {
            protocol: ProtocolId::AH,
            spis: vec![SPI, SPI + 1],
        }),
    ] {
        let said = peer
            .ask(&mut world, &mut session, INFORMATIONAL, &[payload])
            .expect("an answer");
        assert_eq!(said.payloads, []);
        assert_eq!(world.nodes[0].kernel.sas.len(), sas);
    }
    for (protocol, spi) in [
        (ProtocolId::ESP, SpiBytes::from(SPI)),
        (ProtocolId::ESP, SpiBytes::from(hq_spi)),
        (ProtocolId(0), SpiBytes::EMPTY),
        (ProtocolId(1), SpiBytes::from(victims.spis.initiator)),
        (ProtocolId(4), SpiBytes::from(SPI)),
        (ProtocolId(255), SpiBytes::from(7)),
    ] {
        let mut chain = peer.create_child(SPI + 2);
        chain.insert(
            0,
            Payload::Notify(Notify::new(NotifyType::REKEY_SA, vec![]).about(protocol, spi)),
        );
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert_eq!(said.notifies().len(), 1, "refused");
        assert_eq!(world.nodes[0].kernel.sas.len(), sas);
    }
    assert!(
        victim
            .ask(&mut world, &mut victims, INFORMATIONAL, &[])
            .is_some()
    );
    assert!(
        peer.ask(&mut world, &mut session, INFORMATIONAL, &[])
            .is_some()
    );

    // The other's SPI for a child of its own: refused before it could harm the other's.
    let chain = peer.create_child(SPI);
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), [NotifyType::TEMPORARY_FAILURE]);
    assert_eq!(world.nodes[0].kernel.sas.len(), sas);
    let destination = victim.path.local.ip();
    let sa = ike::engine::io::SaReference {
        spi: SPI,
        destination,
    };
    let expired = ike::engine::io::KernelEvent::Expire { sa, hard: true };
    world.input(0, ike::engine::io::Input::KernelEvent(expired));
    assert_eq!(
        world.nodes[0].count("child-down"),
        1,
        "the victim's SA is still known"
    );
}

fn clone_child(child: &ike::config::Child) -> ike::config::Child {
    ike::config::Child {
        name: child.name.clone(),
        local: child.local.clone(),
        remote: child.remote.clone(),
        proposals: child.proposals.clone(),
        keep: child.keep,
        replay_window: child.replay_window,
        hard_lifetime: child.hard_lifetime,
        priority: child.priority,
    }
}

fn ip(start: [u8; 4], end: [u8; 4]) -> TrafficSelector {
    TrafficSelector::Ip {
        protocol: 0,
        ports: PortRange::ANY,
        start: start.into(),
        end: end.into(),
    }
}

#[test]
fn selectors_of_any_kind_are_refused_or_narrowed_in_bounded_time() {
    let odd: Vec<_> = (0..255u8)
        .map(|at| ip([10, 2, at, 1], [10, 2, at, 254]))
        .collect();
    let odd_there: Vec<_> = (0..255u8)
        .map(|at| ip([10, 1, at, 1], [10, 1, at, 254]))
        .collect();
    let unknown = TrafficSelector::Unknown {
        ts_type: TsType(200),
        protocol: 0,
        body: vec![0; 60_000].into(),
    };
    let v6 = TrafficSelector::Ip {
        protocol: 0,
        ports: PortRange::ANY,
        start: "::".parse().expect("an address"),
        end: "ffff::".parse().expect("an address"),
    };
    let everything = ip([0; 4], [255; 4]);
    let cases: [(Vec<TrafficSelector>, Vec<TrafficSelector>, usize); 6] = [
        (odd, odd_there, 1),
        (vec![unknown.clone()], vec![everything.clone()], 1),
        (vec![v6.clone()], vec![everything.clone()], 1),
        (vec![v6.clone()], vec![v6], 1),
        (
            vec![everything.clone(); 255],
            vec![everything.clone(); 255],
            2,
        ),
        (vec![unknown, everything.clone()], vec![everything], 2),
    ];
    for (at, (tsi, tsr, children)) in cases.into_iter().enumerate() {
        let (mut world, mut peer) = responder(53);
        let (mut session, _) = peer.establish(&mut world, SPI);
        let mut chain = peer.create_child(SPI + 1);
        chain[2] = Payload::TsI(TrafficSelectors { selectors: tsi });
        chain[3] = Payload::TsR(TrafficSelectors { selectors: tsr });
        let began = std::time::Instant::now();
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert!(began.elapsed() < Duration::from_secs(20), "case {at}");
        if children == 1 {
            assert_eq!(said.notifies(), [NotifyType::TS_UNACCEPTABLE], "case {at}");
        }
        let now = world.now;
        world.nodes[0].assert_up(now, children);
    }
}

#[test]
fn selector_lengths_and_counts_that_lie_end_the_ike_sa_with_invalid_syntax() {
    let selector = |length: u16| {
        let mut body = vec![1, 0, 0, 0, 7, 0];
        body.extend(length.to_be_bytes());
        body.extend([0, 0, 255, 255, 10, 2, 0, 0, 10, 2, 255, 255]);
        body
    };
    let mut bodies = vec![vec![], vec![0; 3], vec![0; 4]];
    bodies.extend([0, 8, 15, 17, 65535].map(selector));
    for count in [0, 2, 255] {
        let mut body = selector(16);
        body[0] = count;
        bodies.push(body);
    }
    let mut inverted = selector(16);
    inverted[12..16].copy_from_slice(&[10, 3, 0, 0]);
    bodies.push(inverted);
    for body in bodies {
        let (mut world, mut peer) = responder(54);
        let (mut session, _) = peer.establish(&mut world, SPI);
        let mut chain = peer.create_child(SPI + 1);
        chain[2] = Payload::Unknown(UnknownPayload {
            payload_type: PayloadType::TSI,
            critical: false,
            body: body.clone().into(),
        });
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert_eq!(said.notifies(), [NotifyType::INVALID_SYNTAX], "{body:?}");
        forgotten(&mut world, 0);
    }
}

#[test]
fn any_octets_inside_are_answered_with_invalid_syntax_and_leave_nothing() {
    for first in 0..=255u8 {
        let (mut world, mut peer) = responder(55);
        let (mut session, _) = peer.establish(&mut world, SPI);
        let header = session.header(INFORMATIONAL, session.next_request, false);
        let bytes = session.seal_chain(
            &mut peer.random,
            &header,
            PayloadType(first),
            &[0, 0, 0, 3, 9],
        );
        let said = peer
            .ask_bytes(&mut world, &session, &bytes)
            .expect("an answer");
        assert!(said.notifies().len() <= 1, "{first}");
        let now = world.now;
        assert!(world.nodes[0].list(now).connections[0].ike_sas.len() <= 1);
    }
}

#[test]
fn a_peer_that_wants_children_without_end_gets_a_limited_number() {
    let (mut world, mut peer) = responder(56);
    let limits = Limits {
        children_per_ike_sa: 10,
        ..Limits::default()
    };
    world.configure(
        0,
        Configuration {
            limits,
            ..End::hq().configuration()
        },
    );
    let (mut session, _) = peer.establish(&mut world, SPI);
    for number in 1..100 {
        let chain = peer.create_child(SPI + number);
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        if number >= 10 {
            assert_eq!(said.notifies(), [NotifyType::NO_ADDITIONAL_SAS]);
        }
    }
    let now = world.now;
    world.nodes[0].assert_up(now, 10);
    let spis: Vec<u32> = (0..100).map(|number| SPI + number).collect();
    let said = peer
        .ask(
            &mut world,
            &mut session,
            INFORMATIONAL,
            &[delete_esp(&spis)],
        )
        .expect("an answer");
    assert!(matches!(&said.payloads[..], [Payload::Delete(delete)] if delete.spis.len() == 10));
    let now = world.now;
    world.nodes[0].assert_up(now, 0);
    assert_eq!(world.nodes[0].kernel.protecting(), 0);
}

#[test]
fn responses_that_nobody_asked_for_change_nothing() {
    let (mut world, mut peer) = responder(57);
    let (mut session, _) = peer.establish(&mut world, SPI);
    for exchange in [ExchangeType::IKE_SA_INIT, AUTH, CREATE, INFORMATIONAL] {
        for id in [0, 1, 2, u32::MAX] {
            let header = session.header(exchange, id, true);
            let bytes = session.seal(&mut peer.random, header, &[delete_ike()]);
            assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
        }
    }
    still_up(&mut world, &mut peer, &mut session);
}

#[test]
fn a_response_to_another_exchange_than_the_one_that_is_out_changes_nothing() {
    let (mut world, mut peer) = initiator(58);
    let mut session = peer.accept(&mut world, SPI);
    world.run(Duration::from_secs(31));
    let asked = session
        .open(&peer.heard(&world, 0).pop().expect("a question"))
        .expect("for us");
    assert_eq!(
        (asked.header.exchange, asked.header.message_id),
        (INFORMATIONAL, 2)
    );
    for (exchange, id) in [
        (CREATE, 2),
        (INFORMATIONAL, 1),
        (INFORMATIONAL, 3),
        (AUTH, 2),
    ] {
        let header = session.header(exchange, id, true);
        let bytes = session.seal(&mut peer.random, header, &[]);
        peer.send(&mut world, &bytes);
    }
    world.run(Duration::from_secs(5));
    assert!(world.nodes[1].count("retransmitting") > 0, "it still waits");
    peer.respond(&mut world, &mut session, &asked.header, &[]);
    let now = world.now;
    world.nodes[1].assert_up(now, 1);
}

#[test]
fn the_initiator_flag_must_be_the_peers() {
    let (mut world, mut peer) = responder(59);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let mut header = session.header(INFORMATIONAL, session.next_request, false);
    header.flags.initiator = false;
    let bytes = session.seal(&mut peer.random, header, &[delete_ike()]);
    assert!(peer.ask_bytes(&mut world, &session, &bytes).is_none());
    still_up(&mut world, &mut peer, &mut session);
}

// --- Floods

fn stranger(number: u32) -> SocketAddr {
    SocketAddr::new(std::net::Ipv4Addr::from(0x0b00_0000 + number).into(), 500)
}

fn anybody(limits: Limits) -> Configuration {
    let mut connection = End::hq().connection();
    connection.remote.address = None;
    Configuration {
        connections: vec![Arc::new(connection)],
        limits,
        ..Configuration::default()
    }
}

#[test]
fn a_flood_from_a_hundred_thousand_addresses_is_met_with_cookies_and_forgotten() {
    let (mut world, mut peer) = responder(60);
    world.configure(0, anybody(Limits::default()));
    let home = peer.path.local;
    let request = peer.init_request();
    let (mut answered, mut octets) = (0, 0);
    for number in 0..100_000u32 {
        peer.path.local = stranger(number);
        let mut request = request.clone();
        request[..4].copy_from_slice(&number.to_be_bytes());
        request[0] |= 0x80;
        let answers = peer.send(&mut world, &request);
        assert!(answers.len() <= 1);
        answered += answers.len();
        octets += answers.iter().map(Vec::len).sum::<usize>();
        world.nodes[0]
            .events
            .retain(|event| event.name() == "cookie-mode");
        world.nodes[0].sent.clear();
        assert!(world.nodes[0].engine().ike_sa_count() <= 32);
    }
    assert_eq!(answered, 100_000);
    assert!(octets < 100_000 * request.len(), "no amplification");
    assert_eq!(world.nodes[0].count("cookie-mode"), 1);
    // A true peer comes through meanwhile.
    peer.path.local = home;
    peer.renew();
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    let cookie = Message::parse(&answers[0]).expect("a cookie").payloads[0]
        .clone()
        .into_owned();
    let mut chain = peer.init_payloads();
    chain.insert(0, cookie);
    let request = peer.init_with(chain);
    let answers = peer.send(&mut world, &request);
    let mut session = peer.keys(request, answers[0].clone()).expect("an IKE SA");
    let payloads = peer.auth_payloads(&session, SPI);
    assert!(
        peer.ask(&mut world, &mut session, AUTH, &payloads)
            .is_some()
    );
    world.run(Duration::from_secs(35));
    let now = world.now;
    assert_eq!(world.nodes[0].list(now).half_open, 0);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 1);
    assert_eq!(world.nodes[0].count("cookie-mode"), 2, "it ends");
}

#[test]
fn a_wrong_cookie_is_no_cookie() {
    let (mut world, mut peer) = responder(61);
    let limits = Limits {
        cookie_threshold: 0,
        ..Limits::default()
    };
    world.configure(0, anybody(limits));
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    let Payload::Notify(cookie) = &Message::parse(&answers[0]).expect("a cookie").payloads[0]
    else {
        panic!("a notify")
    };
    let good = cookie.data.to_vec();
    let mut tries = vec![
        vec![],
        vec![7; 33],
        good[1..].to_vec(),
        [&good[..], &[0]].concat(),
    ];
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        tries.push(bad);
    }
    for cookie in tries {
        let mut chain = peer.init_payloads();
        chain.insert(0, notify(NotifyType::COOKIE, &cookie));
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        assert_eq!(told(&answers, &request), [NotifyType::COOKIE]);
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    }
    let mut chain = peer.init_payloads();
    chain.insert(0, notify(NotifyType::COOKIE, &good));
    let request = peer.init_with(chain);
    let home = peer.path.local;
    peer.path.local = stranger(5);
    let answers = peer.send(&mut world, &request);
    assert_eq!(
        told(&answers, &request),
        [NotifyType::COOKIE],
        "from elsewhere"
    );
    peer.path.local = home;
    assert_eq!(peer.send(&mut world, &request).len(), 1);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 1);
}

#[test]
fn one_address_holds_a_few_half_open_ike_sas_and_the_rest_a_bounded_number() {
    let (mut world, mut peer) = responder(62);
    let limits = Limits {
        cookie_threshold: 1000,
        half_open: 20,
        half_open_per_address: 3,
        ..Limits::default()
    };
    world.configure(0, anybody(limits));
    for number in 0..200 {
        peer.path.local = stranger(number / 10);
        peer.renew();
        let request = peer.init_request();
        peer.send(&mut world, &request);
    }
    let now = world.now;
    assert_eq!(world.nodes[0].list(now).half_open, 20);
    forgotten(&mut world, 0);
}

#[test]
fn a_peer_whose_address_others_use_gets_in_with_a_cookie() {
    let (mut world, mut peer) = responder(70);
    world.configure(0, anybody(Limits::default()));
    for _ in 0..20 {
        peer.renew();
        let request = peer.init_request();
        peer.send(&mut world, &request);
    }
    let now = world.now;
    assert_eq!(world.nodes[0].list(now).half_open, 8);
    peer.renew();
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    let answer = Message::parse(&answers[0]).expect("a cookie");
    assert_eq!(told(&answers, &request), [NotifyType::COOKIE]);
    let mut with_cookie = Message::parse(&request).expect("our own request");
    with_cookie.payloads.insert(0, answer.payloads[0].clone());
    assert_eq!(peer.send(&mut world, &with_cookie.encode()).len(), 1);
    assert_eq!(world.nodes[0].list(now).half_open, 9);
    forgotten(&mut world, 0);
}

#[test]
fn what_is_kept_for_refused_peers_is_bounded_like_everything_unproven() {
    let (mut world, mut peer) = responder(63);
    let limits = Limits {
        cookie_threshold: 1000,
        half_open: 20,
        ..Limits::default()
    };
    world.configure(0, anybody(limits));
    peer.secret = b"a guess".to_vec();
    for number in 0..200 {
        peer.path.local = stranger(number);
        peer.renew();
        let request = peer.init_request();
        let answers = peer.send(&mut world, &request);
        if let [response] = &answers[..]
            && let Some(mut session) = peer.keys(request, response.clone())
        {
            let mut payloads = peer.auth_payloads(&session, SPI);
            payloads.push(unknown(99, false));
            peer.ask(&mut world, &mut session, AUTH, &payloads);
        }
        assert!(world.nodes[0].engine().ike_sa_count() <= 20);
    }
    forgotten(&mut world, 0);
}

#[test]
fn a_flood_of_broken_ike_auths_does_not_keep_the_true_one_out() {
    let (mut world, mut peer) = responder(64);
    let mut session = peer.begin(&mut world);
    let payloads = peer.auth_payloads(&session, SPI);
    let good = session.request(&mut peer.random, AUTH, &payloads);
    for number in 0..20_000u32 {
        let mut bad = good.clone();
        let at = bad.len() - 16;
        bad[at..at + 4].copy_from_slice(&number.to_be_bytes());
        assert_eq!(peer.send(&mut world, &bad), Vec::<Vec<u8>>::new());
    }
    assert!(peer.ask_bytes(&mut world, &session, &good).is_some());
}

#[test]
fn a_responder_never_sends_again_by_itself() {
    let (mut world, mut peer) = responder(65);
    let session = peer.begin(&mut world);
    let sent = world.nodes[0].sent.len();
    world.run(LONG);
    assert_eq!(world.nodes[0].sent.len(), sent);
    drop(session);
    forgotten(&mut world, 0);
}

#[test]
fn garbage_at_an_established_tunnel_gets_no_answer_and_harms_nothing() {
    let mut world = tunnel(66);
    let good: Vec<Transmit> = world.nodes[1].sent.clone();
    let mut random = sim::SeededRandom::new(66);
    for round in 0..20_000u64 {
        let Transmit { path, mut bytes } = good[usize::try_from(round % 2).expect("small")].clone();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(bytes.len() as u64)).expect("small");
            bytes[at] = u8::try_from(random.below(256)).expect("an octet");
        }
        let seen = Path {
            local: path.remote,
            remote: path.local,
        };
        let now = world.now;
        let answers = world.nodes[0].datagram(now, seen, &bytes);
        assert!(answers.len() <= 1);
        world.nodes[0]
            .events
            .retain(|event| event.name() == "child-up");
        world.nodes[0].sent.clear();
    }
    world.run(LONG);
    let now = world.now;
    world.nodes[0].assert_up(now, 1);
}

#[test]
fn nonces_of_illegal_lengths_are_invalid_syntax() {
    for length in [0, 15, 257, 5000] {
        let (mut world, mut peer) = responder(67);
        let mut chain = peer.init_payloads();
        chain[2] = Payload::Nonce(Nonce {
            data: vec![7; length].into(),
        });
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        assert_eq!(told(&answers, &request), [NotifyType::INVALID_SYNTAX]);
    }
}
