//! Bytes to messages and payloads, and back (RFC 7296 section 3, RFC 7383 section 2.5).
//!
//! A datagram is parsed once, here, and is typed from then on:
//!
//! ```text
//! datagram --Message::parse--> Header, payloads in clear, Protected { associated, body }
//!                                                              | the engine decrypts
//!                                         parse_chain <--------+
//!                                              |
//!                                      Vec<Payload>
//!
//! Vec<Payload> --encode_chain--> octets the engine encrypts --> begin_protected(..) + body --> datagram
//! ```
//!
//! What the parser promises: it never panics, its time and memory are linear in the length of the input, every length and
//! count agrees with what it counts, and nothing follows the last payload. Values it does not know (algorithms, notifies,
//! attributes, payloads without the critical bit) are kept as they came. Whether a well-formed message makes sense is the
//! engine's question.
//!
//! Beside it, [`describe`] shows people any message as far as it goes, also those that the parser refuses.
//!
//! Encoding gives the received octets again where the sender left reserved fields zero. Octets that a signature or a
//! checksum covers are nevertheless taken as received: [`Protected::associated`], [`Identification::body`].

mod codec;
pub mod describe;
pub mod error;
pub mod header;
pub mod message;
pub mod numbers;
pub mod payload;
pub mod spi;

pub use error::{Allowed, Field, WireError};
pub use header::{Flags, Header};
pub use message::{Fragment, Message, Protected, begin_protected};
pub use payload::auth::{Authentication, Cert, CertReq, Eap, Identification};
pub use payload::cp::{Configuration, ConfigurationAttribute};
pub use payload::ke::{KeyExchange, Nonce};
pub use payload::notify::{Delete, Notify, VendorId};
pub use payload::sa::{
    Attribute, AttributeValue, Attributes, Proposal, SecurityAssociation, Transform,
};
pub use payload::ts::{PortRange, TrafficSelector, TrafficSelectors};
pub use payload::{Payload, UnknownPayload, encode_chain, parse_chain};
pub use spi::{IkeSpi, SpiBytes, SpiTooLong};
