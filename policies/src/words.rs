//! The words of the language: its keys, those that will have a meaning, and those that operators bring from elsewhere.

/// The keys of one kind of mapping.
pub(crate) struct Keys {
    /// What such a mapping is called in a message.
    pub(crate) what: &'static str,
    /// Whether what stands in it may be a secret, also where it is no key of ours.
    pub(crate) private: bool,
    /// The keys it has.
    pub(crate) known: &'static [&'static str],
    /// Keys that it will have, each with what to do until then.
    pub(crate) not_yet: &'static [(&'static str, &'static str)],
    /// What other programs call it, and where it stands here.
    pub(crate) elsewhere: &'static [(&'static str, &'static str)],
}

pub(crate) const FILE: Keys = Keys {
    what: "a policy file",
    private: false,
    known: &["version", "kernel", "connections", "policies", "limits"],
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

pub(crate) const CONNECTION: Keys = Keys {
    what: "a connection",
    private: false,
    known: &["local", "remote", "auth", "ike", "liveness", "children"],
    not_yet: &[
        (
            "mobike",
            "leave it out: a peer that moves has to connect again",
        ),
        (
            "encap",
            "leave it out: NAT traversal is not there yet, both ends need addresses of their own",
        ),
        (
            "rekey",
            "leave it out: an IKE SA lives until one end closes it",
        ),
        (
            "unique",
            "leave it out: a peer has as many IKE SAs as it makes",
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

pub(crate) const END: Keys = Keys {
    what: "an end of a connection",
    private: false,
    known: &["address", "id"],
    not_yet: &[
        ("port", "leave it out: ikd speaks from ports 500 and 4500"),
        ("interface", "name the address instead"),
    ],
    elsewhere: &[
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
    ],
};

/// What proofs are called elsewhere.
const PROOFS_ELSEWHERE: &[(&str, &str)] = &[
    ("secret", "psk"),
    ("password", "psk"),
    ("file", "psk: { file: ... }"),
    ("cert", "certificate"),
    ("certs", "certificate"),
    ("certificates", "certificate"),
    ("chain", "certificate: it may hold the chain"),
    ("private_key", "key"),
    ("privkey", "key"),
    ("cacert", "ca"),
    ("cacerts", "ca"),
    ("authority", "ca"),
    (
        "intermediates",
        "ca: [root.pem, intermediate.pem], they are told apart by themselves",
    ),
    ("pubkey", "public_key"),
    ("pubkeys", "public_key"),
    ("rsasigkey", "public_key"),
    ("crls", "crl"),
    ("crl_uris", "crl: FILE"),
    ("passphrase", "key: { file: ..., passphrase: ... }"),
    ("id", "id beside the address of local or remote"),
];

/// Proofs that will be there.
const PROOFS_NOT_YET: &[(&str, &str)] = &[
    ("eap", "use psk, or certificate, key and ca"),
    ("null", "use psk, or certificate, key and ca"),
    (
        "ocsp",
        "leave it out: OCSP responders that certificates name are asked, unless revocation: off",
    ),
    ("pkcs11", "use a key in a file"),
    (
        "pkcs12",
        "take it apart with openssl pkcs12 -nodes, and write certificate and key",
    ),
];

pub(crate) const AUTH: Keys = Keys {
    what: "auth",
    private: true,
    known: &[
        "psk",
        "certificate",
        "key",
        "ca",
        "public_key",
        "crl",
        "revocation",
        "strength",
        "rsa_sha1",
        "purposes",
        "local",
        "remote",
    ],
    not_yet: PROOFS_NOT_YET,
    elsewhere: PROOFS_ELSEWHERE,
};

pub(crate) const AUTH_LOCAL: Keys = Keys {
    what: "auth.local",
    private: true,
    known: &["psk", "certificate", "key"],
    not_yet: PROOFS_NOT_YET,
    elsewhere: PROOFS_ELSEWHERE,
};

pub(crate) const AUTH_REMOTE: Keys = Keys {
    what: "auth.remote",
    private: true,
    known: &[
        "psk",
        "ca",
        "certificate",
        "public_key",
        "crl",
        "revocation",
        "strength",
        "rsa_sha1",
        "purposes",
    ],
    not_yet: PROOFS_NOT_YET,
    elsewhere: PROOFS_ELSEWHERE,
};

pub(crate) const KEY: Keys = Keys {
    what: "key",
    private: true,
    known: &["file", "passphrase"],
    not_yet: &[],
    elsewhere: &[
        ("path", "file"),
        ("secret", "passphrase"),
        ("password", "passphrase"),
        ("pin", "passphrase"),
    ],
};

pub(crate) const PASSPHRASE: Keys = Keys {
    what: "passphrase",
    private: true,
    known: &["file"],
    not_yet: &[],
    elsewhere: &[("path", "file"), ("secret", "passphrase: \"...\"")],
};

pub(crate) const PSK: Keys = Keys {
    what: "psk",
    private: true,
    known: &["file"],
    not_yet: &[],
    elsewhere: &[
        ("path", "file"),
        ("secret", "psk: \"...\""),
        ("value", "psk: \"...\""),
    ],
};

pub(crate) const LIVENESS: Keys = Keys {
    what: "liveness",
    private: false,
    known: &["interval", "give_up"],
    not_yet: &[],
    elsewhere: &[
        ("delay", "interval"),
        ("timeout", "give_up"),
        ("action", "children: { NAME: { keep: up } }"),
    ],
};

pub(crate) const CHILD: Keys = Keys {
    what: "a child",
    private: false,
    known: &[
        "local",
        "remote",
        "mode",
        "esp",
        "keep",
        "replay_window",
        "lifetime",
        "priority",
    ],
    not_yet: &[
        ("ah", "use esp"),
        ("rekey", "leave it out, and choose a lifetime"),
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
        ("life_time", "lifetime"),
        ("salifetime", "lifetime"),
        ("policies", "the policies beside the connections"),
    ],
};

pub(crate) const POLICY: Keys = Keys {
    what: "a policy",
    private: false,
    known: &["pass", "drop"],
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

pub(crate) const SHUNT: Keys = Keys {
    what: "pass and drop",
    private: false,
    known: &["local", "remote", "priority"],
    not_yet: &[],
    elsewhere: &[],
};

pub(crate) const LIMITS: Keys = Keys {
    what: "limits",
    private: false,
    known: &[
        "half_open",
        "half_open_per_address",
        "half_open_timeout",
        "cookie_threshold",
        "children_per_ike_sa",
    ],
    not_yet: &[],
    elsewhere: &[],
};

/// All mappings of the language.
const ALL: &[Keys] = &[
    FILE,
    CONNECTION,
    END,
    AUTH,
    AUTH_LOCAL,
    AUTH_REMOTE,
    KEY,
    PSK,
    PASSPHRASE,
    LIVENESS,
    CHILD,
    POLICY,
    SHUNT,
    LIMITS,
];

/// Whether the language itself has this word as a key.
pub(crate) fn is_word(text: &str) -> bool {
    ALL.iter().any(|keys| keys.known.contains(&text))
}

/// The one of `known` that was probably meant.
pub(crate) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text: String = text
        .chars()
        .take(64)
        .map(|c| {
            if c == '-' {
                '_'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect();
    let near = known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&text, word), word))
        .min()?;
    // One slip in a short word, two in a longer one.
    (near.0 <= 1 + near.1.len() / 6).then_some(near.1)
}
