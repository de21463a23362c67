//! The text of OpenMetrics, from the engine at one moment, the counters and the kernel.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::PoisonError;
use std::time::Duration;

use ikapi::State;
use ike::config::{Child, Keep};
use ike::engine::io::SaReference;
use ike::engine::snapshot::{ConnectionSnapshot, Snapshot};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::registry::{Registry, Unit};

use super::Metrics;
use super::counts::Values;
use super::table::{self, Kind, Metric};
use crate::control::{View, child_state, connection_state};
use crate::expiry;
use crate::kernel::Traffic;

/// The whole text. `traffic`: what each SA in the kernel has carried.
pub(super) fn text(
    metrics: &Metrics,
    view: &View,
    traffic: &HashMap<SaReference, Traffic>,
) -> String {
    let mut samples = Samples::default();
    samples.daemon(view);
    samples.connections(&view.snapshot);
    samples.expiry(view);
    samples.traffic(metrics, &view.snapshot, traffic);
    // A kernel that keeps none has none to tell.
    for (counter, count) in xfrm_sys::Statistics::read().unwrap_or_default().iter() {
        samples.add(&table::XFRM_ERRORS, [counter.to_owned()], count);
    }
    for ((name, values), count) in metrics.counts() {
        samples.0.entry(name).or_default().push((values, count));
    }
    let mut registry = Registry::default();
    registry.register_collector(Box::new(samples));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes all that is written to it");
    text
}

/// Values of labels and numbers, by the metric's name.
#[derive(Debug, Default)]
struct Samples(BTreeMap<&'static str, Vec<(Values, u64)>>);

impl Samples {
    fn add<const N: usize>(
        &mut self,
        metric: &'static Metric,
        values: [impl Into<Cow<'static, str>>; N],
        number: u64,
    ) {
        debug_assert_eq!(metric.labels.len(), N, "{}", metric.name);
        let values = values.map(Into::into).to_vec();
        self.0
            .entry(metric.name)
            .or_default()
            .push((values, number));
    }

    /// A metric without labels.
    fn one(&mut self, metric: &'static Metric, number: u64) {
        self.add(metric, [""; 0], number);
    }

    fn daemon(&mut self, view: &View) {
        let facts = &view.facts;
        self.add(&table::BUILD, [env!("CARGO_PKG_VERSION")], 1);
        self.one(&table::START_TIME, facts.started);
        self.one(&table::CONFIGURATION_LOADED, facts.loaded_at);
        let refused = u64::from(facts.reload_failure.is_some());
        self.one(&table::CONFIGURATION_REFUSED, refused);
        self.one(&table::HALF_OPEN, view.snapshot.half_open as u64);
    }

    fn connections(&mut self, snapshot: &Snapshot) {
        self.one(&table::CONNECTIONS, snapshot.connections.len() as u64);
        let mut states = BTreeMap::from([("connecting", 0), ("established", 0), ("closing", 0)]);
        let mut child_sas = 0;
        for connection in &snapshot.connections {
            let name = connection.connection.name.as_str();
            let up = connection_state(connection) == State::Up;
            self.add(&table::CONNECTION_UP, [name.to_owned()], u64::from(up));
            for child in &connection.connection.children {
                self.child(connection, child);
            }
            for sa in &connection.ike_sas {
                *states.entry(sa.state).or_default() += 1;
                child_sas += sa.children.iter().filter(|one| one.age.is_some()).count();
            }
        }
        for (state, count) in states {
            self.add(&table::IKE_SAS, [state], count);
        }
        self.one(&table::CHILD_SAS, child_sas as u64);
    }

    fn child(&mut self, connection: &ConnectionSnapshot, child: &Child) {
        let names = || {
            [
                connection.connection.name.to_string(),
                child.name.to_string(),
            ]
        };
        let state = child_state(child, connection);
        let wanted = child.keep == Keep::Up && state != State::Down;
        self.add(&table::CHILD_WANTED, names(), u64::from(wanted));
        self.add(&table::CHILD_UP, names(), u64::from(state == State::Up));
        if let Some(code) = down_reason(state, connection, child) {
            let [connection, child] = names().map(Cow::Owned);
            let values = [connection, child, Cow::Borrowed(code)];
            self.add(&table::CHILD_DOWN_REASON, values, 1);
        }
    }

    fn expiry(&mut self, view: &View) {
        for ((connection, kind), until) in expiry::first_ends(&view.facts.configuration) {
            let values = [
                Cow::Owned(connection.to_string()),
                Cow::Borrowed(kind.name()),
            ];
            self.add(
                &table::CERTIFICATE_EXPIRY,
                values,
                Duration::as_secs(&until),
            );
        }
    }

    fn traffic(
        &mut self,
        metrics: &Metrics,
        snapshot: &Snapshot,
        traffic: &HashMap<SaReference, Traffic>,
    ) {
        let mut carried = metrics
            .carried
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        carried.look(snapshot, traffic);
        for (connection, child, sum) in carried.sums() {
            for (direction, sum) in [("in", sum.inbound), ("out", sum.outbound)] {
                let values = || {
                    let names = [connection, child].map(|name| Cow::Owned(name.to_string()));
                    let [connection, child] = names;
                    [connection, child, Cow::Borrowed(direction)]
                };
                self.add(&table::CHILD_BYTES, values(), sum.bytes);
                self.add(&table::CHILD_PACKETS, values(), sum.packets);
            }
        }
    }
}

/// Why a child is not up, as far as that is known.
fn down_reason(
    state: State,
    connection: &ConnectionSnapshot,
    child: &Child,
) -> Option<&'static str> {
    if state == State::Up {
        return None;
    }
    if state == State::Down {
        return Some(ike::failure_code::FailureCode::TakenDown.name());
    }
    let own = connection
        .child_failures
        .iter()
        .rfind(|(name, ..)| *name == child.name);
    let own = own.map(|(_, at, failure)| (at, failure));
    let whole = connection
        .last_failure
        .as_ref()
        .map(|(at, failure)| (at, failure));
    let newest = own.into_iter().chain(whole).max_by_key(|(at, _)| *at);
    newest.map(|(_, failure)| failure.cause.code().name())
}

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in table::ALL {
            let Some(samples) = self.0.get(metric.name) else {
                continue;
            };
            let unit = metric.unit.map(|unit| Unit::Other(unit.to_owned()));
            let kind = metric.kind.of_library();
            let mut family =
                encoder.encode_descriptor(metric.name, metric.help, unit.as_ref(), kind)?;
            for (values, number) in samples {
                let names = metric.labels.iter().map(|label| label.name);
                let labels: Vec<_> = names.zip(values.iter().map(Cow::as_ref)).collect();
                match metric.kind {
                    Kind::Info => family.encode_info(&labels)?,
                    kind if labels.is_empty() => number_of(&mut family, kind, *number)?,
                    kind => number_of(&mut family.encode_family(&labels)?, kind, *number)?,
                }
            }
        }
        Ok(())
    }
}

fn number_of(sample: &mut MetricEncoder<'_>, kind: Kind, number: u64) -> fmt::Result {
    match kind {
        Kind::Counter => sample.encode_counter::<NoLabelSet, _, u64>(&number, None),
        Kind::Gauge | Kind::Info => sample.encode_gauge(&number),
    }
}
