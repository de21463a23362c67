//! Any decrypted content of an SK payload: the first octet is the type of the first payload, the rest the chain.

use bolero::check;
use ike::wire::numbers::PayloadType;
use ike::wire::{Payload, encode_chain, parse_chain};

#[test]
fn payload_chain() {
    check!().with_iterations(fuzz::ROUNDS).for_each(survives);
}

#[test]
fn payload_chain_mutations() {
    fuzz::mutations("payload_chain", survives);
}

fn survives(input: &[u8]) {
    let Some((&first, chain)) = input.split_first() else {
        return;
    };
    let payloads = match parse_chain(PayloadType(first), chain) {
        Ok(payloads) => payloads,
        Err(error) => {
            assert!(
                error.notify().is_some(),
                "behind the cipher, every fault is answered"
            );
            return;
        }
    };
    assert!(format!("{payloads:?}").is_ascii());
    let mut encoded = Vec::new();
    assert_eq!(encode_chain(&payloads, &mut encoded), PayloadType(first));
    assert_eq!(encoded.len(), chain.len());
    let again = parse_chain(PayloadType(first), &encoded).expect("what we encode, we accept");
    assert_eq!(again, payloads);
    let owned: Vec<_> = again.into_iter().map(Payload::into_owned).collect();
    assert_eq!(owned, payloads);
}
