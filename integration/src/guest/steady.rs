//! Steady traffic: numbered datagrams both ways between two hosts, as many a second as is said, for as long as is wanted; in the
//! end both sides know which of them arrived.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};

use super::netns::Namespace;

/// Hosts send from this port to this port.
const PORT: u16 = 7000;
/// A datagram's number, and what makes it as long as a short packet of somebody's speech.
const BYTES: usize = 64;
/// A receiver that did not run for seconds still gets everything.
const BUFFER_BYTES: usize = 8 << 20;
/// As many are sent at once by who is behind his time, before somebody else has his turn.
const BURST: u32 = 32;
/// How long after the last datagram was sent another may still arrive.
const QUIET: Duration = Duration::from_secs(2);

/// Traffic that is going on. Dropped, it ends.
#[derive(Debug)]
pub struct Steady {
    senders: Vec<JoinHandle<Result<(u32, Duration)>>>,
    receivers: Vec<JoinHandle<Vec<u32>>>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicBool>,
}

/// What became of one direction's datagrams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// How many were sent.
    pub sent: u32,
    /// In how much time.
    pub within: Duration,
    /// Those that did not arrive, by their numbers; the first datagram is number 0.
    pub lost: Vec<u32>,
    /// How many arrived again.
    pub doubled: usize,
}

impl Carried {
    /// How many were sent in a second.
    #[must_use]
    pub fn a_second(&self) -> f64 {
        f64::from(self.sent) / self.within.as_secs_f64()
    }
}

impl Steady {
    /// Begins to send `a_second` datagrams each way between two hosts.
    pub fn start(hosts: [(&Namespace, Ipv4Addr); 2], a_second: u32) -> Result<Self> {
        let mut sockets = Vec::new();
        for (index, (host, address)) in hosts.iter().enumerate() {
            let socket = host.run(|| -> Result<_> {
                let socket = UdpSocket::bind((*address, PORT))?;
                socket.connect((hosts[1 - index].1, PORT))?;
                Ok(socket)
            });
            let socket = socket.with_context(|| format!("a socket at {address}"))?;
            setsockopt(&socket, RcvBufForce, &BUFFER_BYTES)
                .or_else(|_| setsockopt(&socket, RcvBuf, &BUFFER_BYTES))
                .context("enlarging a buffer")?;
            socket.set_read_timeout(Some(Duration::from_millis(100)))?;
            sockets.push(socket);
        }
        let (stop, sent) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let pause = Duration::from_secs(1) / a_second;
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        for socket in sockets {
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            let receiving = socket.try_clone()?;
            senders.push(std::thread::spawn(move || send(&socket, pause, &stop)));
            receivers.push(std::thread::spawn(move || receive(&receiving, &sent)));
        }
        Ok(Self {
            senders,
            receivers,
            stop,
            sent,
        })
    }

    /// Ends it, and waits for what is on its way. The first host's datagrams first.
    pub fn stop(mut self) -> Result<[Carried; 2]> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sent = Vec::new();
        for sender in self.senders.drain(..) {
            sent.push(joined(sender)?);
        }
        self.sent.store(true, Ordering::Relaxed);
        let mut arrived: Vec<_> = self.receivers.drain(..).map(joined).collect();
        // What the first has sent, the second has received.
        arrived.reverse();
        let ways = sent.into_iter().zip(arrived);
        let carried: Vec<_> = ways
            .map(|((sent, within), times)| Carried {
                sent,
                within,
                lost: (0..sent)
                    .filter(|number| times.get(*number as usize).is_none_or(|times| *times == 0))
                    .collect(),
                doubled: times.iter().filter(|times| **times > 1).count(),
            })
            .collect();
        Ok(carried.try_into().expect("two hosts, two directions"))
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.sent.store(true, Ordering::Relaxed);
    }
}

fn joined<T>(thread: JoinHandle<T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Sends until it is stopped: how many, and within what time.
fn send(socket: &UdpSocket, pause: Duration, stop: &AtomicBool) -> Result<(u32, Duration)> {
    let start = Instant::now();
    let mut number = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep((start + pause * number).saturating_duration_since(Instant::now()));
        // Who was kept from running catches up, but not in one burst that no queue holds.
        for _ in 0..BURST {
            let mut datagram = [0; BYTES];
            datagram[..4].copy_from_slice(&number.to_be_bytes());
            socket
                .send(&datagram)
                .with_context(|| format!("sending datagram {number}"))?;
            number += 1;
            if start + pause * number > Instant::now() {
                break;
            }
        }
        std::thread::yield_now();
    }
    Ok((number, start.elapsed()))
}

/// Receives until all was sent and nothing more comes: how often each number came.
fn receive(socket: &UdpSocket, sent: &AtomicBool) -> Vec<u32> {
    let mut times = Vec::new();
    let mut heard = Instant::now();
    loop {
        let mut datagram = [0; BYTES];
        match socket.recv(&mut datagram) {
            Ok(BYTES) => {
                let number = u32::from_be_bytes(datagram[..4].try_into().expect("four octets"));
                let number = number as usize;
                if times.len() <= number {
                    times.resize(number + 1, 0);
                }
                times[number] += 1;
                heard = Instant::now();
            }
            _ if sent.load(Ordering::Relaxed) && heard.elapsed() > QUIET => return times,
            _ => {}
        }
    }
}
