//! What happens to the gateways of a life: operators, kernels, clocks and the network, as the scenario has it.

use ike::config::{Configuration, Name};
use ike::engine::io::{Command, Input, KernelEvent, SaReference};

use super::gateway::Doom;
use super::owner::Outage;
use super::scenario::{Records, What, child_name};
use super::{EVERY, Happening, Life};

impl Life<'_> {
    /// A gateway's process begins: what one before it has left in the kernel goes, as the daemon has it.
    pub(super) fn start(&mut self, gateway: usize) {
        self.note(gateway, || "begins".to_owned());
        self.judge_begins(gateway);
        let of = &mut self.gateways[gateway];
        of.begin(self.now);
        of.reconfigures = false;
        let left: Vec<_> = of.kernel.sas.keys().copied().collect();
        for (spi, destination) in left {
            of.kernel.lose(SaReference { spi, destination });
        }
        of.stale = of.kernel.policies.keys().copied().collect();
        self.configure(gateway);
    }

    /// The process gets its configuration, at first or anew.
    pub(super) fn configure(&mut self, gateway: usize) {
        let configuration = self.configuration(gateway);
        self.handle(gateway, Input::Configured(Box::new(configuration)));
        self.flows_when_done(gateway);
    }

    /// What is configured now. Nothing flows any more of children that are not.
    pub(super) fn configuration(&mut self, gateway: usize) -> Configuration {
        let of = &mut self.gateways[gateway];
        let children = self.scenario.children_of(&of.versions);
        for (flowing, children) in of.flowing.iter_mut().zip(&children) {
            flowing.retain(|child| children.contains(child));
        }
        self.scenario.configuration(gateway, &of.versions)
    }

    /// Packets of the children that are configured flow when their policies are in the kernel: when that has done all that it
    /// was asked, or will be as soon as records are stored.
    pub(super) fn flows_when_done(&mut self, gateway: usize) {
        let of = &mut self.gateways[gateway];
        // Where there is no process, or it was killed over it, the next one has it.
        if of.engine.is_none() || of.records == Records::Slowly && !of.unstored.is_empty() {
            of.reconfigures = true;
            of.flowing_after = None;
            return;
        }
        of.reconfigures = false;
        if of.requests.is_empty() {
            of.flowing = self.scenario.children_of(&of.versions);
        } else {
            of.flowing_after = Some(of.requests.len());
        }
    }

    fn named(&self, link: usize, child: Option<usize>) -> (Name, Option<Name>) {
        (self.scenario.connection(link), child.map(child_name))
    }

    /// Something happens.
    pub(super) fn entry(&mut self, number: usize) {
        let what = self.scenario.entries[number].what.clone();
        let text = self.scenario.describe(&what);
        let of = |link: usize, end: usize| self.scenario.links[link].ends[end];
        self.note(0, || format!("--- {text}"));
        self.is_disturbed(&what);
        match what {
            What::Rekey { link, end, child } => {
                let (connection, child) = self.named(link, child);
                self.command(of(link, end), Command::Rekey { connection, child });
            }
            What::Down { link, end, child } => {
                self.taken_down.insert((link, end));
                self.ledger.disarm(|(other, number)| {
                    *other == link && child.is_none_or(|child| child == *number)
                });
                let (connection, child) = self.named(link, child);
                self.command(of(link, end), Command::Down { connection, child });
            }
            What::Up { link, end, child } => {
                let (connection, child) = self.named(link, child);
                self.command(of(link, end), Command::Up { connection, child });
            }
            What::Reload { link, end, version } => self.reload(link, end, version),
            What::Restart { gateway, pause } => {
                if self.gateways[gateway].engine.is_none() {
                    return;
                }
                self.may_cost(gateway);
                self.ledger.forget(gateway);
                self.gateways[gateway].kill(self.now);
                self.at(self.now + pause, Happening::Start(gateway));
            }
            What::Leave { gateway, pause } => self.leave(gateway, pause),
            What::Silence { link, child, time } => self.be_silent((link, child), time),
            What::Owner {
                gateway,
                trouble,
                time,
            } => {
                let until = self.now + time;
                self.gateways[gateway].outage = Some(Outage { trouble, until });
            }
            What::Kill {
                gateway,
                after,
                done,
                pause,
            } => self.doom(gateway, Doom { after, done, pause }),
            What::Slow { gateway, by } => self.gateways[gateway].slowness = by,
            What::Refuse { gateway, step } => self.gateways[gateway].refuse = Some(step),
            What::SoftExpire { link, end, child } => {
                if let Some((_, outbound)) = self.sas_of(link, end, child) {
                    let hard = false;
                    let event = KernelEvent::Expire { sa: outbound, hard };
                    self.kernel_says(of(link, end), event);
                }
            }
            What::HardExpire {
                link,
                end,
                child,
                inbound,
            } => {
                if let Some(sas) = self.sas_of(link, end, child) {
                    let sa = if inbound { sas.0 } else { sas.1 };
                    self.ledger.disarm(|key| *key == (link, child));
                    self.gateways[of(link, end)].kernel.lose(sa);
                    self.kernel_says(of(link, end), KernelEvent::Expire { sa, hard: true });
                }
            }
            What::Deaf { gateway, time } => {
                let until = self.now + time;
                let process = self.gateways[gateway].process;
                self.gateways[gateway].deaf_until = Some(until);
                self.gateways[gateway].hears_again = until;
                self.at(until, Happening::Compare(gateway, process));
            }
            What::Clock { gateway, seconds } => self.gateways[gateway].clock += seconds,
            What::Weather(weather) => self.weather = weather,
            What::Cut { link, time } => self.cut_until[link] = self.now + time,
        }
    }

    /// One end gets other children. Those that stay as they are must not notice.
    pub(super) fn reload(&mut self, link: usize, end: usize, version: usize) {
        let of = &self.scenario.links[link];
        let gateway = of.ends[end];
        let before = &of.versions[self.gateways[gateway].versions[link]];
        let after = &of.versions[version];
        let is_changed = |number: usize| {
            let spec = |children: &[super::scenario::Spec]| {
                let mut children = children.iter();
                children.find(|spec| spec.number == number).cloned()
            };
            spec(before) != spec(after)
        };
        (self.ledger).disarm(|(other, number)| *other == link && is_changed(*number));
        (self.judge.answers).is_configured(gateway, link, is_changed);
        self.gateways[gateway].versions[link] = version;
        // Who is saying goodbye takes nothing up any more. The next process does.
        if !self.gateways[gateway].leaves {
            self.configure(gateway);
        }
    }

    /// The SAs of a child at one end, inbound and outbound, if it is up there.
    fn sas_of(&self, link: usize, end: usize, child: usize) -> Option<(SaReference, SaReference)> {
        let ends = self.scenario.links[link].ends;
        let current = self.ledger.current(ends[end], (link, child));
        let (spi_in, spi_out) = *current.last()?;
        let of = |spi, gateway: usize| SaReference {
            spi,
            destination: self.gateways[gateway].address,
        };
        Some((of(spi_in, ends[end]), of(spi_out, ends[1 - end])))
    }

    /// A packet of every flow, and a look of every kernel at its clock.
    pub(super) fn traffic(&mut self) {
        for gateway in 0..self.gateways.len() {
            self.listen(gateway);
        }
        self.arm();
        for gateway in 0..self.gateways.len() {
            self.send_packets(gateway);
        }
        self.judge_time();
        self.at(self.now + EVERY, Happening::Traffic);
    }

    /// What a kernel has to say since it was asked last. One that has dropped an SA by itself costs packets.
    pub(super) fn listen(&mut self, gateway: usize) {
        let clocks = self.gateways[gateway].clocks(self.now);
        for event in self.gateways[gateway].kernel.hear(clocks) {
            if matches!(event, KernelEvent::Expire { hard: true, .. }) {
                self.may_cost(gateway);
            }
            self.kernel_says(gateway, event);
        }
    }

    /// From now on no packet may be lost of children that both ends have, where nothing else is under way.
    pub(super) fn arm(&mut self) {
        let links = self.scenario.links.iter().enumerate();
        for (link, of) in links {
            if !of.ends.iter().all(|gateway| self.is_calm(*gateway)) {
                continue;
            }
            let [one, other] = of.ends.map(|gateway| &self.gateways[gateway].flowing[link]);
            for child in one.intersection(other) {
                let key = (link, *child);
                let held = |sa: SaReference| {
                    let key = (sa.spi, sa.destination);
                    let holds =
                        |gateway: &usize| self.gateways[*gateway].kernel.sas.contains_key(&key);
                    of.ends.iter().all(holds)
                };
                let sas = self.sas_of(link, 0, *child);
                let held = sas.is_some_and(|(inbound, outbound)| held(inbound) && held(outbound));
                let held = held && self.is_loud(key);
                if held && self.ledger.agrees(of.ends, key) {
                    self.ledger.armed.entry(key).or_insert(self.now);
                }
            }
        }
    }

    /// Whether a gateway has the IKE SAs that it should have, and nothing else to do.
    fn is_calm(&self, gateway: usize) -> bool {
        let of = &self.gateways[gateway];
        let Some(engine) = &of.engine else {
            return false;
        };
        let kept = engine.kept();
        kept.ike_sas == self.links_of(gateway)
            && (kept.half_open, kept.questions, kept.kernel_requests) == (0, 0, 0)
            && of.flowing_after.is_none()
    }

    /// How many connections a gateway has.
    pub(super) fn links_of(&self, gateway: usize) -> usize {
        let links = self.scenario.links.iter();
        links.filter(|link| link.ends.contains(&gateway)).count()
    }
}
