//! Any datagram from anyone: the parser survives it, and what it accepts, it encodes to what it accepts as the same.

use bolero::check;
use ike::wire::{Header, Message, parse_chain};

#[test]
fn datagram() {
    check!().with_iterations(fuzz::ROUNDS).for_each(survives);
}

#[test]
fn datagram_mutations() {
    fuzz::mutations("datagram", survives);
}

/// As it came, and with the length that the header should have, without which little gets past the first check.
fn survives(input: &[u8]) {
    round_trip(input);
    if input.len() >= Header::LENGTH {
        let mut right = input.to_vec();
        right[24..28]
            .copy_from_slice(&u32::try_from(input.len()).unwrap_or(u32::MAX).to_be_bytes());
        round_trip(&right);
    }
}

fn round_trip(input: &[u8]) {
    let message = match Message::parse(input) {
        Ok(message) => message,
        Err(error) => {
            assert!(!error.code().is_empty() && !error.to_string().is_empty());
            return;
        }
    };
    assert!(format!("{message:?}").is_ascii());
    let encoded = message.encode();
    assert_eq!(encoded.len(), input.len());
    let again = Message::parse(&encoded).expect("what we encode, we accept");
    assert_eq!(again.payloads, message.payloads);
    assert_eq!(again.header.message_id, message.header.message_id);
    assert_eq!(again.encode(), encoded);
    match (&message.protected, &again.protected) {
        (Some(was), Some(is)) => {
            assert_eq!(
                (was.fragment, was.first_inner, was.body),
                (is.fragment, is.first_inner, is.body)
            );
            assert_eq!(
                [was.associated, was.body].concat(),
                input,
                "nothing between or behind"
            );
            // As if there were no cipher.
            let _ = parse_chain(was.first_inner, was.body);
        }
        (None, None) => {}
        other => panic!("{other:?}"),
    }
}
