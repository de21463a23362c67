//! The IKE header (RFC 7296 section 3.1), also IKEv1's, which has the same form (RFC 2408 section 3.1).

use super::names;
use super::reader::{Reader, named};
use crate::wire::header::Header;
use crate::wire::numbers::{ExchangeType, PayloadType};

/// The flags of the header, and IKEv1's (RFC 2408 section 3.1).
const FLAGS: &[(u8, &str)] = &[(0x08, "Initiator"), (0x10, "Version"), (0x20, "Response")];
const IKEV1_FLAGS: &[(u8, &str)] = &[(1, "Encryption"), (2, "Commit"), (4, "Authentication Only")];

/// The header, and where the message ends by its length field. `actual`: the octets there are, if the length is to be held
/// against them.
pub(super) fn fields(reader: &mut Reader<'_>, actual: Option<usize>) -> Option<(Header, usize)> {
    let length = reader.remaining().min(Header::LENGTH);
    let head = Header::parse(reader.peek()).ok();
    // The version has its own names for the fields before it.
    let ikev1 = reader
        .peek()
        .get(17)
        .is_some_and(|version| version >> 4 == 1);
    reader.group("Header", length, |reader| {
        let from = reader.at();
        let initiator = reader.octets(8)?;
        let mark = reader.push("IKE SA Initiator's SPI", plain_hex(initiator), from);
        if initiator.iter().all(|&octet| octet == 0) {
            reader.note(mark, "it is never zero");
        }
        let from = reader.at();
        let responder = reader.octets(8)?;
        let unset = responder.iter().all(|&octet| octet == 0);
        let value = plain_hex(responder) + if unset { " (not chosen yet)" } else { "" };
        reader.push("IKE SA Responder's SPI", value, from);
        reader.code8("Next Payload", |n| {
            if ikev1 {
                names::ikev1_payload(n)
            } else {
                PayloadType(n).name()
            }
        })?;
        let from = reader.at();
        let [version] = reader.array()?;
        let (major, minor) = (version >> 4, version & 0x0f);
        let mark = reader.push("Version", format!("{major}.{minor}"), from);
        match major {
            2 => {}
            1 => {
                reader.gist("IKEv1");
                reader.refuse(mark, "this is IKEv1; what follows the header is not shown");
            }
            _ => reader.refuse(
                mark,
                format!("major version {major} is not known; IKEv2 is 2"),
            ),
        }
        let known = |n| {
            if ikev1 {
                names::ikev1_exchange(n)
            } else {
                ExchangeType(n).name()
            }
        };
        let exchange = reader.code8("Exchange Type", known)?;
        reader.gist(named(known(exchange), exchange));
        let from = reader.at();
        let [flags] = reader.array()?;
        let bits = if ikev1 { IKEV1_FLAGS } else { FLAGS };
        let mark = reader.push("Flags", names::bits(flags, bits), from);
        let reserved = bits.iter().fold(flags, |flags, (bit, _)| flags & !bit);
        if reserved != 0 {
            reader.note(
                mark,
                format!("reserved bits are set ({reserved:#04x}); receivers ignore them"),
            );
        }
        if !ikev1 {
            reader.gist_after(
                " ",
                if flags & 0x20 == 0 {
                    "request"
                } else {
                    "response"
                },
            );
        }
        let id = reader.u32("Message ID")?;
        reader.gist(format!("message ID {id}"));
        let from = reader.at();
        let declared = u32::from_be_bytes(reader.array()?);
        let mark = reader.push("Length", format!("{declared} octets"), from);
        if let Some(actual) = actual.filter(|&actual| u32::try_from(actual) != Ok(declared)) {
            reader.refuse(mark, format!("the message has {actual} octets"));
        }
        Ok(())
    });
    head.map(|head| (head, usize::try_from(head.length).unwrap_or(usize::MAX)))
}

/// All octets, for fields whose length is fixed and short.
fn plain_hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
