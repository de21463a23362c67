//! The control protocol of ikd: types, framing and a client.
