//! Certificates and CRLs that are about to end, told before tunnels fail: at 30, 7 and 1 days, and when they have ended.
//!
//! What lives shorter than that is not told all its life: nothing is due before a third of its time is left.

use std::collections::BTreeMap;
use std::time::Duration;

use ike::config::{Configuration, Name, PublicCredentials};
use ike::pki::{Certificate, RevocationList};
use policies::{Code, Report};

use crate::events::{Record, some};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How near the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Less than 30 days.
    Month,
    /// Less than 7 days.
    Week,
    /// Less than a day.
    Day,
    /// It is over.
    Over,
}

impl Stage {
    /// All times since the Unix epoch.
    fn of(from: Duration, until: Duration, now: Duration) -> Option<Self> {
        let left = until.saturating_sub(now);
        let stage = match left {
            Duration::ZERO => return Some(Self::Over),
            _ if left < DAY => Self::Day,
            _ if left < 7 * DAY => Self::Week,
            _ if left < 30 * DAY => Self::Month,
            _ => return None,
        };
        (left < until.saturating_sub(from) / 3).then_some(stage)
    }
}

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The certificate that we show.
    Own,
    /// One of those that we show with it.
    Intermediate,
    /// One of those that we judge peers by.
    Authority,
    /// A CRL from a file.
    RevocationList,
}

impl Kind {
    /// A stable word, as the control protocol has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Intermediate => "intermediate",
            Self::Authority => "authority",
            Self::RevocationList => "revocation_list",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Own => "our certificate",
            Self::Intermediate => "the intermediate certificate that we show,",
            Self::Authority => "the authority's certificate",
            Self::RevocationList => "the revocation list of",
        }
    }
}

/// Takes out of a policy's warnings what [`due`] tells, with who uses it, and again when it is nearer.
pub(crate) fn leave_to_teller(warnings: &mut Report) {
    warnings
        .problems
        .retain(|problem| problem.code != Code::CertificateExpiry);
}

/// One thing that ends, whoever uses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    /// What it is.
    pub(crate) kind: Kind,
    /// Whose, as a distinguished name.
    pub(crate) name: String,
    /// Its number, where it has one.
    pub(crate) serial: Option<String>,
    /// When it ends, since the Unix epoch.
    pub(crate) until: Duration,
}

/// What is about to end, or has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// What.
    pub(crate) subject: Subject,
    /// How near the end is.
    pub(crate) stage: Stage,
    /// Who uses it, in the order of their names.
    pub(crate) connections: Vec<Name>,
}

/// All that is due; `now` since the Unix epoch.
pub(crate) fn due(configuration: &Configuration, now: Duration) -> Vec<Due> {
    let mut found = BTreeMap::new();
    for (connection, credentials) in &configuration.credentials {
        for (kind, one) in certificates(credentials) {
            if let Some(stage) = Stage::of(one.not_before(), one.not_after(), now) {
                let entry = found.entry(certificate(kind, one));
                entry
                    .or_insert((stage, Vec::new()))
                    .1
                    .push(connection.clone());
            }
        }
        for (list, until) in lists(credentials) {
            if let Some(stage) = Stage::of(list.this_update(), until, now) {
                let subject = Subject {
                    kind: Kind::RevocationList,
                    name: list.issuer().to_string(),
                    serial: None,
                    until,
                };
                let entry = found.entry(subject);
                entry
                    .or_insert((stage, Vec::new()))
                    .1
                    .push(connection.clone());
            }
        }
    }
    let due = |(subject, (stage, mut connections)): (_, (_, Vec<Name>))| {
        connections.dedup();
        Due {
            subject,
            stage,
            connections,
        }
    };
    found.into_iter().map(due).collect()
}

/// When the first of each kind that a connection uses ends, however far that is, since the Unix epoch.
pub(crate) fn first_ends(configuration: &Configuration) -> BTreeMap<(&Name, Kind), Duration> {
    let mut found = BTreeMap::new();
    for (connection, credentials) in &configuration.credentials {
        let ends = certificates(credentials).map(|(kind, one)| (kind, one.not_after()));
        let lists = lists(credentials).map(|(_, until)| (Kind::RevocationList, until));
        for (kind, until) in ends.chain(lists) {
            let first = found.entry((connection, kind)).or_insert(until);
            *first = until.min(*first);
        }
    }
    found
}

/// Those that we show, and those that we judge by.
fn certificates(credentials: &PublicCredentials) -> impl Iterator<Item = (Kind, &Certificate)> {
    let chain = credentials.own.iter().flat_map(|own| &own.chain);
    let kinds = std::iter::once(Kind::Own).chain(std::iter::repeat(Kind::Intermediate));
    let shown = kinds.zip(chain.map(|one| &**one));
    let judging = credentials.trust.certificates();
    shown.chain(judging.map(|one| (Kind::Authority, &**one)))
}

/// CRLs that say until when they hold.
fn lists(credentials: &PublicCredentials) -> impl Iterator<Item = (&RevocationList, Duration)> {
    let lists = credentials.trust.lists();
    lists
        .iter()
        .filter_map(|list| Some((&**list, list.next_update()?)))
}

fn certificate(kind: Kind, certificate: &Certificate) -> Subject {
    Subject {
        kind,
        name: certificate.subject().to_string(),
        serial: Some(certificate.serial()),
        until: certificate.not_after(),
    }
}

/// Tells each stage of each thing once.
#[derive(Debug, Default)]
pub(crate) struct Teller(BTreeMap<Subject, Stage>);

impl Teller {
    /// What has not been told yet.
    pub(crate) fn news(&mut self, due: Vec<Due>) -> Vec<Due> {
        let before = std::mem::take(&mut self.0);
        self.0 = due
            .iter()
            .map(|one| (one.subject.clone(), one.stage))
            .collect();
        let new = |one: &Due| {
            before
                .get(&one.subject)
                .is_none_or(|told| *told < one.stage)
        };
        due.into_iter().filter(new).collect()
    }
}

impl Due {
    /// Whether the end has come.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// What there is to tell; `now` since the Unix epoch.
    pub(crate) fn record(&self, now: Duration) -> Record {
        let Subject {
            kind,
            name,
            serial,
            until,
        } = &self.subject;
        let number = serial.as_ref().map(|serial| format!(" (serial {serial})"));
        let at = date(*until);
        let verb = match (self.stage, kind) {
            (Stage::Over, Kind::RevocationList) => format!("should have been replaced by {at}"),
            (Stage::Over, _) => format!("expired at {at}"),
            (_, Kind::RevocationList) => {
                format!("is to be replaced by {at}, {}", left(*until, now))
            }
            _ => format!("expires at {at}, {}", left(*until, now)),
        };
        let what = kind.words();
        let message = format!("{what} {name}{} {verb}", number.unwrap_or_default());
        let names: Vec<_> = self.connections.iter().map(Name::as_str).collect();
        let suggestion = match kind {
            Kind::RevocationList => "put the authority's new list in its place",
            _ => "renew it and put the new one in its place, with its key if that is new",
        };
        Record {
            code: Some(if self.is_over() {
                "credential-expired"
            } else {
                "credential-expiring"
            }),
            message,
            detail: vec![format!("used by: {}", some(&names))],
            suggestion: Some(format!("{suggestion}: ikd notices by itself")),
            ..Record::default()
        }
    }
}

/// `2026-12-01T12:00:00Z`
fn date(at: Duration) -> String {
    let seconds = i64::try_from(at.as_secs()).ok();
    let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(
        || "a time beyond all calendars".to_owned(),
        |time| time.to_string(),
    )
}

/// `in 6 days`, `in 7 hours`
fn left(until: Duration, now: Duration) -> String {
    let hours = until.saturating_sub(now).as_secs() / 3600;
    match hours {
        0 => "in less than an hour".to_owned(),
        1 => "in an hour".to_owned(),
        2..48 => format!("in {hours} hours"),
        _ => format!("in {} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    fn due_at(stage: Stage) -> Due {
        let subject = Subject {
            kind: Kind::Own,
            name: "CN=hq.example.com".to_owned(),
            serial: Some("01".to_owned()),
            until: 2 * YEAR,
        };
        let connections = vec![Name::new("branch").expect("a name")];
        Due {
            subject,
            stage,
            connections,
        }
    }

    #[test]
    fn stages_begin_at_30_7_and_1_days_and_at_the_end() {
        let stage = |left: Duration| Stage::of(YEAR, 2 * YEAR, 2 * YEAR - left);
        assert_eq!(stage(30 * DAY), None);
        assert_eq!(stage(30 * DAY - Duration::from_secs(1)), Some(Stage::Month));
        assert_eq!(stage(7 * DAY - Duration::from_secs(1)), Some(Stage::Week));
        assert_eq!(stage(DAY - Duration::from_secs(1)), Some(Stage::Day));
        assert_eq!(stage(Duration::ZERO), Some(Stage::Over));
        assert_eq!(Stage::of(YEAR, 2 * YEAR, 3 * YEAR), Some(Stage::Over));
    }

    #[test]
    fn what_lives_shortly_is_due_in_its_last_third_only() {
        let weekly = |left: Duration| Stage::of(YEAR, YEAR + 6 * DAY, YEAR + 6 * DAY - left);
        assert_eq!(weekly(5 * DAY), None);
        assert_eq!(weekly(2 * DAY), None);
        assert_eq!(weekly(2 * DAY - Duration::from_secs(1)), Some(Stage::Week));
        assert_eq!(weekly(DAY / 2), Some(Stage::Day));
    }

    #[test]
    fn each_stage_is_told_once_and_a_renewed_certificate_from_the_start() {
        let mut teller = Teller::default();
        let mut told = |stage| teller.news(vec![due_at(stage)]).len();
        assert_eq!([told(Stage::Month), told(Stage::Month)], [1, 0]);
        assert_eq!(
            [told(Stage::Week), told(Stage::Week), told(Stage::Over)],
            [1, 0, 1]
        );
        assert!(teller.news(Vec::new()).is_empty());
        assert_eq!(
            teller.news(vec![due_at(Stage::Month)]).len(),
            1,
            "the files went back"
        );
    }

    #[test]
    fn times_are_told_as_people_say_them() {
        assert_eq!(date(Duration::ZERO), "1970-01-01T00:00:00Z");
        assert_eq!(date(Duration::MAX), "a time beyond all calendars");
        let told = [1, 3600, 7200, 47 * 3600, 48 * 3600, 8 * 86_400]
            .map(|seconds| left(Duration::from_secs(seconds), Duration::ZERO));
        assert_eq!(
            told,
            [
                "in less than an hour",
                "in an hour",
                "in 2 hours",
                "in 47 hours",
                "in 2 days",
                "in 8 days"
            ]
        );
    }
}
