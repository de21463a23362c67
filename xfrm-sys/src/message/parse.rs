//! Answers and events. Every read is checked; keys are skipped.

use std::num::NonZeroU32;

use netlink_packet_core::NLA_TYPE_MASK;
use netlink_packet_xfrm::{
    Address, EncapTmpl, Lifetime, LifetimeConfig, Mark as RawMark, UserAcquire, UserExpire,
    UserMapping, UserMigrate, UserPolicyExpire, UserPolicyId, UserPolicyInfo, UserSaInfo,
    UserTemplate, XFRM_USER_ACQUIRE_LEN, XFRM_USER_EXPIRE_LEN, XFRM_USER_MAPPING_LEN,
    XFRM_USER_MIGRATE_LEN, XFRM_USER_POLICY_EXPIRE_LEN, XFRM_USER_POLICY_ID_LEN,
    XFRM_USER_POLICY_INFO_LEN, XFRM_USER_SA_INFO_LEN, XFRM_USER_TEMPLATE_LEN, constants as raw,
};

use super::{ParseError, align};
use crate::constants::{XFRM_SA_DIR_IN, XFRM_SA_DIR_OUT, XFRMA_SA_DIR, XFRMA_SA_PCPU};
use crate::selector::address;
use crate::{
    Acquire, Action, Counters, Direction, Event, InstalledAlgorithm, Lifetimes, Limits, Mapping,
    Mark, Migrate, Migration, PolicyFlags, PolicyIndex, PolicyState, ReplayState, SaDirection,
    SaErrors, SaFlags, SaId, SaState, SadInfo, Selector, SpdInfo, Template, UdpEncapsulation,
};

/// Reads the payload of a message that the kernel sent to a group; `None` for types that are no event of ours.
///
/// # Errors
/// The message is shorter than its type needs, or holds what there is not.
pub fn parse_event(kind: u16, payload: &[u8]) -> Result<Option<Event>, ParseError> {
    Ok(Some(match kind {
        raw::XFRM_MSG_ACQUIRE => Event::Acquire(Box::new(acquire(payload)?)),
        raw::XFRM_MSG_EXPIRE => {
            let (state, hard) = expire(payload)?;
            Event::Expire {
                sa: Box::new(state),
                hard,
            }
        }
        raw::XFRM_MSG_POLEXPIRE => {
            let (policy, hard) = policy_expire(payload)?;
            Event::PolicyExpire {
                policy: Box::new(policy),
                hard,
            }
        }
        raw::XFRM_MSG_MAPPING => Event::Mapping(mapping(payload)?),
        raw::XFRM_MSG_MIGRATE => Event::Migrate(Box::new(migrate(payload)?)),
        _ => return Ok(None),
    }))
}

/// An SA as in NEWSA and UPDSA.
pub(crate) fn parse_sa(payload: &[u8]) -> Result<SaState, ParseError> {
    let (info, attributes) = split(payload, XFRM_USER_SA_INFO_LEN, "SA")?;
    sa(&UserSaInfo::parse(info)?, attributes)
}

/// A policy as in NEWPOLICY and UPDPOLICY.
pub(crate) fn parse_policy(payload: &[u8]) -> Result<PolicyState, ParseError> {
    let (info, attributes) = split(payload, XFRM_USER_POLICY_INFO_LEN, "policy")?;
    policy(&UserPolicyInfo::parse(info)?, attributes)
}

pub(crate) fn parse_sad_info(payload: &[u8]) -> Result<SadInfo, ParseError> {
    let (_, attributes) = split(payload, 4, "NEWSADINFO")?;
    let mut info = SadInfo::default();
    for attribute in attributes {
        match attribute? {
            (raw::XFRMA_SAD_CNT, value) => info.count = u32_at(value, 0, "XFRMA_SAD_CNT")?,
            (raw::XFRMA_SAD_HINFO, value) => {
                info.buckets = u32_at(value, 0, "XFRMA_SAD_HINFO")?;
                info.buckets_max = u32_at(value, 4, "XFRMA_SAD_HINFO")?;
            }
            _ => {}
        }
    }
    Ok(info)
}

pub(crate) fn parse_spd_info(payload: &[u8]) -> Result<SpdInfo, ParseError> {
    let (_, attributes) = split(payload, 4, "NEWSPDINFO")?;
    let mut info = SpdInfo::default();
    for attribute in attributes {
        if let (raw::XFRMA_SPD_INFO, value) = attribute? {
            let count = |place: usize| u32_at(value, place * 4, "XFRMA_SPD_INFO");
            info = SpdInfo {
                inbound: count(0)?,
                outbound: count(1)?,
                forward: count(2)?,
                socket_inbound: count(3)?,
                socket_outbound: count(4)?,
            };
        }
    }
    Ok(info)
}

fn acquire(payload: &[u8]) -> Result<Acquire, ParseError> {
    let (fixed, attributes) = split(payload, XFRM_USER_ACQUIRE_LEN, "ACQUIRE")?;
    let fixed = UserAcquire::parse(fixed)?;
    let policy = policy(&fixed.policy, attributes)?;
    // The message does not tell the family of its outer addresses: the template does, which was the reason to ask.
    let template = policy
        .templates
        .iter()
        .find(|t| t.protocol.number() == fixed.id.proto);
    let family = match template.or_else(|| policy.templates.first()) {
        Some(template) => crate::selector::family(&template.destination),
        None => fixed.selector.family,
    };
    Ok(Acquire {
        sequence: fixed.seq,
        source: address(&fixed.saddr, family)?,
        destination: address(&fixed.id.daddr, family)?,
        protocol: fixed.id.proto.into(),
        selector: Selector::from_raw(&fixed.selector)?,
        policy,
        cpu: find(attributes, XFRMA_SA_PCPU)?
            .map(|value| u32_at(value, 0, "XFRMA_SA_PCPU"))
            .transpose()?,
    })
}

fn expire(payload: &[u8]) -> Result<(SaState, bool), ParseError> {
    let (fixed, attributes) = split(payload, XFRM_USER_EXPIRE_LEN, "EXPIRE")?;
    let fixed = UserExpire::parse(fixed)?;
    Ok((sa(&fixed.state, attributes)?, fixed.hard != 0))
}

fn policy_expire(payload: &[u8]) -> Result<(PolicyState, bool), ParseError> {
    let (fixed, attributes) = split(payload, XFRM_USER_POLICY_EXPIRE_LEN, "POLEXPIRE")?;
    let fixed = UserPolicyExpire::parse(fixed)?;
    Ok((policy(&fixed.pol, attributes)?, fixed.hard != 0))
}

fn mapping(payload: &[u8]) -> Result<Mapping, ParseError> {
    let (fixed, attributes) = split(payload, XFRM_USER_MAPPING_LEN, "MAPPING")?;
    let fixed = UserMapping::parse(fixed)?;
    let family = fixed.id.family;
    Ok(Mapping {
        sa: SaId {
            spi: fixed.id.spi,
            destination: address(&fixed.id.daddr, family)?,
            protocol: fixed.id.proto.into(),
            mark: find(attributes, raw::XFRMA_MARK)?.map(mark).transpose()?,
        },
        reqid: fixed.reqid,
        old: (address(&fixed.old_saddr, family)?, fixed.old_sport),
        new: (address(&fixed.new_saddr, family)?, fixed.new_sport),
    })
}

fn migrate(payload: &[u8]) -> Result<Migrate, ParseError> {
    let (fixed, attributes) = split(payload, XFRM_USER_POLICY_ID_LEN, "MIGRATE")?;
    let fixed = UserPolicyId::parse(fixed)?;
    let mut event = Migrate {
        selector: Selector::from_raw(&fixed.selector)?,
        direction: Direction::from_number(fixed.direction),
        migrations: Vec::new(),
        encapsulation: None,
        if_id: None,
    };
    for attribute in attributes {
        match attribute? {
            (raw::XFRMA_MIGRATE, value) => {
                for chunk in value.chunks_exact(XFRM_USER_MIGRATE_LEN) {
                    event
                        .migrations
                        .push(migration(&UserMigrate::parse(chunk)?)?);
                }
            }
            (raw::XFRMA_ENCAP, value) => event.encapsulation = Some(encapsulation(value)?),
            (raw::XFRMA_IF_ID, value) => event.if_id = if_id(value)?,
            _ => {}
        }
    }
    Ok(event)
}

fn migration(raw: &UserMigrate) -> Result<Migration, ParseError> {
    let pair = |source: &Address, destination: &Address, family| {
        Ok::<_, ParseError>((address(source, family)?, address(destination, family)?))
    };
    Ok(Migration {
        old: pair(&raw.old_saddr, &raw.old_daddr, raw.old_family)?,
        new: pair(&raw.new_saddr, &raw.new_daddr, raw.new_family)?,
        protocol: raw.proto.into(),
        mode: raw.mode.into(),
        reqid: raw.reqid,
    })
}

fn sa(info: &UserSaInfo, attributes: Attributes<'_>) -> Result<SaState, ParseError> {
    let flag = |flag: u8| info.flags & flag != 0;
    let mut state = SaState {
        id: SaId {
            spi: info.id.spi,
            destination: address(&info.id.daddr, info.family)?,
            protocol: info.id.proto.into(),
            mark: None,
        },
        source: address(&info.saddr, info.family)?,
        mode: info.mode.into(),
        direction: None,
        algorithms: Vec::new(),
        reqid: info.reqid,
        sequence: info.seq,
        esn: flag(raw::XFRM_STATE_ESN),
        replay_window: info.replay_window.into(),
        selector: Selector::from_raw(&info.selector)?,
        lifetimes: lifetimes(&info.lifetime_cfg),
        encapsulation: None,
        if_id: None,
        flags: SaFlags {
            no_ecn: flag(raw::XFRM_STATE_NOECN),
            decapsulate_dscp: flag(raw::XFRM_STATE_DECAP_DSCP),
            no_dscp_copy: false,
            no_path_mtu_discovery: flag(raw::XFRM_STATE_NOPMTUDISC),
            icmp: flag(raw::XFRM_STATE_ICMP),
            align4: flag(raw::XFRM_STATE_ALIGN4),
            any_inner_family: flag(raw::XFRM_STATE_AF_UNSPEC),
        },
        counters: counters(&info.lifetime_cur),
        errors: SaErrors {
            replay_window: info.stats.replay_window,
            replay: info.stats.replay,
            integrity: info.stats.integrity_failed,
        },
        replay: None,
        last_used: None,
    };
    let mut truncated = false;
    for attribute in attributes {
        let (kind, value) = attribute?;
        match kind {
            raw::XFRMA_ALG_AEAD => state.algorithms.push(algorithm(value, true)?),
            raw::XFRMA_ALG_CRYPT | raw::XFRMA_ALG_COMP => {
                state.algorithms.push(algorithm(value, false)?);
            }
            // The kernel sends the same algorithm twice, first as ALG_AUTH for old readers.
            raw::XFRMA_ALG_AUTH if !truncated => state.algorithms.push(algorithm(value, false)?),
            raw::XFRMA_ALG_AUTH_TRUNC => {
                truncated = true;
                let integrity = algorithm(value, true)?;
                state
                    .algorithms
                    .retain(|other| other.name != integrity.name);
                state.algorithms.push(integrity);
            }
            raw::XFRMA_ENCAP => state.encapsulation = Some(encapsulation(value)?),
            raw::XFRMA_MARK => state.id.mark = Some(mark(value)?),
            raw::XFRMA_IF_ID => state.if_id = if_id(value)?,
            raw::XFRMA_LASTUSED => state.last_used = Some(u64_at(value, "XFRMA_LASTUSED")?),
            raw::XFRMA_SA_EXTRA_FLAGS => {
                let flags = u32_at(value, 0, "XFRMA_SA_EXTRA_FLAGS")?;
                state.flags.no_dscp_copy = flags & raw::XFRM_SA_XFLAG_DONT_ENCAP_DSCP != 0;
            }
            XFRMA_SA_DIR => {
                state.direction = match value.first() {
                    Some(&XFRM_SA_DIR_IN) => Some(SaDirection::In),
                    Some(&XFRM_SA_DIR_OUT) => Some(SaDirection::Out),
                    _ => None,
                }
            }
            raw::XFRMA_REPLAY_VAL => {
                let at = |place| u32_at(value, place, "XFRMA_REPLAY_VAL").map(u64::from);
                state.replay = Some(ReplayState {
                    sent: at(0)?,
                    received: at(4)?,
                });
            }
            raw::XFRMA_REPLAY_ESN_VAL => {
                let at = |place| u32_at(value, place, "XFRMA_REPLAY_ESN_VAL");
                let wide = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
                state.replay = Some(ReplayState {
                    sent: wide(at(12)?, at(4)?),
                    received: wide(at(16)?, at(8)?),
                });
                state.replay_window = at(20)?;
            }
            _ => {}
        }
    }
    Ok(state)
}

fn policy(info: &UserPolicyInfo, attributes: Attributes<'_>) -> Result<PolicyState, ParseError> {
    let mut state = PolicyState {
        selector: Selector::from_raw(&info.selector)?,
        direction: Direction::from_number(info.direction),
        index: PolicyIndex(info.index),
        priority: info.priority,
        action: match info.action {
            raw::XFRM_POLICY_ALLOW => Action::Allow,
            raw::XFRM_POLICY_BLOCK => Action::Block,
            value => {
                return Err(ParseError::Value {
                    what: "policy action",
                    value,
                });
            }
        },
        templates: Vec::new(),
        if_id: None,
        mark: None,
        flags: PolicyFlags {
            local_ok: info.flags & raw::XFRM_POLICY_LOCALOK != 0,
            icmp: info.flags & raw::XFRM_POLICY_ICMP != 0,
        },
        lifetimes: lifetimes(&info.lifetime_cfg),
        counters: counters(&info.lifetime_cur),
    };
    for attribute in attributes {
        match attribute? {
            (raw::XFRMA_TMPL, value) => {
                for chunk in value.chunks_exact(XFRM_USER_TEMPLATE_LEN) {
                    state
                        .templates
                        .push(template(&UserTemplate::parse(chunk)?)?);
                }
            }
            (raw::XFRMA_MARK, value) => state.mark = Some(mark(value)?),
            (raw::XFRMA_IF_ID, value) => state.if_id = if_id(value)?,
            _ => {}
        }
    }
    Ok(state)
}

fn template(raw: &UserTemplate) -> Result<Template, ParseError> {
    Ok(Template {
        source: address(&raw.saddr, raw.family)?,
        destination: address(&raw.id.daddr, raw.family)?,
        protocol: raw.id.proto.into(),
        mode: raw.mode.into(),
        reqid: raw.reqid,
        spi: NonZeroU32::new(raw.id.spi),
        optional: raw.optional != 0,
    })
}

/// `struct xfrm_algo`, or where it tells the ICV's length `xfrm_algo_aead` or `xfrm_algo_auth`. The key is not read.
fn algorithm(value: &[u8], tells_icv: bool) -> Result<InstalledAlgorithm, ParseError> {
    const WHAT: &str = "algorithm";
    let name = value.get(..64).ok_or_else(|| short(WHAT, 68, value))?;
    let end = name
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(name.len());
    Ok(InstalledAlgorithm {
        name: String::from_utf8_lossy(&name[..end]).into_owned(),
        key_bits: u32_at(value, 64, WHAT)?,
        icv_bits: tells_icv.then(|| u32_at(value, 68, WHAT)).transpose()?,
    })
}

fn encapsulation(value: &[u8]) -> Result<UdpEncapsulation, ParseError> {
    let raw = EncapTmpl::parse(value)?;
    Ok(UdpEncapsulation {
        source_port: raw.encap_sport,
        destination_port: raw.encap_dport,
    })
}

fn mark(value: &[u8]) -> Result<Mark, ParseError> {
    let RawMark { value, mask } = RawMark::parse(value)?;
    Ok(Mark { value, mask })
}

fn if_id(value: &[u8]) -> Result<Option<NonZeroU32>, ParseError> {
    u32_at(value, 0, "XFRMA_IF_ID").map(NonZeroU32::new)
}

fn lifetimes(raw: &LifetimeConfig) -> Lifetimes {
    let amount = |limit: u64| Some(limit).filter(|&limit| limit != raw::XFRM_INF);
    let seconds = |limit: u64| Some(limit).filter(|&limit| limit != 0 && limit != raw::XFRM_INF);
    Lifetimes {
        soft: Limits {
            seconds: seconds(raw.soft_add_expires_seconds),
            seconds_in_use: seconds(raw.soft_use_expires_seconds),
            bytes: amount(raw.soft_byte_limit),
            packets: amount(raw.soft_packet_limit),
        },
        hard: Limits {
            seconds: seconds(raw.hard_add_expires_seconds),
            seconds_in_use: seconds(raw.hard_use_expires_seconds),
            bytes: amount(raw.hard_byte_limit),
            packets: amount(raw.hard_packet_limit),
        },
    }
}

fn counters(raw: &Lifetime) -> Counters {
    Counters {
        bytes: raw.bytes,
        packets: raw.packets,
        added: raw.add_time,
        first_used: raw.use_time,
    }
}

/// Netlink attributes, each checked before it is handed out; ends after the first that does not fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8]), ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = std::mem::take(&mut self.0);
        if bytes.is_empty() {
            return None;
        }
        let Some(header) = bytes.get(..4) else {
            return Some(Err(short("attribute", 4, bytes)));
        };
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & NLA_TYPE_MASK;
        let Some(value) = bytes.get(4..length) else {
            return Some(Err(short("attribute", length.max(4), bytes)));
        };
        self.0 = bytes.get(align(length)..).unwrap_or_default();
        Some(Ok((kind, value)))
    }
}

fn find<'a>(attributes: Attributes<'a>, wanted: u16) -> Result<Option<&'a [u8]>, ParseError> {
    for attribute in attributes {
        let (kind, value) = attribute?;
        if kind == wanted {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn split<'a>(
    payload: &'a [u8],
    needed: usize,
    what: &'static str,
) -> Result<(&'a [u8], Attributes<'a>), ParseError> {
    match payload.split_at_checked(needed) {
        Some((fixed, attributes)) => Ok((fixed, Attributes(attributes))),
        None => Err(short(what, needed, payload)),
    }
}

fn u32_at(value: &[u8], at: usize, what: &'static str) -> Result<u32, ParseError> {
    match value.get(at..).and_then(<[u8]>::first_chunk) {
        Some(bytes) => Ok(u32::from_ne_bytes(*bytes)),
        None => Err(short(what, at + 4, value)),
    }
}

fn u64_at(value: &[u8], what: &'static str) -> Result<u64, ParseError> {
    match value.first_chunk() {
        Some(bytes) => Ok(u64::from_ne_bytes(*bytes)),
        None => Err(short(what, 8, value)),
    }
}

fn short(what: &'static str, needed: usize, got: &[u8]) -> ParseError {
    ParseError::Short {
        what,
        needed,
        got: got.len(),
    }
}
