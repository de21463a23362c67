//! The task: work in order, events as they come, and repair where events were lost.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use ike::engine::io::{KernelEvent, SaReference};
use tokio::sync::mpsc;
use tokio::time::Instant;
use xfrm_sys::{Event, Events, PolicyState, Protocol, SaState, Xfrm, XfrmError};

use super::acquire;
use super::owned::{is_our_policy, is_our_sa};
use super::requests::gone_is_fine;
use super::table::Table;
use super::{Removed, Report, Work};

/// Pause before a broken listening socket is opened anew.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// How long an outbound SA stays that a newer one has taken the place of: longer than the kernel has a packet in hand. No
/// longer than that, for the kernel may still choose it: its age counts in whole seconds of the wall clock, and among equals
/// it takes the one that it finds first, which need not be the newer one once its hash table has grown.
const RETIREMENT: Duration = Duration::from_millis(25);

/// The owner of our SAs and policies.
pub(super) struct Worker {
    pub(super) xfrm: Xfrm,
    pub(super) table: Table,
    /// Whether policies of a predecessor may be in the kernel.
    pub(super) predecessors: bool,
    reports: mpsc::UnboundedSender<Report>,
    /// SAs that are to be deleted, and when; in order.
    retiring: VecDeque<(Instant, SaReference)>,
}

impl Worker {
    pub(super) fn new(xfrm: Xfrm, reports: mpsc::UnboundedSender<Report>) -> Self {
        Self {
            xfrm,
            table: Table::default(),
            predecessors: true,
            reports,
            retiring: VecDeque::new(),
        }
    }

    /// Has an SA deleted that packets no longer go out by.
    pub(super) fn retire_soon(&mut self, sa: SaReference) {
        self.retiring.push_back((Instant::now() + RETIREMENT, sa));
    }

    /// Deletes the SAs whose time has come.
    async fn retire(&mut self) {
        let now = Instant::now();
        while let Some((at, sa)) = self.retiring.front().copied()
            && at <= now
        {
            self.retiring.pop_front();
            self.delete_retired(sa).await;
        }
    }

    /// Works until nobody has work any more.
    pub(super) async fn run(
        mut self,
        mut queue: mpsc::UnboundedReceiver<Work>,
        mut events: Events,
    ) {
        loop {
            let next = self.retiring.front().map(|(at, _)| *at);
            tokio::select! {
                () = until(next) => self.retire().await,
                work = queue.recv() => match work {
                    Some(work) => self.work(work).await,
                    None => return,
                },
                event = events.next() => match event {
                    Ok(event) => self.event(event).await,
                    Err(error) => events = self.listen_again(error).await,
                },
            }
        }
    }

    async fn work(&mut self, work: Work) {
        match work {
            Work::Request(id, request) => {
                let outcome = self.request(request).await;
                self.report(Report::Done(id, outcome));
            }
            Work::Look(id, sas) => {
                let uses = self.uses(&sas).await;
                self.report(Report::Use(id, uses));
            }
            Work::Sweep(reply) => {
                self.sweep().await;
                let _ = reply.send(());
            }
            Work::Clean(reply) => {
                let removed = self.clean().await;
                let _ = reply.send(removed);
            }
        }
    }

    async fn event(&mut self, event: Event) {
        match event {
            Event::Expire { sa, hard } if sa.id.protocol == Protocol::Esp => {
                let reference = reference(&sa);
                if self.table.has_sa(reference) {
                    if hard {
                        self.table.remove_sa(reference);
                    }
                    self.report(Report::Event(KernelEvent::Expire {
                        sa: reference,
                        hard,
                    }));
                }
            }
            Event::Overrun | Event::Malformed { .. } => self.repair().await,
            Event::Acquire(event) => {
                if let Some(asked) = acquire::told(&event) {
                    self.report(Report::Event(KernelEvent::Acquire(asked)));
                }
            }
            // Address changes are not there yet; other people's SAs are none of our business.
            Event::Expire { .. }
            | Event::PolicyExpire { .. }
            | Event::Mapping(_)
            | Event::Migrate(_) => {}
        }
    }

    /// The listening socket broke: another one, and a look at what was missed.
    async fn listen_again(&mut self, error: XfrmError) -> Events {
        self.trouble(format!(
            "the kernel's events cannot be heard, trying again: {error}"
        ));
        loop {
            tokio::time::sleep(REOPEN_PAUSE).await;
            if let Ok(events) = Events::open() {
                self.repair().await;
                return events;
            }
        }
    }

    /// Compares what we own with what there is, and puts it right.
    async fn repair(&mut self) {
        let (sas, policies) = match (self.xfrm.list_sas().await, self.xfrm.list_policies().await) {
            (Ok(sas), Ok(policies)) => (sas, policies),
            (Err(error), _) | (_, Err(error)) => {
                return self.trouble(format!("cannot compare with the kernel: {error}"));
            }
        };
        let missing_sas = self.tell_missing(&sas);
        self.tell_waiting(&sas);
        self.tell_dying(&sas);
        let repaired = self.reinstall(&policies).await;
        let removed = Removed {
            sas: self.remove_stale_sas(&sas).await,
            policies: self.remove_stale_policies(&policies).await,
        };
        self.report(Report::Repaired {
            missing_sas,
            policies: repaired,
            removed,
        });
    }

    fn tell_missing(&mut self, sas: &[SaState]) -> usize {
        let there: HashSet<_> = sas.iter().map(reference).collect();
        let missing: Vec<_> = self
            .table
            .sas()
            .map(|(sa, _)| sa)
            .filter(|sa| !there.contains(sa))
            .collect();
        for &sa in &missing {
            self.table.remove_sa(sa);
            self.report(Report::Event(KernelEvent::Missing { sa }));
        }
        missing.len()
    }

    /// Packets that met a trap, of which we may not have been told: they ask no second time while their placeholder stands.
    fn tell_waiting(&self, sas: &[SaState]) {
        for asked in sas.iter().filter_map(acquire::waiting) {
            self.report(Report::Event(KernelEvent::Acquire(asked)));
        }
    }

    /// SAs that have reached a soft limit, of which we may not have been told: the kernel says so once.
    fn tell_dying(&self, sas: &[SaState]) {
        let reached =
            |count: u64, limit: Option<u64>| limit.is_some_and(|limit| count >= limit.max(1));
        let is_dying = |sa: &&SaState| {
            let (soft, carried) = (&sa.lifetimes.soft, &sa.counters);
            reached(carried.packets, soft.packets) || reached(carried.bytes, soft.bytes)
        };
        for sa in sas.iter().filter(is_dying).map(reference) {
            if self.table.has_sa(sa) {
                self.report(Report::Event(KernelEvent::Expire { sa, hard: false }));
            }
        }
    }

    async fn reinstall(&mut self, policies: &[PolicyState]) -> usize {
        let by_index: std::collections::HashMap<_, _> = policies
            .iter()
            .map(|policy| (policy.index, policy))
            .collect();
        let wrong: Vec<_> = self
            .table
            .policies()
            .filter(|(_, ours)| {
                !by_index
                    .get(&ours.index)
                    .is_some_and(|theirs| ours.is(theirs))
            })
            .map(|(index, ours)| (index, ours.spec.clone()))
            .collect();
        for (index, spec) in &wrong {
            if let Err(error) = self.set_policy(*index, spec.clone(), true).await {
                self.trouble(format!(
                    "a policy that had vanished cannot be installed again: {error}"
                ));
            }
        }
        wrong.len()
    }

    /// At start: SAs of a predecessor. Their keys are lost to us, so they are of no use.
    pub(super) async fn remove_old_sas(&mut self) -> Result<(), XfrmError> {
        let sas = self.xfrm.list_sas().await?;
        let removed = self.remove_stale_sas(&sas).await;
        if removed > 0 {
            self.report(Report::Swept(Removed {
                sas: removed,
                policies: 0,
            }));
        }
        self.predecessors = self.xfrm.list_policies().await?.iter().any(is_our_policy);
        Ok(())
    }

    async fn sweep(&mut self) {
        match self.xfrm.list_policies().await {
            Ok(policies) => {
                let removed = Removed {
                    sas: 0,
                    policies: self.remove_stale_policies(&policies).await,
                };
                self.predecessors = false;
                if !removed.is_empty() {
                    self.report(Report::Swept(removed));
                }
            }
            Err(error) => {
                self.trouble(format!("what a predecessor left cannot be listed: {error}"))
            }
        }
    }

    async fn remove_stale_sas(&mut self, sas: &[SaState]) -> usize {
        let mut removed = 0;
        for sa in sas.iter().filter(|sa| is_our_sa(sa)) {
            if self.table.has_sa(reference(sa)) {
                continue;
            }
            match gone_is_fine(self.xfrm.delete_sa(&sa.id).await) {
                Ok(()) => removed += 1,
                Err(error) => {
                    self.trouble(format!("an SA that nobody uses cannot be removed: {error}"))
                }
            }
        }
        removed
    }

    async fn remove_stale_policies(&mut self, policies: &[PolicyState]) -> usize {
        let ours = self.table.indexes();
        let mut removed = 0;
        for policy in policies
            .iter()
            .filter(|policy| is_our_policy(policy) && !ours.contains(&policy.index))
        {
            match gone_is_fine(self.delete_by_index(policy.index).await) {
                Ok(()) => removed += 1,
                Err(error) => self.trouble(format!(
                    "a policy that nobody uses cannot be removed: {error}"
                )),
            }
        }
        removed
    }

    /// At the end: policies last, so that nothing of a protected selector leaves in clear before its peer knows.
    async fn clean(&mut self) -> Removed {
        let sas: Vec<_> = self.table.sas().collect();
        let policies: Vec<_> = self.table.policies().map(|(index, _)| index).collect();
        let removed = Removed {
            sas: sas.len(),
            policies: policies.len(),
        };
        for (reference, id) in sas {
            self.table.remove_sa(reference);
            if let Err(error) = gone_is_fine(self.xfrm.delete_sa(&id).await) {
                self.trouble(format!(
                    "an SA stays in the kernel until its lifetime ends: {error}"
                ));
            }
        }
        for index in policies {
            if let Err(error) = self.delete_policy(index).await {
                self.trouble(format!("a policy stays in the kernel: {error}"));
            }
        }
        removed
    }

    pub(super) fn trouble(&self, message: String) {
        self.report(Report::Trouble(message));
    }

    fn report(&self, report: Report) {
        // Where nobody listens any more, the daemon is ending.
        let _ = self.reports.send(report);
    }
}

fn reference(sa: &SaState) -> SaReference {
    SaReference {
        spi: sa.id.spi,
        destination: sa.id.destination,
    }
}

/// Waits until a time, or for ever.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
