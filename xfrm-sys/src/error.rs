//! What can go wrong between us and the kernel, and what a person can do about it.

use std::fmt;
use std::io;

use nix::errno::Errno;

use crate::message::ParseError;

/// A request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum XfrmError {
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// No answer within the time limit. Whether the kernel acted is unknown.
    #[error("{operation}: the kernel did not answer in time")]
    Timeout {
        /// What was asked, as the kernel calls it.
        operation: &'static str,
    },
    /// The answer was lost because the socket's receive buffer was full (`ENOBUFS`). Whether the kernel acted is unknown.
    #[error("{operation}: the kernel's answer was lost, the receive buffer was full")]
    AnswerLost {
        /// What was asked.
        operation: &'static str,
    },
    /// A dump was interrupted by changes (`NLM_F_DUMP_INTR`) however often it was repeated.
    #[error("{operation}: the list changed while it was read, at every one of {attempts} attempts")]
    Interrupted {
        /// What was asked.
        operation: &'static str,
        /// How often.
        attempts: u32,
    },
    /// The kernel's answer was longer than the buffer for it.
    #[error("{operation}: the kernel's answer was cut short")]
    Truncated {
        /// What was asked.
        operation: &'static str,
    },
    /// The kernel's answer could not be read.
    #[error("{operation}: the kernel's answer cannot be read: {problem}")]
    Malformed {
        /// What was asked.
        operation: &'static str,
        /// What is wrong with it.
        problem: ParseError,
    },
    /// The request contradicts itself and was not sent.
    #[error("{operation}: {problem}")]
    Invalid {
        /// What was asked.
        operation: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The socket failed.
    #[error("{operation}: {source}")]
    Io {
        /// What was asked or tried.
        operation: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The task that owns the socket has ended.
    #[error("{operation}: the netlink socket is closed")]
    Closed {
        /// What was asked.
        operation: &'static str,
    },
}

impl XfrmError {
    /// A stable name: `kernel.ESRCH`, `timeout`, `answer-lost`, ...
    pub fn code(&self) -> String {
        match self {
            Self::Kernel(error) => format!("kernel.{}", error.name()),
            Self::Timeout { .. } => "timeout".into(),
            Self::AnswerLost { .. } => "answer-lost".into(),
            Self::Interrupted { .. } => "dump-interrupted".into(),
            Self::Truncated { .. } => "truncated".into(),
            Self::Malformed { .. } => "malformed".into(),
            Self::Invalid { .. } => "invalid".into(),
            Self::Io { .. } => "io".into(),
            Self::Closed { .. } => "closed".into(),
        }
    }

    /// The kernel's errno, where it is the kernel that refused.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel(error) => Some(error.errno),
            Self::Io { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    /// What to do about it, where this crate knows.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Kernel(error) => error.hint(),
            Self::Io { source, .. } if source.raw_os_error() == Some(libc::EPROTONOSUPPORT) => {
                Some("the kernel has no XFRM netlink interface (CONFIG_XFRM_USER)")
            }
            Self::Io { source, .. } if source.raw_os_error() == Some(libc::EPERM) => {
                Some(NEEDS_NET_ADMIN)
            }
            Self::AnswerLost { .. } | Self::Timeout { .. } => {
                Some("list SAs and policies to see what the kernel did")
            }
            _ => None,
        }
    }
}

const NEEDS_NET_ADMIN: &str =
    "the capability CAP_NET_ADMIN is needed in the network namespace's user namespace";

/// A refusal, in the kernel's own words where it has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelError {
    /// What was asked, as the kernel calls it: `NEWSA`, `UPDPOLICY`, ...
    pub operation: &'static str,
    /// The positive errno.
    pub errno: i32,
    /// The extended ACK's text, verbatim.
    pub words: Option<String>,
    /// The attribute that was wrong, as an offset in bytes into the request.
    pub offset: Option<u32>,
    /// The attribute that was missing, by type.
    pub missing: Option<u32>,
}

impl KernelError {
    /// The errno's name, such as `ESRCH`; `E<number>` if it has none.
    pub fn name(&self) -> String {
        match Errno::from_raw(self.errno) {
            Errno::UnknownErrno => format!("E{}", self.errno),
            errno => format!("{errno:?}"),
        }
    }

    /// What to do about it, where this crate knows.
    pub fn hint(&self) -> Option<&'static str> {
        let words = self.words.as_deref().unwrap_or_default();
        let of_sa = matches!(self.operation, "NEWSA" | "UPDSA");
        match self.errno {
            libc::EPERM => Some(NEEDS_NET_ADMIN),
            _ if words.contains("algorithm not found") => {
                Some("the kernel lacks this algorithm: load its module, or negotiate another")
            }
            _ if words.contains("type not found") => {
                Some("the kernel lacks ESP or AH: load the modules esp4 and esp6 (ah4, ah6)")
            }
            libc::ESRCH if self.operation == "UPDSA" => Some(
                "the SPI's reservation has expired (net.core.xfrm_acq_expires): add the SA instead",
            ),
            libc::EEXIST if of_sa => {
                Some("another SA has this SPI, destination and protocol: choose another SPI")
            }
            libc::EEXIST => {
                Some("a policy with this selector and direction exists: update it instead")
            }
            libc::ENOMEM | libc::ENOBUFS => Some("the kernel is out of memory for this"),
            _ => None,
        }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errno = Errno::from_raw(self.errno);
        write!(f, "{}: the kernel says {}", self.operation, self.name())?;
        match &self.words {
            Some(words) => write!(f, ": {words}"),
            None => write!(f, " ({})", errno.desc()),
        }
    }
}

impl std::error::Error for KernelError {}
