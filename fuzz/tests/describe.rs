//! Any octets as a message, and as a decrypted chain whose first payload is of the type that the first octet says: the
//! description survives them, stays within its bounds, and finds fault exactly where the strict parser does.

use bolero::check;
use ike::wire::describe::{self, Described, Field, MAX_FIELDS, MAX_VALUE};
use ike::wire::numbers::PayloadType;
use ike::wire::{Header, Message, parse_chain};
use std::ops::Range;

#[test]
fn describe() {
    check!().with_iterations(fuzz::ROUNDS).for_each(survives);
}

#[test]
fn describe_mutations() {
    fuzz::mutations("describe", survives);
}

fn survives(input: &[u8]) {
    let described = describe::message(input);
    bounded(input, &described);
    assert_eq!(described.fault.is_some(), Message::parse(input).is_err());
    bounded(input, &describe::header(input));
    // What follows a message's header is a chain, too.
    let behind = input.get(Header::LENGTH..).map(|chain| (input[16], chain));
    let all = input.split_first().map(|(&first, chain)| (first, chain));
    for (first, chain) in behind.into_iter().chain(all) {
        let first = PayloadType(first);
        let described = describe::payloads(first, chain);
        bounded(chain, &described);
        assert_eq!(
            described.fault.is_some(),
            parse_chain(first, chain).is_err()
        );
    }
}

fn bounded(input: &[u8], described: &Described) {
    assert!(count(&described.fields, &(0..input.len())) <= MAX_FIELDS + 1);
    if let Some(fault) = &described.fault {
        assert!(fault.at <= input.len() && !fault.reason.is_empty());
    }
}

fn count(fields: &[Field], within: &Range<usize>) -> usize {
    let of = |field: &Field| {
        let range = &field.range;
        assert!(within.start <= range.start && range.start <= range.end && range.end <= within.end);
        assert!(!field.name.is_empty() && field.value.len() <= MAX_VALUE + 40);
        1 + count(&field.children, range)
    };
    fields.iter().map(of).sum()
}
