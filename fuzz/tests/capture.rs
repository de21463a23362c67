//! Any capture file with any key table. The first two octets say how long the table is, which stands before the capture.

use bolero::check;

#[test]
fn capture() {
    // Each is decoded and printed in three ways.
    check!()
        .with_iterations(fuzz::ROUNDS / 10)
        .for_each(survives);
}

#[test]
fn capture_mutations() {
    fuzz::some_mutations("capture", fuzz::ROUNDS / 10, survives);
}

fn survives(input: &[u8]) {
    let Some((length, rest)) = input.split_first_chunk() else {
        return;
    };
    let length = usize::from(u16::from_be_bytes(*length));
    let (table, capture) = rest.split_at(length.min(rest.len()));
    for printed in ikctl::decode_bytes(capture, table) {
        let text = std::str::from_utf8(&printed).expect("what is printed is text");
        let hostile =
            |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}'));
        assert!(!text.contains(hostile), "{text:?}");
        // A capture costs what it holds: no length in it makes more of it.
        assert!(printed.len() <= 4096 + 1024 * input.len());
    }
}
