//! The fake kernel, held against the list.

use std::time::Duration;

use ike::engine::io::{
    Direction, KernelEvent, KernelFailure, KernelRequest, Now, SaInstall, SaReference, SaUse,
};

use super::{Kernel, NEAR_2, Parcel, Received, Sent, number};
use crate::FakeKernel;
use crate::kernel::{self, ACQUIRE_LIFE, Admission};
use crate::node::{Jump, WALL};

/// A fake kernel and the two clocks that it goes by.
#[derive(Debug)]
pub struct Fake {
    kernel: FakeKernel,
    /// Never jumps.
    boot: Duration,
    wall: Duration,
    heard: Vec<KernelEvent>,
}

impl Default for Fake {
    fn default() -> Self {
        let mut fake = Self {
            kernel: FakeKernel::default(),
            boot: Duration::ZERO,
            wall: WALL,
            heard: Vec::new(),
        };
        fake.listen();
        fake
    }
}

impl Fake {
    fn listen(&mut self) {
        let (boot, wall) = (self.boot, self.wall);
        self.heard.extend(self.kernel.hear(Now { boot, wall }));
    }
}

impl Kernel for Fake {
    fn request(&mut self, request: KernelRequest) -> Result<Result<(), KernelFailure>, String> {
        Ok(self.kernel.apply(request))
    }

    fn send(&mut self, parcel: &Parcel) -> Result<Sent, String> {
        let Parcel {
            source,
            destination,
            carries,
        } = *parcel;
        let sent = self.kernel.send_of(self.boot, source, destination, carries);
        Ok(match sent {
            kernel::Sent::Clear => Sent::Clear,
            kernel::Sent::Blocked => Sent::Blocked,
            kernel::Sent::NoSa { told } | kernel::Sent::Trapped { told } => {
                self.heard.extend(told.map(KernelEvent::Acquire));
                Sent::NoSa
            }
            kernel::Sent::UsedUp => Sent::UsedUp,
            kernel::Sent::Protected(sa) => Sent::By(sa),
        })
    }

    fn receive(&mut self, parcel: &Parcel, by: Option<&SaInstall>) -> Result<Received, String> {
        let by = by.map(|sa| SaReference {
            spi: sa.spi,
            destination: sa.destination,
        });
        match by.map(|by| self.kernel.receive(by)) {
            None | Some(kernel::Received::Accepted) => {}
            Some(kernel::Received::NoSa) => return Ok(Received::NoSa),
            Some(kernel::Received::UsedUp) => return Ok(Received::UsedUp),
        }
        let direction = if parcel.destination == NEAR_2 {
            Direction::Forward
        } else {
            Direction::In
        };
        let Parcel {
            source,
            destination,
            carries,
        } = *parcel;
        let admitted = (self.kernel).admits_of(direction, by, source, destination, carries);
        Ok(match admitted {
            Admission::Comes => Received::Accepted,
            Admission::NoPolicy => Received::NoPolicy,
            Admission::WrongSa => Received::WrongSa,
            Admission::Blocked => Received::Blocked,
        })
    }

    fn hear(&mut self, _: usize) -> Result<Vec<KernelEvent>, String> {
        self.listen();
        Ok(std::mem::take(&mut self.heard))
    }

    fn pass(&mut self, time: Duration) -> Result<(), String> {
        let (boot, wall) = (self.boot + time, self.wall + time);
        // The kernel wakes at its own times, whoever asks it when.
        while let Some(look) = self.kernel.next_look().filter(|look| *look < boot) {
            (self.boot, self.wall) = (look, wall - (boot - look));
            self.listen();
        }
        (self.boot, self.wall) = (boot, wall);
        self.listen();
        Ok(())
    }

    fn pass_a_larval_life(&mut self) -> Result<(), String> {
        self.pass(ACQUIRE_LIFE)
    }

    fn begin_a_second(&mut self) -> Result<(), String> {
        let passed = Duration::from_nanos(self.wall.subsec_nanos().into());
        self.pass(Duration::from_secs(1) - passed)
    }

    fn set_clock(&mut self, jump: Jump) -> Result<(), String> {
        self.wall = match jump {
            Jump::Forward(by) => self.wall + by,
            Jump::Back(by) => self.wall - by,
        };
        self.listen();
        Ok(())
    }

    fn contents(&mut self) -> Result<(Vec<(SaReference, u64)>, Vec<u32>), String> {
        self.listen();
        let contents = self.kernel.contents();
        let policies = contents.policies.iter();
        let indexes = policies.map(|policy| {
            debug_assert_eq!(policy.index & 7, number(policy.direction));
            policy.index
        });
        Ok((contents.sas.into_iter().collect(), indexes.collect()))
    }

    fn uses(&mut self, sas: &[SaReference]) -> Result<Vec<SaUse>, String> {
        Ok(self.kernel.uses(sas))
    }
}
