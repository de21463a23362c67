//! Names that try to slip past name constraints, RFC 5280 section 4.2.1.10.

use super::support::*;

const REFUSED: &str = "certificate-constraints";

/// What comes of a host with this subject and these alternative names below an authority with these constraints.
fn outcome(permitted: &[&str], excluded: &[&str], subject: Vec<u8>, names: &[&str]) -> String {
    let [top, middle, host] = ["root", "CA", "host"].map(Signer::of);
    let draft = match names {
        [] => Draft::empty(),
        names => Draft::empty().names(names),
    };
    // The subject is put into the place of the one that the draft writes.
    let body = draft.body(&host, &middle);
    let body = replaced(&body, &dn(&host.name), &subject);
    let authority = Draft::authority().constraints(permitted, excluded);
    let chain = [middle.key.sign(&body, &[]), authority.issue(&middle, &top)];
    let claimed = ike::config::identity::Identity::from_wire(
        ike::wire::numbers::IdType::DER_ASN1_DN,
        &subject,
    )
    .expect("a name");
    trusting(&[top.root()])
        .verify(
            &presented(&chain),
            &claimed,
            &ike::config::SignatureDemand::default(),
            NOW,
            &mut ike::pki::PathCache::default(),
        )
        .map_or_else(
            |failure| failure.code().name().to_owned(),
            |_| "good".to_owned(),
        )
}

/// A SEQUENCE with another first element of this contents.
fn replaced(body: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let start = body.iter().position(|byte| *byte == 0xa0).expect("version");
    let contents = &body[start..];
    let at = contents
        .windows(old.len())
        .position(|part| part == old)
        .expect("the subject");
    tlv(
        SEQUENCE,
        &[&contents[..at], new, &contents[at + old.len()..]],
    )
}

/// `O=<value>` in a string of this type.
fn organisation(tag: u8, value: &[u8]) -> Vec<u8> {
    attribute("2.5.4.10", tag, value)
}

fn attribute(kind: &str, tag: u8, value: &[u8]) -> Vec<u8> {
    let attribute = tlv(SEQUENCE, &[&oid(kind), &tlv(tag, &[value])]);
    tlv(SEQUENCE, &[&tlv(0x31, &[&attribute])])
}

const EMAIL: &str = "1.2.840.113549.1.9.1";

#[test]
fn an_address_in_the_subject_need_not_be_ascii() {
    // The border of the domain falls into the middle of a character.
    for text in [
        "x@äb.c",
        "x@aé.c",
        "x@日本",
        "日@本",
        "ä@ä",
        "@",
        "ä",
        "x@\u{10ffff}",
    ] {
        for base in [
            "email:.b.c",
            "email:.c",
            "email:.bb.c",
            "email:.xbbb.c",
            "email:b.c",
        ] {
            let subject = attribute(EMAIL, 0x0c, text.as_bytes());
            let expected = match (text, base) {
                ("x@äb.c" | "x@aé.c", "email:.c") => "good",
                _ => REFUSED,
            };
            assert_eq!(
                outcome(&[base], &[], subject, &[]),
                expected,
                "{text} {base}"
            );
        }
    }
}

#[test]
fn the_type_of_a_string_is_no_way_around_an_excluded_name() {
    let wide = |width: usize, text: &str| -> Vec<u8> {
        let character = |c: char| u32::from(c).to_be_bytes()[4 - width..].to_vec();
        text.chars().flat_map(character).collect()
    };
    for (tag, value) in [
        (0x0c, b"Secret 1".to_vec()),
        (0x13, b"SECRET  1".to_vec()),
        (0x14, b"secret 1".to_vec()),
        (0x16, b" secret 1 ".to_vec()),
        (0x1a, b"secret 1".to_vec()),
        (0x1e, wide(2, "Secret 1")),
        (0x1c, wide(4, "Secret 1")),
    ] {
        let subject = organisation(tag, &value);
        assert_eq!(
            outcome(&[], &["dn:O=Secret 1"], subject, &[]),
            REFUSED,
            "{tag:#x}"
        );
    }
    let subject = organisation(0x12, b"1234");
    assert_eq!(outcome(&[], &["dn:O=1234"], subject, &[]), REFUSED);
}

#[test]
fn a_dot_before_a_permitted_domain_means_what_is_below_it() {
    let host = || dn("CN=x");
    let below = &["dns:.example.com"];
    assert_eq!(outcome(below, &[], host(), &["dns:a.example.com"]), "good");
    assert_eq!(
        outcome(below, &[], host(), &["dns:a.b.example.com"]),
        "good"
    );
    assert_eq!(outcome(below, &[], host(), &["dns:example.com"]), REFUSED);
    assert_eq!(
        outcome(below, &[], host(), &["dns:badexample.com"]),
        REFUSED
    );
    // Where it excludes, the domain itself is excluded, too: some think so, and nobody is harmed.
    assert_eq!(outcome(&[], below, host(), &["dns:example.com"]), REFUSED);
    assert_eq!(
        outcome(&[], below, host(), &["dns:a.example.com."]),
        REFUSED
    );
}

#[test]
fn addresses_that_are_none_are_no_way_around_an_exclusion() {
    let host = || dn("CN=x");
    for base in ["email:example.com", "email:"] {
        for name in [
            "email:root@example.com.",
            "email:root",
            "email:root@EXAMPLE.COM",
            "email:@example.com",
            "email:root@",
        ] {
            assert_eq!(
                outcome(&[], &[base], host(), &[name]),
                REFUSED,
                "{base} {name}"
            );
        }
    }
}

#[test]
fn masks_with_holes_permit_nothing_and_exclude_everything() {
    let host = || dn("CN=x");
    let holes = &["ip:0a000005ff0000ff"];
    assert_eq!(outcome(holes, &[], host(), &["ip:0a090905"]), REFUSED);
    assert_eq!(outcome(&[], holes, host(), &["ip:0a090905"]), REFUSED);
    assert_eq!(outcome(&[], holes, host(), &["ip:c0000201"]), REFUSED);
}

#[test]
fn an_address_in_the_clothes_of_the_other_family_is_excluded_with_it() {
    let host = || dn("CN=x");
    let mapped = &["ip:00000000000000000000ffff0a000001"];
    assert_eq!(
        outcome(&[], &["ip:0a000000ff000000"], host(), mapped),
        REFUSED
    );
    assert_eq!(
        outcome(&[], &["ip:c0000200ffffff00"], host(), mapped),
        "good"
    );
    assert_eq!(
        outcome(&["ip:0a000000ff000000"], &[], host(), mapped),
        REFUSED
    );
}

#[test]
fn a_name_is_within_another_by_whole_sets_of_attributes() {
    let both = |first: &str, second: &str| {
        let one = |text: &str| {
            let (kind, value) = text.split_once('=').expect("an attribute");
            tlv(SEQUENCE, &[&oid(kind), &tlv(0x0c, &[value.as_bytes()])])
        };
        tlv(SEQUENCE, &[&tlv(0x31, &[&one(first), &one(second)])])
    };
    let (o, cn) = ("2.5.4.10=Example", "2.5.4.3=host");
    // In any order, for not every tool sorts.
    for subject in [both(o, cn), both(cn, o)] {
        assert_eq!(
            outcome(&["dn:O=Example+CN=host"], &[], subject.clone(), &[]),
            "good"
        );
        assert_eq!(outcome(&["dn:O=Example"], &[], subject, &[]), REFUSED);
    }
}
