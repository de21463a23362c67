//! The names of what can be told.

use std::fmt;

/// Declares the codes with the names they have for good.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal,)*) => {
        /// What a warning is about. The names are stable: documentation and scripts may rely on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $code,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }
        }
    };
}

codes! {
    /// `kernel: none`: nothing is protected.
    KernelNone = "kernel-none",
    /// An address that we are to speak from, and no interface has.
    NoLocalAddress = "no-local-address",
    /// The remote side of a child holds an address of this machine: the two sides may be swapped.
    RemoteIsHere = "remote-is-here",
    /// No route to a peer.
    NoRouteToPeer = "no-route-to-peer",
    /// No route to what is behind a peer: IPsec is not even asked.
    NoRoute = "no-route",
    /// What is behind a peer has a route of its own, by another interface than the peer.
    RouteElsewhere = "route-elsewhere",
    /// An interface on which the kernel leaves IPsec out.
    IpsecDisabled = "ipsec-disabled",
    /// Networks behind this gateway, and it does not forward.
    NoForwarding = "no-forwarding",
    /// A strict reverse path filter.
    StrictRpFilter = "strict-rp-filter",
    /// ICMP redirects are sent, which lead hosts around the tunnel.
    SendRedirects = "send-redirects",
    /// ICMP redirects are believed, which lead this gateway around its routes.
    AcceptRedirects = "accept-redirects",
    /// An MTU on the way to the peer in which IPv6 has no room.
    SmallMtu = "small-mtu",
    /// Somebody else has UDP port 500 or 4500.
    PortsTaken = "ports-taken",
    /// IPsec policies in the kernel that are not ours.
    ForeignPolicies = "foreign-policies",
    /// A module that the kernel needs is not there.
    NoKernelModule = "no-kernel-module",
    /// The clock is before the program was made, and certificates are judged by it.
    ClockUnset = "clock-unset",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
