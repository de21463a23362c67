//! What an operator asks for: `up`, `down`, `rekey` and the rest. Each is answered once, when it is done or has failed.

use std::collections::BTreeSet;

use crate::config::{KernelMode, Name};

use super::Engine;
use super::connections::{Retry, Waiter};
use super::failure::{Cause, Failure, Step};
use super::ike_sa;
use super::io::{Command, CommandId, OnFailure, Output, Reply};
use super::shared::KernelOwner;

impl Engine {
    pub(super) fn command(&mut self, id: CommandId, command: Command) {
        match command {
            Command::Up { connection, child } => self.command_up(id, connection, child),
            Command::Down { connection, child } => self.command_down(id, connection, child),
            Command::Rekey { connection, child } => self.command_rekey(id, connection, child),
            Command::Reauthenticate { connection } => self.command_reauthenticate(id, connection),
            Command::List => {
                let snapshot = self.snapshot();
                self.reply(id, Reply::Snapshot(Box::new(snapshot)));
            }
            Command::Shutdown => self.begin_shutdown(id),
        }
    }

    /// `up`: wanted until it is there or has failed, and no longer held down.
    pub(super) fn command_up(&mut self, command: CommandId, name: Name, child: Option<Name>) {
        if self.shutting_down {
            let failure = Failure::new(Step::Start, Cause::TakenDown);
            return self.reply(command, Reply::Failed(Box::new(failure)));
        }
        let Some(entry) = self.connections.entries.get_mut(&name) else {
            return self.reply(command, Reply::NotFound { name });
        };
        let known = |wanted: &Name| {
            entry
                .connection
                .children
                .iter()
                .any(|child| child.name == *wanted)
        };
        if let Some(child) = child.as_ref().filter(|child| !known(child)) {
            return self.reply(
                command,
                Reply::NotFound {
                    name: child.clone(),
                },
            );
        }
        let only_waits = !entry.connection.remote.can_be_called() && entry.sas.is_empty();
        let all = entry
            .connection
            .children
            .iter()
            .map(|child| child.name.clone());
        let children: BTreeSet<Name> =
            child.map_or_else(|| all.collect(), |child| BTreeSet::from([child]));
        if std::mem::take(&mut entry.held_down) {
            self.connections.directory.hold(&entry.connection, false);
        }
        entry.retry = Retry::default();
        for child in &children {
            self.shared.held_down.remove(&(name.clone(), child.clone()));
            entry.children.entry(child.clone()).or_default().retry = Retry::default();
        }
        self.follow_promises(&name);
        // The peer may come again, but that is all that can be done.
        if only_waits {
            let failure = Failure::new(Step::Start, Cause::NoRemoteAddress);
            return self.reply(command, Reply::Failed(Box::new(failure)));
        }
        let Some(entry) = self.connections.entries.get(&name) else {
            return;
        };
        let (established, _) = self.ike_sas_of(entry);
        let no_kernel = self.shared.kernel_mode == KernelMode::None;
        let missing: BTreeSet<Name> = children
            .into_iter()
            .filter(|child| !no_kernel && !self.child_is_up(entry, child))
            .collect();
        if established.is_some() && missing.is_empty() {
            return self.reply(command, Reply::Done);
        }
        if let Some(entry) = self.connections.entries.get_mut(&name) {
            entry.waiters.push(Waiter {
                command,
                children: missing,
            });
        }
        self.reconcile(&name);
    }

    /// Puts in force what happens to traffic without SAs, when what is held down has changed.
    fn follow_promises(&mut self, name: &Name) {
        let mut steps = Vec::new();
        self.change_traps(name, &mut steps);
        self.shared
            .apply(KernelOwner::Configuration, steps, OnFailure::Continue);
    }

    /// Nobody who waits for `up` will see it: the engine shuts down.
    pub(super) fn disappoint_all(&mut self) {
        let entries = self.connections.entries.values_mut();
        let waiting: Vec<_> = entries
            .flat_map(|entry| entry.take_waiters(|_| true))
            .collect();
        for command in waiting {
            let failure = Failure::new(Step::Start, Cause::TakenDown);
            self.reply(command, Reply::Failed(Box::new(failure)));
        }
    }

    /// `down`: held down until `up`, or until the configuration changes it; answered when the kernel is clean.
    pub(super) fn command_down(&mut self, command: CommandId, name: Name, child: Option<Name>) {
        let Some(entry) = self.connections.entries.get_mut(&name) else {
            return self.reply(command, Reply::NotFound { name });
        };
        let unknown = |child: &Name| entry.connection.child(child).is_none();
        if let Some(child) = child.clone().filter(unknown) {
            return self.reply(command, Reply::NotFound { name: child });
        }
        self.journal.touch_connection(&name);
        let sas = entry.sas.clone();
        let waiters = entry
            .take_waiters(|children| child.as_ref().is_none_or(|child| children.contains(child)));
        match &child {
            None => {
                entry.held_down = true;
                self.connections.directory.hold(&entry.connection, true);
            }
            Some(child) => {
                self.shared.held_down.insert((name.clone(), child.clone()));
            }
        }
        // Before any SA goes: no packet is to ask for it again.
        self.follow_promises(&name);
        for own in sas {
            self.with_sa(own, |sa, shared| match &child {
                None => sa.close_for(shared, Cause::TakenDown),
                Some(child) => {
                    sa.withdraw(|queued| queued.name == *child);
                    sa.delete_child(shared, child, &Cause::TakenDown);
                }
            });
        }
        for waiting in waiters {
            let failure = Failure::new(Step::Start, Cause::TakenDown);
            self.reply(waiting, Reply::Failed(Box::new(failure)));
        }
        // What one IKE SA has left to another ends with that one.
        self.take_notices();
        self.reply_when_clean(command);
    }

    /// `rekey`: answered when the new one is in use.
    pub(super) fn command_rekey(&mut self, command: CommandId, name: Name, child: Option<Name>) {
        let Some(entry) = self.connections.entries.get(&name) else {
            return self.reply(command, Reply::NotFound { name });
        };
        let not_up = || Reply::Failed(Box::new(Failure::new(Step::Start, Cause::NotUp)));
        let Some(child) = child else {
            return match self.ike_sas_of(entry).0 {
                Some(own) => self.with_sa(own, |sa, shared| sa.rekey_ike_for(shared, command)),
                None => self.reply(command, not_up()),
            };
        };
        let mut children = entry.connection.children.iter();
        if !children.any(|known| known.name == child) {
            return self.reply(command, Reply::NotFound { name: child });
        }
        let in_use = entry.sas.iter().rev().find_map(|own| {
            let mut children = self.ike_sas.get(own)?.established()?.children.iter();
            let found = children.find(|sa| {
                sa.child.name == child && matches!(sa.state, ike_sa::ChildState::InUse(_))
            });
            Some((*own, found?.number))
        });
        match in_use {
            Some((own, number)) => {
                self.with_sa(own, |sa, shared| sa.rekey_for(shared, number, command));
            }
            None => self.reply(command, not_up()),
        }
    }

    pub(super) fn reply(&mut self, command: CommandId, reply: Reply) {
        self.shared.outputs.push_back(Output::Reply(command, reply));
    }
}
