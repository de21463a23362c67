//! Nodes, the network between them, and the time.

use std::time::Duration;

use ike::config::Configuration;
use ike::engine::io::{Command, CommandId, Input, Reply, Transmit};

use crate::network::{Fate, Network, Quality};
use crate::node::{Jump, Node};
use crate::traffic::Traffic;

/// Decides the fate of a datagram: how many were sent before it, and the datagram.
pub type Meddler = Box<dyn FnMut(u64, &Transmit) -> Fate>;

/// Everything there is.
pub struct World {
    /// Since the beginning.
    pub now: Duration,
    /// The gateways.
    pub nodes: Vec<Node>,
    /// What is under way between them.
    pub network: Network,
    /// Packets that go through the tunnels all the time.
    pub traffic: Traffic,
    /// Somebody on the wire.
    pub meddler: Option<Meddler>,
    /// How often something was due: a timer, or a datagram that arrived.
    pub steps: u64,
    datagrams: u64,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl World {
    /// Nodes that know nothing, on a network of this quality.
    #[must_use]
    pub fn new(seed: u64, quality: Quality, nodes: Vec<Node>) -> Self {
        // Not at zero: a clock that has run before shows what depends on where it stands.
        let now = Duration::from_secs(1000);
        Self {
            now,
            nodes,
            network: Network::new(seed, quality),
            traffic: Traffic::new(seed),
            meddler: None,
            steps: 0,
            datagrams: 0,
        }
    }

    /// Gives a node its configuration.
    pub fn configure(&mut self, node: usize, configuration: Configuration) {
        let transmits = self.nodes[node].configure(self.now, configuration);
        self.send(transmits);
    }

    /// Gives a node a command.
    pub fn command(&mut self, node: usize, command: Command) -> CommandId {
        let (id, transmits) = self.nodes[node].command(self.now, command);
        self.send(transmits);
        id
    }

    /// Gives a node a command, and lets the world go on until it is answered.
    ///
    /// # Panics
    /// If it is not answered within an hour.
    pub fn command_and_wait(&mut self, node: usize, command: Command) -> Reply {
        let id = self.command(node, command);
        assert!(
            self.run_until(Duration::from_secs(3600), |world| world.nodes[node]
                .replies
                .contains_key(&id)),
            "the command was not answered within an hour"
        );
        self.nodes[node]
            .replies
            .remove(&id)
            .expect("it was just there")
    }

    /// Checks that every node has one IKE SA with so many Child SAs, in its engine as in its kernel.
    ///
    /// # Panics
    /// If one has not.
    pub fn assert_up(&mut self, children: usize) {
        for node in &mut self.nodes {
            node.assert_up(self.now, children);
        }
    }

    /// Lets a node's kernel and secrets go on.
    pub fn release(&mut self, node: usize) {
        let transmits = self.nodes[node].release(self.now);
        self.send(transmits);
    }

    /// Sets a node's wall clock; its daemon and its kernel notice at once.
    pub fn jump(&mut self, node: usize, jump: Jump) {
        self.nodes[node].jump(jump);
        self.input(node, Input::Tick);
        self.hear_the_kernels();
    }

    fn hear_the_kernels(&mut self) {
        for at in 0..self.nodes.len() {
            for event in self.nodes[at].hear(self.now) {
                self.input(at, Input::KernelEvent(event));
            }
        }
    }

    /// Starts a node anew that was killed.
    pub fn restart(&mut self, node: usize) {
        let transmits = self.nodes[node].restart(self.now);
        self.send(transmits);
    }

    /// Gives a node any input.
    pub fn input(&mut self, node: usize, input: Input<'_>) {
        let transmits = self.nodes[node].handle(self.now, input);
        self.send(transmits);
    }

    /// Puts datagrams on the network.
    pub fn send(&mut self, transmits: Vec<Transmit>) {
        for mut transmit in transmits {
            let number = self.datagrams;
            self.datagrams += 1;
            let fate = self
                .meddler
                .as_mut()
                .map_or(Fate::Deliver, |meddler| meddler(number, &transmit));
            match fate {
                Fate::Deliver => {}
                Fate::Drop => continue,
                Fate::Replace(bytes) => transmit.bytes = bytes,
            }
            self.network.send(self.now, transmit);
        }
    }

    /// Goes on for this long.
    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Goes on until something is so, at most for this long; whether it is.
    ///
    /// # Panics
    /// Where something is due at one time again and again.
    pub fn run_until(&mut self, time: Duration, mut so: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + time;
        let mut steps_at = (self.now, 0);
        loop {
            if so(self) {
                return true;
            }
            let deadlines = self.nodes.iter().filter_map(Node::deadline);
            let looks = self.nodes.iter().filter_map(Node::next_look);
            let Some(next) = deadlines
                .chain(looks)
                .chain(self.network.next())
                .chain(self.traffic.next())
                .min()
                .filter(|next| *next <= end)
            else {
                self.now = end;
                return so(self);
            };
            self.now = self.now.max(next);
            steps_at = if steps_at.0 == self.now {
                (self.now, steps_at.1 + 1)
            } else {
                (self.now, 0)
            };
            assert!(steps_at.1 < 100_000, "a timer spins");
            self.steps += 1;
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        self.hear_the_kernels();
        self.traffic
            .step(now, self.network.quality, &mut self.nodes);
        self.hear_the_kernels();
        if let Some((path, bytes)) = self.network.arrive(now) {
            let receiver = self
                .nodes
                .iter_mut()
                .find(|node| node.address == path.local.ip());
            let transmits = receiver
                .map(|node| node.datagram(now, path, &bytes))
                .unwrap_or_default();
            return self.send(transmits);
        }
        for at in 0..self.nodes.len() {
            if self.nodes[at]
                .deadline()
                .is_some_and(|deadline| deadline <= now)
            {
                self.input(at, Input::Tick);
            }
        }
    }
}
