//! How the two ends prove who they are.

use super::{Key, Kind, Mapping, Word, key, way};

/// What is asked of a peer that signs, whatever it is believed by.
const STRENGTH: Key = key(
    "strength",
    Kind::Word(&[
        Word(
            "default",
            "RSA from 2048 bits, ECDSA and Ed25519, with SHA2-256 and above.",
        ),
        Word(
            "cnsa1",
            "RSA from 3072 bits or ECDSA on P-384, with SHA2-384 and above (RFC 9206).",
        ),
    ]),
    "cnsa1",
    "Which keys and hashes will do for the peer's signature and its certificates.",
)
.without("`cnsa1` beside `ike: cnsa1`, else `default`");
const RSA_SHA1: Key = key(
    "rsa_sha1",
    Kind::Word(&[
        Word("refuse", "Authentication method 1 is refused."),
        Word("accept", "Old peers may sign with RSA and SHA-1."),
    ]),
    "accept",
    "Whether a peer may sign with authentication method 1, RSA with SHA-1, as old ones do.",
)
.default("refuse");
const REVOCATION: Key = key("revocation", Kind::Word(&[
    Word("off", "Nobody is asked."),
    Word("if-available", "Who is revoked is refused; where nothing can be learned, the peer is accepted."),
    Word("strict", "Who is not vouched for by a CRL or an OCSP reply is refused."),
]), "strict", "How certificates are checked for revocation: by the CRLs here, and by the CRLs and OCSP responders that they name.").default("if-available");
const PURPOSES: Key = key(
    "purposes",
    Kind::Word(&[
        Word("ike", "Certificates for IKE, or for any purpose."),
        Word("any", "extendedKeyUsage is not looked at."),
    ]),
    "any",
    "For what the peer's certificate has to be made, by its extendedKeyUsage.",
)
.default("ike");
const CRL: Key = key(
    "crl",
    Kind::Files,
    "[root.crl, branches.crl]",
    "Files with CRLs, in PEM or DER. They are read again when they change.",
)
.without("those that certificates name");
const CA: Key = key(
    "ca",
    Kind::Files,
    "ca.pem",
    "Files with the authorities whose word we take, in PEM or DER. Roots and intermediates are told apart by themselves: who has signed itself, or whose authority is not there, is believed.",
);
const PUBLIC_KEY: Key = key(
    "public_key",
    Kind::Files,
    "branch.pub",
    "Files with the peer's raw public keys (RFC 7670), believed as they are.",
);
const PINNED: Key = key(
    "certificate",
    Kind::Files,
    "branch.pem",
    "Files with the peer's certificates, believed as they are: no authority is asked.",
);
const OWN_CERTIFICATE: Key = key(
    "certificate",
    Kind::Files,
    "hq.pem",
    "Files with our certificate and, where there are some, those that lead from it to an authority. Without, our public key is shown alone.",
);
static FILE_OR_KEY: [Kind; 2] = [Kind::File, Kind::Mapping(&KEY)];
static SECRET_OR_FILE: [Kind; 2] = [Kind::Secret, Kind::Mapping(&PSK)];
static PASSPHRASE_OR_FILE: [Kind; 2] = [Kind::Secret, Kind::Mapping(&PASSPHRASE)];
const OWN_KEY: Key = key(
    "key",
    Kind::Either(&FILE_OR_KEY),
    "hq.key",
    "The file with our private key, of mode 0600: PKCS#8, PKCS#1 or SEC 1, in PEM or DER.",
);
const SECRET: Key = key(
    "psk",
    Kind::Either(&SECRET_OR_FILE),
    "{ file: branch.psk }",
    "The secret that both ends share: in a file of its own, or in quotes where the policy file is of mode 0600. `0x` begins hexadecimal digits, `0s` base64. Make one with `openssl rand -base64 32`.",
);

/// Both sides.
pub(crate) static AUTH: Mapping = Mapping {
    name: "auth",
    what: "auth",
    about: "How both ends prove who they are: by one secret, both by certificates or keys, or each in its own way.",
    private: true,
    keys: &[
        SECRET,
        OWN_CERTIFICATE,
        OWN_KEY,
        CA,
        PUBLIC_KEY,
        CRL,
        REVOCATION,
        STRENGTH,
        RSA_SHA1,
        PURPOSES,
        key(
            "local",
            Kind::Mapping(&AUTH_LOCAL),
            "{ certificate: hq.pem, key: hq.key }",
            "How we prove who we are, where the two sides differ.",
        ),
        key(
            "remote",
            Kind::Mapping(&AUTH_REMOTE),
            "{ psk: { file: branch.psk } }",
            "How the peer has to, where the two sides differ.",
        ),
    ],
    ways: &[
        way("one secret for both", &["psk"], &[]),
        way(
            "both sign, and an authority vouches for the peer",
            &["key", "ca"],
            &[
                "certificate",
                "crl",
                "revocation",
                "strength",
                "rsa_sha1",
                "purposes",
            ],
        ),
        way(
            "both sign, and the peer's public key is known",
            &["key", "public_key"],
            &["certificate", "strength", "rsa_sha1"],
        ),
        way("each side in its own way", &["local", "remote"], &[]),
    ],
    not_yet: PROOFS_NOT_YET,
    elsewhere: PROOFS_ELSEWHERE,
};

/// Our side.
pub(crate) static AUTH_LOCAL: Mapping = Mapping {
    name: "auth-local",
    what: "auth.local",
    about: "How we prove who we are.",
    private: true,
    keys: &[SECRET, OWN_CERTIFICATE, OWN_KEY],
    ways: &[
        way("by the secret", &["psk"], &[]),
        way("by a signature", &["key"], &["certificate"]),
    ],
    not_yet: PROOFS_NOT_YET,
    elsewhere: PROOFS_ELSEWHERE,
};

/// The peer's side.
pub(crate) static AUTH_REMOTE: Mapping = Mapping {
    name: "auth-remote",
    what: "auth.remote",
    about: "How the peer has to prove who it is.",
    private: true,
    keys: &[
        SECRET, CA, PINNED, PUBLIC_KEY, CRL, REVOCATION, STRENGTH, RSA_SHA1, PURPOSES,
    ],
    ways: &[
        way("by the secret", &["psk"], &[]),
        way(
            "an authority vouches for it",
            &["ca"],
            &["crl", "revocation", "strength", "rsa_sha1", "purposes"],
        ),
        way(
            "by its certificate, which is known",
            &["certificate"],
            &["strength", "rsa_sha1"],
        ),
        way(
            "by its public key, which is known",
            &["public_key"],
            &["strength", "rsa_sha1"],
        ),
    ],
    not_yet: PROOFS_NOT_YET,
    elsewhere: PROOFS_ELSEWHERE,
};

/// A private key.
pub(crate) static KEY: Mapping = Mapping {
    name: "key",
    what: "key",
    about: "A private key, with its passphrase where it is encrypted.",
    private: true,
    keys: &[
 key("file", Kind::File, "hq.key", "The file with the private key.").required(),
 key("passphrase", Kind::Either(&PASSPHRASE_OR_FILE), "{ file: hq.pass }", "What opens an encrypted key: in a file of its own, or in quotes where the policy file is of mode 0600.").without("the file is not encrypted"),
],
    ways: &[],
    not_yet: &[],
    elsewhere: &[
        ("path", "file"),
        ("secret", "passphrase"),
        ("password", "passphrase"),
        ("pin", "passphrase"),
    ],
};

/// A passphrase.
pub(crate) static PASSPHRASE: Mapping = Mapping {
    name: "passphrase",
    what: "passphrase",
    about: "A passphrase in a file of its own.",
    private: true,
    keys: &[key(
        "file",
        Kind::File,
        "hq.pass",
        "The file with the passphrase, of mode 0600. A line feed at its end does not count.",
    )
    .required()],
    ways: &[],
    not_yet: &[],
    elsewhere: &[("path", "file"), ("secret", "passphrase: \"...\"")],
};

/// A shared secret.
pub(crate) static PSK: Mapping = Mapping {
    name: "psk",
    what: "psk",
    about: "A shared secret in a file of its own.",
    private: true,
    keys: &[key(
        "file",
        Kind::File,
        "branch.psk",
        "The file with the secret, of mode 0600. A line feed at its end does not count.",
    )
    .required()],
    ways: &[],
    not_yet: &[],
    elsewhere: &[
        ("path", "file"),
        ("secret", "psk: \"...\""),
        ("value", "psk: \"...\""),
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
