//! Sockets that no policy concerns: the key exchange must not wait for the SA that it is about to make.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::Emitable;
use netlink_packet_xfrm::{
    AF_INET, AF_INET6, Selector, UserPolicyInfo, XFRM_USER_POLICY_INFO_LEN, constants as raw,
};

use crate::Direction;
use crate::constants::{IP_XFRM_POLICY, IPV6_XFRM_POLICY};

/// Lets a socket's packets pass in and out whatever the policies say. Of an IPv6 socket only its IPv6 packets: open it with
/// `IPV6_V6ONLY` and another one for IPv4.
///
/// # Errors
/// `EPERM` without CAP_NET_ADMIN; `EAFNOSUPPORT` if the socket is neither IPv4 nor IPv6.
pub fn exempt_socket(socket: &impl AsFd) -> io::Result<()> {
    let (level, option, family) = match domain(socket)? {
        libc::AF_INET => (libc::IPPROTO_IP, IP_XFRM_POLICY, AF_INET),
        libc::AF_INET6 => (libc::IPPROTO_IPV6, IPV6_XFRM_POLICY, AF_INET6),
        _ => return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    };
    for direction in [Direction::In, Direction::Out] {
        let pass = UserPolicyInfo {
            selector: Selector {
                family,
                ..Selector::default()
            },
            direction: direction.number(),
            action: raw::XFRM_POLICY_ALLOW,
            ..UserPolicyInfo::default()
        };
        let mut bytes = [0; XFRM_USER_POLICY_INFO_LEN];
        pass.emit(&mut bytes);
        set_option(socket, level, option, &bytes)?;
    }
    Ok(())
}

fn domain(socket: &impl AsFd) -> io::Result<libc::c_int> {
    let mut domain: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is borrowed for the call, and the kernel writes at most `length` bytes, the size of `domain`.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_DOMAIN,
            (&raw mut domain).cast(),
            &mut length,
        )
    };
    if result == 0 {
        Ok(domain)
    } else {
        Err(io::Error::last_os_error())
    }
}

fn set_option(
    socket: &impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: &[u8],
) -> io::Result<()> {
    // SAFETY: the descriptor is borrowed for the call, and the kernel reads `value.len()` bytes of `value`.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            value.as_ptr().cast(),
            value.len() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
