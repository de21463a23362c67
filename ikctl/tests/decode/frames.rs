//! From the link to UDP: every encapsulation, fragments, and what else travels on IKE's ports.

use crate::support::*;

fn init() -> Vec<u8> {
    session().0[0].clone()
}

fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&[0; 12][..], &ether_type.to_be_bytes(), payload].concat()
}

#[test]
fn every_link_type_leads_to_the_same_message() {
    let ip = request(&init());
    let ip6 = ip6(1, 2, 17, &udp(500, 500, &init()));
    let tag = |next: u16, rest: &[u8]| [&[0, 7], &next.to_be_bytes()[..], rest].concat();
    let pppoe = [&[0x11, 0, 0, 1, 0, 0, 0, 0x21][..], &ip].concat();
    let cases = [
        (0, [&[2, 0, 0, 0][..], &ip].concat()),
        (0, [&[0, 0, 0, 30][..], &ip6].concat()),
        (108, [&[0, 0, 0, 2][..], &ip].concat()),
        (1, ethernet(0x0800, &ip)),
        (1, ethernet(0x86dd, &ip6)),
        // Shorter frames are padded.
        (1, [ethernet(0x0800, &ip), vec![0; 18]].concat()),
        (1, ethernet(0x8100, &tag(0x0800, &ip))),
        (1, ethernet(0x88a8, &tag(0x8100, &tag(0x86dd, &ip6)))),
        (1, ethernet(0x8864, &pppoe)),
        (9, [&[0xff, 0x03, 0x00, 0x21][..], &ip].concat()),
        (9, [&[0x57][..], &ip6].concat()),
        (12, ip.clone()),
        (101, ip6.clone()),
        (228, ip.clone()),
        (229, ip6.clone()),
        (113, [&[0; 14][..], &[8, 0], &ip].concat()),
        (113, [&[0; 14][..], &[0x81, 0], &tag(0x0800, &ip)].concat()),
        (276, [&[0x86, 0xdd][..], &[0; 18], &ip6].concat()),
    ];
    for (link, frame) in cases {
        let lines = lines(&pcap(link, std::slice::from_ref(&frame)), None);
        assert_eq!(lines.len(), 2, "link type {link}");
        assert_eq!(
            lines[0]["header"]["exchange"], "IKE_SA_INIT",
            "link type {link}"
        );
        let six = lines[0]["source"].as_str().unwrap().starts_with('[');
        assert_eq!(
            lines[0]["source"],
            if six {
                "[2001:db8::1]:500"
            } else {
                "192.0.2.1:500"
            }
        );
    }
}

#[test]
fn extension_headers_of_ipv6_and_options_of_ipv4_are_passed_over() {
    let udp = udp(500, 500, &init());
    let destination_options = [
        &[60, 0, 1, 4, 0, 0, 0, 0][..],
        &[17, 0, 1, 4, 0, 0, 0, 0],
        &udp,
    ]
    .concat();
    let mut options = ip4(
        [192, 0, 2, 1],
        [198, 51, 100, 7],
        17,
        1,
        0,
        &[&[1, 1, 1, 0][..], &udp].concat(),
    );
    options[0] = 0x46;
    let lines = lines(
        &pcap(RAW, &[ip6(1, 2, 0, &destination_options), options]),
        None,
    );
    assert_eq!(end(&lines)["messages"], 2);
}

#[test]
fn ip_fragments_are_put_together_in_any_order() {
    let udp = udp(500, 500, &init());
    let (from, to) = ([192, 0, 2, 1], [198, 51, 100, 7]);
    let four = |start: usize, end: usize, more: bool| {
        let field = u16::try_from(start / 8).unwrap() | if more { 0x2000 } else { 0 };
        ip4(from, to, 17, 9, field, &udp[start..end])
    };
    let six = |start: usize, end: usize, more: bool| {
        let field = u16::try_from(start).unwrap() | u16::from(more);
        let header = [&[17, 0][..], &field.to_be_bytes(), &[0, 0, 0, 9]].concat();
        ip6(1, 2, 44, &[&header, &udp[start..end]].concat())
    };
    let end_of = udp.len();
    let packets = [
        four(160, end_of, false),
        six(0, 160, true),
        four(0, 80, true),
        four(80, 160, true),
        six(160, end_of, false),
    ];
    let lines = lines(&pcap(RAW, &packets), None);
    assert_eq!(end(&lines)["messages"], 2);
    assert_eq!(lines[0]["frames"], serde_json::json!([1, 3, 4]));
    assert_eq!(lines[1]["frames"], serde_json::json!([2, 5]));
    assert!(lines[0]["fault"].is_null());

    let ended = decode(&pcap(RAW, &packets[2..4]), None, &[]);
    let told = "A datagram from 192.0.2.1:500 to 198.51.100.7:500 in IP fragments (frames 1 and\n  2) never became whole: bytes from 160 on never came; does something on the\n  path drop fragments?\n";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
}

#[test]
fn what_travels_on_port_4500_is_told_apart() {
    let ends = (([192, 0, 2, 1], 4500), ([198, 51, 100, 7], 61_000));
    let packets = [
        udp4(ends.0, ends.1, &[&[0; 4][..], &init()].concat()),
        udp4(ends.1, ends.0, &[0xff]),
        udp4(ends.0, ends.1, &[0xd0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9]),
        ip4([192, 0, 2, 1], [198, 51, 100, 7], 50, 1, 0, &[1; 40]),
        ip4(
            [192, 0, 2, 1],
            [198, 51, 100, 7],
            6,
            1,
            0,
            &[0x11, 0x94, 0, 80, 0, 0],
        ),
        udp4(([192, 0, 2, 1], 53), ([198, 51, 100, 7], 5353), &[1; 40]),
        request(b"not IKE"),
        vec![0x45, 0, 0],
    ];
    let ended = decode(&pcap(RAW, &packets), None, &["--summary"]);
    expect("port-4500.txt", &ended.stdout);
}

#[test]
fn another_port_is_looked_at_when_asked() {
    let ends = (([192, 0, 2, 1], 6000), ([198, 51, 100, 7], 6001));
    let packets = [
        udp4(ends.0, ends.1, &init()),
        udp4(ends.0, ends.1, &[&[0; 4][..], &init()].concat()),
        udp4(ends.0, ends.1, &[1; 60]),
    ];
    let capture = pcap(RAW, &packets);
    assert!(
        decode(&capture, None, &[])
            .stdout
            .starts_with("0 IKE messages in 3 frames")
    );
    let told = decode(&capture, None, &["--port", "6001"]).stdout;
    assert!(
        told.contains("2 IKE messages in 3 frames: 1 retransmitted\nNot decoded: 1 ESP in UDP\n"),
        "{told}"
    );
}

#[test]
fn a_message_cut_by_the_snap_length_is_shown_as_far_as_it_goes() {
    let whole = request(&init());
    let mut file = pcap(RAW, &[whole[..150].to_vec()]);
    file[36..40].copy_from_slice(&u32::try_from(whole.len()).unwrap().to_le_bytes());
    let ended = decode(&file, None, &[]);
    assert_eq!(ended.code, 0);
    expect("cut.txt", &ended.stdout);
}
