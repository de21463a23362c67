//! The shell: one loop that owns the engine, feeds it whatever happens, and carries what it says to where it belongs.
//!
//! ```text
//!   UDP sockets ----datagrams---.                        .--Transmit--> UDP sockets
//!   timerfd --------tick---------\                      /---Kernel----> kernel's owner
//!   kernel's owner --done, event--> Engine::handle/poll ----Ask-------> owner of the secrets
//!   owner of secrets --answers---/|                    |\---Ask: Fetch-> those who fetch
//!   those who fetch --answers------'                    \---Event-----> events
//!   those who resolve names: likewise
//!   control socket, signals -----'                       '--Reply-----> control socket
//! ```
//!
//! Everything runs on one thread; nothing here waits for anything but the next thing to happen.

mod reload;
mod route;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::Duration;

use ike::config::Configuration;
use ike::engine::Engine;
use ike::engine::io::{Answer, Command, CommandId, Input, Now, QuestionId, RecordId, Reply};
use ike::engine::snapshot::Standing;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::arguments::Exit;
use crate::clock::{self, Settings, Timer};
use crate::control::{Ask, Facts, View};
use crate::events::{Event, Events, Stopping};
use crate::kernel;
use crate::keylog::Keylog;
use crate::sockets::{Batch, Sockets};
use crate::systemd::Manager;
use crate::{control, credentials, expiry, fetch, resolve};

/// How long the peers and the kernel may take to be said goodbye to.
const GOODBYE: Duration = Duration::from_secs(8);
/// How long the kernel may take to be cleaned of what is left after that.
const CLEANING: Duration = Duration::from_secs(2);
/// How often counted log lines are looked at.
const LOG_TURN: Duration = Duration::from_secs(5);
/// How often it is looked which certificates are about to expire.
const EXPIRY_TURN: Duration = Duration::from_secs(3600);

/// The engine and everything around it.
pub(crate) struct Shell {
    engine: Engine,
    sockets: Sockets,
    batch: Batch,
    timer: Timer,
    clock_set: Settings,
    /// When the engine wants to be woken, by the boot clock.
    deadline: Option<Duration>,
    kernel: kernel::Handle,
    credentials: credentials::Handle,
    fetch: fetch::Handle,
    resolve: resolve::Handle,
    events: Events,
    keylog: Option<Keylog>,
    /// What will bite on this machine, as told last.
    preflight: Vec<preflight::Warning>,
    expiry: expiry::Teller,
    /// When it was last looked which certificates expire, by the boot clock.
    expiry_looked: Duration,
    facts: Facts,
    /// Who waits for which command.
    waiters: HashMap<CommandId, Waiter>,
    last_command: u64,
    /// Who waits for the next answers to a reload, in their order; `None` for a signal.
    reloads: VecDeque<Option<reload::Waiter>>,
    persisted: Vec<RecordId>,
    systemd: Manager,
    goodbye: Goodbye,
}

/// Who waits for a command's reply.
enum Waiter {
    Reply(oneshot::Sender<Reply>),
    /// And when it was asked.
    Look(oneshot::Sender<View>, Instant),
    Goodbye,
}

/// How far the end is.
#[derive(Default)]
struct Goodbye {
    /// When it is over, done or not; `None`: nobody wants to end.
    until: Option<Instant>,
    done: bool,
    at_once: bool,
    waiters: Vec<oneshot::Sender<()>>,
}

/// What the shell is made of.
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    pub(crate) sockets: Sockets,
    pub(crate) timer: Timer,
    pub(crate) clock_set: Settings,
    pub(crate) kernel: kernel::Handle,
    pub(crate) credentials: credentials::Handle,
    pub(crate) fetch: fetch::Handle,
    pub(crate) resolve: resolve::Handle,
    /// Where the keys of IKE SAs go, if anywhere.
    pub(crate) keylog: Option<Keylog>,
    /// What will bite on this machine.
    pub(crate) preflight: Vec<preflight::Warning>,
    pub(crate) facts: Facts,
    pub(crate) events: Events,
}

/// What comes from outside, but for datagrams and time.
pub(crate) struct Inputs {
    pub(crate) kernel: mpsc::UnboundedReceiver<kernel::Report>,
    pub(crate) credentials: mpsc::UnboundedReceiver<credentials::Report>,
    pub(crate) fetched: mpsc::UnboundedReceiver<(QuestionId, fetch::Fetched)>,
    pub(crate) resolved: mpsc::UnboundedReceiver<(QuestionId, resolve::Resolved)>,
    pub(crate) control: mpsc::Receiver<Ask>,
    pub(crate) hangup: Signal,
    pub(crate) terminate: Signal,
    pub(crate) interrupt: Signal,
}

impl Shell {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            engine,
            sockets,
            timer,
            clock_set,
            kernel,
            credentials,
            fetch,
            resolve,
            keylog,
            preflight,
            facts,
            events,
        } = parts;
        let mut shell = Self {
            engine,
            sockets,
            batch: Batch::new(),
            timer,
            clock_set,
            deadline: None,
            kernel,
            credentials,
            fetch,
            resolve,
            events,
            keylog,
            preflight: Vec::new(),
            expiry: expiry::Teller::default(),
            expiry_looked: Duration::ZERO,
            facts,
            waiters: HashMap::new(),
            last_command: 0,
            reloads: VecDeque::new(),
            persisted: Vec::new(),
            systemd: Manager::from_environment(),
            goodbye: Goodbye::default(),
        };
        shell.tell_preflight(preflight);
        shell
    }

    /// Makes the configuration true, and works until told to end.
    pub(crate) async fn run(mut self, mut inputs: Inputs, server: control::Server) -> Exit {
        self.tell_expiry();
        self.configure(Configuration::clone(&self.facts.configuration));
        // Nobody is answered before what the configuration protects is protected.
        self.kernel.sweep().await;
        self.events.tell(&Event::Ready);
        self.tell_status();
        self.systemd.ready();
        let worked = self.work(&mut inputs).await;
        let failed = worked.is_err();
        if let Err(error) = worked {
            self.events.tell(&Event::Failed(error));
        }
        let cleaned = self.clean(&mut inputs).await;
        for waiter in self.goodbye.waiters.drain(..) {
            let _ = waiter.send(());
        }
        self.events.end();
        server.stop().await;
        if !failed && cleaned {
            Exit::Done
        } else {
            Exit::Failed
        }
    }

    async fn work(&mut self, inputs: &mut Inputs) -> io::Result<()> {
        let mut log_turn = tokio::time::interval(LOG_TURN);
        let watchdog = self.systemd.feeding();
        let mut feeding = tokio::time::interval(watchdog.unwrap_or(Duration::MAX));
        while !self.goodbye.is_over() {
            self.timer.set(self.deadline)?;
            let goodbye_ends = self.goodbye.until.unwrap_or_else(Instant::now);
            tokio::select! {
                index = self.sockets.readable() => self.datagrams(index),
                fired = self.timer.fired() => {
                    fired?;
                    self.deadline = None;
                    self.feed(Input::Tick);
                }
                set = self.clock_set.happened() => {
                    set?;
                    self.feed(Input::Tick);
                }
                report = inputs.kernel.recv() => {
                    self.kernel_report(report.ok_or_else(|| ended("of the kernel"))?);
                }
                report = inputs.credentials.recv() => {
                    self.credentials_report(report.ok_or_else(|| ended("of the keys"))?);
                }
                fetched = inputs.fetched.recv() => {
                    let (id, fetched) = fetched.ok_or_else(|| ended("of what is fetched"))?;
                    self.feed(Input::Answer(id, Answer::Fetched(fetched)));
                }
                resolved = inputs.resolved.recv() => {
                    let (id, resolved) = resolved.ok_or_else(|| ended("of names"))?;
                    self.feed(Input::Answer(id, Answer::Resolved(resolved)));
                }
                Some(ask) = inputs.control.recv() => self.ask(ask),
                _ = inputs.hangup.recv() => self.reload(None),
                _ = inputs.terminate.recv() => self.say_goodbye("SIGTERM"),
                _ = inputs.interrupt.recv() => self.say_goodbye("SIGINT"),
                _ = feeding.tick(), if watchdog.is_some() => self.systemd.alive(),
                () = tokio::time::sleep_until(goodbye_ends), if self.goodbye.until.is_some() => break,
                _ = log_turn.tick() => {
                    self.tell_counted();
                    self.tell_status();
                    if clock::now().boot.saturating_sub(self.expiry_looked) >= EXPIRY_TURN {
                        self.tell_expiry();
                    }
                }
            }
        }
        Ok(())
    }

    fn datagrams(&mut self, index: usize) {
        let mut batch = std::mem::replace(&mut self.batch, Batch::empty());
        self.sockets.receive(index, &mut batch);
        for (path, bytes) in batch.messages() {
            self.feed(Input::Datagram { path, bytes });
        }
        self.batch = batch;
    }

    fn tell_counted(&mut self) {
        self.events.turn(clock::now().boot);
        let counters = self.sockets.take_counters();
        if counters.not_ike + counters.lost() > 0 {
            self.events.tell(&Event::Udp(counters));
        }
    }

    /// What `systemctl status` shows, some seconds old.
    fn tell_status(&mut self) {
        if !self.systemd.listens() {
            return;
        }
        let Standing {
            connections,
            up,
            children,
        } = self.engine.standing();
        let refused = match &self.facts.reload_failure {
            Some(failure) => format!("; the newest reload was refused: {}", failure.code),
            None => String::new(),
        };
        self.systemd.status(format!(
            "connections: {up} of {connections} up, Child SAs: {children}{refused}"
        ));
    }

    /// What will bite on this machine, where it was not told before.
    fn tell_preflight(&mut self, warnings: Vec<preflight::Warning>) {
        for warning in &warnings {
            if !self.preflight.contains(warning) {
                self.events.tell(&Event::from(warning));
            }
        }
        self.preflight = warnings;
    }

    /// Which certificates and CRLs are about to end, each once at each stage.
    fn tell_expiry(&mut self) {
        let Now { boot, wall } = clock::now();
        self.expiry_looked = boot;
        let due = expiry::due(&self.facts.configuration, wall);
        for one in self.expiry.news(due) {
            self.events.tell(&Event::Credential(one, wall));
        }
    }

    /// One input, and all that follows from it.
    fn feed(&mut self, input: Input<'_>) {
        self.engine.handle(clock::now(), input);
        self.drain();
        while let Some(record) = self.persisted.pop() {
            self.engine.handle(clock::now(), Input::Persisted(record));
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll() {
            self.route(output);
        }
    }

    fn command(&mut self, command: Command, waiter: Waiter) {
        self.last_command += 1;
        let id = CommandId(self.last_command);
        self.waiters.insert(id, waiter);
        self.feed(Input::Command(id, command));
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Command(command, reply) => self.command(command, Waiter::Reply(reply)),
            Ask::Look(reply) => self.command(Command::List, Waiter::Look(reply, Instant::now())),
            Ask::Reload(reply) => self.reload(Some(reply)),
            Ask::Watch(wish, reply) => drop(reply.send(self.events.watch(wish))),
            Ask::Tell(event) => self.events.tell(&event),
            Ask::LogLevels(reply) => drop(reply.send(self.events.log_levels())),
            Ask::SetLogLevel(subject, level, reply) => {
                let set = self.events.set_log_level(subject, level);
                let set = set.map_err(|error| ikapi::Error::Busy {
                    reason: error.to_string(),
                });
                let _ = reply.send(set);
            }
            Ask::Shutdown(reply) => {
                self.goodbye.waiters.push(reply);
                if self.goodbye.until.is_none() {
                    self.say_goodbye("a client of the control socket");
                }
            }
        }
    }

    fn say_goodbye(&mut self, who: &str) {
        if self.goodbye.until.is_some() {
            self.stopping(Stopping::AtOnce(who.to_owned()));
            self.goodbye.at_once = true;
            return;
        }
        self.stopping(Stopping::Asked(who.to_owned()));
        self.systemd.stopping();
        self.goodbye.until = Some(Instant::now() + GOODBYE);
        self.command(Command::Shutdown, Waiter::Goodbye);
    }

    /// Whatever the engine did not come to remove from the kernel. Says whether all is as it should be.
    async fn clean(&mut self, inputs: &mut Inputs) -> bool {
        if self.goodbye.at_once {
            return false;
        }
        if !self.goodbye.done {
            self.stopping(Stopping::PeersLeft(GOODBYE));
        }
        let kernel = self.kernel.clone();
        let again = async {
            tokio::select! { _ = inputs.terminate.recv() => (), _ = inputs.interrupt.recv() => () }
        };
        let removed = tokio::select! {
            removed = tokio::time::timeout(CLEANING, kernel.clean()) => removed,
            () = again => return false,
        };
        self.stopping(match removed {
            Ok(removed) if removed.is_empty() => return self.goodbye.done,
            Ok(removed) => Stopping::Cleaned(removed),
            Err(_) => Stopping::KernelSilent,
        });
        removed.is_ok() && self.goodbye.done
    }

    fn stopping(&mut self, how: Stopping) {
        self.events.tell(&Event::Stopping(how));
    }
}

/// A task beside the shell that has panicked: without it the daemon would go on and answer nobody.
fn ended(owner: &str) -> io::Error {
    io::Error::other(format!(
        "the owner {owner} has ended by a defect of ikd, told above"
    ))
}

impl Goodbye {
    fn is_over(&self) -> bool {
        self.done || self.at_once
    }
}
