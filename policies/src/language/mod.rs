//! The language: what a policy file may say, and which types it becomes.
//!
//! ```yaml
//! version: 1
//! kernel: xfrm                    # or none: IKE SAs without children, for floods and load
//! connections:
//!   NAME:
//!     local:    { address: IP | any, id: ID }          # default id: the certificate's subject, else the address
//!     remote:   { address: IP | any, id: ID }          # no address: whoever comes; see below for patterns
//!     auth:     AUTH
//!     ike:      PROPOSAL, default, cnsa1, compatible, or a list   # default: default, today's best
//!     liveness: { interval: 30s | never, give_up: 60s }
//!     children:
//!       NAME:
//!         mode:   tunnel | transport                   # default: tunnel
//!         local:  SELECTOR or a list                   # 10.1.0.0/16, 2001:db8:1::/48, 10.1.0.5-10.1.0.9[tcp/443]
//!         remote: SELECTOR or a list                   # transport: may be left out, or be only tcp/443
//!         esp:    as ike                               # default: default
//!         keep:   up | passive                         # default: passive
//!         lifetime: 8h
//!         replay_window: 128                           # packets; 0: off
//!         priority: 10                                 # 1 goes first; default: by how narrow the selectors are
//! policies:
//!   NAME: { pass: { local: SELECTOR, remote: SELECTOR, priority: 10 } }      # or drop
//! limits: { half_open: 1024, half_open_per_address: 8, half_open_timeout: 30s, cookie_threshold: 32, children_per_ike_sa: 64 }
//! ```
//!
//! Paths are relative to the directory of the policy file. `AUTH` is one of
//!
//! ```yaml
//! auth: { psk: { file: PATH } }                          # one secret for both; or psk: "..." in a file of mode 0600
//! auth: { certificate: PATH, key: PATH, ca: PATH }       # both sign; what is said of the two sides below in one mapping
//! auth: { key: PATH, public_key: PATH }                  # both sign with raw public keys (RFC 7670)
//! auth:                                                  # each side in its own way
//!   local:                                               # we: psk, or
//!     certificate: PATH or a list                        #   ours, with its chain where there is one; none: a raw key
//!     key: PATH                                          #   or { file: PATH, passphrase: { file: PATH } }
//!   remote:                                              # the peer: psk, or certificate: PATH or public_key: PATH, which
//!     ca: PATH or a list                                 #   are believed as they are, or one of these authorities
//!     crl: PATH or a list                                #   besides what certificates name; read again when it changes
//!     revocation: off | if-available | strict            #   default: if-available
//!     strength: default | cnsa1                          #   default: cnsa1 beside ike: cnsa1, else default
//!     rsa_sha1: refuse | accept                          #   authentication method 1, of old peers
//!     purposes: ike | any                                #   any: certificates made for something else do, too
//! ```
//!
//! A file may hold several certificates. In `ca`, roots and intermediates are told apart by themselves: who has signed
//! itself, or whose authority is not there, is believed; the others help to find a path. A secret is taken as it is, or
//! as `0x...` or `0s...` (base64). Private keys, passphrases and secrets must be their owner's alone (mode 0600).
//!
//! Traffic of a child is blocked until its SA stands, but in transport mode with an end without address, of which nothing is
//! known before: a drop policy, which is wider and so comes after the child, keeps that in. What is on both sides of a child,
//! such as 0.0.0.0/0, is also what networks of ours send each other: a pass policy lets it through.
//!
//! The id of the remote end may be a pattern, `*.branches.example.com`, `*@example.com` or `"C=DE, O=Example, CN=*"`, or
//! `any`. With an authority it has to be written: whom it vouches for is not yet whom a connection is for. Otherwise it is
//! the subject of the certificate that was named, or the address. The narrowest of several that fit goes first.

mod auth;
mod connection;
mod traffic;
mod values;

pub(crate) use values::shortest;

use std::sync::Arc;

use ike::config::{Configuration, Connection, KernelMode, Limits, Name, PublicCredentials, Shunt};
use ike::crypto::Secret;

use crate::Loaded;
use crate::check;
use crate::files::Files;
use crate::report::{Code, Report, Severity};
use crate::source::Source;
use crate::walk::{self, Bad, Draft, Place, Walk, join};
use crate::words;
use crate::yaml::{self, Node, Value};

/// The version of the language that is read.
pub const VERSION: u32 = 1;

/// A connection and where it was found.
pub(crate) struct FoundConnection {
    pub(crate) connection: Connection,
    pub(crate) place: Place,
    /// Where its children were found, in their order.
    pub(crate) children: Vec<Place>,
    /// Its proposals for the IKE SA, where it has any of its own.
    pub(crate) ike: Option<Place>,
    /// Those of its children, as `children`.
    pub(crate) esp: Vec<Option<Place>>,
    /// Whether the file gives it no child, not even a wrong one.
    pub(crate) childless: bool,
    /// Whether `remote: { id: any }` is written.
    pub(crate) anybody_is_meant: bool,
    pub(crate) secret: Option<Secret>,
    credentials: Option<Arc<PublicCredentials>>,
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
    let mut files = Files::new(check_mode);
    for (file, source) in sources.iter().enumerate() {
        match yaml::parse(file, source) {
            Ok(root) => {
                let mut walk = Walk {
                    file,
                    source,
                    drafts: &mut drafts,
                    visible: Vec::new(),
                    files: &mut files,
                };
                read_file(&mut walk, &root, &mut found);
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
    let policies = sources.into_iter().map(|source| source.path);
    let mut loaded = Loaded {
        warnings: report,
        keys: files.keys,
        files: policies.chain(files.named).collect(),
        ..Loaded::default()
    };
    let Configuration {
        connections,
        shunts,
        limits,
        kernel,
        credentials,
    } = &mut loaded.configuration;
    *kernel = found.kernel_mode();
    *limits = found.limits.map(|(limits, _)| limits).unwrap_or_default();
    shunts.extend(found.shunts.into_iter().map(|found| Arc::new(found.shunt)));
    for found in found.connections {
        let name = || found.connection.name.clone();
        loaded
            .secrets
            .extend(found.secret.map(|secret| (name(), secret)));
        credentials.extend(found.credentials.map(|one| (name(), one)));
        connections.push(Arc::new(found.connection));
    }
    Ok(loaded)
}

fn read_file(walk: &mut Walk<'_>, root: &Node, found: &mut Found) {
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
        let mode = values::read_word(walk, &file, "kernel", KernelMode::Xfrm, &modes, &[]);
        only_once(walk, node, "kernel", mode, &mut found.kernel);
    }
    if let Some(node) = file.get("limits") {
        let limits = values::read_limits(walk, node);
        only_once(walk, node, "limits", limits, &mut found.limits);
    }
    if let Some(node) = file.get("connections") {
        for entry in named(walk, node, "connections", "connections") {
            found.connections.extend(connection::read(walk, entry));
        }
    }
    if let Some(node) = file.get("policies") {
        for entry in named(walk, node, "policies", "policies") {
            found.shunts.extend(traffic::read_shunt(walk, entry));
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

/// An entry of a mapping whose keys are names that the operator chose.
struct Named<'n> {
    /// `None` where the key is no name, of which it has been told.
    name: Option<Name>,
    key: &'n Node,
    node: &'n Node,
    path: String,
}

/// The entries of `connections`, `children` or `policies`.
fn named<'n>(walk: &mut Walk<'_>, node: &'n Node, path: &str, what: &str) -> Vec<Named<'n>> {
    let entries = walk.entries(node, path, &format!("{what} by their names"), |_| true);
    let entries = entries.into_iter().map(|(key, text, node)| {
        let path = join(path, walk.name(key, text));
        let name = Name::new(text);
        if name.is_none() {
            let bad = Bad::new("not a name: 1 to 64 letters, digits and . _ - @ :");
            walk.tell(Code::BadName, Severity::Error, key, &path, bad);
        }
        Named {
            name,
            key,
            node,
            path,
        }
    });
    entries.collect()
}
