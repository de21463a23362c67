//! What a handshake costs the responder beyond its public-key operations, which nobody can save.
//!
//! Both are measured in the same run, in turns, and the quickest batch of each counts: a busy machine makes batches
//! slower, never quicker. Fails where the ratio is above [`LIMIT`].

mod pair;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ike::config::{Keep, KernelMode};
use ike::crypto::{SystemRandom, standard};
use ike::engine::io::Input;
use ike::wire::numbers::KeyExchangeMethod;

use pair::{Side, carry, configurations};

/// IKE_SA_INIT request to established with one Child SA, over one key generation and one shared secret.
const LIMIT: f64 = 1.5;
const BATCHES: u32 = 40;
/// Handshakes, or pairs of public-key operations, in a batch.
const BATCH: u32 = 50;

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("skipped: a time is worth something only from `cargo bench`");
        return ExitCode::SUCCESS;
    }
    let (mut responder, mut public_key) = (Duration::MAX, Duration::MAX);
    for _ in 0..BATCHES {
        public_key = public_key.min(public_key_operations());
        responder = responder.min(handshakes());
    }
    let [responder, public_key] =
        [responder, public_key].map(|batch| batch.as_secs_f64() * 1e6 / f64::from(BATCH));
    let ratio = responder / public_key;
    println!("responder, PSK, X25519, AES-256-GCM: {responder:8.1} us a handshake");
    println!("X25519 key and shared secret alone:  {public_key:8.1} us");
    println!(
        "everything else:                     {:8.1} us",
        responder - public_key
    );
    println!("ratio {ratio:.2}, limit {LIMIT}");
    if ratio < LIMIT {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn public_key_operations() -> Duration {
    let method = standard()
        .key_exchange(KeyExchangeMethod::CURVE25519)
        .expect("X25519 is built in");
    let mut random = SystemRandom::new();
    let peer = method.generate(&mut random).expect("a key");
    let began = Instant::now();
    for _ in 0..BATCH {
        let key = method.generate(&mut random).expect("a key");
        black_box(key.agree(peer.public_value()).expect("a shared secret"));
    }
    began.elapsed()
}

/// The time of the responder alone.
fn handshakes() -> Duration {
    let now = Duration::from_secs(1000);
    let [headquarters, branch] = configurations(BATCH, KernelMode::Xfrm, Keep::Up);
    let (mut responder, mut initiator) = (Side::new(1), Side::new(2));
    responder.handle(now, Input::Configured(Box::new(headquarters)));
    responder.busy = Duration::ZERO;
    initiator.handle(now, Input::Configured(Box::new(branch)));
    carry(now, [&mut responder, &mut initiator]);
    assert_eq!(responder.up, (BATCH, BATCH), "every tunnel is up");
    responder.busy
}
