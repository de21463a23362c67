//! The worker above this machine's own kernel, in a network namespace of the test's own. It needs no ESP: policies will do.

use std::net::IpAddr;

use ike::config::proposal::EspSuite;
use ike::config::selector::KernelSelector;
use ike::crypto::Secret;
use ike::engine::io::{
    Direction, KernelAction, KernelRequest, KernelStep, OnFailure, PolicyAction, PolicyInstall,
    SaInstall, SaUse, SelectorPair,
};
use ike::wire::numbers::{Encryption, Integrity};
use nix::sched::{CloneFlags, unshare};
use xfrm_sys::PolicyIndex;

use super::*;

/// Runs a test on a thread that has a network namespace of its own; says so where that is not allowed.
fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let thread = std::thread::spawn(|| {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            return println!("skipped: no network namespace: {}", error.desc());
        }
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let usable = Xfrm::open().expect("a socket").list_policies().await;
            match usable {
                Ok(_) => test().await,
                Err(error) => println!("skipped: no XFRM here: {error}"),
            }
        });
    });
    thread.join().expect("the test passes");
}

fn worker() -> (Worker, mpsc::UnboundedReceiver<Report>) {
    let (reports, received) = mpsc::unbounded_channel();
    let mut worker = Worker::new(Xfrm::open().expect("a socket"), reports);
    worker.predecessors = false;
    (worker, received)
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn block(number: u32, remote: &str) -> PolicyInstall {
    let network = |text| KernelSelector {
        network: address(text),
        prefix: 16,
        protocol: 0,
        port: 0,
        port_mask: 0,
    };
    PolicyInstall {
        index: number << 3 | 1,
        direction: Direction::Out,
        selector: SelectorPair {
            source: network("10.1.0.0"),
            destination: network(remote),
        },
        priority: 7,
        action: PolicyAction::Block,
    }
}

/// A policy, and how it is taken back.
fn step(policy: PolicyInstall) -> KernelStep {
    let undo = KernelAction::DeletePolicy {
        index: policy.index,
        direction: policy.direction,
    };
    KernelStep {
        action: KernelAction::SetPolicy(Box::new(policy)),
        undo: Some(undo),
    }
}

/// An SA that no kernel takes: its key is too short.
fn impossible() -> KernelStep {
    let suite = EspSuite {
        encryption: Encryption::AES_GCM_16,
        key_bits: Some(256),
        integrity: Integrity::NONE,
        key_exchange: None,
        esn: false,
    };
    let install = SaInstall {
        mode: ike::config::Mode::Tunnel,
        inbound: true,
        spi: 0xd000_0001,
        source: address("198.51.100.7"),
        destination: address("192.0.2.1"),
        suite,
        encryption_key: Secret::zeroed(3),
        integrity_key: Secret::default(),
        reqid: 0x0100_0001,
        replay_window: 128,
        hard_lifetime: Duration::from_secs(60),
        hard_volume: ike::config::Volume::default(),
        soft_volume: ike::config::Volume::default(),
        tell_first_packet: false,
        answers: None,
    };
    KernelStep {
        action: KernelAction::AddSa(Box::new(install)),
        undo: None,
    }
}

async fn indexes(worker: &Worker) -> Vec<PolicyIndex> {
    let policies = worker.xfrm.list_policies().await.expect("listed");
    let mut indexes: Vec<_> = policies.iter().map(|policy| policy.index).collect();
    indexes.sort();
    indexes
}

fn index(number: u32) -> PolicyIndex {
    PolicyIndex::new(number, xfrm_sys::Direction::Out).expect("in range")
}

const FIRST: u32 = 0x080_0001;

#[test]
fn a_failed_step_takes_back_those_before_it() {
    in_namespace(|| async {
        let (mut worker, _) = worker();
        let steps = vec![
            step(block(FIRST, "10.2.0.0")),
            impossible(),
            step(block(FIRST + 1, "10.3.0.0")),
        ];
        let failed = worker
            .request(KernelRequest {
                steps,
                on_failure: OnFailure::Undo,
            })
            .await;
        let failure = failed.expect_err("a key of 3 bytes");
        assert_eq!(
            (failure.operation, failure.errno.as_str()),
            ("XFRM_MSG_NEWSA", "EINVAL")
        );
        assert_eq!(indexes(&worker).await, []);
    });
}

#[test]
fn what_is_to_go_on_goes_on_and_tells_the_first_failure() {
    in_namespace(|| async {
        let (mut worker, _) = worker();
        let steps = vec![impossible(), step(block(FIRST, "10.2.0.0"))];
        let done = worker
            .request(KernelRequest {
                steps,
                on_failure: OnFailure::Continue,
            })
            .await;
        assert_eq!(done.expect_err("a key of 3 bytes").errno, "EINVAL");
        assert_eq!(indexes(&worker).await, [index(FIRST)]);
        let gone = block(FIRST + 9, "10.9.0.0");
        let action = KernelAction::DeletePolicy {
            index: gone.index,
            direction: gone.direction,
        };
        let steps = vec![KernelStep { action, undo: None }];
        let done = worker
            .request(KernelRequest {
                steps,
                on_failure: OnFailure::Continue,
            })
            .await;
        assert_eq!(done, Ok(()), "what is gone is as good as deleted");
    });
}

#[test]
fn after_lost_events_what_vanished_is_installed_again_and_what_nobody_owns_removed() {
    in_namespace(|| async {
        let (mut worker, mut reports) = worker();
        let steps = vec![
            step(block(FIRST, "10.2.0.0")),
            step(block(FIRST + 1, "10.3.0.0")),
        ];
        worker
            .request(KernelRequest {
                steps,
                on_failure: OnFailure::Undo,
            })
            .await
            .expect("installed");
        worker
            .delete_by_index(index(FIRST))
            .await
            .expect("taken away behind our back");
        let stranger = super::super::convert::policy_spec(&block(FIRST + 2, "10.4.0.0"));
        worker.xfrm.add_policy(&stranger).await.expect("added");
        let foreign = super::super::convert::policy_spec(&block(17, "10.5.0.0"));
        worker.xfrm.add_policy(&foreign).await.expect("added");

        worker.repair().await;
        assert_eq!(
            indexes(&worker).await,
            [index(17), index(FIRST), index(FIRST + 1)]
        );
        let Ok(Report::Repaired {
            missing_sas: 0,
            policies: 1,
            removed,
        }) = reports.try_recv()
        else {
            panic!("one policy is told as installed again");
        };
        assert_eq!(
            removed,
            Removed {
                sas: 0,
                policies: 1
            }
        );

        assert_eq!(
            worker.clean().await,
            Removed {
                sas: 0,
                policies: 2
            }
        );
        assert_eq!(indexes(&worker).await, [index(17)], "others' policies stay");
    });
}

#[test]
fn a_policy_that_took_anothers_place_is_found_when_it_is_deleted() {
    in_namespace(|| async {
        let (mut worker, _) = worker();
        // The same selector under an index of somebody else: an update keeps that one.
        let old = super::super::convert::policy_spec(&block(17, "10.2.0.0"));
        worker.xfrm.add_policy(&old).await.expect("added");
        let policy = block(FIRST, "10.2.0.0");
        let steps = vec![step(PolicyInstall {
            priority: 9,
            ..policy.clone()
        })];
        worker
            .request(KernelRequest {
                steps,
                on_failure: OnFailure::Undo,
            })
            .await
            .expect("installed");
        assert_eq!(indexes(&worker).await, [index(17)]);
        worker.delete_policy(policy.index).await.expect("deleted");
        assert_eq!(indexes(&worker).await, []);
    });
}

#[test]
fn what_sas_have_carried_is_told_of_those_that_are_there() {
    in_namespace(|| async {
        let (worker, mut reports) = worker();
        let request = xfrm_sys::SpiRequest {
            source: address("198.51.100.7"),
            destination: address("192.0.2.1"),
            protocol: Protocol::Esp,
            mode: xfrm_sys::Mode::Tunnel,
            reqid: 0x0100_0001,
            spis: 0xd000_0001..=0xd000_0001,
            if_id: None,
            mark: None,
        };
        let there = worker.xfrm.allocate_spi(&request).await.expect("reserved");
        let sa = reference(&there);
        let gone = SaReference {
            spi: sa.spi + 1,
            ..sa
        };
        let unused = SaUse {
            sa,
            packets: 0,
            bytes: 0,
        };
        assert_eq!(worker.uses(&[gone, sa]).await, [unused]);
        assert!(reports.try_recv().is_err(), "what is gone is no trouble");
    });
}

/// A host's packet from 10.1.0.1 to 10.2.0.9, port 53; `false` where that cannot be set up.
fn knock() -> bool {
    let ip = |words: &str| {
        let status = std::process::Command::new("ip")
            .args(words.split(' '))
            .status();
        status.is_ok_and(|status| status.success())
    };
    let net = [
        "link add near type veth peer name far",
        "addr add 10.1.0.1/16 dev near",
        "link set near up",
        "link set far up",
        "route add 10.2.0.0/16 dev near",
    ];
    if !net.iter().all(|words| ip(words)) {
        println!("skipped: no veth here");
        return false;
    }
    let socket = std::net::UdpSocket::bind("10.1.0.1:4711").expect("a socket");
    // The kernel may say at once that it has no SA for it.
    let _ = socket.send_to(b"knock", "10.2.0.9:53");
    true
}

#[test]
fn a_packet_that_meets_a_trap_is_told_and_found_again_when_that_was_lost() {
    in_namespace(|| async {
        let (mut worker, mut reports) = worker();
        let mut events = Events::open().expect("events");
        let trap = PolicyInstall {
            action: PolicyAction::Trap {
                mode: ike::config::Mode::Tunnel,
                source: address("0.0.0.0"),
                destination: address("10.1.200.1"),
                reqid: 0x0100_0007,
            },
            ..block(FIRST, "10.2.0.0")
        };
        let steps = vec![step(trap)];
        let on_failure = OnFailure::Undo;
        let done = worker.request(KernelRequest { steps, on_failure }).await;
        done.expect("installed");
        if !knock() {
            return;
        }
        let next = tokio::time::timeout(Duration::from_secs(10), events.next());
        let event = next.await.expect("in time").expect("an event");
        worker.event(event).await;
        let told = reports.try_recv();
        let Ok(Report::Event(KernelEvent::Acquire(told))) = told else {
            panic!("{told:?}");
        };
        assert_eq!(told.reqid, 0x0100_0007);
        let packet = told.packet.expect("the packet");
        assert_eq!(packet.local.to_string(), "10.1.0.1[udp/4711]");
        assert_eq!(packet.remote.to_string(), "10.2.0.9[udp/53]");

        worker.repair().await;
        let found = reports.try_recv();
        let Ok(Report::Event(KernelEvent::Acquire(found))) = found else {
            panic!("{found:?}");
        };
        assert_eq!(found, told, "the same packet, by its placeholder");
        worker.clean().await;
    });
}
