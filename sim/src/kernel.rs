//! A kernel made of maps: SAs and policies with the rules of XFRM that our orders rest on.
//!
//! It refuses a second SA with the same SPI and destination, keeps one policy per selector and direction, and checks the
//! promises: when an outbound protect policy stands, an outbound SA with its reqid and mode stands; when an outbound SA is
//! added, its inbound partner is there already; transport mode is for the two ends themselves, and forwards nothing; where
//! a policy concerns IPv6, neighbour discovery has its hole; a trap lets nothing in. Traffic that it is given goes out by
//! the newest outbound SA of its policy's reqid, as in the real one.
//!
//! A packet that meets a trap is lost, and leaves a placeholder, the larval SA, and one ACQUIRE. While that stands, packets of
//! the same trap are lost as well and ask no more; it goes with the SA that names its sequence number, or after [`ACQUIRE_LIFE`].
//!
//! Like the real one it goes by the wall clock, in seconds: which SA is the newest, and when one has reached its hard
//! lifetime; and it counts what each SA carries. What a jump of that clock does there, it does here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use ike::config::selector::KernelSelector;
use ike::config::{Mode, Volume};
use ike::engine::io::{
    Acquire, Direction, KernelAction, KernelContents, KernelEvent, KernelFailure, KernelRequest,
    OnFailure, Packet, PolicyAction, PolicyInstall, SaInstall, SaReference, SaUse, SelectorPair,
};

/// How long a larval SA stands: `net.core.xfrm_acq_expires`.
pub const ACQUIRE_LIFE: Duration = Duration::from_secs(30);
/// What each packet carries, in bytes.
const PACKET_SIZE: u64 = 1000;
const ANY_V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
/// ICMPv6 type 135.
const NEIGHBOUR_SOLICITATION: (u8, u16, u16) = (58, 135, 0);

/// The kernel of one node.
#[derive(Debug, Default)]
pub struct FakeKernel {
    /// By SPI and destination.
    pub sas: BTreeMap<(u32, IpAddr), SaInstall>,
    /// By selector and direction.
    pub policies: BTreeMap<(SelectorPair, Direction), PolicyInstall>,
    /// Larval SAs, by the reqid of their trap.
    larval: BTreeMap<u32, Larval>,
    last_sequence: u32,
    /// What it knows besides of each SA.
    lives: BTreeMap<(u32, IpAddr), Life>,
    /// The wall clock, as last seen.
    pub(crate) wall: Duration,
    /// When each SA reaches its hard lifetime.
    ends: BTreeSet<(Duration, (u32, IpAddr))>,
    /// What it has said and nobody has heard.
    said: Vec<KernelEvent>,
    /// Reqids whose outbound SA has: what their policies protect waits, and nobody has broken a promise.
    expired: BTreeSet<u32>,
    /// Reqids whose last inbound SA has: who asks for the outbound one may not have heard of it yet.
    expired_inbound: BTreeSet<u32>,
    /// How many steps it has taken.
    pub steps: u64,
    /// Refuse the step with this number (from the first of this kernel's life).
    pub refuse_step: Option<u64>,
    /// Every broken promise, in words.
    pub broken: Vec<String>,
}

/// The placeholder of an SA that a packet has asked for.
#[derive(Clone, Copy, Debug)]
struct Larval {
    acquire: Acquire,
    until: Duration,
}

/// What happened to an SA since it was added.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// When it was added, in seconds of the wall clock.
    added: u64,
    /// The step that added it: among equals, the kernel finds the last one first.
    step: u64,
    /// When it ends.
    ends: Duration,
    packets: u64,
    bytes: u64,
    /// Whether it has told that it is about to end.
    dying: bool,
}

/// What became of a packet that was to go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No policy, or one that passes it, fits.
    Clear,
    /// A policy drops it.
    Blocked,
    /// A policy protects it, and there is no SA.
    NoSa,
    /// It met a trap, and is lost for the sake of those behind it.
    Trapped {
        /// What is told of it, where it is the first.
        told: Option<Acquire>,
    },
    /// It goes out by this SA.
    Protected(SaReference),
}

/// What became of a packet that came in by an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// There is no such SA.
    NoSa,
    /// It was received.
    Accepted,
}

impl FakeKernel {
    /// Looks at the wall clock, which says this now, and tells what has happened since it was asked last: SAs that have
    /// reached a lifetime; after a hard one they are gone.
    pub fn hear(&mut self, wall: Duration) -> Vec<KernelEvent> {
        self.wall = wall;
        while let Some((_, key)) = self.ends.first().filter(|(at, _)| *at <= wall).copied() {
            self.expire(key);
        }
        std::mem::take(&mut self.said)
    }

    fn expire(&mut self, key: (u32, IpAddr)) {
        if let Some(sa) = self.take(key) {
            let reqids = if sa.inbound {
                &mut self.expired_inbound
            } else {
                &mut self.expired
            };
            reqids.insert(sa.reqid);
        }
        self.say(key, true);
    }

    /// Has it say something, which is heard with the rest.
    pub(crate) fn tell(&mut self, event: KernelEvent) {
        self.said.push(event);
    }

    fn say(&mut self, (spi, destination): (u32, IpAddr), hard: bool) {
        let sa = SaReference { spi, destination };
        self.said.push(KernelEvent::Expire { sa, hard });
    }

    /// Counts a packet; whether the SA may carry it. The one after the last finds the SA gone.
    fn carries(&mut self, key: (u32, IpAddr)) -> bool {
        let (Some(sa), Some(life)) = (self.sas.get(&key), self.lives.get_mut(&key)) else {
            return false;
        };
        let reached = |life: &Life, limit: Volume| {
            let is = |count: u64, limit: Option<u64>| limit.is_some_and(|limit| count >= limit);
            is(life.bytes, limit.bytes) || is(life.packets, limit.packets)
        };
        if reached(life, sa.hard_volume) {
            self.expire(key);
            return false;
        }
        life.packets += 1;
        life.bytes += PACKET_SIZE;
        if !life.dying && (sa.tell_first_packet || reached(life, sa.soft_volume)) {
            life.dying = true;
            self.say(key, false);
        }
        true
    }

    /// Deletes an SA by itself, and nobody hears of it.
    pub fn lose(&mut self, SaReference { spi, destination }: SaReference) {
        self.take((spi, destination));
    }

    /// When the next SA reaches its hard lifetime, by the wall clock.
    #[must_use]
    pub fn next_end(&self) -> Option<Duration> {
        self.ends.first().map(|(at, _)| *at)
    }

    fn take(&mut self, key: (u32, IpAddr)) -> Option<SaInstall> {
        if let Some(life) = self.lives.remove(&key) {
            self.ends.remove(&(life.ends, key));
        }
        self.sas.remove(&key)
    }

    /// Sends a packet.
    ///
    /// # Panics
    /// After four thousand million ACQUIREs.
    pub fn send(&mut self, now: Duration, source: IpAddr, destination: IpAddr) -> Sent {
        let wanted = match self.verdict(Direction::Out, source, destination) {
            None | Some(PolicyAction::Pass) => return Sent::Clear,
            Some(PolicyAction::Block) => return Sent::Blocked,
            Some(PolicyAction::Protect { reqid, mode, .. }) => (reqid, mode),
            Some(PolicyAction::Trap { reqid, .. }) => {
                let packet = Packet {
                    local: source.into(),
                    remote: destination.into(),
                };
                let told = self.ask(now, reqid, packet);
                return Sent::Trapped { told };
            }
        };
        let lives = &self.lives;
        let newest = (self.sas.iter())
            .filter(|(_, sa)| !sa.inbound && (sa.reqid, sa.mode) == wanted)
            .max_by_key(|(key, _)| {
                let life = lives.get(key);
                life.map(|life| (!life.dying, life.added, life.step))
            });
        let Some(key) = newest.map(|(key, _)| *key).filter(|key| self.carries(*key)) else {
            return Sent::NoSa;
        };
        let (spi, destination) = key;
        Sent::Protected(SaReference { spi, destination })
    }

    /// Keeps a place for an SA, and asks for it where nobody has.
    fn ask(&mut self, now: Duration, reqid: u32, packet: Packet) -> Option<Acquire> {
        if self.larval.get(&reqid).is_some_and(|it| now < it.until) {
            return None;
        }
        self.last_sequence += 1;
        let acquire = Acquire {
            reqid,
            sequence: NonZeroU32::new(self.last_sequence).expect("counted up from 0"),
            packet: Some(packet),
        };
        let until = now + ACQUIRE_LIFE;
        self.larval.insert(reqid, Larval { acquire, until });
        Some(acquire)
    }

    /// What waits for an SA, as a dump tells: for after lost events.
    #[must_use]
    pub fn waiting(&self, now: Duration) -> Vec<Acquire> {
        let standing = self.larval.values().filter(|larval| now < larval.until);
        standing.map(|larval| larval.acquire).collect()
    }

    /// Receives a packet.
    pub fn receive(&mut self, sa: SaReference) -> Received {
        if self.carries((sa.spi, sa.destination)) {
            Received::Accepted
        } else {
            Received::NoSa
        }
    }

    /// What SAs have carried; those that are not there are left out.
    #[must_use]
    pub fn uses(&self, sas: &[SaReference]) -> Vec<SaUse> {
        let one = |sa: &SaReference| {
            let life = self.lives.get(&(sa.spi, sa.destination))?;
            Some(SaUse {
                sa: *sa,
                packets: life.packets,
                bytes: life.bytes,
            })
        };
        sas.iter().filter_map(one).collect()
    }

    /// Carries out a request as [`ike::engine::io`] says it is to be carried out.
    ///
    /// # Errors
    /// The first refusal.
    pub fn apply(&mut self, request: KernelRequest) -> Result<(), KernelFailure> {
        self.apply_watched(request, |_| {})
    }

    /// As [`Self::apply`], with a look at the kernel after every step.
    ///
    /// # Errors
    /// The first refusal.
    pub fn apply_watched(
        &mut self,
        request: KernelRequest,
        mut look: impl FnMut(&mut Self),
    ) -> Result<(), KernelFailure> {
        let mut done = Vec::new();
        let mut first = Ok(());
        for step in request.steps {
            let taken = self.step(step.action);
            look(self);
            match taken {
                Ok(()) => done.push(step.undo),
                Err(failure) if request.on_failure == OnFailure::Undo => {
                    for undo in done.into_iter().rev().flatten() {
                        let undone = self.step(undo);
                        self.expect(undone.is_ok(), "an undo was refused");
                        look(self);
                    }
                    return Err(failure);
                }
                Err(failure) if failure.errno == "ESRCH" || failure.errno == "ENOENT" => {}
                Err(failure) => first = first.and(Err(failure)),
            }
        }
        self.check();
        first
    }

    /// Carries out the first steps of a request, as a daemon does that is killed in the middle of it.
    pub fn apply_some(&mut self, request: KernelRequest, steps: usize) {
        for step in request.steps.into_iter().take(steps) {
            if self.step(step.action).is_err() && request.on_failure == OnFailure::Undo {
                return;
            }
        }
    }

    /// What a new daemon finds.
    #[must_use]
    pub fn contents(&self) -> KernelContents {
        let found = |&(spi, destination): &(u32, IpAddr)| {
            let life = self.lives.get(&(spi, destination));
            let packets = life.map_or(0, |life| life.packets);
            (SaReference { spi, destination }, packets)
        };
        KernelContents {
            sas: self.sas.keys().map(found).collect(),
            policies: self.policies.values().cloned().collect(),
        }
    }

    fn step(&mut self, action: KernelAction) -> Result<(), KernelFailure> {
        let number = self.steps;
        self.steps += 1;
        let operation = match &action {
            KernelAction::AddSa(_) => "XFRM_MSG_NEWSA",
            KernelAction::DeleteSa(_) | KernelAction::RetireSa(_) => "XFRM_MSG_DELSA",
            KernelAction::SetPolicy(_) => "XFRM_MSG_UPDPOLICY",
            KernelAction::DeletePolicy { .. } => "XFRM_MSG_DELPOLICY",
        };
        let refuse = |errno: &str, words: Option<&str>| {
            Err(KernelFailure {
                operation,
                errno: errno.to_owned(),
                words: words.map(str::to_owned),
            })
        };
        if self.refuse_step == Some(number) {
            return refuse("ENOMEM", Some("refused by the test"));
        }
        match action {
            KernelAction::AddSa(sa) => {
                let key = (sa.spi, sa.destination);
                if self.sas.contains_key(&key) {
                    return refuse("EEXIST", None);
                }
                let partner = self
                    .sas
                    .values()
                    .any(|other| other.inbound && other.reqid == sa.reqid)
                    || self.expired_inbound.contains(&sa.reqid);
                if sa.inbound {
                    self.expired_inbound.remove(&sa.reqid);
                }
                self.expect(
                    sa.inbound || partner,
                    "an outbound SA was added before its inbound one",
                );
                if sa.source.is_ipv4() != sa.destination.is_ipv4() {
                    return refuse("EINVAL", Some("the ends are of two families"));
                }
                self.larval
                    .retain(|_, larval| Some(larval.acquire.sequence) != sa.answers);
                let life = Life {
                    added: self.wall.as_secs(),
                    step: number,
                    ends: self.wall + sa.hard_lifetime,
                    packets: 0,
                    bytes: 0,
                    dying: false,
                };
                if !sa.inbound {
                    self.expired.remove(&sa.reqid);
                }
                self.sas.insert(key, *sa);
                self.ends.insert((life.ends, key));
                self.lives.insert(key, life);
            }
            // Nothing is between its choice and its use here.
            KernelAction::DeleteSa(SaReference { spi, destination })
            | KernelAction::RetireSa(SaReference { spi, destination }) => {
                if self.take((spi, destination)).is_none() {
                    return refuse("ESRCH", None);
                }
            }
            KernelAction::SetPolicy(policy) => {
                self.expect(
                    is_of_the_ends(&policy),
                    "a transport policy is not for its two ends",
                );
                let (source, destination) = (policy.selector.source, policy.selector.destination);
                if source.network.is_ipv4() != destination.network.is_ipv4() {
                    return refuse("EINVAL", Some("the selector is of two families"));
                }
                let discovery = self
                    .verdict_of(Direction::Out, ANY_V6, ANY_V6, NEIGHBOUR_SOLICITATION)
                    .is_some();
                self.expect(
                    source.network.is_ipv4() || source.port > 0 || discovery,
                    "a policy for IPv6 was set before neighbour discovery had its hole",
                );
                self.policies
                    .insert((policy.selector, policy.direction), *policy);
            }
            KernelAction::DeletePolicy { index, direction } => {
                let found = self
                    .policies
                    .iter()
                    .find(|(_, policy)| (policy.index, policy.direction) == (index, direction));
                let Some(key) = found.map(|(key, _)| *key) else {
                    return refuse("ENOENT", None);
                };
                self.policies.remove(&key);
            }
        }
        Ok(())
    }

    fn check(&mut self) {
        let lacking =
            self.policies
                .values()
                .any(|policy| match (policy.direction, policy.action) {
                    (Direction::Out, PolicyAction::Protect { reqid, mode, .. }) => {
                        let mut sas = self.sas.values();
                        !self.expired.contains(&reqid)
                            && !sas.any(|sa| !sa.inbound && (sa.reqid, sa.mode) == (reqid, mode))
                    }
                    _ => false,
                });
        self.expect(!lacking, "an outbound policy has no SA");
        let traps = |policy: &&PolicyInstall| matches!(policy.action, PolicyAction::Trap { .. });
        let open = self.policies.values().filter(traps).any(|policy| {
            let SelectorPair {
                source,
                destination,
            } = policy.selector;
            let coming = SelectorPair {
                source: destination,
                destination: source,
            };
            let inbound = self.policies.get(&(coming, Direction::In));
            inbound.is_none_or(|inbound| inbound.action == PolicyAction::Pass)
        });
        self.expect(!open, "a trap lets in what comes in clear");
    }

    fn expect(&mut self, holds: bool, words: &str) {
        if !holds {
            self.broken.push(words.to_owned());
        }
    }

    /// Policies that protect, out of all directions.
    #[must_use]
    pub fn protecting(&self) -> usize {
        self.policies
            .values()
            .filter(|policy| matches!(policy.action, PolicyAction::Protect { .. }))
            .count()
    }

    /// What would happen to a packet: the policy with the lowest priority number that fits, `None` where none does. Its
    /// protocol is none that a policy names.
    #[must_use]
    pub fn verdict(
        &self,
        direction: Direction,
        source: IpAddr,
        destination: IpAddr,
    ) -> Option<PolicyAction> {
        self.verdict_of(direction, source, destination, (255, 0, 0))
    }

    /// What would happen to a packet of this protocol and these ports, source first; of ICMP, type and code.
    #[must_use]
    pub fn verdict_of(
        &self,
        direction: Direction,
        source: IpAddr,
        destination: IpAddr,
        (protocol, source_port, destination_port): (u8, u16, u16),
    ) -> Option<PolicyAction> {
        let carries = |end: &KernelSelector, port: u16| {
            [0, protocol].contains(&end.protocol) && port & end.port_mask == end.port
        };
        self.policies
            .values()
            .filter(|policy| policy.direction == direction)
            .filter(|policy| {
                holds(
                    policy.selector.source.network,
                    policy.selector.source.prefix,
                    source,
                )
            })
            .filter(|policy| {
                holds(
                    policy.selector.destination.network,
                    policy.selector.destination.prefix,
                    destination,
                )
            })
            .filter(|policy| {
                carries(&policy.selector.source, source_port)
                    && carries(&policy.selector.destination, destination_port)
            })
            .min_by_key(|policy| policy.priority)
            .map(|policy| policy.action)
    }
}

/// Whether a policy in transport mode is for traffic between the two ends of its template, and not for forwarding.
fn is_of_the_ends(policy: &PolicyInstall) -> bool {
    let PolicyAction::Protect {
        mode: Mode::Transport,
        source,
        destination,
        ..
    } = policy.action
    else {
        return true;
    };
    let is = |end: &KernelSelector, address: IpAddr| {
        (end.network, end.prefix) == (address, if address.is_ipv4() { 32 } else { 128 })
    };
    policy.direction != Direction::Forward
        && is(&policy.selector.source, source)
        && is(&policy.selector.destination, destination)
}

fn holds(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let (network, address, bits) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (u32::from(network).into(), u32::from(address).into(), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            (u128::from(network), u128::from(address), 128)
        }
        _ => return false,
    };
    let free = bits - u32::from(prefix);
    network.checked_shr(free).unwrap_or(0) == address.checked_shr(free).unwrap_or(0)
}
