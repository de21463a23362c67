//! Netlink sockets to the kernel's XFRM, and a buffer for what they receive that forgets it again.

use std::io;

use netlink_sys::protocols::NETLINK_XFRM;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use nix::sys::socket::{setsockopt, sockopt};
use zeroize::Zeroize;

use crate::XfrmError;

/// Longer than any datagram of the kernel, which builds dumps in pieces of at most 32 KiB.
const LONGEST: usize = 64 * 1024;

/// A socket that speaks with the kernel only.
pub(crate) struct XfrmSocket {
    socket: TokioSocket,
    buffer: Vec<u8>,
}

/// What arrived.
pub(crate) enum Arrival<'a> {
    /// A datagram; its bytes are wiped with the next call.
    Datagram(&'a [u8]),
    /// A datagram longer than the buffer.
    Truncated,
    /// The receive buffer was full and an unknown number of datagrams is gone.
    Overrun,
}

impl XfrmSocket {
    /// Opens the socket in the calling thread's network namespace and joins the groups.
    pub(crate) fn open(receive_buffer: usize, groups: &[u32]) -> Result<Self, XfrmError> {
        Self::try_open(receive_buffer, groups).map_err(|source| XfrmError::Io {
            operation: "opening the XFRM netlink socket",
            source,
        })
    }

    fn try_open(receive_buffer: usize, groups: &[u32]) -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_XFRM)?;
        let inner = socket.socket_mut();
        inner.bind_auto()?;
        // From now on the kernel lets nobody else send to it.
        inner.connect(&SocketAddr::new(0, 0))?;
        inner.set_cap_ack(true)?;
        inner.set_ext_ack(true)?;
        // Beyond net.core.rmem_max needs CAP_NET_ADMIN in the initial user namespace; up to it anyone may go.
        if setsockopt(inner, sockopt::RcvBufForce, &receive_buffer).is_err() {
            setsockopt(inner, sockopt::RcvBuf, &receive_buffer)?;
        }
        for &group in groups {
            inner.add_membership(group)?;
        }
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(LONGEST),
        })
    }

    /// Sends one datagram; the kernel has acted on it when this returns.
    pub(crate) async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send(datagram).await.map(drop)
    }

    /// Waits for the next datagram. Cancelling loses nothing.
    pub(crate) async fn receive(&mut self) -> io::Result<Arrival<'_>> {
        self.forget();
        match self.socket.recv(&mut self.buffer).await {
            Ok(()) if self.buffer.len() == self.buffer.capacity() => Ok(Arrival::Truncated),
            Ok(()) => Ok(Arrival::Datagram(&self.buffer)),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(Arrival::Overrun),
            Err(error) => Err(error),
        }
    }

    /// Wipes what was received last. Dumps carry keys.
    pub(crate) fn forget(&mut self) {
        self.buffer.as_mut_slice().zeroize();
        self.buffer.clear();
    }
}

impl Drop for XfrmSocket {
    fn drop(&mut self) {
        self.forget();
    }
}
