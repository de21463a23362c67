//! What may be written on the command line, and the help.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::decode;

/// Manages ikd, the IKEv2 daemon.
#[derive(Debug, Parser)]
#[command(name = "ikctl", version, about, long_about = ABOUT, after_long_help = AFTER, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Where the daemon listens
    ///
    /// The environment variable IKCTL_SOCKET says it as well.
    #[arg(long, global = true, value_name = "PATH", env = "IKCTL_SOCKET", default_value = ikapi::DEFAULT_SOCKET)]
    #[arg(hide_env = true, verbatim_doc_comment)]
    pub(crate) socket: PathBuf,

    /// Print JSON, for scripts
    ///
    /// Prints the daemon's answer as it came, its keys in alphabetical order.
    /// Later versions may add fields, none will change its meaning. When
    /// something fails, an object with "error" and "parameters" is printed,
    /// and the message for people still goes to standard error.
    #[arg(long, global = true, verbatim_doc_comment)]
    pub(crate) json: bool,

    /// Colour: auto, always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(crate) color: Color,

    /// How long to wait for the daemon
    ///
    /// A number with ms, s, m or h, such as 30s. [default: 10s; where
    /// something changes: 60s]
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, verbatim_doc_comment)]
    pub(crate) timeout: Option<Duration>,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// How the daemon and the kernel fare
    ///
    /// Tells the daemon's version and age, the configuration it runs on, what the
    /// kernel or the privileges lack, how many connections are up, and those error
    /// counters of the kernel (/proc/net/xfrm_stat) that are not zero.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
Examples:
  ikctl status
  ikctl --json status | jq .counts.up"
    )]
    Status,

    /// Connections, their IKE SAs (phase 1) and Child SAs (phase 2)
    ///
    /// For each connection: its peers and identities, the IKE SA with its
    /// algorithms and SPIs, each child with its selectors, and the Child SA with
    /// its SPIs, traffic, age and lifetime. Where something went wrong: when, in
    /// which step, why, and what to change.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
The sign before a connection:
  +  up: everything that should be up is
  ~  connecting
  !  waiting: an attempt failed, the next one is due
  -  down: taken down by ikctl down
  .  passive: the peer has to come
  o  on demand: the next packet that needs it begins it

Examples:
  ikctl list
  ikctl list branch
  ikctl list --failed
  ikctl --json list | jq -r '.connections[] | select(.state != \"up\") | .name'"
    )]
    List {
        /// Only this connection
        connection: Option<String>,
        /// Only what has a failure to tell
        ///
        /// Also shows peers that were refused because they fit no connection.
        #[arg(long)]
        failed: bool,
    },

    /// Everything that the daemon counts and measures, for Prometheus
    ///
    /// Text of OpenMetrics 1.0: which children should be up and are, and why not;
    /// handshakes by result, retransmissions, drops, errors of the kernel, traffic,
    /// when certificates expire. `ikd --metrics ADDRESS` serves the same over HTTP.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
Examples:
  ikctl metrics
  ikctl metrics | grep ikd_child_down_reason"
    )]
    Metrics,

    /// Bring a connection, or one child of it, up
    ///
    /// Waits until it is up (exit 0), or has failed or is not up in time (exit 1,
    /// with the reason). The attempts of a connection that is to be kept up go on
    /// in either case. Ends what `ikctl down` began.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
Examples:
  ikctl up branch
  ikctl up branch lan --timeout 2m
  ikctl up branch --no-wait"
    )]
    Up {
        /// A connection of the configuration
        connection: String,
        /// One of its children; without: all that are to be kept up
        child: Option<String>,
        /// Do not wait for the result
        #[arg(long)]
        no_wait: bool,
    },

    /// Take a connection, or one child of it, down
    ///
    /// Says goodbye to the peer and removes the SAs from the kernel. What the
    /// policy protects stays protected: its traffic is blocked, not sent in clear.
    /// It stays down until `ikctl up` or a reload that changes it.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
Examples:
  ikctl down branch
  ikctl down branch lan"
    )]
    Down {
        /// A connection of the configuration
        connection: String,
        /// One of its children; without: the whole connection
        child: Option<String>,
    },

    /// Replace what is in use by something new, with new keys
    #[command(subcommand)]
    Rekey(Rekey),

    /// What happens, as it happens
    ///
    /// Prints an event a line, as the log has them, until Ctrl-C or until ikd ends
    /// (exit 3). With --json, each line is a reply of the daemon: its event, and
    /// how many were missed before it. Who reads slowly delays nobody: what does
    /// not fit is left out and counted.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
Examples:
  ikctl monitor
  ikctl monitor branch --level debug
  ikctl monitor --event child-up --event child-down
  ikctl --json monitor | jq -r 'select(.event) | .event.message'"
    )]
    Monitor {
        /// Only this connection, datagrams of its peer included
        connection: Option<String>,
        /// From here on: debug, info, warn, error
        #[arg(
            long,
            value_name = "LEVEL",
            default_value = "info",
            hide_possible_values = true
        )]
        level: EventLevel,
        /// Only events of this name; may be given several times
        #[arg(long, value_name = "NAME")]
        event: Vec<String>,
    },

    /// Show or set what is logged, until the daemon ends
    ///
    /// Without a level, shows what is set. The level of one connection, or of one
    /// peer, may be more or less verbose than the general one: debug for one of
    /// them writes its retransmissions and dropped datagrams, and no others.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
Levels: error, warn, info, debug, trace (what libraries say as well); default
takes a rule away, or sets the level that the daemon was started with.

Examples:
  ikctl log
  ikctl log debug --connection branch
  ikctl log default --connection branch
  ikctl log error --peer 198.51.100.7"
    )]
    Log {
        /// From which level on; without: show what is set
        #[arg(hide_possible_values = true)]
        level: Option<LogLevel>,
        /// For this connection only
        #[arg(long, value_name = "NAME", requires = "level", conflicts_with = "peer")]
        connection: Option<String>,
        /// For whoever has this address only
        #[arg(long, value_name = "ADDRESS", requires = "level")]
        peer: Option<IpAddr>,
    },

    /// Check policy files, without a daemon
    ///
    /// Reads them as ikd would read them, and prints every error with its place
    /// and what to write instead. Several files are checked as one configuration.
    /// What is good is then compared with this machine: addresses, routes,
    /// forwarding, filters, ports. Where none of its addresses and networks is
    /// here, it is for another machine, and this is left out.
    /// Exit 0: ikd would take it; 6: it would not.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
Examples:
  ikctl check /etc/ikd
  ikctl check hq.yaml && ikctl reload
  ikctl check --offline gateways/hq.yaml
  ikctl --json check hq.yaml | jq -r '.problems[].message'"
    )]
    Check {
        /// Policy files, or directories of them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Do not look at this machine
        #[arg(long)]
        offline: bool,
    },

    /// What a code means, who has to change something, and how
    ///
    /// For the codes of failures, of `ikctl check`, of warnings about this machine
    /// and of dropped datagrams. Prints the page of the book; needs no daemon.
    /// Without a code: all of them, a line each.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
Examples:
  ikctl explain no-common-proposal
  ikctl explain | grep certificate"
    )]
    Explain {
        /// A code, as `ikctl list` and the log show it in parentheses
        code: Option<String>,
    },

    /// Decode the IKE messages of a capture, without a daemon
    ///
    /// Shows every IKEv2 message of a pcap or pcapng file with its payloads, and
    /// what was never answered or never became whole. With the keys of its IKE SA
    /// it decrypts a message and checks its integrity. What is broken is shown as
    /// far as it goes, marked with ! and why.
    #[command(verbatim_doc_comment, after_long_help = DECODE)]
    Decode(decode::Options),

    /// Let the daemon read its configuration again
    ///
    /// Only what has changed is touched. A configuration with an error changes
    /// nothing: the errors are printed (exit 1), and what runs goes on.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
Example:
  ikctl reload"
    )]
    Reload,

    /// Say goodbye to all peers, clean the kernel and end the daemon
    ///
    /// The SAs and policies of ikd are removed from the kernel: from then on
    /// nothing protects the traffic, or blocks it.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
Example:
  ikctl shutdown"
    )]
    Shutdown,

    /// The versions of ikctl and, if it answers, of ikd
    Version,
}

/// How much attention an event wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// From which level on the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
    /// As it would be if nobody had set it.
    Default,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// Whether to use colour, <https://no-color.org> respected.
    pub(crate) fn decide(self, terminal: bool) -> bool {
        let unwanted = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && !unwanted(),
        }
    }
}

/// `500ms`, `10s`, `2m`, `1h`, or seconds. More than nothing, at most a day.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => Duration::from_millis(1),
        "" | "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err("a number with ms, s, m or h, such as 30s".to_owned()),
    };
    let count: u32 = digits
        .parse()
        .map_err(|_| "a number with ms, s, m or h, such as 30s".to_owned())?;
    let day = Duration::from_secs(24 * 3600);
    let time = unit
        .checked_mul(count)
        .filter(|time| !time.is_zero() && *time <= day);
    time.ok_or_else(|| "more than nothing, and at most 24h".to_owned())
}

const ABOUT: &str = "\
Manages ikd, the IKEv2 daemon, over its control socket.

IKEv2 works in two phases: phase 1 makes the IKE SA, in which both ends prove
who they are; phase 2 makes Child SAs, the pairs of ESP SAs in the kernel that
protect the traffic.";

const AFTER: &str = "\
Exit codes:
  0  done
  1  failed: the daemon said no, or what was asked for did not work
  2  wrong usage
  3  no answer: the daemon is not there, hangs, went away, or is not ikd
  4  not allowed
  5  not found: there is no such connection, child or code
  6  check found errors
  7  decode: the capture or the key table is damaged; the rest was printed

Examples:
  ikctl list                     what is up, and what is not and why
  ikctl up branch                bring a connection up, and say why if it fails
  ikctl explain no-response      what a code means, and what to do
  ikctl monitor branch           what happens there, as it happens
  ikctl check /etc/ikd           before a reload
  ikctl decode capture.pcap      what went over the wire
  ikctl --json list | jq         for scripts

Who may look (status, list, metrics, monitor) and who may change is decided by
ikd: root, and on a packaged system the groups ikd and ikd-admin. Any language
can: the socket speaks Varlink, the interface is org.ikd.Control
(varlinkctl introspect /run/ikd/control org.ikd.Control).";

const DECODE: &str = "\
What is read: pcap and pcapng; Ethernet with VLANs and PPPoE, PPP, Linux
cooked, loopback and raw IP; IPv4 and IPv6, their fragments put together; IKE
fragments (RFC 7383) put together. ESP is counted, not decoded; IKEv1 and IKE
in TCP are not decoded.

The key table has one line for each IKE SA, in hexadecimal:
  SPIi,SPIr,SK_ei,SK_er,\"encryption\",SK_ai,SK_ar,\"integrity\"
with Wireshark's names of algorithms, or IANA's for those it lacks.

With --json one object is printed on each line. Those of \"type\" \"message\":
  frames, time, source, destination, length, missing, retransmission_of,
  broken, header (version, exchange, response, from_initiator, message_id,
  initiator_spi, responder_spi), fields (name, value, offset, length, fields,
  fault), fault (offset, reason), nat (source_fits, destination_fits: whether
  NAT_DETECTION_*_IP are those of the addresses), and protection, null without
  an SK payload, else: state (decrypted, no_key, failed with a reason),
  integrity (right, wrong, unchecked), fields, fault, fragment, fragments,
  fragment_length, fragment_frames.
The last is of \"type\" \"end\": counts, what is missing, and damage, which says why
the file could not be read to its end, or is null.

Exit codes:
  0  the whole file was read, whatever the messages in it are like
  1  it cannot be opened, or is no capture
  7  the file breaks off or is damaged, or lines of the table cannot be used;
     everything else was printed

Examples:
  ikctl decode capture.pcap
  ikctl decode capture.pcapng --keys keys.csv
  ikctl decode capture.pcap --summary
  tcpdump -i any -U -w - udp port 500 or udp port 4500 | ikctl decode -
  ikctl --json decode capture.pcap | jq -c 'select(.broken) | [.frames, .fault]'";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_help_fits_80_columns() {
        let mut commands = vec![Arguments::command()];
        while let Some(mut command) = commands.pop() {
            for text in [command.render_long_help(), command.render_help()] {
                for line in text.to_string().lines() {
                    assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
                }
            }
            command.build();
            commands.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in [
            "",
            "s",
            "0",
            "0s",
            "-1s",
            "1.5s",
            "10 s",
            "25h",
            "4294967295h",
            "1d",
            "µs",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}

/// What is to be replaced.
#[derive(Debug, Subcommand)]
pub(crate) enum Rekey {
    /// The Child SA (phase 2) of one child
    ///
    /// Asks the peer for a new one and waits until traffic goes out by it; no packet
    /// is lost. If the peer refuses, the old one goes on. ikd does this by itself
    /// before the end of its lifetime.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
Example:
  ikctl rekey child branch lan"
    )]
    Child {
        /// A connection of the configuration
        connection: String,
        /// One of its children
        child: String,
    },

    /// The IKE SA (phase 1) of a connection
    ///
    /// Asks the peer for a new one and waits until it is in use. The children go on
    /// under it, and nothing changes in the kernel. Nobody has to prove again who he
    /// is. ikd does this by itself every few hours.
    ///
    /// With --reauth both ends prove again who they are, with the keys and the
    /// certificates that they have now: a fresh IKE SA is made with all its children,
    /// and when they are in use the old one is deleted. No packet is lost. If it
    /// fails, the old one goes on.
    #[command(
        verbatim_doc_comment,
        after_long_help = "\
Examples:
  ikctl rekey ike branch
  ikctl rekey ike branch --reauth"
    )]
    Ike {
        /// A connection of the configuration
        connection: String,
        /// Have both ends authenticate again
        #[arg(long)]
        reauth: bool,
    },
}
