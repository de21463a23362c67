//! What a handshake costs the responder beyond its public-key operations, which nobody can save.
//!
//! Both are measured in the same run, in turns, and the quickest batch of each counts: a busy machine makes batches
//! slower, never quicker. Fails where the ratio is above [`LIMIT`].

mod pair;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ike::config::{Keep, KernelMode};
use ike::crypto::signature::SignatureScheme;
use ike::crypto::{SystemRandom, standard};
use ike::engine::io::Input;
use ike::wire::numbers::{HashAlgorithm, KeyExchangeMethod};

use pair::{Proof, Side, carry, configurations, key};

/// IKE_SA_INIT request to established with one Child SA, over the public-key operations that this calls for.
const LIMIT: f64 = 1.5;
const BATCHES: u32 = 40;
/// Handshakes, or their public-key operations, in a batch.
const BATCH: u32 = 50;

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("skipped: a time is worth something only from `cargo bench`");
        return ExitCode::SUCCESS;
    }
    let cases = [
        (Proof::Secret, "PSK", "X25519 key and shared secret"),
        (
            Proof::Certificates,
            "ECDSA P-256 certificates",
            "X25519, verifying certificate and AUTH, signing",
        ),
    ];
    let good = cases.map(|(proof, what, alone)| {
        let (mut responder, mut public_key) = (Duration::MAX, Duration::MAX);
        for _ in 0..BATCHES {
            public_key = public_key.min(public_key_operations(proof));
            responder = responder.min(handshakes(proof));
        }
        let [responder, public_key] =
            [responder, public_key].map(|batch| batch.as_secs_f64() * 1e6 / f64::from(BATCH));
        let ratio = responder / public_key;
        println!("responder, {what}, X25519, AES-256-GCM: {responder:8.1} us a handshake");
        println!("  {alone} alone: {public_key:8.1} us");
        println!("  everything else: {:8.1} us", responder - public_key);
        println!("  ratio {ratio:.2}, limit {LIMIT}");
        ratio < LIMIT
    });
    if good == [true; 2] {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What a responder cannot save: its key exchange; and where certificates are shown, the signature of the authority, the
/// peer's, and its own.
fn public_key_operations(proof: Proof) -> Duration {
    let method = standard()
        .key_exchange(KeyExchangeMethod::CURVE25519)
        .expect("X25519 is built in");
    let mut random = SystemRandom::new();
    let peer = method.generate(&mut random).expect("a key");
    let signer = key();
    let scheme = SignatureScheme::Ecdsa(HashAlgorithm::SHA2_256);
    let message = [7; 700];
    let signature = signer.sign(scheme, &message).expect("a signature");
    let began = Instant::now();
    for _ in 0..BATCH {
        let key = method.generate(&mut random).expect("a key");
        black_box(key.agree(peer.public_value()).expect("a shared secret"));
        if proof == Proof::Certificates {
            for _ in 0..2 {
                let verified = signer.public_key().verify(scheme, &message, &signature);
                verified.expect("it is right");
            }
            black_box(signer.sign(scheme, &message).expect("a signature"));
        }
    }
    began.elapsed()
}

/// The time of the responder alone.
fn handshakes(proof: Proof) -> Duration {
    let now = Duration::from_secs(1000);
    let [headquarters, branch] = configurations(BATCH, KernelMode::Xfrm, Keep::Up, proof);
    let (mut responder, mut initiator) = (Side::new(1), Side::new(2));
    responder.handle(now, Input::Configured(Box::new(headquarters)));
    responder.busy = Duration::ZERO;
    initiator.handle(now, Input::Configured(Box::new(branch)));
    carry(now, [&mut responder, &mut initiator]);
    assert_eq!(responder.up, (BATCH, BATCH), "every tunnel is up");
    responder.busy
}
