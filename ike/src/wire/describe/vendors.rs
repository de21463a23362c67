//! The Vendor ID payload (RFC 7296 section 3.12): who made the peer, as far as it says so.

use super::reader::{Read, Reader, hex, printable};

/// Vendor IDs that are hashes or other octets; the first is where they begin, since versions and lists follow some.
/// MD5 of a text unless said otherwise.
const KNOWN: &[(&str, &str)] = &[
    ("882fe56d6fd20dbc2251613b2ebe5beb", "strongSwan"),
    (
        "1e2b516905991c7d7c96fcbfb587e461",
        "MS NT5 ISAKMPOAKLEY (Windows)",
    ),
    (
        "fb1de3cdf341b7ea16b7e5be0855f120",
        "MS-Negotiation Discovery Capable (Windows)",
    ),
    (
        "26244d38eddb61b3172a36e3d0cfb819",
        "Vid-Initial-Contact (Windows)",
    ),
    (
        "e3a5966a76379fe707228231e5ce8652",
        "IKE CGA version 1 (Windows)",
    ),
    (
        "214ca4faffa7f32d6748e5303395ae83",
        "MS-MamieExists (Windows)",
    ),
    (
        "4048b7d56ebce88525e7de7f00d6c2d3",
        "FRAGMENTATION (before RFC 7383)",
    ),
    (
        "4a131c81070358455c5728f20e95452f",
        "RFC 3947 (IKEv1 NAT traversal)",
    ),
    (
        "90cb80913ebb696e086381b5ec427b1f",
        "draft-ietf-ipsec-nat-t-ike-02 (IKEv1 NAT traversal)",
    ),
    (
        "cd60464335df21f87cfdb2fc68b6a448",
        "draft-ietf-ipsec-nat-t-ike-02 (IKEv1 NAT traversal)",
    ),
    (
        "7d9419a65310ca6f2c179d9215529d56",
        "draft-ietf-ipsec-nat-t-ike-03 (IKEv1 NAT traversal)",
    ),
    // RFC 3706 section 5.1: a number, with the versions behind.
    (
        "afcad71368a1f1c96b8696fc7757",
        "Dead Peer Detection (IKEv1)",
    ),
    // draft-beaulieu-ike-xauth-02.
    ("09002689dfd6b712", "XAUTH (IKEv1)"),
    // The first 14 octets of MD5 of CISCO-UNITY, with the version behind.
    ("12f5f28c457168a9702d9fe274cc", "Cisco Unity"),
    ("f4ed19e0c114eb516faaac0ee37daf28", "Check Point"),
    ("8299031757a36082c6a621de", "FortiGate"),
];

pub(super) fn vendor_id(reader: &mut Reader<'_>) -> Read {
    let from = reader.at();
    let octets = reader.rest();
    let start = hex(octets);
    let known = KNOWN.iter().find(|(id, _)| start.starts_with(id));
    let value = match (known, printable(octets)) {
        (Some((_, name)), _) => (*name).to_owned(),
        (None, Some(text)) => format!("\"{text}\""),
        (None, None) => start.clone(),
    };
    reader.push("Vendor ID (VID)", start, from);
    reader.gist(value);
    Ok(())
}
