//! Numbers, durations, words, and the limits, which are nothing but those.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use ike::config::Limits;

use crate::report::Code;
use crate::walk::{Bad, Fields, Walk};
use crate::words;
use crate::yaml::Node;

/// Seconds in an hour.
pub(super) const HOUR: u64 = 3600;
/// Seconds in a day.
pub(super) const DAY: u64 = 24 * HOUR;

pub(super) fn read_limits(walk: &mut Walk<'_>, node: &Node) -> Option<Limits> {
    let fields = walk.fields(node, None, "limits", &words::LIMITS)?;
    let default = Limits::default();
    let half_open = read_number(
        walk,
        &fields,
        "half_open",
        default.half_open,
        (1, 1_000_000),
    );
    let per_address = read_number(
        walk,
        &fields,
        "half_open_per_address",
        default.half_open_per_address,
        (1, 1_000_000),
    );
    let timeout = read_duration(
        walk,
        &fields,
        "half_open_timeout",
        default.half_open_timeout,
        (1, HOUR),
    );
    let threshold = read_number(
        walk,
        &fields,
        "cookie_threshold",
        default.cookie_threshold,
        (0, 1_000_000),
    );
    let children = read_number(
        walk,
        &fields,
        "children_per_ike_sa",
        default.children_per_ike_sa,
        (1, 65_535),
    );
    Some(Limits {
        cookie_threshold: threshold?,
        half_open: half_open?,
        half_open_per_address: per_address?,
        half_open_timeout: timeout?,
        children_per_ike_sa: children?,
    })
}

pub(super) fn read_priority(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Option<u16>> {
    let Some(node) = fields.get("priority") else {
        return Some(None);
    };
    walk.parsed(
        node,
        &fields.path("priority"),
        Code::BadNumber,
        "a number",
        |text| match text.parse() {
            Ok(number @ 1..) => Ok(Some(number)),
            _ => Err(Bad::new("not a number from 1 to 65535")
                .suggest("1 goes first; without it the narrower goes first")),
        },
    )
}

pub(super) fn read_number<T>(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    key: &str,
    default: T,
    (least, most): (T, T),
) -> Option<T>
where
    T: FromStr + PartialOrd + Display + Copy,
{
    let Some(node) = fields.get(key) else {
        return Some(default);
    };
    walk.parsed(
        node,
        &fields.path(key),
        Code::BadNumber,
        "a number",
        |text| match text.parse::<T>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(Bad::new(format!("not a number from {least} to {most}"))
                .suggest(format!("the default is {default}"))),
        },
    )
}

pub(super) fn read_duration(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    key: &str,
    default: Duration,
    (least, most): (u64, u64),
) -> Option<Duration> {
    let Some(node) = fields.get(key) else {
        return Some(default);
    };
    walk.parsed(
        node,
        &fields.path(key),
        Code::BadDuration,
        "a duration",
        |text| duration(text, least, most),
    )
}

/// A duration as people write it (`30s`, `1h 30m`), from `least` to `most` seconds.
pub(super) fn duration(text: &str, least: u64, most: u64) -> Result<Duration, Bad> {
    let bounds = || format!("{} to {}", shortest(least), shortest(most));
    let read = text
        .parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok());
    match read {
        Some(duration) if (least..=most).contains(&duration.as_secs()) => Ok(duration),
        Some(_) => Err(Bad::new(format!("out of bounds: {}", bounds()))),
        None if text.parse::<u64>().is_ok() => {
            Err(Bad::new("a number without a unit").suggest(format!("write {text}s for seconds")))
        }
        None => Err(Bad::new("not a duration")
            .suggest(format!("write one such as 30s, 90m or 8h, {}", bounds()))),
    }
}

/// Seconds in their largest whole unit.
fn shortest(seconds: u64) -> String {
    match seconds {
        _ if seconds.is_multiple_of(HOUR) => format!("{}h", seconds / HOUR),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// One of several words, with what other programs call them.
pub(super) fn word<T: Copy>(
    text: &str,
    words: &[(&str, T)],
    elsewhere: &[(&str, &str)],
) -> Result<T, Bad> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let meant = elsewhere
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, meant)| *meant);
    let bad = Bad::new(format!("expected {}", known.join(" or ")));
    Err(match meant.or_else(|| words::nearest(text, known)) {
        Some(meant) => bad.suggest(format!("did you mean {meant}?")),
        None => bad,
    })
}
