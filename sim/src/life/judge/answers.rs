//! What operators are told: whether it is true, and whether it comes in time.
//!
//! ```text
//!   down    done: nothing of it stands, and nothing comes up until somebody says so
//!   up      done: all of it stands
//!   rekey   done: what was in use when it was asked for is not any more
//!   not found: it is not configured, and only then
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ike::config::Name;
use ike::engine::event::{Event, IkeSpis};
use ike::engine::failure::Cause;
use ike::engine::io::{Command, CommandId, Reply};

use super::Wrong;
use super::clocks::At;
use crate::life::Life;
use crate::life::ledger::Spis;
use crate::life::scenario::{child_name, child_number};

/// How long another IKE SA may take to take over what one that ended had.
const SOON: Duration = Duration::from_secs(5);

/// An attempt that `up` waits for may have to wait for its pause, and then for a peer that does not answer.
const UP: Duration = Duration::from_secs(130);
/// A rekeying may be put off for some minutes, a pause at a time.
const REKEY: Duration = Duration::from_secs(60);
/// Goodbyes take three seconds at most.
const SHUTDOWN: Duration = Duration::from_secs(4);

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Up,
    Down,
    Rekey,
}

/// A command without an answer yet.
#[derive(Clone, Debug)]
struct Asked {
    at: Duration,
    kind: Kind,
    link: usize,
    child: Option<usize>,
    /// Whether it is configured.
    is_known: bool,
    /// The Child SAs that were in use.
    before: Vec<Spis>,
    /// How many IKE SAs the gateway had replaced.
    replaced: u64,
    /// How often something was said that changes what is to be.
    version: u64,
}

/// All that was asked.
#[derive(Default)]
pub(in crate::life) struct Answers {
    asked: BTreeMap<(usize, CommandId), Asked>,
    /// How often somebody said, by gateway and link, that something is to be up, or otherwise.
    versions: BTreeMap<(usize, usize), u64>,
    /// What is held down, by gateway and link: `None`, all of it.
    held: BTreeSet<(usize, usize, Option<usize>)>,
    /// IKE SAs that were established though they are not wanted, by gateway.
    unwanted: BTreeSet<(usize, IkeSpis)>,
    /// Answers that are held against what is said together with them.
    given: Vec<(Asked, Reply, String)>,
    /// When one ended last: what it had goes to another one, if there is one, and who waits is told at once.
    ended: BTreeMap<(usize, usize), Duration>,
    /// How many IKE SAs were replaced, by gateway and link.
    replaced: BTreeMap<(usize, usize), u64>,
}

impl Answers {
    pub(super) fn forget(&mut self, gateway: usize) {
        self.goes_on(gateway);
        self.held.retain(|(at, ..)| *at != gateway);
    }

    /// Who asked has hung up; what is held down stays so.
    pub(super) fn goes_on(&mut self, gateway: usize) {
        self.asked.retain(|(at, _), _| *at != gateway);
        for ((at, _), version) in &mut self.versions {
            *version += u64::from(*at == gateway);
        }
    }

    /// Another configuration: children that are not as they were are held down no more.
    pub(in crate::life) fn is_configured(
        &mut self,
        gateway: usize,
        link: usize,
        is_changed: impl Fn(usize) -> bool,
    ) {
        *self.versions.entry((gateway, link)).or_default() += 1;
        self.held.retain(|(at, of, child)| {
            (*at, *of) != (gateway, link) || !child.is_some_and(&is_changed)
        });
    }

    /// Whether what comes up may.
    pub(super) fn event(&mut self, at: At<'_>, event: &Event) -> Wrong {
        let (connection, child): (&Name, Option<&Name>) = match event {
            Event::ChildUp {
                connection, child, ..
            }
            | Event::ChildRekeyed {
                connection, child, ..
            } => (connection, Some(child)),
            Event::IkeSaEstablished {
                connection, spis, ..
            } => {
                // One that the peer has made is closed as soon as it stands.
                let link = at.link(connection)?;
                if self.held.contains(&(at.gateway, link, None)) {
                    self.unwanted.insert((at.gateway, *spis));
                }
                return None;
            }
            Event::IkeSaRekeyed { connection, .. } => {
                let link = at.link(connection)?;
                *self.replaced.entry((at.gateway, link)).or_default() += 1;
                (connection, None)
            }
            Event::IkeSaClosed {
                connection, spis, ..
            } => {
                self.unwanted.remove(&(at.gateway, *spis));
                self.ended
                    .insert((at.gateway, at.link(connection)?), at.now);
                return None;
            }
            _ => return None,
        };
        let link = at.link(connection)?;
        let number = child.and_then(child_number);
        let is_held = |which| self.held.contains(&(at.gateway, link, which));
        let held = is_held(None) || number.is_some_and(|number| is_held(Some(number)));
        held.then(|| {
            (
                "command",
                format!("{connection} was taken down, and then: {}", event.name()),
            )
        })
    }

    /// A command that should have been answered.
    pub(super) fn late(&self, now: Duration, calm: &[Duration], patience: Duration) -> Wrong {
        let is_late = |(_, asked): &(&(usize, CommandId), &Asked)| {
            let more = match asked.kind {
                Kind::Up => UP,
                Kind::Rekey => REKEY,
                Kind::Down => Duration::ZERO,
            };
            asked.at.max(calm[asked.link]) + patience + more < now
        };
        let (_, asked) = self.asked.iter().find(is_late)?;
        let text = format!(
            "{:?}, asked for at {:?}, is not answered",
            asked.kind, asked.at
        );
        Some(("late", text))
    }
}

impl Life<'_> {
    /// An operator asks a gateway for something.
    pub(in crate::life) fn command(&mut self, gateway: usize, command: Command) {
        let of = &mut self.gateways[gateway];
        if of.engine.is_none() {
            return;
        }
        of.last_command += 1;
        let id = CommandId(of.last_command);
        of.asked.insert(id, format!("{command:?}"));
        self.note_command(gateway, id, &command);
        self.handle(gateway, ike::engine::io::Input::Command(id, command));
    }

    fn note_command(&mut self, gateway: usize, id: CommandId, command: &Command) {
        let (kind, connection, child) = match command {
            Command::Up { connection, child } => (Kind::Up, connection, child),
            Command::Down { connection, child } => (Kind::Down, connection, child),
            Command::Rekey { connection, child } => (Kind::Rekey, connection, child),
            _ => return,
        };
        let Some(link) = self.scenario.link_called(connection) else {
            return;
        };
        let child = child.as_ref().and_then(child_number);
        let version = self.gateways[gateway].versions[link];
        let mut specs = self.scenario.links[link].versions[version].iter();
        let is_known = child.is_none_or(|child| specs.any(|spec| spec.number == child));
        let answers = &mut self.judge.answers;
        let versions = answers.versions.entry((gateway, link)).or_default();
        if kind != Kind::Rekey && is_known {
            *versions += 1;
        }
        let asked = Asked {
            at: self.now,
            kind,
            link,
            child,
            is_known,
            before: child.map_or_else(Vec::new, |child| {
                self.ledger.current(gateway, (link, child)).to_vec()
            }),
            replaced: answers.replaced.get(&(gateway, link)).copied().unwrap_or(0),
            version: *versions,
        };
        answers.asked.insert((gateway, id), asked);
        match kind {
            Kind::Up if is_known => {
                answers.held.remove(&(gateway, link, None));
                answers.held.retain(|(at, of, held)| {
                    (*at, *of) != (gateway, link) || child.is_some() && *held != child
                });
                self.judge.attempts.begins_anew(gateway, link);
            }
            Kind::Down => self.judge.attempts.begins_anew(gateway, link),
            Kind::Rekey => (self.judge.clocks).is_asked_for(self.now, gateway, link, child),
            Kind::Up => {}
        }
    }

    /// A gateway answers.
    pub(in crate::life) fn reply(&mut self, gateway: usize, id: CommandId, reply: Reply) {
        let name = self.gateways[gateway].name;
        let Some(asked) = self.gateways[gateway].asked.remove(&id) else {
            return self.breaks("command", format!("{name}: {id:?} was answered twice"));
        };
        self.note(gateway, || {
            let reply = match &reply {
                Reply::Done => "done".to_owned(),
                Reply::Failed(failure) => format!("failed: {}", failure.cause.code().name()),
                Reply::NotFound { .. } => "not found".to_owned(),
                Reply::Snapshot(_) => "list".to_owned(),
            };
            format!("{asked}: {reply}")
        });
        if let Some(known) = self.judge.answers.asked.remove(&(gateway, id)) {
            self.judge.answers.given.push((known, reply, asked));
        } else if let Some(text) = self.is_not_clean(gateway) {
            self.breaks("command", format!("{name}: {asked}: {text}"));
        }
    }

    /// A gateway has said all that it had to say: whether that fits together.
    pub(in crate::life) fn has_spoken(&mut self, gateway: usize) {
        let name = self.gateways[gateway].name;
        for (known, reply, asked) in std::mem::take(&mut self.judge.answers.given) {
            let wrong = self.is_untrue(gateway, &known, &reply);
            self.sentence(wrong.map(|text| ("command", format!("{name}: {asked}: {text}"))));
        }
        if let Some((_, spis)) = self.judge.answers.unwanted.pop_first() {
            let text = format!(
                "{name}: the IKE SA {} stands, and it was taken down",
                spis.initiator
            );
            self.breaks("command", text);
        }
    }

    /// What is not as an answer says.
    fn is_untrue(&mut self, gateway: usize, asked: &Asked, reply: &Reply) -> Option<String> {
        let Asked { link, child, .. } = *asked;
        let not_found = matches!(reply, Reply::NotFound { .. });
        if not_found == asked.is_known {
            return Some(format!("{reply:?}"));
        }
        let said = self.judge.answers.versions.get(&(gateway, link));
        let is_last = said.is_none_or(|said| *said == asked.version);
        let children: Vec<usize> = match child {
            Some(child) => vec![child],
            None => (0..8).collect(),
        };
        let ended = self.judge.answers.ended.get(&(gateway, link));
        let has_ended = ended.is_some_and(|ended| *ended >= asked.at);
        let is_changing = ended.is_some_and(|ended| *ended + SOON >= asked.at);
        let stands = |child: &usize| !self.ledger.current(gateway, (link, *child)).is_empty();
        match (asked.kind, reply) {
            (Kind::Down, Reply::Done) if is_last => {
                if let Some(child) = children.iter().find(|child| stands(child)) {
                    return Some(format!("{} stands", child_name(*child)));
                }
                self.judge.answers.held.insert((gateway, link, child));
                let far = self.scenario.links[link]
                    .ends
                    .map(|end| self.gateways[end].address);
                let sas = self.gateways[gateway].kernel.sas.values();
                let mut left =
                    sas.filter(|sa| far.contains(&sa.source) && far.contains(&sa.destination));
                // Another connection between the same ends may have one.
                let twins = self.scenario.links.iter().any(|of| of.meeting.is_twin);
                let left = left.next().filter(|_| child.is_none() && !twins)?;
                Some(format!("{:08x} is in the kernel", left.spi))
            }
            (Kind::Up, Reply::Done) if is_last && !has_ended => {
                let configured = &self.gateways[gateway].versions;
                let configured = &self.scenario.children_of(configured)[link];
                let mut missing = children
                    .iter()
                    .filter(|child| configured.contains(child) && !stands(child));
                let missing = missing.next()?;
                Some(format!("{} does not stand", child_name(*missing)))
            }
            (Kind::Rekey, Reply::Done) if !has_ended => {
                let still = |spis: &Spis| {
                    self.ledger
                        .current(gateway, (link, child.unwrap_or(0)))
                        .contains(spis)
                };
                let replaced = self.judge.answers.replaced.get(&(gateway, link)).copied();
                match child {
                    Some(_) => {
                        let all = !asked.before.is_empty() && asked.before.iter().all(still);
                        all.then(|| "what was in use still is".to_owned())
                    }
                    None => (replaced.unwrap_or(0) == asked.replaced)
                        .then(|| "the IKE SA is the one that it was".to_owned()),
                }
            }
            // While another IKE SA takes over, none is in use for a moment.
            (Kind::Rekey, Reply::Failed(failure))
                if failure.cause == Cause::NotUp && !is_changing =>
            {
                let kernel = &self.gateways[gateway].kernel.sas;
                let has = |spi: u32| kernel.keys().any(|(held, _)| *held == spi);
                let stood = !asked.before.is_empty()
                    && asked.before.iter().all(|spis| {
                        let child = child.unwrap_or(0);
                        let current = self.ledger.current(gateway, (link, child));
                        current.contains(spis) && has(spis.0) && has(spis.1)
                    });
                stood.then(|| "it is said not to be up".to_owned())
            }
            (Kind::Down, Reply::Failed(_)) => Some("it failed".to_owned()),
            _ => None,
        }
    }

    /// What a shutdown has left.
    fn is_not_clean(&self, gateway: usize) -> Option<String> {
        let kernel = &self.gateways[gateway].kernel;
        let left = (kernel.sas.len(), kernel.policies.len());
        (left != (0, 0)).then(|| format!("{left:?} in the kernel"))
    }
}

impl Life<'_> {
    /// Waits for goodbyes, which do not take long.
    pub(in crate::life) fn goodbyes_are_said(&mut self) {
        let said = self.run_until(self.now + SHUTDOWN, |life| {
            life.gateways.iter().all(|of| of.asked.is_empty())
        });
        if !said {
            self.breaks("late", "a shutdown is not answered".to_owned());
        }
    }
}
