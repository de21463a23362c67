//! Who the peer is: the octets that AUTH covers (RFC 7296 section 2.15) and the methods that prove them.

pub mod ask;
pub mod certificates;
pub mod proof;
pub mod psk;
pub mod signature;

use crate::crypto::PrfAlgorithm;

/// The octets that a side's AUTH covers: `RealMessage | NonceOfThePeer | prf(SK_p, RestOfIDPayload)`.
///
/// `message` is the signer's own first message from its IKE header on, as sent or received, byte for byte; `peer_nonce` is
/// the other side's nonce without its header; `sk_p` is the signer's SK_pi or SK_pr; `id_body` is the body of the
/// signer's ID payload: type, the three reserved bytes as sent, data.
#[must_use]
pub fn signed_octets(
    message: &[u8],
    peer_nonce: &[u8],
    prf: &dyn PrfAlgorithm,
    sk_p: &[u8],
    id_body: &[u8],
) -> Vec<u8> {
    [
        message,
        peer_nonce,
        prf.compute(sk_p, &[id_body]).as_bytes(),
    ]
    .concat()
}
