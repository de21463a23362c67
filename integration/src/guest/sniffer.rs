//! Every frame that passes a namespace's interfaces, with what it is.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{IoSliceMut, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimeout, ReceiveTimestampns};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    recvmsg, setsockopt, socket,
};
use nix::sys::time::{TimeSpec, TimeVal};

use super::netns::Namespace;
use super::packets;

const ETHERNET_BYTES: usize = 14;
const PACKET_OUTGOING: u8 = 4;
const SNAP_BYTES: usize = 65_535;
const BUFFER_BYTES: usize = 8 << 20;

/// What a frame is, to somebody who may only look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// IP protocol 50, or UDP port 4500 without the non-ESP marker.
    Esp,
    /// UDP port 500, or port 4500 with the non-ESP marker.
    Ike,
    /// Any other IP packet.
    Clear,
    /// ARP, neighbour discovery and multicast listeners of IPv6, and what else a link carries.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Esp => "ESP",
            Self::Ike => "IKE",
            Self::Clear => "clear",
            Self::Other => "other",
        })
    }
}

/// A frame as it passed.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Since 1970.
    pub time: Duration,
    /// The interface's name.
    pub interface: Arc<str>,
    /// Whether this namespace sent it (else it arrived).
    pub outgoing: bool,
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let ipv4 = |packet: &[u8]| {
            let header = usize::from(packet.first()? & 0x0f) * 4;
            Some((*packet.get(9)?, packet.get(header..)?.to_vec()))
        };
        let found = match (self.ipv4(), self.ipv6()) {
            (Some(packet), _) => ipv4(packet),
            (None, Some(packet)) => packets::ipv6_payload(packet),
            (None, None) => return Kind::Other,
        };
        let Some((protocol, datagram)) = found else {
            return Kind::Clear;
        };
        match (protocol, datagram.first()) {
            (packets::ESP, _) => return Kind::Esp,
            (packets::UDP, _) => {}
            (packets::ICMPV6, Some(130..=137 | 143)) => return Kind::Other,
            _ => return Kind::Clear,
        }
        let uses = |port: u16| {
            datagram.get(..2) == Some(&port.to_be_bytes())
                || datagram.get(2..4) == Some(&port.to_be_bytes())
        };
        match datagram.get(8..12) {
            _ if uses(500) => Kind::Ike,
            Some([0, 0, 0, 0]) if uses(4500) => Kind::Ike,
            Some(_) if uses(4500) => Kind::Esp,
            _ => Kind::Clear,
        }
    }

    /// The IPv4 packet in it, if there is one.
    #[must_use]
    pub fn ipv4(&self) -> Option<&[u8]> {
        (self.bytes.get(12..14)? == [8, 0])
            .then(|| self.bytes.get(ETHERNET_BYTES..))
            .flatten()
    }

    /// The IPv6 packet in it, if there is one.
    #[must_use]
    pub fn ipv6(&self) -> Option<&[u8]> {
        (self.bytes.get(12..14)? == [0x86, 0xdd])
            .then(|| self.bytes.get(ETHERNET_BYTES..))
            .flatten()
    }

    /// Source and destination in its IPv4 header.
    #[must_use]
    pub fn addresses(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let packet = self.ipv4()?;
        Some((packets::source(packet)?, packets::destination(packet)?))
    }
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Sniffer {
    frames: Arc<Mutex<Vec<Frame>>>,
    stop: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Sniffer {
    /// Listens on every interface that `namespace` has now.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let interfaces: BTreeMap<usize, Arc<str>> = namespace.run(|| -> Result<_> {
            let names = nix::net::if_::if_nameindex().context("listing interfaces")?;
            Ok(names
                .iter()
                .map(|one| {
                    (
                        one.index() as usize,
                        Arc::from(one.name().to_string_lossy()),
                    )
                })
                .collect())
        })?;
        let socket = namespace.run(|| {
            socket(
                AddressFamily::Packet,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::EthAll,
            )
        });
        let socket = socket.context("opening a packet socket")?;
        // Beyond the system's limit where this may be done: in a user namespace it may not.
        setsockopt(&socket, RcvBufForce, &BUFFER_BYTES)
            .or_else(|_| setsockopt(&socket, RcvBuf, &BUFFER_BYTES))
            .context("enlarging the sniffer's buffer")?;
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(0, 50_000))?;
        // When the kernel saw it, not when this thread had its turn.
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        let frames = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let listener = std::thread::spawn({
            let (frames, stop) = (Arc::clone(&frames), Arc::clone(&stop));
            move || {
                let mut buffer = vec![0; SNAP_BYTES];
                let mut control = nix::cmsg_space!(TimeSpec);
                while !stop.load(Ordering::Relaxed) {
                    let mut parts = [IoSliceMut::new(&mut buffer)];
                    let Ok(received) = recvmsg::<LinkAddr>(
                        socket.as_raw_fd(),
                        &mut parts,
                        Some(&mut control),
                        MsgFlags::empty(),
                    ) else {
                        continue;
                    };
                    let (length, from) = (received.bytes, received.address);
                    let time = received.cmsgs().ok().and_then(|mut all| {
                        all.find_map(|one| match one {
                            ControlMessageOwned::ScmTimestampns(time) => Some(time.into()),
                            _ => None,
                        })
                    });
                    let Some((from, interface)) =
                        from.and_then(|from| Some((from, interfaces.get(&from.ifindex())?)))
                    else {
                        continue;
                    };
                    let frame = Frame {
                        time: time.unwrap_or_default(),
                        interface: Arc::clone(interface),
                        outgoing: from.pkttype() == PACKET_OUTGOING,
                        bytes: buffer[..length].to_vec(),
                    };
                    frames
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push(frame);
                }
            }
        });
        Ok(Self {
            frames,
            stop,
            listener: Some(listener),
        })
    }

    /// A mark for [`Sniffer::since`]: how many frames were heard so far. Waits for those that are on their way.
    #[must_use]
    pub fn mark(&self) -> usize {
        std::thread::sleep(Duration::from_millis(100));
        self.frames().len()
    }

    /// How many frames were heard so far: a mark for [`Sniffer::heard`] where none is on its way.
    #[must_use]
    pub fn now(&self) -> usize {
        self.frames().len()
    }

    /// The frames heard since `mark` until now, without waiting for any.
    #[must_use]
    pub fn heard(&self, mark: usize) -> Vec<Frame> {
        self.frames().get(mark..).unwrap_or_default().to_vec()
    }

    /// The frames heard since `mark`, those on their way included.
    #[must_use]
    pub fn since(&self, mark: usize) -> Vec<Frame> {
        let end = self.mark();
        self.frames()[mark.min(end)..end].to_vec()
    }

    /// Like [`Sniffer::since`], and forgets them: who listens for long would fill the memory.
    #[must_use]
    pub fn take_since(&self, mark: usize) -> Vec<Frame> {
        let end = self.mark();
        let mut frames = self.frames();
        frames.drain(mark.min(end)..end).collect()
    }

    fn frames(&self) -> std::sync::MutexGuard<'_, Vec<Frame>> {
        self.frames
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

/// How many of `frames` are of each kind.
#[must_use]
pub fn count<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> BTreeMap<Kind, usize> {
    let mut counts = BTreeMap::new();
    for frame in frames {
        *counts.entry(frame.kind()).or_default() += 1;
    }
    counts
}

/// Writes `frames` as a capture that tcpdump and Wireshark open (pcap with nanoseconds, Ethernet).
pub fn write_capture<'a>(file: &Path, frames: impl IntoIterator<Item = &'a Frame>) -> Result<()> {
    let mut bytes = Vec::new();
    for word in [
        0xa1b2_3c4d_u32,
        0x0004_0002,
        0,
        0,
        u32::try_from(SNAP_BYTES)?,
        1,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    for frame in frames {
        let length = u32::try_from(frame.bytes.len())?;
        for word in [
            u32::try_from(frame.time.as_secs())?,
            frame.time.subsec_nanos(),
            length,
            length,
        ] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(&frame.bytes);
    }
    let mut capture =
        std::fs::File::create(file).with_context(|| format!("making {}", file.display()))?;
    capture
        .write_all(&bytes)
        .with_context(|| format!("writing {}", file.display()))
}

/// Reads a capture as QEMU writes it (pcap with microseconds, Ethernet, this machine's byte order).
pub fn read_capture(file: &Path) -> Result<Vec<Frame>> {
    let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    anyhow::ensure!(
        word(0) == Some(0xa1b2_c3d4),
        "{} is no capture of microseconds",
        file.display()
    );
    let interface: Arc<str> = Arc::from("");
    let (mut frames, mut at) = (Vec::new(), 24);
    // The last packet may have been cut off with its machine.
    while let (Some(seconds), Some(micros), Some(length)) = (word(at), word(at + 4), word(at + 8))
        && let Some(frame) = bytes.get(at + 16..at + 16 + length as usize)
    {
        frames.push(Frame {
            time: Duration::from_secs(seconds.into()) + Duration::from_micros(micros.into()),
            interface: Arc::clone(&interface),
            outgoing: false,
            bytes: frame.to_vec(),
        });
        at += 16 + length as usize;
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(packet: &[u8]) -> Frame {
        let mut bytes = vec![0; 12];
        bytes.extend([8, 0]);
        bytes.extend(packet);
        Frame {
            time: Duration::ZERO,
            interface: Arc::from("x"),
            outgoing: false,
            bytes,
        }
    }

    #[test]
    fn frames_are_told_apart() {
        let (a, b) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 7));
        assert_eq!(
            frame(&packets::ipv4(a, b, packets::ESP, &[0; 40])).kind(),
            Kind::Esp
        );
        assert_eq!(
            frame(&packets::udp((a, 500), (b, 500), &[1; 40])).kind(),
            Kind::Ike
        );
        assert_eq!(
            frame(&packets::udp((a, 4500), (b, 4500), &[0; 40])).kind(),
            Kind::Ike
        );
        assert_eq!(
            frame(&packets::udp((a, 4500), (b, 4500), &[1; 40])).kind(),
            Kind::Esp
        );
        assert_eq!(
            frame(&packets::udp((a, 53), (b, 53), &[1; 40])).kind(),
            Kind::Clear
        );
        assert_eq!(frame(&packets::ipv4(a, b, 1, &[])).kind(), Kind::Clear);
    }

    #[test]
    fn frames_of_ipv6_are_told_apart() {
        let kind = |next: u8, payload: &[u8]| {
            let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, 64];
            packet.extend([0; 32]);
            packet.extend(payload);
            let mut frame = frame(&packet);
            frame.bytes[12..14].copy_from_slice(&[0x86, 0xdd]);
            frame.kind()
        };
        assert_eq!(kind(packets::ESP, &[1; 40]), Kind::Esp);
        assert_eq!(kind(packets::UDP, &[1, 244, 1, 244, 0, 8, 0, 0]), Kind::Ike);
        let fragment = [packets::ESP, 0, 0, 1, 0, 0, 0, 9, 1, 2];
        assert_eq!(kind(44, &fragment), Kind::Esp);
        assert_eq!(kind(packets::ICMPV6, &[128, 0]), Kind::Clear, "a ping");
        assert_eq!(kind(packets::ICMPV6, &[135, 0]), Kind::Other, "who has?");
        assert_eq!(
            kind(0, &[packets::ICMPV6, 0, 5, 2, 0, 0, 1, 0, 143, 0]),
            Kind::Other
        );
        assert_eq!(kind(6, &[0; 20]), Kind::Clear);
    }
}
