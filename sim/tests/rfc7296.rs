//! What RFC 7296 asks of both roles, each test named by the line of the project's checklist. What the wire format and the
//! cryptography answer for is tested in `ike/tests`.

use std::collections::BTreeSet;
use std::time::Duration;

use ike::config::proposal::ChildExchange;
use ike::config::{Configuration, Limits};
use ike::engine::io::{Command, Direction, PolicyAction};
use ike::wire::numbers::{
    AuthMethod, ExchangeType, KeyExchangeMethod, NotifyType, PayloadType, TransformType,
};
use ike::wire::payload::UnknownPayload;
use ike::wire::{Authentication, Header, Identification, Message, Notify, Payload, Transform};
use sim::network::Quality;
use sim::peer::{Chain, Said, delete_esp, delete_ike, id_payload, notifies, notify, plain, sa_of};
use sim::setup::{End, name, tunnel, two_gateways};
use sim::{Fate, ScriptedPeer, Session, World};

const AUTH: ExchangeType = ExchangeType::IKE_AUTH;
const CREATE: ExchangeType = ExchangeType::CREATE_CHILD_SA;
const INFORMATIONAL: ExchangeType = ExchangeType::INFORMATIONAL;
const SPI: u32 = 0xabc0_0001;
const NOTHING: Vec<Vec<u8>> = Vec::new();

fn responder(seed: u64) -> (World, ScriptedPeer) {
    let mut world = two_gateways(seed, Quality::default());
    world.configure(0, End::hq().configuration());
    let peer = ScriptedPeer::branch(&world, seed);
    (world, peer)
}

fn initiator(seed: u64) -> (World, ScriptedPeer) {
    initiator_with(seed, &End::branch())
}

fn initiator_with(seed: u64, branch: &End) -> (World, ScriptedPeer) {
    let mut world = two_gateways(seed, Quality::default());
    let peer = ScriptedPeer::hq(&world, seed);
    world.meddler = Some(Box::new(|_, _| Fate::Drop));
    world.configure(1, branch.configuration());
    (world, peer)
}

fn two_children() -> (End, End) {
    let (mut hq, mut branch) = (End::hq(), End::branch());
    hq.children.push(("voice", "10.1.0.0/16", "10.9.0.0/16"));
    branch
        .children
        .push(("voice", "10.9.0.0/16", "10.1.0.0/16"));
    (hq, branch)
}

fn headers(world: &World, node: usize) -> Vec<Header> {
    let sent = world.nodes[node].sent.iter();
    sent.map(|transmit| Header::parse(&transmit.bytes).expect("a header"))
        .collect()
}

/// The node's last words, opened.
fn last(world: &World, peer: &ScriptedPeer, session: &Session) -> Said {
    let bytes = peer.heard(world, 0).pop().expect("a word");
    session.open(&bytes).expect("for us")
}

fn up(world: &mut World, node: usize, children: usize) {
    let now = world.now;
    world.nodes[node].assert_up(now, children);
}

fn down(child: Option<&str>) -> Command {
    Command::Down {
        connection: name("tunnel"),
        child: child.map(name),
    }
}

#[test]
fn rfc7296_001_the_exchanges_come_in_order() {
    let mut world = two_gateways(1, Quality::default());
    let (hq, branch) = two_children();
    world.configure(0, hq.configuration());
    world.configure(1, branch.configuration());
    world.run(Duration::from_secs(2));
    let exchanges: Vec<_> = headers(&world, 1)
        .iter()
        .map(|sent| sent.exchange)
        .collect();
    assert_eq!(exchanges, [ExchangeType::IKE_SA_INIT, AUTH, CREATE]);
}

#[test]
fn rfc7296_002_the_identity_must_belong_to_the_key() {
    // The right key under another name, and another's name under the right key.
    let (mut world, mut peer) = responder(2);
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    let other = "hq.example.com".parse().expect("an identity");
    chain[0] = Payload::IdI(id_payload(&other));
    let said = peer.ask(&mut world, &mut session, AUTH, &chain);
    let refused = [NotifyType::AUTHENTICATION_FAILED];
    assert_eq!(said.expect("an answer").notifies(), refused);
    peer.renew();
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    let id = Identification::new(ike::wire::numbers::IdType::KEY_ID, b"another".to_vec());
    let auth = session.auth(&peer.secret, &id.body());
    chain[2] = Payload::Auth(Authentication {
        method: AuthMethod::SHARED_KEY_MIC,
        data: auth.into(),
    });
    let said = peer.ask(&mut world, &mut session, AUTH, &chain);
    assert_eq!(said.expect("an answer").notifies(), refused);
}

#[test]
fn rfc7296_004_another_group_is_tried_with_the_same_proposals() {
    let mut branch = End::branch();
    branch.ike = Some("aes256gcm16-prfsha256-ecp256-x25519");
    let (mut world, peer) = initiator_with(4, &branch);
    let first = peer.heard(&world, 0).remove(0);
    let header = Header::parse(&first).expect("a header");
    let mut answer = header;
    answer.flags.initiator = false;
    answer.flags.response = true;
    let wish = notify(NotifyType::INVALID_KE_PAYLOAD, &31u16.to_be_bytes());
    let second = peer.send(&mut world, &plain(answer, vec![wish])).remove(0);
    let (first, second) = (
        Message::parse(&first).expect("a message"),
        Message::parse(&second).expect("a message"),
    );
    assert_eq!(first.payloads[0], second.payloads[0], "SA");
    assert_eq!(first.payloads[2], second.payloads[2], "Nonce");
    assert_eq!(first.header.initiator_spi, second.header.initiator_spi);
}

#[test]
fn rfc7296_005_a_child_without_a_group_offers_none_rather_than_the_group_none() {
    let (mut world, mut peer) = initiator(5);
    let (_, asked) = peer.accept_init(&mut world);
    let offer = sa_of(&mut asked.payloads.clone()).clone();
    let groups = |transform: &&Transform| transform.kind == TransformType::KE;
    let transforms = offer
        .proposals
        .iter()
        .flat_map(|proposal| &proposal.transforms);
    assert_eq!(transforms.filter(groups).count(), 0);
}

#[test]
fn rfc7296_007_transport_mode_is_not_taken_and_the_child_is_a_tunnel() {
    let (mut world, mut peer) = responder(7);
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    chain.push(notify(NotifyType(16391), &[]));
    let said = peer
        .ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), []);
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_008_a_child_that_fails_does_not_end_the_ike_sa() {
    let (mut world, mut peer) = responder(8);
    let mut session = peer.begin(&mut world);
    peer.esp = vec!["aes128-sha512".parse().expect("a proposal")];
    peer.local = vec!["172.16.0.0/12".parse().expect("a selector")];
    let chain = peer.auth_payloads(&session, SPI);
    let said = peer
        .ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    assert!(said.has(PayloadType::AUTH));
    assert_eq!(said.notifies(), [NotifyType::TS_UNACCEPTABLE]);
    up(&mut world, 0, 0);
}

#[test]
fn rfc7296_011_informational_before_authentication_or_unprotected_does_nothing() {
    let (mut world, mut peer) = responder(11);
    let mut session = peer.begin(&mut world);
    let early = session.header(INFORMATIONAL, 1, false);
    let early = session.seal(&mut peer.random, early, &[delete_ike()]);
    assert_eq!(peer.send(&mut world, &early), NOTHING);
    let chain = peer.auth_payloads(&session, SPI);
    peer.ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    let bare = plain(session.header(INFORMATIONAL, 2, false), vec![delete_ike()]);
    assert_eq!(peer.send(&mut world, &bare), NOTHING);
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_012_children_are_deleted_under_their_own_ike_sa_only() {
    // Two IKE SAs with one peer, not an initial contact: the second may not delete the first one's child.
    let (mut world, mut peer) = responder(12);
    peer.establish(&mut world, SPI);
    peer.renew();
    let (mut second, _) = peer.establish(&mut world, SPI + 1);
    let said = peer.ask(
        &mut world,
        &mut second,
        INFORMATIONAL,
        &[delete_esp(&[SPI])],
    );
    assert_eq!(said.expect("an answer").payloads, []);
    assert_eq!(world.nodes[0].kernel.sas.len(), 4);
}

#[test]
fn rfc7296_013_every_informational_request_gets_a_response() {
    let (mut world, mut peer) = responder(13);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let contents: [Chain; 5] = [
        vec![],
        vec![notify(NotifyType(40000), b"news")],
        vec![notify(NotifyType(8192), b"bad news")],
        vec![delete_esp(&[7])],
        vec![Payload::Nonce(ike::wire::Nonce {
            data: vec![1; 16].into(),
        })],
    ];
    for payloads in contents {
        let said = peer.ask(&mut world, &mut session, INFORMATIONAL, &payloads);
        assert_eq!(said.expect("an answer").payloads, []);
    }
    up(&mut world, 0, 1);
    let said = peer.ask(&mut world, &mut session, INFORMATIONAL, &[delete_ike()]);
    assert_eq!(said.expect("an answer").payloads, []);
}

#[test]
fn rfc7296_014_a_delete_closes_both_halves_and_each_side_names_its_own() {
    let (mut world, mut peer) = responder(14);
    let (mut session, said) = peer.establish(&mut world, SPI);
    let theirs = said.esp_spi().expect("an SPI");
    let said = peer.ask(
        &mut world,
        &mut session,
        INFORMATIONAL,
        &[delete_esp(&[SPI])],
    );
    assert_eq!(said.expect("an answer").payloads, [delete_esp(&[theirs])]);
    up(&mut world, 0, 0);
    assert_eq!(world.nodes[0].kernel.protecting(), 0);
}

#[test]
fn rfc7296_015_crossed_deletes_name_nothing_in_their_responses() {
    let (mut world, mut peer) = responder(15);
    let (mut session, said) = peer.establish(&mut world, SPI);
    let theirs = said.esp_spi().expect("an SPI");
    world.command(0, down(Some("lan")));
    let asked = last(&world, &peer, &session);
    assert_eq!(asked.payloads, [delete_esp(&[theirs])]);
    // Ours crosses it.
    let said = peer.ask(
        &mut world,
        &mut session,
        INFORMATIONAL,
        &[delete_esp(&[SPI])],
    );
    assert_eq!(said.expect("an answer").payloads, []);
    peer.respond(&mut world, &mut session, &asked.header, &[]);
    up(&mut world, 0, 0);
    // Both ends of a tunnel at once.
    let mut world = tunnel(15);
    let ids = [world.command(0, down(None)), world.command(1, down(None))];
    world.run(Duration::from_secs(60));
    for (node, id) in ids.iter().enumerate() {
        assert!(world.nodes[node].replies.contains_key(id));
        let now = world.now;
        world.nodes[node].assert_clean(now, 3);
        assert_eq!(world.nodes[node].engine().ike_sa_count(), 0);
    }
}

#[test]
fn rfc7296_016_an_spi_that_the_peer_may_still_use_is_not_given_again() {
    let (mut world, mut peer) = responder(16);
    let (mut session, said) = peer.establish(&mut world, SPI);
    let mut seen = BTreeSet::from([said.esp_spi().expect("an SPI")]);
    for number in 1..40 {
        let chain = peer.create_child(SPI + number);
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert!(seen.insert(said.esp_spi().expect("an SPI")));
    }
}

#[test]
fn rfc7296_017_and_102_unprotected_notifies_about_spis_get_no_answer_and_change_nothing() {
    let (mut world, mut peer) = responder(17);
    let (session, _) = peer.establish(&mut world, SPI);
    for kind in [NotifyType::INVALID_SPI, NotifyType::INVALID_IKE_SPI] {
        for response in [false, true] {
            let mut header = session.header(INFORMATIONAL, 0, response);
            for known in [true, false] {
                if !known {
                    header.responder_spi = ike::wire::IkeSpi([9; 8]);
                }
                let bytes = plain(header, vec![notify(kind, &[0, 0, 0, 9])]);
                assert_eq!(peer.send(&mut world, &bytes), NOTHING);
            }
        }
    }
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_018_messages_of_3000_octets_are_taken() {
    let (mut world, mut peer) = responder(18);
    let mut chain = peer.init_payloads();
    chain.push(notify(NotifyType(40000), &[7; 2800]));
    let request = peer.init_with(chain);
    assert!(request.len() > 2900);
    let answers = peer.send(&mut world, &request);
    let mut session = peer.keys(request, answers[0].clone()).expect("an IKE SA");
    let mut chain = peer.auth_payloads(&session, SPI);
    chain.push(notify(NotifyType(40000), &[7; 2800]));
    let said = peer.ask(&mut world, &mut session, AUTH, &chain);
    assert!(said.expect("an answer").has(PayloadType::AUTH));
}

#[test]
fn rfc7296_020_to_022_requests_are_repeated_to_the_bit_and_answers_only_when_asked_again() {
    let mut world = two_gateways(20, Quality::default());
    world.configure(0, End::hq().configuration());
    world.meddler = Some(Box::new(|_, transmit| {
        let header = Header::parse(&transmit.bytes).expect("a header");
        if header.flags.response && header.exchange == AUTH {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    }));
    world.configure(1, End::branch().configuration());
    world.run(Duration::from_secs(30));
    let of = |node: usize| -> Vec<&Vec<u8>> {
        let sent = world.nodes[node].sent.iter();
        sent.map(|transmit| &transmit.bytes)
            .filter(|bytes| Header::parse(bytes).expect("a header").exchange == AUTH)
            .collect()
    };
    let (requests, answers) = (of(1), of(0));
    assert!(requests.len() >= 4);
    assert_eq!(requests.len(), answers.len(), "one for each");
    assert!(requests.iter().all(|request| *request == requests[0]));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    // Forgotten: no answer is made anew.
    let (mut world, mut peer) = responder(22);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let first = session.request(&mut peer.random, INFORMATIONAL, &[]);
    assert_eq!(peer.send(&mut world, &first).len(), 1);
    peer.ask(&mut world, &mut session, INFORMATIONAL, &[])
        .expect("an answer");
    assert_eq!(peer.send(&mut world, &first), NOTHING);
}

#[test]
fn rfc7296_023_message_ids_begin_at_zero_in_each_direction_and_count() {
    let (mut world, mut peer) = responder(23);
    let (mut session, _) = peer.establish(&mut world, SPI);
    for expected in 0..5 {
        world.run(Duration::from_secs(31));
        let asked = last(&world, &peer, &session);
        assert_eq!(
            (asked.header.message_id, asked.header.flags.response),
            (expected, false)
        );
        peer.respond(&mut world, &mut session, &asked.header, &[]);
    }
    assert_eq!(session.next_request, 2);
    assert!(
        peer.ask(&mut world, &mut session, INFORMATIONAL, &[])
            .is_some()
    );
}

#[test]
fn rfc7296_024_the_window_is_one_until_agreed_otherwise() {
    let mut world = tunnel(24);
    world.meddler = Some(Box::new(|_, _| Fate::Drop));
    world.run(Duration::from_secs(35));
    let outstanding: BTreeSet<_> = headers(&world, 1)
        .iter()
        .filter(|sent| sent.exchange == INFORMATIONAL)
        .map(|sent| sent.message_id)
        .collect();
    world.command(1, down(Some("lan")));
    world.run(Duration::from_secs(10));
    let after: BTreeSet<_> = headers(&world, 1)
        .iter()
        .filter(|sent| sent.exchange == INFORMATIONAL)
        .map(|sent| sent.message_id)
        .collect();
    assert_eq!((outstanding.len(), &after), (1, &outstanding));
}

#[test]
fn rfc7296_025_requests_are_answered_while_ours_is_out() {
    let (mut world, mut peer) = responder(25);
    let (mut session, _) = peer.establish(&mut world, SPI);
    world.run(Duration::from_secs(31));
    let asked = last(&world, &peer, &session);
    assert!(!asked.header.flags.response);
    let chain = peer.create_child(SPI + 1);
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    assert!(said.has(PayloadType::SA));
    up(&mut world, 0, 2);
}

#[test]
fn rfc7296_026_what_is_outside_of_the_window_is_dropped() {
    let (mut world, mut peer) = responder(26);
    let (mut session, _) = peer.establish(&mut world, SPI);
    for ahead in [1, 2, 100] {
        let header = session.header(INFORMATIONAL, session.next_request + ahead, false);
        let bytes = session.seal(&mut peer.random, header, &[delete_ike()]);
        assert_eq!(peer.send(&mut world, &bytes), NOTHING);
    }
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_027_a_peer_is_not_held_for_failed_by_what_is_unprotected() {
    let mut world = tunnel(27);
    let peer = ScriptedPeer::branch(&world, 27);
    let header = headers(&world, 1)[1];
    for kind in (1..50).map(NotifyType) {
        for response in [false, true] {
            let mut header = header;
            header.flags.response = response;
            header.message_id = 2;
            header.exchange = INFORMATIONAL;
            peer.send(
                &mut world,
                &plain(header, vec![notify(kind, &[]), delete_ike()]),
            );
        }
    }
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_028_initial_contact_ends_what_stood_before_and_only_in_the_first_ike_auth() {
    let (mut world, mut peer) = responder(28);
    let (mut first, _) = peer.establish(&mut world, SPI);
    let contact = || notify(NotifyType::INITIAL_CONTACT, &[]);
    peer.ask(&mut world, &mut first, INFORMATIONAL, &[contact()])
        .expect("an answer");
    up(&mut world, 0, 1);
    world.run(Duration::from_secs(1));
    peer.renew();
    let mut second = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&second, SPI + 1);
    chain.insert(1, contact());
    peer.ask(&mut world, &mut second, AUTH, &chain)
        .expect("an answer");
    up(&mut world, 0, 1);
    assert!(
        world.nodes[0]
            .kernel
            .sas
            .keys()
            .any(|(spi, _)| *spi == SPI + 1)
    );
    // We say it when we know of no other.
    let (mut world, mut peer) = initiator(28);
    let (_, asked) = peer.accept_init(&mut world);
    assert_eq!(asked.notifies(), [NotifyType::INITIAL_CONTACT]);
}

#[test]
fn rfc7296_029_the_pauses_between_retransmissions_grow() {
    let (mut world, _) = initiator(29);
    let mut times = vec![world.now];
    world.run_until(Duration::from_secs(50), |world| {
        if world.nodes[1].sent.len() > times.len() {
            times.push(world.now);
        }
        false
    });
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.len() >= 4);
    assert!(
        pauses
            .windows(2)
            .take(3)
            .all(|pair| pair[1] > pair[0].mul_f64(1.5)),
        "{pauses:?}"
    );
}

#[test]
fn rfc7296_030_any_fresh_protected_message_is_a_sign_of_life() {
    let (mut world, mut peer) = responder(30);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let sent = world.nodes[0].sent.len();
    let old = session.request(&mut peer.random, INFORMATIONAL, &[]);
    peer.send(&mut world, &old);
    for round in 1..10 {
        world.run(Duration::from_secs(20));
        peer.ask(&mut world, &mut session, INFORMATIONAL, &[])
            .expect("an answer");
        assert_eq!(world.nodes[0].sent.len(), sent + 1 + round, "answers alone");
    }
    // An old one again and a broken one are none.
    let asked_before = headers(&world, 0)
        .iter()
        .filter(|sent| !sent.flags.response)
        .count();
    for _ in 0..4 {
        world.run(Duration::from_secs(8));
        peer.send(&mut world, &old);
        let mut broken = session.request(&mut peer.random, INFORMATIONAL, &[]);
        session.next_request -= 1;
        broken[40] ^= 1;
        peer.send(&mut world, &broken);
    }
    let asked = headers(&world, 0)
        .iter()
        .filter(|sent| !sent.flags.response)
        .count();
    assert!(asked > asked_before);
}

#[test]
fn rfc7296_031_what_is_closed_is_deleted_at_the_peer() {
    let (mut world, mut peer) = responder(31);
    let (mut session, said) = peer.establish(&mut world, SPI);
    let theirs = said.esp_spi().expect("an SPI");
    world.command(0, down(Some("lan")));
    let asked = last(&world, &peer, &session);
    assert_eq!(asked.payloads, [delete_esp(&[theirs])]);
    peer.respond(
        &mut world,
        &mut session,
        &asked.header,
        &[delete_esp(&[SPI])],
    );
    world.command(0, down(None));
    let asked = last(&world, &peer, &session);
    assert_eq!(asked.payloads, [delete_ike()]);
    peer.respond(&mut world, &mut session, &asked.header, &[]);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
}

#[test]
fn rfc7296_032_to_034_version_and_reserved_bits() {
    let (mut world, mut peer) = responder(32);
    let mut request = peer.init_request();
    request[17] = 0x31;
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert_eq!(
        notifies(&message.payloads),
        [NotifyType::INVALID_MAJOR_VERSION]
    );
    // A later minor version, V and X flags, and reserved octets of the ID, which AUTH covers as they came.
    let mut request = peer.init_request();
    request[17] = 0x2e;
    request[19] |= 0x10 | 0xc7;
    let answers = peer.send(&mut world, &request);
    assert_eq!(answers[0][17..20], [0x20, 34, 0x20]);
    let mut session = peer.keys(request, answers[0].clone()).expect("an IKE SA");
    let mut id = id_payload(&peer.id);
    id.reserved = [1, 2, 3];
    let auth = session.auth(&peer.secret, &id.body());
    let mut chain = peer.auth_payloads(&session, SPI);
    chain[0] = Payload::IdI(id);
    chain[2] = Payload::Auth(Authentication {
        method: AuthMethod::SHARED_KEY_MIC,
        data: auth.into(),
    });
    let said = peer.ask(&mut world, &mut session, AUTH, &chain);
    assert!(said.expect("an answer").has(PayloadType::AUTH));
}

#[test]
fn rfc7296_035_to_037_unknown_payloads_and_notifies_and_any_order() {
    let (mut world, mut peer) = responder(35);
    let unknown = |critical| {
        Payload::Unknown(UnknownPayload {
            payload_type: PayloadType(111),
            critical,
            body: vec![1, 2].into(),
        })
    };
    let mut chain = peer.init_payloads();
    chain.reverse();
    chain.insert(1, unknown(false));
    chain.push(notify(NotifyType(9000), b"error"));
    chain.push(notify(NotifyType(50000), b"status"));
    let request = peer.init_with(chain);
    let answers = peer.send(&mut world, &request);
    let mut session = peer.keys(request, answers[0].clone()).expect("an IKE SA");
    let mut chain = peer.auth_payloads(&session, SPI);
    chain.reverse();
    chain.push(notify(NotifyType(9000), b"error"));
    chain.push(notify(NotifyType(50000), b"status"));
    let said = peer
        .ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    assert!(said.has(PayloadType::AUTH) && said.has(PayloadType::SA));
    let said = peer.ask(&mut world, &mut session, INFORMATIONAL, &[unknown(true)]);
    let critical = notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[111]);
    assert_eq!(said.expect("an answer").payloads, [critical]);
    up(&mut world, 0, 1);
    // An unknown error in a response is a failure.
    let (mut world, mut peer) = initiator(37);
    let (mut session, asked) = peer.accept_init(&mut world);
    let error = notify(NotifyType(9000), b"error");
    peer.respond(&mut world, &mut session, &asked.header, &[error]);
    world.nodes[1].failure("refused-by-peer");
}

#[test]
fn rfc7296_038_and_039_flags_and_spis_of_what_we_send() {
    let (hq, branch) = two_children();
    let mut world = two_gateways(38, Quality::default());
    world.configure(0, hq.configuration());
    world.configure(1, branch.configuration());
    world.run(Duration::from_secs(200));
    for (node, initiator) in [(0, false), (1, true)] {
        for sent in headers(&world, node) {
            assert_eq!(sent.flags.initiator, initiator);
            assert_eq!((sent.flags.version, sent.flags.reserved), (false, 0));
            assert!(!sent.initiator_spi.is_zero());
            let first = sent.exchange == ExchangeType::IKE_SA_INIT && !sent.flags.response;
            assert_eq!(sent.responder_spi.is_zero(), first);
        }
    }
}

#[test]
fn rfc7296_040_spis_are_never_the_same_and_do_not_follow_one_another() {
    let (mut world, mut peer) = responder(40);
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        peer.renew();
        let session = peer.begin(&mut world);
        assert!(seen.insert(session.spis.responder));
        world.run(Duration::from_secs(5));
    }
    let numbers: Vec<_> = seen.iter().map(|spi| u64::from_be_bytes(spi.0)).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] - pair[0] > 1 << 20));
}

#[test]
fn rfc7296_041_to_044_cookies() {
    let (mut world, mut peer) = responder(41);
    let limits = Limits {
        cookie_threshold: 0,
        ..Limits::default()
    };
    let mut hq = End::hq();
    hq.ike = Some("aes256gcm16-prfsha256-x25519");
    world.configure(
        0,
        Configuration {
            limits,
            ..hq.configuration()
        },
    );
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert!(message.header.responder_spi.is_zero());
    let [Payload::Notify(cookie)] = &message.payloads[..] else {
        panic!("a cookie alone")
    };
    assert!((1..=64).contains(&cookie.data.len()));
    // A peer that does not send it again after INVALID_KE_PAYLOAD is asked again.
    let mut chain = peer.init_payloads();
    chain.insert(0, notify(NotifyType::COOKIE, &cookie.data));
    for payload in &mut chain {
        if let Payload::Ke(ke) = payload {
            ke.method = KeyExchangeMethod::ECP_256;
        }
    }
    let request = peer.init_with(chain);
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert_eq!(
        notifies(&message.payloads),
        [NotifyType::INVALID_KE_PAYLOAD]
    );
    assert!(message.header.responder_spi.is_zero());
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert_eq!(notifies(&message.payloads), [NotifyType::COOKIE]);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
}

#[test]
fn rfc7296_046_to_050_one_proposal_with_one_transform_of_each_type_comes_back() {
    let (mut world, mut peer) = responder(46);
    peer.ike = vec![
        "aes128-sha256-prfsha256-x25519"
            .parse()
            .expect("a proposal"),
        "aes128gcm16-aes256gcm16-prfsha512-prfsha384-x25519-ecp256"
            .parse()
            .expect("a proposal"),
    ];
    let mut chain = peer.init_payloads();
    let proposals = &mut sa_of(&mut chain).proposals;
    // What nobody knows makes its transform, or its proposal, unusable and no more.
    proposals[1]
        .transforms
        .push(Transform::new(TransformType::ENCR, 999, Some(256)));
    proposals[0]
        .transforms
        .push(Transform::new(TransformType(200), 1, None));
    let request = peer.init_with(chain);
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    let mut payloads: Chain = message
        .payloads
        .into_iter()
        .map(Payload::into_owned)
        .collect();
    let [chosen] = &sa_of(&mut payloads).proposals[..] else {
        panic!("one proposal")
    };
    assert_eq!(chosen.number, 2);
    let kinds: Vec<_> = chosen.transforms.iter().map(|one| one.kind).collect();
    let unique: BTreeSet<_> = kinds.iter().copied().collect();
    assert_eq!((kinds.len(), unique.len()), (3, 3), "{kinds:?}");
    assert!(
        chosen
            .transforms
            .iter()
            .any(|one| one.key_length() == Some(256))
    );
}

#[test]
fn rfc7296_051_what_was_not_offered_is_not_accepted() {
    let (mut world, mut peer) = initiator(51);
    let (mut session, asked) = peer.accept_init(&mut world);
    let mut chain = peer.proof(&session);
    let mut child = peer.child_answer(&asked.payloads, SPI, ChildExchange::IkeAuth);
    sa_of(&mut child).proposals[0].transforms[0] =
        Transform::new(TransformType::ENCR, 12, Some(192));
    chain.extend(child);
    peer.respond(&mut world, &mut session, &asked.header, &chain);
    world.nodes[1].failure("accepted-not-offered");
    let said = last(&world, &peer, &session);
    assert!(
        said.has(PayloadType::DELETE),
        "what the peer made of it is deleted"
    );
    up(&mut world, 1, 0);
}

#[test]
fn rfc7296_052_a_key_exchange_beside_the_choice_of_none_is_ignored() {
    let (mut world, mut peer) = responder(52);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let mut chain = peer.create_child(SPI + 1);
    chain.push(Payload::Ke(ike::wire::KeyExchange {
        method: KeyExchangeMethod::CURVE25519,
        data: vec![0; 32].into(),
    }));
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    assert!(said.has(PayloadType::SA) && !said.has(PayloadType::KE));
}

#[test]
fn rfc7296_053_ike_is_never_without_encryption_or_integrity() {
    for (kind, id) in [(TransformType::ENCR, 11), (TransformType::INTEG, 0)] {
        let (mut world, mut peer) = responder(53);
        peer.ike = vec!["aes128-sha256-x25519".parse().expect("a proposal")];
        let mut chain = peer.init_payloads();
        for transform in &mut sa_of(&mut chain).proposals[0].transforms {
            if transform.kind == kind {
                *transform = Transform::new(kind, id, None);
            }
        }
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        let message = Message::parse(&answers[0]).expect("a message");
        assert_eq!(
            notifies(&message.payloads),
            [NotifyType::NO_PROPOSAL_CHOSEN]
        );
    }
}

#[test]
fn rfc7296_055_a_secret_that_is_zero_for_everybody_is_refused() {
    let (mut world, mut peer) = responder(55);
    let mut chain = peer.init_payloads();
    for payload in &mut chain {
        if let Payload::Ke(ke) = payload {
            ke.data = vec![0; 32].into();
        }
    }
    let request = peer.init_with(chain);
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert_eq!(notifies(&message.payloads), [NotifyType::INVALID_SYNTAX]);
}

#[test]
fn rfc7296_056_nonces_are_long_enough_and_never_used_again() {
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        let (world, peer) = initiator(seed);
        let request = peer.heard(&world, 0).remove(0);
        for payload in Message::parse(&request).expect("a message").payloads {
            if let Payload::Nonce(nonce) = payload {
                assert!((32..=256).contains(&nonce.data.len()));
                assert!(seen.insert(nonce.data.to_vec()));
            }
        }
    }
    assert_eq!(seen.len(), 20);
}

#[test]
fn rfc7296_059_a_secret_of_64_ascii_octets_and_one_of_any_octets() {
    for secret in [vec![b'x'; 64], (0..=255).collect::<Vec<u8>>(), vec![0; 20]] {
        let (mut world, mut peer) = responder(59);
        world.nodes[0]
            .secrets
            .insert(name("tunnel"), secret.clone());
        peer.secret = secret;
        peer.establish(&mut world, SPI);
        up(&mut world, 0, 1);
    }
}

#[test]
fn rfc7296_060_keys_of_both_directions_agree() {
    for esp in [
        "aes256gcm16",
        "aes128-sha256",
        "aes256-sha512",
        "aes256gcm16-x25519",
    ] {
        let (mut hq, mut branch) = two_children();
        (hq.esp, branch.esp) = (Some(esp), Some(esp));
        let mut world = two_gateways(60, Quality::default());
        world.configure(0, hq.configuration());
        world.configure(1, branch.configuration());
        world.run(Duration::from_secs(2));
        up(&mut world, 0, 2);
        let mut keys = BTreeSet::new();
        for (key, ours) in &world.nodes[0].kernel.sas {
            let theirs = &world.nodes[1].kernel.sas[key];
            assert_eq!(ours.encryption_key, theirs.encryption_key);
            assert_eq!(ours.integrity_key, theirs.integrity_key);
            assert!(
                keys.insert(ours.encryption_key.as_bytes().to_vec()),
                "each its own"
            );
        }
    }
}

#[test]
fn rfc7296_064_children_that_look_equal_are_not_deleted() {
    let (mut world, mut peer) = responder(64);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let chain = peer.create_child(SPI + 1);
    peer.ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    up(&mut world, 0, 2);
    // The newer is used; when it goes, the older is.
    peer.ask(
        &mut world,
        &mut session,
        INFORMATIONAL,
        &[delete_esp(&[SPI + 1])],
    )
    .expect("an answer");
    up(&mut world, 0, 1);
    assert_eq!(world.nodes[0].kernel.protecting(), 3);
}

#[test]
fn rfc7296_065_a_responder_can_receive_before_it_answers() {
    let (mut world, mut peer) = responder(65);
    world.nodes[0].hold_kernel = true;
    let mut session = peer.begin(&mut world);
    let chain = peer.auth_payloads(&session, SPI);
    let request = session.request(&mut peer.random, AUTH, &chain);
    assert_eq!(peer.send(&mut world, &request), NOTHING);
    assert_eq!(peer.send(&mut world, &request), NOTHING, "asked again, too");
    world.release(0);
    let said = last(&world, &peer, &session);
    assert!(said.has(PayloadType::SA));
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_066_both_of_two_equal_children_are_accepted_from() {
    let (mut world, mut peer) = responder(66);
    let (mut session, first) = peer.establish(&mut world, SPI);
    let chain = peer.create_child(SPI + 1);
    let second = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    for said in [first, second] {
        let spi = said.esp_spi().expect("an SPI");
        let inbound = (spi, world.nodes[0].address);
        assert!(world.nodes[0].kernel.sas[&inbound].inbound);
    }
}

#[test]
fn rfc7296_074_and_075_the_responder_narrows_and_the_initiator_checks() {
    let (mut world, mut peer) = responder(74);
    peer.local = vec!["0.0.0.0/0".parse().expect("a selector")];
    peer.remote = vec!["0.0.0.0/0".parse().expect("a selector")];
    let (_, said) = peer.establish(&mut world, SPI);
    let ts: Vec<_> = said
        .payloads
        .iter()
        .filter_map(|payload| match payload {
            Payload::TsI(ts) | Payload::TsR(ts) => Some(format!("{:?}", ts.selectors)),
            _ => None,
        })
        .collect();
    assert!(ts[0].contains("10.2.0.0-10.2.255.255") && ts[1].contains("10.1.0.0-10.1.255.255"));
    let kernel = &world.nodes[0].kernel;
    let verdict = kernel.verdict(Direction::Out, [10, 1, 0, 1].into(), [10, 9, 0, 1].into());
    assert!(!matches!(verdict, Some(PolicyAction::Protect { .. })));

    let (mut world, mut peer) = initiator(75);
    let (mut session, asked) = peer.accept_init(&mut world);
    let mut chain = peer.proof(&session);
    let mut child = peer.child_answer(&asked.payloads, SPI, ChildExchange::IkeAuth);
    child[2] = Payload::TsR(sim::peer::selectors(&["0.0.0.0/0"
        .parse()
        .expect("a selector")]));
    chain.append(&mut child);
    peer.respond(&mut world, &mut session, &asked.header, &chain);
    world.nodes[1].failure("selectors-not-proposed");
    up(&mut world, 1, 0);
}

#[test]
fn rfc7296_094_the_method_must_be_the_one_that_was_agreed_on() {
    let (mut world, mut peer) = initiator(94);
    let (mut session, asked) = peer.accept_init(&mut world);
    let mut chain = peer.proof(&session);
    if let Some(Payload::Auth(auth)) = chain.last_mut() {
        auth.method = AuthMethod::RSA_SIGNATURE;
    }
    peer.respond(&mut world, &mut session, &asked.header, &chain);
    world.nodes[1].failure("auth-method");
    let said = last(&world, &peer, &session);
    assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
}

#[test]
fn rfc7296_096_an_ike_sa_without_a_child_needs_the_responders_word() {
    let mut branch = End::branch();
    branch.children.clear();
    for supported in [true, false] {
        let (mut world, mut peer) = initiator_with(96, &branch);
        let up = Command::Up {
            connection: name("tunnel"),
            child: None,
        };
        world.command(1, up);
        let request = peer.heard(&world, 0).pop().expect("a request");
        let session = peer.answer_init_with(&request, |mut chain| {
            if !supported {
                chain.pop();
            }
            chain
        });
        let answers = peer.send(&mut world, &session.init_response);
        assert_eq!(answers.len(), usize::from(supported));
        if !supported {
            world.nodes[1].failure("childless-unsupported");
        }
    }
    // And we give it.
    let (mut world, mut peer) = responder(96);
    let mut session = peer.begin(&mut world);
    let message = Message::parse(&session.init_response).expect("a message");
    assert!(notifies(&message.payloads).contains(&NotifyType::CHILDLESS_IKEV2_SUPPORTED));
    let proof = peer.proof(&session);
    peer.ask(&mut world, &mut session, AUTH, &proof)
        .expect("an answer");
    up(&mut world, 0, 0);
}

#[test]
fn rfc7296_097_errors_of_ike_sa_init_keep_no_state() {
    let (mut world, mut peer) = responder(97);
    peer.ike = vec![
        "aes128-sha512-prfsha512-ecp256"
            .parse()
            .expect("a proposal"),
    ];
    let mut hq = End::hq();
    hq.ike = Some("aes256gcm16-prfsha384-x25519");
    world.configure(0, hq.configuration());
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert_eq!(
        notifies(&message.payloads),
        [NotifyType::NO_PROPOSAL_CHOSEN]
    );
    assert!(message.header.responder_spi.is_zero());
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
}

#[test]
fn rfc7296_098_a_peer_that_fails_to_authenticate_learns_no_more_than_that() {
    for case in 0..4 {
        let (mut world, mut peer) = responder(98);
        match case {
            0 => peer.secret = b"another".to_vec(),
            1 => peer.id = "nobody.example.com".parse().expect("an identity"),
            2 => peer.peer_id = Some("nobody.example.com".parse().expect("an identity")),
            _ => world.nodes[0].secrets.clear(),
        }
        let mut session = peer.begin(&mut world);
        let chain = peer.auth_payloads(&session, SPI);
        let said = peer
            .ask(&mut world, &mut session, AUTH, &chain)
            .expect("an answer");
        let refused = notify(NotifyType::AUTHENTICATION_FAILED, &[]);
        assert_eq!(said.payloads, [refused], "case {case}");
    }
}

#[test]
fn rfc7296_099_errors_about_a_child_in_a_good_response_keep_the_ike_sa() {
    for kind in [
        NotifyType::NO_PROPOSAL_CHOSEN,
        NotifyType::TS_UNACCEPTABLE,
        NotifyType::SINGLE_PAIR_REQUIRED,
        NotifyType::INTERNAL_ADDRESS_FAILURE,
        NotifyType::FAILED_CP_REQUIRED,
        NotifyType::TEMPORARY_FAILURE,
        NotifyType::NO_ADDITIONAL_SAS,
        NotifyType(9000),
    ] {
        let (mut world, mut peer) = initiator(99);
        let (mut session, asked) = peer.accept_init(&mut world);
        let mut chain = peer.proof(&session);
        chain.push(notify(kind, &[]));
        peer.respond(&mut world, &mut session, &asked.header, &chain);
        up(&mut world, 1, 0);
        assert_eq!(world.nodes[1].count("child-failed"), 1);
    }
}

#[test]
fn rfc7296_100_an_initiator_that_does_not_believe_the_responder_says_so() {
    let (mut world, mut peer) = initiator(100);
    peer.secret = b"another".to_vec();
    let session = peer.accept(&mut world, SPI);
    let said = last(&world, &peer, &session);
    assert_eq!(
        (said.header.exchange, said.header.message_id),
        (INFORMATIONAL, 2)
    );
    assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
    // And a responder that hears it holds the IKE SA for gone.
    let (mut world, mut peer) = responder(100);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let refused = notify(NotifyType::AUTHENTICATION_FAILED, &[]);
    peer.ask(&mut world, &mut session, INFORMATIONAL, &[refused])
        .expect("an answer");
    let now = world.now;
    world.nodes[0].assert_clean(now, 3);
}

#[test]
fn rfc7296_101_invalid_syntax_ends_the_ike_sa_on_both_sides_and_responses_are_not_complained_about()
{
    let (mut world, mut peer) = responder(101);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let mut chain = peer.create_child(SPI + 1);
    chain.remove(1);
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), [NotifyType::INVALID_SYNTAX]);
    let sent = world.nodes[0].sent.len();
    let now = world.now;
    world.nodes[0].assert_clean(now, 3);
    world.run(Duration::from_secs(20));
    assert_eq!(world.nodes[0].sent.len(), sent, "no Delete: both know");

    let (_, branch) = two_children();
    let (mut world, mut peer) = initiator_with(101, &branch);
    let mut session = peer.accept(&mut world, SPI);
    let asked = last(&world, &peer, &session);
    assert_eq!(asked.header.exchange, CREATE);
    let sent = world.nodes[1].sent.len();
    let refused = notify(NotifyType::INVALID_SYNTAX, &[]);
    peer.respond(&mut world, &mut session, &asked.header, &[refused]);
    assert_eq!(world.nodes[1].kernel.sas.len(), 0);
    assert_eq!(world.nodes[1].sent.len(), sent);
}

#[test]
fn rfc7296_103_a_broken_integrity_check_is_dropped_counted_and_no_sign_of_life() {
    let (mut world, mut peer) = responder(103);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let mut broken = session.request(&mut peer.random, INFORMATIONAL, &[delete_ike()]);
    let end = broken.len() - 1;
    broken[end] ^= 1;
    world.run(Duration::from_secs(20));
    assert_eq!(peer.send(&mut world, &broken), NOTHING);
    assert_eq!(world.nodes[0].count("dropped"), 1);
    world.run(Duration::from_secs(11));
    assert!(
        !last(&world, &peer, &session).header.flags.response,
        "it asks for life"
    );
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_104_only_what_is_inside_counts() {
    let (mut world, mut peer) = responder(104);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let good = session.request(&mut peer.random, INFORMATIONAL, &[]);
    // A Delete in clear before the protected payload.
    let mut chain = Vec::new();
    ike::wire::encode_chain(&[delete_ike()], &mut chain);
    chain[0] = PayloadType::SK.0;
    let mut mixed = good.clone();
    mixed[16] = PayloadType::DELETE.0;
    mixed.splice(28..28, chain);
    let length = u32::try_from(mixed.len()).expect("short");
    mixed[24..28].copy_from_slice(&length.to_be_bytes());
    assert_eq!(peer.send(&mut world, &mixed), NOTHING);
    up(&mut world, 0, 1);
    assert!(peer.ask_bytes(&mut world, &session, &good).is_some());
}

#[test]
fn rfc7296_107_a_delete_of_the_ike_sa_names_no_spi_and_takes_all_children() {
    let (hq, _) = two_children();
    let (mut world, mut peer) = responder(107);
    world.configure(0, hq.configuration());
    let (mut session, _) = peer.establish(&mut world, SPI);
    peer.local = vec!["10.9.0.0/16".parse().expect("a selector")];
    let chain = peer.create_child(SPI + 1);
    peer.ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    up(&mut world, 0, 2);
    peer.ask(&mut world, &mut session, INFORMATIONAL, &[delete_ike()])
        .expect("an answer");
    let now = world.now;
    world.nodes[0].assert_clean(now, 6);
    // A Delete that lies about its size is malformed.
    let (mut world, mut peer) = responder(107);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let lying = Payload::Unknown(UnknownPayload {
        payload_type: PayloadType::DELETE,
        critical: false,
        body: vec![1, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0].into(),
    });
    let said = peer
        .ask(&mut world, &mut session, INFORMATIONAL, &[lying])
        .expect("an answer");
    assert_eq!(said.notifies(), [NotifyType::INVALID_SYNTAX]);
}

#[test]
fn rfc7296_108_our_notifies_about_no_sa_name_none() {
    let (mut world, peer) = responder(108);
    let request = peer.init_with(vec![]);
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert_eq!(
        message.payloads,
        [Payload::Notify(Notify::new(
            NotifyType::INVALID_SYNTAX,
            vec![]
        ))]
    );
}
