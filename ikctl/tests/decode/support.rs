//! Captures, frames and messages made to order, and `ikctl decode` run on them.

use std::path::Path;
use std::process::{Command, Stdio};

use ike::crypto::protection::SealingKey;
use ike::crypto::{ProtectionAlgorithm, Random};
use ike::wire::numbers::{ExchangeType, PayloadType};
use ike::wire::{Flags, Fragment, Header, IkeSpi, begin_protected};
use serde_json::Value;

/// How `ikctl decode` ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `ikctl decode` on a file with these bytes, and a key table if there is to be one.
pub(crate) fn decode(capture: &[u8], keys: Option<&str>, arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("capture"), capture).unwrap();
    let mut all = vec!["decode".to_owned(), path("capture")];
    if let Some(keys) = keys {
        std::fs::write(path("keys"), keys).unwrap();
        all.extend(["--keys".to_owned(), path("keys")]);
    }
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let mut ended = run(Command::new(env!("CARGO_BIN_EXE_ikctl"))
        .args(all)
        .stdin(Stdio::null()));
    ended.stderr = ended.stderr.replace(folder.path().to_str().unwrap(), "DIR");
    ended
}

pub(crate) fn run(command: &mut Command) -> Ended {
    let output = command.env_clear().output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// As [`decode`], with `--json`: every line, of which the last is the end.
pub(crate) fn lines(capture: &[u8], keys: Option<&str>) -> Vec<Value> {
    let ended = decode(capture, keys, &["--json"]);
    assert!([0, 7].contains(&ended.code), "{ended:?}");
    ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The end of `lines`.
pub(crate) fn end(lines: &[Value]) -> &Value {
    let end = lines.last().unwrap();
    assert_eq!(end["type"], "end");
    end
}

/// Compares with a file of `expected/`; `IKCTL_EXPECT=write` writes it.
#[track_caller]
pub(crate) fn expect(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/decode/expected")
        .join(file);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "more than 80 columns: {line}");
    }
    if std::env::var("IKCTL_EXPECT").is_ok_and(|value| value == "write") {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(
        text,
        std::fs::read_to_string(&path).unwrap_or_default(),
        "not as in {file}"
    );
}

pub(crate) const ETHERNET: u16 = 1;
pub(crate) const RAW: u16 = 101;

/// 2023-11-14 22:13:20 UTC
pub(crate) const START: u32 = 1_700_000_000;

/// A pcap file of little-endian microseconds, its packets half a second apart.
pub(crate) fn pcap(link: u16, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 262_144, link.into()]
        .map(u32::to_le_bytes)
        .concat();
    for (index, packet) in packets.iter().enumerate() {
        let halves = u32::try_from(index).unwrap();
        let length = u32::try_from(packet.len()).unwrap();
        file.extend(
            [START + halves / 2, halves % 2 * 500_000, length, length]
                .map(u32::to_le_bytes)
                .concat(),
        );
        file.extend(packet);
    }
    file
}

/// IPv4 and UDP around a payload.
pub(crate) fn udp4(from: ([u8; 4], u16), to: ([u8; 4], u16), payload: &[u8]) -> Vec<u8> {
    ip4(from.0, to.0, 17, 1, 0, &udp(from.1, to.1, payload))
}

/// From 192.0.2.1 to 198.51.100.7, both on port 500.
pub(crate) fn request(payload: &[u8]) -> Vec<u8> {
    udp4(([192, 0, 2, 1], 500), ([198, 51, 100, 7], 500), payload)
}

/// Back.
pub(crate) fn response(payload: &[u8]) -> Vec<u8> {
    udp4(([198, 51, 100, 7], 500), ([192, 0, 2, 1], 500), payload)
}

pub(crate) fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap();
    let header = [from, to, length, 0].map(u16::to_be_bytes).concat();
    [&header, payload].concat()
}

/// `fragment`: the field of flags and offset.
pub(crate) fn ip4(
    from: [u8; 4],
    to: [u8; 4],
    protocol: u8,
    id: u16,
    fragment: u16,
    payload: &[u8],
) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 20).unwrap();
    let words = [
        0x4500,
        length,
        id,
        fragment,
        0x4000 | u16::from(protocol),
        0,
    ]
    .map(u16::to_be_bytes);
    [&words.concat(), &from[..], &to, payload].concat()
}

/// `next`: the type of what follows the header.
pub(crate) fn ip6(from: u8, to: u8, next: u8, payload: &[u8]) -> Vec<u8> {
    let address = |last: u8| {
        [
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last,
        ]
    };
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [
        &[0x60, 0, 0, 0][..],
        &length,
        &[next, 64],
        &address(from),
        &address(to),
        payload,
    ]
    .concat()
}

pub(crate) const SPIS: (IkeSpi, IkeSpi) = (IkeSpi([1; 8]), IkeSpi([2; 8]));

/// A header with [`SPIS`] whose lengths others fill in.
pub(crate) fn header(
    exchange: ExchangeType,
    message_id: u32,
    initiator: bool,
    response: bool,
) -> Header {
    Header {
        initiator_spi: SPIS.0,
        responder_spi: SPIS.1,
        next_payload: PayloadType::NONE,
        major: 2,
        minor: 0,
        exchange,
        flags: Flags {
            initiator,
            response,
            ..Flags::default()
        },
        message_id,
        length: 0,
    }
}

/// A message in clear: a chain that begins with `first`.
pub(crate) fn clear(header: Header, first: PayloadType, chain: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let length = u32::try_from(28 + chain.len()).unwrap();
    Header {
        next_payload: first,
        length,
        ..header
    }
    .write(&mut message);
    message.extend(chain);
    message
}

/// A message protected by an algorithm of `ike`, its keys full of 7s and 9s.
pub(crate) fn sealed(
    algorithm: &dyn ProtectionAlgorithm,
    header: &Header,
    fragment: Option<Fragment>,
    first: PayloadType,
    chain: &[u8],
) -> Vec<u8> {
    let (encryption, integrity) = keys(algorithm);
    let mut key = SealingKey::new(algorithm, &encryption, &integrity, 1).unwrap();
    let prefix = begin_protected(
        header,
        fragment,
        first,
        key.protected_body_length(chain.len()),
    );
    key.seal_message(&mut Fives, prefix, chain).unwrap()
}

pub(crate) fn keys(algorithm: &dyn ProtectionAlgorithm) -> (Vec<u8>, Vec<u8>) {
    (
        vec![7; algorithm.encryption_key_length()],
        vec![9; algorithm.integrity_key_length()],
    )
}

/// The line of the table for [`SPIS`] and [`keys`].
pub(crate) fn table(
    spis: (IkeSpi, IkeSpi),
    keys: &(Vec<u8>, Vec<u8>),
    encryption: &str,
    integrity: &str,
) -> String {
    let (e, a) = (hex(&keys.0), hex(&keys.1));
    format!(
        "{},{},{e},{e},\"{encryption}\",{a},{a},\"{integrity}\"\n",
        hex(&spis.0.0),
        hex(&spis.1.0)
    )
}

struct Fives;

impl Random for Fives {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(5);
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// The vectors of AOSP packages/modules/IPsec (Apache-2.0) that `ike` is tested with.
pub(crate) fn android() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ike/tests/vectors/android-ike.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A field of those.
pub(crate) fn octets(value: &Value, name: &str) -> Vec<u8> {
    unhex(value[name].as_str().unwrap())
}

/// The session of those with a secret: its messages, and its line of the table.
pub(crate) fn session() -> (Vec<Vec<u8>>, String) {
    let session = &android()["session_psk_aes128cbc_sha1_modp1024"];
    let text = |name: &str| session[name].as_str().unwrap();
    let line = format!(
        "{},{},{},{},\"AES-CBC-128 [RFC3602]\",{},{},\"HMAC_SHA1_96 [RFC2404]\"\n",
        text("spi_i"),
        text("spi_r"),
        text("sk_ei"),
        text("sk_er"),
        text("sk_ai"),
        text("sk_ar")
    );
    let names = [
        "ike_sa_init_request",
        "ike_auth_request",
        "empty_informational_response_candidate",
    ];
    (names.map(|name| octets(session, name)).to_vec(), line)
}

/// A notify payload with this type and no data, the last of its chain.
pub(crate) fn notify(kind: u16) -> Vec<u8> {
    [&[0, 0, 0, 8, 0, 0][..], &kind.to_be_bytes()].concat()
}
