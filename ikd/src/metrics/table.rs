//! Every metric there is: the output and the reference are both made of this table.
//!
//! Labels have values from bounded sets: names of connections and children in the configuration, words and codes of ours,
//! names of the kernel's. Nothing that a peer sends is among them.

use prometheus_client::metrics::MetricType;

/// A metric, as it is documented and told.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name without the endings that unit and kind give it: [`Self::series`] has them.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What it counts or measures: `seconds`, `bytes`.
    pub unit: Option<&'static str>,
    /// What tells its series apart, in the order of the output.
    pub labels: &'static [Label],
    /// One line on what it says.
    pub help: &'static str,
}

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the start of the daemon.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Always 1: its labels are what it says.
    Info,
}

/// A label, and which values it can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values, in words.
    pub values: &'static str,
}

impl Kind {
    /// The word of OpenMetrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Info => "info",
        }
    }

    pub(super) const fn of_library(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Info => MetricType::Info,
        }
    }
}

impl Metric {
    /// The name to ask Prometheus for: `ikd_child_bytes_total`.
    #[must_use]
    pub fn series(&self) -> String {
        let unit = self.unit.map(|unit| format!("_{unit}")).unwrap_or_default();
        let kind = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge => "",
        };
        format!("{}{unit}{kind}", self.name)
    }
}

macro_rules! labels {
    ($($constant:ident = $name:literal: $values:literal;)+) => {
        $(const $constant: Label = Label { name: $name, values: $values };)+
    };
}

labels! {
    CONNECTION = "connection": "a connection of the configuration";
    CHILD = "child": "a child of that connection";
    CODE = "code": "the code of a failure (`ikctl explain CODE`)";
    COUNTER = "counter": "a counter of the kernel, as /proc/net/xfrm_stat has it";
    DIRECTION = "direction": "in, out";
    ERRNO = "errno": "the name of the system's error: EEXIST";
    EVENT = "event": "the name of an event";
    EXCHANGE = "exchange": "IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL";
    EXPIRING = "kind": "own (the certificate that we show), intermediate (shown with it), authority (peers are judged by it), revocation_list";
    OPERATION = "operation": "what the kernel was asked for: XFRM_MSG_NEWSA";
    PROBLEM = "problem": "not-ike (received on port 4500), buffer-full, send-failed";
    REASON = "reason": "malformed, unknown-spi, bad-integrity, message-id, unexpected, bad-flags, wrong-address, half-open-limit, in-progress, not-negotiated, unsolicited";
    RELOAD = "result": "taken, refused";
    RESULT = "result": "established, or the code of a failure";
    ROLE = "role": "initiator (we began), responder";
    STATE = "state": "connecting, established, closing";
    VERSION = "version": "the version of ikd";
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal $(in $unit:literal)? [$($label:ident),*] $help:literal;)+) => {
        $(pub(super) static $constant: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            unit: metrics!(@unit $($unit)?),
            labels: &[$($label),*],
            help: $help,
        };)+

        /// All of them, in the order of the output.
        pub(crate) static ALL: &[&Metric] = &[$(&$constant),+];
    };
    (@unit) => { None };
    (@unit $unit:literal) => { Some($unit) };
}

metrics! {
    BUILD = Info "ikd_build" [VERSION]
        "The daemon that runs.";
    START_TIME = Gauge "ikd_start_time" in "seconds" []
        "When the daemon started, since 1970.";

    CONFIGURATION_LOADED = Gauge "ikd_configuration_loaded_timestamp" in "seconds" []
        "When the configuration in force was read, since 1970.";
    CONFIGURATION_REFUSED = Gauge "ikd_configuration_refused" []
        "1 while the newest attempt to read the configuration again was refused, and the former one goes on; else 0.";
    CONFIGURATIONS = Counter "ikd_configurations" [RELOAD]
        "Configurations that were read, and files that one names: taken, the first one included, or refused.";

    CONNECTIONS = Gauge "ikd_connections" []
        "Connections in the configuration.";
    CONNECTION_UP = Gauge "ikd_connection_up" [CONNECTION]
        "1 while everything of the connection that should be up is up, and its IKE SA is established; else 0.";
    CHILD_WANTED = Gauge "ikd_child_wanted" [CONNECTION, CHILD]
        "1 for a child that should be up: the configuration says keep: up, and no operator took it down; else 0.";
    CHILD_UP = Gauge "ikd_child_up" [CONNECTION, CHILD]
        "1 while a Child SA of the child is in the kernel; else 0.";
    CHILD_DOWN_REASON = Gauge "ikd_child_down_reason" [CONNECTION, CHILD, CODE]
        "1, while a child is not up, for the reason: its newest failure, or its connection's. No series where none is known.";
    CHILD_BYTES = Counter "ikd_child" in "bytes" [CONNECTION, CHILD, DIRECTION]
        "What the Child SAs of the child have carried, as seen whenever metrics are read: what an SA carried after the last reading is lost.";
    CHILD_PACKETS = Counter "ikd_child_packets" [CONNECTION, CHILD, DIRECTION]
        "What the Child SAs of the child have carried, as seen whenever metrics are read: what an SA carried after the last reading is lost.";

    IKE_SAS = Gauge "ikd_ike_sas" [STATE]
        "IKE SAs (phase 1) of connections.";
    HALF_OPEN = Gauge "ikd_half_open_ike_sas" []
        "IKE SAs that a peer began and has not authenticated yet.";
    CHILD_SAS = Gauge "ikd_child_sas" []
        "Child SAs (phase 2) in the kernel.";

    HANDSHAKES = Counter "ikd_handshakes" [ROLE, RESULT]
        "IKE SAs that were negotiated, or were not and why.";
    CLOSED = Counter "ikd_ike_sas_closed" [CODE]
        "IKE SAs that stood and are gone, and why.";
    CHILD_FAILURES = Counter "ikd_child_failures" [CODE]
        "Child SAs that could not be made, and why.";
    REKEY_FAILURES = Counter "ikd_rekey_failures" [CODE]
        "SAs that could not be replaced and go on, and why.";
    RETRANSMISSIONS = Counter "ikd_retransmissions" [EXCHANGE]
        "Requests sent again, for no answer had come.";
    DROPPED = Counter "ikd_dropped_datagrams" [REASON]
        "Datagrams dropped without an answer.";
    UDP_PROBLEMS = Counter "ikd_udp_problems" [PROBLEM]
        "Datagrams that were no IKE, or could not be sent; counted every 5 seconds.";
    KERNEL_ERRORS = Counter "ikd_kernel_errors" [OPERATION, ERRNO]
        "Requests that the kernel refused.";
    XFRM_ERRORS = Counter "ikd_xfrm_errors" [COUNTER]
        "Packets that the kernel's IPsec dropped, by its own counters: since boot, in this network namespace.";

    CERTIFICATE_EXPIRY = Gauge "ikd_certificate_expiry_timestamp" in "seconds" [CONNECTION, EXPIRING]
        "When the first certificate (or CRL from a file) of the kind that the connection uses ends, since 1970.";
    EVENTS = Counter "ikd_events" [EVENT]
        "What happened, by the name that the log and the monitor show.";
}
