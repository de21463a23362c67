//! What is no longer in use leaves the kernel in time: who replaced it deletes it, or in the end its peer does.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::life::Life;
use crate::life::scenario::gateway_at;

/// The longest that whoever is to delete something is waited for: two minutes for an IKE SA that was replaced, and what that
/// leaves stays for another.
const IN_THE_END: Duration = Duration::from_secs(190);

/// SAs that nobody says are in use, by gateway, SPI and destination, and since when.
#[derive(Default)]
pub(super) struct Leftovers(BTreeMap<(usize, u32, IpAddr), Duration>);

impl Life<'_> {
    /// Looks at what the kernels have that is not in use.
    pub(super) fn judge_leftovers(&mut self, patience: Duration) {
        let now = self.now;
        let mut before = std::mem::take(&mut self.judge.leftovers.0);
        let mut late = None;
        for (number, gateway) in self.gateways.iter().enumerate() {
            let used = self.ledger.spis(number);
            for ((spi, destination), sa) in &gateway.kernel.sas {
                let far = if sa.inbound {
                    sa.source
                } else {
                    sa.destination
                };
                let in_use = used.contains(&(sa.inbound, *spi));
                let ends = [Some(number), gateway_at(far)];
                let mut links = self.scenario.links.iter();
                let link =
                    links.position(|link| link.ends.iter().all(|end| ends.contains(&Some(*end))));
                let Some(link) = link.filter(|_| !in_use) else {
                    continue;
                };
                let key = (number, *spi, *destination);
                let since = before.remove(&key).unwrap_or(now);
                self.judge.leftovers.0.insert(key, since);
                let calm = self.judge.calm[link];
                // Where a Delete was lost, or is to come from a peer that does not know, it goes in the end; and what an IKE
                // SA that ended has left stays as long.
                let until = since.max(calm) + IN_THE_END;
                if until + patience < now {
                    let name = gateway.name;
                    late = Some(format!(
                        "{name} still has the SA {spi:08x}, which is not in use"
                    ));
                }
            }
        }
        self.sentence(late.map(|text| ("late", text)));
    }
}
