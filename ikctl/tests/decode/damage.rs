//! Damage: captures that are changed in many ways are survived, and no output has what a terminal would act upon.

use ikctl::decode_bytes;

use crate::support::*;

/// SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

fn check(capture: &[u8], table: &str) {
    for printed in decode_bytes(capture, table.as_bytes()) {
        let text = String::from_utf8(printed).unwrap();
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n'),
            "{text:?}"
        );
    }
}

fn captures() -> (Vec<Vec<u8>>, String) {
    let (messages, table) = session();
    let packets: Vec<_> = messages.iter().map(|message| request(message)).collect();
    let udp = udp(4500, 4500, &[&[0; 4][..], &messages[1]].concat());
    let fragments = [(0x2000, 0, 120), (15, 120, udp.len())].map(|(field, start, end)| {
        ip4(
            [192, 0, 2, 1],
            [198, 51, 100, 7],
            17,
            3,
            field,
            &udp[start..end],
        )
    });
    let ethernet: Vec<_> = packets
        .iter()
        .map(|packet| [&[0; 12][..], &[8, 0], packet].concat())
        .collect();
    let mut ng = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let length = u32::try_from(body.len() + 12).unwrap();
        ng.extend(
            [
                &kind.to_le_bytes()[..],
                &length.to_le_bytes(),
                body,
                &length.to_le_bytes(),
            ]
            .concat(),
        );
    };
    block(
        0x0a0d_0d0a,
        &[
            0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
        ],
    );
    block(1, &[101, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 6, 0, 0, 0]);
    for packet in &packets {
        let length = u32::try_from(packet.len()).unwrap();
        block(
            6,
            &[
                &[0; 12][..],
                &length.to_le_bytes(),
                &length.to_le_bytes(),
                packet,
            ]
            .concat(),
        );
    }
    (
        vec![
            pcap(RAW, &packets),
            pcap(RAW, &fragments),
            pcap(ETHERNET, &ethernet),
            ng,
        ],
        table,
    )
}

#[test]
fn captures_that_end_anywhere_are_survived() {
    let (captures, table) = captures();
    for capture in captures {
        for end in (0..capture.len()).step_by(7) {
            check(&capture[..end], &table);
        }
    }
}

#[test]
fn captures_with_changed_bytes_are_survived() {
    let (captures, table) = captures();
    let mut numbers = Numbers(1);
    for round in 0..4000 {
        let mut capture = captures[round % captures.len()].clone();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(capture.len());
            match numbers.below(4) {
                0 => capture[at] ^= 1 << numbers.below(8),
                1 => capture[at] = [0, 1, 0x7f, 0x80, 0xff][numbers.below(5)],
                2 => drop(capture.drain(at..(at + 1 + numbers.below(16)).min(capture.len()))),
                _ => {
                    let piece =
                        capture[at..(at + 1 + numbers.below(32)).min(capture.len())].to_vec();
                    capture.splice(at..at, piece);
                }
            }
            if capture.is_empty() {
                break;
            }
        }
        check(&capture, &table);
    }
}

#[test]
fn damaged_tables_are_survived() {
    let (captures, table) = captures();
    let mut numbers = Numbers(2);
    for _ in 0..1000 {
        let mut bytes = table.clone().into_bytes();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(bytes.len());
            bytes[at] = [b',', b'"', b'\n', b'#', b'0', 0xff, b' ', b'['][numbers.below(8)];
        }
        decode_bytes(&captures[0], &bytes);
    }
}

#[test]
fn a_flood_of_fragments_and_strange_spis_takes_little_memory() {
    // As many as would fill gigabytes if all were kept.
    let mut packets = Vec::new();
    for id in 0..2000u16 {
        packets.push(ip4(
            [192, 0, 2, 1],
            [198, 51, 100, 7],
            17,
            id,
            0x3fff,
            &[1; 8],
        ));
    }
    let [text, ..] = decode_bytes(&pcap(RAW, &packets), b"");
    let text = String::from_utf8(text).unwrap();
    // Most are not even counted.
    assert!(
        text.contains("and at least 502 more datagrams in IP fragments"),
        "{text}"
    );
}
