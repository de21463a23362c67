//! A policy file as a whole, and what stands in it beside the connections.

use super::connection::CONNECTION;
use super::{HOUR, Key, Kind, Mapping, Word, key, way};

const NUMBER_OF_PEERS: Kind = Kind::Number {
    least: 1,
    most: 1_000_000,
};
pub(super) const PRIORITY: Key = key(
    "priority",
    Kind::Number { least: 1, most: 65_535 },
    "10",
    "An explicit place among all children and policies of all files: 1 goes first. Whatever has one goes before whatever has none.",
)
.without("how narrow the selectors are: the narrower goes first, then pass and drop");

/// The whole file.
pub static FILE: Mapping = Mapping {
    name: "file",
    what: "a policy file",
    about: "What should be true. Several files, or a directory of `*.yaml`, are read as one. Paths in a file are relative to its directory.",
    private: false,
    keys: &[
 key("version", Kind::Version, "1", "The version of the policy language. There is one: 1.").required(),
 key("kernel", Kind::Word(&[
    Word("xfrm", "Child SAs and policies are installed in the kernel."),
    Word("none", "IKE SAs are negotiated, and nothing is protected: for floods and load."),
 ]), "xfrm", "Where Child SAs (phase 2) go. All files together may say it once.").default("xfrm"),
 key("connections", Kind::Named(&CONNECTION), "{ branch: { local: { address: 192.0.2.1 }, remote: { address: 198.51.100.7 }, auth: { psk: { file: branch.psk } }, children: { lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16, keep: up } } } }",
   "The peers, each under a name of your choice, which is what `ikctl` and the log call it. Names are unique over all files.").without("none"),
 key("policies", Kind::Named(&POLICY), "{ printer: { pass: { local: 10.1.0.0/16, remote: 10.2.9.9 } } }",
   "Traffic that passes in clear or is dropped, whatever children say, each under a name of your choice.").without("none"),
 key("limits", Kind::Mapping(&LIMITS), "{ half_open: 4096, cookie_threshold: 64 }",
   "How much strangers may cost before they have proved who they are. All files together may say it once.").without("those below"),
],
    ways: &[],
    not_yet: &[
        ("pools", "give the peers fixed addresses"),
        ("include", "give ikd several files, or a directory"),
        ("daemon", "use the options of ikd's command line"),
        ("log", "use the options of ikd's command line"),
    ],
    elsewhere: &[
        ("conn", "connections: { NAME: ... }"),
        ("connection", "connections: { NAME: ... }"),
        ("secrets", "auth: { psk: ... } inside the connection"),
        ("shunts", "policies"),
        ("authorities", "auth: { ca: ... } inside the connection"),
        (
            "certificates",
            "auth: { certificate: ... } inside the connection",
        ),
    ],
};

/// Pass and drop.
pub(crate) static POLICY: Mapping = Mapping {
    name: "policy",
    what: "a policy",
    about: "Traffic that is not protected: it passes, or is dropped.",
    private: false,
    keys: &[
        key(
            "pass",
            Kind::Mapping(&SHUNT),
            "{ local: 10.1.0.0/16, remote: 10.2.9.9 }",
            "This traffic goes in clear, in both directions.",
        ),
        key(
            "drop",
            Kind::Mapping(&SHUNT),
            "{ local: 10.1.0.0/16, remote: \"0.0.0.0/0[tcp/23]\" }",
            "This traffic is dropped, in both directions.",
        ),
    ],
    ways: &[
        way("traffic passes in clear", &["pass"], &[]),
        way("traffic is dropped", &["drop"], &[]),
    ],
    not_yet: &[],
    elsewhere: &[
        ("protect", "a child of a connection"),
        ("local", "pass: { local: ... } or drop: { local: ... }"),
        ("remote", "pass: { remote: ... } or drop: { remote: ... }"),
        ("priority", "pass: { ..., priority: ... }"),
        ("bypass", "pass"),
        ("block", "drop"),
        ("action", "pass: { ... } or drop: { ... }"),
    ],
};

/// What passes or is dropped.
pub(crate) static SHUNT: Mapping = Mapping {
    name: "shunt",
    what: "pass and drop",
    about: "The traffic of a policy, from our side to the far side and back.",
    private: false,
    keys: &[
 key("local", Kind::Selectors, "10.1.0.0/16", "Our side of the traffic: a network, an address or a range of them, with protocol and ports in brackets, or a list.").required(),
 key("remote", Kind::Selectors, "\"10.9.0.10-10.9.0.20[tcp/443]\"", "The far side of the traffic, written like `local`.").required(),
 PRIORITY,
],
    ways: &[],
    not_yet: &[],
    elsewhere: &[],
};

/// Limits against strangers.
pub(crate) static LIMITS: Mapping = Mapping {
    name: "limits",
    what: "limits",
    about: "What an unproven stranger may cost.",
    private: false,
    keys: &[
 key("half_open", NUMBER_OF_PEERS, "4096", "IKE SAs that may stand half-open (IKE_SA_INIT answered, IKE_AUTH not there yet) at once. Above, new requests are dropped.").default("1024"),
 key("half_open_per_address", NUMBER_OF_PEERS, "32", "Half-open IKE SAs that one address may hold before it has to return a cookie; with one it may hold four times as many.").default("8"),
 key("half_open_timeout", Kind::Duration { least: 1, most: HOUR, never: false }, "10s", "How long a half-open IKE SA waits for IKE_AUTH.").default("30s"),
 key("cookie_threshold", Kind::Number { least: 0, most: 1_000_000 }, "64", "Half-open IKE SAs from which on everybody has to return a cookie before anything is computed (RFC 7296 section 2.6). 0: always.").default("32"),
 key("children_per_ike_sa", Kind::Number { least: 1, most: 65_535 }, "256", "Child SAs that a peer may make in one IKE SA.").default("64"),
],
    ways: &[],
    not_yet: &[],
    elsewhere: &[],
};
