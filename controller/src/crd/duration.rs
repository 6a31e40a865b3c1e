//! Durations as Kubernetes writes them (`metav1.Duration`), in CEL.

use super::rule::{Placed, invalid};

/// What Go's `time.ParseDuration` takes, negative ones apart.
const PATTERN: &str = "^(0|[+]?(([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";

/// Whether `text`, an expression, is a duration: `duration()` of it is then no error.
pub fn is_duration(text: &str) -> String {
    format!("{text}.matches('{PATTERN}')")
}

/// Rules for a text at `at` that is whole seconds within `least..=most`, or 0 where `or_zero`.
pub fn whole_seconds(at: &'static str, least: u32, most: u32, or_zero: bool) -> [Placed; 3] {
    let allowed = match (or_zero, least) {
        (true, 0 | 1) => format!("write 0s to {most}s"),
        (true, _) => format!("write 0s, or {least}s to {most}s"),
        (false, _) => format!("write {least}s to {most}s"),
    };
    let text = is_duration("self");
    let least = match (or_zero, least) {
        (true, 0 | 1) => "true".to_owned(),
        (true, _) => {
            format!("duration(self) == duration('0s') || duration(self) >= duration('{least}s')")
        }
        (false, _) => format!("duration(self) >= duration('{least}s')"),
    };
    [
        invalid(
            at,
            text.clone(),
            format!("not a duration; {allowed}, with its unit"),
        ),
        invalid(
            at,
            format!("!{text} || (({least}) && duration(self) <= duration('{most}s'))"),
            format!("out of range; {allowed}"),
        ),
        invalid(
            at,
            format!(
                "!{text} || timestamp(0) + duration(self) == timestamp(duration(self).getSeconds())"
            ),
            format!("not a whole number of seconds; {allowed}"),
        ),
    ]
}
