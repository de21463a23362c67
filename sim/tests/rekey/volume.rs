//! Child SAs are replaced by what they have carried, once each time and without losing a packet; one that the kernel drops at
//! its hard limit is negotiated anew at once.

use std::time::Duration;

use ike::config::{Configuration, Volume};
use ike::engine::io::SaInstall;
use sim::network::{Fate, Quality};
use sim::setup::End;

use super::{busy_with, settled, with_children};

fn limited(end: &End, soft: Volume, hard: Volume) -> Configuration {
    with_children(end, |child| {
        child.rekey_volume = soft;
        child.hard_volume = hard;
    })
}

const fn packets(packets: u64) -> Volume {
    Volume {
        bytes: None,
        packets: Some(packets),
    }
}

const fn bytes(bytes: u64) -> Volume {
    Volume {
        bytes: Some(bytes),
        packets: None,
    }
}

#[test]
fn a_child_is_replaced_once_each_time_that_it_has_carried_enough() {
    // A packet of a thousand bytes every five milliseconds: both limits are reached after 45 to 50 seconds.
    for (seed, limit) in [(800, packets(10_000)), (801, bytes(10_000_000))] {
        for both in [false, true] {
            let hard = Volume {
                bytes: limit.bytes.map(|limit| 2 * limit),
                packets: limit.packets.map(|limit| 2 * limit),
            };
            let branch = if both {
                limited(&End::branch(), limit, hard)
            } else {
                End::branch().configuration()
            };
            let configurations = [limited(&End::hq(), limit, hard), branch];
            let uneven = Quality {
                jitter: Duration::from_millis(20),
                ..Quality::default()
            };
            let mut world = busy_with(seed, uneven, configurations);
            world.run(Duration::from_secs(480));
            settled(&mut world, "rekeyed by volume");
            let rekeyed = world.nodes[0].count("child-rekeyed");
            assert!((11..=14).contains(&rekeyed), "{rekeyed} times in 600 s");
        }
    }
}

#[test]
fn a_peer_that_lets_nobody_rekey_costs_a_new_negotiation_at_the_hard_limit() {
    let configurations = [
        limited(&End::hq(), packets(6_000), packets(8_000)),
        End::branch().configuration(),
    ];
    let mut world = busy_with(802, Quality::default(), configurations);
    // CREATE_CHILD_SA of the headquarters is lost for a while.
    let mut dropped = 0;
    world.meddler = Some(Box::new(move |_, transmit| {
        let from_hq = transmit.path.local.ip() == std::net::IpAddr::from(sim::setup::HQ);
        // Exchange type 36.
        if from_hq
            && transmit.bytes.get(18) == Some(&36)
            && transmit.bytes[19] & 0x20 == 0
            && dropped < 4
        {
            dropped += 1;
            return Fate::Drop;
        }
        Fate::Deliver
    }));
    world.run(Duration::from_secs(60));
    let hq = &world.nodes[0];
    assert_eq!(hq.count("ike-sa-closed"), 0, "{:#?}", hq.events);
    // Both ends have a pair again, and traffic flows.
    let lost = world.traffic.lost.len();
    let arrived = world.traffic.arrived;
    world.run(Duration::from_secs(10));
    assert_eq!(
        world.traffic.lost.len(),
        lost,
        "{:?}",
        world.traffic.lost.last()
    );
    assert!(world.traffic.arrived > arrived + 1000);
}

#[test]
fn without_extended_numbers_an_sa_is_replaced_and_ended_before_they_run_out() {
    let installed = |esp: &'static str| {
        let ends = [End::hq(), End::branch()].map(|mut end| {
            end.esp = Some(esp);
            end.configuration()
        });
        let world = busy_with(803, Quality::default(), ends);
        let limits = |sa: &SaInstall| (sa.soft_volume, sa.hard_volume);
        let sas = world.nodes[0].kernel.sas.values();
        sas.map(limits).collect::<Vec<_>>()
    };
    for (soft, hard) in installed("aes256gcm16-noesn") {
        let (soft, hard) = (
            soft.packets.expect("a limit"),
            hard.packets.expect("a limit"),
        );
        assert!(((27 << 30) / 10..=3 << 30).contains(&soft), "{soft}");
        assert!(soft < hard && hard < 1 << 32, "{hard}");
    }
    for (soft, hard) in installed("aes256gcm16-esn") {
        assert_eq!((soft.packets, hard.packets), (None, None));
        assert!(soft.bytes < hard.bytes && hard.bytes == Some(1 << 46));
    }
}
