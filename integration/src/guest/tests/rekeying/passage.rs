//! What passed between the gateways while SAs were replaced: each packet once, where it comes in from the gateway that sent it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::guest::sniffer::{Frame, Kind};
use crate::guest::topology::{TO_BRANCH, TO_HQ};

/// IKE's exchange types (RFC 7296, section 3.1).
const CREATE_CHILD_SA: u8 = 36;
const INFORMATIONAL: u8 = 37;

/// Where a packet comes from: 0 is headquarters, 1 the branch.
pub(super) type Side = usize;

/// What passed, in its order.
#[derive(Debug, Default)]
pub(super) struct Passage {
    /// Packets in clear, on either side of the wire.
    pub(super) clear: usize,
    /// ESP packets, by who sent them.
    pub(super) esp: [Vec<Esp>; 2],
    /// IKE messages.
    pub(super) ike: Vec<Ike>,
}

/// An ESP packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Esp {
    pub(super) time: Duration,
    pub(super) spi: u32,
}

/// An IKE message's header, which is not encrypted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ike {
    pub(super) time: Duration,
    pub(super) from: Side,
    exchange: u8,
    response: bool,
    message_id: u32,
}

impl Ike {
    /// Whether it asks for a new SA.
    pub(super) fn asks_for_sa(&self) -> bool {
        self.exchange == CREATE_CHILD_SA && !self.response
    }

    /// Whether it answers such a request.
    pub(super) fn answers_create(&self) -> bool {
        self.exchange == CREATE_CHILD_SA && self.response
    }

    /// Whether it answers this request.
    pub(super) fn answers(&self, request: &Self) -> bool {
        (self.exchange, self.message_id, self.from, self.response)
            == (request.exchange, request.message_id, 1 - request.from, true)
    }

    /// Whether it is of an exchange that deletes, or says something else.
    pub(super) fn is_informational(&self) -> bool {
        self.exchange == INFORMATIONAL
    }

    pub(super) fn is_request(&self) -> bool {
        !self.response
    }

    /// In words.
    pub(super) fn told(&self) -> String {
        let exchange = match self.exchange {
            CREATE_CHILD_SA => "CREATE_CHILD_SA",
            INFORMATIONAL => "INFORMATIONAL",
            _ => "another exchange's",
        };
        let kind = if self.response { "response" } else { "request" };
        format!("{exchange} {kind} {}", self.message_id)
    }
}

impl Passage {
    /// Takes in what was heard next.
    pub(super) fn add(&mut self, frames: &[Frame]) {
        for frame in frames {
            let kind = frame.kind();
            if kind == Kind::Clear {
                self.clear += 1;
            }
            let from = match &*frame.interface {
                TO_HQ => 0,
                TO_BRANCH => 1,
                _ => continue,
            };
            let payload = frame.ipv4().and_then(|packet| {
                let header = usize::from(packet.first()? & 0x0f) * 4;
                packet.get(header..)
            });
            let Some(payload) = payload.filter(|_| !frame.outgoing) else {
                continue;
            };
            match kind {
                Kind::Esp => {
                    let spi = number(payload, 0).unwrap_or_default();
                    self.esp[from].push(Esp {
                        time: frame.time,
                        spi,
                    });
                }
                Kind::Ike => self.ike.extend(ike(payload, frame.time, from)),
                Kind::Clear | Kind::Other => {}
            }
        }
    }

    /// How often both sides had asked for a new SA before either had an answer.
    pub(super) fn collisions(&self) -> usize {
        let (mut count, mut asked) = (0, [false; 2]);
        for message in self
            .ike
            .iter()
            .filter(|one| one.exchange == CREATE_CHILD_SA)
        {
            if message.response {
                asked = [false; 2];
            } else if !asked[message.from] {
                asked[message.from] = true;
                count += usize::from(asked == [true; 2]);
            }
        }
        count
    }

    /// The SPIs that a side sent by.
    pub(super) fn spis(&self, from: Side) -> BTreeSet<u32> {
        self.esp[from].iter().map(|packet| packet.spi).collect()
    }
}

/// The header of a message in a UDP datagram to port 500: no gateway of these tests is behind a NAT.
fn ike(datagram: &[u8], time: Duration, from: Side) -> Option<Ike> {
    let message = datagram.get(8..)?;
    Some(Ike {
        time,
        from,
        exchange: *message.get(18)?,
        response: message.get(19)? & 0x20 != 0,
        message_id: number(message, 20)?,
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(from: Side, response: bool) -> Ike {
        Ike {
            time: Duration::ZERO,
            from,
            exchange: CREATE_CHILD_SA,
            response,
            message_id: 0,
        }
    }

    #[test]
    fn requests_that_cross_are_a_collision_and_repeated_ones_are_not() {
        let (request, response) = (|from| message(from, false), |from| message(from, true));
        let of = |ike| Passage {
            ike,
            ..Passage::default()
        };
        let crossed = vec![request(0), request(1), response(1), response(0)];
        assert_eq!(of(crossed).collisions(), 1);
        let in_turn = vec![request(0), request(0), response(1), request(1), response(0)];
        assert_eq!(of(in_turn).collisions(), 0);
    }
}
