//! What is ours among everybody's SAs and policies. The kernel knows no owner: reqids and policy indexes tell.
//!
//! | what                   | ours                                                     |
//! |------------------------|----------------------------------------------------------|
//! | SPI of an inbound SA   | 0xD0000000 to 0xDFFFFFFF                                 |
//! | reqid                  | 0x01000000 to 0x01FFFFFF                                 |
//! | policy index           | `n << 3 \| direction` with n from 0x0800000 to 0x0FFFFFF |

use std::ops::RangeInclusive;

use xfrm_sys::{Mode, PolicyState, Protocol, SaState};

const REQIDS: RangeInclusive<u32> = 0x0100_0000..=0x01ff_ffff;
const SPIS: RangeInclusive<u32> = 0xd000_0000..=0xdfff_ffff;
const POLICY_NUMBERS: RangeInclusive<u32> = 0x080_0000..=0x0ff_ffff;

/// Whether we, or a predecessor, installed this SA. The SPI of an outbound one is the peer's choice, so that there the
/// reqid has to do; where the kernel tells no direction, that holds for any.
pub(super) fn is_our_sa(sa: &SaState) -> bool {
    let ours = REQIDS.contains(&sa.reqid)
        && sa.id.protocol == Protocol::Esp
        && sa.mode == Mode::Tunnel
        && sa.id.mark.is_none()
        && sa.if_id.is_none()
        && !sa.is_acquire();
    ours && (sa.direction != Some(xfrm_sys::SaDirection::In) || SPIS.contains(&sa.id.spi))
}

/// Whether we, or a predecessor, installed this policy. Policies of sockets are nobody's business but the socket's.
pub(super) fn is_our_policy(policy: &PolicyState) -> bool {
    let by_template = policy
        .templates
        .iter()
        .any(|template| REQIDS.contains(&template.reqid));
    policy.direction.is_some()
        && policy.mark.is_none()
        && policy.if_id.is_none()
        && (by_template || POLICY_NUMBERS.contains(&policy.index.number()))
}

#[cfg(test)]
mod tests {
    use xfrm_sys::{
        Action, Counters, Direction, Lifetimes, PolicyFlags, PolicyIndex, SaDirection, SaErrors,
        SaFlags, SaId,
    };

    use super::*;

    fn sa(spi: u32, reqid: u32, direction: Option<SaDirection>) -> SaState {
        let address = "192.0.2.1".parse().expect("an address");
        SaState {
            id: SaId {
                spi,
                destination: address,
                protocol: Protocol::Esp,
                mark: None,
            },
            source: address,
            mode: Mode::Tunnel,
            direction,
            algorithms: Vec::new(),
            reqid,
            sequence: 0,
            esn: false,
            replay_window: 0,
            selector: None,
            lifetimes: Lifetimes::default(),
            encapsulation: None,
            if_id: None,
            flags: SaFlags::default(),
            counters: Counters::default(),
            errors: SaErrors::default(),
            replay: None,
            last_used: None,
        }
    }

    #[test]
    fn only_sas_in_our_ranges_are_ours() {
        use SaDirection::{In, Out};
        assert!(is_our_sa(&sa(0xd000_0001, 0x0100_0001, Some(In))));
        assert!(
            is_our_sa(&sa(0xc123_4567, 0x0100_0001, Some(Out))),
            "the peer chose the SPI"
        );
        assert!(is_our_sa(&sa(0xc123_4567, 0x01ff_ffff, None)));
        assert!(
            !is_our_sa(&sa(0xc123_4567, 0x0100_0001, Some(In))),
            "not an SPI of ours"
        );
        assert!(
            !is_our_sa(&sa(0xd000_0001, 1, Some(In))),
            "another daemon's reqid"
        );
        assert!(!is_our_sa(&sa(0xd000_0001, 0x0200_0000, Some(Out))));
        assert!(
            !is_our_sa(&sa(0, 0x0100_0001, None)),
            "an ACQUIRE's placeholder goes by itself"
        );
        let marked = SaState {
            if_id: std::num::NonZeroU32::new(1),
            ..sa(0xd000_0001, 0x0100_0001, Some(In))
        };
        assert!(!is_our_sa(&marked));
    }

    #[test]
    fn only_policies_in_our_ranges_are_ours() {
        let policy = |number| PolicyState {
            selector: None,
            direction: Some(Direction::Out),
            index: PolicyIndex::new(number, Direction::Out).expect("in range"),
            priority: 1,
            action: Action::Block,
            templates: Vec::new(),
            if_id: None,
            mark: None,
            flags: PolicyFlags::default(),
            lifetimes: Lifetimes::default(),
            counters: Counters::default(),
        };
        assert!(is_our_policy(&policy(0x080_0000)));
        assert!(is_our_policy(&policy(0x0ff_ffff)));
        assert!(!is_our_policy(&policy(0x07f_ffff)));
        assert!(!is_our_policy(&policy(0x100_0000)));
        assert!(
            !is_our_policy(&PolicyState {
                direction: None,
                ..policy(0x080_0000)
            }),
            "a socket's"
        );
    }
}
