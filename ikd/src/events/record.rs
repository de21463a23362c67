//! What an event can tell: a line of the log, an entry of the journal, an event of a monitor.

use ike::engine::event::Level;
use ike::engine::failure::Failure;

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

    /// Writes the line.
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
