//! Durations as Kubernetes writes them (`metav1.Duration`): Go's `90s`, `1m30s`, `1.5h`.

use crate::problem::Finding;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// `text` in whole seconds, within `least..=most`, or 0 where `or_zero`.
pub fn whole_seconds(
    text: &str,
    field: &str,
    least: u32,
    most: u32,
    or_zero: bool,
) -> Result<u32, Finding> {
    let allowed = match (or_zero, least) {
        (true, 0 | 1) => format!("write 0s to {most}s"),
        (true, _) => format!("write 0s, or {least}s to {most}s"),
        (false, _) => format!("write {least}s to {most}s"),
    };
    let Some(nanos) = nanoseconds(text) else {
        let message = format!("`{text}` is not a duration");
        return Err(Finding::error(
            field,
            message,
            format!("{allowed}, with its unit"),
        ));
    };
    if nanos % NANOS_PER_SECOND != 0 {
        let message = format!("`{text}` is not a whole number of seconds");
        return Err(Finding::error(field, message, allowed));
    }
    let seconds = u32::try_from(nanos / NANOS_PER_SECOND).unwrap_or(u32::MAX);
    if (or_zero && seconds == 0) || (least..=most).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(Finding::error(
            field,
            format!("{seconds} s is out of range"),
            allowed,
        ))
    }
}

/// A Go duration in nanoseconds; `None` where it is none, is negative, or is over 2^64 ns.
fn nanoseconds(text: &str) -> Option<u128> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let (unit, tail) = UNITS
            .iter()
            .find_map(|(name, nanos)| tail.strip_prefix(name).map(|tail| (*nanos, tail)))?;
        total = total.checked_add(scaled(number, unit)?)?;
        rest = tail;
    }
    (total <= u128::from(u64::MAX)).then_some(total)
}

/// Units, longer names before those that begin them.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
];

/// `number` (`1`, `1.5`, `.5`) times `unit`.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 18 {
        return None;
    }
    let digits = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse::<u128>().ok()
        }
    };
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let parts = digits(fraction)?.checked_mul(unit)? / scale;
    digits(whole)?.checked_mul(unit)?.checked_add(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let rows = [
            ("90s", 90),
            ("1m30s", 90),
            ("1.5m", 90),
            ("0", 0),
            ("0s", 0),
            ("3000ms", 3),
            ("1h", 3600),
        ];
        for (text, seconds) in rows {
            assert_eq!(
                whole_seconds(text, "f", 3, 65535, true),
                Ok(seconds),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_or_out_of_range_is_refused() {
        let rows = [
            "",
            "90",
            "s",
            "-3s",
            "1.s.",
            "2s",
            "1s",
            "1500ms",
            "65536s",
            "9999999999999h",
            ".",
            "1x",
            " 3s",
            "3s ",
            "99999999999999999999999999999999999999999s",
        ];
        for text in rows {
            assert!(whole_seconds(text, "f", 3, 65535, true).is_err(), "{text}");
        }
    }
}
