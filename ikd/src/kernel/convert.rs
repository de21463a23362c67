//! The engine's terms in the kernel's.

use ike::config::proposal::EspSuite;
use ike::engine::io::{
    Direction, KernelFailure, PolicyAction, PolicyInstall, SaInstall, SelectorPair,
};
use ike::wire::numbers::{Encryption, Integrity};
use xfrm_sys::{
    Action, AeadAlgorithm, EncryptionAlgorithm, IntegrityAlgorithm, KeyLengthError, KeyMaterial,
    Keyed, Lifetimes, Limits, Mode, PolicyFlags, PolicySpec, Protocol, SaCrypto, SaDirection,
    SaFlags, SaSpec, Selector, Template, XfrmError,
};

/// The kernel's algorithms for an ESP suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithms {
    /// Both in one.
    Aead(AeadAlgorithm),
    /// One each.
    Separate(EncryptionAlgorithm, IntegrityAlgorithm),
}

/// The one table from IKE's numbers to the kernel's names; `None` for what ESP is not negotiated with here. Key lengths
/// and truncations go with the kernel's names, in xfrm-sys.
pub(super) fn algorithms(encryption: Encryption, integrity: Integrity) -> Option<Algorithms> {
    let aead = match encryption {
        Encryption::AES_GCM_16 => Some(AeadAlgorithm::AesGcm16),
        Encryption::AES_GCM_12 => Some(AeadAlgorithm::AesGcm12),
        Encryption::AES_GCM_8 => Some(AeadAlgorithm::AesGcm8),
        Encryption::AES_CCM_16 => Some(AeadAlgorithm::AesCcm16),
        Encryption::AES_CCM_12 => Some(AeadAlgorithm::AesCcm12),
        Encryption::AES_CCM_8 => Some(AeadAlgorithm::AesCcm8),
        Encryption::CHACHA20_POLY1305 => Some(AeadAlgorithm::ChaCha20Poly1305),
        Encryption::NULL_AUTH_AES_GMAC => Some(AeadAlgorithm::AesGmac),
        _ => None,
    };
    let cipher = match encryption {
        Encryption::AES_CBC => Some(EncryptionAlgorithm::AesCbc),
        Encryption::AES_CTR => Some(EncryptionAlgorithm::AesCtr),
        Encryption::NULL => Some(EncryptionAlgorithm::Null),
        _ => None,
    };
    let hash = match integrity {
        Integrity::HMAC_SHA2_256_128 => Some(IntegrityAlgorithm::HmacSha256_128),
        Integrity::HMAC_SHA2_384_192 => Some(IntegrityAlgorithm::HmacSha384_192),
        Integrity::HMAC_SHA2_512_256 => Some(IntegrityAlgorithm::HmacSha512_256),
        Integrity::HMAC_SHA1_96 => Some(IntegrityAlgorithm::HmacSha1_96),
        Integrity::AES_XCBC_96 => Some(IntegrityAlgorithm::AesXcbc96),
        Integrity::AES_CMAC_96 => Some(IntegrityAlgorithm::AesCmac96),
        _ => None,
    };
    match (aead, cipher, hash) {
        (Some(aead), _, None) if integrity == Integrity::NONE => Some(Algorithms::Aead(aead)),
        (None, Some(cipher), Some(hash)) => Some(Algorithms::Separate(cipher, hash)),
        _ => None,
    }
}

/// Why the engine's SA cannot be said in the kernel's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unsayable {
    Suite(String),
    Key(KeyLengthError),
}

impl std::fmt::Display for Unsayable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Suite(suite) => write!(f, "the kernel has no algorithms for {suite}"),
            Self::Key(error) => error.fmt(f),
        }
    }
}

/// An SA as the kernel wants it. Replay window and direction follow the kernel's abilities within xfrm-sys; in tunnel mode
/// inner packets of both families may use it.
pub(super) fn sa_spec(install: &SaInstall) -> Result<SaSpec, Unsayable> {
    let hard = Limits {
        seconds: Some(install.hard_lifetime.as_secs().max(1)),
        bytes: install.hard_volume.bytes,
        packets: install.hard_volume.packets,
        ..Limits::default()
    };
    let soft = Limits {
        bytes: install.soft_volume.bytes,
        // The kernel tells with the packet that finds the limit reached, before it counts that.
        packets: if install.tell_first_packet {
            Some(0)
        } else {
            install.soft_volume.packets
        },
        ..Limits::default()
    };
    Ok(SaSpec {
        spi: install.spi,
        source: install.source,
        destination: install.destination,
        mode: mode(install.mode),
        direction: if install.inbound {
            SaDirection::In
        } else {
            SaDirection::Out
        },
        crypto: crypto(install)?,
        reqid: install.reqid,
        esn: install.suite.esn,
        replay_window: if install.inbound {
            install.replay_window
        } else {
            0
        },
        selector: None,
        lifetimes: Lifetimes { soft, hard },
        encapsulation: None,
        if_id: None,
        mark: None,
        flags: SaFlags {
            any_inner_family: install.mode == ike::config::Mode::Tunnel,
            ..SaFlags::default()
        },
        sequence: install.answers,
    })
}

fn crypto(install: &SaInstall) -> Result<SaCrypto, Unsayable> {
    let suite: &EspSuite = &install.suite;
    let key = |secret: &ike::crypto::Secret| KeyMaterial::from(secret.as_bytes());
    match algorithms(suite.encryption, suite.integrity)
        .ok_or_else(|| Unsayable::Suite(suite.to_string()))?
    {
        Algorithms::Aead(aead) => Ok(SaCrypto::Aead(
            Keyed::new(aead, key(&install.encryption_key)).map_err(Unsayable::Key)?,
        )),
        Algorithms::Separate(cipher, hash) => Ok(SaCrypto::Separate {
            encryption: Keyed::new(cipher, key(&install.encryption_key)).map_err(Unsayable::Key)?,
            integrity: Keyed::new(hash, key(&install.integrity_key)).map_err(Unsayable::Key)?,
        }),
    }
}

/// A policy as the kernel wants it.
pub(super) fn policy_spec(install: &PolicyInstall) -> PolicySpec {
    let (action, templates) = match install.action {
        PolicyAction::Pass => (Action::Allow, Vec::new()),
        PolicyAction::Block => (Action::Block, Vec::new()),
        PolicyAction::Protect {
            mode,
            source,
            destination,
            reqid,
        }
        | PolicyAction::Trap {
            mode,
            source,
            destination,
            reqid,
        } => {
            let template = Template {
                source,
                destination,
                protocol: Protocol::Esp,
                mode: self::mode(mode),
                reqid,
                spi: None,
                optional: false,
            };
            (Action::Allow, vec![template])
        }
    };
    PolicySpec {
        selector: selector(&install.selector),
        direction: direction(install.direction),
        number: install.index >> 3,
        priority: install.priority,
        action,
        templates,
        if_id: None,
        mark: None,
        flags: PolicyFlags::default(),
    }
}

const fn mode(mode: ike::config::Mode) -> Mode {
    match mode {
        ike::config::Mode::Tunnel => Mode::Tunnel,
        ike::config::Mode::Transport => Mode::Transport,
    }
}

fn selector(pair: &SelectorPair) -> Selector {
    let (source, destination) = (&pair.source, &pair.destination);
    Selector {
        protocol: source.protocol,
        source_port: (source.port, source.port_mask),
        destination_port: (destination.port, destination.port_mask),
        ..Selector::new(
            (source.network, source.prefix),
            (destination.network, destination.prefix),
        )
    }
}

const fn direction(direction: Direction) -> xfrm_sys::Direction {
    match direction {
        Direction::In => xfrm_sys::Direction::In,
        Direction::Out => xfrm_sys::Direction::Out,
        Direction::Forward => xfrm_sys::Direction::Forward,
    }
}

/// What failed, in the words that the engine hands on to people.
pub(super) fn failure(error: &XfrmError) -> KernelFailure {
    match error {
        XfrmError::Kernel(refusal) => KernelFailure {
            operation: full_name(refusal.operation),
            errno: refusal.name(),
            words: refusal
                .words
                .clone()
                .or_else(|| refusal.hint().map(str::to_owned)),
        },
        other => KernelFailure {
            operation: "XFRM",
            errno: other.code(),
            words: Some(other.to_string()),
        },
    }
}

/// The operation as the kernel's headers name it.
fn full_name(operation: &str) -> &'static str {
    match operation {
        "NEWSA" => "XFRM_MSG_NEWSA",
        "UPDSA" => "XFRM_MSG_UPDSA",
        "DELSA" => "XFRM_MSG_DELSA",
        "GETSA" => "XFRM_MSG_GETSA",
        "NEWPOLICY" => "XFRM_MSG_NEWPOLICY",
        "UPDPOLICY" => "XFRM_MSG_UPDPOLICY",
        "DELPOLICY" => "XFRM_MSG_DELPOLICY",
        "GETPOLICY" => "XFRM_MSG_GETPOLICY",
        _ => "XFRM",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ike::config::Volume;
    use ike::config::selector::KernelSelector;
    use ike::crypto::Secret;
    use ike::crypto::algorithms::{ENCRYPTION, INTEGRITY};
    use xfrm_sys::PolicyIndex;

    use super::*;

    fn install(suite: EspSuite, encryption: usize, integrity: usize, inbound: bool) -> SaInstall {
        SaInstall {
            mode: ike::config::Mode::Tunnel,
            inbound,
            spi: 0xd000_0001,
            source: "198.51.100.7".parse().expect("an address"),
            destination: "192.0.2.1".parse().expect("an address"),
            suite,
            encryption_key: Secret::from(vec![1; encryption]),
            integrity_key: Secret::from(vec![2; integrity]),
            reqid: 0x0100_0001,
            replay_window: 128,
            hard_lifetime: Duration::from_secs(3600),
            hard_volume: Volume {
                bytes: Some(1 << 46),
                packets: Some(4_000_000_000),
            },
            soft_volume: Volume {
                bytes: Some(1 << 45),
                packets: Some(3_000_000_000),
            },
            tell_first_packet: false,
            answers: None,
        }
    }

    fn gcm() -> EspSuite {
        EspSuite {
            encryption: Encryption::AES_GCM_16,
            key_bits: Some(256),
            integrity: Integrity::NONE,
            key_exchange: None,
            esn: true,
        }
    }

    fn cbc() -> EspSuite {
        let integrity = Integrity::HMAC_SHA2_256_128;
        EspSuite {
            encryption: Encryption::AES_CBC,
            key_bits: Some(128),
            integrity,
            key_exchange: None,
            esn: false,
        }
    }

    #[test]
    fn every_suite_that_is_negotiated_has_its_algorithms() {
        let spec = sa_spec(&install(gcm(), 36, 0, true)).expect("sayable");
        assert!(
            matches!(&spec.crypto, SaCrypto::Aead(keyed) if keyed.algorithm() == AeadAlgorithm::AesGcm16)
        );
        assert_eq!(
            (spec.esn, spec.replay_window, spec.direction),
            (true, 128, SaDirection::In)
        );
        let spec = sa_spec(&install(cbc(), 16, 32, false)).expect("sayable");
        assert!(
            matches!(&spec.crypto, SaCrypto::Separate { encryption, integrity }
            if encryption.algorithm() == EncryptionAlgorithm::AesCbc
                && integrity.algorithm() == IntegrityAlgorithm::HmacSha256_128)
        );
        assert_eq!(
            (spec.esn, spec.replay_window, spec.direction),
            (false, 0, SaDirection::Out)
        );
        assert_eq!(spec.lifetimes.hard.seconds, Some(3600));
        let limits = |limits: Limits| (limits.bytes, limits.packets);
        let hard = (Some(1 << 46), Some(4_000_000_000));
        assert_eq!(limits(spec.lifetimes.hard), hard);
        let soft = (Some(1 << 45), Some(3_000_000_000));
        assert_eq!(limits(spec.lifetimes.soft), soft);
        assert!(spec.flags.any_inner_family && spec.selector.is_none());
    }

    #[test]
    fn in_transport_mode_the_packets_are_of_the_family_of_the_ends() {
        let tunnel = install(gcm(), 36, 0, true);
        let transport = SaInstall {
            mode: ike::config::Mode::Transport,
            ..tunnel
        };
        let spec = sa_spec(&transport).expect("sayable");
        assert_eq!(spec.mode, Mode::Transport);
        assert!(!spec.flags.any_inner_family && spec.selector.is_none());
    }

    #[test]
    fn every_row_of_the_tables_is_sayable_with_its_key_and_icv_lengths() {
        let mut sayable = 0;
        for row in ENCRYPTION.iter().filter(|row| row.esp) {
            let (encryption, bits) = (row.id, row.key_bits);
            let suite = |integrity| EspSuite {
                encryption,
                key_bits: bits,
                integrity,
                key_exchange: None,
                esn: true,
            };
            let spec = |suite: EspSuite| {
                let lengths = suite.child_key_lengths();
                sa_spec(&install(suite, lengths.encryption, lengths.integrity, true))
                    .unwrap_or_else(|error| panic!("{suite}: {error}"))
                    .crypto
            };
            if let Some(icv_length) = row.icv_length {
                match spec(suite(Integrity::NONE)) {
                    SaCrypto::Aead(keyed) => {
                        assert_eq!(keyed.algorithm().icv_bits() as usize, icv_length * 8);
                    }
                    other => panic!("{encryption}: {other:?}"),
                }
                sayable += 1;
                continue;
            }
            for integrity in INTEGRITY {
                match spec(suite(integrity.id)) {
                    SaCrypto::Separate {
                        integrity: keyed, ..
                    } => {
                        let bits = keyed.algorithm().icv_bits() as usize;
                        assert_eq!(bits, integrity.icv_length * 8);
                    }
                    other => panic!("{encryption}: {other:?}"),
                }
                sayable += 1;
            }
        }
        assert_eq!(sayable, 22 + 7 * 6);
    }

    #[test]
    fn a_suite_without_integrity_or_with_two_is_refused() {
        assert_eq!(algorithms(Encryption::AES_CBC, Integrity::NONE), None);
        assert_eq!(
            algorithms(Encryption::AES_GCM_16, Integrity::HMAC_SHA2_256_128),
            None
        );
        assert_eq!(
            algorithms(Encryption::AES_GCM_16, Integrity::HMAC_MD5_96),
            None
        );
        assert_eq!(algorithms(Encryption::NULL, Integrity::NONE), None);
        assert_eq!(
            algorithms(Encryption::CAMELLIA_CBC, Integrity::HMAC_SHA2_256_128),
            None
        );
    }

    #[test]
    fn a_key_that_does_not_fit_is_refused_and_not_shown() {
        let refused = sa_spec(&install(gcm(), 35, 0, true)).expect_err("no salt");
        assert!(refused.to_string().contains("not of 35"), "{refused}");
    }

    #[test]
    fn a_policy_keeps_index_ports_and_template() {
        let side = |network: &str, port| KernelSelector {
            network: network.parse().expect("an address"),
            prefix: 16,
            protocol: 6,
            port,
            port_mask: if port == 0 { 0 } else { 0xffff },
        };
        let [ours, theirs] =
            ["192.0.2.1", "198.51.100.7"].map(|text| text.parse().expect("an address"));
        let install = PolicyInstall {
            index: 0x080_0005 << 3 | 1,
            direction: Direction::Out,
            selector: SelectorPair {
                source: side("10.1.0.0", 443),
                destination: side("10.2.0.0", 0),
            },
            priority: 7,
            action: PolicyAction::Protect {
                mode: ike::config::Mode::Tunnel,
                source: ours,
                destination: theirs,
                reqid: 0x0100_0001,
            },
        };
        let spec = policy_spec(&install);
        assert_eq!(
            spec.index(),
            PolicyIndex::new(0x080_0005, xfrm_sys::Direction::Out)
        );
        assert_eq!(spec.index().map(PolicyIndex::get), Some(install.index));
        assert_eq!(spec.selector.source_port, (443, 0xffff));
        assert_eq!(spec.selector.destination_port, (0, 0));
        assert_eq!((spec.selector.protocol, spec.templates.len()), (6, 1));
        assert_eq!(spec.templates[0].reqid, 0x0100_0001);
        let block = policy_spec(&PolicyInstall {
            action: PolicyAction::Block,
            ..install
        });
        assert_eq!((block.action, block.templates.len()), (Action::Block, 0));
    }
}
