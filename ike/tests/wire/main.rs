//! `ike::wire` against messages of other implementations, hostile input, the RFC and itself.
#![expect(
    clippy::unwrap_used,
    reason = "a test helper that fails is a failed test"
)]

mod describe;
mod hostile;
mod rfc7296;
mod round_trip;
mod vectors;

use ike::wire::numbers::{ExchangeType, PayloadType};
use ike::wire::{Flags, Header, IkeSpi, Message, Payload, WireError, parse_chain};

/// Octets from hex digits; blanks are skipped.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// The octets named `name` in a file of `name = hex` lines.
fn vector(file: &str, name: &str) -> Vec<u8> {
    let line = file
        .lines()
        .find_map(|line| line.split_once(" = ").filter(|(key, _)| *key == name));
    hex(line.unwrap_or_else(|| panic!("no vector {name}")).1)
}

const ANDROID: &str = include_str!("../vectors/wire/android-ike.hex");
const OPENIKED: &str = include_str!("../vectors/wire/openiked.hex");

/// A request header whose length and next payload are still to be filled in.
fn header(exchange: ExchangeType) -> Header {
    Header {
        initiator_spi: IkeSpi([1; 8]),
        responder_spi: IkeSpi([2; 8]),
        next_payload: PayloadType::NONE,
        major: 2,
        minor: 0,
        exchange,
        flags: Flags {
            initiator: true,
            ..Flags::default()
        },
        message_id: 1,
        length: 0,
    }
}

/// A datagram: header, then `chain`, which starts with a payload of type `first`.
fn datagram(first: PayloadType, chain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let length = u32::try_from(Header::LENGTH + chain.len()).unwrap();
    Header {
        next_payload: first,
        length,
        ..header(ExchangeType::INFORMATIONAL)
    }
    .write(&mut out);
    out.extend_from_slice(chain);
    out
}

/// Writes the real length into the header.
fn fix_length(datagram: &mut [u8]) {
    let length = u32::try_from(datagram.len()).unwrap();
    datagram[24..28].copy_from_slice(&length.to_be_bytes());
}

/// One payload of type `kind` with `body`, as a chain.
fn chain(kind: PayloadType, body: &[u8]) -> (PayloadType, Vec<u8>) {
    let length = u16::try_from(4 + body.len()).unwrap().to_be_bytes();
    (kind, [&[0, 0], &length[..], body].concat())
}

/// Parses one payload of type `kind` with the body `digits`, both in clear and as decrypted content: the outcome must be
/// the same but for the offset.
fn parse_one(kind: PayloadType, body: &[u8]) -> Result<Payload<'static>, WireError> {
    let (kind, octets) = chain(kind, body);
    let inner = parse_chain(kind, &octets).map(|mut all| all.remove(0).into_owned());
    let datagram = datagram(kind, &octets);
    let outer =
        Message::parse(&datagram).map(|mut message| message.payloads.remove(0).into_owned());
    match (&inner, &outer) {
        (Ok(inner), Ok(outer)) => assert_eq!(inner, outer),
        (Err(inner), Err(outer)) => assert_eq!(inner.code(), outer.code()),
        _ => panic!("decrypted: {inner:?}, in clear: {outer:?}"),
    }
    inner
}

/// The stable name of what is wrong with such a payload.
fn fault(kind: PayloadType, body: &str) -> &'static str {
    parse_one(kind, &hex(body))
        .expect_err("must be refused")
        .code()
}
