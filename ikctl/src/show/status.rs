//! `ikctl status` and `ikctl reload`.

use ikapi::{Expiring, ExpiringKind, KernelMode, Reloaded, Status};

use super::failure;
use crate::text::{self, Page, counted, duration, paint};

/// Connections that a line names.
const NAMED: usize = 5;

/// How the daemon and the kernel fare.
pub(crate) fn status(status: &Status, colour: bool) -> String {
    let Status {
        configuration,
        kernel,
        counts,
        now,
        ..
    } = status;
    let mut page = Page::default();
    let ikd = paint(&format!("ikd {}", status.version), "1", colour);
    page.line(
        0,
        &format!(
            "{ikd}, running for {} (pid {})",
            duration(status.uptime_seconds),
            status.pid
        ),
    );

    let loaded = duration(now.saturating_sub(configuration.loaded_at));
    let paths = configuration.paths.join(", ");
    let read = format!(
        "configuration   {paths}, read {loaded} ago: {}",
        counted(configuration.connections, "connection")
    );
    page.prose(0, 16, &read);
    if let Some(error) = &configuration.last_reload_error {
        page.line(
            0,
            &paint(
                "  the newest reading was refused, this one goes on:",
                "33",
                colour,
            ),
        );
        failure::past(&mut page, 2, error, *now);
    }

    if let Some(file) = &status.keylog {
        let warning = format!(
            "warning         keys are written to {file}: whoever has it can read captures of IKE"
        );
        page.prose(0, 16, &paint(&warning, "33", colour));
    }

    if !status.expiring.is_empty() {
        page.line(0, &paint("certificates    to be renewed", "33", colour));
    }
    for one in &status.expiring {
        page.prose(4, 2, &expiring(one, *now));
    }

    let mode = match kernel.mode {
        KernelMode::Xfrm => "XFRM",
        KernelMode::None => "none: IKE SAs only, nothing is protected",
        KernelMode::Unknown => "unknown",
    };
    page.line(0, &format!("kernel          {mode}"));
    for line in &kernel.capabilities {
        page.prose(4, 2, line);
    }
    for line in &kernel.missing {
        page.prose(4, 2, &format!("missing: {line}"));
    }

    page.line(
        0,
        &format!("connections     {} of {} up", counts.up, counts.connections),
    );
    page.line(
        0,
        &format!(
            "phase 1         {}, {} half-open",
            counted(counts.ike_sas, "IKE SA"),
            counts.half_open
        ),
    );
    page.line(
        0,
        &format!("phase 2         {}", counted(counts.child_sas, "Child SA")),
    );

    if status.xfrm_statistics.is_empty() {
        page.line(0, "kernel errors   none");
    } else {
        page.line(0, "kernel errors   since boot, in this network namespace");
        for (counter, count) in &status.xfrm_statistics {
            page.line(4, &format!("{counter:<24} {}", text::number(*count)));
        }
    }
    page.finish()
}

/// `our certificate CN=hq, serial 01, expires in 6d: branch, depot`
fn expiring(one: &Expiring, now: u64) -> String {
    let what = match one.kind {
        ExpiringKind::Own => "our certificate",
        ExpiringKind::Intermediate => "the intermediate certificate",
        ExpiringKind::Authority => "the authority's certificate",
        ExpiringKind::RevocationList => "the revocation list of",
        ExpiringKind::Unknown => "a credential of",
    };
    let serial = one.serial.iter().map(|serial| format!(", serial {serial}"));
    let serial: String = serial.collect();
    let until = text::expires(one.not_after, now);
    let named = one.connections.len().min(NAMED);
    let mut names = one.connections[..named].join(", ");
    if one.connections.len() > named {
        names += &format!(" and {} more", one.connections.len() - named);
    }
    format!("{what} {}{serial}, {until}: {names}", one.name)
}

/// What a reload has changed.
pub(crate) fn reloaded(reloaded: &Reloaded) -> String {
    let mut page = Page::default();
    for (what, names) in [
        ("added", &reloaded.added),
        ("removed", &reloaded.removed),
        ("changed", &reloaded.changed),
    ] {
        if !names.is_empty() {
            page.prose(0, 2, &format!("{what}: {}", names.join(", ")));
        }
    }
    let text = page.finish();
    if text.is_empty() {
        "read again: no connection has changed; secrets are used as they are now, from the next IKE_AUTH on\n".to_owned()
    } else {
        text
    }
}
