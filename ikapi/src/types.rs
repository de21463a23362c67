//! Parameters of every method, the same as in `ikd.varlink`, where each field is explained.
//!
//! Times are seconds since 1970 (UTC), ages and durations are seconds.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An enumeration whose words go over the wire, with `Unknown` for the words of a newer daemon.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$what])* #[serde(rename = $word)] $variant,)+
            /// A word that this version does not know.
            #[default]
            #[serde(rename = "unknown", other)]
            Unknown,
        }

        impl $name {
            /// All of them but `Unknown`.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word that goes over the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown => "unknown",
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// How a connection or a child fares.
    State {
        /// Everything that should be up is.
        Up = "up",
        /// On the way.
        Connecting = "connecting",
        /// An attempt failed, the next one is due.
        Waiting = "waiting",
        /// It was taken down.
        Down = "down",
        /// The peer has to come.
        Passive = "passive",
        /// The next packet that needs it begins it.
        OnDemand = "on_demand",
    }
}

words! {
    /// What ikd promises about a child.
    Keep {
        /// It comes back by itself.
        Up = "up",
        /// The peer has to ask.
        Passive = "passive",
        /// A packet that needs it brings it up.
        OnDemand = "on_demand",
    }
}

words! {
    /// How far an IKE SA is.
    IkeSaState {
        /// The peer has not authenticated yet.
        Connecting = "connecting",
        /// Both sides have authenticated.
        Established = "established",
        /// A Delete is under way.
        Closing = "closing",
    }
}

words! {
    /// Who sent the first message of an IKE SA.
    Role {
        /// We did.
        Initiator = "initiator",
        /// The peer did.
        Responder = "responder",
    }
}

words! {
    /// What a Child SA carries, RFC 4301 section 3.2.
    Mode {
        /// Whole IP packets.
        Tunnel = "tunnel",
        /// What is inside IP packets between the two ends themselves.
        Transport = "transport",
    }
}

words! {
    /// How one side of an IKE SA has proved who it is.
    ProofMethod {
        /// By the shared secret.
        Psk = "psk",
        /// By the key of a certificate.
        Certificate = "certificate",
        /// By a key that the configuration names.
        RawKey = "raw_key",
    }
}

words! {
    /// What ends.
    ExpiringKind {
        /// The certificate that we show.
        Own = "own",
        /// Shown with it.
        Intermediate = "intermediate",
        /// Peers are judged by it.
        Authority = "authority",
        /// A CRL from a file.
        RevocationList = "revocation_list",
    }
}

words! {
    /// What happens to traffic that is not protected.
    Action {
        /// It passes in clear.
        Pass = "pass",
        /// It is dropped.
        Drop = "drop",
    }
}

words! {
    /// Whether there is a kernel to install Child SAs in.
    KernelMode {
        /// Child SAs are installed through XFRM.
        Xfrm = "xfrm",
        /// IKE SAs only: nothing is protected.
        None = "none",
    }
}

words! {
    /// How much attention an event wants.
    EventLevel {
        /// Something does not work and needs a person.
        Error = "error",
        /// Something does not work and goes on being tried, or a stranger misbehaves.
        Warn = "warn",
        /// The ordinary course of things.
        Info = "info",
        /// For finding out how things work.
        Debug = "debug",
    }
}

words! {
    /// From which level on the log is written.
    LogLevel {
        /// What needs a person.
        Error = "error",
        /// What does not work.
        Warn = "warn",
        /// The ordinary course of things.
        Info = "info",
        /// Retransmissions, dropped datagrams.
        Debug = "debug",
        /// Everything, what the libraries of the daemon say included.
        Trace = "trace",
    }
}

/// A structure that goes over the wire: missing fields have defaults, unknown ones are ignored.
macro_rules! records {
    ($($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $field:ident: $type:ty,)* })+) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$what])* pub $field: $type,)*
        }
    )+};
}

records! {
    /// Why something did not work.
    Failure {
        /// A stable word, such as `no-common-proposal`.
        code: String,
        /// What was being done, such as `IKE_AUTH`.
        step: String,
        /// One line for a person.
        summary: String,
        /// What was offered, what is allowed, what did not fit: a line each.
        detail: Vec<String>,
        /// What to change.
        suggestion: Option<String>,
        /// Address and port of the other side.
        peer: Option<String>,
        /// When it happened.
        at: u64,
    }

    /// What ikd runs on.
    Configuration {
        /// Files and directories, as given on the command line.
        paths: Vec<String>,
        /// When it was read.
        loaded_at: u64,
        /// Connections in it.
        connections: u64,
        /// Why the newest attempt to read it again changed nothing.
        last_reload_error: Option<Failure>,
    }

    /// The kernel below.
    Kernel {
        /// Whether SAs are installed.
        mode: KernelMode,
        /// What was found, a line each.
        capabilities: Vec<String>,
        /// What was looked for in vain, a line each.
        missing: Vec<String>,
    }

    /// How many of what there are.
    Counts {
        /// Connections configured.
        connections: u64,
        /// Connections whose children that should be up are up.
        up: u64,
        /// IKE SAs.
        ike_sas: u64,
        /// IKE SAs whose peer has not authenticated yet.
        half_open: u64,
        /// Child SAs.
        child_sas: u64,
    }

    /// What `Status` answers.
    Status {
        /// The daemon's version.
        version: String,
        /// The daemon's process.
        pid: u32,
        /// When it started.
        started: u64,
        /// What the daemon's clock shows.
        now: u64,
        /// Since it started.
        uptime_seconds: u64,
        /// What it runs on.
        configuration: Configuration,
        /// The file that the keys of IKE SAs are written to, where `--keylog` asks for it.
        keylog: Option<String>,
        /// What it runs above.
        kernel: Kernel,
        /// How many of what there are.
        counts: Counts,
        /// The kernel's error counters that are not zero.
        xfrm_statistics: BTreeMap<String, u64>,
        /// What ends within 30 days, and in the last third of its life; or has ended.
        expiring: Vec<Expiring>,
    }

    /// A certificate or CRL of the configuration that ends soon, or has ended.
    Expiring {
        /// What it is.
        kind: ExpiringKind,
        /// Whose, as a distinguished name.
        name: String,
        /// In hexadecimal digits; `None` for a CRL.
        serial: Option<String>,
        /// When it ends.
        not_after: u64,
        /// Names of the connections that use it.
        connections: Vec<String>,
    }

    /// A certificate that we show.
    Certificate {
        /// Whose it is, as a distinguished name.
        subject: String,
        /// Who made it, as a distinguished name.
        issuer: String,
        /// In hexadecimal digits.
        serial: String,
        /// When it begins.
        not_before: u64,
        /// When it ends.
        not_after: u64,
    }

    /// How one side of an IKE SA has proved who it is.
    Proof {
        /// By what.
        method: ProofMethod,
        /// The signature's algorithm; `None` for a shared secret.
        signature: Option<String>,
        /// Whose certificate, as a distinguished name.
        subject: Option<String>,
        /// Who made the certificate, as a distinguished name.
        issuer: Option<String>,
        /// The certificate's number, in hexadecimal digits.
        serial: Option<String>,
        /// When the certificate, or one above it, expires.
        not_after: Option<u64>,
        /// SHA-256 of the raw key's SubjectPublicKeyInfo, in hexadecimal digits.
        key: Option<String>,
    }

    /// What `List` answers, or a part of it.
    List {
        /// What the daemon's clock shows.
        now: u64,
        /// In the order of the configuration.
        connections: Vec<Connection>,
        /// Traffic that passes in clear or is dropped.
        policies: Vec<Policy>,
        /// Peers that fit no connection.
        unknown_peers: Vec<UnknownPeer>,
    }

    /// A connection, as configured, and how it fares.
    Connection {
        /// Its name in the configuration.
        name: String,
        /// How it fares.
        state: State,
        /// Our end.
        local: End,
        /// The other end.
        remote: End,
        /// What it protects.
        children: Vec<Child>,
        /// Its IKE SAs (phase 1): one, but for moments.
        ike_sas: Vec<IkeSa>,
        /// The newest failure since it was last up.
        last_failure: Option<Failure>,
        /// Until the next attempt.
        retry_in_seconds: Option<u64>,
        /// What we show, where we sign with the key of a certificate.
        certificate: Option<Certificate>,
    }

    /// One end of a connection, as configured.
    End {
        /// `None`: any.
        address: Option<String>,
        /// `None`: any.
        id: Option<String>,
    }

    /// A child of a connection, as configured, and how it fares.
    Child {
        /// Its name in the connection.
        name: String,
        /// What ikd promises about it.
        keep: Keep,
        /// How it fares.
        state: State,
        /// What its packets carry.
        mode: Mode,
        /// Selectors on our side.
        local: Vec<String>,
        /// Selectors on the peer's side.
        remote: Vec<String>,
        /// The newest failure since it was last up.
        last_failure: Option<Failure>,
    }

    /// An IKE SA (phase 1).
    IkeSa {
        /// Unique in the life of the daemon's process.
        id: u64,
        /// How far it is.
        state: IkeSaState,
        /// Who began it.
        role: Role,
        /// 16 hexadecimal digits.
        initiator_spi: String,
        /// 16 hexadecimal digits; zeros until the responder has answered.
        responder_spi: String,
        /// Our address and port.
        local: String,
        /// The peer's address and port.
        remote: String,
        /// Our identity, once proven.
        local_id: Option<String>,
        /// The peer's identity, once proven.
        remote_id: Option<String>,
        /// How we have proved it.
        local_auth: Option<Proof>,
        /// How the peer has proved it.
        remote_auth: Option<Proof>,
        /// Algorithms, as a policy file writes them; empty until agreed.
        suite: String,
        /// When it was established.
        established: Option<u64>,
        /// Since it began.
        age_seconds: u64,
        /// Since the peer last sent something authentic.
        last_heard_seconds: Option<u64>,
        /// What it has negotiated.
        child_sas: Vec<ChildSa>,
    }

    /// A Child SA (phase 2): a pair of ESP SAs in the kernel.
    ChildSa {
        /// The child it belongs to.
        name: String,
        /// The SPI we receive under, 8 hexadecimal digits.
        spi_in: String,
        /// The SPI we send under, 8 hexadecimal digits.
        spi_out: String,
        /// What ties the kernel's SAs to its policies.
        reqid: u32,
        /// What it carries.
        mode: Mode,
        /// Algorithms, as a policy file writes them.
        suite: String,
        /// Whether it has extended sequence numbers.
        esn: bool,
        /// Traffic selectors on our side, as agreed.
        local_ts: Vec<String>,
        /// Traffic selectors on the peer's side, as agreed.
        remote_ts: Vec<String>,
        /// Bytes received.
        bytes_in: u64,
        /// Bytes sent.
        bytes_out: u64,
        /// Packets received.
        packets_in: u64,
        /// Packets sent.
        packets_out: u64,
        /// Since its installation.
        age_seconds: u64,
        /// From its installation until the kernel stops using it.
        hard_lifetime_seconds: u64,
        /// Packets that may arrive out of order; 0: no replay protection.
        replay_window: u32,
    }

    /// Traffic that passes in clear or is dropped.
    Policy {
        /// Its name in the configuration.
        name: String,
        /// What happens to the traffic.
        action: Action,
        /// Selectors on our side.
        local: Vec<String>,
        /// Selectors on the far side.
        remote: Vec<String>,
    }

    /// A peer that fits no connection.
    UnknownPeer {
        /// Its address and port.
        address: String,
        /// What it was refused for.
        failure: Failure,
    }

    /// What `List` asks for.
    ListRequest {
        /// `None`: all connections.
        connection: Option<String>,
        /// Only what has a failure to tell.
        failed: bool,
    }

    /// What `Up` answers.
    UpReply {
        /// How the connection, or the child, fares now.
        state: State,
    }

    /// What `Metrics` answers.
    Metrics {
        /// Text of OpenMetrics 1.0, with its end marker.
        text: String,
    }

    /// What `Reload` answers.
    Reloaded {
        /// Connections that are new.
        added: Vec<String>,
        /// Connections that are gone.
        removed: Vec<String>,
        /// Connections that are different.
        changed: Vec<String>,
    }

    /// What `Monitor` asks for.
    MonitorRequest {
        /// `None`: everything.
        connection: Option<String>,
        /// Names of events; none: all.
        events: Vec<String>,
        /// From which level on; `None`: info.
        level: Option<EventLevel>,
    }

    /// What `Monitor` answers, again and again.
    Monitored {
        /// What happened; `None` in the first and the last reply.
        event: Option<Event>,
        /// Left out since the reply before, because the caller reads too slowly.
        missed: u64,
    }

    /// Something that happened.
    Event {
        /// When, in microseconds since 1970.
        at_microseconds: u64,
        /// How much attention it wants.
        level: EventLevel,
        /// Its stable name.
        name: String,
        /// One line for a person.
        message: String,
        /// The connection's name.
        connection: Option<String>,
        /// The child's name.
        child: Option<String>,
        /// The peer's address and port.
        peer: Option<String>,
        /// Our address and port.
        local: Option<String>,
        /// The peer's identity.
        peer_id: Option<String>,
        /// By what the peer has proved it: psk, certificate, raw-key.
        proof: Option<String>,
        /// The stable code of a failure.
        code: Option<String>,
        /// At which step something failed.
        step: Option<String>,
        /// Who has to change something.
        blame: Option<String>,
        /// The facts, a line each.
        detail: Vec<String>,
        /// What to change.
        suggestion: Option<String>,
        /// Algorithms, as a policy file writes them.
        suite: Option<String>,
        /// Both SPIs of an IKE SA, initiator's first.
        ike_spis: Option<String>,
        /// The SPI of packets that come in.
        spi_in: Option<String>,
        /// The SPI of packets that go out.
        spi_out: Option<String>,
        /// Until the next attempt.
        retry_in_seconds: Option<u64>,
        /// How many.
        count: Option<u64>,
    }

    /// What `SetLog` asks for. Neither connection nor peer: the general level.
    SetLogRequest {
        /// `None`: no rule of its own; in general: as the daemon was started.
        level: Option<LogLevel>,
        /// The connection's name.
        connection: Option<String>,
        /// The peer's address.
        peer: Option<String>,
    }

    /// What `GetLog` and `SetLog` answer.
    LogLevels {
        /// In general.
        level: LogLevel,
        /// What differs.
        rules: Vec<LogRule>,
    }

    /// A level of the log for one connection or peer.
    LogRule {
        /// The connection's name.
        connection: Option<String>,
        /// The peer's address.
        peer: Option<String>,
        /// From which level on its events are written.
        level: LogLevel,
    }

    /// What `Version` answers.
    Version {
        /// The daemon's version.
        version: String,
    }

    /// No parameters.
    Empty {}
}

/// What `Up` asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpRequest {
    /// The connection's name.
    pub connection: String,
    /// `None`: all its children.
    #[serde(default)]
    pub child: Option<String>,
    /// Whether to answer only when it is up or has failed.
    #[serde(default)]
    pub wait: bool,
    /// How long to wait at most; `None`: the daemon's choice.
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
}

/// What `Down` asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownRequest {
    /// The connection's name.
    pub connection: String,
    /// `None`: the whole connection.
    #[serde(default)]
    pub child: Option<String>,
}

/// What `RekeyChild` asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RekeyChildRequest {
    /// The connection's name.
    pub connection: String,
    /// One of its children.
    pub child: String,
}

/// What `RekeyIke` asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RekeyIkeRequest {
    /// The connection's name.
    pub connection: String,
    /// Whether both ends are to authenticate again, under a fresh IKE SA. `None`: no.
    #[serde(default)]
    pub reauthenticate: Option<bool>,
}

impl List {
    /// Cuts a long list into parts of at most `connections` connections each, for a caller who asked with `more`.
    pub fn into_parts(self, connections: usize) -> impl Iterator<Item = Self> {
        let Self {
            now,
            connections: all,
            policies,
            unknown_peers,
        } = self;
        let mut rest = all.into_iter();
        let mut first = Some(Self {
            now,
            connections: Vec::new(),
            policies,
            unknown_peers,
        });
        std::iter::from_fn(move || {
            let part: Vec<_> = rest.by_ref().take(connections.max(1)).collect();
            match first.take() {
                Some(first) => Some(Self {
                    connections: part,
                    ..first
                }),
                None if part.is_empty() => None,
                None => Some(Self {
                    now,
                    connections: part,
                    ..Self::default()
                }),
            }
        })
    }
}
