//! Any datagram on the sockets to the kernel: each of its messages becomes a value or an error.

use bolero::check;

#[test]
fn netlink() {
    check!().with_iterations(fuzz::ROUNDS).for_each(survives);
}

#[test]
fn netlink_mutations() {
    fuzz::mutations("netlink", survives);
}

/// As it came, and as one message of the length that it has, without which little gets past the first check.
fn survives(input: &[u8]) {
    let results = xfrm_sys::read_datagram(input);
    assert!(results.len() <= input.len().div_ceil(16), "{results:?}");
    if let (Ok(length), Some(_)) = (u32::try_from(input.len()), input.get(..16)) {
        let mut right = input.to_vec();
        right[..4].copy_from_slice(&length.to_ne_bytes());
        assert_eq!(xfrm_sys::read_datagram(&right).len(), 1);
    }
}
