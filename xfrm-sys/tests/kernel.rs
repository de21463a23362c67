//! What a kernel does without ESP: policies, reservations, ACQUIRE, exempted sockets, statistics, probes.

mod common;

use std::collections::HashSet;
use std::net::{IpAddr, UdpSocket};
use std::num::NonZeroU32;

use common::{
    FAR, FAR_INNER, FAR_INNER6, NEAR, NEAR_INNER, NEAR_INNER6, Wire, event, in_namespace, skip, udp,
};
use xfrm_sys::{
    Action, Direction, Event, Events, Mark, Mode, PolicyFlags, PolicyIndex, PolicySpec, Protocol,
    SaId, Selector, SpiRequest, Statistics, Template, Xfrm, XfrmError, exempt_socket,
};

fn selector() -> Selector {
    Selector::new((NEAR_INNER.into(), 32), (FAR_INNER.into(), 32))
}

fn protect(selector: Selector, direction: Direction, number: u32) -> PolicySpec {
    PolicySpec {
        selector,
        direction,
        number,
        priority: 100,
        action: Action::Allow,
        templates: vec![Template {
            source: NEAR.into(),
            destination: FAR.into(),
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            reqid: 7,
            spi: None,
            optional: false,
        }],
        if_id: None,
        mark: None,
        flags: PolicyFlags::default(),
    }
}

fn errno(error: &XfrmError) -> i32 {
    error
        .errno()
        .unwrap_or_else(|| panic!("a refusal: {error}"))
}

#[test]
fn a_policy_is_added_shown_updated_and_deleted_by_index() {
    in_namespace(|| async {
        let xfrm = Xfrm::open().expect("a socket");
        let spec = PolicySpec {
            mark: Some(Mark {
                value: 5,
                mask: 0xff,
            }),
            if_id: NonZeroU32::new(9),
            ..protect(selector(), Direction::Out, 42)
        };
        let index = spec.index().expect("numbered");
        xfrm.add_policy(&spec).await.expect("added");

        let shown = xfrm
            .get_policy_by_index(index, spec.if_id, spec.mark)
            .await
            .expect("found");
        assert_eq!(shown.selector, Some(spec.selector));
        assert_eq!(shown.direction, Some(Direction::Out));
        assert_eq!(
            (shown.index, shown.priority, shown.action),
            (index, 100, Action::Allow)
        );
        assert_eq!(shown.templates, spec.templates);
        assert_eq!((shown.mark, shown.if_id), (spec.mark, spec.if_id));
        assert!(shown.counters.added > 0);

        let twice = xfrm.add_policy(&spec).await.expect_err("there is one");
        assert_eq!(errno(&twice), libc::EEXIST);
        assert_eq!(twice.code(), "kernel.EEXIST");
        assert!(
            twice
                .to_string()
                .starts_with("NEWPOLICY: the kernel says EEXIST"),
            "{twice}"
        );
        assert!(twice.hint().expect("known").contains("update"));

        let block = PolicySpec {
            action: Action::Block,
            templates: Vec::new(),
            number: 43,
            ..spec.clone()
        };
        xfrm.update_policy(&block).await.expect("updated");
        let shown = xfrm
            .get_policy(&spec.selector, Direction::Out, spec.if_id, spec.mark)
            .await
            .expect("found");
        assert_eq!((shown.action, shown.templates.len()), (Action::Block, 0));
        assert_eq!(shown.index, index, "an update keeps the index");

        let unmarked = xfrm
            .delete_policy_by_index(index, None, None)
            .await
            .expect_err("another's");
        assert_eq!(errno(&unmarked), libc::ENOENT);
        xfrm.delete_policy_by_index(index, spec.if_id, spec.mark)
            .await
            .expect("deleted");
        assert!(xfrm.list_policies().await.expect("listed").is_empty());
    });
}

#[test]
fn a_thousand_policies_are_added_at_once_listed_and_deleted() {
    in_namespace(|| async {
        let xfrm = Xfrm::open().expect("a socket");
        let mut tasks = tokio::task::JoinSet::new();
        for number in 1..=1000_u32 {
            let source: IpAddr = [10, 1, (number >> 8) as u8, number as u8].into();
            let selector = Selector::new((source, 32), (FAR_INNER.into(), 32));
            let xfrm = xfrm.clone();
            tasks.spawn(async move {
                xfrm.add_policy(&protect(selector, Direction::Out, number))
                    .await
            });
        }
        for added in tasks.join_all().await {
            added.expect("added");
        }
        let (all, again) = tokio::join!(xfrm.list_policies(), xfrm.list_policies());
        let indices = |list: Vec<xfrm_sys::PolicyState>| -> HashSet<u32> {
            list.iter().map(|policy| policy.index.number()).collect()
        };
        assert_eq!(indices(all.expect("listed")), (1..=1000).collect());
        assert_eq!(again.expect("listed").len(), 1000);
        assert_eq!(xfrm.spd_info().await.expect("counted").outbound, 1000);
        for number in 1..=1000 {
            let index = PolicyIndex::new(number, Direction::Out).expect("a number");
            xfrm.delete_policy_by_index(index, None, None)
                .await
                .expect("deleted");
        }
        assert_eq!(xfrm.spd_info().await.expect("counted").outbound, 0);
    });
}

#[test]
fn policies_of_each_direction_and_family_come_back_as_they_were() {
    in_namespace(|| async {
        let xfrm = Xfrm::open().expect("a socket");
        let v6 = Selector {
            protocol: 6,
            source_port: (443, 0xffff),
            destination_port: (0x8000, 0x8000),
            ..Selector::new(
                ("fd00:1::".parse().expect("valid"), 32),
                (FAR_INNER6.into(), 128),
            )
        };
        for (number, direction) in [Direction::In, Direction::Out, Direction::Forward]
            .into_iter()
            .enumerate()
        {
            for (place, selector) in [selector(), v6, Selector::any_ipv4(), Selector::any_ipv6()]
                .into_iter()
                .enumerate()
            {
                let spec = protect(selector, direction, (number * 10 + place + 1) as u32);
                xfrm.update_policy(&spec)
                    .await
                    .expect("an update adds what is not there");
                let found = xfrm
                    .get_policy(&selector, direction, None, None)
                    .await
                    .expect("found");
                assert_eq!(found.selector, Some(selector));
                assert_eq!(found.direction, Some(direction));
                xfrm.delete_policy(&selector, direction, None, None)
                    .await
                    .expect("deleted");
            }
        }
    });
}

#[test]
fn a_wrong_policy_is_refused_with_the_kernels_reason() {
    in_namespace(|| async {
        let xfrm = Xfrm::open().expect("a socket");
        let mut spec = protect(selector(), Direction::Out, 1);
        spec.templates[0].mode = Mode::Other(77);
        let refused = xfrm.add_policy(&spec).await.expect_err("no such mode");
        let XfrmError::Kernel(refusal) = &refused else {
            panic!("{refused:?}")
        };
        assert_eq!(
            (refusal.operation, refusal.errno),
            ("NEWPOLICY", libc::EINVAL)
        );
        assert!(refused.to_string().contains("EINVAL"), "{refused}");
    });
}

#[test]
fn what_contradicts_itself_is_not_sent() {
    in_namespace(|| async {
        let xfrm = Xfrm::open().expect("a socket");
        let mixed = Selector::new((NEAR_INNER.into(), 32), (FAR_INNER6.into(), 128));
        let long = Selector::new((NEAR_INNER.into(), 33), (FAR_INNER.into(), 32));
        for selector in [mixed, long] {
            let refused = xfrm.add_policy(&protect(selector, Direction::Out, 1)).await;
            assert!(
                matches!(refused, Err(XfrmError::Invalid { .. })),
                "{refused:?}"
            );
        }
        assert!(xfrm.list_policies().await.expect("listed").is_empty());
    });
}

#[test]
fn an_spi_is_reserved_as_a_larval_sa() {
    in_namespace(|| async {
        let xfrm = Xfrm::open().expect("a socket");
        let request = SpiRequest {
            source: FAR.into(),
            destination: NEAR.into(),
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            reqid: 7,
            spis: 0xc000_0000..=0xc000_0000,
            if_id: None,
            mark: None,
        };
        let larval = xfrm.allocate_spi(&request).await.expect("reserved");
        assert_eq!(larval.id.spi, 0xc000_0000);
        assert_eq!(
            (larval.id.destination, larval.source),
            (NEAR.into(), FAR.into())
        );
        assert_eq!((larval.reqid, larval.mode), (7, Mode::Tunnel));
        assert!(larval.algorithms.is_empty() && !larval.is_acquire());

        assert_eq!(xfrm.get_sa(&larval.id).await.expect("found").id, larval.id);
        assert_eq!(xfrm.list_sas().await.expect("listed").len(), 1);
        assert_eq!(xfrm.sad_info().await.expect("counted").count, 1);
        let refused = xfrm
            .allocate_spi(&request)
            .await
            .expect_err("the only one is taken");
        assert!(refused.errno().is_some(), "{refused}");
        let too_low = SpiRequest {
            spis: 1..=300,
            ..request
        };
        assert!(matches!(
            xfrm.allocate_spi(&too_low).await,
            Err(XfrmError::Invalid { .. })
        ));

        xfrm.delete_sa(&larval.id).await.expect("deleted");
        let gone = xfrm.delete_sa(&larval.id).await.expect_err("gone");
        assert_eq!(
            (errno(&gone), gone.code().as_str()),
            (libc::ESRCH, "kernel.ESRCH")
        );
        let gone = xfrm.get_sa(&larval.id).await.expect_err("gone");
        assert_eq!(errno(&gone), libc::ESRCH);
    });
}

#[test]
fn a_packet_without_sa_asks_for_one_and_the_question_expires() {
    in_namespace(|| async {
        let wire = Wire::new().await;
        wire.enter_near();
        if let Err(error) = std::fs::write("/proc/sys/net/core/xfrm_acq_expires", "2") {
            return skip(&format!("net.core.xfrm_acq_expires: {error}"));
        }
        let mut events = Events::open().expect("events");
        let xfrm = Xfrm::open().expect("a socket");
        let spec = protect(selector(), Direction::Out, 3);
        xfrm.add_policy(&spec).await.expect("added");
        let socket = udp(NEAR_INNER);
        socket.send_to(b"knock", (FAR_INNER, 4242)).expect("sent");

        let acquire = event(&mut events, |event| match event {
            Event::Acquire(acquire) => Some(acquire),
            _ => None,
        })
        .await;
        assert_eq!(
            (acquire.source, acquire.destination),
            (NEAR.into(), FAR.into())
        );
        assert_eq!(acquire.protocol, Protocol::Esp);
        assert!(acquire.sequence != 0);
        let packet = acquire.selector.expect("the packet");
        assert_eq!(
            (packet.source, packet.destination),
            ((NEAR_INNER.into(), 32), (FAR_INNER.into(), 32))
        );
        assert_eq!((packet.protocol, packet.destination_port.0), (17, 4242));
        assert_eq!(
            packet.source_port.0,
            socket.local_addr().expect("bound").port()
        );
        assert_eq!(acquire.policy.index, spec.index().expect("numbered"));
        assert_eq!(acquire.template(), spec.templates.first());

        let larval = xfrm.list_sas().await.expect("listed");
        assert_eq!(larval.len(), 1);
        assert!(larval[0].is_acquire() && larval[0].sequence == acquire.sequence);

        let (sa, hard) = event(&mut events, |event| match event {
            Event::Expire { sa, hard } => Some((sa, hard)),
            _ => None,
        })
        .await;
        assert!(hard && sa.is_acquire());
        assert_eq!(
            (sa.id.destination, sa.reqid, sa.sequence),
            (FAR.into(), 7, acquire.sequence)
        );
        assert!(xfrm.list_sas().await.expect("listed").is_empty());
    });
}

#[test]
fn events_that_nobody_reads_are_told_as_lost() {
    in_namespace(|| async {
        let wire = Wire::new().await;
        wire.enter_near();
        let mut events = Events::open_with(4096).expect("events");
        let xfrm = Xfrm::open().expect("a socket");
        let any = Selector::new((NEAR_INNER.into(), 32), (FAR_INNER.into(), 32));
        for port in 1..=200_u16 {
            let selector = Selector {
                protocol: 17,
                destination_port: (port, 0xffff),
                ..any
            };
            let mut spec = protect(selector, Direction::Out, port.into());
            spec.templates[0].reqid = port.into();
            xfrm.add_policy(&spec).await.expect("added");
            udp(NEAR_INNER)
                .send_to(b"knock", (FAR_INNER, port))
                .expect("sent");
        }
        event(&mut events, |event| (event == Event::Overrun).then_some(())).await;
    });
}

#[test]
fn an_exempted_socket_passes_a_block() {
    in_namespace(|| async {
        let wire = Wire::new().await;
        let to_far = |socket: &UdpSocket, from_far: &UdpSocket| {
            let sent = socket.send_to(b"hello", from_far.local_addr().expect("bound"));
            let mut buffer = [0; 16];
            sent.and_then(|_| from_far.recv(&mut buffer))
        };
        wire.enter_far();
        let receivers = [udp(FAR_INNER), udp(FAR_INNER6)];
        wire.enter_near();
        let xfrm = Xfrm::open().expect("a socket");
        for (number, selector) in [(1, Selector::any_ipv4()), (2, Selector::any_ipv6())] {
            let block = PolicySpec {
                action: Action::Block,
                templates: Vec::new(),
                ..protect(selector, Direction::Out, number)
            };
            let sender: IpAddr = if selector == Selector::any_ipv4() {
                NEAR_INNER.into()
            } else {
                NEAR_INNER6.into()
            };
            let receiver = &receivers[number as usize - 1];
            let (ordinary, exempt) = (udp(sender), udp(sender));
            exempt_socket(&exempt).expect("exempted");
            // The neighbour must be known first: its solicitation is not this socket's.
            assert!(to_far(&ordinary, receiver).is_ok(), "the wire works");
            xfrm.add_policy(&block).await.expect("added");
            assert!(
                to_far(&ordinary, receiver).is_err(),
                "an ordinary socket is blocked"
            );
            assert!(to_far(&exempt, receiver).is_ok(), "an exempted one is not");
        }
        let policies = xfrm.list_policies().await.expect("listed");
        assert_eq!(
            policies
                .iter()
                .filter(|policy| policy.direction.is_some())
                .count(),
            2
        );
        let statistics = Statistics::read().expect("statistics");
        assert!(
            statistics.get("XfrmOutPolBlock").expect("known") >= 2,
            "{statistics:?}"
        );
    });
}

#[test]
fn a_unix_socket_cannot_be_exempted() {
    let (socket, _) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let error = exempt_socket(&socket).expect_err("it has no policies");
    assert_eq!(error.raw_os_error(), Some(libc::EAFNOSUPPORT));
}

#[test]
fn a_probe_says_what_the_kernel_can_and_leaves_nothing_behind() {
    in_namespace(|| async {
        let xfrm = Xfrm::open().expect("a socket");
        let found = xfrm.probe().await.expect("answers");
        eprintln!("{found:#?}");
        assert!(xfrm.list_sas().await.expect("listed").is_empty());
        if found.esp_ipv4.is_yes() {
            return;
        }
        let refusal = found.esp_ipv4.refusal().expect("a no");
        assert_eq!(refusal.operation, "NEWSA");
        assert!(refusal.words.is_some(), "{refusal:?}");
        assert!(refusal.hint().is_some(), "{refusal:?}");
    });
}

#[test]
fn requests_of_a_socket_without_privileges_are_refused_with_a_hint() {
    in_namespace(|| async {
        // The thread gives up what it may in its own user namespace; the socket's opener counts, so open it afterwards.
        if nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS).is_err() {
            return skip("the thread cannot be set apart");
        }
        let unprivileged = std::thread::spawn(|| {
            if let Err(errno) = set_no_capabilities() {
                return skip(&format!("capabilities cannot be dropped: {errno}"));
            }
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let xfrm = Xfrm::open().expect("a socket");
                let id = SaId {
                    spi: 256,
                    destination: NEAR.into(),
                    protocol: Protocol::Esp,
                    mark: None,
                };
                let refused = xfrm.delete_sa(&id).await.expect_err("no privilege");
                assert_eq!(errno(&refused), libc::EPERM);
                assert!(refused.hint().expect("known").contains("CAP_NET_ADMIN"));
                let refused = Events::open().map(drop).expect_err("no privilege");
                assert!(
                    refused.hint().expect("known").contains("CAP_NET_ADMIN"),
                    "{refused}"
                );
            });
        });
        unprivileged.join().expect("the unprivileged part");
    });
}

/// Makes this thread, and no other, an ordinary user's: raw calls concern the thread alone.
fn set_no_capabilities() -> Result<(), nix::errno::Errno> {
    // SAFETY: the system call takes numbers only.
    #[allow(unsafe_code)]
    let result = unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) };
    nix::errno::Errno::result(result).map(drop)
}
