//! `ike::wire::describe` beside the strict parser: it shows at least as much, and finds fault with the same messages.

use crate::{ANDROID, OPENIKED, chain, datagram, fix_length, hex, vector};
use ike::wire::describe::{self, Described, Field, MAX_FIELDS, MAX_VALUE};
use ike::wire::numbers::*;
use ike::wire::{Message, parse_chain};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// `payload, body in hex => value of the payload !! field: its fault`.
const BODIES: &str = include_str!("../vectors/wire/described-payloads.txt");

/// Whole descriptions, as [`write_tree`] writes them.
const TREES: &str = include_str!("../vectors/wire/described-trees.txt");

/// Type and body of each line, and what is expected.
fn bodies() -> impl Iterator<Item = (PayloadType, Vec<u8>, &'static str)> {
    let lines = BODIES
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| {
        let (input, expected) = line.split_once(" =>").unwrap();
        let (kind, body) = input.split_once(' ').unwrap();
        let kind = PayloadType::KNOWN
            .iter()
            .find(|known| known.name() == Some(kind));
        (*kind.unwrap(), hex(body), expected.trim_start())
    })
}

/// Every message that a peer could send, of the vectors.
fn messages() -> Vec<Vec<u8>> {
    let mut all: Vec<_> = [
        "ike_sa_init_request",
        "ike_sa_init_response",
        "ike_auth_request",
        "3des_sha1_skf_fragment_5_5",
    ]
    .iter()
    .map(|name| vector(ANDROID, name))
    .collect();
    all.push(vector(OPENIKED, "valid_packet"));
    let plain = vector(ANDROID, "ike_auth_request_plaintext");
    all.push(datagram(PayloadType::IDI, &plain));
    all.extend(bodies().map(|(kind, body, _)| {
        let (kind, chain) = chain(kind, &body);
        datagram(kind, &chain)
    }));
    all
}

fn write_tree(out: &mut String, fields: &[Field], depth: usize) {
    for field in fields {
        let Field {
            name,
            value,
            range,
            fault,
            ..
        } = field;
        write!(out, "{:indent$}{name}", "", indent = 2 * depth).unwrap();
        write!(
            out,
            "{}{value} [{}..{}]",
            if value.is_empty() { "" } else { ": " },
            range.start,
            range.end
        )
        .unwrap();
        writeln!(
            out,
            "{}",
            fault
                .as_ref()
                .map_or(String::new(), |fault| format!(" !! {fault}"))
        )
        .unwrap();
        write_tree(out, &field.children, depth + 1);
    }
}

/// The fields that have no children.
fn leaves<'a>(fields: &'a [Field], out: &mut Vec<&'a Field>) {
    for field in fields {
        if field.children.is_empty() {
            out.push(field);
        }
        leaves(&field.children, out);
    }
}

/// What is wrong with the fields, behind their values.
fn faults(fields: &[Field], out: &mut String) {
    for field in fields {
        if let Some(fault) = &field.fault {
            write!(out, " !! {}: {fault}", field.name).unwrap();
        }
        faults(&field.children, out);
    }
}

/// What holds for every description of `bytes`.
fn check(bytes: &[u8], described: &Described) {
    fn each(fields: &[Field], within: std::ops::Range<usize>) -> usize {
        let mut count = 0;
        for field in fields {
            let Field {
                name,
                value,
                range,
                children,
                ..
            } = field;
            assert!(
                !name.is_empty() && within.start <= range.start && range.end <= within.end,
                "{field:?}"
            );
            assert!(
                range.start <= range.end && value.len() < MAX_VALUE + 40,
                "{field:?}"
            );
            count += 1 + each(children, range.clone());
        }
        count
    }
    assert!(each(&described.fields, 0..bytes.len()) <= MAX_FIELDS + 1);
    if let Some(fault) = &described.fault {
        assert!(
            fault.at <= bytes.len() && !fault.reason.is_empty(),
            "{fault:?}"
        );
    }
}

/// Describes a message, and holds it against the strict parser.
fn message(bytes: &[u8]) -> Described {
    let described = describe::message(bytes);
    check(bytes, &described);
    let strict = Message::parse(bytes);
    assert_eq!(
        described.fault.is_some(),
        strict.is_err(),
        "{described:#?} {strict:?}"
    );
    described
}

/// As [`message`], for a decrypted chain.
fn payloads(first: PayloadType, bytes: &[u8]) -> Described {
    let described = describe::payloads(first, bytes);
    check(bytes, &described);
    let strict = parse_chain(first, bytes);
    assert_eq!(
        described.fault.is_some(),
        strict.is_err(),
        "{described:#?} {strict:?}"
    );
    described
}

#[test]
fn a_message_is_a_tree_of_named_fields() {
    let init = vector(ANDROID, "ike_sa_init_request");
    let certificate = bodies()
        .find(|(kind, ..)| *kind == PayloadType::CERT)
        .unwrap()
        .1;
    let (kind, certificate) = chain(PayloadType::CERT, &certificate);
    let mut out = String::new();
    for (title, described) in [
        ("An IKE_SA_INIT request", message(&init)),
        (
            "The same, cut within its first proposal",
            message(&init[..51]),
        ),
        ("A certificate", payloads(kind, &certificate)),
    ] {
        writeln!(out, "# {title}").unwrap();
        write_tree(&mut out, &described.fields, 0);
        if let Some(fault) = described.fault {
            writeln!(out, "Fault at {fault}").unwrap();
        }
    }
    assert_eq!(out, TREES, "\n{out}");
}

#[test]
fn every_payload_notify_and_attribute_says_what_it_means() {
    let mut wrong = String::new();
    for (kind, body, expected) in bodies() {
        let (first, chain) = chain(kind, &body);
        let described = payloads(first, &chain);
        let [payload] = &described.fields[..] else {
            panic!("{described:?}")
        };
        let mut said = payload.value.clone();
        faults(&described.fields, &mut said);
        if said != expected || described.fault.is_some() {
            let digits: String = body.iter().map(|octet| format!("{octet:02x}")).collect();
            writeln!(wrong, "{kind} {digits} => {said}").unwrap();
            if let Some(fault) = described.fault {
                writeln!(wrong, "    {fault}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The table holds every number that has a name: who adds one, adds a line.
#[test]
fn nothing_with_a_name_is_missing_from_the_table() {
    let seen = |of: PayloadType, at: usize| -> BTreeSet<u8> {
        bodies()
            .filter(|(kind, ..)| *kind == of)
            .filter_map(|(_, body, _)| body.get(at).copied())
            .collect()
    };
    let missing = |seen: &BTreeSet<u8>, known: &[u8]| -> Vec<u8> {
        known
            .iter()
            .copied()
            .filter(|number| !seen.contains(number))
            .collect()
    };
    macro_rules! all {
        ($type:ident) => {
            $type::KNOWN
                .iter()
                .map(|known| known.0)
                .collect::<Vec<u8>>()
        };
    }
    assert_eq!(missing(&seen(PayloadType::IDI, 0), &all!(IdType)), []);
    assert_eq!(
        missing(&seen(PayloadType::CERT, 0), &all!(CertEncoding)),
        []
    );
    assert_eq!(missing(&seen(PayloadType::AUTH, 0), &all!(AuthMethod)), []);
    assert_eq!(missing(&seen(PayloadType::TSI, 4), &all!(TsType)), []);
    assert_eq!(missing(&seen(PayloadType::CP, 0), &all!(ConfigType)), []);
    for &kind in PayloadType::KNOWN
        .iter()
        .filter(|kind| **kind != PayloadType::NONE)
    {
        let title = &describe::payloads(kind, &[0, 0, 0, 4]).fields[0].name;
        assert!(!title.contains("type"), "{title}");
    }
    let payloads: BTreeSet<_> = bodies().map(|(kind, ..)| kind).collect();
    let outside = [PayloadType::NONE, PayloadType::SK, PayloadType::SKF];
    assert_eq!(
        PayloadType::KNOWN
            .iter()
            .filter(|kind| !payloads.contains(kind) && !outside.contains(kind))
            .count(),
        0
    );
    let number = |body: &[u8], at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let notifies: BTreeSet<_> = bodies()
        .filter(|(kind, ..)| *kind == PayloadType::NOTIFY)
        .map(|(_, body, _)| NotifyType(number(&body, 2)))
        .collect();
    let missing: Vec<_> = NotifyType::KNOWN
        .iter()
        .filter(|kind| !notifies.contains(kind))
        .collect();
    assert_eq!(missing, [] as [&NotifyType; 0]);
    let mut attributes = BTreeSet::new();
    for (_, body, _) in bodies().filter(|(kind, ..)| *kind == PayloadType::CP) {
        let mut at = 4;
        while at + 4 <= body.len() {
            attributes.insert(ConfigAttributeType(number(&body, at)));
            at += 4 + usize::from(number(&body, at + 2));
        }
    }
    let missing: Vec<_> = ConfigAttributeType::KNOWN
        .iter()
        .filter(|kind| !attributes.contains(kind))
        .collect();
    assert_eq!(missing, [] as [&ConfigAttributeType; 0]);
}

#[test]
fn a_message_cut_anywhere_shows_all_that_is_left_of_it() {
    // Their fields are found from the end.
    let from_the_end =
        [NotifyType::NO_NATS_ALLOWED, NotifyType::PPK_IDENTITY_KEY].map(|kind| kind.to_string());
    for whole in messages() {
        let described = message(&whole);
        assert_eq!(described.fault, None);
        let mut expected = Vec::new();
        if !described.fields.iter().any(|field| {
            from_the_end
                .iter()
                .any(|name| field.value.starts_with(name))
        }) {
            leaves(&described.fields, &mut expected);
        }
        for cut in 0..whole.len() {
            let described = message(&whole[..cut]);
            assert!(described.fault.is_some());
            let mut found = Vec::new();
            leaves(&described.fields, &mut found);
            let found: BTreeSet<_> = found
                .iter()
                .map(|field| (&*field.name, &*field.value, field.range.start))
                .collect();
            // What reaches to the end of its structure may look different when its end is lost.
            for field in expected
                .iter()
                .filter(|field| field.range.end <= cut && !field.range.is_empty())
            {
                let name = (&*field.name, &*field.value, field.range.start);
                assert!(
                    found.contains(&name),
                    "cut at {cut}: {field:?} is not in {found:#?}"
                );
            }
            // Also where the header knows about it, so that the fault is in the chain.
            let mut right = whole[..cut].to_vec();
            if right.len() >= 28 {
                fix_length(&mut right);
                message(&right);
            }
        }
    }
}

#[test]
fn any_octet_wrong_is_a_fault_where_the_strict_parser_sees_one() {
    for whole in messages() {
        for at in 0..whole.len() {
            for value in [
                0,
                1,
                0x7f,
                0x80,
                0xff,
                whole[at] ^ 1,
                whole[at].wrapping_add(4),
            ] {
                let mut wrong = whole.clone();
                wrong[at] = value;
                message(&wrong);
                if wrong.len() > 28 {
                    payloads(PayloadType(wrong[16]), &wrong[28..]);
                }
            }
        }
    }
}

#[test]
fn faults_say_where_and_why() {
    let good = vector(ANDROID, "ike_sa_init_request");
    let changed = |at: usize, value: u8| {
        let mut wrong = good.clone();
        wrong[at] = value;
        message(&wrong).fault.map(|fault| fault.to_string())
    };
    let told = |fault: &str| Some(fault.to_owned());
    assert_eq!(
        changed(17, 0x10),
        told("octet 17: Version: this is IKEv1; what follows the header is not shown")
    );
    assert_eq!(
        changed(17, 0x30),
        told("octet 17: Version: major version 3 is not known; IKEv2 is 2")
    );
    assert_eq!(
        changed(27, 0),
        told("octet 24: Length: the message has 336 octets")
    );
    assert_eq!(changed(16, 200), None, "an unknown payload is passed over");
    assert_eq!(changed(29, 0x7f), None, "reserved bits are ignored");
    assert_eq!(
        changed(31, 3),
        told("octet 30: Security Association (SA): Payload Length: 4 to 308 are possible here")
    );
    assert_eq!(
        changed(39, 5),
        told("octet 39: Security Association (SA): Num Transforms: 4 found")
    );
    let mut critical = good.clone();
    (critical[16], critical[29]) = (200, 0x80);
    assert_eq!(
        message(&critical).fault.map(|fault| fault.to_string()),
        told(
            "octet 29: Payload of type 200: Critical: it is set, and the payload is not understood"
        )
    );
}

#[test]
fn a_header_alone_is_not_held_against_its_length() {
    let good = vector(ANDROID, "ike_sa_init_request");
    for bytes in [&good[..], &good[..28]] {
        let described = describe::header(bytes);
        assert_eq!((described.fields.len(), &described.fault), (1, &None));
        assert_eq!(
            described.fields[0].value,
            "IKE_SA_INIT request, message ID 0"
        );
    }
    assert!(describe::header(&good[..27]).fault.is_some());
}

#[test]
fn output_is_bounded_and_says_what_is_left_out() {
    let notify = |body: &[u8]| chain(PayloadType::NOTIFY, body).1;
    // As many payloads as fit.
    let mut many: Vec<u8> = [43, 0, 0, 4].repeat(16_000);
    let last = many.len() - 4;
    many[last] = 0;
    // As many fields of one notify as fit, and one long text.
    let hashes = notify(&[&[0, 0, 0x40, 0x2f][..], &[0, 2].repeat(32_000)].concat());
    let text = chain(
        PayloadType::IDI,
        &[&[2, 0, 0, 0][..], &[b'a'; 65_000]].concat(),
    )
    .1;
    for (first, bytes) in [
        (PayloadType::VENDOR_ID, many),
        (PayloadType::NOTIFY, hashes),
    ] {
        let described = payloads(first, &bytes);
        let last = described.fields.last().unwrap();
        assert!(
            last.name == "More fields" && last.value.ends_with(" are not shown"),
            "{last:?}"
        );
    }
    let described = payloads(PayloadType::IDI, &text);
    assert!(
        described.fields[0]
            .children
            .last()
            .unwrap()
            .value
            .ends_with("a... and 63976 more octets")
    );
}
