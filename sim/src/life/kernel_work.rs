//! What a gateway's kernel does for it: one request after the other, taking its time, with packets on every step; and what it
//! says by itself, which may be lost until the daemon compares.

use std::collections::BTreeSet;

use ike::engine::io::{
    Input, KernelAction, KernelEvent, KernelId, KernelRequest, OnFailure, SaReference,
};

use super::{Happening, Life, packets, trace};
use crate::provider;

impl Life<'_> {
    pub(super) fn request(&mut self, gateway: usize, id: KernelId, request: KernelRequest) {
        let now = self.now;
        self.judge_request(gateway, &request);
        let of = &mut self.gateways[gateway];
        let at = now.max(of.busy_until) + of.a_while();
        of.busy_until = at;
        of.requests.push_back((id, request));
        let process = of.process;
        self.at(at, Happening::Apply(gateway, process));
    }

    /// The kernel carries out the next request; packets leave before and after every step of it.
    pub(super) fn apply(&mut self, gateway: usize) {
        let flows = self.flows(gateway);
        let clocks = self.gateways[gateway].clocks(self.now);
        let (now, of) = (self.now, &mut self.gateways[gateway]);
        let Some((id, request)) = of.requests.pop_front() else {
            return;
        };
        let text = self.trace.is_some().then(|| trace::request(&request));
        let installs = request.on_failure == OnFailure::Undo;
        let steps = u64::try_from(request.steps.len()).unwrap_or(u64::MAX);
        let kernel = &mut of.kernel;
        kernel.see(clocks);
        let refused = of.refuse.filter(|_| installs);
        kernel.refuse_step = refused.map(|step| kernel.steps + step % steps.max(1));
        if refused.is_some() {
            of.refuse = None;
        }
        let set = (request.steps.iter()).filter_map(|step| match &step.action {
            KernelAction::SetPolicy(policy) => Some((policy.selector, policy.direction)),
            _ => None,
        });
        let set: BTreeSet<_> = set.collect();
        let stale = std::mem::take(&mut of.stale);
        let deleted: Vec<_> = (request.steps.iter())
            .filter_map(|step| match &step.action {
                KernelAction::DeleteSa(sa) | KernelAction::RetireSa(sa) => Some(*sa),
                _ => None,
            })
            .collect();
        let before: BTreeSet<_> = kernel.sas.keys().copied().collect();
        let mut attempts = packets::attempt(kernel, now, &flows);
        let result = kernel.apply_watched(request, |kernel| {
            attempts.extend(packets::attempt(kernel, now, &flows));
        });
        kernel.refuse_step = None;
        let added = kernel.sas.iter().filter(|(key, _)| !before.contains(key));
        let mut twice = None;
        for ((spi, destination), sa) in added {
            let (spi, destination) = (*spi, *destination);
            of.table.push(SaReference { spi, destination });
            let key = provider::digest(&[sa.encryption_key.as_bytes()]);
            if !sa.inbound && !self.outbound_keys.insert(key) {
                twice = Some(spi);
            }
        }
        of.note_inbound();
        of.table.retain(|sa| !deleted.contains(sa));
        // The first request is the configuration's; what a predecessor left and nobody has taken over goes then.
        for policy in stale.iter().filter(|policy| !set.contains(policy)) {
            of.kernel.policies.remove(policy);
        }
        if let Some(after) = &mut of.flowing_after {
            *after -= 1;
            if *after == 0 {
                of.flowing_after = None;
                of.flowing = self.scenario.children_of(&of.versions);
            }
        }
        let promise = |words: &&String| *words != "an outbound policy has no SA";
        let broken = of.kernel.broken.iter().find(promise).cloned();
        let (process, wait) = (of.process, of.a_while() / 4);
        let done = (self.now + wait).max(of.done_until);
        of.done_until = done;
        if let Some(text) = text {
            self.note(gateway, || text);
        }
        if let Some(words) = broken {
            self.breaks("order", words);
        }
        if let Some(spi) = twice {
            self.breaks("key-twice", format!("the key of {spi:08x} is not new"));
        }
        if refused.is_some() {
            self.may_cost(gateway);
        }
        self.sent_packets(gateway, attempts);
        self.listen(gateway);
        self.at(done, Happening::Done(gateway, process, id, result));
    }

    /// The kernel says something by itself, which may be lost.
    pub(super) fn kernel_says(&mut self, gateway: usize, event: KernelEvent) {
        let of = &mut self.gateways[gateway];
        if let KernelEvent::Expire { sa, hard: true } = &event {
            of.dropped.insert(sa.spi);
        }
        if of.deaf_until.is_some_and(|until| self.now < until) || of.engine.is_none() {
            return;
        }
        if let KernelEvent::Expire { sa, hard: true } = &event {
            of.table.retain(|other| other != sa);
        }
        let (process, wait) = (of.process, of.a_while());
        self.at(self.now + wait, Happening::Says(gateway, process, event));
    }

    /// What the kernel has lost, or has used enough, and nobody heard of.
    pub(super) fn compare(&mut self, gateway: usize) {
        let of = &mut self.gateways[gateway];
        of.deaf_until = None;
        let kernel = &of.kernel;
        let gone = |sa: &mut SaReference| !kernel.sas.contains_key(&(sa.spi, sa.destination));
        let missing: Vec<_> = of.table.extract_if(.., gone).collect();
        for sa in missing {
            self.note(gateway, || format!("kernel: {:08x} is missing", sa.spi));
            self.handle(gateway, Input::KernelEvent(KernelEvent::Missing { sa }));
        }
        for sa in self.gateways[gateway].kernel.dying() {
            let event = KernelEvent::Expire { sa, hard: false };
            self.judge_kernel_event(gateway, &event);
            self.handle(gateway, Input::KernelEvent(event));
        }
    }
}
