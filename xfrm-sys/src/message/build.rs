//! Requests. Keys are copied once, from the caller's [`KeyMaterial`](crate::KeyMaterial) into a buffer that wipes itself.

use std::num::NonZeroU32;

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    NetlinkHeader,
};
use netlink_packet_xfrm::{
    Address, EncapTmpl, Id, LifetimeConfig, Mark as RawMark, ReplayEsn, UserPolicyId,
    UserPolicyInfo, UserSaId, UserSaInfo, UserSpiInfo, UserTemplate, constants as raw,
};
use zeroize::Zeroizing;

use super::{HEADER, align};
use crate::constants::{
    REPLAY_WINDOW_MAX, XFRM_MAX_DEPTH, XFRM_SA_DIR_IN, XFRM_SA_DIR_OUT, XFRMA_SA_DIR,
};
use crate::selector::family;
use crate::{
    Action, Algorithm, Direction, Keyed, Lifetimes, Limits, Mark, Mode, PolicyFlags, PolicyIndex,
    PolicySpec, Protocol, SaCrypto, SaDirection, SaId, SaSpec, Selector, SpiRequest, Template,
    XfrmError,
};

/// A request, complete but for its sequence number.
pub(crate) struct Message {
    operation: &'static str,
    bytes: Zeroizing<Vec<u8>>,
}

/// Room for any request but one with a huge replay bitmap: the buffer is then wiped and replaced, never reallocated in place.
const CAPACITY: usize = 1024;

impl Message {
    pub(crate) fn new_sa(spec: &SaSpec, sa_direction: bool) -> Result<Self, XfrmError> {
        let mut message = Self::new(
            "NEWSA",
            raw::XFRM_MSG_NEWSA,
            NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
        );
        message.sa(spec, sa_direction)?;
        Ok(message)
    }

    pub(crate) fn update_sa(spec: &SaSpec, sa_direction: bool) -> Result<Self, XfrmError> {
        let mut message = Self::new("UPDSA", raw::XFRM_MSG_UPDSA, NLM_F_ACK | NLM_F_REPLACE);
        message.sa(spec, sa_direction)?;
        Ok(message)
    }

    pub(crate) fn delete_sa(id: &SaId) -> Self {
        Self::new("DELSA", raw::XFRM_MSG_DELSA, NLM_F_ACK).sa_id(id)
    }

    pub(crate) fn get_sa(id: &SaId) -> Self {
        Self::new("GETSA", raw::XFRM_MSG_GETSA, NLM_F_ACK).sa_id(id)
    }

    pub(crate) fn list_sas() -> Self {
        Self::new("GETSA", raw::XFRM_MSG_GETSA, NLM_F_DUMP)
    }

    /// Reserves an SPI from `minimum` to `maximum` for an inbound SA between two addresses.
    pub(crate) fn allocate_spi(
        request: &SpiRequest,
        sa_direction: bool,
    ) -> Result<Self, XfrmError> {
        const OPERATION: &str = "ALLOCSPI";
        let invalid = |problem| {
            Err(XfrmError::Invalid {
                operation: OPERATION,
                problem,
            })
        };
        if request.source.is_ipv4() != request.destination.is_ipv4() {
            return invalid("source and destination are of one address family");
        }
        if *request.spis.start() < 256 || request.spis.is_empty() {
            return invalid("an SPI range begins at 256 or above and is not empty");
        }
        let mut message = Self::new(OPERATION, raw::XFRM_MSG_ALLOCSPI, NLM_F_ACK);
        message.put(&UserSpiInfo {
            info: UserSaInfo {
                id: Id {
                    daddr: Address::from_ip(&request.destination),
                    spi: 0,
                    proto: request.protocol.number(),
                },
                saddr: Address::from_ip(&request.source),
                reqid: request.reqid,
                family: family(&request.destination),
                mode: request.mode.number(),
                ..UserSaInfo::default()
            },
            min: *request.spis.start(),
            max: *request.spis.end(),
        });
        message.namespace(request.if_id, request.mark);
        if sa_direction {
            message.attribute(XFRMA_SA_DIR, &[&[XFRM_SA_DIR_IN]]);
        }
        Ok(message)
    }

    pub(crate) fn new_policy(spec: &PolicySpec) -> Result<Self, XfrmError> {
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        Self::new("NEWPOLICY", raw::XFRM_MSG_NEWPOLICY, flags).policy(spec)
    }

    pub(crate) fn update_policy(spec: &PolicySpec) -> Result<Self, XfrmError> {
        let flags = NLM_F_ACK | NLM_F_REPLACE;
        Self::new("UPDPOLICY", raw::XFRM_MSG_UPDPOLICY, flags).policy(spec)
    }

    /// Names a policy by its index. The kernel looks in the namespace of the policy's mark and xfrm interface only.
    pub(crate) fn policy_by_index(
        delete: bool,
        index: PolicyIndex,
        if_id: Option<NonZeroU32>,
        mark: Option<Mark>,
    ) -> Self {
        let mut message = Self::delete_or_get_policy(delete);
        message.put(&UserPolicyId {
            index: index.get(),
            direction: (index.get() & 7) as u8,
            ..UserPolicyId::default()
        });
        message.namespace(if_id, mark);
        message
    }

    pub(crate) fn policy_by_selector(
        delete: bool,
        selector: &Selector,
        direction: Direction,
        if_id: Option<NonZeroU32>,
        mark: Option<Mark>,
    ) -> Result<Self, XfrmError> {
        let mut message = Self::delete_or_get_policy(delete);
        message.put(&UserPolicyId {
            selector: selector.to_raw(message.operation)?,
            index: 0,
            direction: direction.number(),
        });
        message.namespace(if_id, mark);
        Ok(message)
    }

    pub(crate) fn list_policies() -> Self {
        Self::new("GETPOLICY", raw::XFRM_MSG_GETPOLICY, NLM_F_DUMP)
    }

    pub(crate) fn sad_info() -> Self {
        let mut message = Self::new("GETSADINFO", raw::XFRM_MSG_GETSADINFO, NLM_F_ACK);
        message.extend(&u32::MAX.to_ne_bytes());
        message
    }

    pub(crate) fn spd_info() -> Self {
        let mut message = Self::new("GETSPDINFO", raw::XFRM_MSG_GETSPDINFO, NLM_F_ACK);
        message.extend(&u32::MAX.to_ne_bytes());
        message
    }

    /// A message of any type and content, for probes.
    pub(crate) fn raw(operation: &'static str, kind: u16, payload: &[u8]) -> Self {
        let mut message = Self::new(operation, kind, NLM_F_ACK);
        message.extend(payload);
        message
    }

    /// What is asked, as the kernel calls it.
    pub(crate) fn operation(&self) -> &'static str {
        self.operation
    }

    /// The bytes to send.
    pub(crate) fn numbered(&mut self, sequence: u32) -> &[u8] {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        &self.bytes
    }

    fn new(operation: &'static str, kind: u16, flags: u16) -> Self {
        let mut message = Self {
            operation,
            bytes: Zeroizing::new(Vec::with_capacity(CAPACITY)),
        };
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        header.flags = flags | NLM_F_REQUEST;
        message.put(&header);
        debug_assert_eq!(message.bytes.len(), HEADER);
        message
    }

    fn delete_or_get_policy(delete: bool) -> Self {
        match delete {
            true => Self::new("DELPOLICY", raw::XFRM_MSG_DELPOLICY, NLM_F_ACK),
            false => Self::new("GETPOLICY", raw::XFRM_MSG_GETPOLICY, NLM_F_ACK),
        }
    }

    fn sa_id(mut self, id: &SaId) -> Self {
        self.put(&UserSaId {
            daddr: Address::from_ip(&id.destination),
            spi: id.spi,
            family: family(&id.destination),
            proto: id.protocol.number(),
        });
        self.mark(id.mark);
        self
    }

    fn sa(&mut self, spec: &SaSpec, sa_direction: bool) -> Result<(), XfrmError> {
        let operation = self.operation;
        let invalid = |problem| Err(XfrmError::Invalid { operation, problem });
        if spec.source.is_ipv4() != spec.destination.is_ipv4() {
            return invalid("an SA's source and destination are of one address family");
        }
        if spec.spi < 256 {
            return invalid("an SPI is 256 or above");
        }
        if spec.replay_window > REPLAY_WINDOW_MAX {
            return invalid("a replay window has at most 4096 packets");
        }
        if spec.encapsulation.is_some() && spec.crypto.protocol() != Protocol::Esp {
            return invalid("only ESP goes into UDP");
        }
        let window = replay_window(spec, sa_direction);
        let in_attribute = spec.esn || window > 32;
        self.put(&UserSaInfo {
            selector: match &spec.selector {
                Some(selector) => selector.to_raw(operation)?,
                None => Default::default(),
            },
            id: Id {
                daddr: Address::from_ip(&spec.destination),
                spi: spec.spi,
                proto: spec.crypto.protocol().number(),
            },
            saddr: Address::from_ip(&spec.source),
            lifetime_cfg: lifetimes(&spec.lifetimes),
            seq: spec.sequence.map_or(0, Into::into),
            reqid: spec.reqid,
            family: family(&spec.destination),
            mode: spec.mode.number(),
            replay_window: if in_attribute { 0 } else { window as u8 },
            flags: sa_flags(spec),
            ..UserSaInfo::default()
        });
        if in_attribute {
            let words = window.div_ceil(32);
            self.attribute_of(
                raw::XFRMA_REPLAY_ESN_VAL,
                &ReplayEsn {
                    bmp_len: words,
                    replay_window: window,
                    bmp: vec![0; words as usize],
                    ..ReplayEsn::default()
                },
            );
        }
        if let Some(encapsulation) = spec.encapsulation {
            self.attribute_of(
                raw::XFRMA_ENCAP,
                &EncapTmpl {
                    encap_type: raw::UDP_ENCAP_ESPINUDP,
                    encap_sport: encapsulation.source_port,
                    encap_dport: encapsulation.destination_port,
                    encap_oa: Address::default(),
                },
            );
        }
        if spec.flags.no_dscp_copy && spec.direction == SaDirection::Out {
            let flags = raw::XFRM_SA_XFLAG_DONT_ENCAP_DSCP;
            self.attribute(raw::XFRMA_SA_EXTRA_FLAGS, &[&flags.to_ne_bytes()]);
        }
        if sa_direction {
            let direction = match spec.direction {
                SaDirection::In => XFRM_SA_DIR_IN,
                SaDirection::Out => XFRM_SA_DIR_OUT,
            };
            self.attribute(XFRMA_SA_DIR, &[&[direction]]);
        }
        self.namespace(spec.if_id, spec.mark);
        match &spec.crypto {
            SaCrypto::Aead(aead) => {
                self.algorithm(raw::XFRMA_ALG_AEAD, aead, Some(aead.algorithm().icv_bits()));
            }
            SaCrypto::Separate {
                encryption,
                integrity,
            } => {
                self.algorithm(raw::XFRMA_ALG_CRYPT, encryption, None);
                let icv = integrity.algorithm().icv_bits();
                self.algorithm(raw::XFRMA_ALG_AUTH_TRUNC, integrity, Some(icv));
            }
            SaCrypto::Authentication(integrity) => {
                let icv = integrity.algorithm().icv_bits();
                self.algorithm(raw::XFRMA_ALG_AUTH_TRUNC, integrity, Some(icv));
            }
        }
        Ok(())
    }

    fn policy(mut self, spec: &PolicySpec) -> Result<Self, XfrmError> {
        let operation = self.operation;
        let invalid = |problem| Err(XfrmError::Invalid { operation, problem });
        if spec.number > PolicyIndex::NUMBER_MAX {
            return invalid("a policy's number is below 2^29");
        }
        if spec.templates.len() > XFRM_MAX_DEPTH {
            return invalid("a policy has at most 6 templates");
        }
        if spec
            .templates
            .iter()
            .any(|t| t.source.is_ipv4() != t.destination.is_ipv4())
        {
            return invalid("a template's source and destination are of one address family");
        }
        self.put(&policy_info(spec, operation)?);
        if !spec.templates.is_empty() {
            let templates: Vec<UserTemplate> = spec.templates.iter().map(template).collect();
            let mut bytes = vec![0; templates.iter().map(Emitable::buffer_len).sum()];
            let mut rest = bytes.as_mut_slice();
            for template in &templates {
                let (this, after) = rest.split_at_mut(template.buffer_len());
                template.emit(this);
                rest = after;
            }
            self.attribute(raw::XFRMA_TMPL, &[&bytes]);
        }
        self.namespace(spec.if_id, spec.mark);
        Ok(self)
    }

    fn namespace(&mut self, if_id: Option<NonZeroU32>, mark: Option<Mark>) {
        self.mark(mark);
        if let Some(if_id) = if_id {
            self.attribute(raw::XFRMA_IF_ID, &[&if_id.get().to_ne_bytes()]);
        }
    }

    fn mark(&mut self, mark: Option<Mark>) {
        if let Some(Mark { value, mask }) = mark {
            self.attribute_of(raw::XFRMA_MARK, &RawMark { value, mask });
        }
    }

    /// `struct xfrm_algo`, or with the ICV's length `xfrm_algo_aead` and `xfrm_algo_auth`: lengths in bits.
    fn algorithm<A: Algorithm>(&mut self, kind: u16, keyed: &Keyed<A>, icv_bits: Option<u32>) {
        let mut name = [0; 64];
        let text = keyed.algorithm().kernel_name().as_bytes();
        name[..text.len()].copy_from_slice(text);
        let key_bits = (keyed.key().len() as u32 * 8).to_ne_bytes();
        let icv_bits = icv_bits.map(u32::to_ne_bytes);
        let icv_bits = icv_bits.as_ref().map_or([].as_slice(), |bits| bits);
        self.attribute(kind, &[&name, &key_bits, icv_bits, keyed.key().expose()]);
    }

    fn attribute_of(&mut self, kind: u16, value: &impl Emitable) {
        let mut bytes = vec![0; value.buffer_len()];
        value.emit(&mut bytes);
        self.attribute(kind, &[&bytes]);
    }

    pub(crate) fn attribute(&mut self, kind: u16, parts: &[&[u8]]) {
        let length: usize = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
        let length = u16::try_from(length).expect("every attribute built here is below 64 KiB");
        self.extend(&length.to_ne_bytes());
        self.extend(&kind.to_ne_bytes());
        for part in parts {
            self.extend(part);
        }
        let padding = align(self.bytes.len()) - self.bytes.len();
        self.extend(&[0; 3][..padding]);
    }

    fn put(&mut self, value: &impl Emitable) {
        let start = self.bytes.len();
        let length = value.buffer_len();
        self.reserve(length);
        self.bytes.resize(start + length, 0);
        value.emit(&mut self.bytes[start..]);
    }

    fn extend(&mut self, part: &[u8]) {
        self.reserve(part.len());
        self.bytes.extend_from_slice(part);
    }

    /// `Vec` would leave the old bytes behind when it grows: here they are wiped.
    fn reserve(&mut self, additional: usize) {
        if self.bytes.capacity() - self.bytes.len() < additional {
            let mut larger =
                Vec::with_capacity((self.bytes.len() + additional).next_power_of_two());
            larger.extend_from_slice(&self.bytes);
            self.bytes = Zeroizing::new(larger);
        }
    }
}

/// An outbound SA needs no window, and with a direction must have none; but a kernel that is not told the direction takes
/// no ESN without one.
fn replay_window(spec: &SaSpec, sa_direction: bool) -> u32 {
    match spec.direction {
        SaDirection::In if spec.esn => spec.replay_window.max(1),
        SaDirection::In => spec.replay_window,
        SaDirection::Out if spec.esn && !sa_direction => 1,
        SaDirection::Out => 0,
    }
}

fn sa_flags(spec: &SaSpec) -> u8 {
    let inbound = spec.direction == SaDirection::In;
    let any_family =
        spec.flags.any_inner_family || (spec.mode == Mode::Tunnel && spec.selector.is_none());
    [
        (spec.flags.no_ecn, raw::XFRM_STATE_NOECN),
        (
            spec.flags.decapsulate_dscp && inbound,
            raw::XFRM_STATE_DECAP_DSCP,
        ),
        (
            spec.flags.no_path_mtu_discovery && !inbound,
            raw::XFRM_STATE_NOPMTUDISC,
        ),
        (spec.flags.icmp && inbound, raw::XFRM_STATE_ICMP),
        (any_family, raw::XFRM_STATE_AF_UNSPEC),
        (spec.flags.align4, raw::XFRM_STATE_ALIGN4),
        (spec.esn, raw::XFRM_STATE_ESN),
    ]
    .into_iter()
    .filter_map(|(set, flag)| set.then_some(flag))
    .fold(0, |flags, flag| flags | flag)
}

fn lifetimes(lifetimes: &Lifetimes) -> LifetimeConfig {
    let amount = |limit: Option<u64>| limit.filter(|&limit| limit != 0).unwrap_or(raw::XFRM_INF);
    let Lifetimes { soft, hard } = lifetimes;
    let Limits {
        seconds,
        seconds_in_use,
        bytes,
        packets,
    } = *soft;
    LifetimeConfig {
        soft_byte_limit: amount(bytes),
        // 0 is a limit that the first packet finds reached.
        soft_packet_limit: packets.unwrap_or(raw::XFRM_INF),
        soft_add_expires_seconds: seconds.unwrap_or(0),
        soft_use_expires_seconds: seconds_in_use.unwrap_or(0),
        hard_byte_limit: amount(hard.bytes),
        hard_packet_limit: amount(hard.packets),
        hard_add_expires_seconds: hard.seconds.unwrap_or(0),
        hard_use_expires_seconds: hard.seconds_in_use.unwrap_or(0),
    }
}

fn policy_info(spec: &PolicySpec, operation: &'static str) -> Result<UserPolicyInfo, XfrmError> {
    let PolicyFlags { local_ok, icmp } = spec.flags;
    Ok(UserPolicyInfo {
        selector: spec.selector.to_raw(operation)?,
        priority: spec.priority,
        index: spec.index().map_or(0, PolicyIndex::get),
        direction: spec.direction.number(),
        action: match spec.action {
            Action::Allow => raw::XFRM_POLICY_ALLOW,
            Action::Block => raw::XFRM_POLICY_BLOCK,
        },
        flags: u8::from(local_ok) * raw::XFRM_POLICY_LOCALOK
            + u8::from(icmp) * raw::XFRM_POLICY_ICMP,
        ..UserPolicyInfo::default()
    })
}

fn template(template: &Template) -> UserTemplate {
    UserTemplate {
        id: Id {
            daddr: Address::from_ip(&template.destination),
            spi: template.spi.map_or(0, Into::into),
            proto: template.protocol.number(),
        },
        family: family(&template.destination),
        saddr: Address::from_ip(&template.source),
        reqid: template.reqid,
        mode: template.mode.number(),
        share: raw::XFRM_SHARE_ANY,
        optional: template.optional.into(),
        aalgos: u32::MAX,
        ealgos: u32::MAX,
        calgos: u32::MAX,
    }
}
