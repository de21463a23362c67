//! Whether the fake kernel is like the real one: one list of what is done to a kernel and what must come of it, for both.
//!
//! ```text
//!                  .-- Fake: FakeKernel and a clock ------------------------ sim/tests/kernel_list.rs
//!   Scenario* --> run
//!                  '-- Real: the daemon's owner of the kernel, XFRM, and ---- integration: e2e::kernel_list
//!                            packets on a wire
//! ```
//!
//! A [`Scenario`] begins with an empty SAD and SPD, and is told in the engine's own terms: its requests
//! ([`KernelRequest`]), packets that are sent from here or come in, time that passes, and after each what is to be seen. What
//! a kernel shows otherwise is a mistake of the fake one, of the owner of the real one, or of the list.
//!
//! Of what a kernel does, the list has what the daemon asks of it: ESP, neither marks nor interface identifiers, nor soft
//! lifetimes in seconds, which the engine keeps by itself.

mod fake;
mod lifetimes;
mod policies;
mod sas;
mod setting;
mod traps;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use ike::engine::io::{
    Direction, KernelAction, KernelEvent, KernelFailure, KernelRequest, KernelStep, OnFailure,
    SaInstall, SaReference, SaUse,
};

use crate::node::Jump;

pub use fake::Fake;
pub use setting::{
    DATA, FAR, FAR_2, FAR_V6, HERE, NEAR, NEAR_2, NEAR_V6, NEIGHBOUR, NEIGHBOUR_SOLICITATION, THERE,
};

/// What one step after the other does to a kernel, and what must come of it.
#[derive(Debug)]
pub struct Scenario {
    /// What it shows.
    pub name: &'static str,
    /// First to last.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// Whether it is for a kernel whose clock may be set.
    #[must_use]
    pub fn sets_the_clock(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::ClockIsSet(_)))
    }
}

/// A step, and what must come of it.
#[derive(Debug)]
pub enum Step {
    /// A request is carried out.
    Does(KernelRequest),
    /// A request is refused: which message, with which error.
    IsRefused(KernelRequest, &'static str, &'static str),
    /// An outbound SA is added that names the ACQUIRE that was heard last.
    Answers(Box<SaInstall>),
    /// A packet is sent from here.
    Sends(Parcel, Sent),
    /// A packet comes in: in clear, or by this SA.
    ComesIn(Parcel, Option<Box<SaInstall>>, Received),
    /// This has been said since the last such step, and nothing else.
    Hears(Vec<Heard>),
    /// So long it goes on.
    Passes(Duration),
    /// So long it goes on that what stands in the place of an SA that was asked for (the larval SA) is gone.
    LarvalLifeEnds,
    /// A second of the wall clock begins.
    ASecondBegins,
    /// The wall clock is set.
    ClockIsSet(Jump),
    /// The kernel holds these SAs, with so many packets each, and policies with these indexes.
    Holds(Vec<(SaReference, u64)>, Vec<u32>),
    /// Asked about SAs, it tells how many packets each has carried.
    Tells(Vec<SaReference>, Vec<(SaReference, u64)>),
}

/// A packet: 1000 bytes with its IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// Its protocol and ports, source first; of ICMP, type and code.
    pub carries: (u8, u16, u16),
}

/// What became of a packet that was to go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It went in clear.
    Clear,
    /// A policy dropped it (XfrmOutPolBlock).
    Blocked,
    /// A policy protects it, and there is no SA: it was dropped (XfrmOutNoStates).
    NoSa,
    /// Its SA had carried all that it may: it was dropped (XfrmOutStateExpired).
    UsedUp,
    /// It went by this SA.
    By(SaReference),
    /// Something else, which no kernel should show.
    Otherwise(String),
}

/// What became of a packet that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Whoever it was for has it.
    Accepted,
    /// There is no such SA (XfrmInNoStates).
    NoSa,
    /// Its SA had carried all that it may (XfrmInStateExpired).
    UsedUp,
    /// It came by a tunnel, and no policy says that it may (XfrmInNoPols).
    NoPolicy,
    /// Its policy wants it to come by another SA, or in clear (XfrmInTmplMismatch).
    WrongSa,
    /// A policy dropped it (XfrmInPolBlock).
    Blocked,
    /// Something else, which no kernel should show.
    Otherwise(String),
}

/// What a kernel says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heard {
    /// An SA is about to reach a lifetime.
    Soft(SaReference),
    /// An SA has reached a lifetime and is gone.
    Hard(SaReference),
    /// A packet waits for an SA with this reqid.
    Acquire {
        /// As in the policy.
        reqid: u32,
        /// The packet's source.
        source: IpAddr,
        /// The packet's destination.
        destination: IpAddr,
    },
}

/// A kernel that the list is held against. An error: it could not be tried, for this reason.
pub trait Kernel {
    /// Carries out a request.
    fn request(&mut self, request: KernelRequest) -> Result<Result<(), KernelFailure>, String>;
    /// Sends a packet from here.
    fn send(&mut self, parcel: &Parcel) -> Result<Sent, String>;
    /// Has a packet come in.
    fn receive(&mut self, parcel: &Parcel, by: Option<&SaInstall>) -> Result<Received, String>;
    /// What it has said since it was asked last; somebody expects so much.
    fn hear(&mut self, expected: usize) -> Result<Vec<KernelEvent>, String>;
    /// Time passes.
    fn pass(&mut self, time: Duration) -> Result<(), String>;
    /// So much time that a larval SA is gone.
    fn pass_a_larval_life(&mut self) -> Result<(), String>;
    /// Time passes until a second of the wall clock begins.
    fn begin_a_second(&mut self) -> Result<(), String>;
    /// Sets the wall clock.
    fn set_clock(&mut self, jump: Jump) -> Result<(), String>;
    /// The SAs that are not larval, with the packets of each, and the indexes of the policies.
    #[expect(clippy::type_complexity, reason = "as in Step::Holds")]
    fn contents(&mut self) -> Result<(Vec<(SaReference, u64)>, Vec<u32>), String>;
    /// What SAs have carried.
    fn uses(&mut self, sas: &[SaReference]) -> Result<Vec<SaUse>, String>;
}

/// The list.
#[must_use]
pub fn scenarios() -> Vec<Scenario> {
    let mut all = sas::scenarios();
    all.extend(policies::scenarios());
    all.extend(traps::scenarios());
    all.extend(lifetimes::scenarios());
    all
}

/// Tries a scenario.
///
/// # Errors
/// The first step of which something else came, in words; or that could not be tried.
pub fn run(scenario: Scenario, kernel: &mut impl Kernel) -> Result<(), String> {
    let mut acquired = None;
    for (number, step) in scenario.steps.into_iter().enumerate() {
        let told = format!("step {}: {}", number + 1, brief(&step));
        take(step, kernel, &mut acquired).map_err(|words| format!("{told}\n  {words}"))?;
    }
    let nothing = take(Step::Hears(Vec::new()), kernel, &mut acquired);
    nothing.map_err(|words| format!("at the end\n  {words}"))
}

/// Takes a step; `acquired` is the sequence number of the last ACQUIRE.
fn take(
    step: Step,
    kernel: &mut impl Kernel,
    acquired: &mut Option<NonZeroU32>,
) -> Result<(), String> {
    match step {
        Step::Does(request) => same(kernel.request(request)?, Ok(())),
        Step::IsRefused(request, operation, errno) => {
            let refused = kernel.request(request)?.err();
            let refused = refused.as_ref();
            same(
                refused.map(|failure| (failure.operation, failure.errno.as_str())),
                Some((operation, errno)),
            )
        }
        Step::Answers(mut sa) => {
            sa.answers = Some(acquired.take().ok_or("no ACQUIRE was heard")?);
            same(kernel.request(setting::add(*sa))?, Ok(()))
        }
        Step::Sends(parcel, sent) => same(kernel.send(&parcel)?, sent),
        Step::ComesIn(parcel, by, received) => {
            same(kernel.receive(&parcel, by.as_deref())?, received)
        }
        Step::Hears(mut expected) => {
            let events = kernel.hear(expected.len())?;
            let last = events.iter().rev().find_map(|event| match event {
                KernelEvent::Acquire(acquire) => Some(acquire.sequence),
                _ => None,
            });
            *acquired = last.or(*acquired);
            let mut heard = events
                .iter()
                .map(heard)
                .collect::<Result<Vec<_>, String>>()?;
            heard.sort();
            expected.sort();
            same(heard, expected)
        }
        Step::Passes(time) => kernel.pass(time),
        Step::LarvalLifeEnds => kernel.pass_a_larval_life(),
        Step::ASecondBegins => kernel.begin_a_second(),
        Step::ClockIsSet(jump) => kernel.set_clock(jump),
        Step::Holds(mut sas, mut policies) => {
            sas.sort();
            policies.sort_unstable();
            let (mut held_sas, mut held_policies) = kernel.contents()?;
            held_sas.sort();
            held_policies.sort_unstable();
            same((held_sas, held_policies), (sas, policies))
        }
        Step::Tells(asked, expected) => {
            let told = kernel.uses(&asked)?;
            let told: Vec<_> = told.iter().map(|one| (one.sa, one.packets)).collect();
            same(told, expected)
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("expected {expected:x?}\n  found    {found:x?}"))
}

fn heard(event: &KernelEvent) -> Result<Heard, String> {
    match event {
        KernelEvent::Expire { sa, hard: false } => Ok(Heard::Soft(*sa)),
        KernelEvent::Expire { sa, hard: true } => Ok(Heard::Hard(*sa)),
        KernelEvent::Acquire(acquire) => {
            let packet = acquire.packet.ok_or("an ACQUIRE without its packet")?;
            Ok(Heard::Acquire {
                reqid: acquire.reqid,
                source: packet.local.addresses.start(),
                destination: packet.remote.addresses.start(),
            })
        }
        KernelEvent::Missing { sa } => Err(format!("{:08x} is missing", sa.spi)),
    }
}

/// A step in a few words, without keys.
fn brief(step: &Step) -> String {
    let actions = |request: &KernelRequest| {
        let words = request.steps.iter().map(|step| match &step.action {
            KernelAction::AddSa(sa) => format!("add SA {:08x}", sa.spi),
            KernelAction::DeleteSa(sa) => format!("delete SA {:08x}", sa.spi),
            KernelAction::RetireSa(sa) => format!("retire SA {:08x}", sa.spi),
            KernelAction::SetPolicy(policy) => {
                format!("set policy {:x} to {:x?}", policy.index, policy.action)
            }
            KernelAction::DeletePolicy { index, .. } => format!("delete policy {index:x}"),
        });
        words.collect::<Vec<_>>().join(", ")
    };
    match step {
        Step::Does(request) | Step::IsRefused(request, ..) => actions(request),
        Step::Answers(sa) => format!("add SA {:08x}, which answers the ACQUIRE", sa.spi),
        Step::Sends(parcel, _) => format!("send {parcel:?}"),
        Step::ComesIn(parcel, by, _) => {
            let by = match by {
                Some(sa) => format!("by SA {:08x}", sa.spi),
                None => "in clear".to_owned(),
            };
            format!("receive {parcel:?} {by}")
        }
        other => format!("{other:x?}"),
    }
}

/// A request of these steps without anything to undo them.
fn all_or_nothing(actions: Vec<KernelAction>) -> KernelRequest {
    request(actions, OnFailure::Undo)
}

fn request(actions: Vec<KernelAction>, on_failure: OnFailure) -> KernelRequest {
    let step = |action| KernelStep { action, undo: None };
    KernelRequest {
        steps: actions.into_iter().map(step).collect(),
        on_failure,
    }
}

/// The kernel's number of a direction, in a policy's index.
const fn number(direction: Direction) -> u32 {
    match direction {
        Direction::In => 0,
        Direction::Out => 1,
        Direction::Forward => 2,
    }
}
