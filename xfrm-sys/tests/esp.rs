//! What takes a kernel with ESP: SAs added, counted, expired, refused. Needs nothing but the kernel and root.

mod common;

use std::net::{IpAddr, UdpSocket};
use std::num::NonZeroU32;
use std::time::Duration;

use common::{
    FAR, FAR_INNER, FAR_INNER6, NEAR, NEAR_INNER, NEAR_INNER6, Wire, event, in_namespace, skip, udp,
};
use xfrm_sys::{
    Action, AeadAlgorithm, Algorithm, Direction, EncryptionAlgorithm, Event, Events,
    IntegrityAlgorithm, KeyMaterial, Keyed, Lifetimes, Limits, Mark, Mode, PolicyFlags, PolicySpec,
    Protocol, SaCrypto, SaDirection, SaFlags, SaSpec, SaState, Selector, SpiRequest, Template,
    UdpEncapsulation, Xfrm, XfrmError,
};

const REQID: u32 = 7;

/// A handle whose kernel has ESP with AES-GCM; otherwise says what is missing.
async fn with_esp() -> Option<Xfrm> {
    let xfrm = Xfrm::open().expect("a socket");
    let found = xfrm.probe().await.expect("answers");
    for answer in
        std::iter::once(&found.esp_ipv4).chain(found.aead.first().map(|(_, answer)| answer))
    {
        if let Some(refusal) = answer.refusal() {
            skip(&refusal.to_string());
            return None;
        }
    }
    Some(xfrm)
}

fn keyed<A: Algorithm>(algorithm: A, length: usize, seed: u8) -> Keyed<A> {
    let key = (0..length)
        .map(|place| seed ^ (place as u8).wrapping_mul(37))
        .collect();
    Keyed::new(algorithm, KeyMaterial::new(key)).expect("the algorithm takes this length")
}

fn gcm() -> SaCrypto {
    SaCrypto::Aead(keyed(AeadAlgorithm::AesGcm16, 20, 1))
}

/// From near to far in tunnel mode.
fn spec(spi: u32, direction: SaDirection) -> SaSpec {
    SaSpec {
        spi,
        source: NEAR.into(),
        destination: FAR.into(),
        mode: Mode::Tunnel,
        direction,
        crypto: gcm(),
        reqid: REQID,
        esn: false,
        replay_window: 128,
        selector: None,
        lifetimes: Lifetimes::default(),
        encapsulation: None,
        if_id: None,
        mark: None,
        flags: SaFlags::default(),
        sequence: None,
    }
}

fn protect(direction: Direction, selector: Selector) -> PolicySpec {
    PolicySpec {
        selector,
        direction,
        number: 0,
        priority: 100,
        action: Action::Allow,
        templates: vec![Template {
            source: NEAR.into(),
            destination: FAR.into(),
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            reqid: REQID,
            spi: None,
            optional: false,
        }],
        if_id: None,
        mark: None,
        flags: PolicyFlags::default(),
    }
}

fn inner() -> Selector {
    Selector::new((NEAR_INNER.into(), 32), (FAR_INNER.into(), 32))
}

fn inner6() -> Selector {
    Selector::new((NEAR_INNER6.into(), 128), (FAR_INNER6.into(), 128))
}

/// Near with its outbound and far with its inbound policies, and a socket at each end.
struct Tunnel {
    near: Xfrm,
    far: Xfrm,
    sender: UdpSocket,
    receiver: UdpSocket,
    wire: Wire,
}

impl Tunnel {
    async fn new() -> Option<Self> {
        with_esp().await?;
        let wire = Wire::new().await;
        wire.enter_far();
        let far = with_esp().await?;
        for selector in [inner(), inner6()] {
            far.add_policy(&protect(Direction::In, selector))
                .await
                .expect("added");
        }
        let receiver = udp(FAR_INNER);
        wire.enter_near();
        let near = with_esp().await?;
        for selector in [inner(), inner6()] {
            near.add_policy(&protect(Direction::Out, selector))
                .await
                .expect("added");
        }
        let sender = udp(NEAR_INNER);
        Some(Self {
            near,
            far,
            sender,
            receiver,
            wire,
        })
    }

    async fn install(&self, near: &SaSpec, far: &SaSpec) {
        self.far.add_sa(far).await.expect("inbound");
        self.near.add_sa(near).await.expect("outbound");
    }

    /// Whether a packet comes through.
    fn carries(&self) -> bool {
        let sent = self
            .sender
            .send_to(b"hello", self.receiver.local_addr().expect("bound"));
        sent.is_ok() && self.receiver.recv(&mut [0; 16]).is_ok()
    }
}

#[test]
fn an_sa_comes_back_as_it_was_added_without_its_key() {
    in_namespace(|| async {
        let Some(xfrm) = with_esp().await else { return };
        let mut specs = Vec::new();
        for direction in [SaDirection::In, SaDirection::Out] {
            for (esn, replay_window) in [
                (false, 0),
                (false, 32),
                (false, 128),
                (true, 64),
                (true, 4096),
            ] {
                specs.push(SaSpec {
                    esn,
                    replay_window,
                    ..spec(0x1000 + specs.len() as u32, direction)
                });
            }
        }
        specs.push(SaSpec {
            mode: Mode::Transport,
            selector: Some(inner()),
            encapsulation: Some(UdpEncapsulation {
                source_port: 4500,
                destination_port: 40000,
            }),
            if_id: NonZeroU32::new(77),
            mark: Some(Mark {
                value: 0x10,
                mask: 0xf0,
            }),
            lifetimes: Lifetimes {
                soft: Limits {
                    seconds: Some(100),
                    seconds_in_use: Some(90),
                    bytes: Some(1 << 40),
                    packets: Some(5),
                },
                hard: Limits {
                    seconds: Some(200),
                    ..Limits::default()
                },
            },
            flags: SaFlags {
                no_ecn: true,
                no_dscp_copy: true,
                no_path_mtu_discovery: true,
                ..SaFlags::default()
            },
            ..spec(0x2000, SaDirection::Out)
        });
        specs.push(SaSpec {
            source: NEAR_INNER6.into(),
            destination: FAR_INNER6.into(),
            flags: SaFlags {
                decapsulate_dscp: true,
                icmp: true,
                ..SaFlags::default()
            },
            ..spec(0x3000, SaDirection::In)
        });
        // One handle that has not probed, and so tells no direction, and one that has.
        for xfrm in [Xfrm::open().expect("a socket"), xfrm] {
            come_back(&xfrm, &specs).await;
        }
    });
}

async fn come_back(xfrm: &Xfrm, specs: &[SaSpec]) {
    for spec in specs {
        xfrm.add_sa(spec)
            .await
            .unwrap_or_else(|error| panic!("{error}: {spec:?}"));
        let state = xfrm.get_sa(&spec.id()).await.expect("found");
        assert_same(&state, spec);
    }
    let all = xfrm.list_sas().await.expect("listed");
    assert_eq!(all.len(), specs.len());
    for spec in specs {
        let state = all
            .iter()
            .find(|state| state.id == spec.id())
            .expect("in the list");
        assert_same(state, spec);
        xfrm.delete_sa(&spec.id()).await.expect("deleted");
    }
    assert!(xfrm.list_sas().await.expect("listed").is_empty());
}

fn assert_same(state: &SaState, spec: &SaSpec) {
    assert_eq!(state.id, spec.id());
    assert_eq!(
        (state.source, state.mode, state.reqid),
        (spec.source, spec.mode, spec.reqid)
    );
    assert_eq!((state.esn, state.lifetimes), (spec.esn, spec.lifetimes));
    assert_eq!(
        (state.encapsulation, state.if_id),
        (spec.encapsulation, spec.if_id)
    );
    assert_eq!(state.flags.no_dscp_copy, spec.flags.no_dscp_copy);
    assert_eq!(state.flags.decapsulate_dscp, spec.flags.decapsulate_dscp);
    assert_eq!(state.flags.any_inner_family, spec.selector.is_none());
    assert_eq!(state.selector, spec.selector);
    if let Some(direction) = state.direction {
        assert_eq!(direction, spec.direction);
    }
    if spec.direction == SaDirection::In {
        assert_eq!(state.replay_window, spec.replay_window);
    }
    let SaCrypto::Aead(aead) = &spec.crypto else {
        panic!("these tests use AEAD")
    };
    let algorithm = &state.algorithms[0];
    assert_eq!(algorithm.name, aead.algorithm().kernel_name());
    assert_eq!(algorithm.key_bits as usize, aead.key().len() * 8);
    assert_eq!(algorithm.icv_bits, Some(128));
}

#[test]
fn every_algorithm_that_the_probe_affirms_carries_packets() {
    in_namespace(|| async {
        let Some(tunnel) = Tunnel::new().await else {
            return;
        };
        let found = tunnel.near.probe().await.expect("answers");
        let longest = |lengths: &[usize]| lengths.iter().copied().max().expect("a length");
        let integrity = || keyed(IntegrityAlgorithm::HmacSha256_128, 32, 9);
        let mut suites = Vec::new();
        for &algorithm in AeadAlgorithm::ALL.iter().filter(|a| found.has_aead(**a)) {
            for &length in algorithm.key_lengths() {
                suites.push(SaCrypto::Aead(keyed(algorithm, length, 3)));
            }
        }
        for &algorithm in EncryptionAlgorithm::ALL
            .iter()
            .filter(|a| found.has_encryption(**a))
        {
            for &length in algorithm.key_lengths() {
                suites.push(SaCrypto::Separate {
                    encryption: keyed(algorithm, length, 3),
                    integrity: integrity(),
                });
            }
        }
        for &algorithm in IntegrityAlgorithm::ALL
            .iter()
            .filter(|a| found.has_integrity(**a))
        {
            let integrity = keyed(algorithm, longest(algorithm.key_lengths()), 3);
            suites.push(SaCrypto::Separate {
                encryption: keyed(EncryptionAlgorithm::AesCbc, 16, 5),
                integrity,
            });
        }
        assert!(suites.len() >= 3, "AES-GCM with three lengths");
        for (number, crypto) in suites.iter().enumerate() {
            let out = SaSpec {
                crypto: crypto.clone(),
                ..spec(0x1000 + number as u32, SaDirection::Out)
            };
            let inbound = SaSpec {
                direction: SaDirection::In,
                ..out.clone()
            };
            tunnel.install(&out, &inbound).await;
            assert!(tunnel.carries(), "{crypto:?}");
            let state = tunnel.far.get_sa(&inbound.id()).await.expect("found");
            if let SaCrypto::Separate { integrity, .. } = crypto {
                let icv = state
                    .algorithms
                    .iter()
                    .find_map(|algorithm| algorithm.icv_bits);
                assert_eq!(icv, Some(integrity.algorithm().icv_bits()), "{state:?}");
                assert_eq!(state.algorithms.len(), 2, "{state:?}");
            }
            tunnel.near.delete_sa(&out.id()).await.expect("deleted");
            tunnel.far.delete_sa(&inbound.id()).await.expect("deleted");
        }
    });
}

#[test]
fn counters_and_sequence_numbers_follow_the_packets() {
    in_namespace(|| async {
        let Some(tunnel) = Tunnel::new().await else {
            return;
        };
        for (number, esn) in [false, true].into_iter().enumerate() {
            let out = SaSpec {
                esn,
                ..spec(0x1000 + number as u32, SaDirection::Out)
            };
            let inbound = SaSpec {
                direction: SaDirection::In,
                ..out.clone()
            };
            tunnel.install(&out, &inbound).await;
            for _ in 0..5 {
                assert!(tunnel.carries());
            }
            let sent = tunnel.near.get_sa(&out.id()).await.expect("found");
            let received = tunnel.far.get_sa(&inbound.id()).await.expect("found");
            assert_eq!((sent.counters.packets, received.counters.packets), (5, 5));
            assert!(received.counters.bytes > 0 && received.counters.first_used > 0);
            assert_eq!(sent.replay.expect("told").sent, 5);
            assert_eq!(received.replay.expect("told").received, 5);
            assert_eq!(received.replay_window, 128);
            tunnel.near.delete_sa(&out.id()).await.expect("deleted");
            tunnel.far.delete_sa(&inbound.id()).await.expect("deleted");
        }
    });
}

#[test]
fn packets_of_both_families_flow_through_one_tunnel() {
    in_namespace(|| async {
        let Some(mut tunnel) = Tunnel::new().await else {
            return;
        };
        let (out, inbound) = (
            spec(0x1000, SaDirection::Out),
            spec(0x1000, SaDirection::In),
        );
        tunnel.install(&out, &inbound).await;
        assert!(tunnel.carries());
        tunnel.wire.enter_far();
        tunnel.receiver = udp(IpAddr::from(FAR_INNER6));
        tunnel.wire.enter_near();
        tunnel.sender = udp(IpAddr::from(NEAR_INNER6));
        assert!(tunnel.carries());
        let received = tunnel.far.get_sa(&inbound.id()).await.expect("found");
        assert_eq!(received.counters.packets, 2);
    });
}

#[test]
fn a_wrong_key_and_a_replay_are_counted_and_dropped() {
    in_namespace(|| async {
        let Some(tunnel) = Tunnel::new().await else {
            return;
        };
        let (out, inbound) = (
            spec(0x1000, SaDirection::Out),
            spec(0x1000, SaDirection::In),
        );
        let other = SaSpec {
            crypto: SaCrypto::Aead(keyed(AeadAlgorithm::AesGcm16, 20, 99)),
            ..out.clone()
        };
        tunnel.install(&other, &inbound).await;
        assert!(!tunnel.carries());
        let state = tunnel.far.get_sa(&inbound.id()).await.expect("found");
        assert_eq!((state.errors.integrity, state.counters.packets), (1, 0));

        tunnel.near.delete_sa(&other.id()).await.expect("deleted");
        tunnel.near.add_sa(&out).await.expect("added");
        assert!(tunnel.carries() && tunnel.carries());
        // The same key from the first sequence number again: to the receiver, replays.
        tunnel.near.delete_sa(&out.id()).await.expect("deleted");
        tunnel.near.add_sa(&out).await.expect("added");
        assert!(!tunnel.carries() && !tunnel.carries());
        let state = tunnel.far.get_sa(&inbound.id()).await.expect("found");
        assert_eq!((state.errors.replay, state.counters.packets), (2, 2));
        assert!(tunnel.carries(), "the third is new");
    });
}

#[test]
fn a_reserved_spi_becomes_an_sa_by_update() {
    in_namespace(|| async {
        let Some(xfrm) = with_esp().await else { return };
        let request = SpiRequest {
            source: NEAR.into(),
            destination: FAR.into(),
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            reqid: REQID,
            spis: 0xc000_0000..=0xcfff_ffff,
            if_id: None,
            mark: None,
        };
        let larval = xfrm.allocate_spi(&request).await.expect("reserved");
        let spec = spec(larval.id.spi, SaDirection::In);
        xfrm.update_sa(&spec).await.expect("updated");
        assert_same(&xfrm.get_sa(&spec.id()).await.expect("found"), &spec);
        xfrm.delete_sa(&spec.id()).await.expect("deleted");
        let gone = xfrm.update_sa(&spec).await.expect_err("not reserved");
        assert_eq!(gone.errno(), Some(libc::ESRCH));
        assert!(gone.hint().expect("known").contains("expired"), "{gone}");
    });
}

#[test]
fn an_spi_that_is_taken_is_refused() {
    in_namespace(|| async {
        let Some(xfrm) = with_esp().await else { return };
        let spec = spec(0x1000, SaDirection::In);
        xfrm.add_sa(&spec).await.expect("added");
        let twice = xfrm.add_sa(&spec).await.expect_err("taken");
        assert_eq!(twice.errno(), Some(libc::EEXIST));
        assert!(twice.hint().expect("known").contains("SPI"), "{twice}");
        assert!(matches!(twice, XfrmError::Kernel(_)));
    });
}

#[test]
fn packet_limits_are_told_by_the_packet_that_finds_them_reached() {
    in_namespace(|| async {
        let Some(tunnel) = Tunnel::new().await else {
            return;
        };
        tunnel.wire.enter_far();
        let mut events = Events::open().expect("events");
        tunnel.wire.enter_near();
        let limit = |packets| Limits {
            packets: Some(packets),
            ..Limits::default()
        };
        let out = spec(0x1000, SaDirection::Out);
        let inbound = SaSpec {
            lifetimes: Lifetimes {
                soft: limit(1),
                hard: limit(3),
            },
            direction: SaDirection::In,
            ..out.clone()
        };
        tunnel.install(&out, &inbound).await;
        let mut told = Vec::new();
        for packet in 1..=5 {
            let carried = tunnel.carries();
            let next = tokio::time::timeout(Duration::from_secs(1), events.next()).await;
            if let Ok(Ok(Event::Expire { sa, hard })) = next {
                assert_eq!((sa.id, sa.reqid), (inbound.id(), REQID));
                told.push((packet, carried, hard));
            }
        }
        // Linux 6.12 looks at what was counted before it counts: the second packet finds one, the fourth three.
        assert!(
            matches!(told[..], [(1 | 2, true, false), (3 | 4, _, true)]),
            "{told:?}"
        );
        let gone = tunnel.far.get_sa(&inbound.id()).await.expect_err("gone");
        assert_eq!(gone.errno(), Some(libc::ESRCH));
    });
}

#[test]
fn an_sa_that_is_never_used_expires_by_time() {
    in_namespace(|| async {
        let Some(xfrm) = with_esp().await else { return };
        let mut events = Events::open().expect("events");
        let limit = |seconds| Limits {
            seconds: Some(seconds),
            ..Limits::default()
        };
        let spec = SaSpec {
            lifetimes: Lifetimes {
                soft: limit(1),
                hard: limit(3),
            },
            ..spec(0x1000, SaDirection::Out)
        };
        xfrm.add_sa(&spec).await.expect("added");
        for expected in [false, true] {
            let hard = event(&mut events, |event| match event {
                Event::Expire { sa, hard } if sa.id == spec.id() => Some(hard),
                _ => None,
            })
            .await;
            assert_eq!(hard, expected);
        }
        assert!(xfrm.list_sas().await.expect("listed").is_empty());
    });
}

#[test]
fn the_answer_to_an_acquire_lets_the_next_packet_through() {
    in_namespace(|| async {
        let Some(tunnel) = Tunnel::new().await else {
            return;
        };
        let mut events = Events::open().expect("events");
        tunnel
            .far
            .add_sa(&spec(0x1000, SaDirection::In))
            .await
            .expect("inbound");
        assert!(!tunnel.carries(), "there is no SA");
        let acquire = event(&mut events, |event| match event {
            Event::Acquire(acquire) => Some(acquire),
            _ => None,
        })
        .await;
        let out = SaSpec {
            sequence: NonZeroU32::new(acquire.sequence),
            ..spec(0x1000, SaDirection::Out)
        };
        tunnel.near.add_sa(&out).await.expect("outbound");
        assert!(tunnel.carries());
        let all = tunnel.near.list_sas().await.expect("listed");
        assert_eq!(all.len(), 1, "the larval one is gone: {all:?}");
    });
}

#[test]
fn ah_protects_in_transport_mode() {
    in_namespace(|| async {
        let Some(xfrm) = with_esp().await else { return };
        if let Some(refusal) = xfrm.probe().await.expect("answers").ah_ipv4.refusal() {
            return skip(&refusal.to_string());
        }
        let spec = SaSpec {
            crypto: SaCrypto::Authentication(keyed(IntegrityAlgorithm::HmacSha256_128, 32, 1)),
            mode: Mode::Transport,
            ..spec(0x1000, SaDirection::In)
        };
        xfrm.add_sa(&spec).await.expect("added");
        let state = xfrm.get_sa(&spec.id()).await.expect("found");
        assert_eq!(state.id.protocol, Protocol::Ah);
        assert_eq!(state.algorithms[0].icv_bits, Some(128));
        assert_eq!(state.algorithms.len(), 1);
    });
}

#[test]
fn a_thousand_sas_are_added_at_once_and_listed() {
    in_namespace(|| async {
        let Some(xfrm) = with_esp().await else { return };
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..1000 {
            let xfrm = xfrm.clone();
            tasks.spawn(async move { xfrm.add_sa(&spec(0x1000 + number, SaDirection::In)).await });
        }
        for added in tasks.join_all().await {
            added.expect("added");
        }
        assert_eq!(xfrm.list_sas().await.expect("listed").len(), 1000);
        assert_eq!(xfrm.sad_info().await.expect("counted").count, 1000);
    });
}
