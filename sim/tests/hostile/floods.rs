//! Many of them at once.

use super::*;

fn stranger(number: u32) -> SocketAddr {
    SocketAddr::new(std::net::Ipv4Addr::from(0x0b00_0000 + number).into(), 500)
}

fn anybody(limits: Limits) -> Configuration {
    let mut connection = End::hq().connection();
    connection.remote.address = None;
    Configuration {
        connections: vec![Arc::new(connection)],
        limits,
        ..Configuration::default()
    }
}

#[test]
fn a_flood_from_a_hundred_thousand_addresses_is_met_with_cookies_and_forgotten() {
    let (mut world, mut peer) = responder(60);
    world.configure(0, anybody(Limits::default()));
    let home = peer.path.local;
    let request = peer.init_request();
    let (mut answered, mut octets) = (0, 0);
    for number in 0..100_000u32 {
        peer.path.local = stranger(number);
        let mut request = request.clone();
        request[..4].copy_from_slice(&number.to_be_bytes());
        request[0] |= 0x80;
        let answers = peer.send(&mut world, &request);
        assert!(answers.len() <= 1);
        answered += answers.len();
        octets += answers.iter().map(Vec::len).sum::<usize>();
        world.nodes[0]
            .events
            .retain(|event| event.name() == "cookie-mode");
        world.nodes[0].sent.clear();
        assert!(world.nodes[0].engine().ike_sa_count() <= 32);
    }
    assert_eq!(answered, 100_000);
    assert!(octets < 100_000 * request.len(), "no amplification");
    assert_eq!(world.nodes[0].count("cookie-mode"), 1);
    // A true peer comes through meanwhile.
    peer.path.local = home;
    peer.renew();
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    let cookie = Message::parse(&answers[0]).expect("a cookie").payloads[0]
        .clone()
        .into_owned();
    let mut chain = peer.init_payloads();
    chain.insert(0, cookie);
    let request = peer.init_with(chain);
    let answers = peer.send(&mut world, &request);
    let mut session = peer.keys(request, answers[0].clone()).expect("an IKE SA");
    let payloads = peer.auth_payloads(&session, SPI);
    assert!(
        peer.ask(&mut world, &mut session, AUTH, &payloads)
            .is_some()
    );
    world.run(Duration::from_secs(35));
    let now = world.now;
    assert_eq!(world.nodes[0].list(now).half_open, 0);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 1);
    assert_eq!(world.nodes[0].count("cookie-mode"), 2, "it ends");
}

#[test]
fn a_wrong_cookie_is_no_cookie() {
    let (mut world, mut peer) = responder(61);
    let limits = Limits {
        cookie_threshold: 0,
        ..Limits::default()
    };
    world.configure(0, anybody(limits));
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    let Payload::Notify(cookie) = &Message::parse(&answers[0]).expect("a cookie").payloads[0]
    else {
        panic!("a notify")
    };
    let good = cookie.data.to_vec();
    let mut tries = vec![
        vec![],
        vec![7; 33],
        good[1..].to_vec(),
        [&good[..], &[0]].concat(),
    ];
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        tries.push(bad);
    }
    for cookie in tries {
        let mut chain = peer.init_payloads();
        chain.insert(0, notify(NotifyType::COOKIE, &cookie));
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        assert_eq!(told(&answers, &request), [NotifyType::COOKIE]);
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    }
    let mut chain = peer.init_payloads();
    chain.insert(0, notify(NotifyType::COOKIE, &good));
    let request = peer.init_with(chain);
    let home = peer.path.local;
    peer.path.local = stranger(5);
    let answers = peer.send(&mut world, &request);
    assert_eq!(
        told(&answers, &request),
        [NotifyType::COOKIE],
        "from elsewhere"
    );
    peer.path.local = home;
    assert_eq!(peer.send(&mut world, &request).len(), 1);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 1);
}

#[test]
fn one_address_holds_a_few_half_open_ike_sas_and_the_rest_a_bounded_number() {
    let (mut world, mut peer) = responder(62);
    let limits = Limits {
        cookie_threshold: 1000,
        half_open: 20,
        half_open_per_address: 3,
        ..Limits::default()
    };
    world.configure(0, anybody(limits));
    for number in 0..200 {
        peer.path.local = stranger(number / 10);
        peer.renew();
        let request = peer.init_request();
        peer.send(&mut world, &request);
    }
    let now = world.now;
    assert_eq!(world.nodes[0].list(now).half_open, 20);
    forgotten(&mut world, 0);
}

#[test]
fn a_peer_whose_address_others_use_gets_in_with_a_cookie() {
    let (mut world, mut peer) = responder(70);
    world.configure(0, anybody(Limits::default()));
    for _ in 0..20 {
        peer.renew();
        let request = peer.init_request();
        peer.send(&mut world, &request);
    }
    let now = world.now;
    assert_eq!(world.nodes[0].list(now).half_open, 8);
    peer.renew();
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    let answer = Message::parse(&answers[0]).expect("a cookie");
    assert_eq!(told(&answers, &request), [NotifyType::COOKIE]);
    let mut with_cookie = Message::parse(&request).expect("our own request");
    with_cookie.payloads.insert(0, answer.payloads[0].clone());
    assert_eq!(peer.send(&mut world, &with_cookie.encode()).len(), 1);
    assert_eq!(world.nodes[0].list(now).half_open, 9);
    forgotten(&mut world, 0);
}

#[test]
fn what_is_kept_for_refused_peers_is_bounded_like_everything_unproven() {
    let (mut world, mut peer) = responder(63);
    let limits = Limits {
        cookie_threshold: 1000,
        half_open: 20,
        ..Limits::default()
    };
    world.configure(0, anybody(limits));
    peer.secret = b"a guess".to_vec();
    for number in 0..200 {
        peer.path.local = stranger(number);
        peer.renew();
        let request = peer.init_request();
        let answers = peer.send(&mut world, &request);
        if let [response] = &answers[..]
            && let Some(mut session) = peer.keys(request, response.clone())
        {
            let mut payloads = peer.auth_payloads(&session, SPI);
            payloads.push(unknown(99, false));
            peer.ask(&mut world, &mut session, AUTH, &payloads);
        }
        assert!(world.nodes[0].engine().ike_sa_count() <= 20);
    }
    forgotten(&mut world, 0);
}

#[test]
fn a_flood_of_broken_ike_auths_does_not_keep_the_true_one_out() {
    let (mut world, mut peer) = responder(64);
    let mut session = peer.begin(&mut world);
    let payloads = peer.auth_payloads(&session, SPI);
    let good = session.request(&mut peer.random, AUTH, &payloads);
    for number in 0..20_000u32 {
        let mut bad = good.clone();
        let at = bad.len() - 16;
        bad[at..at + 4].copy_from_slice(&number.to_be_bytes());
        assert_eq!(peer.send(&mut world, &bad), Vec::<Vec<u8>>::new());
    }
    assert!(peer.ask_bytes(&mut world, &session, &good).is_some());
}

#[test]
fn a_responder_never_sends_again_by_itself() {
    let (mut world, mut peer) = responder(65);
    let session = peer.begin(&mut world);
    let sent = world.nodes[0].sent.len();
    world.run(LONG);
    assert_eq!(world.nodes[0].sent.len(), sent);
    drop(session);
    forgotten(&mut world, 0);
}

#[test]
fn garbage_at_an_established_tunnel_gets_no_answer_and_harms_nothing() {
    let mut world = tunnel(66);
    let good: Vec<Transmit> = world.nodes[1].sent.clone();
    let mut random = sim::SeededRandom::new(66);
    for round in 0..20_000u64 {
        let Transmit { path, mut bytes } = good[usize::try_from(round % 2).expect("small")].clone();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(bytes.len() as u64)).expect("small");
            bytes[at] = u8::try_from(random.below(256)).expect("an octet");
        }
        let seen = Path {
            local: path.remote,
            remote: path.local,
        };
        let now = world.now;
        let answers = world.nodes[0].datagram(now, seen, &bytes);
        assert!(answers.len() <= 1);
        world.nodes[0]
            .events
            .retain(|event| event.name() == "child-up");
        world.nodes[0].sent.clear();
    }
    world.run(LONG);
    let now = world.now;
    world.nodes[0].assert_up(now, 1);
}

#[test]
fn nonces_of_illegal_lengths_are_invalid_syntax() {
    for length in [0, 15, 257, 5000] {
        let (mut world, mut peer) = responder(67);
        let mut chain = peer.init_payloads();
        chain[2] = Payload::Nonce(Nonce {
            data: vec![7; length].into(),
        });
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        assert_eq!(told(&answers, &request), [NotifyType::INVALID_SYNTAX]);
    }
}
