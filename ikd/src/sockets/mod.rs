//! The UDP sockets of IKE: ports 500 and 4500, for IPv4 and IPv6 each.
//!
//! ```text
//!   recvmmsg, up to 16 at a time --> marker off --> Batch of (Path, message) --> engine
//!   engine --> Transmit { Path, message } --> marker on --> sendmsg, from the address that was asked
//! ```
//!
//! The sockets are bound to no address: IP_PKTINFO tells to which of ours a datagram came, and makes the answer leave from
//! there. A datagram that cannot be sent now is lost, as it might be on any wire: IKE sends it again. Nothing that comes
//! or fails here ends the daemon.

mod bind;
mod marker;

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};

use ike::engine::io::{Path, Transmit};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage,
    recvmmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

pub(crate) use bind::{BindError, bind};
pub(crate) use marker::Port;

/// Datagrams taken from one socket before somebody else has its turn.
const BATCH: usize = 16;
/// The longest UDP payload fits, with the marker.
const DATAGRAM: usize = 65_536;

/// All sockets of IKE.
pub(crate) struct Sockets {
    sockets: Vec<IkeSocket>,
    /// Where the next search for a readable socket begins, so that none starves another.
    next: usize,
    counters: Counters,
}

struct IkeSocket {
    socket: UdpSocket,
    port: Port,
    ipv4: bool,
}

/// What did not come through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// On port 4500 without marker: ESP, keepalives, noise.
    pub(crate) not_ike: u64,
    /// Not sent, because the socket's buffer was full.
    pub(crate) would_block: u64,
    /// Not sent for another reason: no route, an address that is no longer ours.
    pub(crate) send_failed: u64,
}

impl Counters {
    /// Not sent, for whatever reason.
    pub(crate) const fn lost(&self) -> u64 {
        self.would_block + self.send_failed
    }
}

/// Datagrams as received, and the memory that the next ones are received into.
pub(crate) struct Batch {
    buffer: Vec<u8>,
    datagrams: Vec<(Path, Range<usize>)>,
}

impl Batch {
    /// Room for a batch. Memory that no datagram reaches is never touched.
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; BATCH * DATAGRAM],
            datagrams: Vec::with_capacity(BATCH),
        }
    }

    /// No room at all: what stands in while the other is in use.
    pub(crate) const fn empty() -> Self {
        Self {
            buffer: Vec::new(),
            datagrams: Vec::new(),
        }
    }

    /// Each IKE message, and between which addresses it came.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (Path, &[u8])> {
        self.datagrams
            .iter()
            .map(|(path, range)| (*path, &self.buffer[range.clone()]))
    }
}

impl Sockets {
    /// What did not come through since the last call.
    pub(crate) fn take_counters(&mut self) -> Counters {
        std::mem::take(&mut self.counters)
    }

    /// Waits until a socket has something, and says which.
    pub(crate) async fn readable(&mut self) -> usize {
        std::future::poll_fn(|context| self.poll_readable(context)).await
    }

    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        for offset in 0..self.sockets.len() {
            let index = (self.next + offset) % self.sockets.len();
            if self.sockets[index]
                .socket
                .poll_recv_ready(context)
                .is_ready()
            {
                self.next = index + 1;
                return Poll::Ready(index);
            }
        }
        Poll::Pending
    }

    /// Receives what the socket has, at most a batch.
    pub(crate) fn receive(&mut self, index: usize, batch: &mut Batch) {
        batch.datagrams.clear();
        let socket = &self.sockets[index];
        let received = socket
            .socket
            .try_io(Interest::READABLE, || Ok(receive_raw(socket, batch)?));
        // What fails is an empty socket, or an ICMP error of an earlier datagram: the socket is fine.
        self.counters.not_ike += received.unwrap_or(0);
    }

    /// Sends a datagram, or loses it.
    pub(crate) fn send(&mut self, transmit: &Transmit) -> Result<(), Errno> {
        let (local, remote) = (transmit.path.local, transmit.path.remote);
        let sent = match self.socket_for(local) {
            Some(socket) => send_raw(socket, local, remote, &transmit.bytes),
            None => Err(Errno::EAFNOSUPPORT),
        };
        match sent {
            Ok(()) => {}
            Err(Errno::EAGAIN) => self.counters.would_block += 1,
            Err(_) => self.counters.send_failed += 1,
        }
        sent
    }

    fn socket_for(&self, local: SocketAddr) -> Option<&IkeSocket> {
        self.sockets
            .iter()
            .find(|socket| socket.ipv4 == local.is_ipv4() && socket.port.number() == local.port())
    }
}

/// Fills the batch; returns how many datagrams were not IKE.
fn receive_raw(socket: &IkeSocket, batch: &mut Batch) -> Result<u64, Errno> {
    // nix does not reset the lengths that the kernel shortens, so headers serve once.
    let space = cmsg_space!(libc::in6_pktinfo);
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, Some(space));
    let mut slices: Vec<_> = batch
        .buffer
        .chunks_exact_mut(DATAGRAM)
        .map(|chunk| [IoSliceMut::new(chunk)])
        .collect();
    let fd = socket.socket.as_raw_fd();
    let received: Vec<_> = recvmmsg(
        fd,
        &mut headers,
        slices.iter_mut(),
        MsgFlags::MSG_DONTWAIT,
        None,
    )?
    .map(|message| (path(socket, &message), message.bytes))
    .collect();
    let mut foreign = 0;
    for (slot, (path, length)) in received.into_iter().enumerate() {
        let start = slot * DATAGRAM;
        match (
            path,
            socket.port.strip(&batch.buffer[start..start + length]),
        ) {
            (Some(path), Some(message)) => {
                let end = start + length;
                batch.datagrams.push((path, end - message.len()..end));
            }
            (_, None) => foreign += 1,
            (None, _) => {}
        }
    }
    Ok(foreign)
}

/// Between which addresses a datagram came; `None` for multicast and broadcast, and for port 0, which nobody can answer.
fn path(socket: &IkeSocket, message: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<Path> {
    let remote = remote_address(message.address.as_ref()?)?;
    if remote.port() == 0 {
        return None;
    }
    let local = message.cmsgs().ok()?.find_map(|cmsg| match cmsg {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            let [to, ours] =
                [info.ipi_addr, info.ipi_spec_dst].map(|a| Ipv4Addr::from(u32::from_be(a.s_addr)));
            (to == ours).then(|| SocketAddr::new(to.into(), socket.port.number()))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let to = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            let scope = if to.is_unicast_link_local() {
                info.ipi6_ifindex
            } else {
                0
            };
            (!to.is_multicast())
                .then(|| SocketAddrV6::new(to, socket.port.number(), 0, scope).into())
        }
        _ => None,
    })?;
    Some(Path { local, remote })
}

fn remote_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    let v6 = address.as_sockaddr_in6()?;
    let scope = if v6.ip().is_unicast_link_local() {
        v6.scope_id()
    } else {
        0
    };
    Some(SocketAddrV6::new(v6.ip(), v6.port(), 0, scope).into())
}

fn send_raw(
    socket: &IkeSocket,
    local: SocketAddr,
    remote: SocketAddr,
    message: &[u8],
) -> Result<(), Errno> {
    let slices = [IoSlice::new(socket.port.marker()), IoSlice::new(message)];
    let fd = socket.socket.as_raw_fd();
    let to = SockaddrStorage::from(remote);
    let send = |control: ControlMessage<'_>| {
        sendmsg(fd, &slices, &[control], MsgFlags::MSG_DONTWAIT, Some(&to))
    };
    match local {
        SocketAddr::V4(local) => {
            let address = |ip: Ipv4Addr| libc::in_addr {
                s_addr: u32::from(ip).to_be(),
            };
            send(ControlMessage::Ipv4PacketInfo(&libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: address(*local.ip()),
                ipi_addr: address(Ipv4Addr::UNSPECIFIED),
            }))
        }
        SocketAddr::V6(local) => send(ControlMessage::Ipv6PacketInfo(&libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr {
                s6_addr: local.ip().octets(),
            },
            ipi6_ifindex: local.scope_id(),
        })),
    }
    .map(drop)
}

/// From which of our addresses a peer is reached: what the kernel's routes choose for a socket that sends nothing.
/// `exempt` keeps the question away from IPsec policies.
pub(crate) fn local_address_for(
    remote: IpAddr,
    exempt: impl FnOnce(&std::net::UdpSocket) -> io::Result<()>,
) -> io::Result<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    exempt(&socket)?;
    socket.connect((remote, Port::Ike.number()))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// Sockets on the loopback with ports that nobody else has.
    fn pair() -> (Sockets, UdpSocket) {
        pair_on(Ipv4Addr::LOCALHOST.into())
    }

    fn pair_on(loopback: IpAddr) -> (Sockets, UdpSocket) {
        let socket = bind::test_socket(loopback);
        let peer = UdpSocket::bind((loopback, 0)).expect("a socket");
        peer.connect(socket.local_addr().expect("bound"))
            .expect("connected");
        peer.set_read_timeout(Some(std::time::Duration::from_secs(5)))
            .expect("set");
        let sockets = vec![IkeSocket {
            socket: socket.try_into().expect("registered"),
            port: Port::Ike,
            ipv4: loopback.is_ipv4(),
        }];
        (
            Sockets {
                sockets,
                next: 0,
                counters: Counters::default(),
            },
            peer,
        )
    }

    #[tokio::test]
    async fn a_batch_holds_every_datagram_and_the_address_that_was_asked() {
        let (mut sockets, peer) = pair();
        for length in [1, 28, 1400, 9000] {
            peer.send(&vec![7; length]).expect("sent");
        }
        let mut batch = Batch::new();
        let mut lengths = Vec::new();
        while lengths.len() < 4 {
            let index = sockets.readable().await;
            sockets.receive(index, &mut batch);
            for (path, message) in batch.messages() {
                assert_eq!(path.local, SocketAddr::from((Ipv4Addr::LOCALHOST, 500)));
                assert_eq!(path.remote, peer.local_addr().expect("bound"));
                lengths.push(message.len());
            }
        }
        assert_eq!(lengths, [1, 28, 1400, 9000]);
        sockets.receive(0, &mut batch);
        assert_eq!(batch.messages().count(), 0, "an empty socket gives nothing");
    }

    #[tokio::test]
    async fn ipv6_comes_and_goes_between_the_addresses_that_were_used() {
        let loopback = IpAddr::V6(Ipv6Addr::LOCALHOST);
        if UdpSocket::bind((loopback, 0)).is_err() {
            println!("skipped: this machine has no IPv6");
            return;
        }
        let (mut sockets, peer) = pair_on(loopback);
        peer.send(b"hello").expect("sent");
        let mut batch = Batch::new();
        let index = sockets.readable().await;
        sockets.receive(index, &mut batch);
        let (path, message) = batch.messages().next().expect("one datagram");
        assert_eq!(message, b"hello");
        assert_eq!(path.local, SocketAddr::new(loopback, 500));
        assert_eq!(path.remote, peer.local_addr().expect("bound"));
        let answer = Transmit {
            path,
            bytes: b"hello yourself".to_vec(),
        };
        assert_eq!(sockets.send(&answer), Ok(()));
        let mut buffer = [0; 16];
        let length = peer.recv(&mut buffer).expect("received");
        assert_eq!(&buffer[..length], b"hello yourself");
        let local = local_address_for(loopback, |_| Ok(()));
        assert_eq!(local.expect("the loopback is there"), loopback);
    }

    #[tokio::test]
    async fn an_answer_leaves_from_the_address_that_was_asked() {
        let (mut sockets, peer) = pair();
        let path = Path {
            local: "127.0.0.1:500".parse().expect("an address"),
            remote: peer.local_addr().expect("bound"),
        };
        assert_eq!(
            sockets.send(&Transmit {
                path,
                bytes: b"hello".to_vec()
            }),
            Ok(())
        );
        let mut buffer = [0; 16];
        let length = peer.recv(&mut buffer).expect("received");
        assert_eq!(&buffer[..length], b"hello");
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_counted_and_harms_nothing() {
        let (mut sockets, peer) = pair();
        let remote = peer.local_addr().expect("bound");
        let not_ours = Path {
            local: "192.0.2.77:500".parse().expect("an address"),
            remote,
        };
        assert!(
            sockets
                .send(&Transmit {
                    path: not_ours,
                    bytes: vec![1]
                })
                .is_err()
        );
        let no_socket = Path {
            local: "[::1]:500".parse().expect("an address"),
            remote,
        };
        assert_eq!(
            sockets.send(&Transmit {
                path: no_socket,
                bytes: vec![1]
            }),
            Err(Errno::EAFNOSUPPORT)
        );
        assert_eq!(sockets.take_counters().send_failed, 2);
    }

    #[tokio::test]
    async fn an_icmp_error_does_not_stop_the_socket() {
        let (mut sockets, peer) = pair();
        let remote = peer.local_addr().expect("bound");
        let path = Path {
            local: "127.0.0.1:500".parse().expect("an address"),
            remote,
        };
        let ours = sockets.sockets[0].socket.local_addr().expect("bound");
        drop(peer);
        let _ = sockets.send(&Transmit {
            path,
            bytes: vec![1],
        });
        let mut batch = Batch::new();
        sockets.receive(0, &mut batch);
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        other.send_to(b"x", ours).expect("sent");
        loop {
            let index = sockets.readable().await;
            sockets.receive(index, &mut batch);
            if batch.messages().count() == 1 {
                break;
            }
        }
    }

    #[test]
    fn the_route_says_from_which_address_a_peer_is_reached() {
        let local = local_address_for(IpAddr::V4(Ipv4Addr::LOCALHOST), |_| Ok(()));
        assert_eq!(
            local.expect("the loopback is there"),
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        );
    }
}
