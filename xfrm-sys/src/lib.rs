//! The kernel's XFRM interface, typed: SAs, policies, events and capability probes.
