//! Somebody on the wire who keeps everything and says it again: at once and minutes later, in order, backwards and over and
//! over, to both ends, to who said it, and from elsewhere, in every state that an IKE SA goes through. Nothing comes of it but
//! answers that were given before.

use std::collections::BTreeMap;

use ike::engine::io::Command;

use super::*;

/// What may be counted again: that something was dropped, or sent again.
const NOISE: &[&str] = &["dropped", "repeated", "retransmitting", "peer-refused"];

/// A datagram that passed, and when.
#[derive(Clone)]
struct Passed {
    at: Duration,
    transmit: Transmit,
}

/// The wire as the one who listens has it.
#[derive(Default)]
struct Recorder {
    passed: Vec<Passed>,
    seen: [usize; 2],
}

impl Recorder {
    fn listen(&mut self, world: &World) {
        for (node, seen) in self.seen.iter_mut().enumerate() {
            let sent = &world.nodes[node].sent;
            let new = sent[*seen..].iter().map(|transmit| Passed {
                at: world.now,
                transmit: transmit.clone(),
            });
            self.passed.extend(new);
            *seen = sent.len();
        }
    }

    /// What was not meant for saying again is not recorded.
    fn skip(&mut self, world: &World) {
        self.seen = [0, 1].map(|node| world.nodes[node].sent.len());
    }

    /// Says everything again that has arrived, in this order, to whom it was said or to who said it.
    fn again(&mut self, world: &mut World, order: Order) {
        self.listen(world);
        let arrived = world.now.saturating_sub(Duration::from_millis(50));
        let mut old: Vec<_> = self.passed.iter().filter(|one| one.at <= arrived).collect();
        if order == Order::Backwards {
            old.reverse();
        }
        let mut said = Vec::new();
        for Passed { transmit, .. } in old {
            let path = match order {
                Order::Reflected => transmit.path,
                Order::FromElsewhere => Path {
                    local: transmit.path.remote,
                    remote: "203.0.113.9:4500".parse().expect("an address"),
                },
                Order::AsItWas | Order::Backwards => Path {
                    local: transmit.path.remote,
                    remote: transmit.path.local,
                },
            };
            let now = world.now;
            let hearer = world
                .nodes
                .iter_mut()
                .find(|node| node.address == path.local.ip());
            let answers = hearer
                .expect("one of the two")
                .datagram(now, path, &transmit.bytes);
            assert!(answers.len() <= 1, "{} answers to one", answers.len());
            said.extend(answers);
        }
        self.skip(world);
        // Old answers arrive at the other end, where nobody waits for them.
        world.send(said);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    AsItWas,
    Backwards,
    Reflected,
    FromElsewhere,
}

/// The life of a tunnel: what is done, one thing after the other, by one side and by both at once.
fn life() -> Vec<Vec<(usize, Command)>> {
    let rekey = |child: Option<&str>| Command::Rekey {
        connection: name("tunnel"),
        child: child.map(name),
    };
    let child = || rekey(Some("lan"));
    let down = |child: Option<&str>| Command::Down {
        connection: name("tunnel"),
        child: child.map(name),
    };
    let up = || Command::Up {
        connection: name("tunnel"),
        child: Some(name("lan")),
    };
    vec![
        vec![],
        vec![(0, child())],
        vec![(1, child())],
        vec![(0, rekey(None))],
        vec![(1, rekey(None))],
        vec![(0, child()), (1, child())],
        vec![(0, rekey(None)), (1, rekey(None))],
        vec![(1, down(Some("lan")))],
        vec![(1, up())],
        vec![(1, down(None))],
    ]
}

/// What came of such a life, with what `disturb` does every few milliseconds and in the end, minutes later.
fn lived(
    seed: u64,
    mut disturb: impl FnMut(&mut World, &mut Recorder),
) -> Vec<BTreeMap<&'static str, usize>> {
    let mut world = two_gateways(seed, Quality::default());
    let mut recorder = Recorder::default();
    world.configure(0, End::hq().configuration());
    world.configure(1, End::branch().configuration());
    let mut counted = Vec::new();
    for commands in life() {
        for (node, command) in commands {
            world.command(node, command);
        }
        for _ in 0..40 {
            world.run(Duration::from_millis(5));
            disturb(&mut world, &mut recorder);
        }
        // Minutes later, when nothing is under way and old SAs are gone.
        world.run(Duration::from_secs(180));
        disturb(&mut world, &mut recorder);
        world.run(Duration::from_secs(1));
        for node in &world.nodes {
            let mut events = BTreeMap::new();
            for event in &node.events {
                if !NOISE.contains(&event.name()) {
                    *events.entry(event.name()).or_default() += 1;
                }
            }
            events.insert("SAs in the kernel", node.kernel.sas.len());
            assert_eq!(node.kernel.broken, Vec::<String>::new());
            counted.push(events);
        }
    }
    counted
}

#[test]
fn whatever_is_said_again_in_whatever_state_nothing_comes_of_it() {
    for seed in [500, 501] {
        let undisturbed = lived(seed, |_, _| {});
        for order in [
            Order::AsItWas,
            Order::Backwards,
            Order::Reflected,
            Order::FromElsewhere,
        ] {
            let disturbed = lived(seed, |world, recorder| recorder.again(world, order));
            for (step, (calm, noisy)) in undisturbed.iter().zip(&disturbed).enumerate() {
                assert_eq!(
                    calm,
                    noisy,
                    "{order:?}, step {} of node {}",
                    step / 2,
                    step % 2
                );
            }
        }
    }
}

#[test]
fn what_belongs_to_another_ones_ike_sa_is_nothing_to_this_one() {
    // Two peers of one gateway; each says what the other has said, and under its own SPIs what the other's keys protect.
    let (mut world, mut peer) = responder(510);
    let mut other = End::hq().connection();
    other.name = name("other");
    other.remote.id = Some("other.example.com".parse().expect("an identity"));
    other.children = vec![];
    world.nodes[0]
        .secrets
        .insert(name("other"), b"its own secret".to_vec());
    let connections = vec![Arc::new(End::hq().connection()), Arc::new(other)];
    world.configure(
        0,
        Configuration {
            connections,
            ..Configuration::default()
        },
    );
    let (mut session, _) = peer.establish(&mut world, SPI);
    let mut second = ScriptedPeer::branch(&world, 511);
    second.id = "other.example.com".parse().expect("an identity");
    second.secret = b"its own secret".to_vec();
    let mut seconds = second.begin(&mut world);
    let proof = second.proof(&seconds);
    second
        .ask(&mut world, &mut seconds, AUTH, &proof)
        .expect("an answer");

    let id = session.next_request;
    let header = session.header(INFORMATIONAL, id, false);
    let mut under_anothers_spis = session.seal(&mut peer.random, header, &[delete_ike()]);
    under_anothers_spis[..8].copy_from_slice(&seconds.spis.initiator.0);
    under_anothers_spis[8..16].copy_from_slice(&seconds.spis.responder.0);
    let header = seconds.header(INFORMATIONAL, id, false);
    let mut seconds_deletes = seconds.seal(&mut second.random, header, &[delete_ike()]);
    seconds_deletes[..8].copy_from_slice(&session.spis.initiator.0);
    seconds_deletes[8..16].copy_from_slice(&session.spis.responder.0);
    for bytes in [under_anothers_spis, seconds_deletes] {
        assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
        assert_eq!(second.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
    }
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 2);
    for (peer, session) in [(&mut peer, &mut session), (&mut second, &mut seconds)] {
        assert!(peer.ask(&mut world, session, INFORMATIONAL, &[]).is_some());
    }
}

#[test]
fn message_ids_behind_and_ahead_are_dropped_in_every_state() {
    for state in ["idle", "rekeying a child", "rekeying", "closing"] {
        let (mut world, mut peer) = responder(520);
        let (mut session, _) = peer.establish(&mut world, SPI);
        peer.ask(&mut world, &mut session, INFORMATIONAL, &[])
            .expect("an answer");
        let rekey = |child| Command::Rekey {
            connection: name("tunnel"),
            child,
        };
        let command = match state {
            "rekeying a child" => Some(rekey(Some(name("lan")))),
            "rekeying" => Some(rekey(None)),
            "closing" => Some(Command::Down {
                connection: name("tunnel"),
                child: None,
            }),
            _ => None,
        };
        if let Some(command) = command {
            world.command(0, command);
        }
        let sas = world.nodes[0].kernel.sas.len();
        let closed = world.nodes[0].count("ike-sa-closed");
        let due = session.next_request;
        for id in [0, due - 1, due + 1, due + 2, due + 1000, u32::MAX] {
            for payloads in [vec![], vec![delete_esp(&[SPI])], vec![delete_ike()]] {
                let header = session.header(INFORMATIONAL, id, false);
                let bytes = session.seal(&mut peer.random, header, &payloads);
                let told = peer.send(&mut world, &bytes);
                assert_eq!(told, Vec::<Vec<u8>>::new(), "{state}: {id}");
            }
        }
        assert_eq!(world.nodes[0].kernel.sas.len(), sas, "{state}");
        assert_eq!(world.nodes[0].count("ike-sa-closed"), closed, "{state}");
        let said = peer.ask(&mut world, &mut session, INFORMATIONAL, &[]);
        assert!(said.is_some(), "{state}: the right one is answered");
    }
}

#[test]
fn no_vendor_id_and_no_notify_makes_a_wrong_proof_right() {
    // What implementations announce about themselves, each alone and all at once, with every status notify there is.
    let vendors: [&[u8]; 6] = [
        b"strongSwan",
        b"OpenIKED",
        b"CISCO-DYNAMIC-ROUTE",
        b"FLEXVPN-SUPPORTED",
        b"\x88\x2f\xe5\x6d\x6f\xd2\x0d\xbc\x22\x51\x61\x3b\x2e\xbe\x5b\xeb",
        b"\x1e\x2b\x51\x69\x05\x99\x1c\x7d\x7c\x96\xfc\xbf\xb5\x87\xe4\x61\x00\x00\x00\x09",
    ];
    let vendor = |data: &[u8]| {
        Payload::VendorId(ike::wire::VendorId {
            data: data.to_vec().into(),
        })
    };
    let mut extras: Vec<Chain> = vendors.iter().map(|data| vec![vendor(data)]).collect();
    extras.push(vendors.iter().map(|data| vendor(data)).collect());
    extras.extend((16384..16500).map(|kind| vec![notify(NotifyType(kind), &[])]));
    extras.push(
        (16384..16500)
            .map(|kind| notify(NotifyType(kind), b"\x00\x01"))
            .collect(),
    );
    for extra in extras {
        let (mut world, mut peer) = responder(530);
        peer.secret = b"not the secret".to_vec();
        let mut session = peer.begin(&mut world);
        let mut chain = peer.auth_payloads(&session, SPI);
        chain.extend(extra.clone());
        let said = peer.ask(&mut world, &mut session, AUTH, &chain);
        let told = said.expect("an answer").notifies();
        assert_eq!(told, [NotifyType::AUTHENTICATION_FAILED], "{extra:?}");
        assert_eq!(world.nodes[0].kernel.protecting(), 0);
    }
}
