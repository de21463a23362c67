//! Whether addresses were changed on the way, by the hashes in NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP
//! (RFC 7296 section 2.23): SHA-1 of both SPIs, address and port.

use std::net::{IpAddr, SocketAddr};

use ike::wire::numbers::NotifyType;
use ike::wire::{Header, Message, Payload};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// What the hashes say of the addresses that the message was captured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nat {
    /// Whether the sender says that it sent from there. It may say no only to get ESP into UDP.
    pub(super) source_fits: bool,
    /// Whether it says that it sent to there.
    pub(super) destination_fits: bool,
}

impl Nat {
    /// Looks at a message; `None` where it lacks the hashes.
    pub(super) fn find(bytes: &[u8], source: SocketAddr, destination: SocketAddr) -> Option<Self> {
        let message = Message::parse(bytes).ok()?;
        // A sender that does not know its own address sends several for the source.
        let fits = |kind: NotifyType, end: SocketAddr| {
            let expected = hash(&message.header, end);
            let mut hashes = message.payloads.iter().filter_map(|payload| match payload {
                Payload::Notify(notify) if notify.kind == kind => Some(&notify.data),
                _ => None,
            });
            let first = hashes.next()?;
            Some(first[..] == expected || hashes.any(|other| other[..] == expected))
        };
        Some(Self {
            source_fits: fits(NotifyType::NAT_DETECTION_SOURCE_IP, source)?,
            destination_fits: fits(NotifyType::NAT_DETECTION_DESTINATION_IP, destination)?,
        })
    }
}

fn hash(header: &Header, end: SocketAddr) -> [u8; 20] {
    let mut octets = [header.initiator_spi.0, header.responder_spi.0].concat();
    match end.ip() {
        IpAddr::V4(address) => octets.extend(address.octets()),
        IpAddr::V6(address) => octets.extend(address.octets()),
    }
    octets.extend(end.port().to_be_bytes());
    let mut hash = [0; 20];
    hash.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, &octets).as_ref());
    hash
}
