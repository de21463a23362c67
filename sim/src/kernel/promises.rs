//! What our orders promise, whatever the kernel would put up with.

use std::net::IpAddr;

use ike::config::Mode;
use ike::config::selector::KernelSelector;
use ike::engine::io::{Direction, PolicyAction, PolicyInstall, SelectorPair};

use super::FakeKernel;

impl FakeKernel {
    /// Looks for promises that do not hold after a request.
    pub(super) fn check(&mut self) {
        let lacking =
            self.policies
                .values()
                .any(|policy| match (policy.direction, policy.action) {
                    (Direction::Out, PolicyAction::Protect { reqid, mode, .. }) => {
                        let mut sas = self.sas.values();
                        !self.expired.contains(&reqid)
                            && !sas.any(|sa| !sa.inbound && (sa.reqid, sa.mode) == (reqid, mode))
                    }
                    _ => false,
                });
        self.expect(!lacking, "an outbound policy has no SA");
        let traps = |policy: &&PolicyInstall| matches!(policy.action, PolicyAction::Trap { .. });
        let open = self.policies.values().filter(traps).any(|policy| {
            let SelectorPair {
                source,
                destination,
            } = policy.selector;
            let coming = SelectorPair {
                source: destination,
                destination: source,
            };
            let inbound = self.policies.get(&(coming, Direction::In));
            inbound.is_none_or(|inbound| inbound.action == PolicyAction::Pass)
        });
        self.expect(!open, "a trap lets in what comes in clear");
    }

    /// Notes a broken promise.
    pub(super) fn expect(&mut self, holds: bool, words: &str) {
        if !holds {
            self.broken.push(words.to_owned());
        }
    }
}

/// Whether a policy in transport mode is for traffic between the two ends of its template, and not for forwarding.
pub(super) fn is_of_the_ends(policy: &PolicyInstall) -> bool {
    let PolicyAction::Protect {
        mode: Mode::Transport,
        source,
        destination,
        ..
    } = policy.action
    else {
        return true;
    };
    let is = |end: &KernelSelector, address: IpAddr| {
        (end.network, end.prefix) == (address, if address.is_ipv4() { 32 } else { 128 })
    };
    policy.direction != Direction::Forward
        && is(&policy.selector.source, source)
        && is(&policy.selector.destination, destination)
}
