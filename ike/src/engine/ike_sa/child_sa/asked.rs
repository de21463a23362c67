//! What the kernel has been asked for and has not answered: what whoever goes on with the records of a killed process asks for
//! again, where the kernel turns out not to have it.
//!
//! That it has not an SA does not mean that it never had it: it may have reached the end of its lifetime while nobody was there
//! to be told. It must not come back then, for its sequence numbers and IVs would begin anew under the same key (RFC 4303
//! section 3.3.3, RFC 4106 section 2).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::io::{Now, SaInstall, SaReference};
use crate::engine::records::SaInstallFields;

/// More packets in a second than any kernel puts through one SA.
const PACKETS_PER_SECOND: u64 = 1 << 24;
/// More bytes in a second than that.
const BYTES_PER_SECOND: u64 = 1 << 36;
/// The kernel's lifetimes count from whole seconds.
const WHOLE: Duration = Duration::from_secs(1);

/// What was asked, and when first.
#[derive(Debug)]
pub(super) struct Asked {
    at: Now,
    pub(super) installs: Vec<SaInstall>,
    /// Those that the kernel turned out to have, when it was asked again for the others: it does not undo what it is not asked
    /// for.
    pub(super) found: Vec<SaReference>,
}

impl Asked {
    pub(super) fn new(at: Now) -> Box<Self> {
        Box::new(Self {
            at,
            installs: Vec::new(),
            found: Vec::new(),
        })
    }

    pub(super) fn is_for(&self, sa: SaReference) -> bool {
        self.installs
            .iter()
            .any(|install| install.reference() == sa)
    }

    /// Whether one of them may have been in the kernel and have reached the end of its lifetime, by either clock, or by what
    /// it may have carried at most.
    pub(super) fn may_have_ended(&self, now: Now) -> bool {
        let by_boot = now.boot.saturating_sub(self.at.boot);
        let by_wall = now.wall.saturating_sub(self.at.wall);
        let passed = by_boot.max(by_wall) + WHOLE;
        let carrying = (by_boot + WHOLE).as_secs();
        let reaches = |limit: Option<u64>, fastest: u64| {
            limit.is_some_and(|limit| carrying.saturating_mul(fastest) >= limit)
        };
        let ends = |install: &SaInstall| {
            passed >= install.hard_lifetime
                || reaches(install.hard_volume.packets, PACKETS_PER_SECOND)
                || reaches(install.hard_volume.bytes, BYTES_PER_SECOND)
        };
        self.installs.iter().any(ends)
    }
}

/// What is written of an [`Asked`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AskedFields {
    boot: Duration,
    wall: Duration,
    installs: Vec<SaInstallFields>,
}

impl From<&Asked> for AskedFields {
    fn from(asked: &Asked) -> Self {
        Self {
            boot: asked.at.boot,
            wall: asked.at.wall,
            installs: asked.installs.iter().map(SaInstallFields::from).collect(),
        }
    }
}

impl From<AskedFields> for Asked {
    fn from(fields: AskedFields) -> Self {
        let AskedFields {
            boot,
            wall,
            installs,
        } = fields;
        Self {
            at: Now { boot, wall },
            installs: installs.into_iter().map(SaInstall::from).collect(),
            found: Vec::new(),
        }
    }
}
