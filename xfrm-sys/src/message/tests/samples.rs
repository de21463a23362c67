//! One message of each type that the kernel sends, written with netlink-packet-xfrm and with the attributes it lacks.

use std::net::IpAddr;

use netlink_packet_core::Emitable;
use netlink_packet_xfrm::{
    Address, Alg, AlgAead, AlgAuth, EncapTmpl, Id, Lifetime, LifetimeConfig, Mark, Replay,
    ReplayEsn, Selector, Stats, UserAcquire, UserExpire, UserMapping, UserMigrate,
    UserPolicyExpire, UserPolicyId, UserPolicyInfo, UserSaId, UserSaInfo, UserTemplate, XfrmAttrs,
    constants as raw,
};

/// A byte that is nowhere but in keys.
pub(super) const KEY: u8 = 0xa7;

pub(super) fn address(text: &str) -> Address {
    Address::from_ip(&text.parse::<IpAddr>().expect("an address"))
}

/// A fixed part that is only bytes.
struct Words<'a>(&'a [u8]);

impl Emitable for Words<'_> {
    fn buffer_len(&self) -> usize {
        self.0.len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(self.0);
    }
}

fn bytes(fixed: &impl Emitable, attributes: &[XfrmAttrs], more: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; fixed.buffer_len() + attributes.buffer_len()];
    let (first, rest) = bytes.split_at_mut(fixed.buffer_len());
    fixed.emit(first);
    attributes.emit(rest);
    for (kind, value) in more {
        bytes.extend((value.len() as u16 + 4).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(*value);
        bytes.resize(super::super::align(bytes.len()), 0);
    }
    bytes
}

fn selector() -> Selector {
    let mut selector = Selector::default();
    selector.source_prefix(&"10.1.0.0".parse().expect("valid"), 16);
    selector.destination_prefix(&"10.2.0.0".parse().expect("valid"), 24);
    selector.proto = 17;
    selector.dport = 53;
    selector.dport_mask = 0xffff;
    selector
}

pub(super) fn sa_info() -> UserSaInfo {
    UserSaInfo {
        selector: selector(),
        id: Id {
            daddr: address("198.51.100.7"),
            spi: 0xc0ff_ee01,
            proto: 50,
        },
        saddr: address("192.0.2.1"),
        lifetime_cfg: LifetimeConfig {
            hard_add_expires_seconds: 3600,
            soft_packet_limit: 1,
            ..LifetimeConfig::default()
        },
        lifetime_cur: Lifetime {
            bytes: 1000,
            packets: 10,
            add_time: 1_700_000_000,
            use_time: 1_700_000_005,
        },
        stats: Stats {
            replay_window: 1,
            replay: 2,
            integrity_failed: 3,
        },
        seq: 8,
        reqid: 7,
        family: raw::AF_INET,
        mode: 1,
        replay_window: 32,
        flags: raw::XFRM_STATE_ESN | raw::XFRM_STATE_AF_UNSPEC,
    }
}

fn name(text: &str) -> [u8; 64] {
    let mut name = [0; 64];
    name[..text.len()].copy_from_slice(text.as_bytes());
    name
}

pub(super) fn policy_info() -> UserPolicyInfo {
    UserPolicyInfo {
        selector: selector(),
        priority: 99,
        index: (5 << 3) | 1,
        direction: 1,
        action: raw::XFRM_POLICY_ALLOW,
        ..UserPolicyInfo::default()
    }
}

pub(super) fn template() -> UserTemplate {
    UserTemplate {
        id: Id {
            daddr: address("198.51.100.7"),
            spi: 0,
            proto: 50,
        },
        family: raw::AF_INET,
        saddr: address("192.0.2.1"),
        reqid: 7,
        mode: 1,
        ..UserTemplate::default()
    }
}

/// Types and payloads.
pub(super) fn all() -> Vec<(u16, Vec<u8>)> {
    let mark = XfrmAttrs::Mark(Mark {
        value: 5,
        mask: 0xff,
    });
    let encapsulation = EncapTmpl {
        encap_type: 2,
        encap_sport: 4500,
        encap_dport: 40000,
        encap_oa: Address::default(),
    };
    let aead = AlgAead {
        alg_name: name("rfc4106(gcm(aes))"),
        alg_key_len: 160,
        alg_icv_len: 128,
        alg_key: vec![KEY; 20],
    };
    let cipher = Alg {
        alg_name: name("cbc(aes)"),
        alg_key_len: 128,
        alg_key: vec![KEY; 16],
    };
    let hmac = Alg {
        alg_name: name("hmac(sha256)"),
        alg_key_len: 256,
        alg_key: vec![KEY; 32],
    };
    let truncated = AlgAuth {
        alg_name: name("hmac(sha256)"),
        alg_key_len: 256,
        alg_trunc_len: 128,
        alg_key: vec![KEY; 32],
    };
    let esn = ReplayEsn {
        bmp_len: 4,
        oseq: 5,
        seq: 6,
        oseq_hi: 1,
        seq_hi: 2,
        replay_window: 128,
        bmp: vec![0; 4],
    };
    let combined = bytes(
        &sa_info(),
        &[
            XfrmAttrs::EncryptionAlgAead(aead),
            XfrmAttrs::LastUsed(1_700_000_009),
            XfrmAttrs::EncapsulationTemplate(encapsulation),
            mark.clone(),
            XfrmAttrs::ReplayStateEsn(esn),
            XfrmAttrs::IfId(77),
            XfrmAttrs::ExtraFlags(1),
        ],
        &[
            (33, &[2]),
            (35, &3_u32.to_ne_bytes()),
            (41, &[0; 4]),
            (99, b"unknown"),
        ],
    );
    let separate = bytes(
        &UserSaInfo {
            selector: Selector::default(),
            ..sa_info()
        },
        &[
            XfrmAttrs::AuthenticationAlg(hmac),
            XfrmAttrs::AuthenticationAlgTrunc(truncated),
            XfrmAttrs::EncryptionAlg(cipher),
            XfrmAttrs::ReplayState(Replay {
                oseq: 9,
                seq: 10,
                bitmap: 0,
            }),
        ],
        &[(33, &[1])],
    );
    let templates = XfrmAttrs::Template(vec![
        template(),
        UserTemplate {
            optional: 1,
            ..template()
        },
    ]);
    let acquire = UserAcquire {
        id: Id {
            daddr: address("198.51.100.7"),
            spi: 0,
            proto: 50,
        },
        saddr: address("192.0.2.1"),
        selector: selector(),
        policy: policy_info(),
        aalgos: u32::MAX,
        ealgos: u32::MAX,
        calgos: u32::MAX,
        seq: 12,
    };
    let migrate = UserMigrate {
        old_daddr: address("198.51.100.7"),
        old_saddr: address("192.0.2.1"),
        new_daddr: address("2001:db8::7"),
        new_saddr: address("2001:db8::1"),
        proto: 50,
        mode: 1,
        reserved: 0,
        reqid: 7,
        old_family: raw::AF_INET,
        new_family: raw::AF_INET6,
    };
    let mut two_migrations = vec![0; 152];
    migrate.emit(&mut two_migrations[..76]);
    migrate.emit(&mut two_migrations[76..]);
    let policy_id = UserPolicyId {
        selector: selector(),
        index: 41,
        direction: 1,
    };
    let mapping = UserMapping {
        id: UserSaId {
            daddr: address("192.0.2.1"),
            spi: 0xc0ff_ee02,
            family: raw::AF_INET,
            proto: 50,
        },
        reqid: 7,
        old_saddr: address("198.51.100.7"),
        new_saddr: address("203.0.113.9"),
        old_sport: 4500,
        new_sport: 1024,
    };
    let counts: Vec<u8> = [2_u32, 3, 4, 5, 6, 0]
        .iter()
        .flat_map(|count| count.to_ne_bytes())
        .collect();
    let hashes: Vec<u8> = [8_u32, 1024]
        .iter()
        .flat_map(|count| count.to_ne_bytes())
        .collect();
    vec![
        (raw::XFRM_MSG_NEWSA, combined),
        (raw::XFRM_MSG_NEWSA, separate),
        (
            raw::XFRM_MSG_NEWPOLICY,
            bytes(
                &policy_info(),
                &[templates.clone(), mark.clone(), XfrmAttrs::IfId(77)],
                &[],
            ),
        ),
        (
            raw::XFRM_MSG_ACQUIRE,
            bytes(
                &acquire,
                &[templates.clone(), mark.clone()],
                &[(35, &3_u32.to_ne_bytes())],
            ),
        ),
        (
            raw::XFRM_MSG_EXPIRE,
            bytes(
                &UserExpire {
                    state: sa_info(),
                    hard: 1,
                },
                &[mark],
                &[(33, &[1])],
            ),
        ),
        (
            raw::XFRM_MSG_POLEXPIRE,
            bytes(
                &UserPolicyExpire {
                    pol: policy_info(),
                    hard: 1,
                },
                &[templates],
                &[],
            ),
        ),
        (raw::XFRM_MSG_MAPPING, bytes(&mapping, &[], &[])),
        (
            raw::XFRM_MSG_MIGRATE,
            bytes(
                &policy_id,
                &[XfrmAttrs::EncapsulationTemplate(encapsulation)],
                &[(17, &two_migrations)],
            ),
        ),
        (
            raw::XFRM_MSG_NEWSADINFO,
            bytes(
                &Words(&[0; 4]),
                &[],
                &[(1, &4_u32.to_ne_bytes()), (2, &hashes)],
            ),
        ),
        (
            raw::XFRM_MSG_NEWSPDINFO,
            bytes(&Words(&[0; 4]), &[], &[(1, &counts)]),
        ),
    ]
}

/// A refusal of the message of type NEWSA, with text and offset.
pub(super) fn refusal(capped: bool) -> (u16, Vec<u8>) {
    let mut payload = (-38_i32).to_ne_bytes().to_vec();
    let request = if capped { 16_u32 } else { 40 };
    payload.extend(request.to_ne_bytes());
    payload.extend([0x10, 0, 0, 0]);
    payload.resize(20, 0);
    if !capped {
        payload.resize(4 + 40, KEY);
    }
    let text = b"Requested AEAD algorithm not found\0";
    payload.extend((text.len() as u16 + 4).to_ne_bytes());
    payload.extend(1_u16.to_ne_bytes());
    payload.extend(text);
    payload.resize(super::super::align(payload.len()), 0);
    payload.extend([8, 0, 2, 0]);
    payload.extend(244_u32.to_ne_bytes());
    (2, payload)
}

/// The message with its header.
pub(super) fn datagram(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = (payload.len() as u32 + 16).to_ne_bytes().to_vec();
    datagram.extend(kind.to_ne_bytes());
    datagram.extend(flags.to_ne_bytes());
    datagram.extend(1_u32.to_ne_bytes());
    datagram.extend([0; 4]);
    datagram.extend(payload);
    datagram
}
