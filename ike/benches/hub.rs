//! What a handshake costs a hub with a thousand branches behind `any`, beside one with as few as come.
//!
//! Both are measured in the same run, in turns, and the quickest batch of each counts. Fails where the ratio is above
//! [`LIMIT`]: a hub finds a branch by its identity, and does not look at the others.

mod pair;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ike::config::{Keep, KernelMode};
use ike::engine::io::Input;

use pair::{Proof, Side, carry, configurations};

const LIMIT: f64 = 1.25;
const BATCHES: u32 = 30;
/// Handshakes in a batch.
const BATCH: u32 = 20;
const BRANCHES: u32 = 1000;

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("skipped: a time is worth something only from `cargo bench`");
        return ExitCode::SUCCESS;
    }
    let (mut few, mut many) = (Duration::MAX, Duration::MAX);
    for _ in 0..BATCHES {
        few = few.min(handshakes(BATCH));
        many = many.min(handshakes(BRANCHES));
    }
    let [few, many] = [few, many].map(|batch| batch.as_secs_f64() * 1e6 / f64::from(BATCH));
    let ratio = many / few;
    println!("a hub of {BATCH:4} branches: {few:8.1} us a handshake");
    println!("a hub of {BRANCHES:4} branches: {many:8.1} us a handshake");
    println!("ratio {ratio:.2}, limit {LIMIT}");
    if ratio < LIMIT {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The time of a hub with so many branches, while [`BATCH`] of them come.
fn handshakes(branches: u32) -> Duration {
    let now = Duration::from_secs(1000);
    let [mut hub, mut branch] = configurations(branches, KernelMode::Xfrm, Keep::Up, Proof::Secret);
    for connection in &mut hub.connections {
        let connection = Arc::get_mut(connection).expect("just made");
        connection.remote.address = None;
    }
    // The last ones: whoever looked from the first would meet all the others.
    branch.connections.drain(..(branches - BATCH) as usize);
    let (mut responder, mut initiator) = (Side::new(1), Side::new(2));
    responder.handle(now, Input::Configured(Box::new(hub)));
    responder.busy = Duration::ZERO;
    initiator.handle(now, Input::Configured(Box::new(branch)));
    carry(now, [&mut responder, &mut initiator]);
    assert_eq!(responder.up, (BATCH, BATCH), "every branch is up");
    responder.busy
}
