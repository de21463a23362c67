//! Connections: their ends, when silence counts, and their children.

use super::auth::AUTH;
use super::file::PRIORITY;
use super::{DAY, HOUR, Kind, Mapping, Protocol, Word, key};

/// What programs that read JSON take for a whole number without loss.
const MOST_OF_A_VOLUME: u64 = 9_000_000_000_000_000;

/// A connection.
pub(crate) static CONNECTION: Mapping = Mapping {
    name: "connection",
    what: "a connection",
    about: "One peer, or a class of peers, and what is protected with it.",
    private: false,
    keys: &[
 key("local", Kind::Mapping(&LOCAL), "{ address: 192.0.2.1, id: hq.example.com }", "Our end: the address we speak from, and who we say we are.").required(),
 key("remote", Kind::Mapping(&REMOTE), "{ address: 198.51.100.7, id: branch.example.com }", "The other end: the address we speak to, and who the peer has to be.").required(),
 key("auth", Kind::Mapping(&AUTH), "{ psk: { file: branch.psk } }", "How both ends prove who they are.").required(),
 key("ike", Kind::Proposals(Protocol::Ike), "[default, compatible]", "Proposals for the IKE SA (phase 1), the best first. `default` is today's best, `cnsa1` the suite of RFC 9206, `compatible` what old peers need; or words joined by `-`: encryption, integrity (not beside AES-GCM and the like), PRF, key exchange, several of a kind as alternatives.").default("default"),
 key("liveness", Kind::Mapping(&LIVENESS), "{ interval: 10s, give_up: 30s }", "When the peer is asked for a sign of life, and when its silence counts.").without("those below"),
 key("rekey_after", Kind::Duration { least: 60, most: 30 * DAY, never: true }, "8h", "After this long, less up to a tenth by chance, the IKE SA is replaced by a new one, under which its children go on. `never`: we leave it to the peer.").default("4h"),
 key("reauth_after", Kind::Duration { least: 300, most: 365 * DAY, never: true }, "72h", "After this long, less up to a tenth by chance, both ends prove again who they are: a fresh IKE SA is made with all its children, and only then the old one is deleted, without losing a packet. Rekeying asks nobody for a proof. `never`: we leave it to the peer.").default("never"),
 key("unique", Kind::Word(&[
    Word("replace", "The newer one replaces the older one, as soon as its children stand, or after two minutes."),
    Word("keep", "The older one stays and the newer one ends, unless the peer says that it has no other (INITIAL_CONTACT)."),
    Word("never", "Both stay."),
 ]), "keep", "What becomes of two IKE SAs of the connection with one peer, by the identity that it has proved.").default("replace"),
 key("verify_rekey", Kind::Word(&[
    Word("at-once", "A failure is told now, with what both sides want (`cannot-rekey`), and not hours later when the tunnel breaks."),
    Word("never", "What does not fit shows when the Child SA is due."),
 ]), "at-once", "Whether the Child SA that is made with the IKE SA is replaced once at once, where we begin.").default("never"),
 key("children", Kind::Named(&CHILD), "{ lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16, keep: up } }", "What is protected (Child SAs, phase 2), each under a name of your choice.").without("none, and nothing is protected"),
],
    ways: &[],
    not_yet: &[
        (
            "mobike",
            "leave it out: a peer that moves has to connect again",
        ),
        (
            "encap",
            "leave it out: NAT traversal is not there yet, both ends need addresses of their own",
        ),
        ("pools", "give the peer a fixed address"),
    ],
    elsewhere: &[
        ("left", "local"),
        ("right", "remote"),
        ("leftid", "local: { id: ... }"),
        ("rightid", "remote: { id: ... }"),
        ("leftsubnet", "children: { NAME: { local: ... } }"),
        ("rightsubnet", "children: { NAME: { remote: ... } }"),
        ("local_addrs", "local: { address: ... }"),
        ("remote_addrs", "remote: { address: ... }"),
        ("local_ts", "children: { NAME: { local: ... } }"),
        ("remote_ts", "children: { NAME: { remote: ... } }"),
        ("proposals", "ike"),
        ("esp", "children: { NAME: { esp: ... } }"),
        (
            "authby",
            "auth: { psk: ... }, or auth: { certificate: ..., key: ..., ca: ... }",
        ),
        ("certificate", "auth: { certificate: ... }"),
        ("certs", "auth: { certificate: ... }"),
        ("cert", "auth: { certificate: ... }"),
        ("leftcert", "auth: { certificate: ... }"),
        ("rightcert", "auth: { remote: { certificate: ... } }"),
        ("rightca", "auth: { ca: ... }"),
        ("ca", "auth: { ca: ... }"),
        ("key", "auth: { key: ... }"),
        ("psk", "auth: { psk: ... }"),
        ("secret", "auth: { psk: ... }"),
        ("child", "children"),
        ("childs", "children"),
        ("uniqueids", "unique"),
        ("reauth", "reauth_after"),
        ("reauth_time", "reauth_after"),
        ("rekey", "rekey_after"),
        ("rekey_time", "rekey_after"),
        ("ikelifetime", "rekey_after"),
        ("dpd", "liveness"),
        ("dpd_delay", "liveness: { interval: ... }"),
        ("dpddelay", "liveness: { interval: ... }"),
        ("dpd_timeout", "liveness: { give_up: ... }"),
        ("dpdtimeout", "liveness: { give_up: ... }"),
        ("auto", "children: { NAME: { keep: up } }"),
        ("keep", "children: { NAME: { keep: up } }"),
        ("start_action", "children: { NAME: { keep: up } }"),
        ("keyexchange", "nothing: ikd speaks IKEv2 only"),
        ("version", "nothing: ikd speaks IKEv2 only"),
    ],
};

/// What will stand at an end.
const ENDS_NOT_YET: &[(&str, &str)] = &[
    ("port", "leave it out: ikd speaks from ports 500 and 4500"),
    ("interface", "name the address instead"),
];

/// What stands at an end elsewhere.
const ENDS_ELSEWHERE: &[(&str, &str)] = &[
    ("addrs", "address"),
    ("host", "address"),
    ("ip", "address"),
    ("identity", "id"),
    ("subnet", "children: { NAME: { local: ..., remote: ... } }"),
    ("auth", "auth, beside local and remote"),
    ("psk", "auth: { psk: ... }, beside local and remote"),
    (
        "cert",
        "auth: { certificate: ... }, beside local and remote",
    ),
    (
        "certs",
        "auth: { certificate: ... }, beside local and remote",
    ),
    (
        "certificate",
        "auth: { certificate: ... }, beside local and remote",
    ),
    ("key", "auth: { key: ... }, beside local and remote"),
    ("ca", "auth: { ca: ... }, beside local and remote"),
    ("cacerts", "auth: { ca: ... }, beside local and remote"),
    (
        "pubkeys",
        "auth: { public_key: ... }, beside local and remote",
    ),
    (
        "public_key",
        "auth: { public_key: ... }, beside local and remote",
    ),
    ("crl", "auth: { crl: ... }, beside local and remote"),
    (
        "revocation",
        "auth: { revocation: ... }, beside local and remote",
    ),
];

/// Our end.
pub(crate) static LOCAL: Mapping = Mapping {
    name: "local",
    what: "an end of a connection",
    about: "Our end of a connection.",
    private: false,
    keys: &[
 key("address", Kind::Address { named: false }, "192.0.2.1", "The IP address we speak from. `any`: whichever the route to the peer gives.").default("any"),
 key("id", Kind::Identity { pattern: false }, "hq.example.com", "Who we say we are: a name, an address, `user@host`, a distinguished name such as `\"C=DE, O=Example, CN=hq\"`, or any text after `keyid:`. With a certificate it has to be a name in it. `fqdn:`, `email:`, `dn:`, `ipv4:` and `ipv6:` force a kind.").without("our certificate's subject, else our address"),
],
    ways: &[],
    not_yet: ENDS_NOT_YET,
    elsewhere: ENDS_ELSEWHERE,
};

/// The other end.
pub(crate) static REMOTE: Mapping = Mapping {
    name: "remote",
    what: "an end of a connection",
    about: "The other end of a connection.",
    private: false,
    keys: &[
 key("address", Kind::Address { named: true }, "198.51.100.7", "The IP address we speak to, or a name such as vpn.example.com, which is resolved at every attempt. `any`: whoever comes, and we never call.").default("any"),
 key("id", Kind::Identity { pattern: true }, "branch.example.com", "Who the peer has to prove to be, written like ours; or a pattern (`\"*.example.com\"`, `\"*@example.com\"`, `\"C=DE, O=Example, CN=*\"`), or `any`. It has to be there where the peer is believed because of an authority.").without("the subject of the certificate that was named for the peer, else its address"),
],
    ways: &[],
    not_yet: ENDS_NOT_YET,
    elsewhere: ENDS_ELSEWHERE,
};

/// Signs of life.
pub(crate) static LIVENESS: Mapping = Mapping {
    name: "liveness",
    what: "liveness",
    about: "When silence means that the peer is gone.",
    private: false,
    keys: &[
 key("interval", Kind::Duration { least: 1, most: DAY, never: true }, "10s", "Silence after which the peer is asked whether it is there. `never`: it is not asked.").default("30s"),
 key("give_up", Kind::Duration { least: 5, most: HOUR, never: false }, "30s", "How long a request goes unanswered, with all its retransmissions, before the peer counts as gone.").default("60s"),
],
    ways: &[],
    not_yet: &[],
    elsewhere: &[
        ("delay", "interval"),
        ("timeout", "give_up"),
        ("action", "children: { NAME: { keep: up } }"),
    ],
};

/// A child.
pub(crate) static CHILD: Mapping = Mapping {
    name: "child",
    what: "a child",
    about: "One set of traffic selectors, protected by one Child SA. Until the SA stands, its traffic is blocked (see `without_sa`), except in transport mode with an end whose address is not known.",
    private: false,
    keys: &[
 key("local", Kind::Selectors, "10.1.0.0/16", "What is behind us: a network, an address or a range of them, with protocol and ports in brackets (`\"10.1.0.0/16[tcp/443]\"`), or a list. In transport mode our own address is meant: leave it out, or write a protocol with ports alone, such as `tcp/443`.").in_tunnel_mode().without("in transport mode: our own address"),
 key("remote", Kind::Selectors, "[10.2.0.0/16, 10.9.0.10-10.9.0.20]", "What is behind the peer, written like `local`; in transport mode the peer itself.").in_tunnel_mode().without("in transport mode: the peer's own address"),
 key("mode", Kind::Word(&[
    Word("tunnel", "Whole packets, between any networks."),
    Word("transport", "What the two ends themselves send each other."),
 ]), "transport", "What the ESP packets carry.").default("tunnel"),
 key("esp", Kind::Proposals(Protocol::Esp), "[aes256gcm16-x25519, aes256gcm16]", "Proposals for ESP, the best first: `default`, `cnsa1`, `compatible`, or words joined by `-`: encryption, integrity (not beside AES-GCM and the like), a key exchange for perfect forward secrecy, `esn` or `noesn`.").default("default"),
 key("keep", Kind::Word(&[
    Word("up", "It is negotiated at start, and comes back by itself whatever went wrong."),
    Word("on-demand", "The first packet that needs it brings it up, and the next one when it has ended; both are lost unless the kernel keeps them (`net.core.xfrm_larval_drop`)."),
    Word("passive", "We wait for the peer to ask."),
 ]), "up", "Whether we see to it that the child is there.").default("passive"),
 key("idle", Kind::Duration { least: 10, most: 30 * DAY, never: true }, "10m", "A Child SA that has carried nothing for this long, or up to a quarter longer, is closed. Not with `keep: up`, which would bring it back.").default("never"),
 key("without_sa", Kind::Word(&[
    Word("drop", "Nothing of it goes in clear, in either direction."),
    Word("pass", "It goes in clear: for traffic that had rather be read than wait. Not with `keep: on-demand`, where packets ask for the SA."),
 ]), "pass", "What happens to the child's traffic while there is no SA.").default("drop"),
 key("replay_window", Kind::Number { least: 0, most: 4096 }, "1024", "Packets that may arrive out of order (RFC 4303 section 3.4.3). 0 takes recorded packets again: nobody should want that.").default("128"),
 key("lifetime", Kind::Duration { least: 60, most: 30 * DAY, never: false }, "1h", "After this long the kernel stops using the Child SA, whatever happened to us.").default("8h"),
 key("rekey_after", Kind::Duration { least: 30, most: 29 * DAY, never: true }, "50m", "After this long, less up to a tenth by chance, the Child SA is replaced by a new one, without losing a packet. Shorter than `lifetime`; nine tenths of it where nothing is said. `never`: we leave it to the peer."),
 key("rekey_after_bytes", Kind::Number { least: 1_000_000, most: MOST_OF_A_VOLUME }, "1000000000000", "After so many bytes in one direction, less up to a tenth by chance, the Child SA is replaced, too. Less than `lifetime_bytes`.").without("nine tenths of `lifetime_bytes`, and 32 TiB in any case"),
 key("rekey_after_packets", Kind::Number { least: 1000, most: MOST_OF_A_VOLUME }, "1000000000", "The same for packets. Less than `lifetime_packets`.").without("nine tenths of `lifetime_packets`, and without extended sequence numbers 3 221 225 472 in any case, long before the numbers run out"),
 key("lifetime_bytes", Kind::Number { least: 1_000_000, most: MOST_OF_A_VOLUME }, "2000000000000", "After so many bytes in one direction the kernel stops using the Child SA, and another is negotiated.").without("twice `rekey_after_bytes`, and 64 TiB in any case"),
 key("lifetime_packets", Kind::Number { least: 1000, most: MOST_OF_A_VOLUME }, "2000000000", "The same for packets.").without("twice `rekey_after_packets`, and without extended sequence numbers 4 294 901 760 in any case"),
 PRIORITY,
],
    ways: &[],
    not_yet: &[
        ("ah", "use esp"),
        ("if_id", "leave it out: children are policy tunnels"),
        ("mark", "leave it out"),
        (
            "offload",
            "leave it out: the kernel's software does the work",
        ),
        ("dscp", "leave it out: the kernel copies it"),
        (
            "routes",
            "leave it out: set the routes by the means of the system",
        ),
    ],
    elsewhere: &[
        ("local_ts", "local"),
        ("remote_ts", "remote"),
        ("leftsubnet", "local"),
        ("rightsubnet", "remote"),
        ("esp_proposals", "esp"),
        ("start_action", "keep"),
        ("auto", "keep"),
        ("inactivity", "idle"),
        ("failureshunt", "without_sa"),
        ("negotiationshunt", "without_sa"),
        ("close_action", "keep"),
        ("dpd_action", "keep"),
        ("life_time", "lifetime"),
        ("rekey", "rekey_after"),
        ("rekey_time", "rekey_after"),
        ("rekey_bytes", "rekey_after_bytes"),
        ("rekey_packets", "rekey_after_packets"),
        ("life_bytes", "lifetime_bytes"),
        ("life_packets", "lifetime_packets"),
        ("salifetime", "lifetime"),
        ("policies", "the policies beside the connections"),
    ],
};
