//! Opening the sockets, and what to tell a person where that fails.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use nix::sys::socket::{setsockopt, sockopt};
use preflight::running_daemons;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::{Counters, IkeSocket, Port, Sockets};

/// A burst of IKE_SA_INIT messages should wait here rather than be lost; the kernel caps it at net.core.rmem_max.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Why a socket could not be opened.
#[derive(Debug)]
pub(crate) enum BindError {
    /// Somebody else has the port.
    InUse {
        /// The port.
        port: u16,
        /// IKE daemons that run in this network namespace, as `charon (process 17)`.
        suspects: Vec<String>,
    },
    /// We may not.
    Privilege {
        /// What was tried.
        what: String,
        /// The capability that is missing.
        capability: &'static str,
    },
    /// Anything else.
    Other {
        /// What was tried.
        what: String,
        /// The system's error.
        error: io::Error,
    },
}

/// Opens all sockets. `exempt` makes each ignore IPsec policies. Where IPv6 is not available, `without_ipv6` is told why.
/// Needs to be called within the runtime.
pub(crate) fn bind(
    exempt: impl Fn(&UdpSocket) -> io::Result<()>,
    without_ipv6: impl FnOnce(io::Error),
) -> Result<Sockets, BindError> {
    let mut sockets = Vec::new();
    let mut ipv6_missing = None;
    for port in Port::ALL {
        for any in [
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ] {
            match open(any, port.number()) {
                Ok(socket) => {
                    exempt(&socket).map_err(|error| exempt_failed(port, error))?;
                    let socket = socket
                        .try_into()
                        .map_err(|error| explain(port, any, error))?;
                    sockets.push(IkeSocket {
                        socket,
                        port,
                        ipv4: any.is_ipv4(),
                    });
                }
                Err(error) if any.is_ipv6() && is_absent(&error) => ipv6_missing = Some(error),
                Err(error) => return Err(explain(port, any, error)),
            }
        }
    }
    if let Some(error) = ipv6_missing {
        without_ipv6(error);
    }
    Ok(Sockets {
        sockets,
        next: 0,
        counters: Counters::default(),
    })
}

fn open(any: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address((any, port).into()),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    if any.is_ipv4() {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    } else {
        socket.set_only_v6(true)?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    // A smaller buffer is no reason not to start.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.bind(&SockAddr::from(std::net::SocketAddr::new(any, port)))?;
    Ok(socket.into())
}

/// Whether the machine has no IPv6 (not built in, or switched off).
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EPROTONOSUPPORT)
    )
}

fn exempt_failed(port: Port, error: io::Error) -> BindError {
    let what = format!("exempting UDP port {} from IPsec policies", port.number());
    match error.kind() {
        io::ErrorKind::PermissionDenied => BindError::Privilege {
            what,
            capability: "CAP_NET_ADMIN",
        },
        _ => BindError::Other { what, error },
    }
}

fn explain(port: Port, any: IpAddr, error: io::Error) -> BindError {
    let what = format!("opening UDP port {} on {any}", port.number());
    match error.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse {
            port: port.number(),
            suspects: running_daemons().iter().map(ToString::to_string).collect(),
        },
        io::ErrorKind::PermissionDenied => BindError::Privilege {
            what,
            capability: "CAP_NET_BIND_SERVICE",
        },
        _ => BindError::Other { what, error },
    }
}

#[cfg(test)]
pub(super) fn test_socket(address: IpAddr) -> UdpSocket {
    open(address, 0).expect("a socket")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_and_a_missing_privilege_are_told_apart() {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let explained = |number| explain(Port::Ike, any, io::Error::from_raw_os_error(number));
        assert!(matches!(
            explained(libc::EADDRINUSE),
            BindError::InUse { port: 500, .. }
        ));
        assert!(matches!(
            explained(libc::EACCES),
            BindError::Privilege {
                capability: "CAP_NET_BIND_SERVICE",
                ..
            }
        ));
        assert!(matches!(explained(libc::ENOMEM), BindError::Other { .. }));
    }

    #[test]
    fn the_same_port_cannot_be_opened_twice() {
        let first = test_socket(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let port = first.local_addr().expect("bound").port();
        let second = open(IpAddr::V4(Ipv4Addr::LOCALHOST), port).expect_err("in use");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
    }
}
