//! How much heap an engine holds for an idle tunnel: an IKE SA with one Child SA, and its places in the engine's tables.
//! The configuration's share (connections, their entries, policies that block) is shown and not counted.
//!
//! Heap is counted as asked for, in the difference between many tunnels and few. Fails where it is a
//! limit of [`CASES`] or more.

mod pair;

use std::process::ExitCode;
use std::time::Duration;

use ike::config::{Configuration, Keep, KernelMode};
use ike::engine::io::Input;

use pair::{Proof, Side, carry, configurations};

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// How both ends authenticate, and the bytes for an IKE SA with one Child SA.
const CASES: [(Proof, &str, f64); 2] = [
    (Proof::Secret, "PSK", 4096.0),
    (Proof::Certificates, "certificates", 5120.0),
];
const FEW: u32 = 200;
const MANY: u32 = 1200;
const ROLES: [&str; 2] = ["responder", "initiator"];

fn main() -> ExitCode {
    let _heap = dhat::Profiler::builder().testing().build();
    let mut good = true;
    for (proof, by, limit) in CASES {
        let [few, many] = [FEW, MANY].map(|tunnels| {
            [
                configured(tunnels, proof),
                idle(tunnels, KernelMode::None, proof),
                idle(tunnels, KernelMode::Xfrm, proof),
            ]
        });
        for (role, name) in ROLES.into_iter().enumerate() {
            let each = |stage: usize| {
                (many[stage][role] as f64 - few[stage][role] as f64) / f64::from(MANY - FEW)
            };
            let [entry, childless, whole] = [0, 1, 2].map(each);
            println!("{name}, {by}, bytes a tunnel:");
            println!(
                "  IKE SA and one Child SA  {:7.0}, limit {limit}",
                whole - entry
            );
            println!("    IKE SA alone           {:7.0}", childless - entry);
            println!("    Child SA               {:7.0}", whole - childless);
            println!("  the configuration's      {entry:7.0}");
            good &= whole - entry < limit;
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Bytes that the engines of the two [`ROLES`] hold when they know their configuration and nothing has happened yet.
fn configured(tunnels: u32, proof: Proof) -> [usize; 2] {
    configurations(tunnels, KernelMode::Xfrm, Keep::Passive, proof).map(|configuration| {
        let mut side = Side::new(1);
        side.handle(START, configure(&configuration));
        held(side)
    })
}

/// Bytes that the two engines hold when all tunnels are up.
fn idle(tunnels: u32, kernel: KernelMode, proof: Proof) -> [usize; 2] {
    let configurations = configurations(tunnels, kernel, Keep::Up, proof);
    let mut responder = Side::new(1);
    let mut initiator = Side::new(2);
    responder.handle(START, configure(&configurations[0]));
    initiator.handle(START, configure(&configurations[1]));
    carry(START, [&mut responder, &mut initiator]);
    let children = match kernel {
        KernelMode::Xfrm => tunnels,
        KernelMode::None => 0,
    };
    assert_eq!([responder.up, initiator.up], [(tunnels, children); 2]);
    [held(responder), held(initiator)]
}

const START: Duration = Duration::from_secs(1000);

fn configure(configuration: &Configuration) -> Input<'static> {
    Input::Configured(Box::new(configuration.clone()))
}

/// What is free when the engine is gone. The configuration itself is not: it has another owner.
fn held(side: Side) -> usize {
    let before = dhat::HeapStats::get().curr_bytes;
    drop(side.engine);
    before - dhat::HeapStats::get().curr_bytes
}
