//! The language: what a policy file may say, and which types it becomes.
//!
//! ```yaml
//! version: 1
//! kernel: xfrm                    # or none: IKE SAs without children, for floods and load
//! connections:
//!   NAME:
//!     local:    { address: IP | any, id: ID }          # both may be left out where the other is there
//!     remote:   { address: IP | any, id: ID }          # no address: whoever comes
//!     auth:     { psk: { file: PATH } }                # or psk: "..." in a file of mode 0600; 0x..., 0s... (base64)
//!     ike:      PROPOSAL or a list                     # default: today's best
//!     liveness: { interval: 30s | never, give_up: 60s }
//!     children:
//!       NAME:
//!         local:  SELECTOR or a list                   # 10.1.0.0/16, 10.1.0.5-10.1.0.9[tcp/443]
//!         remote: SELECTOR or a list
//!         esp:    PROPOSAL or a list                   # default: today's best
//!         keep:   up | passive                         # default: passive
//!         lifetime: 8h
//!         replay_window: 128                           # packets; 0: off
//!         priority: 10                                 # 1 goes first; default: by how narrow the selectors are
//! policies:
//!   NAME: { pass: { local: SELECTOR, remote: SELECTOR, priority: 10 } }      # or drop
//! limits: { half_open: 1024, half_open_per_address: 8, half_open_timeout: 30s, cookie_threshold: 32, children_per_ike_sa: 64 }
//! ```

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ike::config::identity::Identity;
use ike::config::proposal;
use ike::config::selector::Selector;
use ike::config::selector::narrow::MAX_SELECTORS;
use ike::config::{
    Authentication, Child, Configuration, Connection, Keep, KernelMode, Limits, Liveness, Local,
    Name, Remote, Shunt, ShuntAction,
};
use ike::crypto::Secret;

use crate::check;
use crate::report::{Code, Report, Severity, printable};
use crate::source::Source;
use crate::walk::{self, Bad, Draft, Fields, Place, Walk, join};
use crate::words;
use crate::yaml::{self, Node, Value};
use crate::{Loaded, Secrets, secret};

/// The version of the language that is read.
pub const VERSION: u32 = 1;
/// Largest replay window that the kernel takes, in packets.
const MAX_REPLAY_WINDOW: u32 = 4096;
const DEFAULT_REPLAY_WINDOW: u32 = 128;
const DEFAULT_LIFETIME: Duration = Duration::from_secs(8 * HOUR);
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// Proposals that one message has room for, and a person can follow.
const MAX_PROPOSALS: usize = 32;

/// A connection and where it was found.
pub(crate) struct FoundConnection {
    pub(crate) connection: Connection,
    pub(crate) place: Place,
    /// Where its children were found, in their order.
    pub(crate) children: Vec<Place>,
    /// Whether the file gives it no child, not even a wrong one.
    pub(crate) childless: bool,
    secret: Option<Secret>,
}

/// A pass or drop policy and where it was found.
pub(crate) struct FoundShunt {
    pub(crate) shunt: Shunt,
    pub(crate) place: Place,
}

/// What all files together say.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) connections: Vec<FoundConnection>,
    pub(crate) shunts: Vec<FoundShunt>,
    kernel: Option<(KernelMode, Place)>,
    limits: Option<(Limits, Place)>,
}

impl Found {
    pub(crate) fn kernel_mode(&self) -> KernelMode {
        self.kernel
            .as_ref()
            .map_or(KernelMode::Xfrm, |(mode, _)| *mode)
    }
}

/// Reads all texts and checks them as a whole. `check_mode`: whether secrets that others can read are refused.
pub(crate) fn load(
    sources: Vec<Source>,
    mut drafts: Vec<Draft>,
    check_mode: bool,
) -> Result<Loaded, Report> {
    let mut found = Found::default();
    let mut visible = Vec::new();
    for (file, source) in sources.iter().enumerate() {
        match yaml::parse(file, source) {
            Ok(root) => {
                let mut walk = Walk {
                    file,
                    source,
                    drafts: &mut drafts,
                    visible: Vec::new(),
                };
                read_file(&mut walk, &root, &mut found, check_mode);
                visible.push(Some(walk.visible));
            }
            Err(draft) => {
                drafts.push(draft);
                visible.push(None);
            }
        }
    }
    check::whole(&found, &sources, &mut drafts);
    let report = walk::report(&sources, visible, drafts);
    if report.has_errors() {
        return Err(report);
    }
    let mut loaded = Loaded {
        warnings: report,
        ..Loaded::default()
    };
    let Configuration {
        connections,
        shunts,
        limits,
        kernel,
    } = &mut loaded.configuration;
    *kernel = found.kernel_mode();
    *limits = found.limits.map(|(limits, _)| limits).unwrap_or_default();
    shunts.extend(found.shunts.into_iter().map(|found| Arc::new(found.shunt)));
    let mut secrets = Secrets::new();
    for FoundConnection {
        connection, secret, ..
    } in found.connections
    {
        secrets.extend(secret.map(|secret| (connection.name.clone(), secret)));
        connections.push(Arc::new(connection));
    }
    loaded.secrets = secrets;
    Ok(loaded)
}

fn read_file(walk: &mut Walk<'_>, root: &Node, found: &mut Found, check_mode: bool) {
    if matches!(root.value, Value::Null) {
        let bad = Bad::new("the file says nothing").suggest(format!("add version: {VERSION}"));
        return walk.tell(Code::MissingKey, Severity::Error, root, "", bad);
    }
    let Some(file) = walk.fields(root, None, "", &words::FILE) else {
        return;
    };
    if let Some(node) = walk.required(&file, "version", &format!("version: {VERSION}")) {
        walk.parsed(
            node,
            "version",
            Code::UnknownVersion,
            "a number",
            |text| match text.parse() {
                Ok(VERSION) => Ok(()),
                _ => Err(Bad::new(format!(
                    "not a version that is understood: this is version {VERSION}"
                ))
                .suggest(format!("write {VERSION}"))),
            },
        );
    }
    if let Some(node) = file.get("kernel") {
        let modes = [("xfrm", KernelMode::Xfrm), ("none", KernelMode::None)];
        let mode = walk.parsed(node, "kernel", Code::BadWord, "xfrm or none", |text| {
            word(text, &modes, &[])
        });
        only_once(walk, node, "kernel", mode, &mut found.kernel);
    }
    if let Some(node) = file.get("limits") {
        let limits = read_limits(walk, node);
        only_once(walk, node, "limits", limits, &mut found.limits);
    }
    if let Some(node) = file.get("connections") {
        for (key, name, value) in
            walk.entries(node, "connections", "connections by their names", |_| true)
        {
            let path = join("connections", walk.name(key, name));
            let read = read_connection(walk, key, value, &path, check_mode);
            let Some((name, connection)) = read_name(walk, key, &path, name).zip(read) else {
                continue;
            };
            let connection = FoundConnection {
                connection: Connection {
                    name,
                    ..connection.connection
                },
                ..connection
            };
            found.connections.push(connection);
        }
    }
    if let Some(node) = file.get("policies") {
        for (key, name, value) in
            walk.entries(node, "policies", "policies by their names", |_| true)
        {
            let path = join("policies", walk.name(key, name));
            let read = read_shunt(walk, key, value, &path);
            let Some((name, (shunt, place))) = read_name(walk, key, &path, name).zip(read) else {
                continue;
            };
            found.shunts.push(FoundShunt {
                shunt: Shunt { name, ..shunt },
                place,
            });
        }
    }
}

/// Keeps a value that all files together may give once.
fn only_once<T>(
    walk: &mut Walk<'_>,
    node: &Node,
    path: &str,
    value: Option<T>,
    kept: &mut Option<(T, Place)>,
) {
    match (value, &kept) {
        (Some(_), Some((_, first))) => {
            let other = if first.file == walk.file {
                "this"
            } else {
                "another"
            };
            let bad = Bad::new(format!("`{path}` is already given in {other} file"))
                .suggest("keep one of the two");
            walk.tell(Code::DuplicateKey, Severity::Error, node, path, bad);
        }
        (Some(value), None) => *kept = Some((value, walk.place(node, path))),
        (None, _) => {}
    }
}

fn read_name(walk: &mut Walk<'_>, key: &Node, path: &str, name: &str) -> Option<Name> {
    let read = Name::new(name);
    if read.is_none() {
        let bad = Bad::new("not a name: 1 to 64 letters, digits and . _ - @ :");
        walk.tell(Code::BadName, Severity::Error, key, path, bad);
    }
    read
}

/// A connection under a name to be replaced by its own.
fn read_connection(
    walk: &mut Walk<'_>,
    key: &Node,
    node: &Node,
    path: &str,
    check_mode: bool,
) -> Option<FoundConnection> {
    let fields = walk.fields(node, Some(key), path, &words::CONNECTION)?;
    let local = walk.required(&fields, "local", "local: { address: 192.0.2.1 }");
    let local = local.and_then(|node| read_end(walk, node, &fields.path("local")));
    let remote = walk.required(
        &fields,
        "remote",
        "remote: { address: 198.51.100.7 }, or remote: { address: any }",
    );
    let remote = remote.and_then(|node| read_end(walk, node, &fields.path("remote")));
    let auth = walk.required(&fields, "auth", "auth: { psk: { file: NAME.psk } }");
    let secret = auth.and_then(|node| read_auth(walk, node, &fields.path("auth"), check_mode));
    let proposals = read_proposals(walk, &fields, "ike", proposal::default_ike);
    let liveness = fields
        .get("liveness")
        .map_or(Some(Liveness::default()), |node| {
            read_liveness(walk, node, &fields.path("liveness"))
        });
    let childless = fields
        .get("children")
        .is_none_or(|node| matches!(&node.value, Value::Map(children) if children.is_empty()));
    let children = fields
        .get("children")
        .map(|node| read_children(walk, node, &fields.path("children")))
        .unwrap_or_default();
    let (places, children): (Vec<_>, Vec<_>) = children.into_iter().unzip();
    // A misspelt `children` is no missing one.
    let childless = childless && !fields.is_misspelt();
    let (local, remote, liveness) = (local?, remote?, liveness?);
    let Some(id) = local.id.or(local.address.map(Identity::from)) else {
        let message =
            "`local` has neither address nor id: the peer must be told who we are".to_owned();
        let draft = Draft::of(Code::MissingKey, Severity::Error, &fields.place, message);
        walk.drafts.push(draft.suggest("add local: { id: ... }"));
        return None;
    };
    let connection = Connection {
        name: Name::new("unnamed").expect("a good name"),
        local: Local {
            address: local.address,
            id,
        },
        remote: Remote {
            address: remote.address,
            id: remote.id.or(remote.address.map(Identity::from)),
        },
        proposals,
        authentication: Authentication::PreSharedKey,
        children,
        liveness,
    };
    Some(FoundConnection {
        connection,
        place: fields.place,
        children: places,
        childless,
        secret,
    })
}

/// One end, as far as it is said.
struct End {
    address: Option<IpAddr>,
    id: Option<Identity>,
}

fn read_end(walk: &mut Walk<'_>, node: &Node, path: &str) -> Option<End> {
    let fields = walk.fields(node, None, path, &words::END)?;
    let address = fields.get("address").map_or(Some(None), |node| {
        read_address(walk, node, &fields.path("address"))
    });
    let id = fields.get("id").map_or(Some(None), |node| {
        let parse = |text: &str| {
            text.parse::<Identity>().map(Some).map_err(|error| Bad {
                suggestion: error.suggestion().map(str::to_owned),
                ..Bad::new(&error)
            })
        };
        walk.parsed(
            node,
            &fields.path("id"),
            Code::BadIdentity,
            "an identity",
            parse,
        )
    });
    // Without this, the mistake would be told twice.
    if fields.is_misspelt() {
        return None;
    }
    Some(End {
        address: address?,
        id: id?,
    })
}

/// An address, `None` within for any.
fn read_address(walk: &mut Walk<'_>, node: &Node, path: &str) -> Option<Option<IpAddr>> {
    let expected = "an IP address, or any";
    let text = walk.scalar(node, path, expected)?;
    if matches!(text, "any" | "%any") {
        return Some(None);
    }
    let is_name = text.parse::<IpAddr>().is_err()
        && text.contains(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if is_name {
        let bad = Bad::new(format!("`{}`: names are not resolved yet", printable(text)))
            .suggest("write the IP address");
        walk.tell(Code::NotYet, Severity::Error, node, path, bad);
        return None;
    }
    walk.parsed(
        node,
        path,
        Code::BadAddress,
        expected,
        |text| match text.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => {
                Err(Bad::new("stands for any address")
                    .suggest("write any, or leave the address out"))
            }
            Ok(address) if address.is_multicast() => {
                Err(Bad::new("a multicast address: an end has one of its own"))
            }
            Ok(address) => Ok(Some(address)),
            Err(_) => match text.split_once('/') {
                Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
                    Err(Bad::new("a network, where one address is expected")
                        .suggest(format!("write {address}, or any")))
                }
                _ => Err(Bad::new("not an IP address")
                    .suggest("write one such as 192.0.2.1 or 2001:db8::1, or any")),
            },
        },
    )
}

fn read_auth(walk: &mut Walk<'_>, node: &Node, path: &str, check_mode: bool) -> Option<Secret> {
    let fields = walk.fields(node, None, path, &words::AUTH)?;
    let psk = walk.required(&fields, "psk", "psk: { file: NAME.psk }")?;
    secret::read(walk, psk, &fields.path("psk"), check_mode)
}

/// Proposals, or the default ones. Empty where one of them is wrong.
fn read_proposals<T>(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    key: &str,
    default: impl FnOnce() -> Vec<T>,
) -> Vec<T>
where
    T: FromStr<Err = proposal::ProposalError>,
{
    let Some(node) = fields.get(key) else {
        return default();
    };
    let read = |walk: &mut Walk<'_>, node: &Node, path: &str| {
        walk.parsed(node, path, Code::BadProposal, "a proposal", |text| {
            text.parse().map_err(|error: proposal::ProposalError| Bad {
                message: error.to_string(),
                suggestion: error.suggestion.clone(),
                at: Some(error.at.clone()),
            })
        })
    };
    walk.one_or_more(
        node,
        &fields.path(key),
        ("a proposal or a list of them", MAX_PROPOSALS),
        read,
    )
    .unwrap_or_default()
}

fn read_liveness(walk: &mut Walk<'_>, node: &Node, path: &str) -> Option<Liveness> {
    let fields = walk.fields(node, None, path, &words::LIVENESS)?;
    let default = Liveness::default();
    let interval = match fields.get("interval") {
        Some(node) => walk.parsed(
            node,
            &fields.path("interval"),
            Code::BadDuration,
            "a duration, or never",
            |text| match text {
                "never" => Ok(Duration::ZERO),
                text => duration(text, 1, DAY),
            },
        ),
        None => Some(default.interval),
    };
    let give_up = read_duration(walk, &fields, "give_up", default.give_up, (5, HOUR));
    Some(Liveness {
        interval: interval?,
        give_up: give_up?,
    })
}

fn read_children(walk: &mut Walk<'_>, node: &Node, path: &str) -> Vec<(Place, Arc<Child>)> {
    let mut children = Vec::new();
    for (key, name, node) in walk.entries(node, path, "children by their names", |_| true) {
        let path = join(path, walk.name(key, name));
        let read = read_child(walk, key, node, &path);
        if let Some((name, (place, child))) = read_name(walk, key, &path, name).zip(read) {
            children.push((place, Arc::new(Child { name, ..child })));
        }
    }
    children
}

fn read_child(walk: &mut Walk<'_>, key: &Node, node: &Node, path: &str) -> Option<(Place, Child)> {
    let fields = walk.fields(node, Some(key), path, &words::CHILD)?;
    let local = read_selectors(walk, &fields, "local");
    let remote = read_selectors(walk, &fields, "remote");
    let proposals = read_proposals(walk, &fields, "esp", proposal::default_esp);
    let keep = fields.get("keep").map_or(Some(Keep::Passive), |node| {
        read_keep(walk, node, &fields.path("keep"))
    });
    let replay_window = read_number(
        walk,
        &fields,
        "replay_window",
        DEFAULT_REPLAY_WINDOW,
        (0, MAX_REPLAY_WINDOW),
    );
    let hard_lifetime = read_duration(walk, &fields, "lifetime", DEFAULT_LIFETIME, (60, 30 * DAY));
    let priority = read_priority(walk, &fields);
    let name = Name::new("unnamed").expect("a good name");
    let child = Child {
        name,
        local: local?,
        remote: remote?,
        proposals,
        keep: keep?,
        replay_window: replay_window?,
        hard_lifetime: hard_lifetime?,
        priority: priority?,
    };
    Some((fields.place, child))
}

fn read_keep(walk: &mut Walk<'_>, node: &Node, path: &str) -> Option<Keep> {
    let words = [("up", Keep::Up), ("passive", Keep::Passive)];
    let elsewhere = [
        ("start", "up"),
        ("always", "up"),
        ("add", "passive"),
        ("trap", "up"),
        ("route", "up"),
        ("down", "passive"),
    ];
    let text = walk.scalar(node, path, "up or passive")?;
    if matches!(text, "on-demand" | "on_demand" | "ondemand") {
        let bad = Bad::new("`on-demand` is not there yet")
            .suggest("use up, or passive where the peer starts");
        walk.tell(Code::NotYet, Severity::Error, node, path, bad);
        return None;
    }
    walk.parsed(node, path, Code::BadWord, "up or passive", |text| {
        word(text, &words, &elsewhere)
    })
}

fn read_shunt(walk: &mut Walk<'_>, key: &Node, node: &Node, path: &str) -> Option<(Shunt, Place)> {
    let fields = walk.fields(node, Some(key), path, &words::POLICY)?;
    let (action, node) = match (fields.get("pass"), fields.get("drop")) {
        (Some(node), None) => (ShuntAction::Pass, node),
        (None, Some(node)) => (ShuntAction::Drop, node),
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
    let name = Name::new("unnamed").expect("a good name");
    Some((
        Shunt {
            name,
            action,
            local: local?,
            remote: remote?,
            priority: priority?,
        },
        fields.place,
    ))
}

fn read_selectors(walk: &mut Walk<'_>, fields: &Fields<'_>, key: &str) -> Option<Vec<Selector>> {
    let node = walk.required(fields, key, &format!("{key}: 10.1.0.0/16"))?;
    let read = |walk: &mut Walk<'_>, node: &Node, path: &str| {
        let parse = |text: &str| {
            text.parse::<Selector>().map_err(|error| Bad {
                suggestion: error
                    .suggestion
                    .as_ref()
                    .map(|text| format!("write {text}")),
                at: Some(error.at.clone()),
                ..Bad::new(&error)
            })
        };
        let selector = walk.parsed(node, path, Code::BadSelector, "a traffic selector", parse)?;
        if let Err(limit) = selector.to_kernel() {
            let bad = Bad::new(format!("`{selector}`: {limit}"));
            walk.tell(Code::KernelCannotSelect, Severity::Error, node, path, bad);
            return None;
        }
        Some(selector)
    };
    walk.one_or_more(
        node,
        &fields.path(key),
        ("a traffic selector or a list of them", MAX_SELECTORS),
        read,
    )
}

fn read_limits(walk: &mut Walk<'_>, node: &Node) -> Option<Limits> {
    let fields = walk.fields(node, None, "limits", &words::LIMITS)?;
    let default = Limits::default();
    let half_open = read_number(
        walk,
        &fields,
        "half_open",
        default.half_open,
        (1, 1_000_000),
    );
    let per_address = read_number(
        walk,
        &fields,
        "half_open_per_address",
        default.half_open_per_address,
        (1, 1_000_000),
    );
    let timeout = read_duration(
        walk,
        &fields,
        "half_open_timeout",
        default.half_open_timeout,
        (1, HOUR),
    );
    let threshold = read_number(
        walk,
        &fields,
        "cookie_threshold",
        default.cookie_threshold,
        (0, 1_000_000),
    );
    let children = read_number(
        walk,
        &fields,
        "children_per_ike_sa",
        default.children_per_ike_sa,
        (1, 65_535),
    );
    Some(Limits {
        cookie_threshold: threshold?,
        half_open: half_open?,
        half_open_per_address: per_address?,
        half_open_timeout: timeout?,
        children_per_ike_sa: children?,
    })
}

fn read_priority(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Option<u16>> {
    match fields.get("priority") {
        Some(_) => read_number(walk, fields, "priority", 1, (1, u16::MAX)).map(Some),
        None => Some(None),
    }
}

fn read_number<T>(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    key: &str,
    default: T,
    (least, most): (T, T),
) -> Option<T>
where
    T: FromStr + PartialOrd + Display + Copy,
{
    let Some(node) = fields.get(key) else {
        return Some(default);
    };
    walk.parsed(
        node,
        &fields.path(key),
        Code::BadNumber,
        "a number",
        |text| match text.parse::<T>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(Bad::new(format!("not a number from {least} to {most}"))
                .suggest(format!("the default is {default}"))),
        },
    )
}

fn read_duration(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    key: &str,
    default: Duration,
    (least, most): (u64, u64),
) -> Option<Duration> {
    let Some(node) = fields.get(key) else {
        return Some(default);
    };
    walk.parsed(
        node,
        &fields.path(key),
        Code::BadDuration,
        "a duration",
        |text| duration(text, least, most),
    )
}

/// A duration as people write it (`30s`, `1h 30m`), from `least` to `most` seconds.
fn duration(text: &str, least: u64, most: u64) -> Result<Duration, Bad> {
    let bounds = || format!("{} to {}", shortest(least), shortest(most));
    let read = text
        .parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok());
    match read {
        Some(duration) if (least..=most).contains(&duration.as_secs()) => Ok(duration),
        Some(_) => Err(Bad::new(format!("out of bounds: {}", bounds()))),
        None if text.parse::<u64>().is_ok() => {
            Err(Bad::new("a number without a unit").suggest(format!("write {text}s for seconds")))
        }
        None => Err(Bad::new("not a duration")
            .suggest(format!("write one such as 30s, 90m or 8h, {}", bounds()))),
    }
}

/// Seconds in their largest whole unit.
fn shortest(seconds: u64) -> String {
    match seconds {
        _ if seconds.is_multiple_of(HOUR) => format!("{}h", seconds / HOUR),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// One of several words, with what other programs call them.
fn word<T: Copy>(text: &str, words: &[(&str, T)], elsewhere: &[(&str, &str)]) -> Result<T, Bad> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let meant = elsewhere
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, meant)| *meant);
    let bad = Bad::new(format!("expected {}", known.join(" or ")));
    Err(match meant.or_else(|| words::nearest(text, known)) {
        Some(meant) => bad.suggest(format!("did you mean {meant}?")),
        None => bad,
    })
}
