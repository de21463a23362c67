//! Certificates of a strange form: numbers, dates, keys and extensions at their limits.

use ike::pki::Certificate;

use super::support::*;

fn below_root(host: &Draft) -> Result<ike::pki::TrustedPeer, ike::pki::CertificateFailure> {
    let root = Signer::of("root");
    let chain = [host.issue(&Signer::of(HOST), &root)];
    verify(&trusting(&[root.root()]), &chain, HOST)
}

#[test]
fn a_refusal_stays_short_whatever_the_certificate_holds() {
    let host = Draft {
        serial: vec![0x55; 30_000],
        ..Draft::host(HOST)
    };
    let failure = verify(
        &trusting(&[]),
        &[host.issue(&Signer::of(HOST), &Signer::of("stranger"))],
        HOST,
    )
    .expect_err("untrusted");
    let words = failure.to_string();
    assert!(words.len() < 8000, "{} bytes", words.len());
    let details: usize = failure.details().iter().map(|(_, text)| text.len()).sum();
    assert!(details < 16_000, "{details} bytes");
}

#[test]
fn keys_under_which_anybody_can_sign_are_no_keys() {
    // Points of small order of edwards25519, as encoded canonically and not, with both signs.
    let mut points: Vec<[u8; 32]> = Vec::new();
    let little = |bytes: [u8; 2], fill: u8, top: u8| {
        let mut point = [fill; 32];
        (point[0], point[1], point[31]) = (bytes[0], bytes[1], top);
        point
    };
    points.push(little([0, 0], 0, 0));
    points.push(little([1, 0], 0, 0));
    for low in [0xec, 0xed, 0xee] {
        points.push(little([low, 0xff], 0xff, 0x7f));
    }
    points.push([
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ]);
    points.push([
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ]);
    for point in points {
        for sign in [0, 0x80] {
            let mut point = point;
            point[31] |= sign;
            let spki = [
                &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..],
                &point,
            ]
            .concat();
            let key = ike::crypto::signature::PublicKey::from_spki(&spki);
            assert!(key.is_err(), "{point:02x?}");
        }
    }
}

#[test]
fn dates_at_the_limits_are_dates() {
    let [host, root] = [HOST, "root"].map(Signer::of);
    let trust = trusting(&[root.root()]);
    let with = |first: &[u8], last: &[u8]| {
        let body = Draft::host(HOST).body(&host, &root);
        let old = tlv(
            SEQUENCE,
            &[&time(after(-100 * DAY)), &time(after(100 * DAY))],
        );
        let new = tlv(SEQUENCE, &[first, last]);
        let at = body
            .windows(old.len())
            .position(|part| part == old)
            .expect("validity");
        let start = body.iter().position(|byte| *byte == 0xa0).expect("version");
        let body = tlv(SEQUENCE, &[&body[start..at], &new, &body[at + old.len()..]]);
        let chain = [root.key.sign(&body, &[])];
        verify(&trust, &chain, HOST).map_or_else(|failure| failure.code().name(), |_| "good")
    };
    let utc = |text: &str| tlv(0x17, &[text.as_bytes()]);
    let general = |text: &str| tlv(0x18, &[text.as_bytes()]);
    for (first, last, expected) in [
        (utc("700101000000Z"), utc("491231235959Z"), "good"),
        (
            utc("491231235959Z"),
            utc("491231235959Z"),
            "certificate-not-yet-valid",
        ),
        (
            utc("700101000000Z"),
            utc("991231235959Z"),
            "certificate-expired",
        ),
        (utc("500101000000Z"), utc("491231235959Z"), "good"),
        (utc("200101000000Z"), general("20500101000000Z"), "good"),
        (utc("200101000000Z"), general("99991231235959Z"), "good"),
        (
            utc("200101000000Z"),
            general("20500101000000.5Z"),
            "certificate-malformed",
        ),
        (
            utc("200101000000Z"),
            general("20501301000000Z"),
            "certificate-malformed",
        ),
        (
            utc("200101000000Z"),
            general("20500230000000Z"),
            "certificate-malformed",
        ),
        (
            utc("200101000000Z"),
            utc("4912312359Z"),
            "certificate-malformed",
        ),
        (
            utc("200101000000Z"),
            utc("491231235959+0100"),
            "certificate-malformed",
        ),
        (utc("200101000000Z"), general(""), "certificate-malformed"),
    ] {
        assert_eq!(with(&first, &last), expected, "{first:02x?} {last:02x?}");
    }
}

#[test]
fn extensions_that_say_nothing_allow_nothing() {
    let empty = tlv(SEQUENCE, &[]);
    let host = || Draft::host(HOST);
    // keyUsage without a bit, in both ways to write that, and purposes without one.
    for value in [&[3, 1, 0][..], &[3, 2, 7, 0]] {
        let draft = host().extension("2.5.29.15", true, value);
        assert!(below_root(&draft).is_err(), "{value:02x?}");
    }
    assert!(below_root(&host().extension("2.5.29.37", false, &empty)).is_err());
    let draft = host().extension("2.5.29.17", false, &empty);
    assert!(below_root(&draft).is_err());
    // Not what they should be at all.
    for id in [
        "2.5.29.15",
        "2.5.29.17",
        "2.5.29.19",
        "2.5.29.30",
        "2.5.29.31",
        "2.5.29.37",
    ] {
        for value in [
            &[][..],
            &[5, 0],
            &[0x30, 1],
            &[0x30, 0x80, 0, 0],
            &[0x31, 0],
        ] {
            let draft = host().extension(id, false, value);
            assert!(below_root(&draft).is_err(), "{id} {value:02x?}");
        }
    }
}

#[test]
fn names_with_odd_characters_are_nobodys() {
    for name in [
        "host.example.com\0.evil.org",
        "host.example.com ",
        " host.example.com",
        "host.example.com\n",
        "*.example.com",
        "*",
        "",
        "host.example.com.",
        "höst.example.com",
    ] {
        let draft = Draft::empty().usage(&[0]).names(&[&format!("dns:{name}")]);
        assert!(below_root(&draft).is_err(), "{name:?}");
    }
    below_root(&Draft::host("HOST.Example.COM")).expect("case does not count");
}

#[test]
fn numbers_of_any_length_are_read_and_negative_lengths_of_paths_are_not() {
    let [root, other] = ["root", "CA"].map(Signer::of);
    for value in [
        &[2, 1, 0xff][..],
        &[2, 2, 0, 1],
        &[2, 0],
        &[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let value = tlv(SEQUENCE, &[&[1, 1, 0xff], value]);
        let draft = Draft::authority().extension("2.5.29.19", true, &value);
        assert!(Certificate::parse(&draft.issue(&other, &root)).is_err());
    }
    for serial in [vec![0], vec![0xff], vec![0x80; 20], vec![0x7f; 20]] {
        let host = Draft {
            serial,
            ..Draft::host(HOST)
        };
        below_root(&host).expect("trusted");
    }
}
