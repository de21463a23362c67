//! Traffic: the children of connections, and what passes or is dropped beside them.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ike::config::proposal;
use ike::config::selector::Selector;
use ike::config::selector::narrow::MAX_SELECTORS;
use ike::config::{Child, Keep, Mode, Shunt, ShuntAction, Volume, WithoutSa};
use ike::crypto::algorithms::Keyword;

use super::values::{read_duration, read_number, read_priority, read_word};
use super::{FoundShunt, Named, named};
use crate::report::{Code, Severity};
use crate::walk::{Bad, Draft, Fields, Place, Walk};
use crate::words::{self, MAX_PROPOSALS};
use crate::yaml::{Node, Value};

const DEFAULT_REPLAY_WINDOW: u32 = 128;
const DEFAULT_LIFETIME: Duration = Duration::from_secs(8 * 3600);

/// A child and where it was found.
pub(super) struct ReadChild {
    pub(super) place: Place,
    /// Its proposals, where it has any of its own.
    pub(super) esp: Option<Place>,
    pub(super) child: Arc<Child>,
}

/// What stands under `children`.
pub(super) fn read_children(
    walk: &mut Walk<'_>,
    node: &Node,
    path: &str,
    ends: [EndAddress; 2],
) -> Vec<ReadChild> {
    let entries = named(walk, node, path, "children");
    entries
        .into_iter()
        .filter_map(|entry| read_child(walk, entry, ends))
        .collect()
}

/// The address of an end; `None` within for any, `None` where what is written is none.
type EndAddress = Option<Option<IpAddr>>;

fn read_child(
    walk: &mut Walk<'_>,
    entry: Named<'_>,
    [local_end, remote_end]: [EndAddress; 2],
) -> Option<ReadChild> {
    let fields = walk.fields(entry.node, Some(entry.key), &entry.path, &words::CHILD)?;
    let mode = read_mode(walk, &fields);
    let (local, remote) = match mode {
        Some(Mode::Transport) => (
            read_own_selectors(walk, &fields, "local", (local_end, remote_end)),
            read_own_selectors(walk, &fields, "remote", (remote_end, local_end)),
        ),
        Some(Mode::Tunnel) => (
            read_selectors(walk, &fields, "local"),
            read_selectors(walk, &fields, "remote"),
        ),
        None => (None, None),
    };
    let proposals = read_proposals(walk, &fields, "esp", proposal::read_esp);
    let keep = read_keep(walk, &fields);
    let idle = keep.and_then(|keep| read_idle(walk, &fields, keep));
    let without_sa = keep.and_then(|keep| read_without_sa(walk, &fields, keep));
    let window = read_number(walk, &fields, "replay_window", DEFAULT_REPLAY_WINDOW);
    let lifetime = read_duration(walk, &fields, "lifetime", DEFAULT_LIFETIME);
    let rekey_after = lifetime.and_then(|lifetime| read_rekey_after(walk, &fields, lifetime));
    let bytes = read_volume(walk, &fields, "rekey_after_bytes", "lifetime_bytes");
    let packets = read_volume(walk, &fields, "rekey_after_packets", "lifetime_packets");
    let priority = read_priority(walk, &fields);
    let ((soft_bytes, hard_bytes), (soft_packets, hard_packets)) = (bytes?, packets?);
    let child = Child {
        mode: mode?,
        name: entry.name?,
        local: local?,
        remote: remote?,
        proposals,
        keep: keep?,
        replay_window: window?,
        hard_lifetime: lifetime?,
        rekey_after: rekey_after?,
        rekey_volume: Volume {
            bytes: soft_bytes,
            packets: soft_packets,
        },
        hard_volume: Volume {
            bytes: hard_bytes,
            packets: hard_packets,
        },
        priority: priority?,
        idle: idle?,
        without_sa: without_sa?,
    };
    let esp = fields
        .get("esp")
        .map(|node| walk.place(node, &fields.path("esp")));
    let child = Arc::new(child);
    Some(ReadChild {
        place: fields.place,
        esp,
        child,
    })
}

/// When a Child SA is replaced: before its life ends. `None` within: only by the peer.
fn read_rekey_after(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    lifetime: Duration,
) -> Option<Option<Duration>> {
    let after = read_duration(walk, fields, "rekey_after", lifetime.mul_f64(0.9))?;
    if let Some(node) = fields.get("rekey_after")
        && after >= lifetime
    {
        let seconds = lifetime.as_secs();
        let bad = Bad::new(format!(
            "the Child SA has ended by then: its lifetime is {seconds}s"
        ));
        let bad = bad.suggest("leave it out for nine tenths of the lifetime".to_owned());
        let path = fields.path("rekey_after");
        walk.tell(Code::BadDuration, Severity::Error, node, &path, bad);
        return None;
    }
    Some((!after.is_zero()).then_some(after))
}

/// After how much a Child SA is replaced, and after how much it ends.
fn read_volume(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    soft: &str,
    hard: &str,
) -> Option<(Option<u64>, Option<u64>)> {
    let mut read = |key: &str| match fields.get(key) {
        Some(_) => read_number(walk, fields, key, u64::MAX).map(Some),
        None => Some(None),
    };
    let (after, end) = (read(soft)?, read(hard)?);
    if let (Some(after), Some(end), Some(node)) = (after, end, fields.get(soft))
        && after >= end
    {
        let bad = Bad::new(format!("the Child SA has ended by then: {hard} is {end}"));
        let bad = bad.suggest(format!("leave it out for nine tenths of {hard}"));
        let path = fields.path(soft);
        walk.tell(Code::BadNumber, Severity::Error, node, &path, bad);
        return None;
    }
    let tenth_less = || end.map(|end| end - end / 10);
    let doubled = || after.map(|after| after.saturating_mul(2));
    Some((after.or_else(tenth_less), end.or_else(doubled)))
}

fn read_mode(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Mode> {
    let words = [("tunnel", Mode::Tunnel), ("transport", Mode::Transport)];
    let elsewhere = [
        ("host", "transport"),
        ("beet", "tunnel"),
        ("iptfs", "tunnel"),
        ("pass", "policies: { NAME: { pass: ... } }"),
        ("drop", "policies: { NAME: { drop: ... } }"),
    ];
    read_word(walk, fields, "mode", Mode::Tunnel, &words, &elsewhere)
}

/// Selectors of transport mode: of the end's own address, which is left out but for a protocol and ports. Empty where all
/// its traffic is meant and the address is not known. `other`: the address of the other end, which says the family.
fn read_own_selectors(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    key: &str,
    (end, other): (EndAddress, EndAddress),
) -> Option<Vec<Selector>> {
    let (end, other) = (end?, other?);
    let Some(node) = fields.get(key) else {
        return match end {
            Some(address) => Some(vec![Selector::from(address)]),
            None => Some(Vec::new()),
        };
    };
    let read = |walk: &mut Walk<'_>, node: &Node, path: &str| {
        let text = walk.scalar(node, path, "a protocol with ports, such as tcp/443")?;
        let ports = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text);
        if let Some(selectors) = own_ports(ports, end, other) {
            let selectors = selectors.into_iter();
            return selectors
                .map(|selector| in_kernel(walk, node, path, selector))
                .collect();
        }
        let selector = read_selector(walk, node, path)?;
        if let Some(end) = end.filter(|end| selector.addresses != Selector::from(*end).addresses) {
            let bad = Bad::new(format!(
                "`{selector}`: transport mode protects what the two ends send each other, and that end is {end}"
            ));
            let bad = bad.suggest(format!(
                "leave `{key}` out, write only a protocol with ports such as tcp/443, or use mode: tunnel for networks"
            ));
            walk.tell(Code::TransportEnds, Severity::Error, node, path, bad);
            return None;
        }
        Some(vec![selector])
    };
    let expected = ("a protocol with ports or a list of them", MAX_SELECTORS);
    let selectors = walk.one_or_more(node, &fields.path(key), expected, read)?;
    Some(selectors.concat())
}

/// A protocol with ports of an end; where its address is not known, of any address of the families that it may have.
fn own_ports(ports: &str, end: Option<IpAddr>, other: Option<IpAddr>) -> Option<Vec<Selector>> {
    let networks = match (end, other) {
        (Some(end), _) => vec![end.to_string()],
        (None, Some(IpAddr::V4(_))) => vec!["0.0.0.0/0".to_owned()],
        (None, Some(IpAddr::V6(_))) => vec!["::/0".to_owned()],
        (None, None) => vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()],
    };
    let selectors = networks
        .iter()
        .map(|network| format!("{network}[{ports}]").parse().ok());
    selectors.collect()
}

fn read_keep(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Keep> {
    let words = [
        ("up", Keep::Up),
        ("on-demand", Keep::OnDemand),
        ("passive", Keep::Passive),
    ];
    let elsewhere = [
        ("start", "up"),
        ("always", "up"),
        ("add", "passive"),
        ("trap", "on-demand"),
        ("route", "on-demand"),
        ("ondemand", "on-demand"),
        ("on_demand", "on-demand"),
        ("down", "passive"),
    ];
    read_word(walk, fields, "keep", Keep::Passive, &words, &elsewhere)
}

/// After how long without traffic a Child SA is closed. `None` within: never.
fn read_idle(walk: &mut Walk<'_>, fields: &Fields<'_>, keep: Keep) -> Option<Option<Duration>> {
    let idle = read_duration(walk, fields, "idle", Duration::ZERO)?;
    let idle = (!idle.is_zero()).then_some(idle);
    if let (Some(node), Some(_), Keep::Up) = (fields.get("idle"), idle, keep) {
        let bad = Bad::new("`keep: up` brings back at once what `idle` closes");
        let bad = bad.suggest("leave it out, or write keep: on-demand");
        let path = fields.path("idle");
        walk.tell(Code::BadDuration, Severity::Error, node, &path, bad);
        return None;
    }
    Some(idle)
}

fn read_without_sa(walk: &mut Walk<'_>, fields: &Fields<'_>, keep: Keep) -> Option<WithoutSa> {
    let words = [("drop", WithoutSa::Drop), ("pass", WithoutSa::Pass)];
    let elsewhere = [
        ("block", "drop"),
        ("none", "pass"),
        ("passthrough", "pass"),
        ("hold", "drop"),
        ("trap", "drop, with keep: on-demand"),
    ];
    let (key, default) = ("without_sa", WithoutSa::Drop);
    let found = read_word(walk, fields, key, default, &words, &elsewhere)?;
    if let (Some(node), WithoutSa::Pass, Keep::OnDemand) = (fields.get(key), found, keep) {
        let bad = Bad::new(
            "with `keep: on-demand` packets wait for the SA that they ask for: none goes in clear",
        );
        let bad = bad.suggest("leave it out, or write keep: passive where the peer asks");
        walk.tell(Code::BadWord, Severity::Error, node, &fields.path(key), bad);
        return None;
    }
    Some(found)
}

/// What stands under the name of a policy.
pub(super) fn read_shunt(walk: &mut Walk<'_>, entry: Named<'_>) -> Option<FoundShunt> {
    let fields = walk.fields(entry.node, Some(entry.key), &entry.path, &words::POLICY)?;
    let (action, node) = match (fields.get("pass"), fields.get("drop")) {
        (Some(node), None) => (ShuntAction::Pass, node),
        (None, Some(node)) => (ShuntAction::Drop, node),
        _ if fields.is_misspelt() => return None,
        (found, _) => {
            let message = if found.is_some() {
                "both pass and drop"
            } else {
                "neither pass nor drop"
            };
            let draft = Draft::of(
                Code::MissingKey,
                Severity::Error,
                &fields.place,
                format!("{message}: a policy does one of them"),
            );
            walk.drafts.push(draft.suggest(
                "write pass: { local: ..., remote: ... } or drop: { local: ..., remote: ... }",
            ));
            return None;
        }
    };
    let path = fields.path(if action == ShuntAction::Pass {
        "pass"
    } else {
        "drop"
    });
    let inner = walk.fields(node, None, &path, &words::SHUNT)?;
    let local = read_selectors(walk, &inner, "local");
    let remote = read_selectors(walk, &inner, "remote");
    let priority = read_priority(walk, &inner);
    let shunt = Shunt {
        name: entry.name?,
        action,
        local: local?,
        remote: remote?,
        priority: priority?,
    };
    Some(FoundShunt {
        shunt,
        place: fields.place,
    })
}

fn read_selectors(walk: &mut Walk<'_>, fields: &Fields<'_>, key: &str) -> Option<Vec<Selector>> {
    let node = walk.required(fields, key, &format!("{key}: 10.1.0.0/16"))?;
    walk.one_or_more(
        node,
        &fields.path(key),
        ("a traffic selector or a list of them", MAX_SELECTORS),
        read_selector,
    )
}

fn read_selector(walk: &mut Walk<'_>, node: &Node, path: &str) -> Option<Selector> {
    let parse = |text: &str| {
        text.parse::<Selector>().map_err(|error| Bad {
            message: error.to_string(),
            suggestion: error.suggestion.map(|text| format!("write {text}")),
            at: Some(error.at),
        })
    };
    let selector = walk.parsed(node, path, Code::BadSelector, "a traffic selector", parse)?;
    in_kernel(walk, node, path, selector)
}

fn in_kernel(walk: &mut Walk<'_>, node: &Node, path: &str, selector: Selector) -> Option<Selector> {
    if let Err(limit) = selector.to_kernel() {
        let bad = Bad::new(format!("`{selector}`: {limit}"));
        walk.tell(Code::KernelCannotSelect, Severity::Error, node, path, bad);
        return None;
    }
    Some(selector)
}

/// The AEADs of a proposal's text whose tags are shorter than 16 bytes: where, which, how long.
fn short_tags(node: &Node) -> Vec<(Range<usize>, &str, usize)> {
    let Value::Scalar(text) = &node.value else {
        return Vec::new();
    };
    let mut start = 0;
    let short = |word: &'_ str| match Keyword::find(word) {
        Some(Keyword::Encryption(row)) => row.icv_length.filter(|length| *length < 16),
        _ => None,
    };
    let mut all = Vec::new();
    for word in text.split('-') {
        let at = start..start + word.len();
        start = at.end + 1;
        all.extend(short(word).map(|length| (at, word, length)));
    }
    all
}

/// Proposals, or the default ones. Empty where one of them is wrong. Algorithms that work only because they are named are
/// told of.
pub(super) fn read_proposals<T: PartialEq>(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    key: &str,
    parse: fn(&str) -> Result<Vec<T>, proposal::ProposalError>,
) -> Vec<T> {
    let Some(node) = fields.get(key) else {
        return parse("default").expect("`default` is a word for proposals");
    };
    let read = |walk: &mut Walk<'_>, node: &Node, path: &str| {
        let read = walk.parsed(node, path, Code::BadProposal, "a proposal", |text| {
            let weak = proposal::weaknesses(text);
            let proposals = parse(text).map_err(|error| Bad {
                message: error.to_string(),
                suggestion: error.suggestion.clone(),
                at: Some(error.at),
            })?;
            Ok((proposals, weak))
        });
        let (proposals, weak) = read?;
        for (at, word, bytes) in short_tags(node) {
            let bad = Bad {
                message: format!(
                    "`{word}` has an authentication tag of {bytes} bytes: few peers offer it, and forging packets is easier"
                ),
                suggestion: Some(
                    "take the one of 16 bytes, unless the link is so narrow that the rest counts"
                        .to_owned(),
                ),
                at: Some(at),
            };
            let severity = if bytes < 12 {
                Severity::Warning
            } else {
                Severity::Note
            };
            walk.tell(Code::ShortTag, severity, node, path, bad);
        }
        for proposal::Weakness { at, word, why } in weak {
            let bad = Bad {
                message: format!("`{word}` is weak: {why}"),
                suggestion: Some("leave it out as soon as the peer can do better".to_owned()),
                at: Some(at),
            };
            walk.tell(Code::WeakAlgorithm, Severity::Warning, node, path, bad);
        }
        Some(proposals)
    };
    let lists = walk.one_or_more(
        node,
        &fields.path(key),
        ("a proposal or a list of them", MAX_PROPOSALS),
        read,
    );
    let mut all = Vec::new();
    for proposal in lists.unwrap_or_default().into_iter().flatten() {
        if !all.contains(&proposal) {
            all.push(proposal);
        }
    }
    all
}
