//! Why something did not work: when, in which step, with whom, what did not fit, what to change.

use ikapi::Failure;

use crate::explain;
use crate::text::{self, Page};

/// A failure just now, as the end of an error message.
pub(crate) fn failure(failure: &Failure) -> String {
    let mut page = Page::default();
    page.prose(2, 2, &failure.summary);
    page.line(2, &format!("({})", place(failure)));
    reasons(&mut page, 2, failure);
    if explain::knows(&failure.code) {
        page.line(2, &format!("more: ikctl explain {}", failure.code));
    }
    page.finish().trim_end().to_owned()
}

/// A failure of the past, as part of a list.
pub(super) fn past(page: &mut Page, indent: usize, failure: &Failure, now: u64) {
    let age = text::duration(now.saturating_sub(failure.at));
    page.prose(indent, 2, &format!("failed {age} ago: {}", failure.summary));
    page.line(indent + 2, &format!("({})", place(failure)));
    reasons(page, indent + 2, failure);
}

/// `no-common-proposal, in IKE_SA_INIT with 198.51.100.7:500`
fn place(failure: &Failure) -> String {
    let mut place = failure.code.clone();
    if !failure.step.is_empty() {
        place += &format!(", in {}", failure.step);
    }
    if let Some(peer) = &failure.peer {
        place += &format!(" with {peer}");
    }
    place
}

fn reasons(page: &mut Page, indent: usize, failure: &Failure) {
    for line in &failure.detail {
        page.prose(indent, 2, line);
    }
    if let Some(suggestion) = &failure.suggestion {
        page.prose(indent, 5, &format!("try: {suggestion}"));
    }
}
