//! What a life is made of, drawn from its seed: gateways, what they protect, what is done to them and when.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use ike::config::{
    Child, Configuration, Connection, Keep, Limits, Liveness, Name, Volume, WithoutSa,
};

use crate::SeededRandom;
use crate::setup::name;

use super::draw;
use super::meeting::Meeting;
use super::owner::Trouble;
use super::shape::Shape;
use super::weather::Weather;
use super::wider;

/// What the gateways are called.
pub(super) const NAMES: [&str; 3] = ["hq", "branch", "depot"];

/// More children than any link has.
const MOST_CHILDREN: usize = 8;

/// How much is asked of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing happens that a tunnel need not survive: once it is up, no packet is lost and no child goes down.
    Gentle,
    /// The network is bad as well: a peer may count as gone. Until that, no packet is lost.
    Lossy,
    /// Everything happens. Until a child goes down, no packet is lost.
    Rough,
}

/// Whether a process that is killed leaves records for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    /// No: the next one begins from nothing.
    Off,
    /// Each is stored as soon as it comes out.
    AtOnce,
    /// Storing takes its time, and those that are not stored are lost with the process.
    Slowly,
}

/// A life before it is lived.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it was drawn from.
    pub seed: u64,
    /// How much is asked of it.
    pub kind: Kind,
    /// How many gateways.
    pub gateways: usize,
    /// When each gets its configuration.
    pub starts: Vec<Duration>,
    /// Who is connected with whom.
    pub links: Vec<Link>,
    /// What a stranger may cost each gateway.
    pub limits: Vec<Limits>,
    /// When the gateways that are found by name come to be where they are found.
    pub moves_at: Duration,
    /// The network at the beginning.
    pub weather: Weather,
    /// How slow the kernels and the owners of the secrets are at the beginning.
    pub slowness: Duration,
    /// What outlives a process.
    pub records: Records,
    /// What happens, in order.
    pub entries: Vec<Entry>,
    /// When the last of it is over and quiet begins.
    pub ends: Duration,
}

/// A connection between two gateways.
#[derive(Clone, Debug)]
pub struct Link {
    /// The gateways.
    pub ends: [usize; 2],
    /// What each promises.
    pub keep: [Keep; 2],
    /// Proposals for IKE of each end.
    pub ike: [&'static str; 2],
    /// When each replaces the IKE SA.
    pub rekey: [Option<Duration>; 2],
    /// When each authenticates again.
    pub reauth: [Option<Duration>; 2],
    /// When silence means something.
    pub liveness: Liveness,
    /// How the ends meet.
    pub meeting: Meeting,
    /// After how much silence each end closes a child.
    pub idle: [Option<Duration>; 2],
    /// What each end does with a child's packets where there is no SA.
    pub without_sa: [WithoutSa; 2],
    /// What the children protect, by their numbers.
    pub shapes: [Shape; 4],
    /// Whether policies have their places said.
    pub priorities: bool,
    /// The children, as they are at first and after each reload.
    pub versions: Vec<Vec<Spec>>,
}

/// A child of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its number.
    pub number: usize,
    /// Proposals for ESP of each end.
    pub esp: [&'static str; 2],
    /// When each end replaces it.
    pub rekey: [Option<Duration>; 2],
    /// In packets.
    pub window: u32,
    /// In the kernel.
    pub hard: Duration,
    /// After how many packets it is replaced.
    pub volume: Option<NonZeroU64>,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Since the beginning.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happens. `end` is 0 or 1: which end of the link; `child` is a child's number, `None` the connection or IKE SA.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each says what it is")]
pub enum What {
    /// An operator has something rekeyed.
    Rekey {
        link: usize,
        end: usize,
        child: Option<usize>,
    },
    /// An operator takes it down.
    Down {
        link: usize,
        end: usize,
        child: Option<usize>,
    },
    /// An operator brings it up.
    Up {
        link: usize,
        end: usize,
        child: Option<usize>,
    },
    /// One end gets this version of the link's children.
    Reload {
        link: usize,
        end: usize,
        version: usize,
    },
    /// The process is killed, and another begins anew after this long.
    Restart { gateway: usize, pause: Duration },
    /// The process says goodbye and ends, and another begins anew after this long.
    Leave { gateway: usize, pause: Duration },
    /// No packets of a child for this long.
    Silence {
        link: usize,
        child: usize,
        time: Duration,
    },
    /// Something is wrong with the owner of its secrets, for this long.
    Owner {
        gateway: usize,
        trouble: Trouble,
        time: Duration,
    },
    /// The process is killed after its `after`th act from now, in the middle of what its kernel and its store are doing, `done`
    /// steps of it done; another goes on with its records after this long.
    Kill {
        gateway: usize,
        after: u64,
        done: usize,
        pause: Duration,
    },
    /// From now on its kernel and its owner of secrets take up to this long.
    Slow { gateway: usize, by: Duration },
    /// Its kernel refuses a step of the next installation.
    Refuse { gateway: usize, step: u64 },
    /// A child's outbound SA has reached a soft limit.
    SoftExpire {
        link: usize,
        end: usize,
        child: usize,
    },
    /// The kernel drops one of a child's SAs.
    HardExpire {
        link: usize,
        end: usize,
        child: usize,
        inbound: bool,
    },
    /// What its kernel says for this long is lost; then the daemon compares.
    Deaf { gateway: usize, time: Duration },
    /// Somebody sets its wall clock forward or back.
    Clock { gateway: usize, seconds: i64 },
    /// The network changes.
    Weather(Weather),
    /// Nothing passes between the two ends for this long.
    Cut { link: usize, time: Duration },
}

impl Scenario {
    /// The life of this seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut scenario = Self::draw_narrow(seed);
        wider::wider(&mut scenario);
        scenario
    }

    /// The same without what only some lives have: other promises, other selectors, other ways to meet, and so on.
    #[must_use]
    pub fn draw_narrow(seed: u64) -> Self {
        let mut scenario = Self::draw_plain(seed);
        draw::more(&mut scenario);
        scenario
    }

    /// The same without authentication anew, limits by packets, and processes that go on where one was killed.
    #[must_use]
    pub fn draw_plain(seed: u64) -> Self {
        draw::scenario(&mut SeededRandom::new(seed), seed)
    }

    /// Whether a process is killed and goes on.
    pub(super) fn kills(&self) -> bool {
        let is = |entry: &Entry| matches!(entry.what, What::Kill { .. });
        self.entries.iter().any(is)
    }

    /// Whether an IKE SA may be made anew while its children stand: then only a first packet tells who answers that the peer
    /// receives by the new ones, and whose kernel's events are lost sends by the old ones for longer than they stay.
    pub(super) fn changes_ike_sas(&self) -> bool {
        self.kills() || self.links.iter().any(|link| link.reauth != [None; 2])
    }

    /// What a connection is called.
    #[must_use]
    pub fn connection(&self, link: usize) -> Name {
        let [a, b] = self.links[link].ends.map(|gateway| NAMES[gateway]);
        match self.links[link].meeting.is_twin {
            true => name(&format!("{a}-{b}-{link}")),
            false => name(&format!("{a}-{b}")),
        }
    }

    /// The link of this name.
    pub(super) fn link_called(&self, name: &Name) -> Option<usize> {
        (0..self.links.len()).find(|link| self.connection(*link) == *name)
    }

    /// The configuration of a gateway where each link has this version.
    #[must_use]
    pub fn configuration(&self, gateway: usize, versions: &[usize]) -> Configuration {
        let of = |(at, link): (usize, &Link)| {
            let end = link.ends.iter().position(|one| *one == gateway)?;
            Some(Arc::new(self.connect(at, link, end, versions[at])))
        };
        let links = || self.links.iter().enumerate();
        let credentials = |(at, link): (usize, &Link)| {
            let own = link.ends.contains(&gateway);
            let credentials = own.then(|| self.credentials(at, gateway)).flatten()?;
            Some((self.connection(at), credentials))
        };
        Configuration {
            connections: links().filter_map(of).collect(),
            credentials: links().filter_map(credentials).collect(),
            limits: self.limits[gateway],
            ..Configuration::default()
        }
    }

    /// The numbers of the children of each link, where it has this version.
    pub(super) fn children_of(&self, versions: &[usize]) -> Vec<BTreeSet<usize>> {
        let numbers = |(link, version): (&Link, &usize)| {
            let children = link.versions[*version].iter();
            children.map(|spec| spec.number).collect()
        };
        self.links.iter().zip(versions).map(numbers).collect()
    }

    fn connect(&self, at: usize, link: &Link, end: usize, version: usize) -> Connection {
        let child = |spec: &Spec| {
            let shape = link.shape(spec.number);
            let behind =
                |end: usize| shape.selectors(link.ends[end], end, network(at, spec.number));
            Arc::new(Child {
                name: child_name(spec.number),
                local: behind(end),
                remote: behind(1 - end),
                mode: shape.mode(),
                proposals: vec![spec.esp[end].parse().expect("a proposal")],
                keep: link.keep[end],
                replay_window: spec.window,
                hard_lifetime: spec.hard,
                rekey_after: spec.rekey[end],
                rekey_volume: Volume {
                    packets: spec.volume.map(NonZeroU64::get),
                    ..Volume::default()
                },
                hard_volume: Volume::default(),
                priority: link.priorities.then(|| shape.priority(spec.number)),
                idle: link.idle[end],
                without_sa: link.without_sa[end],
            })
        };
        Connection {
            name: self.connection(at),
            local: self.local(at, end),
            remote: self.remote(at, end),
            proposals: vec![link.ike[end].parse().expect("a proposal")],
            authentication: self.authentication(at),
            children: link.versions[version].iter().map(child).collect(),
            liveness: link.liveness,
            rekey_after: link.rekey[end],
            reauth_after: link.reauth[end],
            unique: link.meeting.unique[end],
            verify_rekey: link.meeting.verify_rekey[end],
        }
    }
}

/// A gateway's address.
#[must_use]
pub(super) fn address(gateway: usize) -> IpAddr {
    let last = u8::try_from(gateway + 1).expect("few gateways");
    IpAddr::from([192, 0, 2, last])
}

/// The gateway with this address.
#[must_use]
pub(super) fn gateway_at(address: IpAddr) -> Option<usize> {
    (0..NAMES.len()).find(|gateway| self::address(*gateway) == address)
}

/// The number of a child's network.
pub(super) const fn network(link: usize, child: usize) -> usize {
    link * 8 + child
}

impl Link {
    /// What a child protects.
    pub(super) const fn shape(&self, child: usize) -> Shape {
        self.shapes[child % self.shapes.len()]
    }
}

/// The number of the child of this name.
pub(super) fn child_number(name: &Name) -> Option<usize> {
    (0..MOST_CHILDREN).find(|number| child_name(*number) == *name)
}

/// What a child is called.
#[must_use]
pub(super) fn child_name(number: usize) -> Name {
    name(&format!("c{number}"))
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: a {:?} life", self.seed, self.kind)?;
        for (at, link) in self.links.iter().enumerate() {
            writeln!(
                f,
                "  {}: keep {:?} / {:?}, ike {} / {}, rekeyed after {:?} / {:?}, authenticated again after {:?} / {:?}, liveness {:?} + {:?}",
                self.connection(at),
                link.keep[0],
                link.keep[1],
                link.ike[0],
                link.ike[1],
                link.rekey[0],
                link.rekey[1],
                link.reauth[0],
                link.reauth[1],
                link.liveness.interval,
                link.liveness.give_up
            )?;
            if link.meeting != Meeting::default() {
                writeln!(f, "    {}", link.meeting)?;
            }
            if (link.idle, link.without_sa, link.priorities) != Default::default() {
                writeln!(
                    f,
                    "    closed after {:?} / {:?} of silence, without SA {:?} / {:?}{}",
                    link.idle[0],
                    link.idle[1],
                    link.without_sa[0],
                    link.without_sa[1],
                    if link.priorities { ", priorities" } else { "" }
                )?;
            }
            for spec in &link.versions[0] {
                writeln!(
                    f,
                    "    {}: {}, esp {} / {}, rekeyed after {:?} / {:?} and {:?} packets, window {}, lifetime {:?}",
                    child_name(spec.number),
                    link.shape(spec.number),
                    spec.esp[0],
                    spec.esp[1],
                    spec.rekey[0],
                    spec.rekey[1],
                    spec.volume,
                    spec.window,
                    spec.hard
                )?;
            }
        }
        writeln!(
            f,
            "  network: {}; kernels take up to {:?}; records: {:?}",
            self.weather, self.slowness, self.records
        )?;
        for (gateway, limits) in self.limits.iter().enumerate() {
            if *limits != Limits::default() {
                writeln!(f, "  {}: {limits:?}", NAMES[gateway])?;
            }
        }
        if self.moves_at > Duration::ZERO {
            writeln!(f, "  names are somebody else's for {:?}", self.moves_at)?;
        }
        for entry in &self.entries {
            let text = self.describe(&entry.what);
            writeln!(f, "  {:10.3} s  {text}", entry.at.as_secs_f64())?;
        }
        write!(f, "  {:10.3} s  quiet", self.ends.as_secs_f64())
    }
}

impl Scenario {
    /// Something that happens, in words.
    #[must_use]
    pub fn describe(&self, what: &What) -> String {
        let of = |link: usize, child: Option<usize>| match child {
            Some(child) => format!("{}/{}", self.connection(link), child_name(child)),
            None => self.connection(link).to_string(),
        };
        let at = |link: usize, end: usize| NAMES[self.links[link].ends[end]];
        match what {
            What::Rekey { link, end, child } => {
                format!("{}: rekey {}", at(*link, *end), of(*link, *child))
            }
            What::Down { link, end, child } => {
                format!("{}: down {}", at(*link, *end), of(*link, *child))
            }
            What::Up { link, end, child } => {
                format!("{}: up {}", at(*link, *end), of(*link, *child))
            }
            What::Reload { link, end, version } => {
                let children: Vec<_> = self.links[*link].versions[*version]
                    .iter()
                    .map(|spec| {
                        format!(
                            "{} ({}, window {})",
                            child_name(spec.number),
                            spec.esp[*end],
                            spec.window
                        )
                    })
                    .collect();
                format!(
                    "{}: reload, {} has {}",
                    at(*link, *end),
                    of(*link, None),
                    children.join(", ")
                )
            }
            What::Restart { gateway, pause } => {
                format!("{}: killed, begins anew after {pause:?}", NAMES[*gateway])
            }
            What::Leave { gateway, pause } => {
                format!(
                    "{}: says goodbye, begins anew after {pause:?}",
                    NAMES[*gateway]
                )
            }
            What::Silence { link, child, time } => {
                format!(
                    "nothing to be sent by {} for {time:?}",
                    of(*link, Some(*child))
                )
            }
            What::Owner {
                gateway,
                trouble,
                time,
            } => format!(
                "{}: the owner of its secrets is {trouble:?} for {time:?}",
                NAMES[*gateway]
            ),
            What::Kill {
                gateway,
                after,
                done,
                pause,
            } => format!(
                "{}: killed after {after} more acts, with {done} steps of what is under way done; goes on after {pause:?}",
                NAMES[*gateway]
            ),
            What::Slow { gateway, by } => {
                format!("{}: its kernel takes up to {by:?}", NAMES[*gateway])
            }
            What::Refuse { gateway, step } => format!(
                "{}: its kernel refuses step {step} of the next installation",
                NAMES[*gateway]
            ),
            What::SoftExpire { link, end, child } => format!(
                "{}: the outbound SA of {} reaches a soft limit",
                at(*link, *end),
                of(*link, Some(*child))
            ),
            What::HardExpire {
                link,
                end,
                child,
                inbound,
            } => format!(
                "{}: its kernel drops the {} SA of {}",
                at(*link, *end),
                if *inbound { "inbound" } else { "outbound" },
                of(*link, Some(*child))
            ),
            What::Deaf { gateway, time } => {
                format!(
                    "{}: the kernel's events are lost for {time:?}",
                    NAMES[*gateway]
                )
            }
            What::Clock { gateway, seconds } => {
                format!(
                    "{}: the wall clock is set by {seconds:+} s",
                    NAMES[*gateway]
                )
            }
            What::Weather(weather) => format!("network: {weather}"),
            What::Cut { link, time } => format!("{} is cut for {time:?}", of(*link, None)),
        }
    }
}
