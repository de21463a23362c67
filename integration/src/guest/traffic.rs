//! Traffic between hosts: ping, TCP and UDP, made by this process inside their namespaces.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::netns::Namespace;
use super::packets::checksum;

/// An answer that takes longer counts as lost: generous, because an emulated guest is slow.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Types of echo request and reply, for IPv4 and IPv6.
const ECHO: (u8, u8) = (8, 0);
const ECHO_V6: (u8, u8) = (128, 129);

/// Sends `count` echo requests of `size` bytes of data, each after the answer to the last or `wait`. Returns how many were answered.
pub fn ping(
    from: &Namespace,
    source: impl Into<IpAddr>,
    to: impl Into<IpAddr>,
    count: u16,
    size: usize,
    wait: Duration,
) -> Result<u16> {
    let (source, to) = (
        SocketAddr::new(source.into(), 0),
        SocketAddr::new(to.into(), 0),
    );
    from.run(|| {
        let protocol = if to.is_ipv4() {
            Protocol::ICMPV4
        } else {
            Protocol::ICMPV6
        };
        let socket = Socket::new(Domain::for_address(to), Type::RAW, Some(protocol))
            .context("opening an ICMP socket")?;
        socket.bind(&SockAddr::from(source))?;
        // Connected, the socket hears nobody else's replies. IPv6 asks the policies at once.
        match socket.connect(&SockAddr::from(to)) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(0),
            connected => connected.context("connecting an ICMP socket")?,
        }
        let identifier = u16::try_from(std::process::id() & 0xffff)?;
        let mut answered = 0;
        for sequence in 1..=count {
            let request = echo_request(to.is_ipv4(), identifier, sequence, size);
            // EPERM and ENETUNREACH are answers too: a policy that drops says so at once.
            if socket.send(&request).is_ok()
                && hears_reply(&socket, to.is_ipv4(), (identifier, sequence), wait)?
            {
                answered += 1;
            }
        }
        Ok(answered)
    })
}

fn echo_request(ipv4: bool, identifier: u16, sequence: u16, size: usize) -> Vec<u8> {
    let (request, _) = if ipv4 { ECHO } else { ECHO_V6 };
    let mut message = vec![request, 0, 0, 0];
    message.extend(identifier.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend(pattern(size));
    // The kernel fills in that of IPv6, which covers the addresses.
    if ipv4 {
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

fn hears_reply(
    mut socket: &Socket,
    ipv4: bool,
    (identifier, sequence): (u16, u16),
    wait: Duration,
) -> Result<bool> {
    let wanted = [identifier.to_be_bytes(), sequence.to_be_bytes()].concat();
    let deadline = Instant::now() + wait;
    let mut buffer = [0; 2048];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        socket.set_read_timeout(Some(left))?;
        let length = match socket.read(&mut buffer) {
            Ok(length) => length,
            // Unreachable, or forbidden by a policy: no reply to this one.
            Err(_) => return Ok(false),
        };
        // The IPv4 header comes with it, that of IPv6 does not.
        let header = if ipv4 {
            usize::from(buffer[0] & 0x0f) * 4
        } else {
            0
        };
        let Some(message) = buffer[..length].get(header..) else {
            continue;
        };
        let (_, reply) = if ipv4 { ECHO } else { ECHO_V6 };
        if message.first() == Some(&reply) && message.get(4..8) == Some(&wanted[..]) {
            return Ok(true);
        }
    }
}

/// Carries `bytes` over TCP from one host to another, and checks that they arrived as they were sent.
pub fn tcp_transfer(
    from: (&Namespace, impl Into<IpAddr>),
    to: (&Namespace, impl Into<IpAddr>),
    bytes: usize,
) -> Result<()> {
    let (source, to) = (from.1.into(), (to.0, to.1.into()));
    let listener =
        to.0.run(|| TcpListener::bind((to.1, 0)))
            .context("listening")?;
    let server = listener.local_addr()?;
    let sent = pattern(bytes);
    let received = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| -> Result<Vec<u8>> {
            let mut stream = accept(&listener, Instant::now() + Duration::from_secs(60))?;
            stream.set_read_timeout(Some(Duration::from_secs(60)))?;
            let mut received = Vec::with_capacity(bytes);
            stream.read_to_end(&mut received).context("receiving")?;
            Ok(received)
        });
        let mut stream = from.0.run(|| connect(source, server))?;
        stream.set_write_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(&sent).context("sending")?;
        stream.shutdown(Shutdown::Write)?;
        receiver
            .join()
            .map_err(|_| anyhow::anyhow!("the receiver panicked"))?
    })?;
    ensure!(
        received == sent,
        "{} of {bytes} bytes arrived, or not as they were sent",
        received.len()
    );
    Ok(())
}

/// Whether `from` can open a TCP connection to `to`'s `port`, with a listener there.
pub fn tcp_connects(
    from: (&Namespace, Ipv4Addr),
    to: (&Namespace, Ipv4Addr),
    port: u16,
    wait: Duration,
) -> Result<bool> {
    let listener =
        to.0.run(|| TcpListener::bind((to.1, port)))
            .context("listening")?;
    let connected = from
        .0
        .run(|| connect_within(from.1.into(), listener.local_addr()?, wait).map(|_| ()));
    Ok(connected.is_ok())
}

fn connect(source: IpAddr, server: SocketAddr) -> Result<TcpStream> {
    connect_within(source, server, Duration::from_secs(20))
}

fn connect_within(source: IpAddr, server: SocketAddr, wait: Duration) -> Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(server),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
    socket
        .connect_timeout(&SockAddr::from(server), wait)
        .with_context(|| format!("connecting to {server}"))?;
    Ok(socket.into())
}

fn accept(listener: &TcpListener, deadline: Instant) -> Result<TcpStream> {
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error).context("nobody connected"),
        }
    }
}

/// Waits for one UDP datagram at `at`, sent by `send`. Returns whether it came.
pub fn udp_arrives(
    at: (&Namespace, Ipv4Addr),
    port: u16,
    wait: Duration,
    send: impl FnOnce() -> Result<()>,
) -> Result<bool> {
    let socket =
        at.0.run(|| UdpSocket::bind((at.1, port)))
            .context("binding")?;
    socket.set_read_timeout(Some(wait))?;
    send()?;
    Ok(socket.recv(&mut [0; 2048]).is_ok())
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index % 251) as u8).collect()
}
