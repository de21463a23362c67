//! Perfect forward secrecy: a key exchange of the child's own in CREATE_CHILD_SA (RFC 7296 sections 1.3.1 and 2.17).

use ike::config::proposal::EspProposal;
use ike::crypto::standard;
use ike::wire::KeyExchange;
use ike::wire::numbers::KeyExchangeMethod;

use super::*;

const X25519: KeyExchangeMethod = KeyExchangeMethod(31);
const ECP_256: KeyExchangeMethod = KeyExchangeMethod(19);

fn esp(text: &str) -> Vec<EspProposal> {
    vec![text.parse().expect("a proposal")]
}

/// Two children with these proposals: the first one is made in IKE_AUTH.
fn two(proposals: &str) -> Vec<Child> {
    let mut children = vec![
        child("first", Mode::Tunnel, &["10.1.0.0/16"], &["10.2.0.0/16"]),
        child("second", Mode::Tunnel, &["10.11.0.0/16"], &["10.12.0.0/16"]),
    ];
    for child in &mut children {
        child.proposals = esp(proposals);
    }
    children
}

fn methods(world: &World, node: usize) -> Vec<Option<KeyExchangeMethod>> {
    let sas = world.nodes[node].kernel.sas.values();
    let mut methods: Vec<_> = sas
        .filter(|sa| sa.inbound)
        .map(|sa| (sa.reqid, sa.suite.key_exchange))
        .collect();
    methods.sort_by_key(|(reqid, _)| *reqid);
    methods.into_iter().map(|(_, method)| method).collect()
}

#[test]
fn the_first_child_has_its_keys_from_the_ike_sa_and_further_ones_their_own() {
    for (proposals, method) in [
        ("aes256gcm16-x25519", X25519),
        ("aes256gcm16-ecp256", ECP_256),
    ] {
        let mut world = agree(1, (HQ, BRANCH), two(proposals));
        is_up(&mut world, 2);
        for node in 0..2 {
            assert_eq!(methods(&world, node), [None, Some(method)]);
        }
        let sent: usize = world.nodes.iter().map(|node| node.sent.len()).sum();
        assert_eq!(sent, 6);
        ends_clean(world);
    }
}

#[test]
fn a_responder_that_wants_another_group_gets_it() {
    let (at_hq, at_branch) = (two("aes256gcm16-ecp256"), two("aes256gcm16-x25519-ecp256"));
    let at_branch = at_branch.iter().map(mirrored).collect();
    let mut world = meet(2, (HQ, BRANCH), (at_hq, at_branch));
    is_up(&mut world, 2);
    assert_eq!(methods(&world, 0), [None, Some(ECP_256)]);
    let sent: usize = world.nodes.iter().map(|node| node.sent.len()).sum();
    assert_eq!(sent, 8, "one exchange more");
    assert!(
        world
            .nodes
            .iter()
            .all(|node| node.failure_codes().is_empty())
    );
    ends_clean(world);
}

#[test]
fn secrecy_that_only_one_side_wants_is_refused_with_the_reason() {
    for (at_hq, at_branch) in [
        ("aes256gcm16-x25519", "aes256gcm16"),
        ("aes256gcm16", "aes256gcm16-x25519"),
        ("aes256gcm16-ecp256", "aes256gcm16-x25519"),
    ] {
        let at_branch = two(at_branch).iter().map(mirrored).collect();
        let mut world = meet(3, (HQ, BRANCH), (two(at_hq), at_branch));
        world.nodes[0].failure("no-common-proposal");
        world.nodes[1].failure("refused-by-peer");
        is_up(&mut world, 1);
        ends_clean(world);
    }
}

/// Headquarters whose children want X25519 of their own, and a peer that has its first one.
fn second_child() -> (World, ScriptedPeer, Session) {
    let (mut world, mut peer) = answering(4, two("aes256gcm16-x25519"));
    let (session, _) = peer.establish(&mut world, SPI);
    peer.local = vec!["10.12.0.0/16".parse().expect("a selector")];
    peer.remote = vec!["10.11.0.0/16".parse().expect("a selector")];
    peer.esp = esp("aes256gcm16-x25519-ecp256");
    (world, peer, session)
}

fn ke(peer: &mut ScriptedPeer, method: KeyExchangeMethod) -> Payload<'static> {
    let algorithm = standard().key_exchange(method).expect("built in");
    let key = algorithm.generate(&mut peer.random).expect("a key");
    let data = key.public_value().to_vec().into();
    Payload::Ke(KeyExchange { method, data })
}

#[test]
fn rfc7296_006_a_missing_key_exchange_or_one_of_another_group_is_asked_for_again() {
    for method in [None, Some(ECP_256), Some(KeyExchangeMethod(14))] {
        let (mut world, mut peer, mut session) = second_child();
        let mut chain = peer.create_child(SPI + 1);
        match method {
            None => {}
            Some(KeyExchangeMethod(14)) => chain.push(Payload::Ke(KeyExchange {
                method: KeyExchangeMethod(14),
                data: vec![1; 256].into(),
            })),
            Some(method) => chain.push(ke(&mut peer, method)),
        }
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        let [Payload::Notify(notify)] = &said.payloads[..] else {
            panic!("{said:?}")
        };
        assert_eq!(notify.kind, NotifyType::INVALID_KE_PAYLOAD);
        assert_eq!(*notify.data, X25519.0.to_be_bytes());
        assert_eq!(world.nodes[0].kernel.sas.len(), 2, "the first child stands");

        let mut chain = peer.create_child(SPI + 1);
        chain.push(ke(&mut peer, X25519));
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert!(said.has(PayloadType::KE) && said.has(PayloadType::SA));
        assert_eq!(world.nodes[0].kernel.sas.len(), 4);
    }
}

#[test]
fn rfc7296_052_a_key_exchange_that_nobody_negotiated_is_ignored() {
    let (mut world, mut peer) = answering(5, two("aes256gcm16"));
    let (mut session, _) = peer.establish(&mut world, SPI);
    peer.local = vec!["10.12.0.0/16".parse().expect("a selector")];
    peer.remote = vec!["10.11.0.0/16".parse().expect("a selector")];
    let mut chain = peer.create_child(SPI + 1);
    chain.push(ke(&mut peer, X25519));
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    assert!(said.has(PayloadType::SA) && !said.has(PayloadType::KE));
    assert_eq!(methods(&world, 0), [None, None]);
}

#[test]
fn a_worthless_key_exchange_value_makes_no_child() {
    for data in [vec![0; 32], vec![9; 31], Vec::new()] {
        let (mut world, mut peer, mut session) = second_child();
        let mut chain = peer.create_child(SPI + 1);
        chain.push(Payload::Ke(KeyExchange {
            method: X25519,
            data: data.into(),
        }));
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert_eq!(said.notifies(), [NotifyType::INVALID_SYNTAX]);
        world.nodes[0].failure("key-exchange-value");
        assert!(world.nodes[0].kernel.sas.len() <= 2);
        assert_eq!(world.nodes[0].kernel.broken, Vec::<String>::new());
    }
}

/// A branch whose first child stands and which asks for its second with a key exchange; the request.
fn asked_for_second() -> (World, ScriptedPeer, Session, Said) {
    let (mut world, mut peer) = beginning(6, &two("aes256gcm16-x25519-ecp256"));
    peer.esp = esp("aes256gcm16");
    let (mut session, asked) = peer.accept_init(&mut world);
    let mut chain = peer.proof(&session);
    let exchange = ike::config::proposal::ChildExchange::IkeAuth;
    chain.extend(peer.child_answer(&asked.payloads, SPI, exchange));
    let next = peer.respond(&mut world, &mut session, &asked.header, &chain);
    let asked = session.open(&next[0]).expect("CREATE_CHILD_SA");
    assert!(asked.has(PayloadType::KE));
    (world, peer, session, asked)
}

#[test]
fn an_initiator_tries_each_group_once_and_only_those_it_offers() {
    for wanted in [[19, 31], [19, 19], [14, 0], [31, 0]] {
        let (mut world, mut peer, mut session, mut asked) = asked_for_second();
        let mut tried = 1;
        for method in wanted.into_iter().filter(|method| *method > 0) {
            let data = u16::to_be_bytes(method);
            let again = notify(NotifyType::INVALID_KE_PAYLOAD, &data);
            let next = peer.respond(&mut world, &mut session, &asked.header, &[again]);
            let Some(next) = next.first() else { break };
            asked = session.open(next).expect("asked again");
            assert_eq!(asked.header.exchange, CREATE);
            tried += 1;
        }
        assert_eq!(tried, if wanted[0] == 19 { 2 } else { 1 }, "{wanted:?}");
        world.nodes[1].failure("key-exchange-method");
        assert_eq!(world.nodes[1].kernel.sas.len(), 2);
    }
}

#[test]
fn an_answer_without_the_key_exchange_or_with_another_group_is_deleted() {
    for method in [None, Some(ECP_256)] {
        let (mut world, mut peer, mut session, asked) = asked_for_second();
        peer.esp = esp("aes256gcm16-x25519");
        let exchange = ike::config::proposal::ChildExchange::CreateChildSa;
        let mut chain = peer.child_answer(&asked.payloads, SPI + 1, exchange);
        chain.push(Payload::Nonce(ike::wire::Nonce {
            data: vec![7; 32].into(),
        }));
        if let Some(method) = method {
            chain.push(ke(&mut peer, method));
        }
        let next = peer.respond(&mut world, &mut session, &asked.header, &chain);
        let said: Vec<_> = next
            .iter()
            .filter_map(|bytes| session.open(bytes))
            .collect();
        assert_eq!(deleted(&said).len(), 1);
        world.nodes[1].failure("missing-payload");
        assert_eq!(world.nodes[1].kernel.sas.len(), 2);
    }
}
