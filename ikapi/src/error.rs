//! Errors a call can end with: those of `org.ikd.Control`, and those of `org.varlink.service` that ikd sends.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::types::Failure;

/// What the daemon answers instead of a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("no {what} {name:?}")]
    NotFound {
        /// `connection` or `child`.
        what: String,
        /// What was asked for.
        name: String,
        /// The most similar name there is.
        nearest: Option<String>,
    },
    /// The caller may not do this.
    #[error("not allowed: needs {needs}")]
    PermissionDenied {
        /// What the caller would have to be.
        needs: String,
    },
    /// It was tried, and it did not work.
    #[error("{}", failure.summary)]
    Failed {
        /// Why.
        failure: Box<Failure>,
    },
    /// Not up within the time given; the attempts go on.
    #[error("not up in time")]
    Timeout {
        /// The newest failure, where there was one.
        failure: Option<Box<Failure>>,
    },
    /// Not now.
    #[error("busy: {reason}")]
    Busy {
        /// What is in the way.
        reason: String,
    },
    /// A parameter is missing or not what it should be (`org.varlink.service`).
    #[error("invalid parameter: {parameter}")]
    InvalidParameter {
        /// Which, and why.
        parameter: String,
    },
    /// There is no such method (`org.varlink.service`).
    #[error("no method {method}")]
    MethodNotFound {
        /// Its full name.
        method: String,
    },
    /// There is no such interface (`org.varlink.service`).
    #[error("no interface {interface}")]
    InterfaceNotFound {
        /// Its name.
        interface: String,
    },
    /// The answer is too long for one reply: ask with `more` (`org.varlink.service`).
    #[error("the answer is too long for one reply: ask with \"more\"")]
    ExpectedMore,
    /// An error of a newer daemon, or of something that is not ikd.
    #[error("{name}")]
    Unknown {
        /// Its full name.
        name: String,
        /// What came with it.
        parameters: Value,
    },
}

impl Error {
    /// The full name and the parameters, as they go over the wire.
    #[must_use]
    pub fn to_parts(&self) -> (String, Value) {
        let own = |name, parameters| (format!("{}.{name}", crate::INTERFACE), parameters);
        let standard =
            |name, parameters| (format!("{}.{name}", crate::service::INTERFACE), parameters);
        match self {
            Self::NotFound {
                what,
                name,
                nearest,
            } => own(
                "NotFound",
                json!({ "what": what, "name": name, "nearest": nearest }),
            ),
            Self::PermissionDenied { needs } => own("PermissionDenied", json!({ "needs": needs })),
            Self::Failed { failure } => own("Failed", json!({ "failure": failure })),
            Self::Timeout { failure } => own("Timeout", json!({ "failure": failure })),
            Self::Busy { reason } => own("Busy", json!({ "reason": reason })),
            Self::InvalidParameter { parameter } => {
                standard("InvalidParameter", json!({ "parameter": parameter }))
            }
            Self::MethodNotFound { method } => {
                standard("MethodNotFound", json!({ "method": method }))
            }
            Self::InterfaceNotFound { interface } => {
                standard("InterfaceNotFound", json!({ "interface": interface }))
            }
            Self::ExpectedMore => standard("ExpectedMore", json!({})),
            Self::Unknown { name, parameters } => (name.clone(), parameters.clone()),
        }
    }

    /// Reads an error from its full name and parameters. What is not known, or does not fit, becomes [`Error::Unknown`].
    #[must_use]
    pub fn from_parts(name: &str, parameters: Value) -> Self {
        /// All fields that any error has: each error takes its own.
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Fields {
            what: String,
            name: String,
            nearest: Option<String>,
            needs: String,
            reason: String,
            parameter: String,
            method: String,
            interface: String,
            failure: Option<Box<Failure>>,
        }
        let fields = Fields::deserialize(&parameters).unwrap_or_default();
        let known = match name.rsplit_once('.') {
            Some((crate::INTERFACE, short)) => match short {
                "NotFound" => Some(Self::NotFound {
                    what: fields.what,
                    name: fields.name,
                    nearest: fields.nearest,
                }),
                "PermissionDenied" => Some(Self::PermissionDenied {
                    needs: fields.needs,
                }),
                "Failed" => fields.failure.map(|failure| Self::Failed { failure }),
                "Timeout" => Some(Self::Timeout {
                    failure: fields.failure,
                }),
                "Busy" => Some(Self::Busy {
                    reason: fields.reason,
                }),
                _ => None,
            },
            Some((crate::service::INTERFACE, short)) => match short {
                "InvalidParameter" => Some(Self::InvalidParameter {
                    parameter: fields.parameter,
                }),
                "MethodNotFound" => Some(Self::MethodNotFound {
                    method: fields.method,
                }),
                "InterfaceNotFound" => Some(Self::InterfaceNotFound {
                    interface: fields.interface,
                }),
                "ExpectedMore" => Some(Self::ExpectedMore),
                _ => None,
            },
            _ => None,
        };
        known.unwrap_or_else(|| Self::Unknown {
            name: name.to_owned(),
            parameters,
        })
    }
}
