//! Any sequence of inputs into an engine with two connections, half-way in or with its tunnel up, behind cryptography that
//! hides nothing.
//!
//! The first octet chooses the world: bit 0, whether the tunnel is up; bit 1, whether the engine began it. Then follow
//! inputs, each an octet for its kind, two for its length, and its content (see [`Fuzzed::input`]).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bolero::check;
use ike::config::{Configuration, Keep, Limits};
use ike::engine::io::{Command, CommandId, Input, KernelEvent, Path, SaReference};
use ike::wire::numbers::{ExchangeType, PayloadType};
use ike::wire::{Flags, Header, IkeSpi, begin_protected};
use sim::network::Quality;
use sim::provider::transparent;
use sim::setup::{BRANCH, End, HQ, SECRET, name};
use sim::{Node, World};

/// Each takes a handshake.
const ROUNDS: usize = 4_000;

#[test]
fn engine() {
    check!().with_iterations(ROUNDS).for_each(survives);
}

#[test]
fn engine_mutations() {
    fuzz::some_mutations("engine", ROUNDS, survives);
}

fn survives(input: &[u8]) {
    let Some((&world, mut rest)) = input.split_first() else {
        return;
    };
    let mut fuzzed = Fuzzed::begin(world);
    while let Some((&[kind, high, low], after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(after.len());
        let (content, next) = after.split_at(length);
        rest = next;
        fuzzed.input(kind, content);
    }
    fuzzed.end();
}

struct Fuzzed {
    world: World,
    commands: Vec<CommandId>,
    /// The SPIs of the first IKE SA: as long as it is half-open, no list has it.
    first: (IkeSpi, IkeSpi),
    /// Whether the kernel was told to refuse something, after which it may keep it.
    refused: bool,
}

impl Fuzzed {
    fn begin(kind: u8) -> Self {
        let nodes = [("hq", HQ, 1), ("branch", BRANCH, 2)].map(|(node, address, seed)| {
            let mut node = Node::with_provider(node, IpAddr::from(address), seed, transparent());
            node.secrets.insert(name("tunnel"), SECRET.to_vec());
            node
        });
        let mut world = World::new(1, Quality::default(), nodes.into());
        let began = usize::from(kind & 2 == 0);
        for (node, mut end) in [End::hq(), End::branch()].into_iter().enumerate() {
            end.keep = if node == began {
                Keep::Up
            } else {
                Keep::Passive
            };
            world.configure(node, configuration(&end));
        }
        let time = if kind & 1 == 0 { 15 } else { 1000 };
        world.run(Duration::from_millis(time));
        // From here on the branch is the fuzzer.
        world.meddler = Some(Box::new(|_, _| sim::Fate::Drop));
        let answers = world.nodes.iter().flat_map(|node| &node.sent);
        let first = answers
            .filter_map(|sent| Header::parse(&sent.bytes).ok())
            .find(|header| header.flags.response)
            .map_or((IkeSpi([1; 8]), IkeSpi([2; 8])), |header| {
                (header.initiator_spi, header.responder_spi)
            });
        world.nodes[0].sent.clear();
        Self {
            world,
            first,
            commands: Vec::new(),
            refused: false,
        }
    }

    fn input(&mut self, kind: u8, content: &[u8]) {
        let first = content.first().copied().unwrap_or(0);
        match kind % 9 {
            0 => self.datagram(content),
            1 => self.protected(content),
            2 => self.first_contact(content),
            3 => self.command(first),
            4 => {
                let time = Duration::from_millis(u64::from(first) * 250);
                self.world.run(time);
            }
            5 => self.world.nodes[0].hold_kernel = first & 1 == 0,
            6 => self.world.nodes[0].hold_answers = first & 1 == 0,
            7 => self.kernel_event(content),
            _ => {
                let kernel = &mut self.world.nodes[0].kernel;
                kernel.refuse_step = Some(kernel.steps + u64::from(first % 8));
                self.refused = true;
            }
        }
        let node = &mut self.world.nodes[0];
        assert!(node.sent.len() <= 200, "{} datagrams", node.sent.len());
        assert!(node.events.len() <= 1000, "{} events", node.events.len());
        assert!(node.engine().ike_sa_count() <= 200);
        if !self.refused {
            assert_eq!(node.kernel.broken, Vec::<String>::new());
        }
        node.sent.clear();
        node.events.clear();
    }

    fn datagram(&mut self, bytes: &[u8]) {
        let path = Path {
            local: (IpAddr::from(HQ), 500).into(),
            remote: (IpAddr::from(BRANCH), 500).into(),
        };
        let now = self.world.now;
        let sent = self.world.nodes[0].datagram(now, path, bytes);
        assert!(sent.len() <= 16, "{} datagrams for one", sent.len());
    }

    /// A message of an IKE SA that stands: which one, exchange, flags, message ID, type of the first payload, chain.
    fn protected(&mut self, content: &[u8]) {
        let Some((&[which, exchange, flags, message_id, first], chain)) =
            content.split_first_chunk()
        else {
            return;
        };
        let now = self.world.now;
        let snapshot = self.world.nodes[0].list(now);
        let mut all = snapshot.connections.iter().flat_map(|one| &one.ike_sas);
        let spis = match all.nth(usize::from(which % 4)) {
            Some(sa) => (sa.spis.initiator, sa.spis.responder),
            None => self.first,
        };
        let header = Header {
            initiator_spi: spis.0,
            responder_spi: spis.1,
            next_payload: PayloadType::SK,
            major: 2,
            minor: 0,
            exchange: ExchangeType(34 + exchange % 5),
            flags: Flags {
                initiator: flags & 1 == 0,
                version: false,
                response: flags & 2 != 0,
                reserved: 0,
            },
            message_id: u32::from(message_id % 8),
            length: 0,
        };
        let mut bytes = begin_protected(&header, None, PayloadType(first), 8 + chain.len() + 1);
        bytes.extend([0; 8]);
        bytes.extend(chain);
        bytes.push(0);
        self.datagram(&bytes);
    }

    /// An IKE_SA_INIT request: the last octet of its SPI, the type of the first payload, chain.
    fn first_contact(&mut self, content: &[u8]) {
        let Some((&[spi, first], chain)) = content.split_first_chunk() else {
            return;
        };
        let header = Header {
            initiator_spi: IkeSpi([9, 9, 9, 9, 9, 9, 9, spi]),
            responder_spi: IkeSpi::ZERO,
            next_payload: PayloadType(first),
            major: 2,
            minor: 0,
            exchange: ExchangeType::IKE_SA_INIT,
            flags: Flags {
                initiator: true,
                ..Flags::default()
            },
            message_id: 0,
            length: u32::try_from(Header::LENGTH + chain.len()).expect("short"),
        };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        bytes.extend(chain);
        self.datagram(&bytes);
    }

    fn command(&mut self, which: u8) {
        let connection = name("tunnel");
        let child = (which & 8 != 0).then(|| name("lan"));
        let id = match which % 8 {
            0..=2 => self.world.command(0, Command::Up { connection, child }),
            3..=5 => self.world.command(0, Command::Down { connection, child }),
            6 => {
                let mut end = End::hq();
                if which & 16 != 0 {
                    end.esp = Some("aes128gcm16-x25519");
                }
                if which & 32 != 0 {
                    end.keep = Keep::Up;
                }
                return self.world.configure(0, configuration(&end));
            }
            _ => return self.world.configure(0, Configuration::default()),
        };
        self.commands.push(id);
    }

    fn kernel_event(&mut self, content: &[u8]) {
        let node = &self.world.nodes[0];
        let at = usize::from(content.first().copied().unwrap_or(0));
        let (spi, destination) = node
            .kernel
            .sas
            .keys()
            .nth(at)
            .copied()
            .unwrap_or_else(|| (7, IpAddr::from(HQ)));
        let sa = SaReference { spi, destination };
        self.world
            .input(0, Input::KernelEvent(KernelEvent::Missing { sa }));
    }

    /// Whatever happened: a shutdown ends it.
    fn end(mut self) {
        self.world.release(0);
        let shutdown = self.world.command(0, Command::Shutdown);
        self.commands.push(shutdown);
        self.world.run(Duration::from_secs(200));
        let now = self.world.now;
        let node = &mut self.world.nodes[0];
        for id in self.commands {
            assert!(node.replies.contains_key(&id), "{id:?} was not answered");
        }
        assert_eq!(node.engine().ike_sa_count(), 0);
        if !self.refused {
            node.assert_clean(now, 0);
        }
    }
}

fn configuration(end: &End) -> Configuration {
    Configuration {
        connections: vec![Arc::new(end.connection())],
        limits: Limits {
            half_open: 50,
            cookie_threshold: 40,
            half_open_per_address: 40,
            ..Limits::default()
        },
        ..Configuration::default()
    }
}
