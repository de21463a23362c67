//! Numbers of the kernel's `linux/xfrm.h` that netlink-packet-xfrm lacks.
//!
//! Kept by hand: the header of the machine that builds is often older than the kernel that runs. The attributes were
//! added from Linux 5.19 (33: 6.10) to 6.14 (36 to 41), numbers and lengths as `net/xfrm/xfrm_compat.c` lists them.

/// The SA's direction, `u8`: [`XFRM_SA_DIR_IN`] or [`XFRM_SA_DIR_OUT`] (Linux 6.10).
pub const XFRMA_SA_DIR: u16 = 33;
/// Seconds between NAT keepalives that the kernel sends for an outbound SA, `u32` (Linux 6.11).
pub const XFRMA_NAT_KEEPALIVE_INTERVAL: u16 = 34;
/// The CPU that an SA belongs to, `u32` (Linux 6.13, RFC 9611).
pub const XFRMA_SA_PCPU: u16 = 35;
/// IP-TFS (RFC 9347): time in microseconds after which a missing packet is given up, `u32`.
pub const XFRMA_IPTFS_DROP_TIME: u16 = 36;
/// IP-TFS: packets that wait for an earlier one, `u16`.
pub const XFRMA_IPTFS_REORDER_WINDOW: u16 = 37;
/// IP-TFS: do not fragment inner packets, a flag without content.
pub const XFRMA_IPTFS_DONT_FRAG: u16 = 38;
/// IP-TFS: microseconds to wait for more packets before sending, `u32`.
pub const XFRMA_IPTFS_INIT_DELAY: u16 = 39;
/// IP-TFS: bytes in the output queue, `u32`.
pub const XFRMA_IPTFS_MAX_QSIZE: u16 = 40;
/// IP-TFS: size of an outer packet in bytes, `u32`.
pub const XFRMA_IPTFS_PKT_SIZE: u16 = 41;

/// The SA receives.
pub const XFRM_SA_DIR_IN: u8 = 1;
/// The SA sends.
pub const XFRM_SA_DIR_OUT: u8 = 2;

/// Mode IP-TFS (RFC 9347), Linux 6.14.
pub const XFRM_MODE_IPTFS: u8 = 5;

/// Moves one SA, found by SPI and mark, to other addresses (Linux 7.2).
pub const XFRM_MSG_MIGRATE_STATE: u16 = 0x29;

/// Socket option: a policy for one IPv4 socket (`linux/in.h`).
pub const IP_XFRM_POLICY: i32 = 17;
/// Socket option: a policy for one IPv6 socket (`linux/in6.h`).
pub const IPV6_XFRM_POLICY: i32 = 35;

/// The largest replay window in packets: `XFRMA_REPLAY_ESN_MAX` bits.
pub const REPLAY_WINDOW_MAX: u32 = 4096;
/// The largest number of templates in a policy.
pub const XFRM_MAX_DEPTH: usize = 6;
