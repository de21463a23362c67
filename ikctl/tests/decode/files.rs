//! Files: every kind is read alike, and what is damaged is read to where it breaks.

use std::process::{Command, Stdio};

use crate::support::*;

/// Writes numbers in either byte order.
struct Writer {
    big: bool,
    bytes: Vec<u8>,
}

impl Writer {
    fn new(big: bool) -> Self {
        Self {
            big,
            bytes: Vec::new(),
        }
    }

    fn u16(&mut self, number: u16) -> &mut Self {
        self.bytes.extend(if self.big {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        });
        self
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.bytes.extend(if self.big {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        });
        self
    }

    fn u64(&mut self, number: u64) -> &mut Self {
        self.bytes.extend(if self.big {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        });
        self
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    /// A pcapng block.
    fn block(&mut self, kind: u32, body: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::new(self.big);
        body(&mut inner);
        let padded = inner.bytes.len().next_multiple_of(4);
        inner.bytes.resize(padded, 0);
        let length = u32::try_from(padded + 12).unwrap();
        self.u32(kind).u32(length).raw(&inner.bytes).u32(length)
    }

    fn section(&mut self) -> &mut Self {
        self.block(0x0a0d_0d0a, |body| {
            body.u32(0x1a2b_3c4d).u16(1).u16(0).u64(u64::MAX);
            // A comment.
            body.u16(1).u16(5).raw(b"hello\0\0\0").u32(0);
        })
    }

    fn interface(&mut self, link: u16, snap: u32, options: impl FnOnce(&mut Self)) -> &mut Self {
        self.block(1, |body| {
            body.u16(link).u16(0).u32(snap);
            options(body);
        })
    }

    /// An enhanced packet block.
    fn packet(&mut self, interface: u32, units: u64, packet: &[u8]) -> &mut Self {
        let length = u32::try_from(packet.len()).unwrap();
        self.block(6, |body| {
            body.u32(interface)
                .u32((units >> 32) as u32)
                .u32(units as u32);
            body.u32(length).u32(length).raw(packet);
        })
    }
}

fn init() -> Vec<u8> {
    request(&session().0[0])
}

const FIRST: &str = "2023-11-14T22:13:20Z";
const LATER: &str = "2023-11-14T22:13:20.25Z";

fn times(capture: &[u8]) -> Vec<String> {
    let lines = lines(capture, None);
    assert!(end(&lines)["damage"].is_null(), "{lines:?}");
    let messages = &lines[..lines.len() - 1];
    assert!(
        messages
            .iter()
            .all(|message| message["header"]["exchange"] == "IKE_SA_INIT")
    );
    messages
        .iter()
        .map(|message| message["time"].as_str().unwrap_or("none").to_owned())
        .collect()
}

#[test]
fn every_kind_of_pcap_gives_the_same_messages() {
    let packet = init();
    let length = u32::try_from(packet.len()).unwrap();
    let kinds = [
        (0xa1b2_c3d4, 1, 0),
        (0xa1b2_3c4d, 1000, 0),
        (0xa1b2_cd34, 1, 8),
    ];
    for (magic, unit, more) in kinds {
        for big in [false, true] {
            let mut file = Writer::new(big);
            // The upper bits of the link type say that a checksum follows each frame.
            file.u32(magic)
                .u16(2)
                .u16(4)
                .u32(0)
                .u32(0)
                .u32(65535)
                .u32(0x1400_0000 | u32::from(RAW));
            for fraction in [0, 250_000 * unit] {
                file.u32(START)
                    .u32(fraction)
                    .u32(length)
                    .u32(length)
                    .raw(&vec![0; more])
                    .raw(&packet);
            }
            assert_eq!(
                times(&file.bytes),
                [FIRST, LATER],
                "{magic:x}, big-endian: {big}"
            );
        }
    }
}

#[test]
fn pcapng_with_all_its_blocks_is_read_in_either_byte_order_and_in_both() {
    let packet = init();
    let length = u32::try_from(packet.len()).unwrap();
    let start = u64::from(START);
    let mut file = Writer::new(false);
    for big in [false, true, false] {
        file.big = big;
        file.section();
        // Interface 0: microseconds, as where nothing is said. Snap length of simple packets.
        file.interface(RAW, 262_144, |_| {});
        // Interface 1: Ethernet, in units of 2^-10 seconds, an hour late.
        file.interface(ETHERNET, 0, |options| {
            options
                .u16(2)
                .u16(4)
                .raw(b"eth0")
                .u16(9)
                .u16(1)
                .raw(&[0x8a, 0, 0, 0]);
            options.u16(14).u16(8).u64(3600).u32(0);
        });
        // Interface 2: nanoseconds.
        file.interface(RAW, 0, |options| {
            options.u16(9).u16(1).raw(&[9, 0, 0, 0]);
        });
        // Decryption secrets, names, statistics, and a block that nobody knows.
        for kind in [10, 4, 5, 0xbad] {
            file.block(kind, |body| {
                body.raw(b"passed over");
            });
        }
        file.packet(0, start * 1_000_000 + 250_000, &packet);
        let ethernet = [&[0; 12][..], &[8, 0], &packet].concat();
        file.packet(1, (start - 3600) * 1024 + 256, &ethernet);
        file.packet(2, start * 1_000_000_000 + 250_000_000, &packet);
        // A simple packet has no time.
        file.block(3, |body| {
            body.u32(length).raw(&packet);
        });
        // An obsolete packet of interface 2.
        file.block(2, |body| {
            let units = start * 1_000_000_000;
            body.u16(2)
                .u16(0)
                .u32((units >> 32) as u32)
                .u32(units as u32)
                .u32(length)
                .u32(length);
            body.raw(&packet);
        });
    }
    let expected = [LATER, LATER, LATER, "none", FIRST];
    assert_eq!(times(&file.bytes), expected.repeat(3));
}

#[test]
fn odd_timestamps_are_no_time_and_no_failure() {
    let mut file = Writer::new(true);
    file.section();
    for resolution in [0xff, 0x7f, 0xc0, 39, 0] {
        file.interface(RAW, 0, |options| {
            options
                .u16(9)
                .u16(1)
                .raw(&[resolution, 0, 0, 0])
                .u16(14)
                .u16(8)
                .u64(i64::MAX as u64);
        });
    }
    for interface in 0..5 {
        file.packet(interface, u64::MAX, &init());
    }
    assert_eq!(times(&file.bytes), ["none"; 5]);
}

#[test]
fn what_cannot_be_read_is_counted_by_kind() {
    let mut file = Writer::new(false);
    file.section()
        .interface(105, 0, |_| {})
        .interface(RAW, 0, |_| {});
    file.packet(0, 0, &init())
        .packet(7, 0, &init())
        .packet(1, 0, &init());
    let ended = decode(&file.bytes, None, &["--summary"]);
    assert_eq!(ended.code, 0);
    let told = "Not decoded: 1 of link type 105, IEEE 802.11, which is not supported, 1 of an";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
    let lines = lines(&file.bytes, None);
    assert_eq!(end(&lines)["not_decoded"]["link_type_105"], 1);
    assert_eq!(end(&lines)["not_decoded"]["unknown_interface"], 1);
}

#[test]
fn a_file_that_breaks_off_is_read_to_there() {
    let whole = pcap(RAW, &[init(), init()]);
    let ended = decode(&whole[..whole.len() - 5], None, &[]);
    assert_eq!(ended.code, 7);
    let size = init().len();
    let told = format!(
        "the file ends too early: a packet at byte {} has {} of {size} bytes",
        24 + 32 + size,
        size - 5
    );
    assert_eq!(ended.stderr, format!("ikctl: DIR/capture: {told}\n"));
    assert!(
        ended
            .stdout
            .starts_with("#1  2023-11-14 22:13:20.000000 UTC  IKE_SA_INIT request 0\n"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("Not read to the end"),
        "{}",
        ended.stdout
    );
    let lines = lines(&whole[..30], None);
    assert_eq!(
        end(&lines)["damage"],
        "the file ends too early: a packet's header at byte 24 has 6 of 16 bytes"
    );
}

#[test]
fn damage_says_where() {
    let told = |file: &[u8]| {
        let ended = decode(file, None, &[]);
        (
            ended.code,
            ended
                .stderr
                .trim_start_matches("ikctl: DIR/capture: ")
                .trim_end()
                .to_owned(),
        )
    };
    let mut length = pcap(RAW, &[init()]);
    length[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(
        told(&length),
        (
            7,
            "the file is damaged at byte 24: a packet of 4294967295 bytes".to_owned()
        )
    );

    let mut file = Writer::new(false);
    file.section().interface(RAW, 0, |_| {});
    let at = file.bytes.len();
    let mut short = file.bytes.clone();
    short.extend([6, 0, 0, 0, 13, 0, 0, 0]);
    assert_eq!(
        told(&short),
        (
            7,
            format!("the file is damaged at byte {at}: a block of type 6 with 13 bytes")
        )
    );
    file.packet(0, 0, &init());
    let last = file.bytes.len() - 4;
    file.bytes[last] ^= 4;
    let (code, text) = told(&file.bytes);
    assert_eq!(code, 7);
    assert!(
        text.starts_with(&format!("the file is damaged at byte {at}: a block with ")),
        "{text}"
    );
}

#[test]
fn other_files_are_refused_with_a_hint() {
    let told = |file: &[u8]| {
        let ended = decode(file, None, &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
        ended
            .stderr
            .trim_start_matches("ikctl: DIR/capture: ")
            .to_owned()
    };
    assert_eq!(
        told(&[0x1f, 0x8b, 8, 0]),
        "it is compressed with gzip: zcat FILE | ikctl decode -\n"
    );
    assert_eq!(
        told(b"version: 1"),
        "it is neither pcap nor pcapng; it begins with 76 65 72 73\n"
    );
    assert_eq!(told(b""), "it is empty\n");
    let ended = run(Command::new(env!("CARGO_BIN_EXE_ikctl")).args(["decode", "/nonexistent"]));
    assert_eq!(ended.code, 1);
    assert!(
        ended
            .stderr
            .starts_with("ikctl: cannot read /nonexistent: "),
        "{}",
        ended.stderr
    );
    // A folder opens, and cannot be read.
    let ended = run(Command::new(env!("CARGO_BIN_EXE_ikctl")).args(["decode", "/"]));
    let told = "ikctl: /: it cannot be read: Is a directory (os error 21)\n";
    assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (1, "", told));
}

#[test]
fn standard_input_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    std::fs::write(&path, pcap(RAW, &[init()])).unwrap();
    let input = Stdio::from(std::fs::File::open(path).unwrap());
    let ended = run(Command::new(env!("CARGO_BIN_EXE_ikctl"))
        .args(["decode", "-", "--summary"])
        .stdin(input));
    assert_eq!(ended.code, 0);
    assert!(
        ended
            .stdout
            .contains("IKE_SA_INIT request 0:\n      SA, KE, Nonce"),
        "{}",
        ended.stdout
    );
}
