//! Numbers, durations, words, and the limits, which are nothing but those.

use std::fmt::Display;
use std::time::Duration;

use ike::config::Limits;

use crate::report::Code;
use crate::walk::{Bad, Fields, Walk};
use crate::words::{self, Kind, Word};
use crate::yaml::Node;

pub(super) fn read_limits(walk: &mut Walk<'_>, node: &Node) -> Option<Limits> {
    let fields = walk.fields(node, None, "limits", &words::LIMITS)?;
    let default = Limits::default();
    let half_open = read_number(walk, &fields, "half_open", default.half_open);
    let per_address = read_number(
        walk,
        &fields,
        "half_open_per_address",
        default.half_open_per_address,
    );
    let timeout = read_duration(
        walk,
        &fields,
        "half_open_timeout",
        default.half_open_timeout,
    );
    let threshold = read_number(walk, &fields, "cookie_threshold", default.cookie_threshold);
    let children = read_number(
        walk,
        &fields,
        "children_per_ike_sa",
        default.children_per_ike_sa,
    );
    Some(Limits {
        cookie_threshold: threshold?,
        half_open: half_open?,
        half_open_per_address: per_address?,
        half_open_timeout: timeout?,
        children_per_ike_sa: children?,
        ..default
    })
}

/// A place among all policies, `None` within where there is none.
pub(super) fn read_priority(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Option<u16>> {
    let Some(node) = fields.get("priority") else {
        return Some(None);
    };
    let help = "1 goes first; without it the narrower goes first";
    number(walk, fields, ("priority", node), help).map(Some)
}

pub(super) fn read_number<T>(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    key: &str,
    default: T,
) -> Option<T>
where
    T: TryFrom<u64> + Display,
{
    match fields.get(key) {
        Some(node) => {
            let help = format!("the default is {default}");
            number(walk, fields, (key, node), &help)
        }
        None => Some(default),
    }
}

fn number<T: TryFrom<u64>>(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    (key, node): (&str, &Node),
    help: &str,
) -> Option<T> {
    let Kind::Number { least, most } = fields.kind(key) else {
        unreachable!("the table has no number under {key}")
    };
    let parse = |text: &str| {
        let number = text.parse().ok().filter(|one| (least..=most).contains(one));
        let number = number.and_then(|one| T::try_from(one).ok());
        number.ok_or_else(|| Bad::new(format!("not a number from {least} to {most}")).suggest(help))
    };
    walk.parsed(node, &fields.path(key), Code::BadNumber, "a number", parse)
}

/// A duration; zero for `never`.
pub(super) fn read_duration(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    key: &str,
    default: Duration,
) -> Option<Duration> {
    let Some(node) = fields.get(key) else {
        return Some(default);
    };
    let Kind::Duration { least, most, never } = fields.kind(key) else {
        unreachable!("the table has no duration under {key}")
    };
    let expected = if never {
        "a duration, or never"
    } else {
        "a duration"
    };
    walk.parsed(
        node,
        &fields.path(key),
        Code::BadDuration,
        expected,
        |text| match text {
            "never" if never => Ok(Duration::ZERO),
            text => duration(text, least, most),
        },
    )
}

/// A duration as people write it (`30s`, `1h 30m`), from `least` to `most` seconds.
fn duration(text: &str, least: u64, most: u64) -> Result<Duration, Bad> {
    let bounds = || format!("{} to {}", shortest(least), shortest(most));
    let read = Some(text)
        .filter(|text| is_duration(text))
        .and_then(|text| text.parse::<jiff::SignedDuration>().ok())
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

/// Whether it is written as the schema says: numbers with their units, a space between at most.
fn is_duration(text: &str) -> bool {
    let is_part = |part: &str| {
        let unit = part.trim_start_matches(|c: char| c.is_ascii_digit());
        unit.len() < part.len() && matches!(unit, "h" | "m" | "s")
    };
    text.split_inclusive(['h', 'm', 's'])
        .enumerate()
        .all(|(i, part)| is_part(part.strip_prefix(' ').filter(|_| i > 0).unwrap_or(part)))
        && !text.is_empty()
}

/// Seconds in their largest whole unit.
pub(crate) fn shortest(seconds: u64) -> String {
    match seconds {
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// One of the words of the table, each with its value, and what other programs call them.
pub(super) fn read_word<T: Copy>(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    key: &str,
    default: T,
    words: &[(&str, T)],
    elsewhere: &[(&str, &str)],
) -> Option<T> {
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    debug_assert!(
        matches!(fields.kind(key), Kind::Word(table) if known.iter().eq(table.iter().map(|Word(word, _)| word))),
        "the table has other words under {key}"
    );
    let Some(node) = fields.get(key) else {
        return Some(default);
    };
    let expected = known.join(" or ");
    walk.parsed(node, &fields.path(key), Code::BadWord, &expected, |text| {
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let mut elsewhere = elsewhere.iter();
        let meant = elsewhere
            .find(|(word, _)| *word == text)
            .map(|(_, meant)| *meant);
        let bad = Bad::new(format!("expected {expected}"));
        Err(
            match meant.or_else(|| words::nearest(text, known.iter().copied())) {
                Some(meant) => bad.suggest(format!("did you mean {meant}?")),
                None => bad,
            },
        )
    })
}
