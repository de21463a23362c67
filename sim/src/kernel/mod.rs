//! A kernel made of maps: SAs and policies with the rules of XFRM that our orders rest on.
//!
//! It refuses a second SA with the same SPI and destination, keeps one policy per selector and direction, and checks the
//! promises: when an outbound protect policy stands, an outbound SA with its reqid and mode stands; when an outbound SA is
//! added, its inbound partner is there already; transport mode is for the two ends themselves, and forwards nothing; where
//! a policy concerns IPv6, neighbour discovery has its hole; a trap lets nothing in. Traffic that it is given goes out by
//! the newest outbound SA that fits its policy's template, as in the real one.
//!
//! A packet without an SA is lost, whether it has met a trap or a policy that protects, and leaves a placeholder, the larval
//! SA, and one ACQUIRE. While that stands, packets of the same template are lost as well and ask no more; it goes with the SA
//! that names its sequence number or fits the template, or after [`ACQUIRE_LIFE`].
//!
//! Like the real one it goes by the wall clock, in seconds: which SA is the newest, and whether one has reached its hard
//! lifetime. It looks at an SA's lifetime a second after the SA was added, and then when the lifetime would end if nobody set
//! that clock; so a clock that is set forward ends no SA before its time, unless it is a new one, and one that is set back lets
//! it live on. It counts what each SA carries, and looks at its volumes when a packet comes: what is reached by one packet is
//! told by the next.
//!
//! That it is like the real one is tried, by [`crate::kernel_list`].

mod lookup;
mod promises;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use ike::config::selector::{PortRange, Selector};
use ike::config::{Mode, Volume};
use ike::engine::io::{
    Acquire, Direction, KernelAction, KernelContents, KernelEvent, KernelFailure, KernelRequest,
    Now, OnFailure, Packet, PolicyAction, PolicyInstall, SaInstall, SaReference, SaUse,
    SelectorPair,
};

pub use lookup::Admission;
use promises::is_of_the_ends;

/// How long a larval SA stands: `net.core.xfrm_acq_expires`.
pub const ACQUIRE_LIFE: Duration = Duration::from_secs(30);
/// How long after an SA was added the kernel looks at its lifetime for the first time.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// The bytes of each packet.
pub(crate) const PACKET_SIZE: u64 = 1000;
/// Some protocol that no policy names, and no ports.
const ANY_PACKET: (u8, u16, u16) = (255, 0, 0);
const TCP: u8 = 6;
const UDP: u8 = 17;
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
    /// What the kernel knows of each policy besides.
    places: BTreeMap<(SelectorPair, Direction), Place>,
    /// Larval SAs, by what they are to become.
    larval: BTreeMap<Template, Larval>,
    last_sequence: u32,
    /// What it knows besides of each SA.
    lives: BTreeMap<(u32, IpAddr), Life>,
    /// The clocks, as last seen.
    wall: Duration,
    boot: Duration,
    /// When it looks at the lifetime of each SA, by the boot clock.
    looks: BTreeSet<(Duration, (u32, IpAddr))>,
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

/// What an SA must be to carry the packets of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Template {
    reqid: u32,
    is_transport: bool,
    /// Unspecified where the route is to tell.
    source: IpAddr,
    destination: IpAddr,
}

impl Template {
    /// Of a policy that has one.
    fn of(action: PolicyAction) -> Option<Self> {
        match action {
            PolicyAction::Pass | PolicyAction::Block => None,
            PolicyAction::Protect {
                mode,
                source,
                destination,
                reqid,
            }
            | PolicyAction::Trap {
                mode,
                source,
                destination,
                reqid,
            } => Some(Self {
                reqid,
                is_transport: mode == Mode::Transport,
                source,
                destination,
            }),
        }
    }

    fn fits(&self, sa: &SaInstall) -> bool {
        let is_transport = sa.mode == Mode::Transport;
        (self.reqid, self.is_transport) == (sa.reqid, is_transport)
            && self.destination == sa.destination
            && (self.source.is_unspecified() || self.source == sa.source)
    }
}

/// What the kernel knows of a policy besides what it was told.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Its index: what replaces a policy keeps that of the first.
    index: u32,
    /// The step that added it: of equal priorities, the older is looked at first.
    step: u64,
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
    /// When the kernel looks at its lifetime next, by the boot clock.
    look: Duration,
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
    NoSa {
        /// What is told of it, where it is the first.
        told: Option<Acquire>,
    },
    /// Its SA has carried all that it may, and is gone.
    UsedUp,
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
    /// The SA has carried all that it may, and is gone.
    UsedUp,
    /// It was received.
    Accepted,
}

/// Whether an SA carries a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    Yes,
    IsUsedUp,
    IsNotThere,
}

impl FakeKernel {
    /// Looks at the clocks, which say this now, and tells what has happened since it was asked last: SAs that have reached a
    /// lifetime; after a hard one they are gone.
    pub fn hear(&mut self, now: Now) -> Vec<KernelEvent> {
        self.see(now);
        while let Some((at, key)) = self
            .looks
            .first()
            .filter(|(at, _)| *at <= now.boot)
            .copied()
        {
            self.looks.remove(&(at, key));
            self.look_at(key);
        }
        std::mem::take(&mut self.said)
    }

    /// The clocks say this now.
    pub(crate) const fn see(&mut self, Now { boot, wall }: Now) {
        (self.boot, self.wall) = (boot, wall);
    }

    /// Whether an SA has reached its lifetime. If not, this is asked again when it will have, by the wall clock as it is.
    fn look_at(&mut self, key: (u32, IpAddr)) {
        let (Some(sa), Some(life)) = (self.sas.get(&key), self.lives.get_mut(&key)) else {
            return;
        };
        let left = (life.added + sa.hard_lifetime.as_secs()).saturating_sub(self.wall.as_secs());
        if left == 0 {
            return self.expire(key);
        }
        life.look += Duration::from_secs(left);
        self.looks.insert((life.look, key));
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

    /// Counts a packet; whether the SA may carry it. The one after the last uses the SA up, and that after the last of its soft
    /// volume has it told.
    fn carries(&mut self, key: (u32, IpAddr)) -> Carries {
        let (Some(sa), Some(life)) = (self.sas.get(&key), self.lives.get_mut(&key)) else {
            return Carries::IsNotThere;
        };
        let reached = |life: &Life, limit: Volume| {
            let is = |count: u64, limit: Option<u64>| limit.is_some_and(|limit| count >= limit);
            is(life.bytes, limit.bytes) || is(life.packets, limit.packets)
        };
        if reached(life, sa.hard_volume) {
            self.expire(key);
            return Carries::IsUsedUp;
        }
        let tells = !life.dying && (sa.tell_first_packet || reached(life, sa.soft_volume));
        life.packets += 1;
        life.bytes += PACKET_SIZE;
        if tells {
            life.dying = true;
            self.say(key, false);
        }
        Carries::Yes
    }

    /// SAs whose soft limit is reached, as a dump tells: for after lost events.
    #[must_use]
    pub fn dying(&self) -> Vec<SaReference> {
        let dying = self.lives.iter().filter(|(_, life)| life.dying);
        let reference =
            |(&(spi, destination), _): (&(u32, IpAddr), &Life)| SaReference { spi, destination };
        dying.map(reference).collect()
    }

    /// Deletes an SA by itself, and nobody hears of it.
    pub fn lose(&mut self, SaReference { spi, destination }: SaReference) {
        self.take((spi, destination));
    }

    /// When it looks at the lifetime of an SA next, by the boot clock.
    #[must_use]
    pub fn next_look(&self) -> Option<Duration> {
        self.looks.first().map(|(at, _)| *at)
    }

    fn take(&mut self, key: (u32, IpAddr)) -> Option<SaInstall> {
        if let Some(life) = self.lives.remove(&key) {
            self.looks.remove(&(life.look, key));
        }
        self.sas.remove(&key)
    }

    /// Sends a packet.
    ///
    /// # Panics
    /// After four thousand million ACQUIREs.
    pub fn send(&mut self, now: Duration, source: IpAddr, destination: IpAddr) -> Sent {
        self.send_of(now, source, destination, ANY_PACKET)
    }

    /// Sends a packet of this protocol and these ports, source first; of ICMP, type and code.
    ///
    /// # Panics
    /// As [`Self::send`].
    pub fn send_of(
        &mut self,
        now: Duration,
        source: IpAddr,
        destination: IpAddr,
        carries: (u8, u16, u16),
    ) -> Sent {
        let action = match self.verdict_of(Direction::Out, source, destination, carries) {
            None => return Sent::Clear,
            Some(action) => action,
        };
        let Some(template) = Template::of(action) else {
            return match action {
                PolicyAction::Block => Sent::Blocked,
                _ => Sent::Clear,
            };
        };
        let lives = &self.lives;
        let newest = (self.sas.iter())
            .filter(|(_, sa)| !sa.inbound && template.fits(sa))
            .max_by_key(|(key, _)| {
                let life = lives.get(key);
                life.map(|life| (!life.dying, life.added, life.step))
            });
        if let Some(key) = newest.map(|(key, _)| *key) {
            let (spi, destination) = key;
            return match self.carries(key) {
                Carries::Yes => Sent::Protected(SaReference { spi, destination }),
                _ => Sent::UsedUp,
            };
        }
        let packet = Packet {
            local: end_of_packet(source, carries.0, carries.1),
            remote: end_of_packet(destination, carries.0, carries.2),
        };
        let told = self.ask(now, template, packet);
        match action {
            PolicyAction::Trap { .. } => Sent::Trapped { told },
            _ => Sent::NoSa { told },
        }
    }

    /// Keeps a place for an SA, and asks for it where nobody has.
    fn ask(&mut self, now: Duration, template: Template, packet: Packet) -> Option<Acquire> {
        if (self.larval.get(&template)).is_some_and(|it| now < it.until) {
            return None;
        }
        self.last_sequence += 1;
        let acquire = Acquire {
            reqid: template.reqid,
            sequence: NonZeroU32::new(self.last_sequence).expect("counted up from 0"),
            packet: Some(packet),
        };
        let until = now + ACQUIRE_LIFE;
        self.larval.insert(template, Larval { acquire, until });
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
        match self.carries((sa.spi, sa.destination)) {
            Carries::Yes => Received::Accepted,
            Carries::IsUsedUp => Received::UsedUp,
            Carries::IsNotThere => Received::NoSa,
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
                // What is to be deleted and is gone is as good as deleted.
                Err(failure) if ["ESRCH", "ENOENT"].contains(&failure.errno.as_str()) => {}
                Err(failure) if request.on_failure == OnFailure::Undo => {
                    for undo in done.into_iter().rev().flatten() {
                        let undone = self.step(undo);
                        self.expect(undone.is_ok(), "an undo was refused");
                        look(self);
                    }
                    return Err(failure);
                }
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
        let policy = |(key, policy): (&(SelectorPair, Direction), &PolicyInstall)| PolicyInstall {
            index: (self.places.get(key)).map_or(policy.index, |place| place.index),
            ..policy.clone()
        };
        KernelContents {
            sas: self.sas.keys().map(found).collect(),
            policies: self.policies.iter().map(policy).collect(),
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
        // The owner of a real one does not ask it for such things.
        let unsayable = |words: &str| {
            Err(KernelFailure {
                operation: "XFRM",
                errno: "invalid".to_owned(),
                words: Some(words.to_owned()),
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
                    return unsayable("the ends are of two families");
                }
                self.larval.retain(|template, larval| {
                    let is_named = Some(larval.acquire.sequence) == sa.answers
                        && template.destination == sa.destination;
                    !is_named && !template.fits(&sa)
                });
                let life = Life {
                    added: self.wall.as_secs(),
                    step: number,
                    look: self.boot + FIRST_LOOK,
                    packets: 0,
                    bytes: 0,
                    dying: false,
                };
                if !sa.inbound {
                    self.expired.remove(&sa.reqid);
                }
                self.sas.insert(key, *sa);
                self.looks.insert((life.look, key));
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
                    return unsayable("the selector is of two families");
                }
                let discovery = self
                    .verdict_of(Direction::Out, ANY_V6, ANY_V6, NEIGHBOUR_SOLICITATION)
                    .is_some();
                self.expect(
                    source.network.is_ipv4() || source.port > 0 || discovery,
                    "a policy for IPv6 was set before neighbour discovery had its hole",
                );
                let key = (policy.selector, policy.direction);
                let place = Place {
                    index: policy.index,
                    step: number,
                };
                if !self.policies.contains_key(&key) {
                    self.places.insert(key, place);
                }
                self.policies.insert(key, *policy);
            }
            KernelAction::DeletePolicy { index, direction } => {
                let Some(key) = self.policy_by_index(index, direction) else {
                    return refuse("ENOENT", None);
                };
                self.policies.remove(&key);
            }
        }
        Ok(())
    }

    /// The policy that was set under an index. The kernel may have it under another one, where it took a place that was
    /// taken: who asks a real one knows which.
    fn policy_by_index(
        &self,
        index: u32,
        direction: Direction,
    ) -> Option<(SelectorPair, Direction)> {
        let set = |policy: &PolicyInstall| (policy.index, policy.direction) == (index, direction);
        let of_kernel = |key: &(SelectorPair, Direction)| {
            key.1 == direction && (self.places.get(key)).is_some_and(|place| place.index == index)
        };
        let mut policies = self.policies.iter();
        let found = policies.find(|(_, policy)| set(policy));
        let mut keys = self.policies.keys();
        found
            .map(|(key, _)| key)
            .or_else(|| keys.find(|key| of_kernel(key)))
            .copied()
    }
}

/// One end of a packet, as an ACQUIRE tells of it: with its port, where it is of a protocol that has ports.
fn end_of_packet(address: IpAddr, protocol: u8, port: u16) -> Selector {
    let whole = Selector::from(address);
    match PortRange::new(port, port).filter(|_| [TCP, UDP].contains(&protocol)) {
        Some(ports) => Selector {
            protocol,
            ports,
            ..whole
        },
        None => whole,
    }
}
