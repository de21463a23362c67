//! Messages: a whole session as text, fragments, retransmissions, what is missing, and what is broken or hostile.

use ike::crypto::{ProtectionAlgorithm, standard};
use ike::wire::Fragment;
use ike::wire::numbers::{Encryption, ExchangeType, Integrity, PayloadType};
use serde_json::json;

use crate::support::*;

fn gcm() -> (&'static dyn ProtectionAlgorithm, String) {
    let gcm = standard()
        .protection(Encryption::AES_GCM_16, Some(256), Integrity::NONE)
        .unwrap();
    (
        gcm,
        table(
            SPIS,
            &keys(gcm),
            "AES-GCM-256 with 16 octet ICV [RFC5282]",
            "NONE [RFC4306]",
        ),
    )
}

#[test]
fn a_session_reads_as_a_person_would_tell_it() {
    let (messages, line) = session();
    let refused = clear(
        header(ExchangeType::IKE_SA_INIT, 0, false, true),
        PayloadType::NOTIFY,
        &notify(14),
    );
    let packets = [
        request(&messages[0]),
        request(&messages[0]),
        request(&messages[1]),
        response(&messages[2]),
        response(&refused),
    ];
    let capture = pcap(RAW, &packets);
    expect("session.txt", &decode(&capture, Some(&line), &[]).stdout);
    expect(
        "session-summary.txt",
        &decode(&capture, Some(&line), &["--summary"]).stdout,
    );
    expect(
        "session-full.txt",
        &decode(&capture, Some(&line), &["--full"]).stdout,
    );
    expect("session-no-keys.txt", &decode(&capture, None, &[]).stdout);
    let painted = decode(&capture, Some(&line), &["--color", "always"]).stdout;
    assert!(
        painted.contains(
            "\u{1b}[1m#1  2023-11-14 22:13:20.000000 UTC  IKE_SA_INIT request 0\u{1b}[0m"
        )
    );
    assert!(
        painted.contains("\u{1b}[31mNotify (N): NO_PROPOSAL_CHOSEN  <-- error\u{1b}[0m"),
        "{painted}"
    );
}

#[test]
fn ike_fragments_are_opened_one_by_one_and_put_together() {
    let (algorithm, table) = gcm();
    let chain = [
        &[41, 0, 0, 12, 1, 0, 0, 0, 192, 0, 2, 1][..],
        &notify(16384),
    ]
    .concat();
    let header = header(ExchangeType::IKE_AUTH, 1, true, false);
    let piece = |number: u16, total: u16, text: &[u8]| {
        let fragment = Fragment { number, total };
        request(&sealed(
            algorithm,
            &header,
            Some(fragment),
            PayloadType::IDI,
            text,
        ))
    };
    let whole = [
        piece(3, 3, &chain[10..]),
        piece(1, 3, &chain[..5]),
        piece(2, 3, &chain[5..10]),
    ];
    let all = lines(&pcap(RAW, &whole), Some(&table));
    let last = &all[2]["protection"];
    assert_eq!(last["fragment_frames"], json!([2, 3, 1]));
    assert_eq!(last["fields"][0]["value"], "IPV4_ADDR 192.0.2.1");
    assert_eq!(last["fields"][1]["value"], "INITIAL_CONTACT");
    assert!(last["fault"].is_null());
    expect(
        "fragments.txt",
        &decode(&pcap(RAW, &whole), Some(&table), &[]).stdout,
    );

    // The sender cuts it smaller: what came before is worth nothing.
    let again = [
        piece(1, 2, &chain[..9]),
        whole[0].clone(),
        whole[1].clone(),
        whole[2].clone(),
    ];
    let all = lines(&pcap(RAW, &again), Some(&table));
    assert_eq!(all[3]["protection"]["fragment_frames"], json!([3, 4, 2]));
    assert_eq!(end(&all)["incomplete"], json!([]));

    let told = decode(&pcap(RAW, &whole[1..]), Some(&table), &[]).stdout;
    let expected = "IKE_AUTH request 1 (frames 1 and 2) never became whole: fragment 3 of 3 is\n  missing or not decrypted\n";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn retransmissions_and_unanswered_requests_are_named() {
    let (messages, _) = session();
    let capture = pcap(RAW, &vec![request(&messages[0]); 4]);
    let told = decode(&capture, None, &["--summary"]).stdout;
    assert!(
        told.contains("retransmission of frame 1, 1.5 s later"),
        "{told}"
    );
    let expected = "No response to IKE_SA_INIT request 0 (frame 1, sent 4 times) from 192.0.2.1:500\n  to 198.51.100.7:500\n1 more";
    assert!(told.contains(&expected[..expected.len() - 7]), "{told}");
    let all = lines(&capture, None);
    assert_eq!(all[3]["retransmission_of"], 1);
    assert_eq!(end(&all)["retransmissions"], 3);
    assert_eq!(end(&all)["unanswered"][0]["times"], 4);
}

#[test]
fn addresses_that_were_changed_on_the_way_are_told() {
    // By the hashes of this message it was sent from 10.80.80.13 to 10.80.80.80.
    let (messages, _) = session();
    let (from, to) = (([10, 80, 80, 13], 500), ([10, 80, 80, 80], 500));
    let packets = [udp4(from, to, &messages[0]), request(&messages[0])];
    let all = lines(&pcap(RAW, &packets), None);
    assert_eq!(
        all[0]["nat"],
        json!({ "source_fits": true, "destination_fits": true })
    );
    assert_eq!(
        all[1]["nat"],
        json!({ "source_fits": false, "destination_fits": false })
    );
}

#[test]
fn a_broken_message_is_shown_as_far_as_it_goes() {
    let chain = [
        &[41, 0, 0, 20][..],
        &[3; 16],
        &[0, 0, 0, 200, 0, 0, 0x40, 0x04],
    ]
    .concat();
    let broken = clear(
        header(ExchangeType::IKE_SA_INIT, 0, true, false),
        PayloadType::NONCE,
        &chain,
    );
    let mut length = broken.clone();
    length[27] = 99;
    let ikev1 = [
        &[1; 16][..],
        &[1, 0x10, 2, 0, 0, 0, 0, 0, 0, 0, 0, 40],
        &[0; 12],
    ]
    .concat();
    let (algorithm, table) = gcm();
    let inside = sealed(
        algorithm,
        &header(ExchangeType::IKE_AUTH, 1, true, false),
        None,
        PayloadType::IDI,
        &chain[..9],
    );
    let packets = [broken, length, ikev1, vec![7; 20], inside].map(|message| request(&message));
    let ended = decode(&pcap(RAW, &packets), Some(&table), &[]);
    assert_eq!(ended.code, 0);
    expect("broken.txt", &ended.stdout);
    let all = lines(&pcap(RAW, &packets), Some(&table));
    let broken: Vec<_> = all[..5]
        .iter()
        .map(|line| line["broken"].as_bool().unwrap())
        .collect();
    assert_eq!(
        broken,
        [true, true, false, true, true],
        "IKEv1 is not broken"
    );
    assert_eq!(all[0]["fault"]["offset"], 50);
}

#[test]
fn nothing_hostile_reaches_the_terminal() {
    let evil = "\u{1b}]0;owned\u{7}\u{202e}\r\n\u{9b}2J";
    let identity = [
        &[0, 0, 0, u8::try_from(8 + evil.len()).unwrap(), 2, 0, 0, 0][..],
        evil.as_bytes(),
    ]
    .concat();
    let vendor = [
        &[35, 0, 0, u8::try_from(4 + evil.len()).unwrap()][..],
        evil.as_bytes(),
        &identity,
    ]
    .concat();
    let message = clear(
        header(ExchangeType::IKE_AUTH, 1, true, false),
        PayloadType::VENDOR_ID,
        &vendor,
    );
    let capture = pcap(RAW, &[request(&message)]);
    for arguments in [&[][..], &["--full"], &["--summary"], &["--json"]] {
        let ended = decode(&capture, None, arguments);
        assert!(
            ended.stdout.contains("owned") || arguments == ["--summary"],
            "{}",
            ended.stdout
        );
        assert!(
            !ended
                .stdout
                .contains(['\u{1b}', '\u{7}', '\u{202e}', '\r', '\u{9b}']),
            "{:?}",
            ended.stdout
        );
    }
}
