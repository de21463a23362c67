//! What an event can tell: a line of the log, an entry of the journal, an event of a monitor.

use ike::engine::event::Level;
use ike::engine::failure::Failure;
use serde_json::Value;

/// What an event tells. Fields that do not apply are `None` and are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// The stable name of what happened.
    pub(crate) event: &'static str,
    /// One line for a person.
    pub(crate) message: String,
    /// The connection's name.
    pub(crate) connection: Option<String>,
    /// The child's name.
    pub(crate) child: Option<String>,
    /// The peer's address and port.
    pub(crate) peer: Option<String>,
    /// Our address and port.
    pub(crate) local: Option<String>,
    /// The peer's identity.
    pub(crate) peer_id: Option<String>,
    /// By what the peer has proved it: psk, certificate, raw-key.
    pub(crate) proof: Option<&'static str>,
    /// The stable code of a failure.
    pub(crate) code: Option<&'static str>,
    /// At which step something failed.
    pub(crate) step: Option<&'static str>,
    /// Who has to change something.
    pub(crate) blame: Option<&'static str>,
    /// The facts, a line each.
    pub(crate) detail: Vec<String>,
    /// What to change.
    pub(crate) suggestion: Option<String>,
    /// Algorithms.
    pub(crate) suite: Option<String>,
    /// Both SPIs of an IKE SA, initiator's first.
    pub(crate) ike_spis: Option<String>,
    /// The SPI of packets that come in.
    pub(crate) spi_in: Option<String>,
    /// The SPI of packets that go out.
    pub(crate) spi_out: Option<String>,
    /// Until the next attempt.
    pub(crate) retry_in_seconds: Option<u64>,
    /// How many.
    pub(crate) count: Option<u64>,
}

impl Record {
    /// Adds why something failed.
    pub(crate) fn with_failure(mut self, failure: &Failure) -> Self {
        self.code = Some(failure.cause.code().name());
        self.step = Some(failure.step.name());
        self.blame = Some(failure.cause.blame().name());
        self.detail = failure.details();
        self.suggestion = failure.suggestion();
        self
    }

    /// Adds when it is tried again.
    pub(crate) fn with_retry(mut self, retry_in: Option<std::time::Duration>) -> Self {
        self.retry_in_seconds = retry_in.map(|time| time.as_secs());
        if let Some(seconds) = self.retry_in_seconds {
            self.message
                .push_str(&format!("; next attempt in {seconds} s"));
        }
        self
    }

    /// All fields that apply but the level and the time; details as one text with line breaks.
    pub(crate) fn fields(&self) -> Vec<(&'static str, Value)> {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let details = (!self.detail.is_empty()).then(|| self.detail.join("\n").into());
        [
            ("event", Some(self.event.into())),
            ("connection", text(&self.connection)),
            ("child", text(&self.child)),
            ("peer", text(&self.peer)),
            ("local", text(&self.local)),
            ("peer_id", text(&self.peer_id)),
            ("proof", self.proof.map(Value::from)),
            ("code", self.code.map(Value::from)),
            ("step", self.step.map(Value::from)),
            ("blame", self.blame.map(Value::from)),
            ("suite", text(&self.suite)),
            ("ike_spis", text(&self.ike_spis)),
            ("spi_in", text(&self.spi_in)),
            ("spi_out", text(&self.spi_out)),
            ("retry_in_seconds", self.retry_in_seconds.map(Value::from)),
            ("count", self.count.map(Value::from)),
            ("detail", details),
            ("suggestion", text(&self.suggestion)),
            ("message", Some(self.message.as_str().into())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// For the monitors of the control socket.
    pub(crate) fn to_monitored(&self, at_microseconds: u64, level: Level) -> ikapi::Event {
        let one = self.clone();
        let word = |word: Option<&str>| word.map(str::to_owned);
        ikapi::Event {
            at_microseconds,
            level: match level {
                Level::Error => ikapi::EventLevel::Error,
                Level::Warning => ikapi::EventLevel::Warn,
                Level::Info => ikapi::EventLevel::Info,
                Level::Debug => ikapi::EventLevel::Debug,
            },
            name: one.event.to_owned(),
            message: one.message,
            connection: one.connection,
            child: one.child,
            peer: one.peer,
            local: one.local,
            peer_id: one.peer_id,
            proof: word(one.proof),
            code: word(one.code),
            step: word(one.step),
            blame: word(one.blame),
            detail: one.detail,
            suggestion: one.suggestion,
            suite: one.suite,
            ike_spis: one.ike_spis,
            spi_in: one.spi_in,
            spi_out: one.spi_out,
            retry_in_seconds: one.retry_in_seconds,
            count: one.count,
        }
    }

    /// Writes the line, or the journal's entry.
    pub(crate) fn write(&self, level: Level) {
        // tracing wants the level at compile time.
        macro_rules! write_at {
            ($level:ident) => {
                tracing::event!(
                    tracing::Level::$level,
                    event = self.event,
                    connection = self.connection.as_deref(),
                    child = self.child.as_deref(),
                    peer = self.peer.as_deref(),
                    local = self.local.as_deref(),
                    peer_id = self.peer_id.as_deref(),
                    proof = self.proof,
                    code = self.code,
                    step = self.step,
                    blame = self.blame,
                    suite = self.suite.as_deref(),
                    ike_spis = self.ike_spis.as_deref(),
                    spi_in = self.spi_in.as_deref(),
                    spi_out = self.spi_out.as_deref(),
                    retry_in_seconds = self.retry_in_seconds,
                    count = self.count,
                    detail = (!self.detail.is_empty()).then(|| self.detail.join("\n")),
                    suggestion = self.suggestion.as_deref(),
                    message = self.message.as_str(),
                )
            };
        }
        match level {
            Level::Debug => write_at!(DEBUG),
            Level::Info => write_at!(INFO),
            Level::Warning => write_at!(WARN),
            Level::Error => write_at!(ERROR),
        }
    }
}

/// `hq, branch and 17 more`
pub(crate) fn some(names: &[&str]) -> String {
    let shown = names.len().min(5);
    let mut text = names[..shown].join(", ");
    if names.len() > shown {
        text += &format!(" and {} more", names.len() - shown);
    }
    text
}
