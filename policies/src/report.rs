//! What is wrong with policy files, as data and as text.
//!
//! A [`Problem`] renders as one line for a log and as an annotated piece of the file for a terminal. Neither holds a
//! secret: messages quote only values of keys that never hold one, and the piece of the file shows only what the reader
//! has recognised as harmless; everything else is `***`.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

pub use crate::draw::draw;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Allowed, but probably not meant.
    Warning,
    /// The files cannot be used.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Declares the codes with the names they have for good.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal,)*) => {
        /// What kind of problem it is. The names are stable: documentation and scripts may rely on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $code,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }
        }
    };
}

codes! {
    /// A policy file or directory that cannot be read, or is none.
    UnreadableFile = "unreadable-file",
    /// A policy file beyond 4 MiB.
    FileTooLarge = "file-too-large",
    /// A policy file that is not UTF-8.
    NotUtf8 = "not-utf8",
    /// A directory without a policy file.
    NoPolicies = "no-policies",
    /// A file in the directory that looks like a policy file, but is not read.
    IgnoredFile = "ignored-file",
    /// A policy file that others than its owner may write to.
    WritableByOthers = "writable-by-others",
    /// Not YAML.
    YamlSyntax = "yaml-syntax",
    /// YAML beyond the bounds: nodes, depth, aliases.
    YamlLimit = "yaml-limit",
    /// A key that occurs twice in one mapping.
    DuplicateKey = "duplicate-key",
    /// A key that the language does not have.
    UnknownKey = "unknown-key",
    /// A key or word that will have a meaning, and has none yet.
    NotYet = "not-yet",
    /// A mapping where a text is expected, and the like.
    WrongKind = "wrong-kind",
    /// A key that has to be there.
    MissingKey = "missing-key",
    /// A version of the language that is not understood.
    UnknownVersion = "unknown-version",
    /// Not a name.
    BadName = "bad-name",
    /// Not an IP address.
    BadAddress = "bad-address",
    /// Not an identity.
    BadIdentity = "bad-identity",
    /// Not a traffic selector.
    BadSelector = "bad-selector",
    /// Not a proposal.
    BadProposal = "bad-proposal",
    /// An algorithm that works only because it is named.
    WeakAlgorithm = "weak-algorithm",
    /// Not a duration, or out of bounds.
    BadDuration = "bad-duration",
    /// Not a number, or out of bounds.
    BadNumber = "bad-number",
    /// A word that is not among those allowed.
    BadWord = "bad-word",
    /// More values than there may be.
    TooMany = "too-many",
    /// A name given twice, perhaps in two files.
    DuplicateName = "duplicate-name",
    /// Two connections that a peer's first messages cannot tell apart.
    AmbiguousConnections = "ambiguous-connections",
    /// The same traffic given to two owners.
    SameTraffic = "same-traffic",
    /// Traffic that two owners share in part.
    OverlappingTraffic = "overlapping-traffic",
    /// Addresses of two families that would have to be one.
    MixedFamilies = "mixed-families",
    /// Traffic of a child that nothing keeps in until the child is there.
    TrafficInClear = "traffic-in-clear",
    /// A child whose two sides meet, so that it takes what networks of ours send each other.
    MeetingSides = "meeting-sides",
    /// All addresses of a family.
    AllTraffic = "all-traffic",
    /// Ranges or ICMP types that the kernel cannot compare.
    KernelCannotSelect = "kernel-cannot-select",
    /// `keep: up` where nobody can be called.
    NobodyToCall = "nobody-to-call",
    /// Anybody who knows the secret may come.
    AnybodyMayCome = "anybody-may-come",
    /// Children where there is no kernel to install them in.
    ChildrenWithoutKernel = "children-without-kernel",
    /// A connection that protects nothing.
    NoChildren = "no-children",
    /// Replay protection switched off.
    NoReplayProtection = "no-replay-protection",
    /// A file with a secret that cannot be read.
    UnreadableSecret = "unreadable-secret",
    /// A secret that others than its owner could read.
    ExposedSecret = "exposed-secret",
    /// An empty secret, or a broken encoding of one.
    BadSecret = "bad-secret",
    /// A secret that could be guessed.
    WeakSecret = "weak-secret",
    /// Ways to prove who one is that do not go together.
    AuthMethods = "auth-methods",
    /// A file with a certificate, a public key or a CRL that cannot be read.
    UnreadableCredential = "unreadable-credential",
    /// Not the certificates or the CRL that is expected.
    BadCertificate = "bad-certificate",
    /// Not a key, not one that can be used, or a passphrase that does not open it.
    BadKey = "bad-key",
    /// A private key that is not the certificate's.
    KeyMismatch = "key-mismatch",
    /// An identity that the certificate does not hold.
    IdentityNotInCertificate = "identity-not-in-certificate",
    /// A certificate that is not valid yet.
    CertificateTime = "certificate-time",
    /// A certificate of ours that is made for something else than IKE.
    CertificatePurpose = "certificate-purpose",
    /// A certificate or a CRL that has expired, or expires soon.
    CertificateExpiry = "certificate-expiry",
    /// A key that is weaker than what the policy asks for, or than anybody should.
    WeakKey = "weak-key",
    /// An authority that is believed without its own authority being known.
    PartialChain = "partial-chain",
    /// A strict check for revocation where nothing can be learned about it.
    RevocationUnknowable = "revocation-unknowable",
    /// In transport mode, traffic of another address than that of the end.
    TransportEnds = "transport-ends",
    /// A secret that begins or ends with a blank, which the peer's may not have.
    BlankInSecret = "blank-in-secret",
    /// One secret for several peers.
    SameSecret = "same-secret",
    /// An authentication tag that is shorter than what is usual.
    ShortTag = "short-tag",
    /// Proposals that many peers have nothing of.
    ExcludesPeers = "excludes-peers",
    /// Proposals that all need a weak algorithm.
    OnlyWeak = "only-weak",
    /// A proposal with a weak algorithm before one without.
    WeakFirst = "weak-first",
    /// Perfect forward secrecy that a peer may leave out.
    PfsOptional = "pfs-optional",
    /// A key exchange for perfect forward secrecy that does not go with that of the IKE SA.
    PfsGroup = "pfs-group",
    /// A Child SA with a stronger cipher than the IKE SA that its keys come from.
    WeakerIke = "weaker-ike",
    /// Proposals of which none can be used beside the rest of the policy.
    NoProposalLeft = "no-proposal-left",
    /// More problems than are told.
    More = "more",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One thing that is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem it is.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The policy file.
    pub file: PathBuf,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// The column in characters, from 1; 0 where the file as a whole is meant.
    pub column: usize,
    /// The keys that lead there, such as `connections.branch.local.id`; may be empty.
    pub path: String,
    /// What is wrong, and what was expected.
    pub message: String,
    /// What to write or do instead.
    pub suggestion: Option<String>,
    /// The line of the file, with everything masked that could be a secret.
    pub snippet: Option<Snippet>,
}

/// A line of a policy file that is safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// The line, or a part of a very long one; secrets are `***`.
    pub text: String,
    /// The bytes of `text` that the problem is about; never empty, unless the text is.
    pub at: Range<usize>,
}

/// One line for a log: `hq.yaml:4:12: error[bad-address]: connections.branch.local.address: ...`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.file.display().to_string()))?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}[{}]: ", self.severity, self.code)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

/// All problems of a set of files, in the order of the files and lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The problems.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Whether one of the problems is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }

    /// Every problem drawn for a terminal, with an empty line between.
    #[must_use]
    pub fn draw(&self, colour: bool) -> String {
        self.problems
            .iter()
            .map(|problem| problem.draw(colour))
            .collect::<Vec<_>>()
            .join("\n\n")
    }
}

/// One line each.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if i > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// The text on one line and harmless to a terminal, cut where it is long.
pub(crate) fn printable(text: &str) -> String {
    const SHOWN: usize = 96;
    let mut out = String::new();
    for c in text.chars() {
        if out.len() >= SHOWN {
            out.push('…');
            break;
        }
        // escape_debug leaves what is printable, and escapes what could steer a terminal; quotes may stay.
        if matches!(c, '"' | '\'' | '\\') {
            out.push(c)
        } else {
            out.extend(c.escape_debug())
        }
    }
    out
}
