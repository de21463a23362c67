//! Bytes to messages and back: JSON objects, each ended by a NUL byte. No socket in here.

use serde::Serialize;

/// Cuts a byte stream at its NUL bytes. Holds at most one unfinished message of at most `limit` bytes, whatever comes.
///
/// ```
/// let mut framer = ikapi::Framer::new(ikapi::CALL_LIMIT);
/// let mut input: &[u8] = b"{\"method\":\"a.b.C\"}\0{\"meth";
/// while let Some(message) = framer.next(&mut input)? {
///     assert_eq!(message, b"{\"method\":\"a.b.C\"}");
/// }
/// assert!(input.is_empty() && framer.is_partial());
/// # Ok::<(), ikapi::wire::TooLong>(())
/// ```
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    partial: Vec<u8>,
}

/// A message that is longer than the reader allows. There is no way on: the connection has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of more than {limit} bytes")]
pub struct TooLong {
    /// What would have been allowed, in bytes.
    pub limit: usize,
}

impl Framer {
    /// A framer that takes messages of at most `limit` bytes, the NUL not counted.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            partial: Vec::new(),
        }
    }

    /// Takes from `input` up to the end of the next message, and returns it without its NUL; `None` when `input` is used
    /// up and the message is not complete. Call it until it says `None`.
    ///
    /// # Errors
    /// [`TooLong`], as soon as the limit is passed, NUL or not.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, TooLong> {
        let end = input.iter().position(|&byte| byte == 0);
        let (piece, rest) = match end {
            Some(end) => (&input[..end], &input[end + 1..]),
            None => (*input, &input[input.len()..]),
        };
        if self.partial.len() + piece.len() > self.limit {
            self.partial = Vec::new();
            return Err(TooLong { limit: self.limit });
        }
        self.partial.extend_from_slice(piece);
        *input = rest;
        Ok(end.map(|_| std::mem::take(&mut self.partial)))
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }
}

/// A message as it goes over the wire, with its NUL.
pub(crate) fn encode(message: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(message)
        .expect("types of this crate have string keys and finite numbers");
    bytes.push(0); // JSON escapes control characters: there is no other NUL in it
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(framer: &mut Framer, mut input: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut found = Vec::new();
        while let Some(message) = framer.next(&mut input)? {
            found.push(message);
        }
        assert!(input.is_empty());
        Ok(found)
    }

    #[test]
    fn messages_come_out_whole_however_they_were_cut() {
        let stream = b"{\"a\":1}\0\0{\"b\":2}\0{\"c\"";
        for size in 1..=stream.len() {
            let mut framer = Framer::new(16);
            let found: Vec<_> = stream
                .chunks(size)
                .flat_map(|c| messages(&mut framer, c).unwrap())
                .collect();
            assert_eq!(
                found,
                [b"{\"a\":1}".as_slice(), b"", b"{\"b\":2}"],
                "pieces of {size}"
            );
            assert!(framer.is_partial());
        }
    }

    #[test]
    fn a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
        assert_eq!(
            messages(&mut Framer::new(4), b"1234\0"),
            Ok(vec![b"1234".to_vec()])
        );
        assert_eq!(
            messages(&mut Framer::new(4), b"12345\0"),
            Err(TooLong { limit: 4 })
        );
    }

    #[test]
    fn a_client_that_never_ends_its_message_costs_no_more_than_the_limit() {
        let mut framer = Framer::new(crate::CALL_LIMIT);
        let garbage = [b'x'; 4096];
        let mut sent = 0;
        loop {
            sent += garbage.len();
            let result = framer.next(&mut garbage.as_slice());
            assert!(
                framer.partial.len() <= crate::CALL_LIMIT
                    && framer.partial.capacity() <= 2 * crate::CALL_LIMIT
            );
            if result.is_err() {
                break;
            }
        }
        assert_eq!(sent, crate::CALL_LIMIT + garbage.len());
        assert_eq!(
            framer.partial.capacity(),
            0,
            "nothing is kept once the client is given up"
        );
    }

    #[test]
    fn a_slow_client_is_read_byte_by_byte() {
        let mut framer = Framer::new(64);
        for byte in b"{\"method\":\"x\"}" {
            assert_eq!(framer.next(&mut [*byte].as_slice()), Ok(None));
        }
        assert_eq!(
            framer.next(&mut [0].as_slice()),
            Ok(Some(b"{\"method\":\"x\"}".to_vec()))
        );
    }

    #[test]
    fn a_flood_of_empty_messages_is_many_messages_and_no_memory() {
        let mut framer = Framer::new(64);
        assert_eq!(messages(&mut framer, &[0; 1000]).unwrap().len(), 1000);
        assert_eq!(framer.partial.capacity(), 0);
    }
}
