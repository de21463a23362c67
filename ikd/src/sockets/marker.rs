//! The non-ESP marker of port 4500 (RFC 3948 section 2.2), which tells IKE from ESP in UDP.

/// Four zero bytes where ESP has its SPI.
pub(super) const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// The two ports of IKE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// 500: the datagram is the IKE message.
    Ike,
    /// 4500: the marker comes first; without it the datagram is ESP, and a single byte 0xFF a NAT keepalive.
    NatTraversal,
}

impl Port {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Ike, Self::NatTraversal];

    /// The UDP port.
    pub(crate) const fn number(self) -> u16 {
        match self {
            Self::Ike => 500,
            Self::NatTraversal => 4500,
        }
    }

    /// Bytes to send before an IKE message.
    pub(super) const fn marker(self) -> &'static [u8] {
        match self {
            Self::Ike => &[],
            Self::NatTraversal => &NON_ESP_MARKER,
        }
    }

    /// The IKE message in a datagram; `None` where it holds none.
    pub(super) fn strip(self, datagram: &[u8]) -> Option<&[u8]> {
        datagram.strip_prefix(self.marker())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_500_takes_datagrams_as_they_are() {
        assert_eq!(
            Port::Ike.strip(&[0, 0, 0, 0, 1]),
            Some(&[0, 0, 0, 0, 1][..])
        );
        assert_eq!(Port::Ike.strip(&[]), Some(&[][..]));
        assert!(Port::Ike.marker().is_empty());
    }

    #[test]
    fn port_4500_takes_only_what_has_the_marker() {
        let port = Port::NatTraversal;
        assert_eq!(port.strip(&[0, 0, 0, 0, 7, 8]), Some(&[7, 8][..]));
        assert_eq!(
            port.strip(&[0, 0, 0, 0]),
            Some(&[][..]),
            "the engine drops what is too short"
        );
        assert_eq!(port.strip(&[0xFF]), None, "a NAT keepalive");
        assert_eq!(port.strip(&[0, 0, 1, 0, 9, 9, 9, 9]), None, "ESP");
        assert_eq!(port.strip(&[0, 0, 0]), None);
        assert_eq!(port.strip(&[]), None);
    }
}
