//! The kernel's yes and no: `NLMSG_ERROR`, `NLMSG_DONE` and the extended ACK (`struct nlmsgerr`, `linux/netlink.h`).

use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE};

use crate::KernelError;
use crate::message::{Attributes, HEADER, ParseError, Received, align};

/// The text for a person.
const NLMSGERR_ATTR_MSG: u16 = 1;
/// Offset of what was wrong, in bytes into the request.
const NLMSGERR_ATTR_OFFS: u16 = 2;
/// Type of the attribute that was missing.
const NLMSGERR_ATTR_MISS_TYPE: u16 = 5;

/// What the final message of an answer says of the request `operation`. An empty `NLMSG_DONE` is a yes.
pub(crate) fn verdict(
    operation: &'static str,
    message: &Received<'_>,
) -> Result<Result<(), KernelError>, ParseError> {
    let errno = match message.payload.first_chunk() {
        Some(errno) => i32::from_ne_bytes(*errno).saturating_neg(),
        None if message.kind == NLMSG_DONE && message.payload.is_empty() => 0,
        None => {
            let got = message.payload.len();
            return Err(ParseError::Short {
                what: "ACK",
                needed: 4,
                got,
            });
        }
    };
    if errno == 0 {
        return Ok(Ok(()));
    }
    let mut error = KernelError {
        operation,
        errno,
        words: None,
        offset: None,
        missing: None,
    };
    // The words are a help: an error in them must not hide the errno.
    for (kind, value) in extended(message).flatten() {
        let number = value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
        match kind {
            NLMSGERR_ATTR_MSG => error.words = Some(text(value)),
            NLMSGERR_ATTR_OFFS => error.offset = number,
            NLMSGERR_ATTR_MISS_TYPE => error.missing = number,
            _ => {}
        }
    }
    Ok(Err(error))
}

/// The attributes behind the errno and, in `NLMSG_ERROR`, behind the request's header, or all of the request where the
/// kernel was not asked to leave its content out.
fn extended<'a>(message: &Received<'a>) -> Attributes<'a> {
    let none = Attributes(&[]);
    if message.flags & NLM_F_ACK_TLVS == 0 {
        return none;
    }
    let echoed = match message.kind {
        NLMSG_DONE => 0,
        _ if message.flags & NLM_F_CAPPED != 0 => HEADER,
        _ => match message.payload.get(4..).and_then(<[u8]>::first_chunk) {
            Some(length) => align(u32::from_ne_bytes(*length) as usize),
            None => return none,
        },
    };
    Attributes(message.payload.get(4 + echoed..).unwrap_or_default())
}

/// The kernel's text without its terminator, and without control characters that could confuse a terminal.
fn text(value: &[u8]) -> String {
    let end = value
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end])
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}
