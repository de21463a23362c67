//! What records hold, as plain data: mirrors of the engine's types, each built and read next to the type that it mirrors.
//!
//! Times are of the boot clock, which goes on counting as long as the memory that records are kept in.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::proposal::{EspSuite, IkeSuite};
use crate::config::selector::{AddressRange, PortRange, Selector};
use crate::config::{Mode, Volume};
use crate::engine::event::IkeSpis;
use crate::engine::io::{Path, SaInstall, SaReference};
use crate::wire::IkeSpi;
use crate::wire::numbers::{Encryption, Integrity, KeyExchangeMethod, Prf};

use super::codec::Hidden;

/// Both SPIs of an IKE SA.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct SpisFields([u8; 8], [u8; 8]);

impl From<IkeSpis> for SpisFields {
    fn from(spis: IkeSpis) -> Self {
        Self(spis.initiator.0, spis.responder.0)
    }
}

impl From<SpisFields> for IkeSpis {
    fn from(SpisFields(initiator, responder): SpisFields) -> Self {
        Self {
            initiator: IkeSpi(initiator),
            responder: IkeSpi(responder),
        }
    }
}

/// Our address and port, then the peer's.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct PathFields(SocketAddr, SocketAddr);

impl From<Path> for PathFields {
    fn from(path: Path) -> Self {
        Self(path.local, path.remote)
    }
}

impl From<PathFields> for Path {
    fn from(PathFields(local, remote): PathFields) -> Self {
        Self { local, remote }
    }
}

/// The numbers of an IKE SA's algorithms.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct IkeSuiteFields(u16, Option<u16>, u16, u16, u16);

impl From<IkeSuite> for IkeSuiteFields {
    fn from(suite: IkeSuite) -> Self {
        let IkeSuite {
            encryption,
            key_bits,
            integrity,
            prf,
            key_exchange,
        } = suite;
        Self(encryption.0, key_bits, integrity.0, prf.0, key_exchange.0)
    }
}

impl From<IkeSuiteFields> for IkeSuite {
    fn from(IkeSuiteFields(encryption, key_bits, integrity, prf, method): IkeSuiteFields) -> Self {
        Self {
            encryption: Encryption(encryption),
            key_bits,
            integrity: Integrity(integrity),
            prf: Prf(prf),
            key_exchange: KeyExchangeMethod(method),
        }
    }
}

/// The numbers of a Child SA's algorithms.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct EspSuiteFields(u16, Option<u16>, u16, Option<u16>, bool);

impl From<EspSuite> for EspSuiteFields {
    fn from(suite: EspSuite) -> Self {
        let EspSuite {
            encryption,
            key_bits,
            integrity,
            key_exchange,
            esn,
        } = suite;
        let method = key_exchange.map(|method| method.0);
        Self(encryption.0, key_bits, integrity.0, method, esn)
    }
}

impl From<EspSuiteFields> for EspSuite {
    fn from(EspSuiteFields(encryption, key_bits, integrity, method, esn): EspSuiteFields) -> Self {
        Self {
            encryption: Encryption(encryption),
            key_bits,
            integrity: Integrity(integrity),
            key_exchange: method.map(KeyExchangeMethod),
            esn,
        }
    }
}

/// Protocol, first and last port, first and last address.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct SelectorFields(u8, u16, u16, IpAddr, IpAddr);

impl From<&Selector> for SelectorFields {
    fn from(selector: &Selector) -> Self {
        let Selector {
            protocol,
            ports,
            addresses,
        } = *selector;
        Self(
            protocol,
            ports.start(),
            ports.end(),
            addresses.start(),
            addresses.end(),
        )
    }
}

impl SelectorFields {
    fn read(self) -> Option<Selector> {
        let Self(protocol, first, last, start, end) = self;
        Some(Selector {
            protocol,
            ports: PortRange::new(first, last)?,
            addresses: AddressRange::new(start, end)?,
        })
    }
}

/// The fields of one side's selectors.
pub(in crate::engine) fn write_selectors(selectors: &[Selector]) -> Vec<SelectorFields> {
    selectors.iter().map(SelectorFields::from).collect()
}

/// One side's selectors.
pub(in crate::engine) fn read_selectors(fields: Vec<SelectorFields>) -> Option<Vec<Selector>> {
    fields.into_iter().map(SelectorFields::read).collect()
}

/// What names an SA in the kernel.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct SaReferenceFields(u32, IpAddr);

impl From<SaReference> for SaReferenceFields {
    fn from(sa: SaReference) -> Self {
        Self(sa.spi, sa.destination)
    }
}

impl From<SaReferenceFields> for SaReference {
    fn from(SaReferenceFields(spi, destination): SaReferenceFields) -> Self {
        Self { spi, destination }
    }
}

/// An SA that the kernel may not have yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct SaInstallFields {
    transport: bool,
    inbound: bool,
    spi: u32,
    source: IpAddr,
    destination: IpAddr,
    suite: EspSuiteFields,
    encryption_key: Hidden,
    integrity_key: Hidden,
    reqid: u32,
    replay_window: u32,
    hard_lifetime: Duration,
    tell_first_packet: bool,
    hard_volume: VolumeFields,
    soft_volume: VolumeFields,
    answers: Option<NonZeroU32>,
}

/// Bytes and packets.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct VolumeFields(Option<u64>, Option<u64>);

impl From<Volume> for VolumeFields {
    fn from(Volume { bytes, packets }: Volume) -> Self {
        Self(bytes, packets)
    }
}

impl From<VolumeFields> for Volume {
    fn from(VolumeFields(bytes, packets): VolumeFields) -> Self {
        Self { bytes, packets }
    }
}

impl From<&SaInstall> for SaInstallFields {
    fn from(install: &SaInstall) -> Self {
        let SaInstall {
            mode,
            inbound,
            spi,
            source,
            destination,
            suite,
            encryption_key,
            integrity_key,
            reqid,
            replay_window,
            hard_lifetime,
            tell_first_packet,
            hard_volume,
            soft_volume,
            answers,
        } = install;
        Self {
            transport: *mode == Mode::Transport,
            inbound: *inbound,
            spi: *spi,
            source: *source,
            destination: *destination,
            suite: (*suite).into(),
            encryption_key: Hidden(encryption_key.clone()),
            integrity_key: Hidden(integrity_key.clone()),
            reqid: *reqid,
            replay_window: *replay_window,
            hard_lifetime: *hard_lifetime,
            tell_first_packet: *tell_first_packet,
            hard_volume: (*hard_volume).into(),
            soft_volume: (*soft_volume).into(),
            answers: *answers,
        }
    }
}

impl From<SaInstallFields> for SaInstall {
    fn from(fields: SaInstallFields) -> Self {
        Self {
            mode: if fields.transport {
                Mode::Transport
            } else {
                Mode::Tunnel
            },
            inbound: fields.inbound,
            spi: fields.spi,
            source: fields.source,
            destination: fields.destination,
            suite: fields.suite.into(),
            encryption_key: fields.encryption_key.0,
            integrity_key: fields.integrity_key.0,
            reqid: fields.reqid,
            replay_window: fields.replay_window,
            hard_lifetime: fields.hard_lifetime,
            tell_first_packet: fields.tell_first_packet,
            hard_volume: fields.hard_volume.into(),
            soft_volume: fields.soft_volume.into(),
            answers: fields.answers,
        }
    }
}
